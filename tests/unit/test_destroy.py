"""What is deleted, in which order, and what stays, on literals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible.module_utils.platform.engine.context import Context
from ansible.module_utils.platform.engine.destroy import Decision, decide, ordered
from ansible.module_utils.platform.engine.errors import PlatformError
from ansible.module_utils.platform.engine.plan import plan_in
from ansible.module_utils.platform.kinds import KINDS
from ansible.module_utils.platform.kinds.base import Kind

from tests.support.observed import declaration_of

NOW = datetime.now(UTC)
TAGS = [{"Key": "Name", "Value": "main"}]
VPC = {"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16", "Tags": TAGS}
SUBNET = {
    "SubnetId": "subnet-1",
    "VpcId": "vpc-1",
    "CidrBlock": "10.0.0.0/24",
    "AvailabilityZone": "ap-northeast-2a",
    "MapPublicIpOnLaunch": False,
}
NETWORK: dict[str, Any] = {
    "aws_network_vpcs": {"main": {"cidr": "10.0.0.0/16"}},
    "aws_network_subnets": {
        "a": {"vpc": "main", "cidr": "10.0.0.0/24", "zone": "ap-northeast-2a", "map_public_ip": False}
    },
}


def _decided(declared: dict[str, Any], only: str = "", **observed: Any) -> Decision:
    declaration = declaration_of(declared)
    context = Context(declaration, KINDS.with_removal_reads().empty() | observed)
    plan_in(context, KINDS)
    return decide(declaration, context, KINDS, only)


def _names(decision: Decision) -> list[str]:
    return [" ".join(item.key) for item in decision.doomed]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_says_how_it_is_removed(kind: Kind) -> None:
    if kind.everywhere:
        return
    assert type(kind).removal is not Kind.removal
    assert kind.removes


def test_whatever_uses_something_goes_before_it() -> None:
    order = [kind.name for kind in ordered(KINDS)]
    early = {(other, kind.name) for kind in KINDS for other in kind.removed_before}
    wrong = [
        (kind.name, target)
        for kind in KINDS
        for target in kind.refers.values()
        if target != kind.name and order.index(target) < order.index(kind.name) and (kind.name, target) not in early
    ]
    assert wrong == []


def test_what_nobody_declares_keeps_the_vpc_and_is_named() -> None:
    stray = {**SUBNET, "SubnetId": "subnet-9", "CidrBlock": "10.0.9.0/24"}
    found = _decided(NETWORK, vpcs=[VPC], subnets=[SUBNET, stray])
    assert _names(found) == ["subnet a"]
    assert found.kept == {"vpc main (vpc-1)": "what nobody declares is in it: subnet subnet-9"}
    assert _names(_decided(NETWORK, vpcs=[VPC], subnets=[SUBNET])) == ["subnet a", "vpc main"]


@pytest.mark.parametrize(
    ("subject", "raw", "named"),
    [
        ("interfaces", {"NetworkInterfaceId": "eni-1", "Description": "ELB app/web"}, "eni-1 (ELB app/web)"),
        ("endpoints", {"VpcEndpointId": "vpce-1", "State": "available"}, "VPC endpoint vpce-1"),
        ("instances", {"InstanceId": "i-9", "State": {"Name": "stopped"}, "Tags": []}, "instance i-9"),
    ],
)
def test_what_services_have_in_a_vpc_keeps_it(subject: str, raw: dict[str, Any], named: str) -> None:
    inside = {
        "InstanceType": "t3a.small",
        "Architecture": "x86_64",
        "Placement": {},
        "VpcId": "vpc-1",
        "SubnetId": "subnet-2",
    }
    observed: dict[str, Any] = {subject: [{**inside, **raw}]}
    found = _decided(NETWORK, vpcs=[VPC], subnets=[SUBNET], **observed)
    assert _names(found) == ["subnet a"]
    assert named in found.kept["vpc main (vpc-1)"]


def test_only_takes_one_thing_and_what_needs_it_keeps_it() -> None:
    assert _names(_decided(NETWORK, "subnet a", vpcs=[VPC], subnets=[SUBNET])) == ["subnet a"]
    kept = _decided(NETWORK, "vpc main", vpcs=[VPC], subnets=[SUBNET])
    assert (_names(kept), dict(kept.kept)) == ([], {"vpc main (vpc-1)": "what stays uses it: subnet a"})
    with pytest.raises(PlatformError, match="`subnet b` is not both declared and in the account"):
        _decided(NETWORK, "subnet b", vpcs=[VPC], subnets=[SUBNET])


def _group(number: int, name: str, *rules: tuple[int, int]) -> dict[str, Any]:
    """A live security group. rules: port and number of the group that it lets in."""
    permissions = [
        {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "UserIdGroupPairs": [{"GroupId": f"sg-{other}"}]}
        for port, other in rules
    ]
    same = {"VpcId": "vpc-1", "Description": name, "OwnerId": "1", "IpPermissionsEgress": []}
    return {"GroupId": f"sg-{number}", "GroupName": name, "IpPermissions": permissions, **same}


@pytest.mark.parametrize(
    ("port", "only", "reason"),
    [
        (22, "security_group a", "what nobody declares uses it: the rule `tcp 22 from group a` of security group b"),
        (80, "security_group a", "what stays uses it: security_group b"),
        (22, "", ""),
    ],
)
def test_a_rule_of_a_group_that_stays_is_not_revoked_silently(port: int, only: str, reason: str) -> None:
    rule = {"http": {"protocol": "tcp", "port": 80, "groups": ["a"]}}
    groups = {
        "a": {"vpc": "main", "description": "a"},
        "b": {"vpc": "main", "description": "b", **({"ingress": rule} if port == 80 else {})},
    }
    live = [_group(1, "a"), _group(2, "b", (port, 1))]
    declared = {**NETWORK, "aws_security_groups": groups}
    found = _decided(declared, only, vpcs=[VPC], subnets=[SUBNET], security_groups=live)
    assert found.kept.get("security_group a (sg-1)", "") == reason


def _host(**entry: Any) -> dict[str, Any]:
    host = {"role": "STAGE", "functions": [], "type": "t3a.small", "architecture": "x86_64", "subnet": "a"}
    return {**NETWORK, "aws_compute_instances": {"HOST": {**host, **entry}}}


_LIVE = {
    "InstanceId": "i-1",
    "State": {"Name": "running"},
    "Tags": [{"Key": "Name", "Value": "HOST"}],
    "VpcId": "vpc-1",
    "SubnetId": "subnet-1",
    "InstanceType": "t3a.small",
    "Architecture": "x86_64",
}
_ROLE = {"aws_iam_roles": {"host": {"buckets": {"backups": "append"}}}}


@pytest.mark.parametrize(
    ("entry", "observed", "reason"),
    [
        ({}, {}, ""),
        ({"role": "PROD"}, {}, "hosts of role PROD are never deleted"),
        ({"role": "DB"}, {}, "hosts of role DB are never deleted"),
        ({"termination_protection": True}, {"protection": {"i-1": True}}, "protected against termination"),
        ({"functions": ["database"]}, {}, "no verified backup younger than a day: it has no backup"),
        (
            {"functions": ["database"], "profile": "host"},
            {"verified_backups": {"backups": [NOW - timedelta(hours=25)]}},
            "no verified backup younger than a day: backups has nothing below verified/",
        ),
        (
            {"functions": ["database"], "profile": "host"},
            {"verified_backups": {"backups": [NOW - timedelta(hours=23)]}},
            "",
        ),
    ],
)
def test_which_hosts_stay(entry: dict[str, Any], observed: dict[str, Any], reason: str) -> None:
    declared = {**_host(**entry), **_ROLE}
    found = _decided(declared, vpcs=[VPC], subnets=[SUBNET], instances=[_LIVE], **observed)
    assert reason in found.kept.get("instance HOST (i-1)", "")
    if reason:
        # It keeps its network.
        assert _names(found) == []
        assert found.kept["subnet a (subnet-1)"] == "what stays uses it: instance HOST"
    else:
        assert _names(found) == ["instance HOST", "subnet a", "vpc main"]


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        ([], ""),
        (["images/"], ""),
        (["images/", "images/cat.jpg"], "it is not empty: images/cat.jpg"),
        (["a", "b", "c", "d"], "it is not empty: a, b, c and more"),
    ],
)
def test_a_bucket_goes_only_when_it_is_empty(contents: list[str], reason: str) -> None:
    found = _decided(
        {"aws_storage_buckets": {"files": {"prefixes": ["images/"]}}},
        buckets={"files": "ap-northeast-2"},
        bucket_contents={"files": [{"Key": key, "VersionId": "1", "LastModified": NOW} for key in contents]},
    )
    assert found.kept.get("bucket files", "") == reason
    assert _names(found) == ([] if reason else ["bucket files"])


def test_a_zone_with_records_that_stay_stays() -> None:
    zone = {"Id": "/hostedzone/Z1", "Name": "koin.test.", "Config": {"PrivateZone": False}}
    own = [
        {"Name": "koin.test.", "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": "x"}]} for kind in ("NS", "SOA")
    ]
    www = {"Name": "www.koin.test.", "Type": "CNAME", "TTL": 300, "ResourceRecords": [{"Value": "koin.test"}]}
    declared = {
        "aws_dns_zones": {"koin.test": {}},
        "aws_dns_records": {"www.koin.test": {"zone": "koin.test", "type": "CNAME", "values": ["koin.test"]}},
    }
    found = _decided(declared, zones=[zone], records={"Z1": [*own, www]})
    assert _names(found) == ["record www.koin.test CNAME", "zone koin.test"]
    old = {**www, "Name": "old.koin.test."}
    found = _decided(declared, zones=[zone], records={"Z1": [*own, www, old]})
    assert _names(found) == ["record www.koin.test CNAME"]
    assert found.kept == {"zone koin.test (Z1)": "it has records that stay: old.koin.test CNAME"}
