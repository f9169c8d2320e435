"""Rules of security groups, one source each: what tells two apart, and what a change adds and removes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: names that AWS gives to protocol numbers
_NAMES = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6", "all": "-1"}
_ICMP = ("icmp", "icmpv6")

#: what tells a rule from any other of its direction
Key = tuple[str, int | None, int | None, str]


def protocol(value: Any) -> str:
    """A protocol as AWS writes it."""
    text = str(value).lower()
    return _NAMES.get(text, text)


def ports(name: str, first: Any, last: Any) -> tuple[int | None, int | None]:
    """The ports of a rule, or its ICMP type and code; None for a protocol that has none."""
    if name in _ICMP:
        return (-1 if first is None else int(first), -1 if last is None else int(last))
    if name in ("tcp", "udp") and first is not None:
        return int(first), int(first if last is None else last)
    return None, None


def wanted_key(permission: Mapping[str, Any]) -> Key:
    """Of a permission with one source, as ``AuthorizeSecurityGroup*`` takes it."""
    name = protocol(permission["IpProtocol"])
    for part, source in (
        ("IpRanges", "CidrIp"),
        ("Ipv6Ranges", "CidrIpv6"),
        ("PrefixListIds", "PrefixListId"),
        ("UserIdGroupPairs", "GroupId"),
    ):
        for item in permission.get(part) or ():
            return name, *ports(name, permission.get("FromPort"), permission.get("ToPort")), str(item[source])
    raise ValueError(f"a rule without a source: {dict(permission)}")


def live_key(rule: Mapping[str, Any]) -> Key:
    """Of a rule as ``DescribeSecurityGroupRules`` answers it."""
    name = protocol(rule["IpProtocol"])
    source = rule.get("CidrIpv4") or rule.get("CidrIpv6") or rule.get("PrefixListId")
    source = source or (rule.get("ReferencedGroupInfo") or {}).get("GroupId", "")
    return name, *ports(name, rule.get("FromPort"), rule.get("ToPort")), str(source)


def difference(
    live: Iterable[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The permissions that are missing, and the ids of the rules that nothing declares."""
    there = {live_key(rule): str(rule["SecurityGroupRuleId"]) for rule in live}
    declared = {wanted_key(permission): dict(permission) for permission in wanted}
    new = [permission for key, permission in declared.items() if key not in there]
    return new, [rule for key, rule in there.items() if key not in declared]
