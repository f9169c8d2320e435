"""Backups of MariaDB and their restore.

Usage: koin-backup VERB

- init: make the repository unless it is there
- full: a physical backup now, and what is in all tables
- logs [--close]: store new binary logs; --close: the current one as well, even if nothing was written
- list: what can be restored
- restore --to TIME [--in-place]: fill a scratch server beside the live one, as of TIME or `latest`; --in-place: unless
  it is taking the live one's place already, because a take-over was killed
- take-over [--damaged]: put what was restored in the place of the live databases; --damaged: also if what these wrote
  last cannot be stored
- bring-back: restore `latest` and take over, if the live databases hold no tables; after a kill it goes on
- count: what is in all tables, as JSON
- drill: restore the newest backup here, compare it with what was counted when it was made, and remove it again
- discard: stop the scratch server and remove its files
- unlock: remove locks of runs that were killed
"""

from __future__ import annotations

import argparse
import sys

from . import full, logs, restore, sums
from .choice import FULL, LATEST, reach, shown
from .database import Database
from .drill import drill
from .jobs import Done, alone, measured
from .repository import Repository
from .scratch import Scratch, taking_over
from .settings import BackupError, Settings, load

#: names in the metrics
FULL_JOB, LOGS_JOB, DRILL_JOB = "mariadb", "mariadb-logs", "mariadb-drill"


def make_full(settings: Settings, repository: Repository) -> None:
    """A physical backup."""

    def work() -> Done:
        with repository.working(FULL_JOB):
            summary = full.store(settings, repository)
            size, stored = summary["total_bytes_processed"], summary.get("data_added_packed", summary["data_added"])
            series = logs.current(settings).series
            counted = sums.store(settings, repository, summary["snapshot_id"], series)
            # The drill compares where they were counted, so the log in which that was is needed.
            with alone(settings, LOGS_JOB):
                logs.store(settings, repository, close=True)
        rows = f"{counted.rows} rows in {len(counted.tables)} tables"
        print(f"backup {summary['snapshot_id'][:8]}: {size} bytes read, {stored} bytes stored, {rows}")
        return Done(size, stored)

    measured(settings, FULL_JOB, work)


def store_logs(settings: Settings, repository: Repository, *, close: bool) -> None:
    """New binary logs."""

    def work() -> Done:
        with repository.working(LOGS_JOB):
            stored = logs.store(settings, repository, close=close)
        print(stored)
        return Done(stored.size, stored.added)

    measured(settings, LOGS_JOB, work)


def prove(settings: Settings, repository: Repository) -> None:
    """A restore that nobody needs, on a host that is not the database's."""

    def work() -> Done:
        with repository.working("restore"):
            how = drill(settings, repository, Scratch(settings))
        print(how)
        return Done(how.size, more=how.metrics)

    measured(settings, DRILL_JOB, work, lock="restore")


def fill(settings: Settings, repository: Repository, to: str, *, in_place: bool) -> None:
    """A scratch server. A take-over that was killed is gone on with first: the former databases are in its place."""
    if begun := taking_over(settings):
        if in_place and begun == to:
            print(f"What was restored to {to} has taken the live databases' place: the rest of that follows.")
            return
        take_over(settings, repository)
    with alone(settings, "restore"), repository.working("restore"):
        restore.restore(settings, repository, Scratch(settings), to)


def take_over(settings: Settings, repository: Repository, *, damaged: bool = False) -> None:
    """No job may run while the data directory is exchanged."""
    with (
        alone(settings, FULL_JOB),
        alone(settings, LOGS_JOB),
        alone(settings, "restore"),
        repository.working("take-over"),
    ):
        restore.take_over(settings, repository, Scratch(settings), damaged=damaged)


def _refuse_nothing(scratch: Scratch) -> None:
    """A server that stays empty overnight is backed up empty; that backup is newer than the one that is wanted.

    Asked of what was restored: a server's first backup is empty, and the logs after it hold everything.
    """
    if not sums.names(scratch.database):
        scratch.discard()
        raise BackupError(
            "What the newest backup and the logs after it come to holds no tables, so it is not what is to come back. "
            "Find the right backup with `koin-backup list`, and restore it: playbooks/restore.yml with `to` and "
            "`in_place`."
        )


def bring_back(settings: Settings, repository: Repository) -> None:
    """What a server gets that begins anew."""
    scratch = Scratch(settings)
    if not taking_over(settings):
        if held := sums.names(Database(settings)):
            print(f"The databases hold {len(held)} tables: nothing to bring back.")
            return
        with alone(settings, "restore"), repository.working("restore"):
            restore.restore(settings, repository, scratch, LATEST)
            _refuse_nothing(scratch)
    take_over(settings, repository)


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
        fill(settings, repository, options.to, in_place=options.in_place)
    elif options.verb == "drill":
        prove(settings, repository)
    elif options.verb == "bring-back":
        bring_back(settings, repository)
    elif options.verb == "count":
        print(sums.count(Database(settings)).dump(), end="")
    elif options.verb == "take-over":
        take_over(settings, repository, damaged=options.damaged)
    elif options.verb == "discard":
        with alone(settings, "restore"):
            Scratch(settings).discard()
    else:
        repository.unlock()


def main() -> int:
    """Run a verb; errors that an operator can do something about are one line."""
    parser = argparse.ArgumentParser(prog="koin-backup", description="Backups of MariaDB and their restore.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name in ("init", "full", "list", "bring-back", "count", "drill", "discard", "unlock"):
        verbs.add_parser(name)
    verbs.add_parser("logs").add_argument("--close", action="store_true", help="the current log as well")
    filled = verbs.add_parser("restore")
    filled.add_argument("--to", required=True, help="'2026-11-27 03:15:20 KST', or latest")
    filled.add_argument("--in-place", action="store_true", help="take-over follows")
    taken = verbs.add_parser("take-over")
    taken.add_argument("--damaged", action="store_true", help="give up what the live databases cannot store any more")
    try:
        run(parser.parse_args())
    except (BackupError, OSError) as error:
        print(f"koin-backup: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
