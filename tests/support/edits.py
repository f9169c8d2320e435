"""One change of a declaration, for tests that break it in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Change = Callable[[dict[str, Any]], object]


def put(*path: str, value: Any) -> Change:
    """Put a value into the declaration, at a path of keys."""

    def change(raw: dict[str, Any]) -> None:
        inner = raw
        for step in path[:-1]:
            inner = inner.setdefault(step, {})
        inner[path[-1]] = value

    return change


def drop(*path: str) -> Change:
    """Take a key out of the declaration."""

    def change(raw: dict[str, Any]) -> None:
        inner = raw
        for step in path[:-1]:
            inner = inner[step]
        del inner[path[-1]]

    return change


def rename(*path: str, to: str) -> Change:
    """Give an entry another name."""

    def change(raw: dict[str, Any]) -> None:
        inner = raw
        for step in path[:-1]:
            inner = inner[step]
        inner[to] = inner.pop(path[-1])

    return change
