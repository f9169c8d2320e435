"""S3 buckets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ..engine import formats
from ..engine.access import Detail, Read, Removal, Requests, Write, at
from ..engine.context import Context
from ..engine.cost import Usage
from ..engine.declaration import Declaration
from ..engine.errors import Problem, UndeclarableError
from ..engine.model import Desired, FieldChange, Fields, Live
from .base import Goes, Kind, Observation, called, declared, label, policy, statements, tag_fields, tags_of

_NAME = re.compile(r"(?!xn--)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]")


#: how many objects of a bucket are looked at before it counts as not empty
_SEEN = 50
#: names that AWS reserves
_RESERVED = re.compile(r"(sthree-|amzn-s3-demo-).*|.*(-s3alias|--ol-s3|--x-s3|--table-s3|\.mrap)")
_RULE_ID = formats.text(r"[ -~]+", "the id of a rule", "write letters, digits and `-`", 255)
#: field -> what S3 calls it
BLOCK = {
    "block_public_acls": "BlockPublicAcls",
    "ignore_public_acls": "IgnorePublicAcls",
    "block_public_policy": "BlockPublicPolicy",
    "restrict_public_buckets": "RestrictPublicBuckets",
}
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
    """Rules as lines; numbered, because S3 applies the first one that fits."""
    lines = []
    for number, rule in enumerate(rules, 1):
        text = f"{number}. {rule['id']}: {' '.join(sorted(rule['methods']))} from {' '.join(sorted(rule['origins']))}"
        text += f" headers {' '.join(sorted(rule['headers'])) or '-'} expose {' '.join(sorted(rule['expose'])) or '-'}"
        age = rule.get("max_age")
        lines.append(f"{text} max-age {'-' if age is None else age}")
    return lines


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


#: parts of a lifecycle rule that a declaration has words for, and the key inside each
_LIFECYCLE = {
    "Filter": "Prefix",
    "Expiration": "Days",
    "NoncurrentVersionExpiration": "NoncurrentDays",
    "AbortIncompleteMultipartUpload": "DaysAfterInitiation",
}


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
    rest = {key: value for key, value in rule.items() if key not in ("ID", "Status", "Prefix", *_LIFECYCLE)}
    for part, known in _LIFECYCLE.items():
        beside = {key: value for key, value in (rule.get(part) or {}).items() if key != known and value}
        rest |= {part: beside} if beside else {}
    # Everything else in S3's own words: the rule could be written again from the line.
    more = [json.dumps(rest, sort_keys=True, default=str)] if rest else []
    off = ["(disabled)"] if rule.get("Status") != "Enabled" else []
    return " ".join([*([line] if line else []), *more, *off])


def _kept_lifecycle(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The lifecycle as it can be written back: S3 takes it as a whole only."""
    rules = []
    for rule in answer.get("Rules", []):
        kept = dict(rule)
        if "Filter" not in kept:
            # S3 refuses the old form of a rule beside the new one; both say the same.
            kept["Filter"] = {"Prefix": kept.pop("Prefix", "")}
        rules.append(kept)
    size = answer.get("TransitionDefaultMinimumObjectSize")
    kept_size = {"TransitionDefaultMinimumObjectSize": size} if size else {}
    # Dates as text, which boto3 takes as well.
    plain: dict[str, Any] = json.loads(json.dumps({"Rules": rules, **kept_size}, default=str))
    return plain


