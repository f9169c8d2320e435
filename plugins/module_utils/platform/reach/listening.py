"""What is open and what listens, as declared and as seen on hosts: the two should be the same. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from .matrix import INTERNET, Matrix, ports_text
from .model import WITH_PORTS
from .policy import Facts
from .ports import NONE, Ports, has, one, union, without
from .show import names, pairs_text


def listeners(host: str, facts: Facts, protocol: str) -> Ports:
    """The ports on which a declared host listens, always or sometimes, by what is offered."""
    own = facts.groups(host)
    offers = [offer for offer in facts.offers.values() if offer["function"] in own and "port" in offer]
    return union(*(one(int(offer["port"])) for offer in offers if offer.get("protocol", "tcp") == protocol))


def reached(host: str, matrix: Matrix, protocol: str) -> Ports:
    """The ports of a host that anybody else reaches, with answers."""
    others = [source for source in matrix.sources if source != host]
    pairs = [(source, version) for source in others for version in matrix.versions]
    return union(*(matrix.cell(source, host, protocol, version).some for source, version in pairs))


def open_ports(matrix: Matrix) -> dict[str, dict[str, Ports]]:
    """``reached`` of every host, by host and protocol."""
    return {host: {name: reached(host, matrix, name) for name in WITH_PORTS} for host in matrix.network.hosts}


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
                passing = NONE
                for version in matrix.versions:
                    cell = matrix.cell(*pair, protocol, version).some
                    if sources != [INTERNET]:
                        # That is told once.
                        cell = without(cell, matrix.cell(INTERNET, target, protocol, version).some)
                    passing = union(passing, cell)
                if spare := without(passing, listeners(target, facts, protocol)):
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
            if closed := without(listeners(host, facts, protocol), reached(host, matrix, protocol)):
                texts.append(ports_text(protocol, closed))
        if texts:
            silent.setdefault("; ".join(texts), []).append(host)
    for text, hosts in silent.items():
        yield f"listens, but nobody else reaches it: {names(hosts, matrix)} {text}"


# --- As seen ---------------------------------------------------------------------------------------------------------


def seen_findings(
    open_: Mapping[str, Ports], seen: Mapping[str, str], guarded: Collection[str], sometimes: Collection[str]
) -> Iterator[str]:
    """Ports of one host that are open and on which nothing was seen to listen, and the other way round.

    open_: of ``open_ports``, also as JSON has it. seen: what listens beyond loopback, as ``tcp 3306``, with its
    program. guarded: what the host's own packet filter keeps for the host. sometimes: what need not listen.
    """
    for protocol in WITH_PORTS:
        open_here = union(open_[protocol])
        here = {_number(port): port for port in sorted(seen, key=_number) if port.startswith(f"{protocol} ")}
        may = {_number(port) for port in sometimes if port.startswith(f"{protocol} ")}
        if silent := without(open_here, union(*(one(number) for number in (*here, *may)))):
            yield f"open, but nothing listens: {ports_text(protocol, silent)}"
        for number, port in here.items():
            text = f"{ports_text(protocol, one(number))} ({seen[port]})"
            if port in guarded and has(open_here, number):
                yield f"open, but the host's packet filter lets nobody in: {text}"
            elif port not in guarded and number not in may and not has(open_here, number):
                yield f"listens, but nobody else reaches it: {text}"


def _number(port: str) -> int:
    return int(port.split()[1])
