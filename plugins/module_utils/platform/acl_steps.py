"""The order in which entries of a network ACL are changed, so that no moment is worse than before and after. Pure.

The lowest number that matches a packet decides. What both the old and the new entries allow has to stay allowed after
every single call, and what both deny has to stay denied: a run may end between any two.
"""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

#: protocol numbers of EC2, and what the declaration calls them
NUMBERS = {"all": "-1", "icmp": "1", "tcp": "6", "udp": "17", "icmpv6": "58"}
_WITH_PORTS, _ICMP = ("6", "17"), ("1", "58")
#: the entry that ends every ACL, which cannot be changed
LAST = 32767
#: the ends of what ports, types and codes can be
_LOWEST, _HIGHEST = -1, 65535


class Entry(NamedTuple):
    """One entry. first, last: ports, or ICMP type and code; None: any."""

    number: int
    action: str
    protocol: str
    cidr: str
    first: int | None = None
    last: int | None = None


#: ``create``, ``replace`` or ``delete``, and the entry
Step = tuple[str, Entry]


def acl_entry(number: int, rule: Mapping[str, Any]) -> dict[str, Any]:
    """A declared rule as boto3 takes it."""
    entry: dict[str, Any] = {
        "RuleNumber": number,
        "Protocol": NUMBERS[rule["protocol"]],
        "RuleAction": rule["action"],
        "CidrBlock": rule["cidr"],
    }
    if rule["protocol"] == "icmp":
        kind, code = rule.get("icmp_type"), rule.get("icmp_code")
        entry["IcmpTypeCode"] = {"Type": -1 if kind is None else kind, "Code": -1 if code is None else code}
    elif rule.get("from_port") is not None:
        last = rule.get("to_port")
        entry["PortRange"] = {"From": rule["from_port"], "To": rule["from_port"] if last is None else last}
    return entry


def parse(raw: Mapping[str, Any]) -> Entry:
    """An entry as boto3 takes and answers it."""
    protocol = str(raw["Protocol"]).lower()
    protocol = NUMBERS.get(protocol, protocol)
    first = last = None
    if protocol in _WITH_PORTS and raw.get("PortRange"):
        first, last = int(raw["PortRange"]["From"]), int(raw["PortRange"]["To"])
        if (first, last) == (0, _HIGHEST):
            first = last = None
    elif protocol in _ICMP and raw.get("IcmpTypeCode"):
        kind, code = int(raw["IcmpTypeCode"].get("Type", -1)), int(raw["IcmpTypeCode"].get("Code", -1))
        first, last = (None if value == -1 else value for value in (kind, code))
    cidr = raw.get("CidrBlock") or raw.get("Ipv6CidrBlock") or ""
    return Entry(int(raw["RuleNumber"]), str(raw["RuleAction"]).lower(), protocol, str(cidr), first, last)


def written(entry: Entry) -> dict[str, Any]:
    """An entry as boto3 takes it."""
    raw: dict[str, Any] = {
        "RuleNumber": entry.number,
        "Protocol": entry.protocol,
        "RuleAction": entry.action,
        "Ipv6CidrBlock" if ":" in entry.cidr else "CidrBlock": entry.cidr,
    }
    if entry.protocol in _WITH_PORTS:
        raw["PortRange"] = {"From": entry.first or 0, "To": _HIGHEST if entry.last is None else entry.last}
    elif entry.protocol in _ICMP:
        kind, code = (-1 if value is None else value for value in (entry.first, entry.last))
        raw["IcmpTypeCode"] = {"Type": kind, "Code": code}
    return raw


