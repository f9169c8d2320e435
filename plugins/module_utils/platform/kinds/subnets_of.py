"""What route tables and network ACLs have in common: a subnet uses one of each."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence

from ..engine.context import Context
from ..engine.model import Desired, Live
from .base import Kind, called, label, only
from .vpcs import in_vpc


def associated(live: Live) -> set[str]:
    """Ids of the subnets that are associated with it."""
    return {item["SubnetId"] for item in live.raw.get("Associations", []) if item.get("SubnetId")}


def named_subnets(kind: Kind, live: Live, subnets: Container[str], context: Context) -> list[str]:
    """Those that its own entry names: any other subnet stays until an entry names it."""
    entry = context.declaration.entries(kind.variable).get(context.name(kind.name, live.id), {})
    return sorted(name for name in entry.get("subnets", []) if context.id("subnet", name) in subnets)


def by_name_or_subnets(
    kind: Kind, want: Desired, live: Sequence[Live], context: Context, guarded: Mapping[str, set[str]]
) -> Live | None:
    """By VPC and Name, else the one that all its declared subnets use already, and those of no other entry."""
    inside = in_vpc(want, live, context)
    named = [item for item in inside if called(item.raw) == want.name]
    names = {called(item.raw) for item in inside}
    entries = context.declaration.entries(kind.variable).items()
    # One that several entries could mean, such as the main table, is none of them. Whose Name is there needs no other.
    others = {item for name, entry in entries if name not in names for item in entry.get("subnets", [])}
    # Existing ones only: a missing subnet must not hide the table of the others.
    ids, taken = (
        {found for name in subnets if (found := context.id("subnet", name))}
        for subnets in (want.entry.get("subnets", []), others - set(want.entry.get("subnets", [])))
    )
    declared = {name for name, _ in entries if name != want.name}
    users = [
        item
        for item in inside
        if ids and ids <= guarded[item.id] and not guarded[item.id] & taken and called(item.raw) not in declared
    ]
    return only(kind.name, want.name, named or users)


def subnet_labels(subnets: Iterable[str], context: Context) -> str:
    """Subnets as a sentence names them: declared name or Name, and id."""
    names = {raw["SubnetId"]: called(raw) for raw in context.observation["subnets"]}
    texts = [
        label(item, context.name("subnet", item) if context.knows("subnet", item) else names.get(item, ""))
        for item in subnets
    ]
    return f"subnet {', '.join(sorted(texts))}"
