"""What has to hold in every network, tried on random ones."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from ansible.module_utils.platform.reach.model import address
from ansible.module_utils.platform.reach.paths import End, Paths, Reach
from ansible.module_utils.platform.reach.ports import NONE, both, without

from tests.support.random_platforms import OUTSIDE, RandomPlatform
from tests.support.reach_networks import network

SEEDS = range(150)
Asked = tuple[str, str, str]


def copied(account: dict[str, Any]) -> dict[str, Any]:
    """An account of its own."""
    found: dict[str, Any] = json.loads(json.dumps(account))
    return found


def ends(paths: Paths, source: str, target: str) -> tuple[End, End]:
    """Two addresses, with their hosts."""
    hosts = {one: host for host in paths.network.hosts.values() for one in host.addresses}
    here, there = (End(address(text), hosts.get(address(text))) for text in (source, target))
    return here, there


def asked(platform: RandomPlatform) -> list[Asked]:
    """Pairs of hosts, of hosts and outsiders, and protocols."""
    own, found = platform.addresses(), []
    for here, instance in own:
        found += [(here, there, "tcp") for there, other in own if instance != other]
        found += [pair for there in OUTSIDE for pair in ((here, there, "udp"), (there, here, "tcp"))]
    found = [pair for pair in found if (":" in pair[0]) == (":" in pair[1])]
    return random.Random(len(found)).sample(found, k=min(40, len(found)))


def reaches(account: dict[str, Any], pairs: list[Asked]) -> list[Reach]:
    """What each pair reaches."""
    paths = Paths(network(account))
    return [paths.reach(*ends(paths, source, target), protocol) for source, target, protocol in pairs]


def _without_an_allow(account: dict[str, Any], chance: random.Random) -> Iterator[dict[str, Any]]:
    """The account without one rule of a group, and without one allowing entry of an ACL."""
    one, other = copied(account), copied(account)
    group = chance.choice(one["security_groups"])
    for part in ("IpPermissions", "IpPermissionsEgress"):
        if group[part]:
            del group[part][chance.randrange(len(group[part]))]
    for acl in other["network_acls"]:
        allowing = [entry for entry in acl["Entries"] if entry["RuleAction"] == "allow"]
        if allowing:
            acl["Entries"].remove(chance.choice(allowing))
    yield from (one, other)


@pytest.mark.parametrize("seed", SEEDS)
def test_removing_an_allow_opens_nothing(seed: int) -> None:
    platform = RandomPlatform(seed)
    pairs = asked(platform)
    before = reaches(platform.account, pairs)
    for closed in _without_an_allow(platform.account, random.Random(seed)):
        for was, now in zip(before, reaches(closed, pairs), strict=True):
            assert not without(now.arrives, was.arrives)
            assert not without(now.passes, was.passes)


@pytest.mark.parametrize("seed", SEEDS)
def test_hosts_of_one_subnet_never_meet_an_acl(seed: int) -> None:
    platform = RandomPlatform(seed)
    closed = copied(platform.account)
    for acl in closed["network_acls"]:
        acl["Entries"] = []
    paths = Paths(network(closed))
    subnets = {one: host.subnet for host in paths.network.hosts.values() for one in host.addresses}
    pairs = [(here, there, name) for here, there, name in asked(platform) if address(here) in subnets]
    same = [pair for pair in pairs if subnets[address(pair[0])] == subnets.get(address(pair[1]))]
    assert reaches(closed, same) == reaches(platform.account, same)
    for here, there, protocol in same:
        hops = paths.explain(*ends(paths, here, there), protocol, 443)
        assert not [hop for hop in hops if "ACL" in hop.name]
    # Across a border nothing passes without an entry.
    others = [pair for pair in pairs if pair not in same]
    assert all(reach.passes == NONE for reach in reaches(closed, others))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_group_stands_for_its_members_addresses(seed: int) -> None:
    platform = RandomPlatform(seed)
    written = copied(platform.account)
    members: dict[str, list[str]] = {}
    for raw in written["instances"]:
        for interface in raw["NetworkInterfaces"]:
            own = [interface["PrivateIpAddress"], *(one["Ipv6Address"] for one in interface.get("Ipv6Addresses", []))]
            for group in interface["Groups"]:
                members.setdefault(group["GroupId"], []).extend(own)
    for group in written["security_groups"]:
        for permission in (*group["IpPermissions"], *group["IpPermissionsEgress"]):
            for pair in permission.pop("UserIdGroupPairs", []):
                for text in members.get(pair["GroupId"], []):
                    part, key, bits = ("Ipv6Ranges", "CidrIpv6", 128) if ":" in text else ("IpRanges", "CidrIp", 32)
                    permission.setdefault(part, []).append({key: f"{text}/{bits}"})
    pairs = asked(platform)
    assert reaches(written, pairs) == reaches(platform.account, pairs)


@pytest.mark.parametrize("seed", SEEDS)
def test_groups_let_answers_through_and_acls_do_not(seed: int) -> None:
    platform = RandomPlatform(seed)
    pairs, open_, deaf = asked(platform), copied(platform.account), copied(platform.account)
    every = [{"RuleNumber": 1 + six, "RuleAction": "allow", "Protocol": "-1", **cidr}
             for six, cidr in enumerate(({"CidrBlock": "0.0.0.0/0"}, {"Ipv6CidrBlock": "::/0"}))]  # fmt: skip
    # What leaves may go to low ports only: requests to them, and no answers.
    low = [{**entry, "Protocol": "6", "PortRange": {"From": 0, "To": 1023}} for entry in every]
    for account, egress in ((open_, every), (deaf, low)):
        for table in account["route_tables"]:
            table["Routes"] = [route for route in table["Routes"] if route.get("GatewayId") == "local"]
        for acl in account["network_acls"]:
            acl["Entries"] = [{**entry, "Egress": False} for entry in every]
            acl["Entries"] += [{**entry, "Egress": True} for entry in egress]
    inside = [pair for pair in pairs if {pair[0], pair[1]}.isdisjoint(OUTSIDE)]
    heard = reaches(open_, inside)
    assert [reach.passes for reach in heard] == [reach.arrives for reach in heard]
    paths = Paths(network(deaf))
    for (source, target, protocol), before in zip(inside, heard, strict=True):
        here, there = ends(paths, source, target)
        assert here.host
        assert there.host
        after = paths.reach(here, there, protocol)
        if here.host.subnet == there.host.subnet:
            assert after == before
        else:
            assert after == Reach(both(before.arrives, ((0, 1023),)), NONE)


def _with_opposites(account: dict[str, Any], step: int) -> dict[str, Any]:
    """Beside each entry of an ACL, that many numbers away, one that says the opposite; the list is in any order."""
    found = copied(account)
    opposite = {"allow": "deny", "deny": "allow"}
    for acl in found["network_acls"]:
        own = [entry for entry in acl["Entries"] if entry["RuleNumber"] < 32767]
        for entry in own:
            entry["RuleNumber"] *= 10
        acl["Entries"] += [
            {**entry, "RuleNumber": entry["RuleNumber"] + step, "RuleAction": opposite[entry["RuleAction"]]}
            for entry in own
        ]
        random.Random(step).shuffle(acl["Entries"])
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_the_first_entry_that_matches_decides(seed: int) -> None:
    platform = RandomPlatform(seed)
    pairs, turned = asked(platform), copied(platform.account)
    for acl in turned["network_acls"]:
        for entry in acl["Entries"]:
            if entry["RuleNumber"] < 32767:
                entry["RuleAction"] = {"allow": "deny", "deny": "allow"}[entry["RuleAction"]]
    assert reaches(_with_opposites(platform.account, 1), pairs) == reaches(platform.account, pairs)
    assert reaches(_with_opposites(platform.account, -1), pairs) == reaches(turned, pairs)
