"""What to restore from: the backup before a moment, and the binary logs from there to that moment. Pure."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from .settings import BackupError

LATEST = "latest"
FULL, LOGS, SUMS = "full", "logs", "sums"
#: abbreviations that people here write
_ZONES = {"KST": timezone(timedelta(hours=9)), "UTC": UTC, "GMT": UTC, "Z": UTC}
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d) ?(\S+)")
_EXAMPLE = "write it like '2026-11-27 03:15:20 KST'"


@dataclass(frozen=True)
class Snapshot:
    """One snapshot of the repository.

    ended: when it was complete. until: all that was committed before it is in this or earlier logs of the series.
    files: names of the binary logs in it. of: the physical backup that sums belong to.
    """

    id: str
    kind: str
    series: str
    began: datetime
    ended: datetime
    size: int = 0
    until: datetime | None = None
    files: tuple[str, ...] = ()
    folder: str = ""
    of: str = ""


@dataclass(frozen=True)
class Part:
    """Binary logs to take from one snapshot."""

    snapshot: Snapshot
    files: tuple[str, ...]


@dataclass(frozen=True)
class Logs:
    """The binary logs that lead to a moment, in order, and how far they reach."""

    parts: tuple[Part, ...]
    reach: datetime

    @property
    def files(self) -> tuple[str, ...]:
        """All names, in order."""
        return tuple(sorted((name for part in self.parts for name in part.files), key=number))


def moment(text: str) -> datetime:
    """A moment in UTC, from a date, a time to the second and a zone."""
    match = _MOMENT.fullmatch(text.strip())
    if not match:
        raise BackupError(f"to: {text!r} is not a date, a time to the second and a zone; {_EXAMPLE}, or `{LATEST}`")
    day, clock, zone = match.groups()
    try:
        if re.fullmatch(r"[+-]\d\d:?\d\d", zone):
            return datetime.fromisoformat(f"{day} {clock}{zone}").astimezone(UTC)
        known = _ZONES.get(zone.upper()) or zoneinfo.ZoneInfo(zone)
        return datetime.fromisoformat(f"{day} {clock}").replace(tzinfo=known).astimezone(UTC)
    except (ValueError, OverflowError, OSError, zoneinfo.ZoneInfoNotFoundError) as error:
        raise BackupError(f"to: {text!r}: {error}; {_EXAMPLE}") from error


def shown(when: datetime) -> str:
    """A moment as operators here read it."""
    return when.astimezone(_ZONES["KST"]).strftime("%Y-%m-%d %H:%M:%S KST")


def number(name: str) -> int:
    """The number of a binary log, ``binlog.000012`` -> 12."""
    return int(name.rpartition(".")[2])


def time_of(text: str) -> datetime:
    """A time as restic writes it."""
    # restic writes nanoseconds, Python reads microseconds.
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).astimezone(UTC)


def read(raw: Iterable[Mapping[str, Any]]) -> list[Snapshot]:
    """Snapshots of this program, as `restic snapshots --json` lists them."""
    found = []
    for item in raw:
        tags = item.get("tags") or []
        named = dict(tag.split("=", 1) for tag in tags if "=" in tag)
        kind = next((kind for kind in (FULL, LOGS, SUMS) if kind in tags), "")
        if not kind or "series" not in named:
            continue
        summary, began = item.get("summary") or {}, time_of(item["time"])
        paths = item.get("paths") or []
        found.append(
            Snapshot(
                id=item["id"],
                kind=kind,
                series=named["series"],
                began=began,
                ended=time_of(summary["backup_end"]) if "backup_end" in summary else began,
                size=summary.get("total_bytes_processed", 0),
                until=datetime.fromtimestamp(int(named["until"]), UTC) if "until" in named else None,
                files=tuple(path.rpartition("/")[2] for path in paths) if kind == LOGS else (),
                folder=paths[0].rpartition("/")[0] if paths and kind == LOGS else "",
                of=named.get("of", ""),
            )
        )
    return sorted(found, key=lambda item: item.ended)


def full_before(snapshots: Sequence[Snapshot], to: datetime | None) -> Snapshot:
    """The newest physical backup that was complete at that moment; None: the newest of all."""
    fulls = [item for item in snapshots if item.kind == FULL]
    if not fulls:
        raise BackupError("The repository has no backup of MariaDB yet. Make one: playbooks/backup.yml.")
    before = [item for item in fulls if to is None or item.ended <= to]
    if not before:
        assert to is not None
        raise BackupError(
            f"No backup was complete at {shown(to)}. The oldest is of {shown(fulls[0].ended)}; ask for a later moment."
        )
    return before[-1]


def sums_of(snapshots: Iterable[Snapshot], full: Snapshot) -> Snapshot | None:
    """What was counted after a physical backup."""
    return next((item for item in snapshots if item.kind == SUMS and item.of == full.id), None)


def reach(snapshots: Iterable[Snapshot], series: str) -> datetime | None:
    """The moment up to which a series of logs is complete."""
    return max((item.until for item in snapshots if item.series == series and item.until), default=None)


def logs_between(snapshots: Sequence[Snapshot], full: Snapshot, first: str, to: datetime | None) -> Logs:
    """The logs from the one in which the backup ended to those that reach the moment. None: as far as there are any."""
    own = [item for item in snapshots if item.kind == LOGS and item.series == full.series and item.until]
    end = reach(own, full.series)
    if end is None or (to is not None and end < to):
        known = f"reach to {shown(end)}" if end else "are not there yet"
        raise BackupError(
            f"The binary logs of the backup of {shown(full.ended)} {known}. Ask for that moment, or for `{LATEST}`."
        )
    # When each log was first known to be complete, and where it is.
    known_by: dict[str, datetime] = {}
    for item in own:
        assert item.until is not None
        for name in item.files:
            known_by[name] = min(item.until, known_by.get(name, item.until))
    if to:
        _refuse_a_clock_that_went_back(known_by, first, to)
    last = min(item.until for item in own if item.until and (to is None or item.until >= to)) if to else end
    names = sorted(
        (name for name, until in known_by.items() if number(name) >= number(first) and until <= last), key=number
    )
    _refuse_gaps(names, first)
    return Logs(tuple(_parts(names, own)), last)


def _refuse_a_clock_that_went_back(known_by: Mapping[str, datetime], first: str, to: datetime) -> None:
    """A log that is complete up to a moment after `to`, and a later one up to a moment before it: `to` was twice."""
    reached = ""
    for name in sorted((name for name in known_by if number(name) >= number(first)), key=number):
        if known_by[name] >= to:
            reached = reached or name
        elif reached:
            raise BackupError(
                f"The clock of the host was set back: {reached} was stored at {shown(known_by[reached])}, and {name}, "
                f"which is later, at {shown(known_by[name])}. So {shown(to)} is ambiguous. Ask for `{LATEST}`, which "
                "needs no clock, for a moment before that, or for one after a later backup."
            )


def _refuse_gaps(names: Sequence[str], first: str) -> None:
    expected = number(first)
    for name in names:
        if number(name) != expected:
            missing = f"{first.rpartition('.')[0]}.{expected:06}"
            raise BackupError(
                f"The binary log {missing} is missing in the repository, so nothing after it can be replayed. The "
                "server deleted it before it was stored (mariadb_binlog_days, mariadb_binlog_total_size). Ask for a "
                "moment before it, or for one after a later backup."
            )
        expected += 1


def _parts(names: Sequence[str], own: Iterable[Snapshot]) -> Iterable[Part]:
    """As few snapshots as possible: each run stores the logs of its group again."""
    left = list(names)
    snapshots = list(own)
    while left:
        best = max(snapshots, key=lambda item: len(set(item.files) & set(left)) if left[0] in item.files else -1)
        taken = tuple(name for name in left if name in best.files)
        yield Part(best, taken)
        left = [name for name in left if name not in taken]
