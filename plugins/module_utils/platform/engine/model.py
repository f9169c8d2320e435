"""The records that planning works on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cost import Bill
    from .looked import Looked
    from .snapshot import Snapshot

#: snake_case field name -> comparable value. Nested settings are flat, e.g. ``metadata.http_tokens``.
Fields = dict[str, Any]


@dataclass(frozen=True)
class Desired:
    """One declared resource.

    name: its key in the declaration (or derived from it, as an alarm's from its instance).
    entry: the declared entry, validated and with defaults, as the roles' tasks use it.
    fields: what is compared with the live resource; a field that is not declared is absent.
    note: a remark for the plan when the resource has to be created.
    """

    name: str
    entry: dict[str, Any]
    fields: Fields
    note: str = ""


@dataclass(frozen=True)
class Live:
    """One observed resource.

    id: what AWS calls it. label: how to show it to a person. raw: the API's answer.
    attributes: what other resources may refer to (``id``, ``arn``, ``domain_name`` ...).
    listed: whether it is worth listing when nothing declares it (AWS's own defaults are not).
    """

    id: str
    label: str
    raw: dict[str, Any]
    attributes: dict[str, Any] = field(default_factory=dict)
    listed: bool = True


@dataclass(frozen=True)
class FieldChange:
    """One field: what it is, what it should be."""

    field: str
    before: Any
    after: Any

    def as_dict(self) -> dict[str, Any]:
        """JSON-serialisable form."""
        return {"field": self.field, "before": self.before, "after": self.after}


@dataclass(frozen=True)
class Action:
    """What the plan wants done (``create``, ``change``), or only says (``replace``, ``unmanaged``)."""

    action: str
    kind: str
    role: str
    name: str
    id: str | None = None
    entry: dict[str, Any] = field(default_factory=dict)
    desired: Fields = field(default_factory=dict)
    changes: tuple[FieldChange, ...] = ()
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-serialisable form, as the roles and saved plans have it."""
        return {
            "action": self.action,
            "kind": self.kind,
            "role": self.role,
            "name": self.name,
            "id": self.id,
            "entry": self.entry,
            "desired": self.desired,
            "changes": [change.as_dict() for change in self.changes],
            "note": self.note,
        }


#: kind -> name -> attribute -> value: what is known of the live platform, by declared name.
Registry = dict[str, dict[str, dict[str, Any]]]


class Peculiar(str):
    """A warning that is always true of a local stand-in for AWS, where nobody can do anything about it.

    about: what it is about, in the plural.
    """

    about: str

    def __new__(cls, text: str, about: str) -> Peculiar:
        self = super().__new__(cls, text)
        self.about = about
        return self


@dataclass(frozen=True)
class Plan:
    """Ordered actions, what is known by name, and remarks that call for a person.

    kinds: names of all kinds, by which references are told from other text.
    looked: what was compared of each kind; empty unless it was asked for.
    declared, observed: what the plan follows from, see ``snapshot``; empty unless they were asked for.
    stand_in: whether the account is that of a local stand-in.
    bills: what is billed, of what is declared and of what is not.
    paths: what the plan opens and closes, a line each.
    """

    account: str
    region: str
    actions: tuple[Action, ...]
    registry: Registry
    warnings: tuple[str, ...] = ()
    kinds: frozenset[str] = frozenset()
    looked: tuple[Looked, ...] = ()
    declared: Snapshot = field(default_factory=dict)
    observed: Snapshot = field(default_factory=dict)
    stand_in: bool = False
    bills: tuple[Bill, ...] = ()
    paths: tuple[str, ...] = ()

    def of(self, *kinds_of_action: str) -> list[Action]:
        """The actions of these kinds (``create``, ``change``, ``replace``, ``unmanaged``)."""
        return [action for action in self.actions if action.action in kinds_of_action]

    @property
    def writes(self) -> list[Action]:
        """What provisioning would do."""
        return self.of("create", "change")

    def as_dict(self) -> dict[str, Any]:
        """JSON-serialisable form."""
        counts = {kind: len(self.of(kind)) for kind in ("create", "change", "replace", "unmanaged")}
        return {
            "account": self.account,
            "region": self.region,
            "counts": counts,
            "actions": [action.as_dict() for action in self.actions],
            "registry": self.registry,
            "warnings": list(self.warnings),
            "paths": list(self.paths),
            "looked": [item.as_dict() for item in self.looked],
        }
