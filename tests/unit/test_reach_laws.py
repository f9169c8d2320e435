"""What has to hold in every network. Hypothesis makes the accounts, and shrinks one that breaks a law."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils.platform.reach.model import address
from ansible.module_utils.platform.reach.paths import End, Paths, Reach
from ansible.module_utils.platform.reach.ports import NONE, both, without
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from rehearsal import REPOSITORY
from tests.support.random_platforms import OUTSIDE, RandomPlatform
from tests.support.reach_networks import network

#: source, target, protocol
Asked = tuple[str, str, str]
#: how many pairs of a large account are asked for
_ASKED = 40

# What hypothesis remembers of this code.
set_hypothesis_home_dir(REPOSITORY / ".cache/hypothesis")
LAW = settings(
    max_examples=80,
    # The same accounts in each run, and nothing is written into the tree.
    derandomize=True,
    database=None,
    # Beside other tests a minute is no measure.
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    report_multiple_bugs=False,
)


@st.composite
def platforms(draw: st.DrawFn) -> RandomPlatform:
    """Accounts; every choice in one can shrink."""
    return RandomPlatform(draw(st.randoms(use_true_random=False)))


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
    """Pairs of hosts, and of hosts and outsiders, each with a protocol."""
    own, found = platform.addresses(), []
    for here, instance in own:
        found += [(here, there) for there, other in own if instance != other]
        found += [pair for there in OUTSIDE for pair in ((here, there), (there, here))]
    found = [pair for pair in found if (":" in pair[0]) == (":" in pair[1])]
    protocols = ("tcp", "udp", "tcp", "icmp", "tcp", "esp", "tcp")
    chosen = found[:: len(found) // _ASKED + 1]
    return [(*pair, protocols[number % len(protocols)]) for number, pair in enumerate(chosen)]


def reaches(account: dict[str, Any], pairs: list[Asked]) -> list[Reach]:
    """What each pair reaches."""
    paths = Paths(network(account))
    return [paths.reach(*ends(paths, source, target), protocol) for source, target, protocol in pairs]


def allows(account: dict[str, Any]) -> list[Callable[[], None]]:
    """How to take away each rule of a group, and each entry of an ACL that allows."""
    rules = [
        (group[part], rule)
        for group in account["security_groups"]
        for part in ("IpPermissions", "IpPermissionsEgress")
        for rule in group[part]
    ]
    entries = [(acl["Entries"], one) for acl in account["network_acls"] for one in acl["Entries"]]
    every = [*rules, *((known, one) for known, one in entries if one["RuleAction"] == "allow")]
    return [lambda known=known, one=one: known.remove(one) for known, one in every]  # type: ignore[misc]


@LAW
@given(platforms(), st.data())
def test_removing_an_allow_opens_nothing(platform: RandomPlatform, data: st.DataObject) -> None:
    pairs, closed = asked(platform), copied(platform.account)
    found = allows(closed)
    for number in data.draw(st.sets(st.sampled_from(range(len(found))), min_size=1, max_size=8)):
        found[number]()
    for pair, was, now in zip(pairs, reaches(platform.account, pairs), reaches(closed, pairs), strict=True):
        assert not without(now.arrives, was.arrives), pair
        assert not without(now.passes, was.passes), pair


@LAW
@given(platforms())
def test_hosts_of_one_subnet_never_meet_an_acl(platform: RandomPlatform) -> None:
    closed = copied(platform.account)
    for acl in closed["network_acls"]:
        acl["Entries"] = []
    paths = Paths(network(closed))
    subnets = {one: host.subnet for host in paths.network.hosts.values() for one in host.addresses}
    same: list[Asked] = []
    others: list[Asked] = []
    for pair in asked(platform):
        here, there = (subnets.get(address(one)) for one in pair[:2])
        (same if here and here == there else others).append(pair)
    assert reaches(closed, same) == reaches(platform.account, same)
    for here, there, protocol in same:
        hops = paths.explain(*ends(paths, here, there), protocol, 443)
        assert not [hop for hop in hops if "ACL" in hop.name]
    # Across a border nothing passes without an entry.
    assert [pair for pair, reach in zip(others, reaches(closed, others), strict=True) if reach.passes] == []


@LAW
@given(platforms())
def test_a_group_stands_for_its_members_addresses(platform: RandomPlatform) -> None:
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


@pytest.mark.parametrize("deaf", [True, False], ids=["egress", "ingress"])
@LAW
@given(platforms())
def test_groups_let_answers_through_and_acls_do_not(deaf: bool, platform: RandomPlatform) -> None:
    inside = [pair for pair in asked(platform) if {pair[0], pair[1]}.isdisjoint(OUTSIDE)]
    every = [{"RuleNumber": 1 + six, "RuleAction": "allow", "Protocol": "-1", **cidr}
             for six, cidr in enumerate(({"CidrBlock": "0.0.0.0/0"}, {"Ipv6CidrBlock": "::/0"}))]  # fmt: skip
    # One direction of the ACLs lets low ports pass only: requests to them, and no answers.
    low = [{**entry, "Protocol": "6", "PortRange": {"From": 0, "To": 1023}} for entry in every]
    open_, limited = copied(platform.account), copied(platform.account)
    for account, entries in ((open_, every), (limited, low)):
        for table in account["route_tables"]:
            table["Routes"] = [route for route in table["Routes"] if route.get("GatewayId") == "local"]
        for acl in account["network_acls"]:
            acl["Entries"] = [{**entry, "Egress": deaf} for entry in entries]
            acl["Entries"] += [{**entry, "Egress": not deaf} for entry in every]
    heard = reaches(open_, inside)
    assert [reach.passes for reach in heard] == [reach.arrives for reach in heard]
    paths = Paths(network(limited))
    for (source, target, protocol), before in zip(inside, heard, strict=True):
        here, there = ends(paths, source, target)
        assert here.host
        assert there.host
        after = paths.reach(here, there, protocol)
        if here.host.subnet == there.host.subnet:
            assert after == before
        else:
            assert after == Reach(both(before.arrives, ((0, 1023),)) if protocol == "tcp" else NONE, NONE)


def _turned(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of an ACL that says the opposite."""
    return {**entry, "RuleAction": {"allow": "deny", "deny": "allow"}[entry["RuleAction"]]}


@LAW
@given(platforms(), st.integers(0, 9))
def test_the_first_entry_that_matches_decides(platform: RandomPlatform, order: int) -> None:
    """Beside each entry one that says the opposite changes nothing after it, and everything before it."""
    # EC2 lists entries in any order.
    chance = random.Random(order)
    pairs, turned, later, sooner = asked(platform), *(copied(platform.account) for _ in range(3))
    for number, acl in enumerate(platform.account["network_acls"]):
        own = [entry for entry in acl["Entries"] if entry["RuleNumber"] < 32767]
        last = [entry for entry in acl["Entries"] if entry not in own]
        turned["network_acls"][number]["Entries"] = [*map(_turned, own), *last]
        for account, step in ((later, 1), (sooner, -1)):
            apart = [{**entry, "RuleNumber": entry["RuleNumber"] * 10} for entry in own]
            opposite = [{**_turned(entry), "RuleNumber": entry["RuleNumber"] + step} for entry in apart]
            entries = [*apart, *opposite, *last]
            chance.shuffle(entries)
            account["network_acls"][number]["Entries"] = entries
    assert reaches(later, pairs) == reaches(platform.account, pairs)
    assert reaches(sooner, pairs) == reaches(turned, pairs)
