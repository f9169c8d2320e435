"""How far a run is: its place among the tasks that are known before it begins. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def task_ids(blocks: Iterable[Any], bookkeeping: frozenset[str]) -> list[str]:
    """Tasks of a play's blocks in the order in which they run.

    Those of a rescue run only after a failure, and included ones are not known yet: neither is counted.
    bookkeeping: actions that are no task for a person, such as ``meta``.
    """
    found: list[str] = []
    for block in blocks:
        for part in (*block.block, *block.always):
            if hasattr(part, "block"):
                found += task_ids([part], bookkeeping)
            elif part.action not in bookkeeping and not part.implicit:
                found.append(part._uuid)
    return found


class Progress:
    """The place of the current task. It never exceeds the number of known tasks."""

    def __init__(self, plays: Sequence[tuple[str, Sequence[str]]]) -> None:
        """plays: id of each play, and of its tasks."""
        self._plays: list[tuple[str, int, Sequence[str]]] = []
        self.total = 0
        for play, tasks in plays:
            self._plays.append((play, self.total, tasks))
            self.total += len(tasks)
        self._first = 0
        self._tasks: Sequence[str] = ()
        self._next = 0
        #: 1 is the first task; 0 before it
        self.place = 0

    def play(self, play: str) -> None:
        """A play begins, or its next batch of hosts."""
        found = next(((first, tasks) for one, first, tasks in self._plays if one == play), None)
        self._first, self._tasks = found or (self.place, ())
        self._next = 0

    def task(self, task: str) -> int:
        """A task begins. One that was not known beforehand, such as an included one, is where its includer was."""
        for start in (self._next, 0):
            for number in range(start, len(self._tasks)):
                if self._tasks[number] == task:
                    self._next = number + 1
                    self.place = self._first + number + 1
                    return self.place
        return self.place

    @property
    def text(self) -> str:
        """``[37/104]``; empty before the first known task."""
        return f"[{self.place}/{self.total}]" if self.place else ""
