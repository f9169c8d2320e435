"""The rules between local hosts, on answers of EC2; what packets make of them is in tests/e2e/test_packets.py."""

from __future__ import annotations

import asyncio
import json
import re
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from rehearsal.aws.state import State
from rehearsal.hosts import guard
from rehearsal.hosts.errors import LocalHostsError
from rehearsal.hosts.guard import Log
from rehearsal.hosts.state import HostsState
from rehearsal.network.account import Account
from rehearsal.network.rules import Machine, chains

ANY = [{"CidrIp": "0.0.0.0/0"}]
MACHINE = Machine(IPv4Network("10.0.0.0/16"), ("10.0.255.1", 5566))
SUBNET = {"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.0.0/24"}


def instance(last: int, *groups: str, **more: Any) -> dict[str, Any]:
    """One with its only interface."""
    address = f"10.0.0.{last}"
    interface = {"PrivateIpAddress": address, "Groups": [{"GroupId": group} for group in groups]}
    return {"InstanceId": f"i-{last}", "PrivateIpAddress": address, "NetworkInterfaces": [interface], **more}


def group(name: str, *permissions: dict[str, Any]) -> dict[str, Any]:
    """One that lets in."""
    return {"GroupId": name, "IpPermissions": list(permissions), "IpPermissionsEgress": []}


def chain(text: str, name: str) -> list[str]:
    """The lines of a chain."""
    found = re.search(rf"    chain {name} {{\n(.*?)    }}\n", text, re.DOTALL)
    return [line.strip() for line in found[1].splitlines()] if found else []


