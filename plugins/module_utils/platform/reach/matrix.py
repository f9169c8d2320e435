"""Who reaches whom: the internet, administrators and every host, to every host and to the internet. Pure.

Hosts of the same signature reach the same, so each pair of signatures is decided once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from .model import Address, Block, Network
from .paths import End, Paths, ends, on_internet
from .ports import NONE, Ports, has, text, union, without

INTERNET, ADMINISTRATORS = "internet", "administrators"
PROTOCOLS = ("tcp", "udp", "esp", "icmp")
#: of a source of many addresses, this part may be denied: a list of unwelcome addresses is no closed door
_EXCEPTIONS = 256


class Cell(NamedTuple):
    """What a source reaches, as destination ports.

    passes: from every one of its addresses, but for few exceptions. some: from at least one. arrives: packets do, from
    at least one, whether or not an answer comes back.
    """

    arrives: Ports
    passes: Ports
    some: Ports


EMPTY = Cell(NONE, NONE, NONE)


class Matrix:
    """The matrix of a network; cells are computed when they are asked for, and remembered."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.paths = Paths(network)
        #: versions of IP that any host has
        self.versions = tuple(v for v in (4, 6) if any(host.address(v) for host in network.hosts.values()))
        self._ends = {
            (name, version): End(address, host)
            for name, host in network.hosts.items()
            for version in self.versions
            if (address := host.address(version))
        }
        # Hosts of one kin reach the same, and are reached by the same: each kin is a number.
        numbers: dict[object, int] = {}
        self._kin = {
            key: numbers.setdefault(self.paths.signature(end), len(numbers)) for key, end in self._ends.items()
        }
        self._outside: dict[tuple[str, int], list[tuple[End, int]]] = {}
        self._cells: dict[tuple[object, ...], Cell] = {}

    @property
    def sources(self) -> tuple[str, ...]:
        """Every source by name."""
        return (INTERNET, *((ADMINISTRATORS,) if self.network.administrators else ()), *self.network.hosts)

    def kin(self, name: str) -> tuple[object, ...]:
        """What names have in common that reach the same and are reached by the same."""
        if name in (INTERNET, ADMINISTRATORS):
            return (name,)
        return tuple(self._kin.get((name, version)) for version in (4, 6))

    def cell(self, source: str, target: str, protocol: str = "tcp", version: int = 4) -> Cell:
        """What a source reaches. Names: a host, ``internet``, ``administrators``."""
        kin = self._kin
        key = (kin.get((source, version), source), kin.get((target, version), target), protocol, version)
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = _together(
                (self.paths.reach(one, other, protocol), size * there)
                for one, size in self.ends(source, version)
                for other, there in self.ends(target, version)
                if one.host or other.host
            )
        return cell

    def pairs(self) -> Iterator[tuple[list[str], list[str]]]:
        """Sources and targets that are alike, together. Of two lists that are the same, no host reaches itself."""
        sources = alike(self.sources, self.kin)
        targets = alike((*self.network.hosts, INTERNET), self.kin)
        for source in sources:
            for target in targets:
                outside = source[0] not in self.network.hosts and target[0] not in self.network.hosts
                if not outside and (source != target or len(source) > 1):
                    yield source, target

    def ends(self, name: str, version: int) -> list[tuple[End, int]]:
        """The addresses that a name stands for: one of each range in which all reach the same, and its size."""
        if (name, version) in self._ends:
            return [(self._ends[name, version], 1)]
        if name not in (INTERNET, ADMINISTRATORS):
            return []
        if (name, version) not in self._outside:
            self._outside[name, version] = list(self._addresses(name, version))
        return self._outside[name, version]

    def _addresses(self, name: str, version: int) -> Iterator[tuple[End, int]]:
        administrators = self.network.administrators
        if name == ADMINISTRATORS:
            yield from ends((one for one in administrators if one.version == version), self.paths)
            return
        own = [one for vpc in self.network.vpcs.values() for one in vpc.blocks]
        everything = Block(version, 0, 2 ** (32 if version == 4 else 128) - 1)
        for end, size in ends([everything], self.paths):
            address: Address = end.address
            if on_internet(address) and not any(one.holds(address) for one in (*administrators, *own)):
                yield end, size

    def between(self, sources: Sequence[str], targets: Sequence[str]) -> tuple[str, str] | None:
        """Two that stand for the pairs of two lists of which each is alike; None if there is no pair."""
        hosts = self.network.hosts
        for source in sources[:2]:
            for target in targets[:2]:
                here, there = hosts.get(source), hosts.get(target)
                if source != target and not (here and there and here.instance == there.instance):
                    return source, target
        return None


