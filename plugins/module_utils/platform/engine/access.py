"""What a kind asks of AWS, as data: calls that read, calls that write, and the rights they need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .declaration import Declaration

Arguments = Mapping[str, Any]
#: of a policy's statement: operator -> key -> value or values
Condition = Mapping[str, Mapping[str, Any]]
#: where an answer goes below a subject of the snapshot, and the arguments of the call
Requests = Iterable[tuple[tuple[str, ...], Arguments]]


def at(path: str) -> Callable[[Any], Any]:
    """A function that returns the list at ``path`` of an answer, e.g. ``DistributionList.Items``; empty when absent."""
    steps = path.split(".")

    def value(answer: Any) -> Any:
        for step in steps:
            # For an empty list the answer may have no mapping at all.
            answer = (answer or {}).get(step)
        return answer or []

    return value


@dataclass(frozen=True)
class Scope:
    """A statement of its own in the operator's policy, for a right that is narrower than those of its role.

    resources: ARNs, from the declaration. condition: as IAM writes it, or from the declaration.
    """

    sid: str
    resources: Callable[[Declaration], Iterable[str]]
    condition: Condition | Callable[[Declaration], Condition] = field(default_factory=dict)

    def condition_for(self, declaration: Declaration) -> Condition:
        """The condition of the statement; empty when there is none."""
        return self.condition(declaration) if callable(self.condition) else self.condition


@dataclass(frozen=True, kw_only=True)
class Call:
    """One API call that reads.

    into: the subject of the snapshot that gets the answer. value: what is kept of the answer.
    region: where it is called, if not in the declared region.
    absent: error codes that mean "does not exist"; the answer is then an empty mapping.
    told: error codes that tell something; the answer is then ``{"Code": code}``.
    paged: False for a call whose first page is enough.
    action: the IAM action, when it is not named like the operation. scope: see ``Scope``.
    """

    service: str
    operation: str
    into: str
    value: Callable[[Any], Any]
    region: str = ""
    absent: frozenset[str] = frozenset()
    told: frozenset[str] = frozenset()
    paged: bool = True
    action: str = ""
    scope: Scope | None = None


@dataclass(frozen=True, kw_only=True)
class Detail(Call):
    """A call for each item that an earlier answer names.

    each: from the declaration and that answer, where the value goes below ``into``, and the arguments.
    """

    each: Callable[[Declaration, Any], Requests]


@dataclass(frozen=True, kw_only=True)
class Read(Call):
    """A call that is made once. For an empty account the snapshot has its value of an empty answer.

    arguments: fixed, or from the declaration; None means that the declaration does not need the call.
    then: calls that the answer asks for.
    """

    arguments: Arguments | Callable[[Declaration], Arguments | None] = field(default_factory=dict)
    then: tuple[Detail, ...] = ()

    def arguments_for(self, declaration: Declaration) -> Arguments | None:
        """The arguments of the call; None when it is not needed."""
        return self.arguments(declaration) if callable(self.arguments) else self.arguments


@dataclass(frozen=True)
class Write:
    """An IAM action that the role's modules use, and the part of the plan that announces it.

    fields: patterns; only a change that matches one makes this call. Empty: any change may.
    creates: it is the call that creates the resource, made once for each.
    operations: what the API and its request log call it (``service:Operation``), when not like the action.
    scope: see ``Scope``.
    """

    action: str
    fields: tuple[str, ...] = ()
    creates: bool = False
    operations: tuple[str, ...] = ()
    scope: Scope | None = None

    @property
    def calls(self) -> tuple[str, ...]:
        """Operations as the request log names them."""
        return self.operations or (self.action,)


@dataclass(frozen=True, kw_only=True)
class Removal:
    """One call on the way to the end of a resource.

    absent: error codes that mean that it has been made already.
    etag_from: operation that returns the ``ETag`` to send as ``IfMatch``; it is called with the same ``Id``.
    wait: a waiter of boto3 that has to end before the next call, and its arguments.
    """

    service: str
    operation: str
    arguments: Arguments
    region: str = ""
    absent: frozenset[str] = frozenset()
    etag_from: str = ""
    wait: tuple[str, Arguments] | None = None
