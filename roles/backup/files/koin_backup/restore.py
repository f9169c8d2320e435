"""Restores the server to a moment: a physical backup, and what the binary logs say after it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from . import logs, space
from .choice import LATEST, Logs, Snapshot, full_before, logs_between, moment, shown
from .exchange import exchange
from .full import STREAM
from .repository import Repository
from .scratch import MARK, UNIT, Scratch, taking_over
from .settings import BackupError, Settings
from .stage import Meter, tell
from .sums import count

#: bytes that are moved at once
_PIECE = 1 << 20
#: where older restores are
_OLDER = "`koin-backup discard`, replaced-*"


def say(text: str) -> None:
    """Progress, a line at a time."""
    print(text, flush=True)


def restore(settings: Settings, repository: Repository, scratch: Scratch, to: str) -> None:
    """Fill the scratch server with the databases as they were at a moment, and print what is in it."""
    began = time.monotonic()
    when = None if to == LATEST else moment(to)
    snapshots = repository.snapshots()
    base = lay(repository, scratch, snapshots, full_before(snapshots, when), when)
    replay(scratch, base.found.files, base.position, when=when)
    with (scratch.data / MARK).open("w") as mark:
        mark.write(f"{to}\n")
        mark.flush()
        os.fsync(mark.fileno())
    shutil.rmtree(scratch.logs)
    reached = when or base.found.reach
    counted = count(scratch.database)
    tables = [(name, item.rows, item.checksum) for name, item in counted.tables.items()]
    scratch.record.write_text(json.dumps({"to": shown(reached), "tables": tables}) + "\n")
    say(report(tables))
    say(f"restored as of {shown(reached)} in {time.monotonic() - began:.0f} s: sudo mariadb --socket={scratch.socket}")


@dataclass(frozen=True)
class Base:
    """A scratch server that holds a physical backup, and the logs that go on from a position in the first of them."""

    found: Logs
    position: int


def lay(
    repository: Repository, scratch: Scratch, snapshots: Sequence[Snapshot], full: Snapshot, when: datetime | None
) -> Base:
    """Fetch a physical backup and what leads from it to a moment, and start the scratch server with the backup."""
    space.require(scratch.folder, full.size, _OLDER)
    say(f"backup of {shown(full.ended)}, {full.size} bytes")
    scratch.prepare()
    _fetch_full(repository, scratch, full)
    _run(["mariadb-backup", "--prepare", "--use-memory=128M", f"--target-dir={scratch.data}"], "preparing the backup")
    first, position = _position(scratch.data)
    found = logs_between(snapshots, full, first, when)
    say(f"{len(found.files)} binary logs from {first}, position {position}")
    space.require(scratch.folder, sum(part.snapshot.size for part in found.parts), _OLDER)
    _fetch_logs(repository, scratch, found)
    _run(["chown", "--recursive", "mysql:mysql", str(scratch.data)], "handing the files to mysql")
    scratch.start()
    return Base(found, position)


def report(tables: Sequence[tuple[str, int, str]]) -> str:
    """Rows and checksums of every table, as columns."""
    lines = [("table", "rows", "checksum"), *((name, str(rows), checksum) for name, rows, checksum in tables)]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    return "\n".join(
        f"{name:<{widths[0]}}  {rows:>{widths[1]}}  {checksum:>{widths[2]}}" for name, rows, checksum in lines
    )


def take_over(settings: Settings, repository: Repository, scratch: Scratch, *, damaged: bool = False) -> None:
    """Put the restored databases in the place of the live ones. Started again after a kill, it goes on.

    What the live server wrote until now is stored first, so that the takeover itself can be undone.
    damaged: give it up when it cannot be stored, because the live databases are damaged.
    """
    if not taking_over(settings):
        if not scratch.record.exists():
            raise BackupError("There is no restored server to put in place. Restore one first: playbooks/restore.yml.")
        scratch.stop()
        _run(["systemctl", "stop", "mariadb"], "stopping mariadb")
        try:
            _change_places(settings, repository, scratch, damaged=damaged)
        except BaseException as error:
            # Nobody is helped by a server that stands still.
            started = subprocess.run(["systemctl", "start", "mariadb"], capture_output=True, check=False)
            serves = "mariadb does not start (`journalctl -u mariadb`)"
            if started.returncode == 0:
                serves = "the live databases serve again"
            raise BackupError(f"{str(error).rstrip('.')}. Nothing was put in place, and {serves}.") from error
    # Before anything else can fail: a later restore begins with an empty folder.
    if scratch.data.exists():
        kept = scratch.folder / time.strftime("replaced-%Y%m%dT%H%M%S")
        scratch.data.rename(kept)
        say(f"what was there before is in {kept}; remove it when nobody needs it")
    logs.forget(settings)
    _run(["systemctl", "start", "mariadb"], "starting mariadb")
    scratch.record.unlink(missing_ok=True)
    Path(settings.datadir, MARK).unlink()


def _change_places(settings: Settings, repository: Repository, scratch: Scratch, *, damaged: bool) -> None:
    """Store what the server that was stopped has left, and let the two data directories change places."""
    live = Path(settings.datadir)
    try:
        say(str(logs.store(settings, repository)))
    # Damaged files cannot even be read as what they are.
    except (BackupError, OSError, ValueError) as error:
        if not damaged:
            raise BackupError(
                f"What the live databases hold since the last minute cannot be stored: {str(error).rstrip('.')}. If "
                "they are damaged, -e damaged=true gives it up"
            ) from error
        say(f"given up, because it cannot be stored: what was written in the last minute ({error})")
        live.mkdir(mode=0o700, exist_ok=True)
    exchange(scratch.data, live)


def _fetch_full(repository: Repository, scratch: Scratch, full: Snapshot) -> None:
    dump = repository.command("dump", full.id, f"/{STREAM}")
    unpack = ["mbstream", "--extract", f"--directory={scratch.data}"]
    _pipe(dump, unpack, "unpacking the backup", repository.environment(), full.size)


def _fetch_logs(repository: Repository, scratch: Scratch, found: Logs) -> None:
    for part in found.parts:
        chosen = [word for name in part.files for word in ("--include", f"/{name}")]
        source = f"{part.snapshot.id}:{part.snapshot.folder}"
        repository.restore("fetching binary logs", source, "--target", str(scratch.logs), *chosen)


def _position(data: Path) -> tuple[str, int]:
    """The binary log and the position at which the backup ended."""
    path = data / "mariadb_backup_binlog_info"
    try:
        name, position = path.read_text().split()[:2]
    except (OSError, ValueError) as error:
        raise BackupError(f"The backup does not tell its position in the binary log ({path}): {error}") from error
    return name, int(position)


def replay(
    scratch: Scratch, files: Sequence[str], position: int, *, when: datetime | None = None, end: int = 0
) -> None:
    """Everything that was committed from a position in the first log to a moment, or to a position in the last log.

    An event counts by the second in which its statement began, for a transaction its COMMIT; the moment's own second is
    left out.
    """
    if not files:
        return
    stop = [f"--stop-datetime={when:%Y-%m-%d %H:%M:%S}"] if when else []
    if end:
        stop = [f"--stop-position={end}"]
    paths = [str(scratch.logs / name) for name in files]
    read = ["mariadb-binlog", "--no-defaults", "--disable-log-bin", f"--start-position={position}", *stop, *paths]
    write = [*scratch.database.client, "--max-allowed-packet=1G"]
    # mariadb-binlog takes the moment in its own time zone.
    _pipe(read, write, "replaying the binary logs", {**os.environ, "TZ": "UTC"})


def _run(command: Sequence[str], what: str) -> None:
    tell(what)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BackupError(f"{what}: {_end(done.stderr)}")


def _pipe(
    source: Sequence[str], target: Sequence[str], what: str, environment: Mapping[str, str], size: int = 0
) -> None:
    """Two programs in a row; it fails when either does. size: of what the first one writes, in bytes, if known."""
    with tempfile.TemporaryFile("w+") as first_said, tempfile.TemporaryFile("w+") as second_said:
        with (
            subprocess.Popen(source, stdout=subprocess.PIPE, stderr=first_said, env=dict(environment)) as first,
            subprocess.Popen(target, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=second_said) as second,
        ):
            assert first.stdout is not None and second.stdin is not None
            # A reader that fails ends the writer, too.
            with first.stdout, second.stdin, contextlib.suppress(BrokenPipeError):
                _pump(first.stdout.fileno(), second.stdin.fileno(), Meter(what, size))
        for file in (first_said, second_said):
            file.seek(0)
        # It is the reason for the writer's failure, then: tell what it said.
        if second.returncode:
            raise BackupError(f"{what}: {target[0]}: {_end(second_said.read())}")
        if first.returncode:
            raise BackupError(f"{what}: {source[0]}: {_end(first_said.read())}")


def _pump(source: int, target: int, meter: Meter) -> None:
    """From one pipe into the other, without a copy."""
    while moved := os.splice(source, target, _PIECE):
        meter.add(moved)


def _end(text: str) -> str:
    return " | ".join(text.strip().splitlines()[-3:]) or f"failed without a word; see `journalctl -u {UNIT}`"