@pytest.mark.parametrize(
    ("permission", "lines"),
    [
        (
            {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 81, "IpRanges": ANY},
            ["tcp dport 80-81 accept"],
        ),
        ({"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.1.2.3/8"}]}, ["ip saddr 10.0.0.0/8 accept"]),
        # A group is the addresses of its members.
        (
            {"IpProtocol": "udp", "FromPort": 0, "ToPort": 65535, "UserIdGroupPairs": [{"GroupId": "sg-2"}]},
            ["ip saddr 10.0.0.20/32 udp dport 0-65535 accept", "ip saddr 10.0.0.30/32 udp dport 0-65535 accept"],
        ),
        (
            {"IpProtocol": "50", "PrefixListIds": [{"PrefixListId": "pl-1"}]},
            ["ip saddr 192.0.2.0/24 meta l4proto 50 accept"],
        ),
        (
            {"IpProtocol": "icmp", "FromPort": 3, "ToPort": 4, "IpRanges": ANY},
            ["icmp type 3 icmp code 4 accept"],
        ),
        (
            {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "IpRanges": ANY},
            ["meta l4proto icmp accept"],
        ),
        ({"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}, []),
        ({"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [{"GroupId": "sg-9"}]}, []),
    ],
)
def test_a_permission(permission: dict[str, Any], lines: list[str]) -> None:
    account = Account(
        instances=[instance(10, "sg-1"), instance(20, "sg-2"), instance(30, "sg-2")],
        groups=[group("sg-1", permission), group("sg-2")],
        subnets=[SUBNET],
        prefix_lists={"pl-1": ["192.0.2.0/24", "2001:db8::/32"]},
    )
    text = chains(MACHINE, account)
    assert chain(text, "groups_in_1") == [*lines, "drop"]
    assert "10.0.0.10 : goto groups_in_1" in chain(text, "groups_in")[-1]


def test_answers_pass_groups_and_not_acls() -> None:
    text = chains(MACHINE, Account(instances=[instance(10, "sg-1")], groups=[group("sg-1")], subnets=[SUBNET]))
    states = "ct state established,related accept"
    assert [
        name for name in ("groups_in", "groups_out", "acl_in", "acl_out", "routes") if states in chain(text, name)
    ] == [
        "groups_in",
        "groups_out",
    ]


def test_entries_of_an_acl_are_in_the_order_of_their_numbers() -> None:
    def entry(number: int, action: str, **more: Any) -> dict[str, Any]:
        found = {"RuleNumber": number, "RuleAction": action, "Protocol": "6", "CidrBlock": "0.0.0.0/0", "Egress": False}
        return found | more

    acl = {
        "Associations": [{"SubnetId": "subnet-1"}],
        "Entries": [
            entry(32767, "deny", Protocol="-1"),
            entry(200, "allow", PortRange={"From": 22, "To": 22}),
            entry(100, "deny", CidrBlock="192.0.2.0/24"),
            entry(50, "allow", Egress=True),
        ],
    }
    text = chains(MACHINE, Account(subnets=[SUBNET], acls=[acl]))
    assert chain(text, "acl_in_1") == [
        "ip saddr 192.0.2.0/24 tcp dport 0-65535 drop",
        "tcp dport 22-22 accept",
        "drop",
        "drop",
    ]
    # Within the subnet none of them is met.
    assert "ip saddr 10.0.0.0/24 ip daddr 10.0.0.0/24 accept" in chain(text, "acl_in")


def test_the_narrowest_route_counts_and_only_an_internet_gateway_leads_out() -> None:
    routes = [
        {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local"},
        {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "active"},
        {"DestinationCidrBlock": "192.0.2.0/24", "NatGatewayId": "nat-1", "State": "active"},
        {"DestinationCidrBlock": "192.0.0.0/8", "GatewayId": "igw-1", "State": "blackhole"},
    ]
    table = {"VpcId": "vpc-1", "Associations": [{"Main": True}], "Routes": routes}
    text = chains(MACHINE, Account(subnets=[SUBNET], route_tables=[table]))
    assert chain(text, "routes_1") == [
        "ip daddr 10.0.0.0/16 accept",
        "ip daddr 192.0.2.0/24 drop",
        "ip daddr 192.0.0.0/8 drop",
        "ip daddr 0.0.0.0/0 accept",
        "drop",
    ]
    assert "10.0.0.0/24 : goto routes_1" in chain(text, "routes")[-1]


def test_an_elastic_address_takes_the_place_of_a_lent_one() -> None:
    account = Account(
        instances=[instance(10, PublicIpAddress="192.0.2.1"), instance(20, PublicIpAddress="192.0.2.2"), instance(30)],
        addresses=[{"PublicIp": "192.0.2.9", "InstanceId": "i-10"}, {"PublicIp": "192.0.2.8"}],
        subnets=[SUBNET],
    )
    text = chains(MACHINE, account)
    assert "{ 192.0.2.9 : 10.0.0.10, 192.0.2.2 : 10.0.0.20 }" in chain(text, "public")[-1]
    assert "ip saddr != { 10.0.0.10, 10.0.0.20 }" in chain(text, "gateway")[-1]


def test_an_account_without_anything_has_rules() -> None:
    assert "drop" not in chains(MACHINE, Account())


def test_the_log_tells_when_ec2_was_written_to(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    log = Log(path)
    assert not log.written()

    def add(service: str, write: bool) -> None:
        with path.open("a") as file:
            file.write(json.dumps({"service": service, "write": write}) + "\n")

    add("ec2", False)
    add("s3", True)
    assert not log.written()
    add("ec2", True)
    assert log.written()
    assert not log.written()
    # Half a line is a line later.
    with path.open("a") as file:
        file.write('{"service": "ec2", ')
    assert not log.written()
    with path.open("a") as file:
        file.write('"write": true}\n')
    assert log.written()
    path.write_text("")
    assert log.written()


def test_rules_that_could_not_be_loaded_are_tried_again_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = HostsState(State(tmp_path, 1), "1")
    tries: list[int] = []

    def apply(*_: Any) -> None:
        tries.append(1)
        if len(tries) == 4:
            # The end of the test; nothing else ends the loop.
            raise KeyError
        raise LocalHostsError("no instances")

    monkeypatch.setattr(guard, "apply", apply)
    monkeypatch.setattr(guard, "observe_fleet", lambda aws: None)
    monkeypatch.setattr(guard, "_LOOK", 0.01)
    monkeypatch.setattr(guard, "_AGAIN", 0.01)
    monkeypatch.setattr(Log, "written", lambda self: not tries)
    with pytest.raises(KeyError):
        asyncio.run(guard.follow(state))
    assert capsys.readouterr().err == "the rules stay as they are: no instances\n"
