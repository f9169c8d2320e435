"""S3 buckets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..declaration import Declaration
from ..model import Desired, FieldChange, Fields, Live
from .base import Context, Kind, Observation, declared, policy, statements, tag_fields
from .cdn import distribution_arn


def bucket_policy(bucket: str, readers: Sequence[str]) -> dict[str, Any]:
    """Refuse plain HTTP; let these distributions (by declared name) read objects."""
    arn = f"arn:aws:s3:::{bucket}"
    parts: list[dict[str, Any]] = [
        {
            "Sid": "DenyPlainHttp",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]
    parts += [
        {
            "Sid": f"Distribution{''.join(part.capitalize() for part in name.replace('_', '-').split('-'))}",
            "Effect": "Allow",
            "Principal": {"Service": "cloudfront.amazonaws.com"},
            "Action": "s3:GetObject",
            "Resource": f"{arn}/*",
            "Condition": {"StringEquals": {"aws:SourceArn": distribution_arn(name)}},
        }
        for name in sorted(readers)
    ]
    return policy(*parts)


def _cors_lines(rules: Iterable[Mapping[str, Any]]) -> list[str]:
    lines = []
    for rule in rules:
        text = f"{rule['id']}: {' '.join(sorted(rule['methods']))} from {' '.join(sorted(rule['origins']))}"
        text += f" headers {' '.join(sorted(rule['headers'])) or '-'} expose {' '.join(sorted(rule['expose'])) or '-'}"
        lines.append(f"{text} max-age {rule.get('max_age') or '-'}")
    return sorted(lines)


def _live_cors(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": rule.get("ID", "-"),
        "methods": rule.get("AllowedMethods", []),
        "origins": rule.get("AllowedOrigins", []),
        "headers": rule.get("AllowedHeaders", []),
        "expose": rule.get("ExposeHeaders", []),
        "max_age": rule.get("MaxAgeSeconds"),
    }


def _lifecycle_line(rule: Mapping[str, Any]) -> str:
    parts = [f"prefix {rule['prefix']!r}"] if rule.get("prefix") else []
    for key, words in (
        ("expire_days", "expire after {} days"),
        ("noncurrent_days", "drop old versions after {} days"),
        ("abort_multipart_days", "drop unfinished uploads after {} days"),
    ):
        if rule.get(key) is not None:
            parts.append(words.format(rule[key]))
    return ", ".join(parts)


def _live_lifecycle(rule: Mapping[str, Any]) -> str:
    where = rule.get("Filter") or {}
    line = _lifecycle_line(
        {
            "prefix": where.get("Prefix") or rule.get("Prefix"),
            "expire_days": (rule.get("Expiration") or {}).get("Days"),
            "noncurrent_days": (rule.get("NoncurrentVersionExpiration") or {}).get("NoncurrentDays"),
            "abort_multipart_days": (rule.get("AbortIncompleteMultipartUpload") or {}).get("DaysAfterInitiation"),
        }
    )
    return line if rule.get("Status") == "Enabled" else f"{line} (disabled)"


class Bucket(Kind):
    """Recognised by its name."""

    name = "bucket"
    role = "aws_storage"
    writes = (
        "s3:CreateBucket",
        "s3:PutBucketVersioning",
        "s3:PutEncryptionConfiguration",
        "s3:PutBucketPublicAccessBlock",
        "s3:PutBucketOwnershipControls",
        "s3:PutBucketAcl",
        "s3:PutBucketPolicy",
        "s3:PutBucketTagging",
        "s3:PutBucketCORS",
        "s3:PutLifecycleConfiguration",
        "s3:PutObject",
    )

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        sites = declaration.entries("aws_cdn_distributions")
        for name, entry in declaration.entries("aws_storage_buckets").items():
            tags = declaration.tags(None, entry)
            fields = declared(entry, "versioning", "encryption", "block_public_access", "ownership") | tag_fields(tags)
            extra: dict[str, Any] = {"tags": tags}
            if entry.get("tls_only"):
                readers = [site for site, distribution in sites.items() if distribution["bucket"] == name]
                extra["policy"] = bucket_policy(name, readers)
                fields["policy"] = statements(extra["policy"])
            if "cors" in entry:
                fields["cors"] = _cors_lines({"id": key, **rule} for key, rule in entry["cors"].items())
            for rule_id, rule in entry.get("lifecycle", {}).items():
                fields[f"lifecycle.{rule_id}"] = _lifecycle_line(rule)
            for prefix in entry.get("prefixes", []):
                fields[f"prefixes.{prefix}"] = "present"
            yield Desired(name, {**entry, **extra}, fields)

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        for name in observation["buckets"]:
            config = observation["bucket_configs"].get(name, {})
            yield Live(name, name, config, {"id": name, "policy": config.get("policy") or ""})

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        return next((item for item in live if item.id == want.name), None)

    def fields(self, live: Live, context: Context) -> Fields:
        raw = live.raw
        block = raw.get("public_access_block") or {}
        fields: Fields = {
            "versioning": raw.get("versioning") == "Enabled",
            "encryption": raw.get("encryption"),
            "block_public_access": bool(block) and all(block.values()),
            "ownership": raw.get("ownership"),
            "policy": statements(raw.get("policy")),
            "cors": _cors_lines(_live_cors(rule) for rule in raw.get("cors") or []),
            **tag_fields(raw.get("tags") or {}),
        }
        for rule in raw.get("lifecycle") or []:
            fields[f"lifecycle.{rule.get('ID', '-')}"] = _live_lifecycle(rule)
        for prefix in raw.get("prefixes") or []:
            fields[f"prefixes.{prefix}"] = "present"
        return fields

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange]) -> Iterable[str]:
        if live is None:
            return
        changed = {change.field for change in changes}
        public = any(_is_public(line) for line in statements(live.raw.get("policy")))
        if public and changed & {"policy", "block_public_access"}:
            yield (
                f"bucket {want.name}: anyone can read objects by their S3 URL today and the declaration ends that; "
                "links that do not go through a distribution (mail templates, jobs) will break"
            )
        if "ownership" in changed and want.fields.get("ownership") == "BucketOwnerEnforced":
            yield f"bucket {want.name}: object ACLs stop counting (ownership BucketOwnerEnforced)"


def _is_public(statement: str) -> bool:
    parsed = json.loads(statement)
    return parsed.get("Effect") == "Allow" and parsed.get("Principal") in ("*", {"AWS": "*"})
