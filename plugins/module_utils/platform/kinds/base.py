"""What every kind of resource answers, and the helpers they share."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

from ..engine.access import Read, Removal, Write
from ..engine.context import Context
from ..engine.cost import Usage
from ..engine.declaration import Declaration
from ..engine.errors import PlatformError, Problem
from ..engine.formats import Format
from ..engine.model import Action, Desired, FieldChange, Fields, Live, Registry

Observation = Mapping[str, Any]
#: whether a declared resource, by kind and name, is removed as well
Goes = Callable[[str, str], bool]

#: the region that answers for global services
GLOBAL_REGION = "us-east-1"


class Kind(ABC):
    """Everything known about one kind of resource. Pure: the engine carries out what it declares.

    A kind without a variable is derived from the entries of another kind.
    """

    name: ClassVar[str]
    #: the role that applies it, and the service (as botocore names it) that its modules call
    role: ClassVar[str]
    service: ClassVar[str]

    # --- The declaration: what an entry may hold is in the role's meta/argument_specs.yml
    #: the variable that holds its entries, by name, and the entry point that describes one
    variable: ClassVar[str] = ""
    entry_point: ClassVar[str] = ""
    #: field of an entry that is keyed by name itself -> entry point
    nested: ClassVar[Mapping[str, str]] = MappingProxyType({})
    #: the variable with defaults for each entry
    defaults: ClassVar[str] = ""
    #: field (e.g. ``routes.*.internet_gateway``) -> the kind whose names it uses
    refers: ClassVar[Mapping[str, str]] = MappingProxyType({})
    #: field (e.g. ``ingress.*.cidrs``; ``ingress.@`` for the keys of a mapping, "" for the entry's name) -> its format
    shapes: ClassVar[Mapping[str, Format]] = MappingProxyType({})
    #: the same for variables without entries
    variables: ClassVar[Mapping[str, Format]] = MappingProxyType({})
    #: attributes that others may refer to, as ``${kind:name:attribute}``
    offers: ClassVar[tuple[str, ...]] = ("id",)

    # --- The account
    #: whether every account has it, so that it is changed but never created
    everywhere: ClassVar[bool] = False
    reads: ClassVar[tuple[Read, ...]] = ()
    #: fields that AWS cannot change in place
    replaced_by: ClassVar[frozenset[str]] = frozenset()
    #: field that AWS cannot change in place -> fields that make no sense without it
    replaced_with: ClassVar[Mapping[str, frozenset[str]]] = MappingProxyType({})

    # --- Adoption: how the declaration follows the account (engine/adopt.py)
    #: why nothing of this kind is adopted by itself; empty where it is
    follows: ClassVar[str] = ""
    #: the variable that gets new entries, where `variable` is made of others
    additions: ClassVar[str] = ""
    #: the variable that is the only entry, where there is no variable with entries
    settings: ClassVar[str] = ""
    #: whether it is declared by keys of an entry of another kind
    partial: ClassVar[bool] = False
    #: compared field (a pattern) -> the keys of an entry that say it, where they have another name; none: nothing does
    said_by: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType({})

    # --- Removal: what playbooks/destroy.yml does (engine/destroy.py)
    #: IAM actions that removing takes, besides those of `writes`
    removes: ClassVar[tuple[str, ...]] = ()
    #: what has to be known of the account before anything is removed, besides `reads`
    removal_reads: ClassVar[tuple[Read, ...]] = ()
    #: kinds that come after this one in the order of the kinds, and are removed after it all the same
    removed_before: ClassVar[frozenset[str]] = frozenset()

    # --- Rights
    writes: ClassVar[tuple[Write, ...]] = ()
    #: patterns of the reads that its modules make, on any resource
    module_reads: ClassVar[tuple[str, ...]] = ()
    #: reads that its modules make only on the resources that they write
    write_reads: ClassVar[tuple[str, ...]] = ()
    #: the playbook with which an administrator writes it, where operators must not; its writes are in
    #: docs/iam-policy-administrator.json
    administered: ClassVar[str] = ""
    #: the action that each HEAD of its modules takes: the answer has no body, so AWS does not say what it has refused
    heads: ClassVar[Mapping[str, str]] = {}
    #: actions that the operator's policy denies, whatever another policy allows
    denied: ClassVar[tuple[str, ...]] = ()
    #: whether writes go to the declared region only
    regional: ClassVar[bool] = True
    #: keys of an entry whose values appear in calls about the resource, besides its name and known attributes
    identified_by: ClassVar[tuple[str, ...]] = ()

    def resources(self, declaration: Declaration) -> Sequence[str]:
        """ARNs to which writes without a scope of their own may be narrowed."""
        return ("*",)

    def check(self, declaration: Declaration) -> Iterable[Problem]:
        """What is wrong in the declaration, beyond types and references."""
        return ()

    def check_account(self, declaration: Declaration, observation: Observation) -> Iterable[Problem]:
        """Problems that only the account shows."""
        return ()

    def facts(self, observation: Observation) -> Registry:
        """What the roles need to know besides the resources themselves."""
        return {}

    def identities(self, action: Action, registry: Registry) -> set[str]:
        """Texts, one of which is in every call about this resource; ``registry``: what is known afterwards."""
        known = registry.get(self.name, {}).get(action.name, {})
        found = [action.name, action.id, *known.values(), *(action.entry.get(key) for key in self.identified_by)]
        return {str(text) for text in found if isinstance(text, str) and text}

    def bucket_statements(self, declaration: Declaration, bucket: str) -> Iterable[dict[str, Any]]:
        """Statements that this kind needs in the policy of a bucket."""
        return ()

    @abstractmethod
    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        """Every declared resource of this kind."""

    def settled(self, want: Desired, context: Context) -> Desired:
        """The desired resource with what only the account can tell, e.g. the region of a bucket that is there."""
        return want

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
        """Whether this change needs a new resource."""
        return change.field in self.replaced_by

    def entry_name(self, live: Live, context: Context) -> str:
        """What a live resource is called when it is declared (``Desired.name``)."""
        return live.id

    def declared_at(self, name: str, live: Live, context: Context) -> tuple[str, ...]:
        """The variable, and the keys inside it, where a resource of this name is or would be declared."""
        return (self.settings,) if self.settings else (self.variable, name)

    def said(self, name: str, live: Live, context: Context) -> Fields:
        """What an entry says of a live resource, as far as its keys are not the compared fields.

        None for a key that cannot say it, and that is left out or null. Raises UndeclarableError.
        """
        return {}

    def billed(self, name: str, fields: Fields, live: Live | None, context: Context) -> Iterable[Usage]:
        """What it is billed for while it has these fields.

        name: as it is declared; empty for what is not. live: None before it exists.
        """
        return ()

    @property
    def bills(self) -> bool:
        """Whether anything of this kind is billed."""
        return type(self).billed is not Kind.billed

    def spared(self, want: Desired, live: Live | None, context: Context) -> Iterable[Usage]:
        """What else ends being billed once it is as it is declared, and is no part of another resource's `billed`."""
        return ()

    def belongs_to(self, want: Desired, context: Context) -> tuple[str, str] | None:
        """Kind and name of the declared resource with which it comes and goes."""
        return None

    def kept(self, want: Desired, live: Live, context: Context, goes: Goes) -> Iterable[str]:
        """Why it must not be removed. goes: whether a declared resource, by kind and name, is removed as well."""
        return ()

    def removal(self, want: Desired, live: Live, context: Context) -> Iterable[Removal]:
        """The calls that remove it, in their order."""
        raise NotImplementedError(self.name)

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange], context: Context) -> Iterable[str]:
        """Consequences of an action that its fields do not show, and what it takes from others, each by name.

        live: None when it is created. ``context.live`` and ``context.observation`` have the neighbours.
        """
        return ()


