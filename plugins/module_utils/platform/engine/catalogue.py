"""The kinds in dependency order, and what follows from all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .access import Call, Read
from .checks import entry_formats, once, references, shared_formats, shared_references, tokens
from .declaration import Declaration
from .errors import Problem

if TYPE_CHECKING:
    from ..kinds.base import Kind


class Catalogue(tuple["Kind", ...]):
    """All kinds; a kind comes after those it refers to."""

    __slots__ = ()

    @property
    def names(self) -> frozenset[str]:
        """What the kinds are called, in plans and in references."""
        return frozenset(kind.name for kind in self)

    def named(self, name: str) -> Kind:
        """The kind of this name."""
        return next(kind for kind in self if kind.name == name)

    def only(self, names: Collection[str]) -> Catalogue:
        """The kinds of these names; all of them when none is named."""
        return Catalogue(kind for kind in self if not names or kind.name in names)

    def entries(self) -> dict[str, tuple[str, str]]:
        """Variable, or mapping keyed by name inside its entries -> (role, entry point); see ``schema.check``."""
        found: dict[str, tuple[str, str]] = {}
        for kind in self:
            if kind.variable:
                found[kind.variable] = (kind.role, kind.entry_point)
                for field, entry_point in kind.nested.items():
                    found[f"{kind.variable}.*.{field}"] = (kind.role, entry_point)
        return found

    def defaults(self) -> dict[str, str]:
        """Variable -> the variable with defaults for each of its entries."""
        return {kind.variable: kind.defaults for kind in self if kind.defaults}

    def services(self) -> tuple[str, ...]:
        """The services that the roles' modules call, as botocore names them."""
        return tuple(dict.fromkeys(kind.service for kind in self))

    def reads(self) -> Iterator[Read]:
        """Every first read; those that lead to further ones come first."""
        found = [read for kind in self for read in kind.reads]
        return iter(sorted(found, key=lambda read: not read.then))

    def with_removal_reads(self) -> Catalogue:
        """The same kinds, which also read what has to be known before something is removed."""
        return _Removing(self)

    def calls(self) -> Iterator[Call]:
        """Every call that observing may make."""
        for read in self.reads():
            yield read
            yield from read.then

    def empty(self) -> dict[str, Any]:
        """The snapshot of an account that holds nothing."""
        details: dict[str, Any] = {detail.into: {} for read in self.reads() for detail in read.then}
        return details | {read.into: read.value({}) for read in self.reads()}

    def check_formats(self, declaration: Declaration) -> list[Problem]:
        """Every value whose format is wrong."""
        shared = list(shared_formats(self, declaration))
        return once(shared, (problem for kind in self for problem in entry_formats(kind, declaration)))

    def check(self, declaration: Declaration) -> list[Problem]:
        """Every problem that the declaration alone shows."""
        found = once(
            [*shared_formats(self, declaration), *shared_references(self, declaration)],
            [
                *(problem for kind in self for problem in entry_formats(kind, declaration)),
                *references(self, declaration),
                *(problem for kind in self for problem in kind.check(declaration)),
            ],
        )
        # Tokens can be looked up only in a declaration without other problems.
        return found or list(tokens(self, declaration))

    def check_account(self, declaration: Declaration, observation: Mapping[str, Any]) -> list[Problem]:
        """Every problem that only the account shows."""
        return [problem for kind in self for problem in kind.check_account(declaration, observation)]


class _Removing(Catalogue):
    """All kinds, with what is read before something is removed."""

    __slots__ = ()

    def reads(self) -> Iterator[Read]:
        yield from super().reads()
        yield from (read for kind in self for read in kind.removal_reads)
