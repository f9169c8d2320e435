"""The cache (Valkey): a snapshot that the server writes for the backup, and back beside the live data."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from . import space
from .choice import shown
from .exchange import exchange
from .jobs import Done
from .kept import VALKEY, Kept, tags
from .repository import Repository
from .settings import BackupError, DataSettings
from .stage import tell

#: of role valkey: runs a command as administrator
_ADMIN = "valkey-admin"
_UNIT = "valkey-server"
_SNAPSHOT = "dump.rdb"
#: lies in a folder that a restore has made
_MARK = "koin-restored"
_SAVE_SECONDS, _PAUSE = 900.0, 0.2

Ask = Callable[..., str]


def ask(*words: str) -> str:
    """What the server answers."""
    return _run([_ADMIN, *words], f"Valkey: {' '.join(words)}")


def _run(command: list[str], what: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise BackupError(f"{what}: {command[0]} is not on this host. Has it the role valkey?") from error
    if done.returncode:
        # valkey-cli writes what the server refuses to its standard output.
        said = " | ".join(f"{done.stdout}\n{done.stderr}".strip().splitlines()[-3:])
        raise BackupError(f"{what}: {said}. See `journalctl -u {_UNIT}`.")
    return done.stdout


def _persistence(asked: Ask) -> Mapping[str, str]:
    lines = (line.strip().partition(":") for line in asked("INFO", "persistence").splitlines() if ":" in line)
    return {name: value for name, _, value in lines}


def save(asked: Ask = ask, pause: float = _PAUSE) -> None:
    """Let the server write a snapshot, and wait until it is complete.

    A save or a rewrite of the log that is under way is waited for: what it writes began before.
    """
    deadline = time.monotonic() + _SAVE_SECONDS
    begun = False
    while time.monotonic() < deadline:
        found = _persistence(asked)
        if "1" in (found.get("rdb_bgsave_in_progress"), found.get("aof_rewrite_in_progress")):
            time.sleep(pause)
        elif begun:
            if found.get("rdb_last_bgsave_status") != "ok":
                raise BackupError(
                    f"Valkey could not write its snapshot. Look at `journalctl -u {_UNIT}` and at the room on the disk."
                )
            return
        else:
            try:
                asked("BGSAVE")
                begun = True
            except BackupError as error:
                # One of its own began in between.
                if "in progress" not in str(error) and "child process" not in str(error):
                    raise
                time.sleep(pause)
    raise BackupError(f"Valkey has not written its snapshot within {_SAVE_SECONDS:.0f} s.")


def store(settings: DataSettings, repository: Repository) -> Done:
    """Store a snapshot of now. It is the server's own file, which replaces the one before."""
    tell("waiting for the cache's snapshot")
    save()
    summary = repository.backup([str(Path(settings.cached, _SNAPSHOT))], tags(VALKEY), "storing the cache")
    print(f"valkey: {summary['total_bytes_processed']} bytes read", flush=True)
    return Done(summary["total_bytes_processed"], summary.get("data_added_packed", summary["data_added"]))


def restore(settings: DataSettings, repository: Repository, kept: Kept) -> str:
    """Restore a snapshot into a folder beside the live data, and check it; what to tell the operator."""
    live, top = Path(settings.cached), Path(settings.scratch)
    space.require(top, kept.size, f"{top}/*")
    top.mkdir(mode=0o755, exist_ok=True)
    folder = top / time.strftime("valkey-%Y%m%dT%H%M%S")
    folder.mkdir(mode=0o700)
    try:
        path = Path(kept.path)
        words = ["--target", str(folder), "--include", f"/{path.name}", "--verify"]
        repository.restore("restoring the cache", f"{kept.id}:{path.parent}", *words)
        said = _run(["valkey-check-rdb", str(folder / _SNAPSHOT)], "checking the snapshot")
        (folder / _MARK).write_text(f"{shown(kept.ended)}\n")
        for one in (*folder.iterdir(), folder):
            # The user may have another number on another host.
            shutil.chown(one, live.owner(), live.group())
        folder.chmod(live.stat().st_mode & 0o7777)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    keys = re.search(r"(\d+) keys read", said)
    return f"the cache as of {shown(kept.ended)}, {keys[1] if keys else 'some'} keys, is in {folder}"


def take_over(settings: DataSettings) -> str:
    """Put the newest restored snapshot in the place of the live data. Started again after a kill, it goes on.

    What was restored bears a mark, and what was live before does not: so a takeover whose end is missing is told from
    the next restore.
    """
    live, top = Path(settings.cached), Path(settings.scratch)
    begun = (live / _MARK).exists()
    former = _finish(settings) if begun else []
    # Restores that are older than the one which was put in place last were not wanted.
    last = max((folder.name.removeprefix("replaced-") for folder in top.glob("replaced-*")), default="")
    marked = (folder for folder in top.glob("valkey-*") if (folder / _MARK).exists())
    restored = sorted(folder for folder in marked if folder.name.removeprefix("valkey-") > last)
    if restored:
        _run(["systemctl", "stop", _UNIT], "stopping the cache")
        try:
            exchange(restored[-1], live)
        except BaseException:
            _run(["systemctl", "start", _UNIT], "starting the cache")
            raise
        former += _finish(settings)
    elif not begun:
        raise BackupError("No restored cache is on this host. Restore one first: playbooks/restore.yml.")
    where = ", ".join(former) or f"{top}/replaced-*"
    return f"the cache is what was restored; what was there before is in {where}: remove it when nobody needs it"


def _finish(settings: DataSettings) -> list[str]:
    """Keep what was live before, and start the server with what has taken its place."""
    top, former = Path(settings.scratch), []
    for folder in sorted(item for item in top.glob("valkey-*") if not (item / _MARK).exists()):
        kept = top / folder.name.replace("valkey-", "replaced-")
        folder.rename(kept)
        former.append(str(kept))
    _run(["systemctl", "start", _UNIT], "starting the cache")
    Path(settings.cached, _MARK).unlink()
    return former
