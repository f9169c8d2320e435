"""Roles, alarms, trails and account settings on literals: what a change shows and takes, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.platform.kinds import KINDS

from tests.support.observed import ACCOUNT, changes_of, declaration_of, plan_of, refusals

ROLE: dict[str, Any] = {"aws_iam_roles": {"koin-prod": {"description": ""}}}


def _role(name: str, *profiles: str, **more: Any) -> dict[str, Any]:
    return {"RoleName": name, "InstanceProfileList": [{"InstanceProfileName": item} for item in profiles], **more}


def _host(live_id: str, profile: str, state: str = "running", name: str = "") -> dict[str, Any]:
    return {
        "InstanceId": live_id,
        "InstanceType": "t3a.small",
        "Architecture": "x86_64",
        "State": {"Name": state},
        "IamInstanceProfile": {"Arn": f"arn:aws:iam::123456789012:instance-profile/hosts/{profile}"},
        "Tags": [{"Key": "Name", "Value": name}] if name else [],
    }


@pytest.mark.parametrize("there", [False, True])
def test_a_profile_that_holds_another_role_is_named_with_its_hosts(there: bool) -> None:
    hosts = [
        _host("i-1", "koin-prod", name="web"),
        _host("i-2", "koin-prod", state="terminated"),
        _host("i-3", "other"),
        _host("i-4", "koin-prod", state="stopped"),
    ]
    roles = [_role("EC2-S3-full", "koin-prod"), *([_role("koin-prod", "spare")] if there else [])]
    found = plan_of(ROLE, roles=roles, instances=hosts)
    (text,) = found.warnings
    assert "holds the role EC2-S3-full today" in text
    assert "lose the rights of EC2-S3-full: web (i-1), i-4" in text
    if there:
        shown = changes_of(found, "iam_role")["instance_profile"]
        assert shown == ("koin-prod with role EC2-S3-full", "koin-prod")


def test_a_profile_of_its_own_is_no_difference() -> None:
    found = plan_of(ROLE, roles=[_role("koin-prod", "koin-prod", "spare")])
    assert "instance_profile" not in changes_of(found, "iam_role")
    assert found.warnings == ()


def test_a_role_with_a_path_is_recognised_and_its_arn_has_the_path() -> None:
    live = _role("koin-prod", "koin-prod", Path="/service/")
    found = plan_of(ROLE, roles=[live])
    assert [action.action for action in found.actions] == ["change"]
    assert "its path is /service/; declare `path: /service/`" in found.warnings[0]
    declared = {"aws_iam_roles": {"koin-prod": {"description": "", "path": "/service/"}}}
    assert plan_of(declared, roles=[live]).warnings == ()
    arns = KINDS.named("iam_role").resources(declaration_of(declared))
    assert arns == ["arn:aws:iam::*:role/service/koin-prod", "arn:aws:iam::*:instance-profile/koin-prod"]
    (moved,) = plan_of(declared, roles=[_role("koin-prod", "koin-prod", Path="/")]).of("replace")
    assert [change.field for change in moved.changes] == ["path"]


def test_a_role_whose_name_differs_in_case_is_refused() -> None:
    (problem,) = refusals(ROLE, roles=[_role("KOIN-prod")])
    assert problem.fix == "write `KOIN-prod`"


def test_a_profile_whose_name_differs_in_case_is_refused() -> None:
    (problem,) = refusals(ROLE, roles=[_role("ec2", "KOIN-prod", "other")])
    assert "the instance profile KOIN-prod" in problem.what
    assert refusals(ROLE, roles=[_role("ec2", "koin-prod")]) == []


EC2 = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}


@pytest.mark.parametrize(
    ("trust", "gone"),
    [
        ([EC2], ""),
        ([EC2 | {"Principal": {"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"]}}], "lambda.amazonaws.com"),
        (
            [EC2, EC2 | {"Principal": {"AWS": "123456789012"}}, EC2 | {"Principal": {"Federated": "arn:oidc"}}],
            "arn:aws:iam::123456789012:root, arn:oidc",
        ),
        ([EC2 | {"Principal": "*"}], "anyone"),
        ([EC2, EC2 | {"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::1:user/kim"}}], ""),
        # The same principal, under a condition.
        ([EC2 | {"Condition": {"StringEquals": {"aws:SourceAccount": "1"}}}], ""),
    ],
)
def test_who_can_no_longer_assume_a_role_is_named(trust: list[dict[str, Any]], gone: str) -> None:
    document = {"Version": "2012-10-17", "Statement": trust}
    live = _role("koin-prod", "koin-prod", AssumeRolePolicyDocument=document)
    text = f"iam_role koin-prod: {gone} can no longer assume it"
    assert plan_of(ROLE, roles=[live]).warnings == ((text,) if gone else ())


def test_a_trust_of_the_old_language_is_shown_as_such() -> None:
    trust = {
        "Version": "2008-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
    live = _role("koin-prod", "koin-prod", AssumeRolePolicyDocument=trust)
    before, after = changes_of(plan_of(ROLE, roles=[live]), "iam_role")["trust"]
    assert set(before) - set(after) == {'{"Version": "2008-10-17"}'}


BOUNDED: dict[str, Any] = {
    "aws_iam_roles": {
        "koin-prod": {"description": "", "boundary": "koin-hosts", "buckets": {"koin": "read_write"}},
        "koin-db": {"description": "", "boundary": "koin-hosts", "parameters": "/koin/db/", "invalidates": ["static"]},
        "koin-old": {"description": "", "buckets": {"other": "read"}},
    }
}
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/koin-hosts"


def _boundary(*versions: str, current: str = "", **more: Any) -> dict[str, Any]:
    """A live one. versions: what each allows, from v1; current: the version in force, the last one if empty."""
    ids = [f"v{number}" for number, _ in enumerate(versions, 1)]
    found = [
        {"VersionId": version, "IsDefaultVersion": version == (current or ids[-1]), "Document": _allow(action)}
        for version, action in zip(ids, versions, strict=True)
    ]
    return {"PolicyName": "koin-hosts", "Arn": BOUNDARY, "PolicyVersionList": found, **more}


def _allow(action: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def test_a_boundary_holds_what_its_roles_may_do_and_denies_iam() -> None:
    (made,) = [action for action in plan_of(BOUNDED).of("create") if action.kind == "iam_boundary"]
    parts = {part["Sid"]: part for part in made.entry["policy"]["Statement"]}
    allowed = {sid: part["Resource"] for sid, part in parts.items() if part["Effect"] == "Allow"}
    assert allowed == {
        "PublishHostMetrics": ["*"],
        "ReadOwnParameters": [
            f"arn:aws:ssm:ap-northeast-2:{ACCOUNT}:parameter/koin/db",
            f"arn:aws:ssm:ap-northeast-2:{ACCOUNT}:parameter/koin/db/*",
        ],
        "ListBuckets": ["arn:aws:s3:::koin"],
        "ReadObjects": ["arn:aws:s3:::koin/*"],
        "WriteObjects": ["arn:aws:s3:::koin/*"],
        # A distribution has no ARN before it is there.
        "InvalidateCache": [f"arn:aws:cloudfront::{ACCOUNT}:distribution/*"],
    }
    assert parts["PublishHostMetrics"]["Condition"] == {"StringEquals": {"cloudwatch:namespace": "CWAgent"}}
    assert parts["NeverIam"] == {
        "Sid": "NeverIam",
        "Effect": "Deny",
        "Action": ["iam:*", "organizations:*", "sts:Assume*"],
        "Resource": "*",
    }


def test_the_boundary_comes_before_the_roles_and_a_role_without_one_has_none() -> None:
    found = plan_of(BOUNDED).of("create")
    kinds = [action.kind for action in found]
    assert kinds == ["iam_boundary", "iam_role", "iam_role", "iam_role"]
    assert [action.desired.get("boundary") for action in found[1:]] == ["koin-hosts", "koin-hosts", None]
    assert [action.entry.get("boundary_arn") for action in found[1:]] == ["${iam_boundary:koin-hosts:id}"] * 2 + [None]
    assert "iam_boundary koin-hosts: only an administrator may write it" in plan_of(BOUNDED).warnings[0]
    unbounded = {"aws_iam_roles": {"koin-old": {"description": ""}}}
    assert [action.kind for action in plan_of(unbounded).of("create")] == ["iam_role"]
    (read,) = KINDS.named("iam_boundary").reads
    assert read.arguments_for(declaration_of(unbounded)) is None
    assert read.arguments_for(declaration_of(BOUNDED)) == {"Filter": ["LocalManagedPolicy"]}


@pytest.mark.parametrize(
    ("arn", "before"),
    [
        ("", None),
        (f"{BOUNDARY}-2", f"{BOUNDARY}-2"),
        ("arn:aws:iam::aws:policy/PowerUserAccess", "arn:aws:iam::aws:policy/PowerUserAccess"),
    ],
)
def test_a_live_role_gets_the_boundary(arn: str, before: str | None) -> None:
    boundary = {"PermissionsBoundary": {"PermissionsBoundaryArn": arn}} if arn else {}
    live = _role("koin-prod", "koin-prod", AttachedManagedPolicies=[{"PolicyName": "AmazonSSMManagedInstanceCore"}])
    live["RolePolicyList"] = [
        {"PolicyName": name, "PolicyDocument": _allow("s3:*")} for name in ("platform", "by-hand")
    ]
    found = plan_of(BOUNDED, roles=[live | boundary], policies=[_boundary("*")])
    assert changes_of(found, "iam_role")["boundary"] == (before, "koin-hosts")
    (text,) = [text for text in found.warnings if "other policies" in text]
    assert "(AmazonSSMManagedInstanceCore, by-hand)" in text
    same = live | {"PermissionsBoundary": {"PermissionsBoundaryArn": BOUNDARY}}
    found = plan_of(BOUNDED, roles=[same], policies=[_boundary("*")])
    assert "boundary" not in changes_of(found, "iam_role")
    assert not [text for text in found.warnings if "other policies" in text]


def test_the_version_in_force_is_compared() -> None:
    found = plan_of(BOUNDED, policies=[_boundary("s3:*", "ec2:*", current="v1")])
    before, _ = changes_of(found, "iam_boundary")["policy"]
    assert before == ['{"Action": ["s3:*"], "Effect": "Allow", "Resource": ["*"]}']
    document = next(action.entry["policy"] for action in found.writes if action.kind == "iam_boundary")
    right = _boundary("s3:*", "x", current="v2")
    right["PolicyVersionList"][1]["Document"] = document
    assert [action.kind for action in plan_of(BOUNDED, policies=[right]).writes] == ["iam_role"] * 3


@pytest.mark.parametrize(
    ("versions", "current", "gone"),
    [(1, "", []), (4, "", []), (5, "", ["v1"]), (5, "v1", ["v2"])],
)
def test_the_oldest_version_makes_way_where_there_are_five(versions: int, current: str, gone: list[str]) -> None:
    live = _boundary(*(f"s3:Get{number}" for number in range(versions)), current=current)
    found = plan_of(BOUNDED, policies=[live])
    (change,) = [action for action in found.writes if action.kind == "iam_boundary"]
    assert change.entry["superseded"] == gone
    assert [text.rpartition("the oldest, ")[2] for text in found.warnings if "the oldest" in text] == [
        f"{version}, is deleted" for version in gone
    ]


def test_version_9_is_older_than_version_10() -> None:
    live = _boundary("a", "b", "c", "d", "e")
    for number, version in enumerate(live["PolicyVersionList"], 8):
        version["VersionId"] = f"v{number}"
    (change,) = [action for action in plan_of(BOUNDED, policies=[live]).writes if action.kind == "iam_boundary"]
    assert change.entry["superseded"] == ["v8"]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"Arn": f"arn:aws:iam::{ACCOUNT}:policy/old/koin-hosts"}, "policy/old/koin-hosts"),
        ({"PolicyName": "Koin-Hosts", "Arn": f"arn:aws:iam::{ACCOUNT}:policy/Koin-Hosts"}, "policy/Koin-Hosts"),
    ],
)
def test_a_name_that_another_policy_has_is_refused(other: dict[str, str], said: str) -> None:
    (problem,) = refusals(BOUNDED, policies=[_boundary("*", **other)])
    assert problem.where == "aws_iam_roles.koin-prod.boundary"
    assert said in problem.what
    assert refusals(BOUNDED, policies=[_boundary("*")]) == []


def test_boundaries_whose_names_differ_in_case_are_refused() -> None:
    roles = {"koin-prod": {"boundary": "koin-hosts"}, "koin-db": {"boundary": "Koin-Hosts"}}
    (problem,) = KINDS.named("iam_boundary").check(declaration_of({"aws_iam_roles": roles}))
    assert (problem.where, problem.fix) == ("aws_iam_roles.koin-db.boundary", "write `koin-hosts`")


def test_roles_that_may_do_more_than_a_policy_holds_are_refused() -> None:
    buckets = {f"a-bucket-with-a-long-name-{number}": "read_write" for number in range(60)}
    roles = {"koin-prod": {"boundary": "koin-hosts", "buckets": buckets}, "koin-db": {"boundary": "koin-hosts"}}
    kind = KINDS.named("iam_boundary")
    (problem,) = kind.check(declaration_of({"aws_iam_roles": roles}))
    assert "a policy holds 6144" in problem.what
    assert "let some of koin-prod, koin-db name another boundary" in problem.fix
    assert list(kind.check(declaration_of(BOUNDED))) == []


ALARM = {
    "description": "",
    "namespace": "CWAgent",
    "metric": "disk",
    "dimensions": {},
    "statistic": "Maximum",
    "comparison": "GreaterThanThreshold",
    "threshold": 85.0,
    "period": 300,
    "evaluation_periods": 3,
    "missing_data": "missing",
    "topic": "t",
}
HOST = {"KOIN_PROD": {"role": "PROD", "type": "t3a.small", "architecture": "x86_64", "subnet": "a"}}
ALARMS = {"aws_compute_instances": HOST, "aws_monitoring_instance_alarms": {"disk": ALARM}}
TOPIC = "arn:aws:sns:ap-northeast-2:123456789012:t"


def _alarm(**more: Any) -> dict[str, Any]:
    live = {
        "AlarmName": "KOIN_PROD disk",
        "AlarmArn": "arn:a",
        "Namespace": "CWAgent",
        "MetricName": "disk",
        "Dimensions": [{"Name": "InstanceId", "Value": "i-1"}],
        "Statistic": "Maximum",
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 85.0,
        "Period": 300,
        "EvaluationPeriods": 3,
        "TreatMissingData": "missing",
        "AlarmActions": [TOPIC],
        "OKActions": [TOPIC],
        "ActionsEnabled": True,
        **more,
    }
    return {key: value for key, value in live.items() if value is not None}


def _alarm_plan(**more: Any) -> Any:
    instance = {
        "InstanceId": "i-1",
        "State": {"Name": "running"},
        "InstanceType": "t3a.small",
        "Architecture": "x86_64",
        "SubnetId": "a",
        "SecurityGroups": [],
        "Tags": [{"Key": "Name", "Value": "KOIN_PROD"}, {"Key": "Role", "Value": "PROD"}],
    }
    return plan_of(ALARMS, alarms=[_alarm(**more)], instances=[instance])


@pytest.mark.parametrize(
    ("live", "shown"),
    [
        ({}, {}),
        ({"ActionsEnabled": False}, {"actions_enabled": (False, True)}),
        (
            {"Statistic": None, "ExtendedStatistic": "p99"},
            {"extended_statistic": ("p99", None), "statistic": (None, "Maximum")},
        ),
        ({"EvaluateLowSampleCountPercentile": "ignore"}, {"low_samples": ("ignore", None)}),
        ({"Metrics": [{"Id": "m"}, {"Id": "n"}]}, {"metrics": ('[{"Id": "m"}, {"Id": "n"}]', None)}),
        (
            {"ThresholdMetricId": "band", "Threshold": None},
            {"threshold_metric": ("band", None), "threshold": (None, 85.0)},
        ),
        ({"AlarmActions": ["arn:x", TOPIC]}, {"alarm_actions": ([TOPIC, "arn:x"], [TOPIC])}),
        ({"DatapointsToAlarm": 2}, {}),
        ({"Unit": "Percent"}, {}),
        # Values of the declared metric do not come in the unit of the other one.
        ({"Unit": "Bytes", "MetricName": "mem"}, {"metric": ("mem", "disk"), "unit": ("Bytes", None)}),
        ({"MetricName": "mem"}, {"metric": ("mem", "disk")}),
        ({"Period": 60, "Tags": [{"Key": "a", "Value": "b"}]}, {"period": (60, 300)}),
        # CloudWatch refuses more datapoints than periods.
        (
            {"DatapointsToAlarm": 5, "EvaluationPeriods": 5},
            {"datapoints_to_alarm": (5, 3), "evaluation_periods": (5, 3)},
        ),
    ],
)
def test_everything_that_makes_an_alarm_fire_is_compared(live: dict[str, Any], shown: dict[str, Any]) -> None:
    assert changes_of(_alarm_plan(**live), "alarm") == shown


def test_settings_of_an_alarm_that_are_not_declared_are_kept() -> None:
    kept = {"DatapointsToAlarm": 2, "Unit": "Percent", "InsufficientDataActions": ["arn:x"]}
    assert _alarm_plan(**kept, ActionsEnabled=False).registry["alarm"]["KOIN_PROD disk"]["kept"] == kept


def test_the_unit_of_another_metric_is_not_kept() -> None:
    found = _alarm_plan(Unit="Bytes", MetricName="mem", DatapointsToAlarm=2)
    assert found.registry["alarm"]["KOIN_PROD disk"]["kept"] == {"DatapointsToAlarm": 2}


def test_a_composite_alarm_of_the_name_is_refused() -> None:
    composite = {"AlarmName": "KOIN_PROD disk", "AlarmArn": "arn:a", "AlarmRule": "ALARM(x)"}
    observed = KINDS.empty() | {"alarms": [composite]}
    (problem,) = KINDS.named("alarm").check_account(declaration_of(ALARMS), observed)
    assert problem.where == "alarm KOIN_PROD disk"


TRAIL = {"bucket": "logs", "multi_region": True, "global_services": True}
TRAILS: dict[str, Any] = {"aws_account_trails": {"koin": TRAIL}, "aws_storage_buckets": {"logs": {"tls_only": True}}}


def _trail(**more: Any) -> dict[str, Any]:
    return {
        "Name": "koin",
        "TrailARN": "arn:t",
        "S3BucketName": "logs",
        "IsMultiRegionTrail": True,
        "IncludeGlobalServiceEvents": True,
        **more,
    }


def test_a_prefix_of_a_trail_to_which_the_policy_of_its_bucket_does_not_let_it_write_goes() -> None:
    assert changes_of(plan_of(TRAILS, trails=[_trail(S3KeyPrefix="audit")]), "trail") == {"prefix": ("audit", None)}
    assert changes_of(plan_of(TRAILS, trails=[_trail(HomeRegion="ap-northeast-2")]), "trail") == {}


def test_a_trail_at_home_in_another_region_is_refused() -> None:
    (problem,) = refusals(TRAILS, trails=[_trail(HomeRegion="us-east-1")])
    assert "whose home is us-east-1" in problem.what


@pytest.mark.parametrize(
    ("live", "text"),
    [
        ({"TrailARN": "arn:aws:cloudtrail:ap-northeast-2:123456789012:trail/koin"}, ""),
        (
            {"TrailARN": "arn:aws:cloudtrail:ap-northeast-2:999999999999:trail/koin", "IsOrganizationTrail": True},
            "which only account 999999999999 can change",
        ),
        ({"IsOrganizationTrail": True}, "that of the whole organization"),
        ({"Name": "other", "IsOrganizationTrail": True}, ""),
    ],
)
def test_the_trail_of_an_organization_is_refused(live: dict[str, Any], text: str) -> None:
    found = refusals(TRAILS, trails=[_trail(**live)])
    assert len(found) == bool(text) and all(text in problem.what for problem in found)


def test_the_trail_of_another_account_is_none_of_ours() -> None:
    foreign = _trail(Name="org", TrailARN="arn:aws:cloudtrail:ap-northeast-2:999999999999:trail/org")
    found = plan_of(TRAILS, trails=[foreign])
    assert [action.action for action in found.actions if action.kind == "trail"] == ["create"]


def test_more_trails_than_aws_allows_are_refused() -> None:
    others = [_trail(Name=f"t{number}", TrailARN=f"arn:{number}") for number in range(5)]
    (problem,) = refusals(TRAILS, trails=others)
    assert problem.what == "6 trails would exist, and AWS allows 5 in a region"
    assert refusals(TRAILS, trails=others[1:]) == []
    assert refusals(TRAILS, trails=[*others[1:], _trail()]) == []


def test_the_first_password_policy_of_an_account_is_no_weaker_without_a_word() -> None:
    declared = {"aws_account_settings": {"password_policy": {"max_age": 90}}}
    found = plan_of(declared)
    assert found.registry["account_settings"]["account"]["password_policy"] == {"MinimumPasswordLength": 8}
    assert "IAM's own password policy ends" in found.warnings[-1]
    assert not any("own password policy" in text for text in plan_of(declared, password_policy={"x": 1}).warnings)


def test_buckets_that_the_block_of_the_account_closes_are_named() -> None:
    declared = {
        "aws_account_settings": {"block_public_access": True},
        "aws_storage_buckets": {"open": {"block_public_access": False}, "closed": {"block_public_access": True}},
    }
    found = plan_of(declared, buckets={"open": None, "closed": None, "other": None})
    assert any("every bucket, including open, other;" in text for text in found.warnings)


def _mail(endpoint: str, arn: str = "arn:aws:sns:x:1:t:2", protocol: str = "email") -> dict[str, str]:
    return {"Protocol": protocol, "Endpoint": endpoint, "SubscriptionArn": arn}


@pytest.mark.parametrize(
    ("subscriptions", "changes"),
    [
        ([_mail("a@bcsdlab.com")], {}),
        ([_mail("a@bcsdlab.com", "PendingConfirmation")], {}),
        # Of one that is not confirmed there is nothing to remove.
        ([_mail("a@bcsdlab.com"), _mail("old@bcsdlab.com", "PendingConfirmation")], {}),
        ([_mail("a@bcsdlab.com"), _mail("gone@bcsdlab.com", "Deleted")], {}),
        ([_mail("a@bcsdlab.com"), _mail("https://hooks.example.com", protocol="https")], {}),
        ([_mail("a@bcsdlab.com", protocol="email-json")], {"emails": ([], ["a@bcsdlab.com"])}),
        (
            [_mail("a@bcsdlab.com"), _mail("kim@bcsdlab.com")],
            {"emails": (["a@bcsdlab.com", "kim@bcsdlab.com"], ["a@bcsdlab.com"])},
        ),
    ],
)
def test_the_addresses_of_a_topic(subscriptions: list[dict[str, str]], changes: dict[str, Any]) -> None:
    arn = "arn:aws:sns:ap-northeast-2:123456789012:t"
    declared = {"aws_monitoring_topics": {"t": {"emails": ["a@bcsdlab.com"]}}}
    found = plan_of(declared, topics=[arn, f"{arn}.fifo"], subscriptions={arn: subscriptions})
    assert changes_of(found, "topic") == changes
    others = [{"protocol": item["Protocol"], "endpoint": item["Endpoint"]} for item in subscriptions]
    kept = found.registry["topic"]["t"]["other_subscriptions"]
    assert kept == [item for item in others if item["protocol"] != "email"]


FLOW_LOG: dict[str, Any] = {
    "aws_network_vpcs": {"koin": {"cidr": "10.0.0.0/16"}},
    "aws_account_flow_logs": {"koin": {"vpc": "koin", "bucket": "logs", "traffic": "ALL", "interval": 600}},
}


@pytest.mark.parametrize(
    ("live", "action", "changes"),
    [
        ({"LogDestination": "arn:aws:s3:::logs"}, "change", {"tags.Name": (None, "koin")}),
        # A format of one's own is nobody's declaration.
        (
            {"LogDestination": "arn:aws:s3:::logs", "LogFormat": "${srcaddr} ${flow-direction}"},
            "change",
            {"tags.Name": (None, "koin")},
        ),
        ({"LogGroupName": "/vpc", "LogDestinationType": "cloud-watch-logs"}, "create", {}),
        ({"LogDestination": "arn:aws:s3:::logs", "ResourceId": "subnet-1"}, "create", {}),
        (
            {"LogGroupName": "/vpc", "Tags": [{"Key": "Name", "Value": "koin"}]},
            "replace",
            {"bucket": ("/vpc", "logs")},
        ),
        (
            {"LogDestination": "arn:aws:firehose:x:1:deliverystream/d", "Tags": [{"Key": "Name", "Value": "koin"}]},
            "replace",
            {"bucket": ("arn:aws:firehose:x:1:deliverystream/d", "logs")},
        ),
    ],
)
def test_a_flow_log_is_that_of_its_vpc_and_bucket(live: dict[str, Any], action: str, changes: dict[str, Any]) -> None:
    vpc = {"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"}
    log = {"FlowLogId": "fl-1", "ResourceId": "vpc-1", "TrafficType": "ALL", "MaxAggregationInterval": 600, **live}
    found = plan_of(FLOW_LOG, vpcs=[vpc], flow_logs=[log])
    assert next(item.action for item in found.actions if item.kind == "flow_log") == action
    assert changes_of(found, "flow_log") == changes
