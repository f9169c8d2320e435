"""Who did what in the account, and who talked to whom: CloudTrail and VPC flow logs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..engine import formats
from ..engine.access import Detail, Read, Removal, Requests, Write, at
from ..engine.context import Context
from ..engine.cost import Usage
from ..engine.declaration import Declaration
from ..engine.errors import Problem, UndeclarableError
from ..engine.model import Desired, FieldChange, Fields, Live
from .base import EC2_TAGS, Ec2Kind, Kind, Observation, called, declared, ec2_call, label, only, tag_fields, tags_of


def log_statements(bucket: str, service: str, account: str, source: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Let one service, and nothing else, write logs to a bucket.

    source: the condition that the service acts for this account, e.g. ``{"ArnLike": {"aws:SourceArn": ...}}``.
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
    # The bucket's lifecycle may still delete: bucket policies do not apply to it.
    yield {
        "Sid": "DenyOtherWriters",
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObject"],
        "Resource": f"{arn}/*",
        "Condition": {"ArnNotLike": source["ArnLike"]},
    }


def log_bucket(declaration: Declaration, where: str, bucket: str) -> Iterator[Problem]:
    """The bucket's policy is managed here: without it nothing is delivered."""
    entry = declaration.entries("aws_storage_buckets").get(bucket)
    if entry and not entry.get("tls_only"):
        yield Problem(
            where, f"`{bucket}` has no policy managed here", f"set aws_storage_buckets.{bucket}.tls_only to true"
        )


def _at_home(raw: Mapping[str, Any], declaration: Declaration) -> bool:
    """Whether the trail can be changed in the declared region; elsewhere it shows as a shadow of itself."""
    return bool(raw.get("HomeRegion", declaration.region) == declaration.region)


def _owner(raw: Mapping[str, Any], declaration: Declaration) -> str:
    """The account that has the trail: that of an organization's shows in each of its accounts."""
    parts = str(raw["TrailARN"]).split(":")
    return parts[4] if len(parts) > 5 else declaration.account


def _ours(raw: Mapping[str, Any], declaration: Declaration) -> bool:
    return _at_home(raw, declaration) and _owner(raw, declaration) == declaration.account


#: trails that a region may have; AWS does not raise it
_MOST_TRAILS = 5


def _declared_trails(declaration: Declaration, answer: Any) -> Requests:
    names = declaration.entries(Trail.variable)
    for raw in answer["trailList"]:
        if raw["Name"] in names and _ours(raw, declaration):
            yield (raw["TrailARN"],), {"Name": raw["TrailARN"]}


