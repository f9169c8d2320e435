"""Proves that the backups can be restored: on another host, from the newest one to the last stored transaction."""

from __future__ import annotations

import time
from dataclasses import dataclass

from .choice import full_before, number, shown, sums_of
from .repository import Repository
from .restore import lay, replay, say
from .scratch import Scratch
from .settings import BackupError, Settings
from .sums import count, differences, load

#: seconds
OLDEST = 26 * 3600.0


@dataclass(frozen=True)
class Drill:
    """How it went.

    recovery: seconds from nothing to a server with everything (RTO). lost: seconds from the last stored log to the
    begin of the drill (RPO); while nothing is written, nothing is stored and nothing lost. rows: that were compared.
    """

    size: int
    recovery: float
    lost: float
    tables: int
    rows: int

    @property
    def metrics(self) -> dict[str, float]:
        """What the node exporter tells."""
        return {
            "koin_backup_drill_recovery_seconds": self.recovery,
            "koin_backup_drill_lost_seconds": self.lost,
            "koin_backup_drill_tables": self.tables,
            "koin_backup_drill_rows": self.rows,
        }

    def __str__(self) -> str:
        return (
            f"{self.tables} tables with {self.rows} rows are as they were counted; recovered in {self.recovery:.0f} s, "
            f"up to {self.lost:.0f} s before the drill began"
        )


def check_age(seconds: float) -> None:
    """Fail when the newest backup is older than a day and a night's delay: to restore that proves nothing of today."""
    if seconds > OLDEST:
        raise BackupError(
            f"The newest backup is {seconds / 3600:.0f} hours old. Find out why there is none of tonight, or make one: "
            "playbooks/backup.yml."
        )


def drill(settings: Settings, repository: Repository, scratch: Scratch) -> Drill:
    """Restore, compare where the tables were counted, go on to the end, and clean up."""
    began, clock = time.time(), time.monotonic()
    snapshots = repository.snapshots()
    full = full_before(snapshots, None)
    check_age(began - full.ended.timestamp())
    kept = sums_of(snapshots, full)
    if kept is None:
        raise BackupError(
            f"Nobody has counted the tables of the backup of {shown(full.ended)}, so there is nothing to compare with. "
            "Make another one: playbooks/backup.yml."
        )
    try:
        recorded = load(settings, repository, kept.id)
        if not recorded.tables:
            raise BackupError(f"The backup of {shown(full.ended)} holds no tables, so it proves nothing.")
        base = lay(repository, scratch, snapshots, full, None)
        names = base.found.files
        if recorded.log not in names:
            raise BackupError(f"The binary log {recorded.log}, in which the tables were counted, is not stored.")
        before = [name for name in names if number(name) <= number(recorded.log)]
        replay(scratch, before, base.position, end=recorded.position)
        paused = time.monotonic()
        restored = count(scratch.database)
        clock += time.monotonic() - paused
        say(f"{len(restored.tables)} tables at {recorded.log}, position {recorded.position}")
        if wrong := differences(recorded, restored):
            listed = "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if wrong[5:] else "")
            raise BackupError(f"The restored databases are not what was backed up: {listed}.")
        replay(scratch, names[len(before) - 1 :], recorded.position)
        scratch.database.ask("SELECT 1")
        return Drill(
            full.size,
            time.monotonic() - clock,
            max(0.0, began - base.found.reach.timestamp()),
            len(recorded.tables),
            recorded.rows,
        )
    finally:
        scratch.discard()
