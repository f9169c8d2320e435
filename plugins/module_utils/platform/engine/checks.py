"""Checks that several kinds share. Pure; every problem says where it is and what to do."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import refs
from .declaration import Declaration
from .errors import Problem
from .formats import Format, tag_key, tag_value
from .options import nearest

if TYPE_CHECKING:
    from ..kinds.base import Kind
    from .catalogue import Catalogue


#: more names than these are not helpful in a message
_LISTED = 12


#: what every entry may hold
_TAGS: Mapping[str, Format] = {"tags.@": tag_key, "tags.*": tag_value}


def listed(known: Iterable[str]) -> str:
    """Names as a message lists them."""
    names = sorted(map(str, known))
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def missing(where: str, name: str, variable: str, known: Iterable[str]) -> Problem:
    """The problem of a name that ``variable`` does not declare, with those that it does, the nearest one first."""
    known = sorted(known)
    near = nearest(name, known)
    fix = f"write `{near}`, or declare `{name}` in {variable}" if near else f"declare `{name}` in {variable}"
    there = f"declared: {listed(known)}" if known else "nothing is declared there"
    return Problem(where, f"`{name}` is not declared in {variable}; {there}", fix)


def _parts(value: Any, steps: Sequence[str], where: str) -> Iterator[tuple[str, Any]]:
    """The path and value of the field at the end of the steps, or of each item of a list.

    ``*`` stands for every value of a mapping, ``@`` for every key.
    """
    if not steps and isinstance(value, list):
        yield from ((f"{where}.{number}", item) for number, item in enumerate(value))
    elif not steps:
        yield where, value
    elif isinstance(value, Mapping):
        if steps[0] == "@":
            yield from ((f"{where}.{key}", key) for key in value)
            return
        if steps == ["*"]:
            yield from ((f"{where}.{key}", item) for key, item in value.items())
            return
        for key in value if steps[0] == "*" else [step for step in steps[:1] if step in value]:
            yield from _parts(value[key], steps[1:], f"{where}.{key}")


def formatted(formats: Mapping[str, Format], value: Any, where: str) -> Iterator[Problem]:
    """Fields of a value whose format is wrong; those of the wrong type are skipped."""
    for path, check in formats.items():
        for here, part in _parts(value, path.split("."), where):
            yield from check(here, part)


def shared_formats(kinds: Catalogue, declaration: Declaration) -> Iterator[Problem]:
    """Wrong formats in plain variables, and in defaults of entries."""
    for kind in kinds:
        for path, check in kind.variables.items():
            variable, _, rest = path.partition(".")
            for where, value in _parts(declaration.value(variable), rest.split(".") if rest else (), variable):
                yield from check(where, value)
        if kind.defaults:
            yield from formatted({**kind.shapes, **_TAGS}, declaration.value(kind.defaults), kind.defaults)


def entry_formats(kind: Kind, declaration: Declaration) -> Iterator[Problem]:
    """Names and fields of a kind's entries whose format is wrong."""
    alike: dict[str, str] = {}
    for name, entry in declaration.entries(kind.variable).items():
        where = f"{kind.variable}.{name}"
        # Some AWS services treat them as one name, and readers always do.
        if (other := alike.setdefault(name.casefold(), name)) != name:
            yield Problem(where, f"`{name}` and `{other}` differ only in case", "give one of them another name")
        if "" in kind.shapes:
            yield from kind.shapes[""](where, name)
        yield from formatted({**kind.shapes, **_TAGS}, _with_own_tags(entry), where)


