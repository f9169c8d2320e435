"""The matrix and its changes as text for people. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from .matrix import EMPTY, INTERNET, PROTOCOLS, Cell, Matrix, alike, difference, ports_text
from .model import Network
from .paths import Hop
from .ports import ALL, Ports, union, without

#: names that a line lists before it counts
_NAMED = 6
#: where a rule is declared: its path, and its file and line
Place = Callable[[str], tuple[str, str]]


def table(matrix: Matrix, only: str = "") -> list[str]:
    """Who reaches each host, and who reaches the internet: a block for each, sources that reach the same in one line.

    Hosts that are alike share a block. Of other sources than the internet, what it does not reach. only: with this
    source or target alone.
    """
    lines: list[str] = []
    blocks: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for sources, targets in matrix.pairs():
        found = blocks.setdefault(tuple(targets), {})
        pair = matrix.between(sources, targets)
        if pair is None or (only and only not in (*sources, *targets)):
            continue
        if only in sources and only not in targets:
            sources = [only]
        if text := cell_text(matrix, *pair, less=only not in sources):
            found.setdefault(text, []).extend(sources)
    for there, found in blocks.items():
        if not found and only and only not in there:
            continue
        heads = [(names(sources, matrix), text) for text, sources in found.items()] or [("nobody", "")]
        width = max(len(head) for head, _ in heads)
        title = names(there, matrix)
        lines += ["", f"→ {title}", *(f"    {head:{width}}  {text}".rstrip() for head, text in heads)]
    return lines[1:]


def names(items: Sequence[str], matrix: Matrix) -> str:
    """Names in a line."""
    hosts = matrix.network.hosts
    if len(items) >= len(hosts) > 2 and set(items) == set(hosts):
        return "every host"
    more = f" and {len(items) - _NAMED} more" if len(items) > _NAMED + 1 else ""
    return ", ".join(items[:_NAMED] if more else items) + more


def cell_text(matrix: Matrix, source: str, target: str, less: bool = False) -> str:
    """What a source reaches of a target: ``tcp/80, 443; esp``. Empty for nothing. less: than the internet does."""
    less = less and INTERNET not in (source, target)
    texts = {version: _of_version(matrix, source, target, version, less) for version in matrix.versions}
    if len(set(texts.values())) == 1 and len(texts) > 1:
        return next(iter(texts.values()))
    return "; ".join(f"{text}{' over IPv6' if version == 6 else ''}" for version, text in texts.items() if text)


def _of_version(matrix: Matrix, source: str, target: str, version: int, less: bool) -> str:
    cells = {protocol: matrix.cell(source, target, protocol, version) for protocol in PROTOCOLS}
    if all(cell.passes == ALL for cell in cells.values()):
        return "everything"
    parts: list[str] = []
    for protocol, cell in cells.items():
        known = matrix.cell(INTERNET, target, protocol, version) if less else EMPTY
        parts += _parts(protocol, Cell(*(without(mine, theirs) for mine, theirs in zip(cell, known, strict=True))))
        if matrix.ends(source, version) and (lacks := without(known.passes, cell.passes)):
            parts.append(f"not {ports_text(protocol, lacks)}")
    return "; ".join(parts)


def _parts(protocol: str, cell: Cell) -> Iterable[str]:
    some, unanswered = difference(cell)
    if cell.passes:
        yield ports_text(protocol, cell.passes)
    if some:
        yield f"{ports_text(protocol, some)} (from some addresses)"
    if unanswered:
        yield f"{ports_text(protocol, unanswered)} (arrives, no answer)"


def unknown(network: Network) -> list[str]:
    """What cannot be computed: rules with a prefix list that could not be read."""
    return [
        f"prefix list {item} cannot be read: its rules count as closed ({', '.join(groups)})"
        for item, groups in network.unknown().items()
    ]


# --- Changes ---------------------------------------------------------------------------------------------------------


def changes(before: Matrix, after: Matrix) -> list[str]:
    """The paths that open and close, pairs with the same change in one line: ``opens: internet → KOIN_DB tcp/3306``.

    What opens or closes for the internet is not repeated for others.
    """
    lines = []
    versions = sorted({*before.versions, *after.versions})

    def kin(name: str) -> object:
        return before.kin(name), after.kin(name)

    hosts = dict.fromkeys([*after.network.hosts, *before.network.hosts])
    sources = alike(dict.fromkeys([*after.sources, *before.sources]), kin)
    targets = alike([*hosts, INTERNET], kin)
    for verb, old, new in (("opens", before, after), ("closes", after, before)):
        found: dict[str, dict[tuple[str, ...], list[str]]] = {}
        for here in sources:
            for there in targets:
                pair = new.between(here, there)
                if pair is None or (here[0] not in hosts and there[0] not in hosts):
                    continue
                parts = (part for version in versions for part in _gained(old, new, *pair, version))
                if text := "; ".join(parts):
                    found.setdefault(text, {}).setdefault(tuple(there), []).extend(here)
        for text, pairs in found.items():
            lines += [f"{verb}: {pair} {text}" for pair in pairs_text(pairs, new)]
    # What opens to the internet is read first.
    return sorted(lines, key=lambda line: not line.startswith(f"opens: {INTERNET} "))


def pairs_text(targets: Mapping[tuple[str, ...], Sequence[str]], matrix: Matrix) -> list[str]:
    """Sources by targets in as few words as possible: ``KOIN_PROD, KOIN_STAGE → KOIN_DB``; no host reaches itself."""
    same: dict[tuple[str, ...], list[str]] = {}
    for there, sources in targets.items():
        same.setdefault(tuple(sources), []).extend(there)
    together: dict[frozenset[str], tuple[dict[str, None], dict[str, None]]] = {}
    for sources, all_there in same.items():
        # Of hosts that reach each other, each is missing among its own sources.
        here, known = together.setdefault(frozenset((*sources, *all_there)), ({}, {}))
        here.update(dict.fromkeys(sources))
        known.update(dict.fromkeys(all_there))
    return [f"{names(list(here), matrix)} → {names(list(known), matrix)}" for here, known in together.values()]


def _gained(old: Matrix, new: Matrix, source: str, target: str, version: int) -> Iterable[str]:
    """What the new one lets pass and the old one did not."""
    six = " over IPv6" if version == 6 else ""
    all_of, some_of = [], []
    for protocol in PROTOCOLS:
        some, every = _more(old, new, source, target, protocol, version)
        if INTERNET not in (source, target):
            theirs, all_theirs = _more(old, new, INTERNET, target, protocol, version)
            some, every = without(some, union(theirs, all_theirs)), without(every, all_theirs)
        if every:
            all_of.append((protocol, every))
        if rest := without(some, every):
            some_of.append((protocol, rest))
    if all_of:
        yield f"{_listed(all_of)}{six}"
    if some_of:
        yield f"{_listed(some_of)}{six} (some addresses)"


def _more(old: Matrix, new: Matrix, source: str, target: str, protocol: str, version: int) -> tuple[Ports, Ports]:
    """The ports that the new one lets pass, and the old one did not, for some and for every address."""
    was, now = old.cell(source, target, protocol, version), new.cell(source, target, protocol, version)
    return without(now.some, was.some), without(now.passes, was.passes)


def _listed(found: Sequence[tuple[str, Ports]]) -> str:
    if len(found) == len(PROTOCOLS) and all(ports == ALL for _, ports in found):
        return "everything"
    return "; ".join(ports_text(protocol, ports) for protocol, ports in found)


# --- One path --------------------------------------------------------------------------------------------------------


def explained(hops: Sequence[Hop], place: Place) -> list[str]:
    """Hop by hop, each with the rule and the place where it is declared."""
    lines = []
    for hop in hops:
        lines.append(f"  {'ok  ' if hop.passes else 'DENY'}  {hop.name}: {hop.rule}")
        if hop.where:
            path, line = place(hop.where)
            lines.append(f"          {path}{f' ({line})' if line else ''}")
    return lines
