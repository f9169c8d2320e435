"""Binary logs: closes the current one when something was written, and stores closed ones."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from .choice import LOGS, number
from .database import Database
from .repository import Repository
from .scratch import UNFINISHED, taking_over
from .settings import BackupError, Settings

#: Logs that one snapshot holds at most. A restore takes one snapshot of each group, so more logs make it faster; each
#: run stores the names of its whole group again, so fewer make runs cheaper.
GROUP = 60


@dataclass(frozen=True)
class Progress:
    """How far the logs are stored.

    series: one unbroken sequence of logs. last, head: the newest stored log and a digest of its beginning.
    gtid: the last transaction when a log was last closed. group: stored logs of the group that is not full yet.
    """

    series: str
    last: str = ""
    head: str = ""
    gtid: str = ""
    group: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stored:
    """What a run has stored: names of logs, bytes that were read, and bytes that were added."""

    names: tuple[str, ...]
    size: int = 0
    added: int = 0

    def __str__(self) -> str:
        if not self.names:
            return "no new binary logs"
        return f"{len(self.names)} new binary logs up to {self.names[-1]}; {self.added} bytes added"


def goes_on(progress: Progress, names: Sequence[str], head: str) -> bool:
    """Whether the server's logs continue the stored ones, or began anew (another data directory, RESET MASTER).

    names: the server's logs. head: the digest of the one that is called like the newest stored one; empty if none is.
    """
    if not progress.last:
        return True
    if progress.last in names:
        return head == progress.head
    # Deleted after it was stored, by age or size; a new sequence begins at 1.
    return bool(names) and number(names[0]) > number(progress.last)


def waiting(progress: Progress, closed: Sequence[str]) -> list[str]:
    """Closed logs that are not stored yet."""
    return [name for name in closed if not progress.last or number(name) > number(progress.last)]


def groups(progress: Progress, names: Sequence[str]) -> list[tuple[str, ...]]:
    """What to store: the group that is not full yet with what fits into it, then new ones."""
    whole = [*(progress.group if len(progress.group) < GROUP else ()), *names]
    return [tuple(whole[start : start + GROUP]) for start in range(0, len(whole), GROUP)]


def load(settings: Settings) -> Progress:
    """The progress; a new series when there is none."""
    path = Path(settings.state, "logs.json")
    if not path.exists():
        return Progress(series=f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{time.time_ns() % 10**6:06}")
    content = json.loads(path.read_text())
    return Progress(**{**content, "group": tuple(content["group"])})


def save(settings: Settings, progress: Progress) -> None:
    """Keep it, in one go."""
    path = Path(settings.state, "logs.json")
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(asdict(progress)) + "\n")
    temporary.replace(path)


def forget(settings: Settings) -> None:
    """The server has another data directory now: its logs are a series of their own."""
    Path(settings.state, "logs.json").unlink(missing_ok=True)


def current(settings: Settings) -> Progress:
    """The progress of the series that the server writes now; a new one is kept, so that all jobs name the same."""
    progress = load(settings)
    if not goes_on(progress, Database(settings).log_names(), _head(settings, progress.last)):
        forget(settings)
        progress = load(settings)
    if not progress.last:
        save(settings, progress)
    return progress


def store(settings: Settings, repository: Repository, *, close: bool = False) -> Stored:
    """Store what is new. close: close the current log even if nothing was written."""
    if taking_over(settings):
        raise BackupError(UNFINISHED)
    database = Database(settings)
    progress = current(settings)
    # Of a server that does not run, every log is closed.
    stopped = database.stopped()
    until, gtid, closed = int(time.time()), progress.gtid, database.log_names()
    if not stopped:
        gtid = database.last_transaction()
        if close or gtid != progress.gtid:
            until = int(time.time())
            database.close_log()
        closed = database.log_names()[:-1]
    names = waiting(progress, closed)
    if not names:
        return Stored(())
    if progress.last and number(names[0]) != number(progress.last) + 1:
        print(f"warning: logs between {progress.last} and {names[0]} were deleted before they were stored", flush=True)
    size = added = 0
    whole = groups(progress, names)
    for group in whole:
        # A run that ends between two groups has stored nothing of what was written after the last log of the first.
        complete = until if group is whole[-1] else min(until, _closed_at(settings, group[-1]))
        paths = [str(Path(settings.datadir, name)) for name in group]
        # --force: all of them are to be read anyway, so do not look for an earlier snapshot to compare with.
        tags = [LOGS, f"series={progress.series}", f"until={complete}"]
        summary = repository.backup([*paths, "--force"], tags, "storing binary logs")
        size += summary["total_bytes_processed"]
        added += summary.get("data_added_packed", summary["data_added"])
        last = group[-1]
        progress = Progress(progress.series, last, _head(settings, last), gtid, group)
        save(settings, progress)
    return Stored(tuple(names), size, added)


def _closed_at(settings: Settings, name: str) -> int:
    """The second in which a log was closed: whatever was committed before it is in this log or an earlier one."""
    try:
        return int(Path(settings.datadir, name).stat().st_mtime)
    except OSError as error:
        raise BackupError(f"{settings.datadir}/{name}: {error.strerror}") from error


def _head(settings: Settings, name: str) -> str:
    if not name:
        return ""
    try:
        with Path(settings.datadir, name).open("rb") as file:
            return hashlib.sha256(file.read(256)).hexdigest()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise BackupError(f"{settings.datadir}/{name}: {error.strerror}") from error
