"""What is open and what listens, by the declaration: the two should be the same. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from .matrix import INTERNET, Matrix, ports_text
from .model import WITH_PORTS
from .policy import Facts
from .ports import NONE, Ports, one, union, without
from .show import names, pairs_text


def listeners(host: str, facts: Facts, protocol: str) -> Ports:
    """The ports on which a declared host listens, always or sometimes, by what is offered."""
    own = facts.groups(host)
    offers = [offer for offer in facts.offers.values() if offer["function"] in own and "port" in offer]
    return union(*(one(int(offer["port"])) for offer in offers if offer.get("protocol", "tcp") == protocol))


def findings(facts: Facts, matrix: Matrix) -> list[str]:
    """Ports of declared hosts that somebody reaches and on which nothing listens, and the other way round."""
    return [*_open(facts, matrix), *_closed(facts, matrix)]


def _open(facts: Facts, matrix: Matrix) -> Iterator[str]:
    found: dict[str, dict[tuple[str, ...], list[str]]] = {}
    for sources, targets in matrix.pairs():
        pair = matrix.between(sources, targets)
        for target in targets if pair and targets != [INTERNET] else ():
            assert pair is not None
            if target not in facts.instances:
                continue
            texts = []
            for protocol in WITH_PORTS:
                reached = NONE
                for version in matrix.versions:
                    cell = matrix.cell(*pair, protocol, version).some
                    if sources != [INTERNET]:
                        # That is told once.
                        cell = without(cell, matrix.cell(INTERNET, target, protocol, version).some)
                    reached = union(reached, cell)
                if spare := without(reached, listeners(target, facts, protocol)):
                    texts.append(ports_text(protocol, spare))
            if texts:
                others = [source for source in sources if source != target]
                found.setdefault("; ".join(texts), {}).setdefault((target,), []).extend(others)
    for text, pairs in found.items():
        for shown in pairs_text(pairs, matrix):
            yield f"open, but nothing listens: {shown} {text}"


def _closed(facts: Facts, matrix: Matrix) -> Iterator[str]:
    silent: dict[str, list[str]] = {}
    for host in facts.instances:
        if host not in matrix.network.hosts:
            continue
        texts = []
        for protocol in WITH_PORTS:
            reached = NONE
            for source in matrix.sources:
                if source != host:
                    for version in matrix.versions:
                        reached = union(reached, matrix.cell(source, host, protocol, version).some)
            if closed := without(listeners(host, facts, protocol), reached):
                texts.append(ports_text(protocol, closed))
        if texts:
            silent.setdefault("; ".join(texts), []).append(host)
    for text, hosts in silent.items():
        yield f"listens, but nobody else reaches it: {names(hosts, matrix)} {text}"
