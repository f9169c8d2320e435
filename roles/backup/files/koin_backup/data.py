"""Backups of what a host has besides the database, and their restore.

Usage: koin-backup-data VERB

- init: make the repository unless it is there
- run: back up everything that is declared for this host
- list: what can be restored
- restore --what KIND [--name VOLUME] --to TIME: beside the live data, as of TIME or `latest`
- take-over --what KIND [--name VOLUME]: put what was restored in the place of the live data
- unlock: remove locks of runs that were killed
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator

from . import cache, kept, swarm, volumes
from .jobs import Done, alone, measured
from .kept import KINDS, NAMES, VALKEY, VOLUME
from .repository import Repository
from .settings import BackupError, DataSettings, load_data

#: one restore at a time
_RESTORE = "restore"

Work = Callable[[DataSettings, Repository], Done]


def declared(settings: DataSettings) -> Iterator[tuple[str, Work]]:
    """The jobs of this host, by the end of their name in the metrics."""
    if settings.volumes:
        yield "volumes", volumes.store
    if settings.swarm:
        yield "swarm", swarm.store
    if settings.valkey:
        yield "valkey", cache.store


def run_all(settings: DataSettings, repository: Repository) -> None:
    """Every job, each measured by itself; one that fails does not keep the others from it."""
    failed = []
    for end, work in declared(settings):
        job = f"{settings.host}-{end}"

        def working(job: str = job, work: Work = work) -> Done:
            with repository.working(job):
                return work(settings, repository)

        try:
            measured(settings, job, working)
        except (BackupError, OSError) as error:
            failed.append(f"{end}: {error}")
    if failed:
        raise BackupError("; ".join(failed))


def restore(settings: DataSettings, repository: Repository, kind: str, name: str, to: str) -> str:
    """Restore beside the live data."""
    with alone(settings, _RESTORE), repository.working(_RESTORE):
        found = kept.chosen(kept.read(repository.listed()), kind, name, to)
        if kind == NAMES:
            return swarm.restore(repository, found)
        if kind == VALKEY:
            return cache.restore(settings, repository, found)
        return volumes.restore(settings, repository, found)


def take_over(settings: DataSettings, kind: str, name: str) -> str:
    """Put what was restored in place. No backup may be taken meanwhile."""
    if kind == NAMES:
        raise BackupError("Names are kept, not values: there is nothing to put in place. Deploy the services.")
    job = "valkey" if kind == VALKEY else "volumes"
    with alone(settings, _RESTORE), alone(settings, f"{settings.host}-{job}"):
        return cache.take_over(settings) if kind == VALKEY else volumes.take_over(settings, name)


def run(options: argparse.Namespace) -> None:
    """One verb."""
    settings = load_data()
    repository = Repository(settings)
    if options.verb == "init":
        repository.check_reachable()
        print("created" if repository.create() else "it is there")
    elif options.verb == "run":
        run_all(settings, repository)
    elif options.verb == "list":
        for item in kept.read(repository.listed()):
            print(item)
    elif options.verb == "restore":
        print(restore(settings, repository, options.what, options.name, options.to))
    elif options.verb == "take-over":
        print(take_over(settings, options.what, options.name))
    else:
        repository.unlock()


def main() -> int:
    """Run a verb; errors that an operator can do something about are one line."""
    parser = argparse.ArgumentParser(prog=DataSettings.program, description="Backups of a host and their restore.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name in ("init", "run", "list", "unlock"):
        verbs.add_parser(name)
    for name in ("restore", "take-over"):
        verb = verbs.add_parser(name)
        verb.add_argument("--what", required=True, choices=KINDS)
        verb.add_argument("--name", default="", help="full name of the volume")
        if name == "restore":
            verb.add_argument("--to", required=True, help="'2026-11-27 03:15:20 KST', or latest")
    options = parser.parse_args()
    if "what" in options and (options.what == VOLUME) != bool(options.name):
        parser.error("--name names a volume: needed with `--what volume`, and not otherwise")
    try:
        run(options)
    except (BackupError, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
