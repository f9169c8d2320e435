"""What is removed, in which order, and what stays and why. Names no kind; pure.

Only what is declared is removed. What must not go keeps what it needs: a resource that it names, and those that come
and go with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from .catalogue import Catalogue
from .checks import references_of
from .context import Context
from .declaration import Declaration
from .errors import PlatformError
from .model import Desired, Live
from .options import nearest

if TYPE_CHECKING:
    from ..kinds.base import Kind

Key = tuple[str, str]


@dataclass(frozen=True)
class Doomed:
    """A declared resource that is there and will be removed."""

    kind: Kind
    want: Desired
    live: Live

    @property
    def key(self) -> Key:
        """Kind and name."""
        return self.kind.name, self.want.name

    @property
    def text(self) -> str:
        """As the plan names it, with its id."""
        shown = f" ({self.live.id})" if self.live.id != self.want.name and "/" not in self.live.id else ""
        return f"{self.kind.name} {self.want.name}{shown}"


class Decision(NamedTuple):
    """doomed: in the order in which they are removed. kept: text of what stays -> why."""

    doomed: tuple[Doomed, ...]
    kept: Mapping[str, str]


def ordered(kinds: Catalogue) -> list[Kind]:
    """The kinds in the order in which they are removed: a kind before those that it refers to."""
    order = list(reversed(kinds))
    for kind in kinds:
        places = [order.index(kinds.named(name)) for name in kind.removed_before if name in kinds.names]
        if places and min(places) < order.index(kind):
            order.remove(kind)
            order.insert(min(places), kind)
    return order


def decide(declaration: Declaration, context: Context, kinds: Catalogue, only: str = "") -> Decision:
    """What goes and what stays. only: one resource as the plan names it, which goes with what belongs to it."""
    there: dict[Key, Doomed] = {}
    for kind in ordered(kinds):
        for want in kind.desired(declaration):
            if live := context.found(kind.name, want.name):
                there[(kind.name, want.name)] = Doomed(kind, kind.settled(want, context), live)
    belongs = {key: owner for key, item in there.items() if (owner := item.kind.belongs_to(item.want, context))}
    going = set(there) if not only else _with_its_own(_named(only, there, kinds), belongs)
    uses: dict[Key, set[Key]] = {
        key: {
            (kind, name)
            for kind, _, name in references_of(item.kind, "", declaration.entries(item.kind.variable).get(key[1], {}))
        }
        for key, item in there.items()
    }
    why: dict[Key, str] = {}
    # What stays keeps other things, until nothing more is added.
    while True:
        found = {key: reason for key in going if (reason := _reason(key, there, going, belongs, uses, why, context))}
        if not found:
            break
        why |= found
        going -= set(found)
    shown = {there[key].text: why[key] for key in there if key in why}
    return Decision(tuple(item for key, item in there.items() if key in going), shown)


def _named(only: str, there: Mapping[Key, Doomed], kinds: Catalogue) -> Key:
    kind, _, name = only.strip().partition(" ")
    if (kind, name.strip()) in there:
        return kind, name.strip()
    if kind not in kinds.names:
        raise PlatformError(f"`{kind}` is not a kind. Write one of {', '.join(sorted(kinds.names))}, and a name.")
    near = nearest(name, [other for word, other in there if word == kind])
    meant = f" Is `{kind} {near}` meant?" if near else ""
    raise PlatformError(
        f"`{only}` is not both declared and in the account, so nothing is deleted.{meant}\n"
        "What is not declared is never touched."
    )


def _with_its_own(key: Key, belongs: Mapping[Key, Key]) -> set[Key]:
    found = {key}
    while more := {one for one, owner in belongs.items() if owner in found} - found:
        found |= more
    return found


def _reason(
    key: Key,
    there: Mapping[Key, Doomed],
    going: set[Key],
    belongs: Mapping[Key, Key],
    uses: Mapping[Key, set[Key]],
    why: Mapping[Key, str],
    context: Context,
) -> str:
    """Why one of those that go has to stay; empty when it need not."""
    item, owner = there[key], belongs.get(key)
    if item.kind.everywhere:
        return "every account has it: what it is set to stays"
    own = list(item.kind.kept(item.want, item.live, context, lambda kind, name: (kind, name) in going))
    if own:
        return "; ".join(own)
    # Without its owner, only what has been named by itself goes.
    if owner and (owner in why or (owner in there and owner not in going and item.kind.follows)):
        return f"it belongs to {' '.join(owner)}, which stays"
    users = [" ".join(other) for other, used in uses.items() if key in used and other not in going and other != key]
    return f"what stays uses it: {', '.join(users)}" if users else ""
