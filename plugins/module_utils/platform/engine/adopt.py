"""What the declaration has to say so that it follows the account: the inverse of planning. Names no kind; pure.

A field that is called like a key of the entry is that key. What is not the same is said by the kind (``Kind.said``),
beside what it compares. Whether it was right is not assumed: the caller plans again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from .catalogue import Catalogue
from .context import Context
from .declaration import COMMON, Declaration
from .errors import PlatformError, UndeclarableError
from .model import Action, FieldChange, Live, Plan
from .schema import Specs, check

if TYPE_CHECKING:
    from ..kinds.base import Kind

#: a key that the entry does without
ABSENT = object()


class Seen(NamedTuple):
    """A declaration, and the account as it looks from there."""

    declaration: Declaration
    plan: Plan
    context: Context


#: observe and plan for these variables, valid or not
Look = Callable[[Mapping[str, Any]], Seen]


@dataclass(frozen=True)
class Target:
    """A live resource that the declaration is to follow.

    name: how it is, or will be, declared. changes: where a declared one differs; empty for one that nothing declares.
    """

    kind: Kind
    name: str
    live: Live
    changes: tuple[FieldChange, ...] = ()

    @property
    def text(self) -> str:
        """As the plan names it."""
        return f"{self.kind.name} {self.name}"


class Edit(NamedTuple):
    """A value of the declaration: the variable, keys inside it, and what is there; ABSENT takes a key away."""

    path: tuple[str, ...]
    value: Any


# -- what may be adopted ------------------------------------------------------------------------------------------


def strays(seen: Seen, kinds: Catalogue) -> list[Target]:
    """Everything that the plan lists as undeclared."""
    found = []
    for action in seen.plan.of("unmanaged"):
        kind = kinds.named(action.kind)
        live = next(item for item in seen.context.live[kind.name] if item.id == action.id)
        found.append(Target(kind, kind.entry_name(live, seen.context), live))
    return found


def chosen(what: str, seen: Seen, kinds: Catalogue) -> Target:
    """The resource that ``what`` names as the plan does: its kind, and its name, id or both."""
    word, _, rest = what.strip().partition(" ")
    if word not in kinds.names:
        raise PlatformError(
            f"`{word}` is not a kind of resource.\nWrite kind and name as the plan does, in quotes. "
            f"Kinds: {', '.join(sorted(kinds.names))}"
        )
    kind, rest = kinds.named(word), rest.strip()
    live = seen.context.live[kind.name]
    same = [item for item in live if rest in (item.id, item.label) or item.label.startswith(f"{rest} (")]
    same = same or [item for item in live if rest == kind.entry_name(item, seen.context)]
    declared = seen.context.found(kind.name, rest)
    if declared is not None:
        return Target(kind, rest, declared, _changes(seen.plan, kind.name, rest))
    if len(same) > 1:
        names = ", ".join(f"`{kind.name} {item.id}`" for item in same)
        raise PlatformError(f"{len(same)} resources are called {rest}. Name one of them by its id: {names}")
    if not same:
        raise PlatformError(f"The account has no {kind.name} {rest}, so there is nothing to adopt.{_near(rest, live)}")
    (found,) = same
    if seen.context.knows(kind.name, found.id):
        name = seen.context.name(kind.name, found.id)
        return Target(kind, name, found, _changes(seen.plan, kind.name, name))
    return Target(kind, kind.entry_name(found, seen.context), found)


def _near(name: str, live: Iterable[Live]) -> str:
    from .options import nearest

    near = nearest(name, [item.label for item in live])
    return f" Is `{near}` meant?" if near else ""


def _changes(plan: Plan, kind: str, name: str) -> tuple[FieldChange, ...]:
    actions = (item for item in plan.of("change", "replace") if (item.kind, item.name) == (kind, name))
    return tuple(change for action in actions for change in action.changes)


# -- what the declaration has to say ------------------------------------------------------------------------------


def follow(raw: Mapping[str, Any], targets: Sequence[Target], look: Look, kinds: Catalogue, specs: Specs) -> list[Edit]:
    """The edits after which the targets are as declared. Raises UndeclarableError.

    What AWS tells of a resource may depend on its being declared, and how it is named on others that are adopted with
    it. So the entries are made twice: the second time from what the account tells of them once they are declared.
    """
    edits: list[Edit] = []
    for _ in range(2):
        seen = look(applied(raw, edits))
        for target in targets:
            if not target.changes:
                seen.context.add(target.kind.name, target.name, target.live)
        edits = []
        for target in sorted(targets, key=lambda item: list(kinds).index(item.kind)):
            live = next(
                (item for item in seen.context.live[target.kind.name] if item.id == target.live.id), target.live
            )
            known = applied(raw, edits)
            edits += _edits(Target(target.kind, target.name, live, target.changes), known, seen, kinds, specs)
    return edits


def _edits(target: Target, raw: Mapping[str, Any], seen: Seen, kinds: Catalogue, specs: Specs) -> Iterator[Edit]:
    kind, context = target.kind, seen.context
    if kind.follows:
        raise UndeclarableError(f"{target.text}: {kind.follows}")
    options = _options(kind, specs)
    try:
        where = kind.declared_at(target.name, target.live, context)
        entry = entry_of(kind, target.name, target.live, context, options)
    except UndeclarableError as error:
        raise UndeclarableError(f"{target.text}: {error}") from error
    there = _value(raw, where)
    under = seen.declaration.value(kind.defaults, {}) if kind.defaults else {}
    if target.changes:
        yield from _differing(target, where, entry, there, under, options)
        return
    if kind.partial:
        yield from (Edit((*where, key), value) for key, value in entry.items())
        return
    if there is not None:
        raise UndeclarableError(
            f"{target.text}: {'.'.join(where)} is declared already, for something else in the account.\n"
            f"Give {target.live.label} another Name there, or the entry."
        )
    lacking = [key for key, option in options.items() if option.get("required") and entry.get(key) is None]
    if lacking and not all(key in under for key in lacking):
        raise UndeclarableError(
            f"{target.text}: the account does not tell its {', '.join(lacking)}, which has to be declared"
        )
    entry = needed(entry, under, options)
    yield Edit(where, entry)
    if "tags" in options:
        own = declaration_in(applied(raw, [Edit(where, entry)]), specs, kinds, seen.declaration.account)
        yield from _tags(target, where, own, seen.context)


def _options(kind: Kind, specs: Specs) -> Mapping[str, Mapping[str, Any]]:
    """The options of an entry; of a kind that is a variable by itself, those of that variable."""
    role = specs[kind.role]
    if kind.entry_point:
        return role[kind.entry_point]
    found = role["main"].get(kind.settings, {}).get("options", {}) if kind.settings else {}
    return dict(found)


def entry_of(
    kind: Kind, name: str, live: Live, context: Context, options: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Everything that an entry can say of a live resource, besides its tags. None: it should not say it."""
    fields = kind.fields(live, context)
    entry: dict[str, Any] = {}
    for key, option in options.items():
        inner = {name: fields[f"{key}.{name}"] for name in option.get("options") or {} if f"{key}.{name}" in fields}
        if key in fields:
            entry[key] = fields[key]
        elif inner:
            entry[key] = inner
    said = kind.said(name, live, context)
    for key, value in said.items():
        both = isinstance(value, Mapping) and isinstance(entry.get(key), Mapping)
        entry[key] = {**entry[key], **value} if both else value
    return {key: entry[key] for key in sorted(entry, key=list(options).index)} if options else entry


