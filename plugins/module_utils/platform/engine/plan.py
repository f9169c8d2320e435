"""Declaration and observation in, ordered actions out. Pure: the same input gives the same plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .catalogue import Catalogue
from .context import Context
from .cost import Bill
from .declaration import Declaration
from .errors import PlatformError
from .looked import Looked, looked
from .model import Action, Desired, FieldChange, Live, Plan
from .refs import resolve
from .snapshot import Snapshot

if TYPE_CHECKING:
    from ..kinds.base import Kind


def _matches(kind: Kind, wanted: Sequence[Desired], live: Sequence[Live], context: Context) -> dict[str, Live]:
    """Live resources by declared name, remembered in the context for the kinds that follow."""
    matched: dict[str, Live] = {}
    owners: dict[str, str] = {}
    for want in wanted:
        found = kind.match(want, live, context)
        if found is not None:
            if found.id in owners:
                raise PlatformError(
                    f"The declared {kind.name} {owners[found.id]} and {want.name} are the same live resource, "
                    f"{found.label}, and would change it in turn.\n"
                    "Declare one of them, or give each its own in the account (by its name, or `id`)."
                )
            owners[found.id] = want.name
            matched[want.name] = found
            context.add(kind.name, want.name, found)
    return matched


def _in_order(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value


def _compare(kind: Kind, want: Desired, live: Live, context: Context) -> list[FieldChange]:
    """Declared fields whose live value differs, in the order of the declaration."""
    observed = kind.fields(live, context)
    changes = []
    for field, value in want.fields.items():
        after = resolve(value, context.registry)
        before = observed.get(field)
        # Lists are compared as sets, and shown in their own order.
        if _in_order(before) != _in_order(after):
            changes.append(FieldChange(field, before, after))
    return changes


def _bill(
    kind: Kind,
    want: Desired,
    live: Live | None,
    changes: Sequence[FieldChange],
    fixed: Collection[str],
    context: Context,
) -> Bill:
    """What a declared resource is billed for. fixed: fields that differ and that no run changes."""
    now = kind.fields(live, context) if live else {}
    planned = now | {change.field: change.after for change in changes if change.field not in fixed}
    wanted = planned | {change.field: change.after for change in changes if change.field in fixed}
    was, becomes, should = (tuple(kind.billed(want.name, fields, live, context)) for fields in (now, planned, wanted))
    return Bill(
        kind.name, want.name, True, (*(was if live else ()), *kind.spared(want, live, context)), becomes, should
    )


def _actions(kind: Kind, want: Desired, live: Live | None, context: Context) -> Iterable[Action]:
    if live is None:
        desired = resolve(want.fields, context.registry)
        # None declares that something must not be there.
        everything = tuple(FieldChange(field, None, value) for field, value in desired.items() if value is not None)
        context.warnings += kind.warn(want, None, everything, context)
        if kind.bills:
            context.bills.append(_bill(kind, want, None, everything, (), context))
        yield Action("create", kind.name, kind.role, want.name, None, want.entry, desired, everything, want.note)
        return
    changes = _compare(kind, want, live, context)
    context.warnings += kind.warn(want, live, changes, context)
    fixed = {change.field for change in changes if kind.replaces(change)}
    fixed |= {field for lead in fixed for field in kind.replaced_with.get(lead, ())}
    if kind.bills:
        context.bills.append(_bill(kind, want, live, changes, fixed, context))
    for action, replaces in (("change", False), ("replace", True)):
        part = tuple(change for change in changes if (change.field in fixed) is replaces)
        if part:
            yield Action(action, kind.name, kind.role, want.name, live.id, want.entry, dict(want.fields), part)


def plan(
    declaration: Declaration,
    observation: Mapping[str, Any],
    kinds: Catalogue,
    *,
    with_looked: bool = False,
    with_seen: bool = False,
) -> Plan:
    """The actions that turn the observed account into the declared one, in the order in which they can be done.

    with_looked: also say how much of each kind was compared. with_seen: also say what the plan follows from.
    """
    return plan_in(Context(declaration, observation), kinds, with_looked=with_looked, with_seen=with_seen)


def plan_in(context: Context, kinds: Catalogue, *, with_looked: bool = False, with_seen: bool = False) -> Plan:
    """The same with a new context, which afterwards knows what was recognised as what."""
    declaration, observation = context.declaration, context.observation
    for kind in kinds:
        context.registry |= kind.facts(observation)
    actions: list[Action] = []
    strays: list[Action] = []
    compared: list[Looked] = []
    declared: Snapshot = {}
    observed: Snapshot = {}
    for kind in kinds:
        context.live[kind.name] = live = list(kind.live(observation, context))
        wanted = [kind.settled(want, context) for want in kind.desired(declaration)]
        matched = _matches(kind, wanted, live, context)
        for want in wanted:
            actions += _actions(kind, want, matched.get(want.name), context)
        if with_looked and matched:
            compared.append(looked(kind, list(matched.values()), context))
        if with_seen:
            declared[kind.name] = {want.name: {"fields": want.fields, "entry": want.entry} for want in wanted}
            names = {item.id: name for name, item in matched.items()}
            observed[kind.name] = {
                item.id: {"name": names.get(item.id, item.label), "fields": kind.fields(item, context)} for item in live
            }
        taken = {item.id for item in matched.values()}
        others = [item for item in sorted(live, key=lambda item: item.label) if item.listed and item.id not in taken]
        strays += [Action("unmanaged", kind.name, kind.role, item.label, item.id) for item in others]
        for item in others if kind.bills else ():
            usages = tuple(kind.billed("", kind.fields(item, context), item, context))
            context.bills.append(Bill(kind.name, item.label, False, usages, usages, usages))
    return Plan(
        account=declaration.account,
        region=declaration.region,
        actions=(*actions, *strays),
        registry=context.registry,
        warnings=tuple(context.warnings),
        kinds=kinds.names,
        looked=tuple(compared),
        declared=declared,
        observed=observed,
        bills=tuple(context.bills),
    )
