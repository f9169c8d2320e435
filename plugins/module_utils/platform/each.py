"""Which calls a role's task makes for the actions of a plan. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any


def touches(action: Mapping[str, Any], patterns: Sequence[str]) -> bool:
    """Whether the action creates, or changes a field that matches one of the patterns (none: any field)."""
    if not patterns:
        return True
    return any(fnmatchcase(field, pattern) for field in action["changed"] for pattern in patterns)


def parts(action: Mapping[str, Any], expand: str | None) -> Iterable[dict[str, Any] | None]:
    """The entries of a keyed field that the action touches; one None where there is nothing to expand."""
    if not expand:
        yield None
        return
    declared = action["entry"].get(expand) or {}
    pairs = declared.items() if isinstance(declared, Mapping) else ((item, item) for item in declared)
    for key, value in pairs:
        if f"{expand}.{key}" in action["changed"]:
            yield {"key": key, "value": value}


def calls(
    actions: Iterable[Mapping[str, Any]],
    only: str | None = None,
    fields: Sequence[str] = (),
    expand: str | None = None,
) -> list[dict[str, Any]]:
    """One item per call: the action, with the part of it that the call is about.

    only: ``create`` or ``change``. fields: patterns, see ``touches``. expand: a keyed field, one call per touched key.
    """
    return [
        {**action, "part": part}
        for action in actions
        if (not only or action["action"] == only) and touches(action, fields)
        for part in parts(action, expand)
    ]


def dig(value: Any, path: str) -> Any:
    """``instances.0.instance_id`` of a module's result; None where it leads nowhere."""
    for step in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, Sequence) and not isinstance(value, str) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value
