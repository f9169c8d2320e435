"""Checks that several kinds use. Pure; every problem says where it is and what to do."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import refs
from .declaration import Declaration
from .errors import Problem

if TYPE_CHECKING:
    from ..kinds.base import Kind
    from .catalogue import Catalogue


def missing(where: str, name: str, variable: str, known: Iterable[str]) -> Problem:
    """The problem of a name that ``variable`` does not declare, with the nearest one that it does."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    fix = f"write `{near[0]}`, or declare `{name}` in {variable}" if near else f"declare `{name}` in {variable}"
    return Problem(where, f"`{name}` is not declared in {variable}", fix)


def _used(value: Any, steps: Sequence[str], where: str) -> Iterator[tuple[str, str]]:
    """Where the field at the end of the steps stands, and the names in it; ``*`` is every key of a mapping."""
    if not steps:
        for name in [value] if isinstance(value, str) else list(value or ()):
            yield where, name
    elif isinstance(value, Mapping):
        for key in value if steps[0] == "*" else [steps[0]]:
            yield from _used(value.get(key), steps[1:], f"{where}.{key}")


def references(kind: Kind, kinds: Catalogue, declaration: Declaration) -> Iterator[Problem]:
    """Names that entries of this kind use and that nothing declares."""
    for path, target in kind.refers.items():
        variable = kinds.named(target).variable
        known = declaration.entries(variable)
        for name, entry in declaration.entries(kind.variable).items():
            for where, used in _used(entry, path.split("."), f"{kind.variable}.{name}"):
                if used not in known:
                    yield missing(where, used, variable, known)


def tokens(kinds: Catalogue, declaration: Declaration) -> Iterator[Problem]:
    """Tokens that an entry writes itself, as ``${bucket:images:id}``, and that nothing can fill in."""
    names = kinds.names
    for kind in kinds:
        for entry_name, entry in declaration.entries(kind.variable).items():
            where = f"{kind.variable}.{entry_name}"
            for target, name, attribute in refs.tokens(entry, names):
                text, other = refs.ref(target, name, attribute), kinds.named(target)
                if attribute not in other.offers:
                    fix = f"write one of {', '.join(other.offers)}" if other.offers else "refer to something else"
                    yield Problem(where, f"`{text}`: a {target} does not offer `{attribute}`", fix)
                elif name not in (want.name for want in other.desired(declaration)):
                    yield Problem(
                        where, f"`{text}`: no {target} `{name}` is declared", "declare it, or correct the name"
                    )


def network(value: str) -> ipaddress.IPv4Network | None:
    """An IPv4 range; None when it is none."""
    try:
        return ipaddress.IPv4Network(value)
    except ValueError:
        return None


def cidr(where: str, value: str) -> Iterator[Problem]:
    """An IPv4 range as EC2 writes it, with its length: 203.0.113.7/32."""
    if str(network(value)) != value:
        try:
            fix = f"write {ipaddress.IPv4Network(value, strict=False)}"
        except ValueError:
            fix = "write an IPv4 range as 203.0.113.0/24"
        yield Problem(where, f"`{value}` is not an IPv4 range", fix)


def ports(where: str, protocol: str, rule: Mapping[str, Any], first: str, last: str) -> Iterator[Problem]:
    """The fields ``first`` and ``last`` of a rule are ports where its protocol has ports, and absent elsewhere."""
    given = [key for key in (first, last) if rule.get(key) is not None]
    if protocol not in ("tcp", "udp"):
        for key in given:
            fix = f"remove `{key}`, or choose tcp or udp"
            yield Problem(f"{where}.{key}", f"protocol {protocol} has no ports", fix)
        return
    if first not in given:
        yield Problem(where, f"protocol {protocol} without `{first}`", f"add `{first}` (1 to 65535)")
    for key in given:
        if not 1 <= rule[key] <= 65535:
            yield Problem(f"{where}.{key}", f"{rule[key]} is not a port", "choose one from 1 to 65535")
    if len(given) == 2 and rule[first] > rule[last]:
        yield Problem(f"{where}.{last}", f"{rule[last]} lies before {rule[first]}", f"put the lower one into `{first}`")
