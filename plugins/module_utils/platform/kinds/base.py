"""What every kind of resource answers, and the helpers they share."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

from ..declaration import Declaration
from ..errors import PlatformError
from ..model import Desired, FieldChange, Fields, Live, Registry

Observation = Mapping[str, Any]


class Context:
    """What is known while planning: live resources by declared name, and the way back."""

    def __init__(self, declaration: Declaration) -> None:
        self.declaration = declaration
        self.registry: Registry = {}
        self._names: dict[tuple[str, str], str] = {}
        self.warnings: list[str] = []

    def add(self, kind: str, name: str, live: Live) -> None:
        """Remember that the declared ``name`` is this live resource."""
        if live.attributes:
            self.registry.setdefault(kind, {})[name] = dict(live.attributes)
        self._names[(kind, live.id)] = name

    def id(self, kind: str, name: str) -> str | None:
        """The id of the live resource that is declared as ``name``; None while there is none."""
        found: str | None = self.registry.get(kind, {}).get(name, {}).get("id")
        return found

    def name(self, kind: str, live_id: str) -> str:
        """The declared name of a live resource, else its id."""
        return self._names.get((kind, live_id), live_id)

    def knows(self, kind: str, live_id: str) -> bool:
        """Whether a live resource is declared."""
        return (kind, live_id) in self._names


class Kind(ABC):
    """One kind of resource: how it is declared, recognised and compared. Pure."""

    name: ClassVar[str]
    role: ClassVar[str]
    #: fields that AWS cannot change in place
    replaced_by: ClassVar[frozenset[str]] = frozenset()
    #: field that AWS cannot change in place -> fields that make no sense without it
    replaced_with: ClassVar[Mapping[str, frozenset[str]]] = MappingProxyType({})
    #: IAM actions that writing takes, for the role's README and for errors
    writes: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        """Every declared resource of this kind."""

    @abstractmethod
    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        """Every observed resource of this kind."""

    @abstractmethod
    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        """The live resource that ``want`` declares."""

    @abstractmethod
    def fields(self, live: Live, context: Context) -> Fields:
        """The live resource in the terms of the declaration; references by declared name."""

    def replaces(self, change: FieldChange) -> bool:
        """Whether this change takes a new resource."""
        return change.field in self.replaced_by

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange]) -> Iterable[str]:
        """Consequences of an action that its fields do not show."""
        return ()


def only(kind: str, name: str, candidates: Sequence[Live]) -> Live | None:
    """The one candidate; an error when there are several, for choosing would be guessing."""
    if len(candidates) > 1:
        ids = ", ".join(candidate.id for candidate in candidates)
        raise PlatformError(
            f"{len(candidates)} live resources answer to the declared {kind} {name}: {ids}.\n"
            "Rename or remove all but one in the account (or declare its id, where the entry has `id`)."
        )
    return candidates[0] if candidates else None


def tags_of(raw: Mapping[str, Any]) -> dict[str, str]:
    """AWS's list of Key and Value as a mapping."""
    return {tag["Key"]: tag["Value"] for tag in raw.get("Tags") or []}


def tag_fields(tags: Mapping[str, str]) -> Fields:
    """Tags as fields of their own, so that undeclared ones are left alone."""
    return {f"tags.{key}": value for key, value in tags.items()}


def called(raw: Mapping[str, Any]) -> str:
    """The tag Name, empty when there is none."""
    return tags_of(raw).get("Name", "")


def label(live_id: str, name: str) -> str:
    """How a live resource is shown to a person."""
    return f"{name} ({live_id})" if name and name != live_id else live_id


def declared(entry: Mapping[str, Any], *keys: str) -> Fields:
    """The fields that the entry declares, of those named."""
    return {key: entry[key] for key in keys if entry.get(key) is not None}


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(policy: Mapping[str, Any] | str | None) -> list[str]:
    """A policy document as sorted one-line statements: comparable, and readable as added and removed lines."""
    if not policy:
        return []
    document = json.loads(policy) if isinstance(policy, str) else policy
    lines = []
    for statement in _as_list(document.get("Statement", [])):
        normal = dict(statement)
        for key in ("Action", "Resource"):
            if key in normal:
                normal[key] = sorted(_as_list(normal[key]))
        for key in ("Condition", "Principal"):
            if isinstance(normal.get(key), dict):
                normal[key] = json.loads(json.dumps(normal[key], sort_keys=True))
        lines.append(json.dumps(normal, sort_keys=True))
    return sorted(lines)


def policy(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """A policy document of these statements."""
    return {"Version": "2012-10-17", "Statement": [dict(part) for part in parts]}
