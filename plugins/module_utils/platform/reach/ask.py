"""One question: does this path pass, and what does it meet. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..engine.checks import listed
from ..engine.errors import PlatformError
from ..engine.options import nearest
from .matrix import ADMINISTRATORS, INTERNET, PROTOCOLS, Matrix, ports_text
from .model import WITH_PORTS, Address, block
from .paths import End, Hop, Reach, ends
from .ports import ALL, LAST, has, one
from .show import Place, explained

#: the verdicts, best first
PASSES, SOME, ARRIVES, CLOSED = "passes", "passes from some addresses only", "arrives, no answer", "does not pass"


@dataclass(frozen=True)
class Answer:
    """verdict: one of the four. hops: what one packet of it meets; source: its address, where there are several."""

    question: str
    verdict: str
    hops: tuple[Hop, ...]
    source: str = ""

    def lines(self, place: Place) -> list[str]:
        """For people. place: where a path in the declaration is written."""
        example = f" (here: from {self.source})" if self.source else ""
        return [f"{self.question}: {self.verdict}{example}", *explained(self.hops, place)]


def host_called(name: str, matrix: Matrix) -> str:
    """A host by any of its spellings: KOIN_DB, koin-db. Raises PlatformError."""
    known = (INTERNET, ADMINISTRATORS, *matrix.network.hosts)
    same = [other for other in known if other.lower().replace("_", "-") == name.lower().replace("_", "-")]
    if same:
        return same[0]
    if name == ADMINISTRATORS:
        raise PlatformError("aws_security_admin_cidrs is empty: there are no administrators.")
    near = nearest(name, known)
    fix = f"write `{near}`" if near else f"known are {listed(known)}, and addresses"
    raise PlatformError(f"`{name}` is no host of the network; {fix}.")


def answers(matrix: Matrix, source: str, target: str, protocol: str, port: int | None) -> list[Answer]:
    """The answer for each version of IP that both ends have. Raises PlatformError.

    source, target: hosts, ``internet``, ``administrators``; an address or a range outside.
    """
    if protocol not in PROTOCOLS:
        raise PlatformError(f"`{protocol}` is no protocol that can be asked for; write one of {', '.join(PROTOCOLS)}.")
    if protocol in WITH_PORTS and (port is None or not 1 <= port <= LAST):
        raise PlatformError(f"{protocol} has ports: add -e port=443, from 1 to {LAST}.")
    number = port or 0 if protocol in WITH_PORTS else 0
    found = []
    for version in (4, 6):
        sources, targets = (list(_ends(name, version, matrix)) for name in (source, target))
        pairs = [(one_, other) for one_ in sources for other in targets if one_[0].host or other[0].host]
        if not pairs:
            continue
        names = [_name(name, matrix) for name in (source, target)]
        what = ports_text(protocol, one(number) if protocol in WITH_PORTS else ALL)
        question = f"{names[0]} → {names[1]} {what}" + (" over IPv6" if version == 6 else "")
        found.append(_answer(question, pairs, matrix, protocol, number))
    if not found:
        raise PlatformError(f"{source} and {target} have no addresses between which anything is decided here.")
    return found


def _answer(
    question: str, pairs: Sequence[tuple[tuple[End, int], tuple[End, int]]], matrix: Matrix, protocol: str, port: int
) -> Answer:
    """The largest range whose packets fare as the verdict says stands for it."""
    reached: dict[str, list[tuple[int, End, End]]] = {PASSES: [], ARRIVES: [], CLOSED: []}
    for (source, size), (target, there) in pairs:
        kind = _kind(matrix.paths.reach(source, target, protocol), port)
        reached[kind].append((size * there, source, target))
    total = sum(size for found in reached.values() for size, _, _ in found)
    passing = sum(size for size, _, _ in reached[PASSES])
    verdict = next(kind for kind, found in reached.items() if found)
    example = max(reached[verdict], key=lambda item: item[0])
    if verdict == PASSES and passing * 256 < total * 255:
        verdict = SOME
    _, source, target = example
    hops = matrix.paths.explain(source, target, protocol, port)
    outside = source if source.host is None else target if target.host is None else None
    return Answer(question, verdict, tuple(hops), str(outside.address) if outside and len(pairs) > 1 else "")


def _kind(reach: Reach, port: int) -> str:
    if has(reach.passes, port):
        return PASSES
    return ARRIVES if has(reach.arrives, port) else CLOSED


def _ends(name: str, version: int, matrix: Matrix) -> Iterable[tuple[End, int]]:
    try:
        wanted = block(name)
    except ValueError:
        return matrix.ends(host_called(name, matrix), version)
    if wanted.version != version:
        return []
    hosts = {one_: host for host in matrix.network.hosts.values() for one_ in host.addresses}
    if wanted.size == 1:
        address = Address(version, wanted.first)
        return [(End(address, hosts.get(address)), 1)]
    return ends([wanted], matrix.paths)


def _name(name: str, matrix: Matrix) -> str:
    try:
        return str(ipaddress.ip_network(name, strict=False)).removesuffix("/32").removesuffix("/128")
    except ValueError:
        return host_called(name, matrix)