def _declared_buckets(declaration: Declaration, answer: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    entries = declaration.entries("aws_storage_buckets")
    for item in answer["Buckets"]:
        if item["Name"] in entries:
            yield item["Name"], entries[item["Name"]]


def _setting(
    name: str,
    operation: str,
    value: Callable[[Any], Any],
    *,
    absent: str = "",
    action: str = "",
    needed: Callable[[Mapping[str, Any]], bool] = lambda entry: True,
) -> Detail:
    """The read of one setting of each declared bucket whose entry needs it.

    absent: the error that S3 returns for a bucket without it.
    """

    def each(declaration: Declaration, answer: Any) -> Requests:
        for bucket, entry in _declared_buckets(declaration, answer):
            if needed(entry):
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


#: where backups say that they have been restored once
VERIFIED = "verified/"


def _of_backups(declaration: Declaration, answer: Any) -> Requests:
    """The buckets to which the role of a host appends."""
    roles = declaration.entries("aws_iam_roles").values()
    wanted = {name for entry in roles for name, right in entry.get("buckets", {}).items() if right == "append"}
    for name, _ in _declared_buckets(declaration, answer):
        if name in wanted:
            yield (name,), {"Bucket": name, "Prefix": VERIFIED}


def _folders(declaration: Declaration, answer: Any) -> Requests:
    for bucket, entry in _declared_buckets(declaration, answer):
        for prefix in entry.get("prefixes", []):
            yield (bucket, "prefixes", prefix), {"Bucket": bucket, "Prefix": prefix, "MaxKeys": 1}


def _encryption(rules: Iterable[Mapping[str, Any]]) -> str | None:
    """The default encryption, with its key and whatever else is set."""
    for rule in rules:
        rest = {key: value for key, value in rule.items() if key != "ApplyServerSideEncryptionByDefault" and value}
        default = dict(rule.get("ApplyServerSideEncryptionByDefault", {}))
        algorithm = default.pop("SSEAlgorithm", None)
        more = default | rest
        # A bucket key means something for keys of KMS only.
        if algorithm is None or not str(algorithm).startswith("aws:kms"):
            more.pop("BucketKeyEnabled", None)
        return f"{algorithm} {json.dumps(more, sort_keys=True)}" if more else algorithm
    return None


#: the canonical user as which CloudFront delivers standard logs
_CLOUDFRONT_LOGS = "c4c1ede66af53448b93c283ce9448c4ba468c9432aa01d700d3878632f77d2d0"


def _grants(acl: Mapping[str, Any]) -> list[str]:
    """What the ACL grants to others than the owner."""
    owner = (acl.get("Owner") or {}).get("ID")
    found = []
    for grant in acl.get("Grants") or []:
        who = grant.get("Grantee") or {}
        if who.get("ID") and who.get("ID") == owner:
            continue
        name = who["URI"].rsplit("/", 1)[-1] if who.get("URI") else who.get("ID") or who.get("EmailAddress", "?")
        if name == _CLOUDFRONT_LOGS:
            name = f"CloudFront's log delivery ({name})"
        found.append(f"{grant.get('Permission')} to {name}")
    return sorted(found)


def _unversioned(entry: Mapping[str, Any]) -> bool:
    """Whether versioning would be switched off where it is on."""
    return entry.get("versioning") is False


def _versioned(config: Mapping[str, Any]) -> bool:
    return (config.get("versioning") or {}).get("Status") == "Enabled"


def _ownership(answer: Any) -> str | None:
    return next((rule["ObjectOwnership"] for rule in answer.get("OwnershipControls", {}).get("Rules", [])), None)


_SETTINGS = (
    _setting(
        "versioning", "get_bucket_versioning", lambda answer: {key: answer.get(key) for key in ("Status", "MFADelete")}
    ),
    *(
        _setting(name, operation, bool, absent=absent, action=action, needed=_unversioned)
        for name, operation, absent, action in (
            (
                "object_lock",
                "get_object_lock_configuration",
                "ObjectLockConfigurationNotFoundError",
                "s3:GetBucketObjectLockConfiguration",
            ),
            (
                "replication",
                "get_bucket_replication",
                "ReplicationConfigurationNotFoundError",
                "s3:GetReplicationConfiguration",
            ),
        )
    ),
    _setting("acl", "get_bucket_acl", lambda answer: {key: answer.get(key) for key in ("Owner", "Grants")}),
    _setting(
        "encryption",
        "get_bucket_encryption",
        lambda answer: answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", []),
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
        lambda answer: {key: answer[key] for key in ("Rules", "TransitionDefaultMinimumObjectSize") if key in answer},
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


def _not_ours(declaration: Declaration, answer: Any) -> Requests:
    """The declared buckets that this account does not have."""
    ours = {item["Name"] for item in answer.get("Buckets", [])}
    for name in declaration.entries("aws_storage_buckets"):
        if name not in ours:
            yield (name,), {"Bucket": name}


#: buckets of other accounts: whoever may not look at one learns that it exists. (HeadBucket would do as well, but its
#: answer has no body in which a lie shows.)
_TAKEN = Detail(
    service="s3",
    operation="get_bucket_location",
    into="taken_buckets",
    each=_not_ours,
    value=bool,
    absent=frozenset({"NoSuchBucket"}),
    told=frozenset({"AccessDenied"}),
)


def _refused(where: str, entry: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[Problem]:
    """Changes that S3 refuses because of something else that is set."""
    on = _versioned(config)
    other = entry.get("versioning") is not None and entry["versioning"] != on
    if (config.get("versioning") or {}).get("MFADelete") == "Enabled":
        fix = "switch MFA delete off first (only the root user can), or declare what the bucket has"
        if other:
            yield Problem(f"{where}.versioning", "MFA delete is on, so only the root user can change versioning", fix)
        live = {rule.get("ID"): _live_lifecycle(rule) for rule in (config.get("lifecycle") or {}).get("Rules", [])}
        for rule_id, rule in entry.get("lifecycle", {}).items():
            if live.get(rule_id) != _lifecycle_line(rule):
                yield Problem(f"{where}.lifecycle.{rule_id}", "S3 takes no lifecycle while MFA delete is on", fix)
    elif other and on:
        names = {"object_lock": "its Object Lock", "replication": "its replication"}
        for reason in (text for key, text in names.items() if config.get(key)):
            what = f"{reason} needs versioning, which S3 does not suspend then"
            yield Problem(f"{where}.versioning", what, "write `versioning: true`, or remove it")


class Bucket(Kind):
    """Recognised by its name."""

    name = "bucket"
    role = "aws_storage"
    service = "s3"
    variable = "aws_storage_buckets"
    entry_point = "bucket"
    heads = {"HeadBucket": "s3:ListBucket", "HeadObject": "s3:GetObject"}
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
    said_by = {
        "policy": ("tls_only",),
        "grants": ("ownership",),
        "block_public_access.*": ("block_public_access",),
        "prefixes.*": ("prefixes",),
    }
    variables = {"aws_storage_web_origins": formats.origin, "aws_storage_stage_web_origins": formats.origin}
    defaults = "aws_storage_bucket_defaults"
    removes = ("s3:DeleteBucket", "s3:DeleteObjectVersion", "s3:DeleteObject")
    removal_reads = (
        Read(
            service="s3",
            operation="list_buckets",
            into="bucket_names",
            value=lambda answer: [item["Name"] for item in answer.get("Buckets", [])],
            arguments={"MaxBuckets": 1000},
            action="s3:ListAllMyBuckets",
            then=(
                Detail(
                    service="s3",
                    operation="list_object_versions",
                    into="bucket_contents",
                    each=lambda declaration, answer: (
                        ((name,), {"Bucket": name, "MaxKeys": _SEEN})
                        for name, _ in _declared_buckets(declaration, answer)
                    ),
                    value=lambda answer: [
                        {"Key": item["Key"], "VersionId": item["VersionId"], "LastModified": item["LastModified"]}
                        for part in ("Versions", "DeleteMarkers")
                        for item in answer.get(part, [])
                    ],
                    paged=False,
                    action="s3:ListBucketVersions",
                ),
                Detail(
                    service="s3",
                    operation="list_objects_v2",
                    into="verified_backups",
                    each=_of_backups,
                    value=lambda answer: [item["LastModified"] for item in answer.get("Contents", [])],
                    action="s3:ListBucket",
                ),
            ),
        ),
    )
    reads = (
        Read(
            service="s3",
            operation="list_buckets",
            into="buckets",
            value=lambda answer: {item["Name"]: item.get("BucketRegion") for item in answer.get("Buckets", [])},
            # S3 tells the regions only to those who ask for pages.
            arguments={"MaxBuckets": 1000},
            action="s3:ListAllMyBuckets",
            then=(*_SETTINGS, _TAKEN),
        ),
    )
    writes = (
        Write("s3:CreateBucket", creates=True),
        Write("s3:PutBucketVersioning", ("versioning",)),
        Write("s3:PutEncryptionConfiguration", ("encryption",), operations=("s3:PutBucketEncryption",)),
        Write("s3:PutBucketPublicAccessBlock", ("block_public_access.*",), operations=("s3:PutPublicAccessBlock",)),
        Write("s3:PutBucketOwnershipControls", ("ownership",)),
        Write("s3:PutBucketAcl", ("grants",)),
        Write("s3:PutBucketPolicy", ("policy",)),
        Write("s3:PutBucketTagging", ("tags.*",)),
        Write("s3:PutBucketCORS", ("cors",), operations=("s3:PutBucketCors", "s3:DeleteBucketCors")),
        Write(
            "s3:PutLifecycleConfiguration",
            ("lifecycle.*",),
            operations=("s3:PutBucketLifecycleConfiguration",),
        ),
        Write("s3:PutObject", ("prefixes.*",)),
    )
    # Not s3:Get*, which would open every object of the account.
    module_reads = (
        "s3:Get*Configuration",
        "s3:GetBucket*",
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

    def check_account(self, declaration: Declaration, observation: Observation) -> Iterable[Problem]:
        for name, taken in observation["taken_buckets"].items():
            if taken:
                what = f"`{name}` is a bucket of another account, or you lack s3:GetBucketLocation"
                fix = "choose another name: no two buckets of AWS have the same"
                yield Problem(f"{self.variable}.{name}", what, fix)
        for name, entry in declaration.entries(self.variable).items():
            yield from _refused(f"{self.variable}.{name}", entry, observation["bucket_configs"].get(name, {}))

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        # Imported here, because the list of all kinds imports this file.
        from . import KINDS

        for name, entry in declaration.entries(self.variable).items():
            tags = declaration.tags(None, entry)
            fields = declared(entry, "versioning", "encryption", "ownership") | tag_fields(tags)
            if entry.get("block_public_access") is not None:
                fields |= {f"block_public_access.{field}": entry["block_public_access"] for field in BLOCK}
            if entry.get("ownership") == "BucketOwnerEnforced":
                # S3 refuses it while the ACL grants anything to others.
                fields["grants"] = []
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
        for name, region in sorted(observation["buckets"].items()):
            config = observation["bucket_configs"].get(name, {})
            kept = {"policy": config.get("policy") or "", "lifecycle": _kept_lifecycle(config.get("lifecycle") or {})}
            yield Live(name, name, {**config, "region": region}, {"id": name, **kept})

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        return next((item for item in live if item.id == want.name), None)

    def fields(self, live: Live, context: Context) -> Fields:
        raw = live.raw
        block = raw.get("public_access_block") or {}
        encryption = _encryption(raw.get("encryption") or [])
        wanted = context.declaration.entries(self.variable).get(live.id, {}).get("encryption")
        if encryption and encryption.partition(" ")[0] == wanted:
            # Only the algorithm is declared; what is set beside it stays.
            encryption = wanted
        fields: Fields = {
            "versioning": _versioned(raw),
            "encryption": encryption,
            **{f"block_public_access.{field}": block.get(name, False) for field, name in BLOCK.items()},
            "grants": _grants(raw.get("acl") or {}),
            "ownership": raw.get("ownership"),
            "policy": statements(raw.get("policy")),
            "cors": _cors_lines(_live_cors(rule) for rule in raw.get("cors") or []),
            **tag_fields(raw.get("tags") or {}),
        }
        for rule in (raw.get("lifecycle") or {}).get("Rules", []):
            fields[f"lifecycle.{rule.get('ID', '-')}"] = _live_lifecycle(rule)
        for prefix, present in (raw.get("prefixes") or {}).items():
            if present:
                fields[f"prefixes.{prefix}"] = "present"
        return fields

    def billed(self, name: str, fields: Fields, live: Live | None, context: Context) -> Iterable[Usage]:
        yield Usage("S3 storage and requests", quantity=None)

    def kept(self, want: Desired, live: Live, context: Context, goes: Goes) -> Iterable[str]:
        """Objects in it, old versions included; declared folders are none."""
        own = set(want.entry.get("prefixes") or ())
        found = context.observation["bucket_contents"].get(want.name, [])
        keys = sorted({item["Key"] for item in found if item["Key"] not in own})
        if keys:
            shown = ", ".join(keys[:3]) + (" and more" if len(keys) > 3 or len(found) >= _SEEN else "")
            yield f"it is not empty: {shown}"

    def removal(self, want: Desired, live: Live, context: Context) -> Iterable[Removal]:
        gone = frozenset({"NoSuchBucket", "NoSuchKey", "NoSuchVersion"})
        for item in context.observation["bucket_contents"].get(want.name, []):
            which = {"Bucket": want.name, "Key": item["Key"], "VersionId": item["VersionId"]}
            yield Removal(service="s3", operation="delete_object", arguments=which, absent=gone)
        yield Removal(service="s3", operation="delete_bucket", arguments={"Bucket": want.name}, absent=gone)

    def said(self, name: str, live: Live, context: Context) -> Fields:
        """Null where a declaration would not say the same: what is null is left alone."""
        raw, declaration = live.raw, context.declaration
        entry = declaration.entries(self.variable).get(name, {})
        block = {key: (raw.get("public_access_block") or {}).get(key, False) for key in BLOCK.values()}
        values = set(block.values())
        encryption = _encryption(raw.get("encryption") or [])
        closed = raw.get("ownership") == "BucketOwnerEnforced" and not _grants(raw.get("acl") or {})
        said: Fields = {
            "versioning": _versioned(raw),
            "block_public_access": values.pop() if len(values) == 1 else None,
            "encryption": "AES256" if encryption and encryption.partition(" ")[0] == "AES256" else None,
            "ownership": raw.get("ownership") if closed or raw.get("ownership") != "BucketOwnerEnforced" else None,
            "tls_only": self._policy_follows(name, raw, declaration),
            "prefixes": [item for item in entry.get("prefixes", []) if (raw.get("prefixes") or {}).get(item)] or None,
            "cors": _declared_cors(raw.get("cors") or []),
        }
        return said | {"lifecycle": _declared_lifecycle(raw, declaration.value(self.defaults, {}).get("lifecycle", {}))}

    @staticmethod
    def _policy_follows(name: str, raw: Mapping[str, Any], declaration: Declaration) -> bool:
        """Whether the live policy is the one that the declaration makes; names of others' ids may still be open."""
        from . import KINDS

        parts = (part for kind in KINDS for part in kind.bucket_statements(declaration, name))
        wanted = [json.loads(line) for line in statements(bucket_policy(name, parts))]
        live = [json.loads(line) for line in statements(raw.get("policy"))]
        return sorted(str(item.get("Sid")) for item in wanted) == sorted(str(item.get("Sid")) for item in live)

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange], context: Context) -> Iterable[str]:
        if live is None:
            return
        changed = {change.field: change for change in changes}
        region, grants = live.raw.get("region"), _grants(live.raw.get("acl") or {})
        if region and region != context.declaration.region:
            yield f"bucket {want.name}: it is in {region}, not in {context.declaration.region}, and stays there"
        public = any(_is_public(line) for line in statements(live.raw.get("policy")))
        by_acl = any(grant.endswith((" to AllUsers", " to AuthenticatedUsers")) for grant in grants)
        blocked = any(field.startswith("block_public_access.") and change.after for field, change in changed.items())
        if (public and (blocked or "policy" in changed)) or (by_acl and (blocked or "grants" in changed)):
            yield (
                f"bucket {want.name}: anyone can read objects by their S3 URL today; the declaration ends that, and "
                "links that bypass the distribution (mail templates, jobs) will break"
            )
        if "ownership" in changed and want.fields.get("ownership") == "BucketOwnerEnforced":
            yield f"bucket {want.name}: object ACLs will be ignored (ownership BucketOwnerEnforced)"
        if changed.keys() & {"ownership", "grants"} and want.fields.get("ownership") == "BucketOwnerEnforced":
            yield from _stopped_logs(want.name, grants, context)
        if "policy" in changed:
            yield from _lost(want.name, changed["policy"])
            yield from _shut_out(want.name, context)
        if "policy" in changed or blocked or "grants" in changed:
            yield from _readers(want.name, context)


def _declared_cors(rules: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]] | None:
    """Live CORS rules by id, as they are declared; None where there are none, so that nothing is compared."""
    found: dict[str, dict[str, Any]] = {}
    for raw in rules:
        rule = _live_cors(raw)
        if rule["id"] in found:
            raise UndeclarableError(f"several of its CORS rules have the id `{rule['id']}`, by which they are declared")
        found[rule["id"]] = {key: value for key, value in rule.items() if key != "id" and value not in (None, [])}
    return found or None


#: key of a declared lifecycle rule -> part of S3's, and the key inside it
_DAYS_OF = {
    "expire_days": ("Expiration", "Days"),
    "noncurrent_days": ("NoncurrentVersionExpiration", "NoncurrentDays"),
    "abort_multipart_days": ("AbortIncompleteMultipartUpload", "DaysAfterInitiation"),
}


def _declared_lifecycle(raw: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Live lifecycle rules as they are declared; null for a rule of the defaults that is not there.

    A rule for which a declaration has no words stays as it is, undeclared.
    """
    found: dict[str, Any] = dict.fromkeys(defaults)
    for rule in (raw.get("lifecycle") or {}).get("Rules", []):
        prefix = (rule.get("Filter") or {}).get("Prefix") or rule.get("Prefix")
        said = {"prefix": prefix} if prefix else {}
        said |= {
            key: rule[part][inner]
            for key, (part, inner) in _DAYS_OF.items()
            if (rule.get(part) or {}).get(inner) is not None
        }
        if rule.get("ID") and _lifecycle_line(said) == _live_lifecycle(rule):
            found[rule["ID"]] = said
    return found


def _is_public(line: str) -> bool:
    """Whether a statement lets anyone read objects."""
    statement = json.loads(line)
    principal = statement.get("Principal")
    names = principal.get("AWS", []) if isinstance(principal, dict) else principal
    anyone = "NotPrincipal" in statement or "*" in (names if isinstance(names, list) else [names])
    reads = any(fnmatchcase("s3:getobject", action.lower()) for action in statement.get("Action", []))
    return statement.get("Effect") == "Allow" and anyone and reads and not statement.get("Condition")


def _stopped_logs(bucket: str, grants: Iterable[str], context: Context) -> Iterator[str]:
    """Deliveries of logs that need the ACL of the bucket."""
    distributions = [
        live_id
        for live_id, config in context.observation["distribution_configs"].items()
        if (config.get("Logging") or {}).get("Enabled") and config["Logging"]["Bucket"].partition(".s3")[0] == bucket
    ]
    text = " ".join(grants)
    if distributions or _CLOUDFRONT_LOGS in text:
        whose = f"of {', '.join(sorted(distributions))} " if distributions else ""
        yield (
            f"bucket {bucket}: CloudFront delivers logs {whose}into it by its ACL; BucketOwnerEnforced stops that. "
            "To keep them, declare `ownership: BucketOwnerPreferred` for the bucket"
        )
    if " to LogDelivery" in text:
        yield (
            f"bucket {bucket}: S3 delivers access logs of other buckets into it by its ACL; BucketOwnerEnforced stops "
            "that. To keep them, declare `ownership: BucketOwnerPreferred` for the bucket"
        )


def _readers(bucket: str, context: Context) -> Iterator[str]:
    """Distributions that read the bucket in a way that nobody declared."""
    entries = context.declaration.entries("aws_cdn_distributions")
    own = {
        found
        for name, entry in entries.items()
        if entry["bucket"] == bucket and (found := context.id("distribution", name))
    }
    for raw in context.observation["distributions"]:
        origins = [item["DomainName"] for item in at("Origins.Items")(raw)]
        used = sorted({name for name in origins if re.match(rf"{re.escape(bucket)}\.s3[.-]", name)})
        if used and raw["Id"] not in own:
            whose = f"{', '.join(at('Aliases.Items')(raw)) or raw['DomainName']} ({raw['Id']})"
            yield (
                f"bucket {bucket}: the distribution of {whose} reads it at {', '.join(used)}, and is not declared to; "
                "see whether the declaration still lets it in"
            )


def _who(principal: Any) -> str:
    if not isinstance(principal, dict):
        return "anyone" if principal == "*" else str(principal)
    names = [name for value in principal.values() for name in (value if isinstance(value, list) else [value])]
    return ", ".join("anyone" if name == "*" else str(name) for name in names)


def _lost(bucket: str, change: FieldChange) -> Iterator[str]:
    """Who loses what when statements of the policy go."""
    for line in change.before or []:
        part = json.loads(line)
        if line in change.after or "Effect" not in part or _is_public(line):
            continue
        who = f"all but {_who(part['NotPrincipal'])}" if "NotPrincipal" in part else _who(part.get("Principal"))
        what = ", ".join(part.get("Action") or ["everything but " + ", ".join(part.get("NotAction", []))])
        sid = f"statement {part['Sid']}" if part.get("Sid") else "a statement"
        verb = "loses" if part["Effect"] == "Allow" else "is no longer denied"
        when = f" (if {json.dumps(part['Condition'], sort_keys=True)})" if part.get("Condition") else ""
        yield f"bucket {bucket}: {sid} goes; {who} {verb} {what}{when}"


def _shut_out(bucket: str, context: Context) -> Iterator[str]:
    """Trails and flow logs that write to the bucket and that the declared policy does not let in."""
    trails = context.declaration.entries("aws_account_trails")
    own = {name for name, entry in trails.items() if entry["bucket"] == bucket}
    for raw in context.observation["trails"]:
        if raw.get("S3BucketName") == bucket and raw["Name"] not in own:
            yield f"bucket {bucket}: trail {raw['Name']}, which is not declared, can no longer write to it"
    flow_logs = context.declaration.entries("aws_account_flow_logs").values()
    declared_here = any(entry["bucket"] == bucket for entry in flow_logs)
    for raw in context.observation["flow_logs"]:
        name, _, folder = str(raw.get("LogDestination", "")).removeprefix("arn:aws:s3:::").partition("/")
        # The policy lets them in to the top of the bucket only.
        if name == bucket and (folder.strip("/") or not declared_here):
            where = f"flow log {label(raw['FlowLogId'], called(raw))} of {raw.get('ResourceId')}"
            yield f"bucket {bucket}: {where} can no longer write to {name}/{folder}".rstrip("/")
