"""Which calls a role's task makes for the actions of a plan. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any


def touches(action: Mapping[str, Any], patterns: Sequence[str]) -> bool:
    """Whether the action changes a field that matches one of the patterns (none: any field).

    The pattern ``+`` matches everything that is created, whatever its fields.
    """
    if not patterns or ("+" in patterns and action["action"] == "create"):
        return True
    return any(fnmatchcase(field, pattern) for field in action["changed"] for pattern in patterns)


def calls(
    actions: Iterable[Mapping[str, Any]], only: str | None = None, fields: Sequence[str] = ()
) -> list[Mapping[str, Any]]:
    """The actions that a task is about.

    only: ``create`` or ``change``. fields: patterns, see ``touches``.
    """
    return [action for action in actions if (not only or action["action"] == only) and touches(action, fields)]


def batches(actions: Sequence[Mapping[str, Any]], first: str | None) -> list[list[Mapping[str, Any]]]:
    """The actions of type ``first`` and then the others, each if there are any; all at once if it is not given."""
    parted = [[action for action in actions if (action["action"] == first) is is_first] for is_first in (True, False)]
    return [part for part in parted if part]


def dig(value: Any, path: str) -> Any:
    """``instances.0.instance_id`` of a module's result; None if there is no such value."""
    for step in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, Sequence) and not isinstance(value, str) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value