def alike(names: Iterable[str], key: Callable[[str], object]) -> list[list[str]]:
    """Names by what they have in common, in their order."""
    found: dict[object, list[str]] = {}
    for name in names:
        found.setdefault(key(name), []).append(name)
    return list(found.values())


def _together(found: Iterable[tuple[Any, int]]) -> Cell:
    """The cell of several addresses, each with what it reaches and how many they are."""
    sizes: dict[Any, int] = {}
    for reach, size in found:
        sizes[reach] = sizes.get(reach, 0) + size
    if len(sizes) <= 1:
        reach = next(iter(sizes), None)
        return Cell(reach.arrives, reach.passes, reach.passes) if reach else EMPTY
    total, some = sum(sizes.values()), union(*(reach.passes for reach in sizes))
    starts = sorted({edge for reach in sizes for first, last in reach.passes for edge in (first, last + 1)})
    passes = []
    for first, after in pairwise(starts):
        count = sum(size for reach, size in sizes.items() if any(low <= first <= high for low, high in reach.passes))
        if count * _EXCEPTIONS >= total * (_EXCEPTIONS - 1):
            passes.append((first, after - 1))
    return Cell(union(*(reach.arrives for reach in sizes)), union(passes), some)


def as_data(network: Network) -> dict[str, Any]:
    """The matrix as plain data, for reports; JSON can hold it.

    ``hosts``: by name ``private`` (addresses), ``public`` (empty if there is none), ``subnet``, ``vpc``, ``groups``.
    ``sources``: every source, in order: ``internet``, ``administrators`` if any are declared, hosts.
    ``cells``: what is reached; a pair that is missing reaches nothing. Each is about all pairs of ``sources`` and
    ``targets`` (hosts, or ``internet``), which are alike; a host never reaches itself. It has ``protocol`` (tcp, udp,
    esp, icmp), ``version`` (4, 6), and lists of ``[first, last]`` ports: ``passes`` (from every address of the source),
    ``some`` (from some only), ``unanswered`` (packets arrive, no answer comes back). A protocol without ports has
    ``[[0, 65535]]`` for yes. ``why``: what the first of these ports meets between the first source and target: each
    ``step`` with ``passes``, ``rule`` and ``where`` (a path in the declaration; empty if nobody declares the rule).
    """
    matrix, cells = Matrix(network), []
    for sources, targets in matrix.pairs():
        pair = matrix.between(sources, targets)
        for version in matrix.versions if pair else ():
            for protocol in PROTOCOLS:
                assert pair is not None
                cell = matrix.cell(*pair, protocol, version)
                if cell.arrives:
                    some, unanswered = difference(cell)
                    about = {"sources": sources, "targets": targets, "protocol": protocol, "version": version}
                    parts = {"passes": cell.passes, "some": some, "unanswered": unanswered}
                    lists = {name: [list(one) for one in ports] for name, ports in parts.items()}
                    cells.append({**about, **lists, "why": _why(matrix, pair, protocol, version, cell)})
    hosts = {
        name: {
            "private": [str(item) for item in host.addresses],
            "public": host.public,
            "subnet": network.subnets[host.subnet].name,
            "vpc": network.vpcs[host.vpc].name,
            "groups": [network.groups[key].name for key in host.groups if key in network.groups],
        }
        for name, host in network.hosts.items()
    }
    return {"hosts": hosts, "sources": list(matrix.sources), "cells": cells}


def _why(matrix: Matrix, pair: tuple[str, str], protocol: str, version: int, cell: Cell) -> list[dict[str, Any]]:
    """What one packet of a cell meets."""
    port = (cell.passes or cell.some or cell.arrives)[0][0]
    ends_ = [
        (has(reach.passes, port), has(reach.arrives, port), size * there, source, target)
        for source, size in matrix.ends(pair[0], version)
        for target, there in matrix.ends(pair[1], version)
        for reach in [matrix.paths.reach(source, target, protocol)]
    ]
    *_, source, target = max(ends_, key=lambda one: one[:3])
    hops = matrix.paths.explain(source, target, protocol, port)
    return [{"step": hop.name, "passes": hop.passes, "rule": hop.rule, "where": hop.where} for hop in hops]


def difference(cell: Cell) -> tuple[Ports, Ports]:
    """The ports that are reached from some addresses only, and those from which no answer comes back."""
    return without(cell.some, cell.passes), without(cell.arrives, cell.some)


def ports_text(protocol: str, ports: Ports) -> str:
    """``tcp/80, 443``, ``tcp/all``; ``esp``."""
    return f"{protocol}/{text(ports)}" if protocol in ("tcp", "udp") else protocol
