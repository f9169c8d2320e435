"""The input of every host role: what argument specs cannot express, one file per role, and the check of all of it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ..engine.errors import Problem
from ..engine.options import Options, check_options, unknown_key
from ..engine.schema import Specs, check
from .rules import Look, Platform, RoleInput, Values

__all__ = ["Look", "Platform", "RoleInput", "Values", "check_hosts", "check_role", "inputs", "specs_of"]

_ROLES = Path(__file__).resolve().parents[4] / "roles"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def inputs() -> dict[str, RoleInput]:
    """The rules of every host role, by role. A role without a module here has none."""
    folder = Path(__file__).parent
    found: dict[str, RoleInput] = {}
    for role in sorted(path.name for path in _ROLES.iterdir() if (path / "meta/argument_specs.yml").exists()):
        if role.startswith("aws_"):
            continue
        has_rules = (folder / f"{role}.py").exists()
        kind = importlib.import_module(f"{__name__}.{role}").Input if has_rules else RoleInput
        found[role] = kind(_ROLES / role)
    return found


@cache
def specs_of(role: str) -> dict[str, Options]:
    """Options of every entry point of a role, by entry point. Read once per process."""
    content = yaml.load((_ROLES / role / "meta/argument_specs.yml").read_bytes(), Loader=_LOADER)["argument_specs"]
    return {name: entry.get("options") or {} for name, entry in content.items()}


@cache
def prefixes() -> dict[str, str]:
    """The role that owns variables with a prefix, longest prefix first: ``node_exporter_`` before ``node_``."""
    return {f"{role}_": role for role in sorted(inputs(), key=len, reverse=True)}


def owner(variable: str) -> str:
    """The role that owns the variable; empty if none does."""
    return next((role for prefix, role in prefixes().items() if variable.startswith(prefix)), "")


def known_names(role: str) -> set[str]:
    """Every variable that a role's specs have, those of its other entry points included (``tls_name``)."""
    own = {name for options in specs_of(role).values() for name in options if name.startswith(f"{role}_")}
    return set(specs_of(role)["main"]) | own


def unknown_variables(names: Sequence[str] | Mapping[str, Any]) -> Iterator[Problem]:
    """Variables that begin with a role's prefix and that no spec knows."""
    for name in names:
        role = owner(name)
        # Set on the hosts by role secrets.
        if role and name not in known_names(role) and name != "secrets_values":
            yield unknown_key(name, name, known_names(role))


def check_role(role: str, raw: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """The role's variables with types and defaults applied, and every problem that they show by themselves.

    raw: the variables of the role's specs by name, templates filled in.
    """
    rules = inputs()[role]
    specs: Specs = {role: specs_of(role)}
    entries = {pattern: (role, entry_point) for pattern, entry_point in rules.entries.items()}
    typed, problems = check(raw, specs, entries, {}, {}, null=False)
    for variable, entry_point in rules.records.items():
        if typed.get(variable):
            typed[variable], found = check_options(variable, typed[variable], specs[role][entry_point])
            problems += found
    # Only parts that are valid by themselves can be checked against each other.
    if not problems:
        problems += rules.problems(typed)
    return typed, problems


def check_hosts(
    raw: Mapping[str, Mapping[str, Mapping[str, Any]]], aws: Mapping[str, Any], instances: Mapping[str, str]
) -> dict[Problem, list[str]]:
    """Every problem of the hosts' roles, by themselves and between hosts, each with the hosts that have it.

    raw: by host and role, the variables of the role's specs, templates filled in.
    aws: the aws_* variables; empty when something is wrong with them. instances: by host, its key there.
    """
    found: dict[Problem, list[str]] = {}
    typed: dict[str, dict[str, Values]] = {}
    wrong: set[str] = set()
    for host, roles in raw.items():
        typed[host] = {}
        for role, values in roles.items():
            content, problems = check_role(role, values)
            for problem in problems:
                found.setdefault(problem, []).append(host)
            if problems:
                wrong.add(role)
            else:
                typed[host][role] = content
    platform = Platform(hosts=typed, aws=aws, instances=instances)
    for host, roles in typed.items():
        for role, values in roles.items():
            rules = inputs()[role]
            for problem in () if wrong & set(rules.needs) else rules.across(host, values, platform):
                found.setdefault(problem, []).append(host)
        for problem in _same_port(roles):
            found.setdefault(problem, []).append(host)
    return found


def _same_port(roles: Mapping[str, Values]) -> Iterator[Problem]:
    """Two services of a host that would listen on one port of one address."""
    taken: dict[int, list[tuple[str, str]]] = {}
    for role, values in roles.items():
        for number, address, variable in inputs()[role].listens(values):
            for other_address, other in taken.get(number, []):
                if other != variable and (address == other_address or "" in (address, other_address)):
                    yield Problem(
                        variable, f"port {number} is already used by {other}", "choose another port for one of them"
                    )
            taken.setdefault(number, []).append((address, variable))
