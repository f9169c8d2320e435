"""The restic repository, and what restic's failures mean to an operator."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .choice import Snapshot, read
from .settings import BackupError, Store
from .stage import Meter

#: Somebody may be deleting old backups from the controller.
_WAIT_FOR_LOCK = "15m"
_CONNECT_SECONDS = 10
_NO_REPOSITORY, _LOCKED, _WRONG_PASSWORD, _INCOMPLETE = 10, 11, 12, 3


class Repository:
    """The repository of this host."""

    def __init__(self, settings: Store) -> None:
        self._settings = settings

    @property
    def name(self) -> str:
        """Where it is."""
        return f"{self._place} at {self._settings.endpoint}"

    @property
    def _place(self) -> str:
        return "/".join(filter(None, (self._settings.bucket, self._settings.path)))

    def command(self, *words: str) -> list[str]:
        """A command line of restic. Passwords and keys are in files and the environment only."""
        style = ["-o", "s3.bucket-lookup=path"] if self._settings.path_style else []
        lock = ["--no-lock"] if self._settings.read_only else []
        return ["restic", "-o", f"s3.region={self._settings.region}", *style, *lock, *words]

    def environment(self) -> dict[str, str]:
        """What restic reads: the repository, its password and the credentials. S3 is reached without a proxy."""
        return {
            **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
            "RESTIC_REPOSITORY": f"s3:{self._settings.endpoint}/{self._place}",
            "RESTIC_PASSWORD_FILE": self._settings.password_file,
            "RESTIC_CACHE_DIR": self._settings.cache,
            **self._settings.environment,
        }

    def run(self, *words: str) -> str:
        """Run restic and return what it prints."""
        command = self.command(*words)
        done = subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise self.failure(words[0], done.returncode, done.stderr)
        return done.stdout

    def failure(self, verb: str, code: int, said: str) -> BackupError:
        """What an exit status of restic means."""
        lines = [_plain(line) for line in said.strip().splitlines() if line.strip()]
        last = lines[-1] if lines else f"exit status {code}"
        known = {
            _WRONG_PASSWORD: f"does not accept the password of this host ({self._settings.password}). If the "
            "parameter was changed, put its former value back: `aws ssm get-parameter-history --with-decryption` has "
            "it.",
            _NO_REPOSITORY: f"has no repository, or this host may not read it. Run {self._settings.playbook}, "
            f"which makes one. restic: {last}",
            _LOCKED: f"is locked by another run; if none is under way: `{self._settings.program} unlock`. "
            f"restic: {last}",
            _INCOMPLETE: f"got only part of the files. restic: {' | '.join(lines[-3:])}",
        }
        what = known.get(code, f"refused `restic {verb}`: {' | '.join(lines[-3:]) or last}")
        return BackupError(f"The bucket {self.name} {what}")

    def check_reachable(self) -> None:
        """Fail at once when S3 does not answer: restic itself would try for a quarter of an hour."""
        url = urlsplit(self._settings.endpoint)
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            socket.create_connection((url.hostname or "", port), timeout=_CONNECT_SECONDS).close()
        except OSError as error:
            raise BackupError(
                f"S3 does not answer at {self._settings.endpoint}: {error}. Nothing was stored; the next run stores "
                "everything."
            ) from error

    def create(self) -> bool:
        """Make the repository unless it is there; whether it was made."""
        done = subprocess.run(
            self.command("cat", "config"), env=self.environment(), capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return False
        if done.returncode != _NO_REPOSITORY:
            raise self.failure("cat", done.returncode, done.stderr)
        self.run("init")
        return True

    def unlock(self) -> None:
        """Remove locks of processes that no longer exist."""
        self.run("unlock")

    @contextlib.contextmanager
    def working(self, job: str) -> Iterator[None]:
        """Reachable, and without locks that killed runs have left."""
        self.check_reachable()
        state = Path(self._settings.state)
        if killed := [path for path in state.glob("*.running") if not _alive(path.read_text())]:
            if not self._settings.read_only:
                print(f"{', '.join(path.stem for path in killed)} was killed: removing its lock", flush=True)
                self.unlock()
            for path in killed:
                path.unlink()
        mark = state / f"{job}.running"
        mark.write_text(str(os.getpid()))
        try:
            yield
        finally:
            mark.unlink(missing_ok=True)

    def backup(self, words: Sequence[str], tags: Sequence[str], what: str) -> dict[str, Any]:
        """Store something; returns restic's summary. what: for whoever waits."""
        tagged = [word for tag in tags for word in ("--tag", tag)]
        own = ["--host", self._settings.host, "--retry-lock", _WAIT_FOR_LOCK, *tagged]
        if summary := self._watched(what, "backup", *own, *words):
            return summary
        raise BackupError(
            f"restic said nothing about what it stored in {self.name}. Look at `{self._settings.program} list`."
        )

    def restore(self, what: str, *words: str) -> None:
        """Fetch files. what: for whoever waits."""
        self._watched(what, "restore", *words)

    def _watched(self, what: str, verb: str, *words: str) -> dict[str, Any]:
        """Run restic and tell how far it is; returns its summary."""
        meter, summary = Meter(what), dict[str, Any]()
        environment = self.environment() | {"RESTIC_PROGRESS_FPS": "1"}
        with tempfile.TemporaryFile("w+") as errors:
            with subprocess.Popen(
                self.command(verb, "--json", *words), env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
            ) as running:
                assert running.stdout is not None
                # Some lines are for people, even so.
                for message in (json.loads(line) for line in running.stdout if line.startswith("{")):
                    if message.get("message_type") == "summary":
                        summary = message
                    elif message.get("message_type") == "status":
                        done = message.get("bytes_done") or message.get("bytes_restored") or 0
                        meter.at(done, message.get("total_bytes") or 0)
            errors.seek(0)
            if running.returncode:
                raise self.failure(verb, running.returncode, errors.read())
        return summary

    def listed(self) -> list[dict[str, Any]]:
        """All snapshots of this host, as restic lists them."""
        found: list[dict[str, Any]] = json.loads(
            self.run("snapshots", "--json", "--no-lock", "--host", self._settings.host)
        )
        return found

    def snapshots(self) -> list[Snapshot]:
        """All backups of the database, oldest first."""
        return read(self.listed())

    def text(self, snapshot: str, path: str) -> str:
        """A small file of a snapshot."""
        return self.run("dump", snapshot, path)


def _plain(line: str) -> str:
    """What restic says to people, also where it was asked for JSON."""
    try:
        message = json.loads(line)
    except ValueError:
        return line
    if not isinstance(message, dict):
        return line
    error = message.get("error")
    said = message.get("message") or (error.get("message") if isinstance(error, dict) else error)
    if not said:
        return line
    text = " ".join(str(said).split())
    return f"{message['item']}: {text}" if message.get("item") else text


def _alive(pid: str) -> bool:
    """Whether a process exists. After a restart of the host another one may have its number: a later run unlocks."""
    return pid.isdigit() and Path("/proc", pid).exists()
