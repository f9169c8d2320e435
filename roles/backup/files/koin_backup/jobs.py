"""Runs of jobs: one at a time, and noted for the node exporter."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from . import metrics, stage
from .settings import BackupError, Store

#: how long a run waits for another one of the same job
_WAIT_SECONDS = {"mariadb-logs": 50, "restore": 0}
#: nobody waits for it: every minute, beside whatever else is done
_QUIET = "mariadb-logs"
_WAIT = 5


@dataclass(frozen=True)
class Done:
    """What a job has read and stored, in bytes, and what else its metrics tell."""

    size: int
    stored: int = 0
    more: Mapping[str, float] = field(default_factory=dict)


@contextlib.contextmanager
def alone(settings: Store, job: str) -> Iterator[None]:
    """One run of a job at a time; the kernel frees the lock of a process that ends, however it ends."""
    Path(settings.run).mkdir(mode=0o700, exist_ok=True)
    deadline = time.monotonic() + _WAIT_SECONDS.get(job, _WAIT)
    with Path(settings.run, f"{job}.lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise BackupError(f"Another run of {job} is under way on this host. Wait for it.") from error
                time.sleep(0.5)
        if job == _QUIET:
            yield
            return
        stage.begin(settings.run)
        try:
            yield
        finally:
            stage.end()


def measured(settings: Store, job: str, work: Callable[[], Done], lock: str = "") -> None:
    """Run a job alone and note how it went."""
    began = time.time()
    with alone(settings, lock or job):
        try:
            done = work()
        except BaseException:
            # A full disk must not hide why the job failed.
            with contextlib.suppress(OSError):
                metrics.failed(settings, job)
            raise
        metrics.succeeded(settings, job, began, done.size, done.stored, done.more)
