"""Who reaches whom, as the page shows it: what passes, and for each pair what decides. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..engine.errors import Problem
from ..reach import ask
from ..reach.matrix import EMPTY, INTERNET, PROTOCOLS, Cell, Matrix, difference, ports_text
from ..reach.model import WITH_PORTS, Network
from ..reach.paths import Hop
from ..reach.ports import ALL, Ports
from ..reach.show import changes

#: hosts up to which every pair is shown; more of them make no table that anybody reads
MOST = 16
#: paths of a pair that are explained
_EXPLAINED = 3
#: ports that are asked for where nothing is offered: SSH of hosts, TLS of the internet
_USUAL, _OUTSIDE = 22, 443
_VERDICTS = {ask.PASSES: "passes", ask.SOME: "some", ask.ARRIVES: "arrives", ask.CLOSED: "closed"}

Data = dict[str, Any]
Offers = Mapping[str, Mapping[str, Any]]
#: where a path of the declaration is written: the path, and its file and line
Place = Callable[[str], tuple[str, str]]


def reach_facts(
    before: Network, after: Network, offered: Mapping[str, Offers], problems: Iterable[Problem], place: Place
) -> Data | None:
    """The matrix of the account, or of the declaration while the account has no hosts; None when neither has.

    offered: by host, what it offers. problems: what the policy says of it.
    """
    matrix = Matrix(before if before.hosts else after)
    hosts = list(matrix.network.hosts)
    if not hosts:
        return None
    shown = len(hosts) <= MOST
    return {
        "of": "account" if before.hosts else "declaration",
        "targets": [*hosts, INTERNET],
        "sources": list(matrix.sources),
        "many": 0 if shown else len(hosts),
        "rows": _rows(matrix, offered, place) if shown else [],
        "changes": changes(matrix, Matrix(after)) if before.hosts else [],
        "problems": [{"where": one.where, "line": one.source, "what": one.what} for one in problems],
        "listening": [],
        "addresses": {str(item): name for name, host in matrix.network.hosts.items() for item in host.addresses},
        "from_internet": {name: _texts(_cells(matrix, INTERNET, name)) for name in hosts},
    }


def _rows(matrix: Matrix, offered: Mapping[str, Offers], place: Place) -> list[Data]:
    targets = (*matrix.network.hosts, INTERNET)
    return [
        {
            "source": source,
            "cells": [
                None if source == target else _cell(matrix, source, target, offered.get(target, {}), place)
                for target in targets
            ],
        }
        for source in matrix.sources
        if source in matrix.network.hosts or matrix.network.hosts
    ]


def _cells(matrix: Matrix, source: str, target: str) -> dict[tuple[str, int], Cell]:
    """What passes, by protocol and version of IP."""
    found = {
        (name, version): matrix.cell(source, target, name, version) for version in matrix.versions for name in PROTOCOLS
    }
    return {key: cell for key, cell in found.items() if cell != EMPTY}


def _texts(cells: Mapping[tuple[str, int], Cell]) -> list[Data]:
    """Ports in words that need no language, with what is special about them."""
    parts = []
    for (protocol, version), cell in cells.items():
        some, unanswered = difference(cell)
        for how, ports in (("passes", cell.passes), ("some", some), ("arrives", unanswered)):
            if ports:
                parts.append({"text": ports_text(protocol, ports), "how": how, "six": version == 6})
    return parts


def _cell(matrix: Matrix, source: str, target: str, offers: Offers, place: Place) -> Data | None:
    if source not in matrix.network.hosts and target not in matrix.network.hosts:
        # What is outside on both ends does not come here.
        return None
    cells = _cells(matrix, source, target)
    four = [cells.get((name, 4), EMPTY) for name in PROTOCOLS]
    everything = all(cell.passes == ALL for cell in four)
    asked = list(_asked(cells, target, offers))[:_EXPLAINED]
    return {
        "target": target,
        "open": bool(cells),
        "everything": everything,
        "parts": [] if everything else _texts(cells),
        "why": [one for protocol, port in asked for one in _why(matrix, source, target, protocol, port, place)],
    }


def _asked(cells: Mapping[tuple[str, int], Cell], target: str, offers: Offers) -> Iterable[tuple[str, int]]:
    """Protocol and port of the paths that tell most: what is offered in what passes, else what is closed."""
    ports = {
        protocol: [
            int(offer["port"])
            for offer in offers.values()
            if "port" in offer and offer.get("protocol", "tcp") == protocol
        ]
        for protocol in WITH_PORTS
    }
    found = []
    for (protocol, _), cell in cells.items():
        if protocol in WITH_PORTS:
            found += [(protocol, _telling(pair, ports[protocol], target)) for pair in _ranges(cell)]
        elif protocol == "esp":
            found.append((protocol, 0))
    usual = _OUTSIDE if target == INTERNET else next(iter(ports["tcp"]), _USUAL)
    return dict.fromkeys(found or [("tcp", usual)])


def _ranges(cell: Cell) -> Ports:
    return cell.passes or cell.some or cell.arrives


def _telling(pair: tuple[int, int], offered: Sequence[int], target: str) -> int:
    """A port of a range that means something to people."""
    first, last = pair
    usual = [_OUTSIDE] if target == INTERNET else [*offered, _USUAL]
    return next((port for port in usual if first <= port <= last), max(first, 1))


def _why(matrix: Matrix, source: str, target: str, protocol: str, port: int, place: Place) -> Iterable[Data]:
    for answer in ask.answers(matrix, source, target, protocol, port or None):
        hops = [_hop(hop, place) for hop in answer.hops]
        yield {"question": answer.question, "verdict": _VERDICTS[answer.verdict], "hops": hops}


def _hop(hop: Hop, place: Place) -> Data:
    where, line = place(hop.where) if hop.where else ("", "")
    return {"name": hop.name, "passes": hop.passes, "rule": hop.rule, "where": where, "line": line}
