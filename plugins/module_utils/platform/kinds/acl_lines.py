"""Entries of network ACLs as the plan shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..acl_steps import LAST, NUMBERS, Entry, acl_entry, parse

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


def lost_lines(before: Mapping[str, Sequence[str]], after: Mapping[str, Any]) -> str:
    """Rules that are gone, whatever their number was."""

    def what(line: str) -> str:
        return line.partition(" ")[2]

    lost = []
    for direction, lines in before.items():
        kept = {what(line) for line in after.get(direction) or ()}
        gone = [line for line in lines or () if what(line) not in kept]
        lost += [f"{direction} {'; '.join(gone)}"] if gone else []
    return ", ".join(lost)