def _with_own_tags(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """An entry without tags that are null: those that the resource does without, be they made of the entry's name."""
    tags = entry.get("tags")
    own = {key: value for key, value in tags.items() if value is not None} if isinstance(tags, Mapping) else tags
    return entry if own == tags else {**entry, "tags": own}


def _used(value: Any, steps: Sequence[str], where: str) -> Iterator[tuple[str, str]]:
    """The path of the field at the end of the steps, and the names in it; ``*`` is every key of a mapping."""
    if not steps:
        for name in [value] if isinstance(value, str) else list(value or ()):
            yield where, name
    elif isinstance(value, Mapping):
        for key in value if steps[0] == "*" else [steps[0]]:
            yield from _used(value.get(key), steps[1:], f"{where}.{key}")


def once(shared: Sequence[Problem], others: Iterable[Problem]) -> list[Problem]:
    """All problems; a wrong shared value is reported where it is declared, and not again for every entry."""
    said, places = {problem.what for problem in shared}, {problem.where for problem in shared}
    return [*shared, *(problem for problem in others if problem.what not in said and problem.where not in places)]


def references(kinds: Catalogue, declaration: Declaration) -> Iterator[Problem]:
    """Names that entries use and that nothing declares.

    If several use one name, and a similar one is declared but not used, the declared one is misspelt.
    """
    places: dict[tuple[str, str], list[str]] = {}
    for kind in kinds:
        holders = {f"{kind.variable}.{name}": entry for name, entry in declaration.entries(kind.variable).items()}
        for where, entry in holders.items():
            for target, here, used in references_of(kind, where, entry):
                places.setdefault((kinds.named(target).variable, used), []).append(here)
    shared = set(_of_defaults(kinds, declaration))
    wrong = set(_badly_named(kinds, declaration))
    for (variable, used), uses in places.items():
        known = declaration.entries(variable)
        if used in known or variable in wrong or any((variable, used) == (one, name) for one, _, name in shared):
            continue
        idle = [name for name in known if (variable, name) not in places]
        yield from undeclared(variable, used, uses, known, idle)


def undeclared(
    variable: str, used: str, uses: Sequence[str], known: Iterable[str], idle: Iterable[str]
) -> Iterator[Problem]:
    """The problem of a name that is used and not declared. uses: where. idle: declared names that nothing uses."""
    near = nearest(used, idle)
    if near and len(uses) > 1:
        what = f"nothing uses this name, and `{used}`, which {len(uses)} entries use, is not declared"
        yield Problem(f"{variable}.{near}", what, f"write `{used}`, or correct {listed(uses)}")
        return
    for here in uses:
        yield missing(here, used, variable, known)


def _badly_named(kinds: Catalogue, declaration: Declaration) -> Iterator[str]:
    """Variables with an entry whose name is wrong: entries that use the right name are not at fault."""
    for kind in kinds:
        check = kind.shapes.get("")
        if check and any(True for name in declaration.entries(kind.variable) for _ in check("", name)):
            yield kind.variable


def shared_references(kinds: Catalogue, declaration: Declaration) -> Iterator[Problem]:
    """The same in defaults of entries."""
    wrong = set(_badly_named(kinds, declaration))
    for variable, here, used in _of_defaults(kinds, declaration):
        if variable not in wrong and used not in (known := declaration.entries(variable)):
            yield missing(here, used, variable, known)


def _of_defaults(kinds: Catalogue, declaration: Declaration) -> Iterator[tuple[str, str, str]]:
    """(variable, path, name) of every name in defaults of entries."""
    for kind in kinds:
        if kind.defaults:
            for target, here, used in references_of(kind, kind.defaults, declaration.value(kind.defaults)):
                yield kinds.named(target).variable, here, used


def references_of(kind: Kind, where: str, value: Any) -> Iterator[tuple[str, str, str]]:
    """(kind, path, name) of every name that a value uses."""
    for path, target in kind.refers.items():
        yield from ((target, here, used) for here, used in _used(value, path.split("."), where))


def tokens(kinds: Catalogue, declaration: Declaration) -> Iterator[Problem]:
    """Tokens that an entry writes itself, e.g. ``${bucket:images:id}``, and that nothing can fill in."""
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
    """An IPv4 range; None if it is not one."""
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
        yield Problem(
            f"{where}.{last}", f"{rule[last]} comes before {rule[first]}", f"put the lower one into `{first}`"
        )


def icmp(where: str, protocol: str, rule: Mapping[str, Any]) -> Iterator[Problem]:
    """``icmp_type`` and ``icmp_code`` of a rule are numbers that ICMP has, and absent for other protocols."""
    kind, code = rule.get("icmp_type"), rule.get("icmp_code")
    for key, value in (("icmp_type", kind), ("icmp_code", code)):
        if value is None:
            continue
        if protocol != "icmp":
            yield Problem(f"{where}.{key}", f"protocol {protocol} has none", f"remove `{key}`, or choose icmp")
        elif not -1 <= value <= 255:
            yield Problem(f"{where}.{key}", f"{value} is not a number of ICMP", "choose one from 0 to 255, -1 for all")
    if code not in (None, -1) and kind in (None, -1) and protocol == "icmp":
        yield Problem(f"{where}.icmp_code", "a code belongs to one type", "add `icmp_type`")
