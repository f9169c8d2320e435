"""Is every key of the declaration known, present and of its type? The argument specs of the roles say.

The entry point ``main`` of a role's specs holds its variables; every further entry point describes one entry of a
variable that is keyed by name. The caller says which describes which. Pure: everything comes in as data.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .errors import Problem

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


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` on top of ``base``; mappings are merged, anything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def unknown_key(where: str, key: str, known: Iterable[str]) -> Problem:
    """The problem of a key that nothing reads, with the nearest one that something does."""
    known = sorted(known)
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    fix = f"write `{near[0]}`" if near else f"remove it; known here: {', '.join(known)}"
    return Problem(where, f"`{key}` is not a known key", fix)


def _unknown_in(where: str, value: Mapping[str, Any], options: Mapping[str, Any]) -> list[Problem]:
    problems = [unknown_key(where, str(key), options) for key in value if key not in options]
    for key, option in options.items():
        inner = value.get(key)
        if option.get("options") and isinstance(inner, Mapping):
            problems += _unknown_in(f"{where}.{key}", inner, option["options"])
    return problems


def _without_none(value: Any) -> Any:
    """The validator fills what is left out with None; here a key that is left out is absent."""
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value


class _Checker:
    """Walks the declaration; collects the problems and the entries with their types and defaults applied."""

    def __init__(self, specs: Specs, entries: Entries) -> None:
        self.specs = specs
        self.entries = entries
        self.problems: list[Problem] = []
        self._validators: dict[int, ArgumentSpecValidator] = {}

    def typed(self, where: str, value: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
        unknown = _unknown_in(where, value, options)
        if unknown:
            self.problems += unknown
            return dict(value)
        # One validator per spec: building it costs more than using it.
        validator = self._validators.setdefault(id(options), ArgumentSpecValidator(dict(options)))
        result = validator.validate(dict(value))
        for message in result.error_messages:
            self.problems.append(Problem(where, message, "see `ansible-doc -t role` of the role for what goes here"))
        return dict(_without_none(result.validated_parameters))

    def keyed(self, pattern: str, where: str, value: Any) -> dict[str, Any]:
        """Entries keyed by name; ``pattern`` is a key of ``self.entries``."""
        role, entry_point = self.entries[pattern]
        options = self.specs[role][entry_point]
        if not isinstance(value, Mapping):
            fix = "write `name: {...}` for each entry"
            self.problems.append(Problem(where, f"is a {type(value).__name__}, not a mapping keyed by name", fix))
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
) -> tuple[dict[str, Any], list[Problem]]:
    """The declaration with types, entry defaults and spec defaults applied, and every problem found.

    raw: every variable of the declaration, as the inventory gives it.
    entries: which variables are keyed by name, and what describes their entries.
    defaults: variable -> the variable that stands under each of its entries.
    common: variables that belong to no role, with their specs.
    """
    known = variables(specs, common)
    checker = _Checker(specs, entries)
    for name in raw:
        if name not in known:
            checker.problems.append(unknown_key("group_vars", name, known))
    top = checker.typed("group_vars", {name: raw[name] for name in known if name in raw}, known)
    for name, (role, entry_point) in entries.items():
        if "." in name or name not in top:
            continue
        found = top[name]
        if name in defaults and isinstance(found, Mapping):
            under = top.get(defaults[name], {})
            misspelt = _unknown_in(defaults[name], under, specs[role][entry_point])
            if misspelt:  # Said once, there, rather than for every entry below.
                checker.problems += misspelt
                continue
            found = {key: _merge(under, entry) if isinstance(entry, Mapping) else entry for key, entry in found.items()}
        top[name] = checker.keyed(name, name, found)
    return top, checker.problems