#: how EC2 resources are tagged
EC2_TAGS = Write("ec2:CreateTags", ("tags.*",))


class Ec2Kind(Kind):
    """A kind of the EC2 API."""

    service = "ec2"
    # A plan that creates something may ask for the quota.
    module_reads: ClassVar[tuple[str, ...]] = ("ec2:Describe*", "servicequotas:GetServiceQuota")

    def entry_name(self, live: Live, context: Context) -> str:
        return called(live.raw) or live.id


def only(kind: str, name: str, candidates: Sequence[Live]) -> Live | None:
    """The one candidate; an error if there are several, because choosing would be guessing."""
    if len(candidates) > 1:
        ids = ", ".join(candidate.id for candidate in candidates)
        raise PlatformError(
            f"{len(candidates)} live resources match the declared {kind} {name}: {ids}.\n"
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
    """Those of the named fields that the entry declares."""
    return {key: entry[key] for key in keys if entry.get(key) is not None}


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _words(value: Any) -> Any:
    """One or several words of a policy: AWS takes a list of one for the word, in any order."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        words = sorted({str(_words(item)) for item in value})
        return words[0] if len(words) == 1 else words
    return value if isinstance(value, dict) else str(value)


def _principals(value: Any) -> Any:
    """Principals by their kind; AWS keeps the number of an account as the ARN of its root."""
    if not isinstance(value, dict):
        return value
    found = {}
    for kind, who in value.items():
        names = [f"arn:aws:iam::{name}:root" if re.fullmatch(r"\d{12}", str(name)) else name for name in _as_list(who)]
        found[kind] = _words(names)
    return found


def statements(policy: Mapping[str, Any] | str | None) -> list[str]:
    """A policy document as sorted one-line statements: comparable, and readable as added and removed lines.

    What AWS takes for the same is written in the same way. A line of its own has what the document says beside its
    statements, such as an Id or the old version of the language.
    """
    if not policy:
        return []
    document = json.loads(policy) if isinstance(policy, str) else policy
    lines = []
    for statement in _as_list(document.get("Statement", [])):
        normal = dict(statement)
        for key in ("Action", "NotAction", "Resource", "NotResource"):
            if key in normal:
                normal[key] = sorted(set(_as_list(normal[key])))
        for key in ("Principal", "NotPrincipal"):
            if key in normal:
                normal[key] = _principals(normal[key])
        if isinstance(normal.get("Condition"), dict):
            normal["Condition"] = {
                operator: {key: _words(value) for key, value in conditions.items()}
                for operator, conditions in normal["Condition"].items()
            }
        lines.append(json.dumps(normal, sort_keys=True))
    # Without a version AWS reads a document in the language of 2008, which has no variables.
    beside = {"Version": "2008-10-17"} | {key: value for key, value in document.items() if key != "Statement"}
    if beside.get("Version") == POLICY_VERSION:
        del beside["Version"]
    if beside:
        lines.append(json.dumps(beside, sort_keys=True))
    return sorted(lines)


#: the version of the language in which policies are written here
POLICY_VERSION = "2012-10-17"


def policy(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """A policy document of these statements."""
    return {"Version": POLICY_VERSION, "Statement": [dict(part) for part in parts]}


def ec2_call(
    operation: str, *absent: str, wait: tuple[str, Mapping[str, Any]] | None = None, **arguments: Any
) -> Removal:
    """A call of EC2 that removes something. absent: what EC2 says when it is gone."""
    return Removal(service="ec2", operation=operation, arguments=arguments, absent=frozenset(absent), wait=wait)


def instance_names(observation: Observation) -> dict[str, str]:
    """Name, or id, of every instance that is there, by id."""
    gone = ("shutting-down", "terminated")
    alive = (raw for raw in observation["instances"] if raw["State"]["Name"] not in gone)
    return {raw["InstanceId"]: called(raw) or raw["InstanceId"] for raw in alive}