def needed(entry: Mapping[str, Any], under: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Those keys of an entry that its defaults do not say already; null for a default that does not hold."""
    found: dict[str, Any] = {}
    for key, value in entry.items():
        default = under.get(key, (options.get(key) or {}).get("default"))
        if isinstance(value, Mapping) and isinstance(default, Mapping):
            inner = needed(value, default, (options.get(key) or {}).get("options") or {})
            if inner or (not default and value):
                found[key] = inner
        elif (value != default and not (value is None and key not in under)) or (
            value is not None and (options.get(key) or {}).get("required") and key not in under
        ):
            found[key] = value
    return found


def _tags(target: Target, where: tuple[str, ...], declaration: Declaration, context: Context) -> Iterator[Edit]:
    """Its own tags. Those that follow from the declaration without them, and that it does not have, are null."""
    want = next((item for item in target.kind.desired(declaration) if item.name == target.name), None)
    anyway = {key: value for key, value in (want.fields if want else {}).items() if key.startswith("tags.")}
    live = {
        key: value
        for key, value in target.kind.fields(target.live, context).items()
        if key.startswith("tags.") and not key.startswith("tags.aws:")
    }
    other = {key: value for key, value in live.items() if anyway.get(key) != value}
    other |= {key: None for key in anyway if key not in live}
    if other:
        yield Edit((*where, "tags"), {key.partition(".")[2]: value for key, value in other.items()})


def _differing(
    target: Target,
    where: tuple[str, ...],
    entry: Mapping[str, Any],
    there: Any,
    under: Mapping[str, Any],
    options: Mapping[str, Any],
) -> Iterator[Edit]:
    """The keys that say the fields in which a declared resource differs."""
    done: set[tuple[str, ...]] = set()
    for change in target.changes:
        for keys in _said_by(target, change, options):
            if keys in done:
                continue
            done.add(keys)
            value = change.before if keys[0] == "tags" else _value(entry, keys)
            own, default = _value(there, keys), _value(under, keys)
            if value is None and default is None and keys[0] != "tags":
                if own is not None:
                    yield Edit((*where, *keys), ABSENT)
            else:
                yield Edit((*where, *keys), value)


def _said_by(target: Target, change: FieldChange, options: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The keys of an entry that say a field."""
    for pattern, keys in target.kind.said_by.items():
        if fnmatchcase(change.field, pattern):
            if not keys:
                raise UndeclarableError(
                    f"{target.text}: no key of the declaration says `{change.field}`, which is {change.before!r} in "
                    f"the account. Provisioning makes it {change.after!r}."
                )
            return [(key,) for key in keys]
    head, dot, rest = change.field.partition(".")
    if head not in options:
        raise UndeclarableError(f"{target.text}: no key of the declaration says `{change.field}`")
    return [(head, rest) if dot else (head,)]


# -- declarations in memory ---------------------------------------------------------------------------------------


def applied(raw: Mapping[str, Any], edits: Iterable[Edit]) -> dict[str, Any]:
    """Variables with these edits."""
    changed = dict(raw)
    for edit in edits:
        changed = _put(changed, edit.path, edit.value)
    return changed


def _put(value: Any, path: Sequence[str], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, Mapping) else {}
    if len(path) == 1 and new is ABSENT:
        copy.pop(path[0], None)
    else:
        copy[path[0]] = _put(copy.get(path[0]), path[1:], new)
    return copy


def _value(value: Any, path: Sequence[str]) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def declaration_in(raw: Mapping[str, Any], specs: Specs, kinds: Catalogue, account: str) -> Declaration:
    """A declaration with types and defaults, be it valid or not."""
    typed, _ = check(raw, specs, kinds.entries(), kinds.defaults(), COMMON)
    return Declaration(typed, account)


# -- afterwards ---------------------------------------------------------------------------------------------------


def left(plan: Plan, targets: Iterable[Target]) -> list[Action]:
    """What the plan still says about the targets; nothing, if the declaration follows them."""
    names = {(target.kind.name, target.name) for target in targets}
    ids = {(target.kind.name, target.live.id) for target in targets}
    return [item for item in plan.actions if (item.kind, item.name) in names or (item.kind, item.id) in ids]


def besides(before: Plan, after: Plan, targets: Iterable[Target]) -> list[Action]:
    """What the plan wants of other resources, and did not before."""
    known = [(item.action, item.kind, item.name, item.changes) for item in before.actions]
    about = left(after, targets)
    wanted = after.of("create", "change", "replace")
    return [
        item
        for item in wanted
        if (item.action, item.kind, item.name, item.changes) not in known and not any(item is one for one in about)
    ]
