"""Sets of ports as intervals. Pure.

A set is a tuple of (first, last), sorted, neither overlapping nor adjacent. Of a protocol without ports a set is
``ALL`` or ``NONE``.
"""

from __future__ import annotations

from collections.abc import Iterable

Ports = tuple[tuple[int, int], ...]

LAST = 65535
NONE: Ports = ()
ALL: Ports = ((0, LAST),)


def one(first: int, last: int | None = None) -> Ports:
    """The ports from first to last, or the first alone."""
    return ((max(first, 0), min(first if last is None else last, LAST)),)


def union(*sets: Iterable[tuple[int, int]]) -> Ports:
    """What is in any of the sets, which may be any intervals."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(pair for ports in sets for pair in ports):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


def both(one: Ports, other: Ports) -> Ports:
    """What is in both sets."""
    if one == ALL:
        return other
    if other == ALL:
        return one
    found, i, j = [], 0, 0
    while i < len(one) and j < len(other):
        first, last = max(one[i][0], other[j][0]), min(one[i][1], other[j][1])
        if first <= last:
            found.append((first, last))
        if one[i][1] < other[j][1]:
            i += 1
        else:
            j += 1
    return tuple(found)


def without(one: Ports, other: Ports) -> Ports:
    """What is in the first set only."""
    if not other or not one:
        return one
    return both(one, _rest(other))


def _rest(ports: Ports) -> Ports:
    found, start = [], 0
    for first, last in ports:
        if start < first:
            found.append((start, first - 1))
        start = last + 1
    return (*found, (start, LAST)) if start <= LAST else tuple(found)


def has(ports: Ports, port: int) -> bool:
    """Whether a port is in the set."""
    for first, last in ports:
        if port <= last:
            return port >= first
    return False


def text(ports: Ports) -> str:
    """``22, 80-90``; ``all`` for every port."""
    if ports == ALL:
        return "all"
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ports)
