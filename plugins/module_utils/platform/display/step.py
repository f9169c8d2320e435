"""What is printed of a task, and of a failure that ends the run. Pure."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from .text import count, fold, line, printable, seconds, together

_INDENT = "    "


def _hosts(names: Collection[str]) -> str:
    return next(iter(names)) if len(names) == 1 else count(len(names), "host")


@dataclass
class Step:
    """A task, with what its results have said so far. The dictionaries are by host.

    title: what it is. group: the play and the role that it belongs to. place: among the known tasks.
    changed: what was changed. said: its messages. failed: hosts whose failure ends the run there.
    notes: where a failure does not end it: `ignored` or `rescued`, and why it has failed.
    item_changes, item_reasons: of a loop, until its result is there.
    """

    title: str
    group: tuple[str, str]
    action: str
    place: str = ""
    check: bool = False
    began: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    started: set[str] = field(default_factory=set)
    ok: set[str] = field(default_factory=set)
    changed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    diffs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    said: dict[str, tuple[str, ...]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    notes: dict[str, tuple[str, str]] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    item_changes: dict[str, list[str]] = field(default_factory=dict)
    item_reasons: dict[str, list[str]] = field(default_factory=dict)
    attempt: str = ""

    @property
    def ran(self) -> set[str]:
        """Hosts on which it has run to an end."""
        return {*self.ok, *self.changed, *self.failed, *self.notes}

    @property
    def took(self) -> float:
        """Seconds until its last result."""
        return (self.ended or time.monotonic()) - self.began

    def _counts(self) -> list[str]:
        kinds = Counter(kind for kind, _ in self.notes.values())
        counts = {"would change" if self.check else "changed": len(self.changed), **kinds, "failed": len(self.failed)}
        return [f"{number} {what}" for what, number in counts.items() if number]

    def live(self, columns: int) -> str:
        """While it runs."""
        there = self.ran | self.skipped
        hosts = _hosts(self.started)
        if there and len(there) < len(self.started):
            hosts = f"{len(there)} of {hosts}"
        parts = [self.title, hosts, *self._counts(), self.attempt, seconds(time.monotonic() - self.began), self.place]
        return line(parts, columns)

    def heading(self, columns: int = 0) -> str:
        """Its line."""
        return line([self.title, _hosts(self.ran), *self._counts(), seconds(self.took), self.place], columns)

    def below(self, columns: int = 0) -> list[tuple[str, str]]:
        """What stands under its line: text, and what it is (``change``, ``diff``, ``note``)."""
        lines: list[tuple[str, str]] = []
        said = {
            host: (", ".join(what), "".join(self.diffs.get(host, ()))) for host, what in sorted(self.changed.items())
        }
        for hosts, (what, diff) in together(said.items()):
            named = ", ".join(sorted(hosts)) if len(self.ran) > 1 and (what or len(hosts) < len(self.ran)) else ""
            text = ": ".join(filter(None, [named, what]))
            if text:
                lines += [(one, "change") for one in fold(text, columns, _INDENT, "  ")]
            if diff:
                lines.append((diff.rstrip("\n"), "diff"))
        for hosts, (kind, why) in together(self.notes.items()):
            text = f"{', '.join(sorted(hosts))}: {printable(why)} ({kind})"
            lines += [(one, "note") for one in fold(text, columns, _INDENT, "  ")]
        return lines

    def messages(self) -> list[str]:
        """What the task is there to say; hosts are named where they say different things."""
        groups = together(self.said.items())
        if len(groups) == 1:
            return list(groups[0][1])
        return [f"{', '.join(sorted(hosts))}: {text}" for hosts, texts in groups for text in texts]


@dataclass(frozen=True)
class Failure:
    """Why the run ends on a host. place: of the task. told: the reason itself names host, task and what to do."""

    title: str
    host: str
    reason: str
    advice: str
    place: int
    told: bool = False


def _reason(hosts: Sequence[str], why: str, columns: int) -> list[str]:
    lines = printable(why).splitlines() or [""]
    head = f"{', '.join(sorted(hosts))}:"
    if len(lines) == 1:
        return fold(f"{head} {lines[0]}", columns, "  ", "  ")
    return [f"  {head}", *(one for text in lines for one in fold(text, columns, _INDENT, "  "))]


def failed(failures: Iterable[Failure], columns: int = 0) -> list[str]:
    """The tasks that have failed, where, why, and what to do: each once."""
    by_title: dict[str, list[Failure]] = {}
    for failure in failures:
        by_title.setdefault(failure.title, []).append(failure)
    lines: list[str] = []
    for title, group in by_title.items():
        lines += ["", f"Failed: {title}"]
        for hosts, (why,) in together((one.host, (one.reason,)) for one in group):
            told = all(one.told for one in group if one.reason == why)
            lines += printable(why).splitlines() if told else _reason(hosts, why, columns)
        for advice in dict.fromkeys(one.advice for one in group if one.advice):
            lines += fold(advice, columns, "  ")
    return lines
