"""Is every key of the declaration known, present and of its type? The argument specs of the roles say.

The entry point ``main`` of a role's specs holds its variables; every further entry point describes one entry of a
variable that is keyed by name. The caller says which describes which. Pure: everything comes in as data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import Problem
from .options import check_options, unknown_key

#: role -> entry point -> options, as in ``meta/argument_specs.yml``
Specs = Mapping[str, Mapping[str, Mapping[str, Any]]]

#: variable, and what is keyed by name inside its entries (``variable.*.field``) -> (role, entry point)
Entries = Mapping[str, tuple[str, str]]


def variables(specs: Specs, common: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every variable of the declaration with its spec."""
    known = {name: dict(option) for name, option in common.items()}
    for role in specs.values():
        known.update({name: dict(option) for name, option in role.get("main", {}).items()})
    return known


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` on top of ``base``; mappings are merged, anything else is replaced. Null takes a mapping away."""
    merged = dict(base)
    for key, value in over.items():
        if value is None and isinstance(merged.get(key), Mapping):
            del merged[key]
            continue
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


class _Checker:
    """Walks the declaration; collects the problems and the entries with their types and defaults applied."""

    def __init__(self, specs: Specs, entries: Entries, *, null: bool) -> None:
        self.specs = specs
        self.entries = entries
        self.null = null
        self.problems: list[Problem] = []

    def typed(
        self, where: str, value: Mapping[str, Any], options: Mapping[str, Any], *, partial: bool = False
    ) -> dict[str, Any]:
        typed, problems = check_options(where, value, options, null=self.null, partial=partial)
        self.problems += problems
        return typed

    def keyed(self, pattern: str, where: str, value: Any) -> dict[str, Any]:
        """Entries keyed by name; ``pattern`` is a key of ``entries``."""
        role, entry_point = self.entries[pattern]
        options = self.specs[role][entry_point]
        if not isinstance(value, Mapping):
            fix = "write `name: {...}` for each entry"
            self.problems.append(Problem(where, f"is {_called(value)}, not a mapping keyed by name", fix))
            return {}
        entries: dict[str, Any] = {}
        for key, entry in value.items():
            name, here = str(key), f"{where}.{key}"
            if not isinstance(entry, Mapping):
                self.problems.append(Problem(here, "is not a mapping", "write `key: value` lines below it, or {}"))
                continue
            entries[name] = self.typed(here, entry, options)
            for inner in self.entries:
                prefix, _, field = inner.rpartition(".*.")
                if prefix == pattern and field in entries[name]:
                    entries[name][field] = self.keyed(inner, f"{here}.{field}", entries[name][field])
        return entries


def check(
    raw: Mapping[str, Any],
    specs: Specs,
    entries: Entries,
    defaults: Mapping[str, str],
    common: Mapping[str, Mapping[str, Any]],
    *,
    null: bool = True,
) -> tuple[dict[str, Any], list[Problem]]:
    """The declaration with types, entry defaults and spec defaults applied, and every problem found.

    raw: every variable that a role of ``specs`` may own, as the inventory gives it
    entries: variable, and what is keyed by name inside its entries -> (role, entry point)
    defaults: variable -> the variable with defaults for its entries
    common: options that the roles share
    null: whether `key: null` leaves a key out, rather than being a mistake
    """
    known = variables(specs, common)
    checker = _Checker(specs, entries, null=null)
    for name in raw:
        if name not in known:
            checker.problems.append(unknown_key(name, name, known))
    given = {name: raw[name] for name in known if name in raw}
    # Variables keyed by name are checked below, with a message of their own.
    plain = {name: option for name, option in known.items() if name not in entries}
    top = checker.typed("", {name: value for name, value in given.items() if name in plain}, plain)
    for name in entries:
        if "." in name or name not in known:
            continue
        content = given.get(name, known[name].get("default"))
        if name not in given and content is None:
            if known[name].get("required"):
                checker.problems.append(Problem(name, "is not declared", "declare it; {} when there is none"))
            continue
        if name in defaults and isinstance(content, Mapping):
            role, entry_point = entries[name]
            under = top.get(defaults[name], {})
            before = len(checker.problems)
            top[defaults[name]] = checker.typed(defaults[name], under, specs[role][entry_point], partial=True)
            if len(checker.problems) > before:  # Reported once, there, rather than for every entry below.
                continue
            content = {
                key: merge(under, entry) if isinstance(entry, Mapping) else entry for key, entry in content.items()
            }
        top[name] = checker.keyed(name, name, content)
    return top, checker.problems


def _called(value: Any) -> str:
    """The type of a value in plain words."""
    if value is None:
        return "empty"
    return "a list" if isinstance(value, list) else "a mapping" if isinstance(value, Mapping) else "text"
