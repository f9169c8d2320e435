"""The planner on literals: what is recognised as what, and what is compared with what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible.module_utils.platform.engine.declaration import Declaration
from ansible.module_utils.platform.engine.errors import PlatformError
from ansible.module_utils.platform.engine.model import Plan
from ansible.module_utils.platform.engine.plan import plan
from ansible.module_utils.platform.engine.render import warnings
from ansible.module_utils.platform.kinds import KINDS

VPC = {"VpcId": "vpc-1", "CidrBlock": "172.31.0.0/16", "Tags": [{"Key": "Name", "Value": "BCSDLab"}]}
DECLARED_VPC = {"aws_network_vpcs": {"BCSDLab": {"cidr": "172.31.0.0/16"}}}


def _tags(**tags: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _plan(declared: dict[str, Any], **observed: Any) -> Plan:
    declaration = Declaration({"aws_region": "ap-northeast-2", **declared}, account="123456789012")
    return plan(declaration, KINDS.empty() | observed, KINDS)


def _shown(result: Plan) -> list[tuple[str, str, str]]:
    return [(action.action, action.kind, action.name) for action in result.actions]


def _changes(result: Plan, kind: str) -> dict[str, tuple[Any, Any]]:
    return {
        change.field: (change.before, change.after)
        for action in result.of("change", "replace")
        if action.kind == kind
        for change in action.changes
    }


def test_nothing_declared_nothing_observed() -> None:
    assert _shown(_plan({})) == []


def _vpc(name: str | None, cidr: str = "172.31.0.0/16", default: bool = False, vpc_id: str = "vpc-1") -> dict[str, Any]:
    return {"VpcId": vpc_id, "CidrBlock": cidr, "IsDefault": default, "Tags": _tags(Name=name) if name else []}


@pytest.mark.parametrize(
    ("vpcs", "expected"),
    [
        ([], [("create", "vpc", "BCSDLab")]),
        ([_vpc("BCSDLab")], []),
        ([_vpc(None, default=True)], [("change", "vpc", "BCSDLab")]),
        ([_vpc("renamed by hand")], [("change", "vpc", "BCSDLab")]),
        # By Name and CIDR before the default one.
        (
            [_vpc(None, default=True, vpc_id="vpc-d"), _vpc("BCSDLab")],
            [("unmanaged", "vpc", "vpc-d")],
        ),
        # The same Name with another CIDR is another VPC.
        (
            [_vpc("BCSDLab", cidr="10.0.0.0/16")],
            [("create", "vpc", "BCSDLab"), ("unmanaged", "vpc", "BCSDLab (vpc-1)")],
        ),
    ],
)
def test_vpc_is_recognised(vpcs: list[dict[str, Any]], expected: list[tuple[str, str, str]]) -> None:
    assert _shown(_plan(DECLARED_VPC, vpcs=vpcs)) == expected


def test_vpc_by_declared_id() -> None:
    declared = {"aws_network_vpcs": {"BCSDLab": {"id": "vpc-2", "cidr": "172.31.0.0/16"}}}
    found = _plan(declared, vpcs=[_vpc("BCSDLab"), _vpc("other", vpc_id="vpc-2")])
    assert found.registry["vpc"]["BCSDLab"]["id"] == "vpc-2"


def test_two_that_answer_are_an_error_and_not_a_guess() -> None:
    with pytest.raises(PlatformError, match="2 live resources match the declared vpc BCSDLab: vpc-1, vpc-2"):
        _plan(DECLARED_VPC, vpcs=[_vpc("BCSDLab"), _vpc("BCSDLab", vpc_id="vpc-2")])


def test_a_field_that_is_not_declared_is_left_alone() -> None:
    observed = {"vpcs": [VPC], "vpc_attributes": {"vpc-1": {"dns_support": False, "dns_hostnames": False}}}
    assert _plan(DECLARED_VPC, **observed).writes == []
    declared = {"aws_network_vpcs": {"BCSDLab": {"cidr": "172.31.0.0/16", "dns_support": True}}}
    assert _changes(_plan(declared, **observed), "vpc") == {"dns_support": (False, True)}


def test_settings_of_the_account_are_changed_and_never_created() -> None:
    declared = {"aws_account_settings": {"block_public_access": True, "password_policy": {"max_age": 90}}}
    found = _plan(
        declared, buckets={"by-hand": "ap-northeast-2"}, account_public_access_block={"BlockPublicAcls": True}
    )
    assert [(action.action, action.name) for action in found.writes] == [("change", "account")]
    assert _changes(found, "account_settings") == {
        "public_access_block.ignore_public_acls": (False, True),
        "public_access_block.block_public_policy": (False, True),
        "public_access_block.restrict_public_buckets": (False, True),
        "password_policy.max_age": (None, 90),
    }
    assert "including by-hand" in found.warnings[0]
    assert "older than 90 days" in found.warnings[1]


def test_a_password_policy_keeps_what_is_not_declared() -> None:
    declared = {"aws_account_settings": {"password_policy": {"min_length": 14}}}
    observed = {"MinimumPasswordLength": 8, "HardExpiry": True, "MaxPasswordAge": 30, "ExpirePasswords": True}
    found = _plan(declared, password_policy=observed)
    kept = found.registry["account_settings"]["account"]["password_policy"]
    assert kept == {"MinimumPasswordLength": 8, "HardExpiry": True, "MaxPasswordAge": 30}
    assert _changes(found, "account_settings") == {"password_policy.min_length": (8, 14)}


def test_a_headers_policy_keeps_what_is_not_declared() -> None:
    config = {
        "Name": "uploads",
        "SecurityHeadersConfig": {
            "FrameOptions": {"Override": False, "FrameOption": "DENY"},
            "XSSProtection": {"Override": True, "Protection": True},
        },
        "CorsConfig": {"OriginOverride": True},
    }
    declared = {"aws_cdn_headers_policies": {"uploads": {"frame_options": "DENY"}}}
    observed = [{"Type": "custom", "ResponseHeadersPolicy": {"Id": "p-1", "ResponseHeadersPolicyConfig": config}}]
    found = _plan(declared, headers_policies=observed)
    assert _changes(found, "headers_policy") == {"frame_options": ("DENY (unless the origin sends one)", "DENY")}
    assert found.registry["headers_policy"]["uploads"]["config"] == config


def test_only_cloudtrail_writes_to_the_bucket_of_a_trail() -> None:
    trail = {"bucket": "logs", "multi_region": True, "global_services": True, "logging": True}
    declared = {"aws_account_trails": {"koin": trail}, "aws_storage_buckets": {"logs": {"tls_only": True}}}
    observed = [{"Name": "koin", "TrailARN": "arn:t", "S3BucketName": "old", "IsMultiRegionTrail": True}]
    found = _plan(declared, trails=observed, trail_status={"arn:t": False})
    assert _changes(found, "trail") == {
        "bucket": ("old", "logs"),
        "global_services": (False, True),
        "logging": (False, True),
    }
    assert found.warnings == ("trail koin: new logs go to logs; old logs stay in old",)
    (bucket,) = found.of("create")
    parts = {part["Sid"]: part for part in bucket.entry["policy"]["Statement"]}
    own = {"aws:SourceArn": ["arn:aws:cloudtrail:ap-northeast-2:123456789012:trail/koin"]}
    assert parts["LogDeliveryWrite"]["Resource"] == "arn:aws:s3:::logs/AWSLogs/123456789012/*"
    assert parts["LogDeliveryWrite"]["Condition"]["ArnLike"] == own
    assert parts["DenyOtherWriters"]["Condition"] == {"ArnNotLike": own}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"LogDestination": "arn:aws:s3:::logs"}, {"tags.Name": (None, "net")}),
        (
            {"LogDestination": "arn:aws:s3:::other", "Tags": _tags(Name="net"), "TrafficType": "REJECT"},
            {"bucket": ("other", "logs"), "traffic": ("REJECT", "ALL")},
        ),
        ({"LogGroupName": "by-hand"}, None),
    ],
)
def test_a_flow_log_is_recognised(raw: dict[str, Any], expected: dict[str, Any] | None) -> None:
    entry = {"vpc": "BCSDLab", "bucket": "logs", "traffic": "ALL", "interval": 600}
    observed = {"FlowLogId": "fl-1", "ResourceId": "vpc-1", "TrafficType": "ALL", **raw}
    found = _plan(DECLARED_VPC | {"aws_account_flow_logs": {"net": entry}}, vpcs=[VPC], flow_logs=[observed])
    if expected is None:
        assert ("create", "flow_log", "net") in _shown(found)
        assert ("unmanaged", "flow_log", "fl-1") in _shown(found)
    else:
        assert _changes(found, "flow_log") == expected


def test_tags_that_are_not_declared_are_left_alone() -> None:
    vpc = VPC | {"Tags": _tags(Name="BCSDLab", Owner="kim", Platform="old")}
    changes = _changes(_plan(DECLARED_VPC | {"aws_tags": {"Platform": "koin"}}, vpcs=[vpc]), "vpc")
    assert changes == {"tags.Platform": ("old", "koin")}


GROUPS = {
    "aws_security_groups": {
        "DockerSwarm": {
            "vpc": "BCSDLab",
            "ingress": {"gossip": {"protocol": "tcp", "port": 7946, "groups": ["DockerSwarm"]}},
        }
    }
}


def _group(*permissions: dict[str, Any]) -> dict[str, Any]:
    return {
        "GroupId": "sg-1",
        "GroupName": "DockerSwarm",
        "VpcId": "vpc-1",
        "Description": "by hand",
        "IpPermissions": list(permissions),
        "IpPermissionsEgress": [],
        "Tags": _tags(Name="DockerSwarm"),
    }


def _permission(protocol: str, port: int | None, **source: Any) -> dict[str, Any]:
    ports = {} if port is None else {"FromPort": port, "ToPort": port}
    return {"IpProtocol": protocol, **ports, **source}


OWN = {"UserIdGroupPairs": [{"GroupId": "sg-1"}]}


@pytest.mark.parametrize(
    ("permissions", "before"),
    [
        ([_permission("tcp", 7946, **OWN)], None),
        ([], []),
        (
            [_permission("tcp", 7946, IpRanges=[{"CidrIp": "0.0.0.0/0"}])],
            ["tcp 7946 from 0.0.0.0/0"],
        ),
        (
            [_permission("tcp", 7946, **OWN), _permission("50", None, **OWN)],
            ["esp from group DockerSwarm", "tcp 7946 from group DockerSwarm"],
        ),
        (
            [_permission("-1", None, UserIdGroupPairs=[{"GroupId": "sg-9"}])],
            ["all from group sg-9"],
        ),
        (
            [_permission("tcp", 1, Ipv6Ranges=[{"CidrIpv6": "::/0"}], PrefixListIds=[{"PrefixListId": "pl-1"}])],
            ["tcp 1 from ::/0", "tcp 1 from pl-1"],
        ),
    ],
)
def test_rules_are_compared_as_a_set(permissions: list[dict[str, Any]], before: list[str] | None) -> None:
    observed = {"vpcs": [VPC], "security_groups": [_group(*permissions)]}
    expected = {} if before is None else {"ingress": (before, ["tcp 7946 from group DockerSwarm"])}
    assert _changes(_plan(DECLARED_VPC | GROUPS, **observed), "security_group") == expected


def test_the_default_group_is_no_stray() -> None:
    default = _group() | {"GroupId": "sg-0", "GroupName": "default"}
    stray = _group() | {"GroupId": "sg-2", "GroupName": "launch-wizard-1"}
    observed = {"vpcs": [VPC], "security_groups": [default, stray, _group(_permission("tcp", 7946, **OWN))]}
    found = [action.name for action in _plan(DECLARED_VPC | GROUPS, **observed).of("unmanaged")]
    assert found == ["launch-wizard-1 (sg-2)"]


HOST = {"role": "PROD", "type": "t3a.small", "architecture": "x86_64", "subnet": "a", "elastic_ip": "52.78.46.60"}
HOSTS = {"aws_compute_instances": {"KOIN_PROD": HOST}}


def _instance(state: str = "running", name: str = "KOIN_PROD", live_id: str = "i-1", **more: Any) -> dict[str, Any]:
    return {
        "InstanceId": live_id,
        "State": {"Name": state},
        "InstanceType": "t3a.small",
        "Architecture": "x86_64",
        "SubnetId": "a",
        "ImageId": "ami-of-last-year",
        "SecurityGroups": [],
        "Tags": _tags(Name=name, Role="PROD"),
        **more,
    }


@pytest.mark.parametrize("state", ["pending", "running", "stopping", "stopped"])
def test_an_instance_is_recognised_by_its_name_in_any_state_of_life(state: str) -> None:
    assert _plan(HOSTS, instances=[_instance(state)]).registry["instance"]["KOIN_PROD"]["id"] == "i-1"


@pytest.mark.parametrize("state", ["shutting-down", "terminated"])
def test_a_terminated_instance_is_none(state: str) -> None:
    found = _plan(HOSTS, instances=[_instance(state)])
    assert ("create", "instance", "KOIN_PROD") in _shown(found)
    assert found.of("unmanaged") == []


def _address(public: str, allocation: str, **more: Any) -> dict[str, Any]:
    return {"PublicIp": public, "AllocationId": allocation, **more}


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ([], None),
        ([_address("52.78.46.60", "e-1")], "e-1"),
        # The declared address before the one that is associated.
        ([_address("9.9.9.9", "e-2", InstanceId="i-1"), _address("52.78.46.60", "e-1")], "e-1"),
        ([_address("9.9.9.9", "e-2", InstanceId="i-1"), _address("8.8.8.8", "e-3")], "e-2"),
        # Left by a run that was killed between allocation and association.
        ([_address("8.8.8.8", "e-3", Tags=_tags(Name="KOIN_PROD"))], "e-3"),
        ([_address("8.8.8.8", "e-4")], None),
    ],
)
def test_an_elastic_ip_is_recognised(addresses: list[dict[str, Any]], expected: str | None) -> None:
    found = _plan(HOSTS, instances=[_instance()], addresses=addresses)
    assert found.registry.get("elastic_ip", {}).get("KOIN_PROD", {}).get("id") == expected


def test_an_address_that_is_not_owned_is_said_to_be_allocated() -> None:
    action = next(item for item in _plan(HOSTS).of("create") if item.kind == "elastic_ip")
    assert action.note == "52.78.46.60 is not in this account: a new address will be allocated"
    other = _plan(HOSTS, instances=[_instance()], addresses=[_address("9.9.9.9", "e-2", InstanceId="i-1")])
    assert "52.78.46.60 is declared, but the account has 9.9.9.9" in other.warnings[0]


@pytest.mark.parametrize("stand_in", [True, False])
def test_an_address_of_a_stand_in_is_no_warning_of_its_own(stand_in: bool) -> None:
    found = _plan(HOSTS, instances=[_instance()], addresses=[_address("9.9.9.9", "e-2", InstanceId="i-1")])
    shown = warnings(replace(found, stand_in=stand_in))
    assert ("As always in a rehearsal: public addresses of its own (1); -v lists them." in shown) is stand_in
    assert ("Warnings:" in shown) is not stand_in


DNS = {
    "aws_dns_zones": {"koreatech.in": {}},
    "aws_dns_records": {"api.koreatech.in": {"zone": "koreatech.in", "type": "A", "host": "KOIN_PROD"}},
}
ZONE = {"Id": "/hostedzone/Z1", "Name": "koreatech.in.", "Config": {"PrivateZone": False}}


def test_a_record_waits_for_the_address_of_its_host() -> None:
    action = next(item for item in _plan(HOSTS | DNS).of("create") if item.kind == "record")
    assert action.desired["values"] == ["${elastic_ip:KOIN_PROD:public_ip}"]


@pytest.mark.parametrize(
    ("value", "ttl", "expected"), [("52.78.46.60", 300, set()), ("9.9.9.9", 60, {"values", "ttl"})]
)
def test_a_record_is_compared_with_the_address_of_its_host(value: str, ttl: int, expected: set[str]) -> None:
    record = {"Name": "api.koreatech.in.", "Type": "A", "TTL": ttl, "ResourceRecords": [{"Value": value}]}
    observed = {
        "zones": [ZONE],
        "records": {"Z1": [record]},
        "instances": [_instance()],
        "addresses": [_address("52.78.46.60", "e-1", InstanceId="i-1")],
    }
    assert set(_changes(_plan(HOSTS | DNS, **observed), "record")) == expected


def test_what_makes_a_zone_a_zone_is_no_stray() -> None:
    def record(name: str, kind: str) -> dict[str, Any]:
        return {"Name": name, "Type": kind, "TTL": 300, "ResourceRecords": [{"Value": "x"}]}

    there = [
        record("koreatech.in.", "NS"),
        record("koreatech.in.", "SOA"),
        record("sub.koreatech.in.", "NS"),
        record("koreatech.in.", "MX"),
        record("\\052.koreatech.in.", "A"),
    ]
    found = _plan({"aws_dns_zones": {"koreatech.in": {}}}, zones=[ZONE], records={"Z1": there})
    assert [action.name for action in found.of("unmanaged")] == [
        "*.koreatech.in A",
        "koreatech.in MX",
        "sub.koreatech.in NS",
    ]


def test_a_private_zone_of_the_same_name_is_another() -> None:
    private = ZONE | {"Config": {"PrivateZone": True}}
    assert ("create", "zone", "koreatech.in") in _shown(_plan({"aws_dns_zones": {"koreatech.in": {}}}, zones=[private]))


SITE = {
    "aws_dns_zones": {"koreatech.in": {}},
    "aws_cdn_certificates": {"koreatech.in": {"domain": "koreatech.in", "alternative_names": ["*.koreatech.in"]}},
    "aws_cdn_distributions": {
        "static": {
            "id": "E1",
            "aliases": ["static.koreatech.in"],
            "bucket": "b",
            "certificate": "koreatech.in",
        }
    },
}


def _distribution(live_id: str, *aliases: str) -> dict[str, Any]:
    names = {"Quantity": len(aliases), "Items": list(aliases)}
    return {"Id": live_id, "ARN": f"arn:{live_id}", "DomainName": f"{live_id}.cloudfront.net", "Aliases": names}


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ([], None),
        ([_distribution("E1")], "E1"),
        ([_distribution("E9", "static.koreatech.in")], "E9"),
        ([_distribution("E1"), _distribution("E2", "other.koreatech.in")], "E1"),
    ],
)
def test_a_distribution_is_recognised(there: list[dict[str, Any]], expected: str | None) -> None:
    found = _plan(SITE, distributions=there).registry.get("distribution", {}).get("static", {}).get("id")
    assert found == expected


def test_an_id_and_an_alias_that_disagree_are_an_error() -> None:
    there = [_distribution("E1"), _distribution("E9", "static.koreatech.in")]
    with pytest.raises(PlatformError, match="declares the id E1, but its aliases belong to E9"):
        _plan(SITE, distributions=there)


def _certificate(arn: str, status: str, *names: str) -> dict[str, Any]:
    return {"CertificateArn": arn, "Status": status, "DomainName": names[0], "SubjectAlternativeNames": list(names)}


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ([], None),
        ([_certificate("a", "PENDING_VALIDATION", "koreatech.in", "*.koreatech.in")], "a"),
        (
            [
                _certificate("a", "PENDING_VALIDATION", "koreatech.in", "*.koreatech.in"),
                _certificate("b", "ISSUED", "koreatech.in", "*.koreatech.in"),
            ],
            "b",
        ),
        ([_certificate("a", "ISSUED", "koreatech.in")], None),
        ([_certificate("a", "EXPIRED", "koreatech.in", "*.koreatech.in")], None),
    ],
)
def test_a_certificate_is_recognised_by_all_its_names(there: list[dict[str, Any]], expected: str | None) -> None:
    found = _plan(SITE, certificates=there).registry.get("certificate", {}).get("koreatech.in", {}).get("id")
    assert found == expected


def test_ending_public_reads_is_warned_about() -> None:
    policy = '{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}}'
    found = _plan(
        {"aws_storage_buckets": {"b": {"tls_only": True}}},
        buckets={"b": "ap-northeast-2"},
        bucket_configs={"b": {"policy": policy}},
    )
    assert "anyone can read objects" in found.warnings[0]


def test_the_same_input_gives_the_same_plan() -> None:
    observed = {"zones": [ZONE], "instances": [_instance()], "vpcs": [VPC]}
    assert _plan(HOSTS | DNS, **observed).as_dict() == _plan(HOSTS | DNS, **observed).as_dict()
