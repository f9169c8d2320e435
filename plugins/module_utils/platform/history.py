"""The records of runs as an operator reads them: a table, and what changed in the account. Pure."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator, Sequence

from . import moments, records
from .engine.model import FieldChange
from .engine.render import change_lines
from .engine.snapshot import Difference
from .records import Change, Record

#: columns of a terminal, and how wide each is
WIDTH = 80
_HEADS = ("when", "who", "run", "result", "took", "changes", "commit")
_WIDTHS = (16, 13, 15, 7, 8, 7, 8)


def table(runs: Sequence[Record], holder: str) -> list[str]:
    """A line for each run, and one more where it failed. holder: the token of whoever holds the lock now."""
    zone = runs[-1].began.astimezone().strftime("%Z") if runs else ""
    lines = [_row((f"when ({zone})" if zone else "when", *_HEADS[1:]))]
    for run in runs:
        state = records.state(run, holder)
        took = moments.lasted((run.ended - run.began).total_seconds()) if run.ended else ""
        commit = f"{run.commit[:7]}{'*' if run.dirty else ''}"
        when = moments.told(run.began, zone=False)[:16]
        lines.append(_row((when, run.who.partition(":")[0], run.what, state, took, str(run.writes), commit)))
        if run.failed:
            text = f"failed at {run.failed['task']}, on {run.failed['host']}"
            lines += textwrap.wrap(text, WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 6)
    if any(run.dirty for run in runs):
        lines += ["", "* files differed from the commit"]
    return lines


def _row(cells: Sequence[str]) -> str:
    parts = []
    for number, (cell, width) in enumerate(zip(cells, _WIDTHS, strict=True)):
        text = cell if len(cell) <= width else f"{cell[: width - 1]}…"
        parts.append(text.rjust(width) if number in (4, 5) else text.ljust(width))
    return " ".join(parts).rstrip()


def told(changes: Sequence[Change]) -> list[str]:
    """What changed, by whom."""
    if not changes:
        return ["Nothing changed in the account."]
    lines: list[str] = []
    for change in changes:
        lines += ["", _by(change)]
        for (_, _), found in itertools.groupby(change.differences, key=lambda one: (one.kind, one.name)):
            lines += _lines(list(found))
    return lines[1:]


def _by(change: Change) -> str:
    if change.by is not None:
        return f"{moments.told(change.by.began)}, {change.by.who} ({change.by.what}):"
    return f"outside, between {moments.told(change.since, zone=False)} and {moments.told(change.until)}:"


def _lines(of_one: Sequence[Difference]) -> Iterator[str]:
    """A resource, and its fields."""
    first = of_one[0]
    sign = "+" if first.new else "-" if first.gone else "~"
    yield f"  {sign} {first.kind} {first.name}"
    for one in of_one if sign == "~" else ():
        yield from change_lines(FieldChange(one.field, one.before, one.after), ())


def outside(changes: Sequence[Change]) -> int:
    """How many differences no run of ours has made."""
    return sum(len(change.differences) for change in changes if change.by is None)
