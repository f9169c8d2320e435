"""S3 buckets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..engine import formats
from ..engine.access import Detail, Read, Requests, Write
from ..engine.context import Context
from ..engine.declaration import Declaration
from ..engine.errors import Problem
from ..engine.model import Desired, FieldChange, Fields, Live
from .base import Kind, Observation, declared, policy, statements, tag_fields, tags_of

_NAME = re.compile(r"(?!xn--)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]")


#: names that AWS reserves
_RESERVED = re.compile(r"(sthree-|amzn-s3-demo-).*|.*(-s3alias|--ol-s3|--x-s3|--table-s3|\.mrap)")
_RULE_ID = formats.text(r"[ -~]+", "the id of a rule", "write letters, digits and `-`", 255)
_HEADER_OR_ANY = r"[A-Za-z0-9!#$%&'*^_`|~.-]+"
_HEADER = r"[A-Za-z0-9!#$%&'^_`|~.-]+"
_DAYS = formats.number(1, 36500, "a number of days", "write 1 or more")


def bucket_policy(bucket: str, parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Refuse plain HTTP, and add what other kinds need."""
    arn = f"arn:aws:s3:::{bucket}"
    refusal = {
        "Sid": "DenyPlainHttp",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return policy(refusal, *parts)


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


def _declared_buckets(declaration: Declaration, answer: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    entries = declaration.entries("aws_storage_buckets")
    for item in answer["Buckets"]:
        if item["Name"] in entries:
            yield item["Name"], entries[item["Name"]]


def _setting(name: str, operation: str, value: Callable[[Any], Any], *, absent: str = "", action: str = "") -> Detail:
    """The read of one setting of each declared bucket. absent: the error that S3 returns for a bucket without it."""

    def each(declaration: Declaration, answer: Any) -> Requests:
        for bucket, _ in _declared_buckets(declaration, answer):
            yield (bucket, name), {"Bucket": bucket}

    return Detail(
        service="s3",
        operation=operation,
        into="bucket_configs",
        each=each,
        value=value,
        absent=frozenset({absent} - {""}),
        action=action,
    )


def _folders(declaration: Declaration, answer: Any) -> Requests:
    for bucket, entry in _declared_buckets(declaration, answer):
        for prefix in entry.get("prefixes", []):
            yield (bucket, "prefixes", prefix), {"Bucket": bucket, "Prefix": prefix, "MaxKeys": 1}


def _algorithm(answer: Any) -> str | None:
    rules = answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    found = (rule.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm") for rule in rules)
    return next(found, None)


def _ownership(answer: Any) -> str | None:
    return next((rule["ObjectOwnership"] for rule in answer.get("OwnershipControls", {}).get("Rules", [])), None)


_SETTINGS = (
    _setting("versioning", "get_bucket_versioning", lambda answer: answer.get("Status")),
    _setting(
        "encryption",
        "get_bucket_encryption",
        _algorithm,
        absent="ServerSideEncryptionConfigurationNotFoundError",
        action="s3:GetEncryptionConfiguration",
    ),
    _setting(
        "public_access_block",
        "get_public_access_block",
        lambda answer: answer.get("PublicAccessBlockConfiguration"),
        absent="NoSuchPublicAccessBlockConfiguration",
        action="s3:GetBucketPublicAccessBlock",
    ),
    _setting("ownership", "get_bucket_ownership_controls", _ownership, absent="OwnershipControlsNotFoundError"),
    _setting("policy", "get_bucket_policy", lambda answer: answer.get("Policy"), absent="NoSuchBucketPolicy"),
    _setting(
        "cors",
        "get_bucket_cors",
        lambda answer: answer.get("CORSRules"),
        absent="NoSuchCORSConfiguration",
        action="s3:GetBucketCORS",
    ),
    _setting(
        "lifecycle",
        "get_bucket_lifecycle_configuration",
        lambda answer: answer.get("Rules"),
        absent="NoSuchLifecycleConfiguration",
        action="s3:GetLifecycleConfiguration",
    ),
    _setting(
        "tags", "get_bucket_tagging", lambda answer: tags_of({"Tags": answer.get("TagSet")}), absent="NoSuchTagSet"
    ),
    Detail(
        service="s3",
        operation="list_objects_v2",
        into="bucket_configs",
        each=_folders,
        value=lambda answer: bool(answer.get("Contents")),
        paged=False,
        action="s3:ListBucket",
    ),
)


def _bucket_name(where: str, name: str) -> Iterator[Problem]:
    """What S3 accepts as a name."""
    if odd := formats.strange(name):
        yield Problem(where, f"`{name}` {odd}", "write lower-case letters, digits and hyphens")
    elif not _NAME.fullmatch(name) or ".-" in name or "-." in name:
        fix = "3 to 63 lower-case letters, digits, dots and hyphens, with a letter or digit at both ends"
        better = name.lower().replace("_", "-")
        fix = f"write `{better}`: {fix}" if better != name and _NAME.fullmatch(better) else fix
        yield Problem(where, f"`{name}` is not a bucket name", fix)
    elif _RESERVED.fullmatch(name):
        yield Problem(where, f"`{name}` is a name that AWS reserves", "choose another beginning and end")


def _same_rules(where: str, rules: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    """Two rules that set when the same objects expire."""
    seen: dict[tuple[str, str], str] = {}
    for rule_id, rule in rules.items():
        for key in ("expire_days", "noncurrent_days", "abort_multipart_days"):
            about = (rule.get("prefix") or "", key)
            if rule.get(key) is not None and about in seen:
                what = f"sets {key} for the same objects as {seen[about]}"
                yield Problem(f"{where}.{rule_id}.{key}", what, "keep one of the two, or give one a `prefix`")
            elif rule.get(key) is not None:
                seen[about] = rule_id


class Bucket(Kind):
    """Recognised by its name."""

    name = "bucket"
    role = "aws_storage"
    service = "s3"
    variable = "aws_storage_buckets"
    entry_point = "bucket"
    nested = {"cors": "cors_rule", "lifecycle": "lifecycle_rule"}
    shapes = {
        "": _bucket_name,
        "cors.@": _RULE_ID,
        "cors.*.origins": formats.origin,
        "cors.*.headers": formats.text(_HEADER_OR_ANY, "a header", "write its name, or `*`"),
        "cors.*.expose": formats.text(_HEADER, "a header", "write its name, e.g. ETag; `*` is not allowed here"),
        "cors.*.max_age": formats.number(0, 604800, "a time to keep an answer", "write seconds from 0 to 604800"),
        "lifecycle.@": _RULE_ID,
        "lifecycle.*.expire_days": _DAYS,
        "lifecycle.*.noncurrent_days": _DAYS,
        "lifecycle.*.abort_multipart_days": _DAYS,
    }
    variables = {"aws_storage_web_origins": formats.origin, "aws_storage_stage_web_origins": formats.origin}
    defaults = "aws_storage_bucket_defaults"
    reads = (
        Read(
            service="s3",
            operation="list_buckets",
            into="buckets",
            value=lambda answer: sorted(item["Name"] for item in answer.get("Buckets", [])),
            action="s3:ListAllMyBuckets",
            then=_SETTINGS,
        ),
    )
    writes = (
        Write("s3:CreateBucket", creates=True),
        Write("s3:PutBucketVersioning", ("versioning",)),
        Write("s3:PutEncryptionConfiguration", ("encryption",), operations=("s3:PutBucketEncryption",)),
        Write("s3:PutBucketPublicAccessBlock", ("block_public_access",), operations=("s3:PutPublicAccessBlock",)),
        Write("s3:PutBucketOwnershipControls", ("ownership",)),
        Write("s3:PutBucketAcl", ("ownership",)),
        Write("s3:PutBucketPolicy", ("policy",)),
        Write("s3:PutBucketTagging", ("tags.*",)),
        Write("s3:PutBucketCORS", ("cors",), operations=("s3:PutBucketCors",)),
        Write(
            "s3:PutLifecycleConfiguration",
            ("lifecycle.*",),
            operations=("s3:PutBucketLifecycleConfiguration", "s3:DeleteBucketLifecycle"),
        ),
        Write("s3:PutObject", ("prefixes.*",)),
    )
    # Not s3:Get*, which would open every object of the account.
    module_reads = (
        "s3:GetAccelerateConfiguration",
        "s3:GetBucket*",
        "s3:GetEncryptionConfiguration",
        "s3:GetInventoryConfiguration",
        "s3:GetLifecycleConfiguration",
        "s3:ListAllMyBuckets",
        "s3:ListBucket",
    )
    # The module that makes a bucket's folder first checks whether it exists.
    write_reads = ("s3:GetObject", "s3:GetObjectTagging")
    regional = False

    def resources(self, declaration: Declaration) -> Sequence[str]:
        buckets = {f"arn:aws:s3:::{name}": entry for name, entry in declaration.entries(self.variable).items()}
        return [
            *buckets,
            *(f"{arn}/{prefix}" for arn, entry in buckets.items() for prefix in entry.get("prefixes", [])),
        ]

    def check(self, declaration: Declaration) -> Iterable[Problem]:
        for name, entry in declaration.entries(self.variable).items():
            where = f"{self.variable}.{name}"
            if "." in name and entry.get("tls_only") and not list(_bucket_name("", name)):
                what = (
                    f"`{name}` has a dot, so the certificate of S3 does not cover it, and tls_only refuses plain HTTP"
                )
                yield Problem(where, what, f"write `{name.replace('.', '-')}`, or `tls_only: false`")
            for prefix in entry.get("prefixes", []):
                if not prefix.endswith("/") or prefix.startswith("/"):
                    yield Problem(f"{where}.prefixes", f"`{prefix}` is not a folder", f"write `{prefix.strip('/')}/`")
            for rule_id, rule in entry.get("lifecycle", {}).items():
                if not any(key in rule for key in ("expire_days", "noncurrent_days", "abort_multipart_days")):
                    yield Problem(f"{where}.lifecycle.{rule_id}", "does nothing", "add one of its `…_days`")
            yield from _same_rules(f"{where}.lifecycle", entry.get("lifecycle", {}))
            for rule_id, rule in entry.get("cors", {}).items():
                for field in ("methods", "origins"):
                    if not rule[field]:
                        yield Problem(
                            f"{where}.cors.{rule_id}.{field}", "is empty", "write at least one, or remove the rule"
                        )

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        # Imported here, because the list of all kinds imports this file.
        from . import KINDS

        for name, entry in declaration.entries(self.variable).items():
            tags = declaration.tags(None, entry)
            fields = declared(entry, "versioning", "encryption", "block_public_access", "ownership") | tag_fields(tags)
            extra: dict[str, Any] = {"tags": tags}
            if entry.get("tls_only"):
                parts = (part for kind in KINDS for part in kind.bucket_statements(declaration, name))
                extra["policy"] = bucket_policy(name, parts)
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
        for prefix, present in (raw.get("prefixes") or {}).items():
            if present:
                fields[f"prefixes.{prefix}"] = "present"
        return fields

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange], context: Context) -> Iterable[str]:
        if live is None:
            return
        changed = {change.field for change in changes}
        public = any(_is_public(line) for line in statements(live.raw.get("policy")))
        if public and changed & {"policy", "block_public_access"}:
            yield (
                f"bucket {want.name}: anyone can read objects by their S3 URL today; the declaration ends that, and "
                "links that bypass the distribution (mail templates, jobs) will break"
            )
        if "ownership" in changed and want.fields.get("ownership") == "BucketOwnerEnforced":
            yield f"bucket {want.name}: object ACLs will be ignored (ownership BucketOwnerEnforced)"


def _is_public(statement: str) -> bool:
    parsed = json.loads(statement)
    return parsed.get("Effect") == "Allow" and parsed.get("Principal") in ("*", {"AWS": "*"})
