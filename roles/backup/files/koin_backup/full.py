"""A physical backup of the whole server, streamed into the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import logs
from .choice import FULL
from .repository import Repository
from .settings import Settings

STREAM = "mariadb.mbstream"


def store(settings: Settings, repository: Repository) -> dict[str, Any]:
    """Make a backup; returns restic's summary.

    restic runs mariadb-backup itself and stores nothing unless that succeeds, so half a backup never counts as one.
    """
    progress = logs.current(settings)
    # mariadb-backup wants a directory, though it streams everything.
    target = Path(settings.run, "target")
    target.mkdir(exist_ok=True)
    program = [
        *("mariadb-backup", "--no-defaults", "--backup", "--stream=mbstream", "--user=root"),
        *(f"--socket={settings.socket}", f"--datadir={settings.datadir}", f"--target-dir={target}"),
    ]
    words = ["--stdin-filename", STREAM, "--stdin-from-command", "--", *program]
    return repository.backup(words, [FULL, f"series={progress.series}"], "storing the databases")
