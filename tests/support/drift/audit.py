"""Trails and flow logs, changed and deleted behind the platform's back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .model import Account, Drift, tags

TRAIL = "koin"


def _trail(**changed: Any) -> Callable[[Account], object]:
    return lambda a: a.aws.client("cloudtrail").update_trail(Name=TRAIL, **changed)


def _keep_for_ever(a: Account) -> None:
    client, bucket = a.aws.client("s3"), "bcsdlab-cloudtrail"
    rules = client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    kept = [rule for rule in rules if rule["ID"] != "expire"]
    client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": kept})


#: one for each field that is declared
DRIFTS = [
    Drift("trail", TRAIL, "bucket", _trail(S3BucketName="kap-test")),
    Drift("trail", TRAIL, "prefix", _trail(S3KeyPrefix="audit")),
    Drift("trail", TRAIL, "multi_region", _trail(IsMultiRegionTrail=False)),
    Drift("trail", TRAIL, "global_services", _trail(IncludeGlobalServiceEvents=False)),
    Drift("trail", TRAIL, "log_file_validation", _trail(EnableLogFileValidation=False)),
    Drift("trail", TRAIL, "logging", lambda a: a.aws.client("cloudtrail").stop_logging(Name=TRAIL)),
    *tags("flow_log", "BCSDLab", "Platform"),
    Drift("bucket", "bcsdlab-cloudtrail", "lifecycle.expire", _keep_for_ever),
]

#: kind and name -> how to delete it
DELETIONS: dict[tuple[str, str], Callable[[Account], object]] = {
    ("trail", TRAIL): lambda a: a.aws.client("cloudtrail").delete_trail(Name=TRAIL),
    ("flow_log", "BCSDLab"): lambda a: a.ec2.delete_flow_logs(FlowLogIds=[a.id("flow_log", "BCSDLab")]),
}

RENAMED = {("flow_log", "tags.Name")}