class Trail(Kind):
    """Recognised by its name, in its home region."""

    name = "trail"
    role = "aws_account"
    service = "cloudtrail"
    variable = "aws_account_trails"
    entry_point = "trail"
    shapes = {
        "": formats.text(
            r"[A-Za-z0-9][\w.-]+[A-Za-z0-9]",
            "the name of a trail",
            "write 3 to 128 letters, digits, `.`, `_` and `-`",
            128,
        )
    }
    refers = {"bucket": "bucket"}
    said_by = {"prefix": ()}
    reads = (
        Read(
            service="cloudtrail",
            operation="describe_trails",
            into="trails",
            value=at("trailList"),
            arguments={"includeShadowTrails": True},
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
        Write("cloudtrail:UpdateTrail", ("bucket", "prefix", "multi_region", "global_services", "log_file_validation")),
        Write("cloudtrail:StartLogging", ("logging",)),
        Write("cloudtrail:StopLogging", ("logging",)),
    )
    module_reads = ("cloudtrail:DescribeTrails", "cloudtrail:GetTrailStatus")
    removes = ("cloudtrail:DeleteTrail",)

    def removal(self, want: Desired, live: Live, context: Context) -> Iterable[Removal]:
        gone = frozenset({"TrailNotFoundException"})
        yield Removal(service="cloudtrail", operation="delete_trail", arguments={"Name": want.name}, absent=gone)

    def check(self, declaration: Declaration) -> Iterable[Problem]:
        for name, entry in declaration.entries(self.variable).items():
            where = f"{self.variable}.{name}"
            yield from log_bucket(declaration, f"{where}.bucket", entry["bucket"])
            if entry["multi_region"] and not entry["global_services"]:
                fix = "set it to true, or `multi_region` to false"
                yield Problem(f"{where}.global_services", "a multi-region trail has to include global services", fix)

    def check_account(self, declaration: Declaration, observation: Observation) -> Iterable[Problem]:
        """A trail for all regions has its name in each of them, that of an organization in each account."""
        entries = declaration.entries(self.variable)
        for raw in observation["trails"]:
            where, owner = f"{self.variable}.{raw['Name']}", _owner(raw, declaration)
            if raw["Name"] not in entries:
                continue
            if owner != declaration.account:
                what = f"the organization has a trail of that name, which only account {owner} can change"
                yield Problem(where, what, "choose another name")
            elif not _at_home(raw, declaration):
                what = f"the account has a trail of that name, whose home is {raw['HomeRegion']}"
                yield Problem(where, what, "choose another name, or delete that trail first")
            elif raw.get("IsOrganizationTrail"):
                what = "the trail is that of the whole organization, whose logs the bucket's policy would shut out"
                yield Problem(where, what, "choose another name for a trail of this account, and leave that one alone")
        ours = [raw["Name"] for raw in observation["trails"] if _owner(raw, declaration) == declaration.account]
        missing = [name for name in entries if name not in ours]
        if missing and len(ours) + len(missing) > _MOST_TRAILS:
            what = f"{len(ours) + len(missing)} trails would exist, and AWS allows {_MOST_TRAILS} in a region"
            yield Problem(f"{self.variable}.{missing[0]}", what, f"delete one of {', '.join(sorted(ours))} first")

    def bucket_statements(self, declaration: Declaration, bucket: str) -> Iterable[dict[str, Any]]:
        trails = [name for name, entry in declaration.entries(self.variable).items() if entry["bucket"] == bucket]
        if trails:
            start = f"arn:aws:cloudtrail:{declaration.region}:{declaration.account}:trail"
            source = {"ArnLike": {"aws:SourceArn": [f"{start}/{name}" for name in sorted(trails)]}}
            yield from log_statements(bucket, "cloudtrail.amazonaws.com", declaration.account, source)

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries(self.variable).items():
            fields = declared(entry, "bucket", "multi_region", "global_services", "log_file_validation", "logging")
            # The bucket's policy lets CloudTrail write without a prefix only.
            yield Desired(name, entry, fields | {"prefix": None})

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        for raw in observation["trails"]:
            if not _ours(raw, context.declaration):
                continue
            arn = raw["TrailARN"]
            status = {"logging": observation["trail_status"].get(arn)}
            yield Live(arn, label(arn, raw["Name"]), {**raw, **status}, {"id": arn})

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        return next((item for item in live if item.raw["Name"] == want.name), None)

    def fields(self, live: Live, context: Context) -> Fields:
        raw = live.raw
        return {
            "bucket": raw.get("S3BucketName"),
            "prefix": raw.get("S3KeyPrefix") or None,
            "multi_region": raw.get("IsMultiRegionTrail", False),
            "global_services": raw.get("IncludeGlobalServiceEvents", False),
            "log_file_validation": raw.get("LogFileValidationEnabled", False),
            "logging": raw["logging"],
        }

    def entry_name(self, live: Live, context: Context) -> str:
        return str(live.raw["Name"])

    def said(self, name: str, live: Live, context: Context) -> Fields:
        if live.raw.get("S3KeyPrefix"):
            raise UndeclarableError(
                f"it writes below {live.raw['S3KeyPrefix']}/ of its bucket, and a declared bucket lets trails write to "
                "its top only"
            )
        return {}

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange], context: Context) -> Iterable[str]:
        for change in changes:
            if live is not None and change.field == "bucket":
                yield f"trail {want.name}: new logs go to {change.after}; old logs stay in {change.before}"