class _Packets:
    """One packet of each kind that the entries can tell apart, as bits: which ones each entry matches."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        entries = list(entries)
        self.networks = {entry.cidr: ipaddress.ip_network(entry.cidr, strict=False) for entry in entries}
        addresses = {(4, 0), (6, 0)}
        for network in self.networks.values():
            first, after = int(network.network_address), int(network.broadcast_address) + 1
            addresses |= {(network.version, first), (network.version, after)}
        firsts = {_LOWEST} | {value for entry in entries if entry.first is not None for value in _edges(entry, True)}
        lasts = {_LOWEST} | {value for entry in entries if entry.last is not None for value in _edges(entry, False)}
        protocols = {entry.protocol for entry in entries} | {"none of them"}
        self.all = list(itertools.product(sorted(protocols), sorted(addresses), sorted(firsts), sorted(lasts)))
        self.masks = {entry[1:]: self._mask(entry) for entry in entries}

    def _mask(self, entry: Entry) -> int:
        return sum(1 << bit for bit, packet in enumerate(self.all) if self._matches(entry, packet))

    def _matches(self, entry: Entry, packet: tuple[str, tuple[int, int], int, int]) -> bool:
        protocol, (version, address), first, last = packet
        network = self.networks[entry.cidr]
        if entry.protocol not in ("-1", protocol) or network.version != version:
            return False
        if not int(network.network_address) <= address <= int(network.broadcast_address):
            return False
        if entry.protocol in _WITH_PORTS and entry.first is not None:
            return entry.first <= first <= (entry.first if entry.last is None else entry.last)
        if entry.protocol in _ICMP and entry.first is not None:
            return first == entry.first and entry.last in (None, last)
        return True

    def allowed(self, entries: Iterable[Entry]) -> int:
        """The packets that these entries let through."""
        allowed, left = 0, (1 << len(self.all)) - 1
        for entry in sorted(entries):
            hit = self.masks[entry[1:]] & left
            left &= ~hit
            if entry.action == "allow":
                allowed |= hit
        return allowed


def _edges(entry: Entry, first: bool) -> set[int]:
    """Where a range of ports begins and where it has ended; a type or code, and the next one."""
    if entry.protocol in _WITH_PORTS:
        last = entry.first if entry.last is None else entry.last
        return {entry.first or 0, (last or 0) + 1} if first else set()
    value = entry.first if first else entry.last
    return set() if value is None else {value, value + 1}


def _after(table: Mapping[int, Entry], step: Step) -> dict[int, Entry]:
    action, entry = step
    rest = {number: other for number, other in table.items() if number != entry.number}
    return rest if action == "delete" else rest | {entry.number: entry}


def _changes(before: Mapping[int, Entry], after: Mapping[int, Entry]) -> list[Step]:
    new: list[Step] = [("create", entry) for number, entry in after.items() if number not in before]
    new += [("replace", entry) for number, entry in after.items() if number in before and before[number] != entry]
    return [*new, *(("delete", entry) for number, entry in before.items() if number not in after)]


#: entries of one direction beside the last one, which AWS counts, too
MOST = 19


def _in_turn(
    before: Mapping[int, Entry], changes: Sequence[Step], fine: Callable[[Iterable[Entry]], bool]
) -> list[Step] | None:
    """The changes in an order in which every table on the way is fine; None if there is none to be found."""
    table, left, order = dict(before), list(changes), []
    while left:
        step = next((step for step in left if fine(_after(table, step).values())), None)
        if step is None:
            return None
        table = _after(table, step)
        left.remove(step)
        order.append(step)
    return order


def _over(before: Mapping[int, Entry], after: Mapping[int, Entry]) -> list[Step] | None:
    """All new entries are put in front, in their order; behind them the old ones are exchanged, unseen.

    None if there are too few numbers in front, or more entries on the way than AWS allows in one direction.
    """
    lowest = min((*before, *after))
    shield = [entry for _, entry in sorted(after.items())]
    families = {":" in entry.cidr for entry in (*before.values(), *after.values())}
    shield += [Entry(0, "deny", "-1", "::/0" if six else "0.0.0.0/0") for six in sorted(families)]
    if len(shield) >= lowest or len({*before, *after}) + len(shield) > MOST:
        return None
    numbered = [entry._replace(number=number) for number, entry in enumerate(shield, 1)]
    begin: list[Step] = [("create", entry) for entry in numbered]
    end: list[Step] = [("delete", entry) for entry in reversed(numbered)]
    return [*begin, *_changes(before, after), *end]


def steps(before: Iterable[Entry], after: Iterable[Entry]) -> list[Step]:
    """The calls that turn the entries of one direction into others."""
    old, new = ({entry.number: entry for entry in entries} for entries in (before, after))
    changes = _changes(old, new)
    if len(changes) < 2:
        return changes
    packets = _Packets([*old.values(), *new.values()])
    was, becomes = packets.allowed(old.values()), packets.allowed(new.values())

    def fine(entries: Iterable[Entry]) -> bool:
        now = packets.allowed(entries)
        return not (was & becomes & ~now) and not (now & ~was & ~becomes)

    def open_enough(entries: Iterable[Entry]) -> bool:
        return not (was & becomes & ~packets.allowed(entries))

    # Without room in front, what is allowed matters more: nobody must be cut off by a run that stops half-way.
    return _in_turn(old, changes, fine) or _over(old, new) or _in_turn(old, changes, open_enough) or changes
