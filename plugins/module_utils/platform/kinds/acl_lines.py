"""Entries of network ACLs as the plan shows them."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from ..acl_steps import LAST, NUMBERS, Entry, acl_entry, parse
from ..engine.errors import UndeclarableError

#: names of the protocol numbers that AWS writes
_NAMES = {number: name for name, number in NUMBERS.items()}


def _line(entry: Entry) -> str:
    """An entry as the plan shows it: ``100 allow tcp 80-80 0.0.0.0/0``."""
    protocol, which = _NAMES.get(entry.protocol, entry.protocol), ""
    if protocol in ("icmp", "icmpv6"):
        which = "" if entry.first is None else f" type {entry.first}"
        which += "" if entry.last is None or not which else f" code {entry.last}"
    elif entry.first is not None:
        which = f" {entry.first}-{entry.first if entry.last is None else entry.last}"
    return f"{entry.number} {entry.action} {protocol}{which} {entry.cidr}"


def declared_line(number: str, rule: Mapping[str, Any]) -> str:
    return _line(parse(acl_entry(int(number or 0), rule)))


def live_lines(raw: Mapping[str, Any], direction: str) -> list[str]:
    """The entries of a direction, without the one that AWS adds."""
    egress = direction == "egress"
    entries = [parse(item) for item in raw.get("Entries", []) if item["Egress"] is egress]
    return [_line(entry) for entry in sorted(entries) if entry.number < LAST]


def declared_rules(raw: Mapping[str, Any], direction: str) -> dict[str, dict[str, Any]]:
    """The entries of a direction as they are declared, by number. Raises UndeclarableError."""
    egress, rules = direction == "egress", {}
    for entry in sorted(parse(item) for item in raw.get("Entries", []) if item["Egress"] is egress):
        if entry.number >= LAST:
            continue
        protocol = _NAMES.get(entry.protocol, entry.protocol)
        if ":" in entry.cidr or protocol not in ("all", "tcp", "udp", "icmp"):
            raise UndeclarableError(
                f"{direction} `{_line(entry)}` cannot be declared: only IPv4, and tcp, udp, icmp or all"
            )
        rule: dict[str, Any] = {"protocol": protocol, "action": entry.action, "cidr": entry.cidr}
        names = ("icmp_type", "icmp_code") if protocol == "icmp" else ("from_port", "to_port")
        rule |= {name: value for name, value in zip(names, (entry.first, entry.last), strict=True) if value is not None}
        if protocol in ("tcp", "udp") and entry.first is None:
            rule |= {"from_port": 1, "to_port": 65535}
        rules[str(entry.number)] = rule
    return rules


def _overlap(one: str, other: str) -> bool:
    """Whether two lines may match the same packet."""
    (_, _, protocol, *which, cidr), (_, _, other_protocol, *other_which, other_cidr) = one.split(), other.split()
    if protocol != other_protocol and "all" not in (protocol, other_protocol):
        return False
    if protocol == other_protocol and protocol in ("tcp", "udp") and which and other_which:
        (first, last), (other_first, other_last) = (map(int, text[0].split("-")) for text in (which, other_which))
        if last < other_first or other_last < first:
            return False
    network, other_network = (ipaddress.ip_network(text, strict=False) for text in (cidr, other_cidr))
    return network.version == other_network.version and network.overlaps(other_network)


def _before(line: str, lines: Sequence[str]) -> dict[str, str]:
    """Of the lines that go before this one, those that decide otherwise about some of its packets; without numbers."""
    place = [what(item) for item in lines].index(what(line))
    action = line.split()[1]
    return {what(item): item for item in lines[:place] if item.split()[1] != action and _overlap(item, line)}


def what(line: str) -> str:
    """A line without its number."""
    return line.partition(" ")[2]


def lost_lines(before: Mapping[str, Sequence[str]], after: Mapping[str, Any]) -> str:
    """Rules that are gone, or come too late to decide, whatever their number was."""
    lost = []
    for direction, lines in before.items():
        new = after.get(direction) or []
        gone = []
        for line in lines or ():
            if what(line) not in map(what, new):
                gone.append(line)
            elif late := sorted(set(first := _before(line, new)) - set(_before(line, lines))):
                gone.append(f"{line} (after {', '.join(first[item] for item in late)})")
        lost += [f"{direction} {'; '.join(gone)}"] if gone else []
    return ", ".join(lost)
