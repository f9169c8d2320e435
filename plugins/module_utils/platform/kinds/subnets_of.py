"""What route tables and network ACLs have in common: a subnet uses one of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..engine.context import Context
from ..engine.model import Desired, Live
from .base import called, label, only
from .vpcs import in_vpc


def associated(live: Live) -> set[str]:
    """Ids of the subnets that are associated with it."""
    return {item["SubnetId"] for item in live.raw.get("Associations", []) if item.get("SubnetId")}


def declared_names(subnets: Iterable[str], context: Context) -> list[str]:
    """Names of those subnets that are declared: subnets made by hand are left as they are."""
    return sorted(context.name("subnet", item) for item in subnets if context.knows("subnet", item))


def by_name_or_subnets(
    kind: str, want: Desired, live: Sequence[Live], context: Context, guarded: Mapping[str, set[str]]
) -> Live | None:
    """By VPC and Name, else the one that all its declared subnets use already."""
    inside = in_vpc(want, live, context)
    named = [item for item in inside if called(item.raw) == want.name]
    # Existing ones only: a missing subnet must not hide the table of the others.
    ids = {found for name in want.entry.get("subnets", []) if (found := context.id("subnet", name))}
    users = [item for item in inside if ids and ids <= guarded[item.id]]
    return only(kind, want.name, named or users)


def subnet_labels(subnets: Iterable[str], context: Context) -> str:
    """Subnets as a sentence names them: declared name or Name, and id."""
    names = {raw["SubnetId"]: called(raw) for raw in context.observation["subnets"]}
    texts = [
        label(item, context.name("subnet", item) if context.knows("subnet", item) else names.get(item, ""))
        for item in subnets
    ]
    return f"subnet {', '.join(sorted(texts))}"
