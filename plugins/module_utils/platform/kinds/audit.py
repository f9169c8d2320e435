"""Who did what in the account: CloudTrail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..engine.access import Detail, Read, Requests, Write, at
from ..engine.context import Context
from ..engine.declaration import Declaration
from ..engine.errors import Problem
from ..engine.model import Desired, FieldChange, Fields, Live
from .base import Kind, Observation, declared, label


def log_statements(bucket: str, service: str, account: str, source: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Let one service, and nobody else, write logs into a bucket.

    source: the condition that the service writes for this account, as ``{"ArnLike": {"aws:SourceArn": ...}}``.
    """
    arn = f"arn:aws:s3:::{bucket}"
    principal = {"Service": service}
    yield {
        "Sid": "LogDeliveryCheck",
        "Effect": "Allow",
        "Principal": principal,
        "Action": "s3:GetBucketAcl",
        "Resource": arn,
        "Condition": dict(source),
    }
    yield {
        "Sid": "LogDeliveryWrite",
        "Effect": "Allow",
        "Principal": principal,
        "Action": "s3:PutObject",
        "Resource": f"{arn}/AWSLogs/{account}/*",
        "Condition": {**source, "StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}},
    }
    # What the bucket's lifecycle deletes is not asked.
    yield {
        "Sid": "DenyOtherWriters",
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObject"],
        "Resource": f"{arn}/*",
        "Condition": {"ArnNotLike": source["ArnLike"]},
    }


def log_bucket(declaration: Declaration, where: str, bucket: str) -> Iterator[Problem]:
    """The bucket's policy is written from the declaration, for without it nothing is delivered."""
    entry = declaration.entries("aws_storage_buckets").get(bucket)
    if entry and not entry.get("tls_only"):
        yield Problem(where, f"`{bucket}` has no policy of ours", f"set aws_storage_buckets.{bucket}.tls_only to true")


def _declared_trails(declaration: Declaration, answer: Any) -> Requests:
    names = declaration.entries(Trail.variable)
    for raw in answer["trailList"]:
        if raw["Name"] in names:
            yield (raw["TrailARN"],), {"Name": raw["TrailARN"]}


class Trail(Kind):
    """Recognised by its name, in its home region."""

    name = "trail"
    role = "aws_account"
    service = "cloudtrail"
    variable = "aws_account_trails"
    entry_point = "trail"
    refers = {"bucket": "bucket"}
    reads = (
        Read(
            service="cloudtrail",
            operation="describe_trails",
            into="trails",
            value=at("trailList"),
            arguments={"includeShadowTrails": False},
            then=(
                Detail(
                    service="cloudtrail",
                    operation="get_trail_status",
                    into="trail_status",
                    each=_declared_trails,
                    value=lambda answer: answer["IsLogging"],
                ),
            ),
        ),
    )
    writes = (
        Write("cloudtrail:CreateTrail", creates=True),
        Write("cloudtrail:UpdateTrail", ("bucket", "multi_region", "global_services", "log_file_validation")),
        Write("cloudtrail:StartLogging", ("logging",)),
        Write("cloudtrail:StopLogging", ("logging",)),
    )
    module_reads = ("cloudtrail:DescribeTrails", "cloudtrail:GetTrailStatus")

    def check(self, declaration: Declaration) -> Iterable[Problem]:
        for name, entry in declaration.entries(self.variable).items():
            where = f"{self.variable}.{name}"
            yield from log_bucket(declaration, f"{where}.bucket", entry["bucket"])
            if entry["multi_region"] and not entry["global_services"]:
                fix = "set it to true, or `multi_region` to false"
                yield Problem(f"{where}.global_services", "a trail of all regions has to include global services", fix)

    def bucket_statements(self, declaration: Declaration, bucket: str) -> Iterable[dict[str, Any]]:
        trails = [name for name, entry in declaration.entries(self.variable).items() if entry["bucket"] == bucket]
        if trails:
            start = f"arn:aws:cloudtrail:{declaration.region}:{declaration.account}:trail"
            source = {"ArnLike": {"aws:SourceArn": [f"{start}/{name}" for name in sorted(trails)]}}
            yield from log_statements(bucket, "cloudtrail.amazonaws.com", declaration.account, source)

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries(self.variable).items():
            fields = declared(entry, "bucket", "multi_region", "global_services", "log_file_validation", "logging")
            yield Desired(name, entry, fields)

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        for raw in observation["trails"]:
            arn = raw["TrailARN"]
            status = {"logging": observation["trail_status"].get(arn)}
            yield Live(arn, label(arn, raw["Name"]), {**raw, **status}, {"id": arn})

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        return next((item for item in live if item.raw["Name"] == want.name), None)

    def fields(self, live: Live, context: Context) -> Fields:
        raw = live.raw
        return {
            "bucket": raw.get("S3BucketName"),
            "multi_region": raw.get("IsMultiRegionTrail", False),
            "global_services": raw.get("IncludeGlobalServiceEvents", False),
            "log_file_validation": raw.get("LogFileValidationEnabled", False),
            "logging": raw["logging"],
        }

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange]) -> Iterable[str]:
        for change in changes:
            if change.field == "bucket":
                yield f"trail {want.name}: new logs go to {change.after}; the former ones stay in {change.before}"
