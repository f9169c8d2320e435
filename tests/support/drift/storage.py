"""Buckets, changed and deleted behind the platform's back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ansible.module_utils.platform.kinds.storage import BLOCK

from .model import Account, Drift

BUCKET = "kap-test"


def _s3(operation: str, **arguments: Any) -> Callable[[Account], object]:
    return lambda a: getattr(a.aws.client("s3"), operation)(Bucket=BUCKET, **arguments)


def _shorter_rules(a: Account) -> None:
    client = a.aws.client("s3")
    rules = client.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    for rule in rules:
        if "NoncurrentVersionExpiration" in rule:
            rule["NoncurrentVersionExpiration"]["NoncurrentDays"] = 3
    client.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": rules})


def _locks_of_backups_for_a_month(a: Account) -> None:
    client = a.aws.client("s3")
    rules = client.get_bucket_lifecycle_configuration(Bucket="koin-backup")["Rules"]
    for rule in rules:
        if rule["ID"] == "expire-locks":
            rule["Expiration"]["Days"] = 30
    client.put_bucket_lifecycle_configuration(Bucket="koin-backup", LifecycleConfiguration={"Rules": rules})


def _records_for_a_month(a: Account) -> None:
    client = a.aws.client("s3")
    rules = client.get_bucket_lifecycle_configuration(Bucket="koin-platform")["Rules"]
    for rule in rules:
        if rule["ID"] == "expire-runs":
            rule["Expiration"]["Days"] = 30
    client.put_bucket_lifecycle_configuration(Bucket="koin-platform", LifecycleConfiguration={"Rules": rules})


def _without_upload_rule(a: Account) -> None:
    client = a.aws.client("s3")
    rules = client.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    kept = [rule for rule in rules if rule["ID"] != "abort-uploads"]
    client.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": kept})


def _empty_folder(a: Account) -> None:
    client = a.aws.client("s3")
    for version in client.list_object_versions(Bucket="bcsdlab-storage").get("Versions", []):
        client.delete_object(Bucket="bcsdlab-storage", Key=version["Key"], VersionId=version["VersionId"])


_OPEN = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
    ],
}

#: one for each field that is declared
DRIFTS = [
    Drift("bucket", BUCKET, "policy", _s3("put_bucket_policy", Policy=json.dumps(_OPEN))),
    Drift(
        "bucket", BUCKET, "versioning", _s3("put_bucket_versioning", VersioningConfiguration={"Status": "Suspended"})
    ),
    Drift("bucket", BUCKET, "encryption", _s3("delete_bucket_encryption")),
    *(
        Drift(
            "bucket",
            BUCKET,
            f"block_public_access.{field}",
            # One more at a time.
            _s3(
                "put_public_access_block",
                PublicAccessBlockConfiguration={name: other > number for other, name in enumerate(BLOCK.values())},
            ),
        )
        for number, field in enumerate(BLOCK)
    ),
    Drift(
        "bucket",
        BUCKET,
        "ownership",
        _s3("put_bucket_ownership_controls", OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}),
    ),
    Drift("bucket", BUCKET, "grants", _s3("put_bucket_acl", ACL="public-read")),
    Drift(
        "bucket",
        BUCKET,
        "cors",
        _s3(
            "put_bucket_cors",
            CORSConfiguration={"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]},
        ),
    ),
    Drift("bucket", BUCKET, "lifecycle.expire-old-versions", _shorter_rules),
    Drift("bucket", BUCKET, "lifecycle.abort-uploads", _without_upload_rule),
    Drift("bucket", "koin-platform", "lifecycle.expire-runs", _records_for_a_month),
    Drift("bucket", "koin-backup", "lifecycle.expire-locks", _locks_of_backups_for_a_month),
    Drift(
        "bucket",
        BUCKET,
        "tags.Platform",
        _s3("put_bucket_tagging", Tagging={"TagSet": [{"Key": "Owner", "Value": "kim"}]}),
    ),
    Drift("bucket", "bcsdlab-storage", "prefixes.images/", _empty_folder),
]


def _delete_bucket(a: Account) -> None:
    a.aws.client("s3").delete_bucket(Bucket="team-kap-koin-storage")


#: kind and name -> how to delete it
DELETIONS: dict[tuple[str, str], Callable[[Account], object]] = {
    ("bucket", "team-kap-koin-storage"): _delete_bucket,
}
