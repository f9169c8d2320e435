"""Errors that are part of the interface: what is wrong, where it is declared, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Problem(NamedTuple):
    """One thing that is wrong in the declaration.

    where: the variable and the key, e.g. ``aws_network_subnets.BCSDLab-a.cidr``.
    what: what is wrong there.
    fix: what the operator should do.
    source: file and line, e.g. ``group_vars/all/aws_network.yml:12``; empty when it is not known.
    hosts: who has it; empty when it is about the account.
    """

    where: str
    what: str
    fix: str
    source: str = ""
    hosts: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = f" ({self.source})" if self.source else ""
        who = f" [{', '.join(self.hosts)}]" if self.hosts else ""
        return f"{self.where}{place}{who}: {self.what}\n    fix: {self.fix}"


class PlatformError(Exception):
    """Something the operator has to know; the message is complete as it stands."""


class UndeclarableError(PlatformError):
    """Something that the account has and no declaration can say; the message is the reason."""


class DeclarationError(PlatformError):
    """The declaration cannot be planned. Carries every problem found, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"The declaration has {count}; nothing was written.\n{lines}")
