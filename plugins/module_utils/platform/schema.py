"""Is every key of the declaration known, present and of its type? The argument specs of the roles say.

The entry point ``main`` of a role's specs holds its variables; every further entry point describes one entry of a
variable that is keyed by name. ``ENTRIES`` says which describes which. Pure: the specs come in as data.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .errors import Problem

#: role -> entry point -> options, as in ``meta/argument_specs.yml``
Specs = Mapping[str, Mapping[str, Mapping[str, Any]]]

#: variable, and what is keyed by name inside its entries -> (role, entry point)
ENTRIES: dict[str, tuple[str, str]] = {
    "aws_network_vpcs": ("aws_network", "vpc"),
    "aws_network_internet_gateways": ("aws_network", "internet_gateway"),
    "aws_network_subnets": ("aws_network", "subnet"),
    "aws_network_route_tables": ("aws_network", "route_table"),
    "aws_network_route_tables.*.routes": ("aws_network", "route"),
    "aws_network_acls": ("aws_network", "acl"),
    "aws_network_acls.*.ingress": ("aws_network", "acl_rule"),
    "aws_network_acls.*.egress": ("aws_network", "acl_rule"),
    "aws_security_groups": ("aws_security", "group"),
    "aws_security_groups.*.ingress": ("aws_security", "rule"),
    "aws_security_groups.*.egress": ("aws_security", "rule"),
    "aws_dns_zones": ("aws_dns", "zone"),
    "aws_cdn_certificates": ("aws_cdn", "certificate"),
    "aws_cdn_distributions": ("aws_cdn", "distribution"),
    "aws_storage_buckets": ("aws_storage", "bucket"),
    "aws_storage_buckets.*.cors": ("aws_storage", "cors_rule"),
    "aws_storage_buckets.*.lifecycle": ("aws_storage", "lifecycle_rule"),
    "aws_iam_roles": ("aws_iam", "role"),
    "aws_compute_key_pairs": ("aws_compute", "key_pair"),
    "aws_compute_instances": ("aws_compute", "instance"),
    "aws_dns_records": ("aws_dns_records", "record"),
    "aws_monitoring_topics": ("aws_monitoring", "topic"),
    "aws_monitoring_instance_alarms": ("aws_monitoring", "alarm"),
}

#: variable that stands under every entry of another
DEFAULTS = {
    "aws_compute_instances": "aws_compute_instance_defaults",
    "aws_storage_buckets": "aws_storage_bucket_defaults",
    "aws_cdn_distributions": "aws_cdn_distribution_defaults",
}

#: what the roles share
COMMON: dict[str, dict[str, Any]] = {
    "aws_region": {"type": "str", "required": True},
    "aws_account_id": {"type": "str", "default": ""},
    "aws_environment": {"type": "dict", "default": {}},
    "aws_tags": {"type": "dict", "default": {}},
}


def variables(specs: Specs) -> dict[str, dict[str, Any]]:
    """Every variable of the declaration with its spec."""
    known = dict(COMMON)
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

    def __init__(self, specs: Specs) -> None:
        self.specs = specs
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
        """Entries keyed by name; ``pattern`` is a key of ENTRIES."""
        role, entry_point = ENTRIES[pattern]
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
            for inner in ENTRIES:
                prefix, _, field = inner.rpartition(".*.")
                if prefix == pattern and field in entries[name]:
                    entries[name][field] = self.keyed(inner, f"{here}.{field}", entries[name][field])
        return entries


def check(raw: Mapping[str, Any], specs: Specs) -> tuple[dict[str, Any], list[Problem]]:
    """The declaration with types, entry defaults and spec defaults applied, and every problem found.

    ``raw``: every variable whose name begins with ``aws_``, as the inventory gives it.
    """
    known = variables(specs)
    checker = _Checker(specs)
    for name in raw:
        if name not in known:
            checker.problems.append(unknown_key("group_vars", name, known))
    top = checker.typed("group_vars", {name: raw[name] for name in known if name in raw}, known)
    for name in ENTRIES:
        if "." in name or name not in top:
            continue
        entries = top[name]
        if name in DEFAULTS and isinstance(entries, Mapping):
            role, entry_point = ENTRIES[name]
            defaults = top.get(DEFAULTS[name], {})
            misspelt = _unknown_in(DEFAULTS[name], defaults, specs[role][entry_point])
            if misspelt:  # Said once, there, rather than for every entry below.
                checker.problems += misspelt
                continue
            entries = {
                key: _merge(defaults, entry) if isinstance(entry, Mapping) else entry for key, entry in entries.items()
            }
        top[name] = checker.keyed(name, name, entries)
    return top, checker.problems