class FlowLog(Ec2Kind):
    """Recognised by its Name, else by its VPC and the bucket that it writes to."""

    name = "flow_log"
    role = "aws_account"
    variable = "aws_account_flow_logs"
    entry_point = "flow_log"
    shapes = {"": formats.text(r"[ -~]+", "a Name", "write letters, digits, `-` and `_`", 255)}
    refers = {"vpc": "vpc", "bucket": "bucket"}
    reads = (Read(service="ec2", operation="describe_flow_logs", into="flow_logs", value=at("FlowLogs")),)
    removes = ("ec2:DeleteFlowLogs",)
    # AWS has no call that changes one.
    replaced_by = frozenset({"vpc", "bucket", "traffic", "interval"})
    writes = (
        Write("ec2:CreateFlowLogs", creates=True),
        # EC2 needs it on the caller's behalf when logs go to S3; no code here calls it.
        Write("logs:CreateLogDelivery"),
        EC2_TAGS,
    )

    def check(self, declaration: Declaration) -> Iterable[Problem]:
        for name, entry in declaration.entries(self.variable).items():
            yield from log_bucket(declaration, f"{self.variable}.{name}.bucket", entry["bucket"])

    def bucket_statements(self, declaration: Declaration, bucket: str) -> Iterable[dict[str, Any]]:
        if any(entry["bucket"] == bucket for entry in declaration.entries(self.variable).values()):
            source = f"arn:aws:logs:{declaration.region}:{declaration.account}:*"
            yield from log_statements(
                bucket, "delivery.logs.amazonaws.com", declaration.account, {"ArnLike": {"aws:SourceArn": source}}
            )

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries(self.variable).items():
            tags = declaration.tags(name, entry)
            fields = declared(entry, "vpc", "bucket", "traffic", "interval") | tag_fields(tags)
            yield Desired(name, {**entry, "tags": tags}, fields)

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        for raw in observation["flow_logs"]:
            flow_log = raw["FlowLogId"]
            yield Live(flow_log, label(flow_log, called(raw)), dict(raw), {"id": flow_log})

    def removal(self, want: Desired, live: Live, context: Context) -> Iterable[Removal]:
        yield ec2_call("delete_flow_logs", "InvalidFlowLogId.NotFound", FlowLogIds=[live.id])

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        here = [item for item in live if item.raw["ResourceId"] == context.id("vpc", want.entry["vpc"])]
        named = [item for item in here if called(item.raw) == want.name]
        same = [item for item in here if _bucket_of(item.raw) == want.entry["bucket"]]
        return only(self.name, want.name, named or same)

    def fields(self, live: Live, context: Context) -> Fields:
        raw = live.raw
        return {
            "vpc": context.name("vpc", raw["ResourceId"]),
            "bucket": _bucket_of(raw),
            "traffic": raw.get("TrafficType"),
            "interval": raw.get("MaxAggregationInterval", 600),
            **tag_fields(tags_of(raw)),
        }

    def billed(self, name: str, fields: Fields, live: Live | None, context: Context) -> Iterable[Usage]:
        yield Usage("delivery of flow logs", quantity=None)

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange], context: Context) -> Iterable[str]:
        """A flow log that exists and delivers nothing."""
        if live is not None and live.raw.get("DeliverLogsStatus") == "FAILED":
            why = live.raw.get("DeliverLogsErrorMessage") or "AWS does not say why"
            yield f"flow log {want.name} ({live.id}): its logs are not delivered ({why})"


def _bucket_of(raw: Mapping[str, Any]) -> str:
    """The bucket of a flow log, with its folder if any; for other destinations, what AWS reports."""
    return str(raw.get("LogDestination") or raw.get("LogGroupName", "")).removeprefix("arn:aws:s3:::")
