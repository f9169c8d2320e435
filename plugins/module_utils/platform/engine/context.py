"""What is known while planning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .cost import Bill
from .declaration import Declaration
from .model import Live, Registry


class Context:
    """Live resources by declared name, and declared names by live id.

    observation: the snapshot. live: by kind, every live resource of the kinds that were planned so far and of the one
    that is being planned, declared or not.
    """

    def __init__(self, declaration: Declaration, observation: Mapping[str, Any]) -> None:
        self.declaration = declaration
        self.observation = observation
        self.live: dict[str, Sequence[Live]] = {}
        self.registry: Registry = {}
        self._names: dict[tuple[str, str], str] = {}
        self._found: dict[tuple[str, str], Live] = {}
        self.warnings: list[str] = []
        self.bills: list[Bill] = []

    def add(self, kind: str, name: str, live: Live) -> None:
        """Remember that the declared ``name`` is this live resource."""
        if live.attributes:
            self.registry.setdefault(kind, {})[name] = dict(live.attributes)
        self._names[(kind, live.id)] = name
        self._found[(kind, name)] = live

    def found(self, kind: str, name: str) -> Live | None:
        """The live resource that is declared as ``name``."""
        return self._found.get((kind, name))

    def id(self, kind: str, name: str) -> str | None:
        """The id of the live resource that is declared as ``name``; None if it does not exist yet."""
        found: str | None = self.registry.get(kind, {}).get(name, {}).get("id")
        return found

    def name(self, kind: str, live_id: str) -> str:
        """The declared name of a live resource, else its id."""
        return self._names.get((kind, live_id), live_id)

    def knows(self, kind: str, live_id: str) -> bool:
        """Whether a live resource is declared."""
        return (kind, live_id) in self._names
