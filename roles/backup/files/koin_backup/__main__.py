"""Backups of MariaDB and their restore.

Usage: koin-backup VERB

- init: make the repository unless it is there
- full: a physical backup now
- logs [--close]: store new binary logs; --close: the current one as well, even if nothing was written
- list: what can be restored
- restore --to TIME: fill a scratch server beside the live one, as of TIME or `latest`
- take-over: put what was restored in the place of the live databases
- discard: stop the scratch server and remove its files
- unlock: remove locks of runs that were killed
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from . import full, logs, metrics, restore
from .choice import FULL, reach, shown
from .repository import Repository
from .scratch import Scratch
from .settings import BackupError, Settings, load

#: names in the metrics
FULL_JOB, LOGS_JOB = "mariadb", "mariadb-logs"
_WAIT_SECONDS = {FULL_JOB: 5, LOGS_JOB: 50, "restore": 0}


@contextlib.contextmanager
def alone(settings: Settings, job: str) -> Iterator[None]:
    """One run of a job at a time; the kernel frees the lock of a process that ends, however it ends."""
    Path(settings.run).mkdir(mode=0o700, exist_ok=True)
    deadline = time.monotonic() + _WAIT_SECONDS[job]
    with Path(settings.run, f"{job}.lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise BackupError(f"Another run of {job} is under way on this host. Wait for it.") from error
                time.sleep(0.5)
        yield


def measured(settings: Settings, job: str, work: Callable[[], tuple[int, int]]) -> None:
    """Run a job alone and note how it went; work returns bytes read and bytes stored."""
    began = time.time()
    with alone(settings, job):
        try:
            size, stored = work()
        except BaseException:
            # A full disk must not hide why the job failed.
            with contextlib.suppress(OSError):
                metrics.failed(settings, job)
            raise
        metrics.succeeded(settings, job, began, size, stored)


def make_full(settings: Settings, repository: Repository) -> None:
    """A physical backup."""

    def work() -> tuple[int, int]:
        with repository.working(FULL_JOB):
            summary = full.store(settings, repository)
        size, stored = summary["total_bytes_processed"], summary.get("data_added_packed", summary["data_added"])
        print(f"backup {summary['snapshot_id'][:8]}: {size} bytes read, {stored} bytes stored")
        return size, stored

    measured(settings, FULL_JOB, work)


def store_logs(settings: Settings, repository: Repository, *, close: bool) -> None:
    """New binary logs."""

    def work() -> tuple[int, int]:
        with repository.working(LOGS_JOB):
            stored = logs.store(settings, repository, close=close)
        print(stored)
        return stored.size, stored.added

    measured(settings, LOGS_JOB, work)


def take_over(settings: Settings, repository: Repository) -> None:
    """No job may run while the data directory is exchanged."""
    with (
        alone(settings, FULL_JOB),
        alone(settings, LOGS_JOB),
        alone(settings, "restore"),
        repository.working("take-over"),
    ):
        restore.take_over(settings, repository, Scratch(settings))


def show(repository: Repository) -> None:
    """What can be restored."""
    snapshots = repository.snapshots()
    for item in snapshots:
        if item.kind == FULL:
            until = reach(snapshots, item.series)
            end = f", and any second from then to {shown(until)}" if until and until > item.ended else ""
            print(f"{item.id[:8]}  {shown(item.ended)}  {item.size} bytes{end}")


def run(options: argparse.Namespace) -> None:
    """One verb."""
    settings = load()
    repository = Repository(settings)
    if options.verb == "init":
        repository.check_reachable()
        print("created" if repository.create() else "it is there")
    elif options.verb == "full":
        make_full(settings, repository)
    elif options.verb == "logs":
        store_logs(settings, repository, close=options.close)
    elif options.verb == "list":
        show(repository)
    elif options.verb == "restore":
        with alone(settings, "restore"), repository.working("restore"):
            restore.restore(settings, repository, Scratch(settings), options.to)
    elif options.verb == "take-over":
        take_over(settings, repository)
    elif options.verb == "discard":
        with alone(settings, "restore"):
            Scratch(settings).discard()
    else:
        repository.unlock()


def main() -> int:
    """Run a verb; errors that an operator can do something about are one line."""
    parser = argparse.ArgumentParser(prog="koin-backup", description="Backups of MariaDB and their restore.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name in ("init", "full", "list", "take-over", "discard", "unlock"):
        verbs.add_parser(name)
    verbs.add_parser("logs").add_argument("--close", action="store_true", help="the current log as well")
    verbs.add_parser("restore").add_argument("--to", required=True, help="'2026-11-27 03:15:20 KST', or latest")
    try:
        run(parser.parse_args())
    except (BackupError, OSError) as error:
        print(f"koin-backup: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
