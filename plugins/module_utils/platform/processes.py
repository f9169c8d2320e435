"""The processes of a run on this machine, and whether any of them is still at work.

A run is ``ansible-playbook`` and its workers. Workers outlive it when it is killed, and finish what they have begun.
They are known by the pipes that they inherit from it: each calls setsid, so no process group has them all.

Without /proc (macOS) only the process itself is asked for, and workers are not seen.
"""

from __future__ import annotations

import enum
import getpass
import os
import select
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
#: seconds between two looks where the kernel cannot tell when a process ends
_LOOK = 0.5


class State(enum.Enum):
    """What is known of a run. FINISHING: its process has ended, a worker of it has not."""

    RUNNING = "running"
    FINISHING = "finishing"
    ENDED = "ended"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Run:
    """A run: its process, when that began, on which machine, by which user; the pipes that its workers inherit."""

    process: int
    began: str
    machine: str
    user: int
    pipes: tuple[str, ...] = ()


def run_of(process: int) -> Run:
    """The run whose process it is."""
    return Run(process, began(process), machine(), os.getuid(), tuple(sorted(_own_pipes(process))))


def state(run: Run) -> State:
    """What is known of a run; UNKNOWN unless it is of this machine and this user, whose processes we may look at."""
    if not run.machine or (run.machine, run.user) != (machine(), os.getuid()):
        return State.UNKNOWN
    if began(run.process) == run.began:
        return State.RUNNING
    return State.FINISHING if _at_work(run) else State.ENDED


def began(process: int) -> str:
    """When a process of this machine began; empty when it does not run."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    fields = _status(process)
    if not fields:
        return "running"
    return "" if fields[0] == "Z" else fields[19]


def user() -> str:
    """Who runs this process, as this machine calls them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def clock() -> float:
    """Seconds since the machine started, also those that it slept."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def machine() -> str:
    """What tells this machine, since its start, from others: process numbers mean something on it only. Else empty."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        # Containers have process numbers of their own.
        return f"{socket.gethostname()} {boot} {(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def wait(run: Run, seconds: float) -> bool:
    """Wait until the process of a run has ended, so long at most. Whether it has."""
    until = clock() + seconds
    with suppress(OSError, AttributeError):
        descriptor = os.pidfd_open(run.process)
        try:
            if began(run.process) != run.began:
                return True
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            return bool(poll.poll(max(0, until - clock()) * 1000))
        finally:
            os.close(descriptor)
    while began(run.process) == run.began:
        left = until - clock()
        if left <= 0:
            return False
        time.sleep(min(_LOOK, left))
    return True


def _status(process: int) -> list[str]:
    """Fields of /proc/<process>/stat from the state on; empty when they cannot be read."""
    try:
        # Its name, in brackets, may hold spaces.
        return (_PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _pipes(process: int, first: int = 0) -> Iterator[str]:
    """Pipes that a process has open, from this descriptor on."""
    with suppress(OSError):
        for link in (_PROC / str(process) / "fd").iterdir():
            with suppress(OSError):
                target = str(link.readlink())
                if target.startswith("pipe:") and int(link.name) >= first:
                    yield target


def _own_pipes(process: int) -> set[str]:
    """Pipes that a process has made: neither its standard streams nor what it has from the process above (make -j)."""
    fields = _status(process)
    above = set(_pipes(int(fields[1]))) if fields else set()
    streams = set(_pipes(process)) - set(_pipes(process, first=3))
    return set(_pipes(process, first=3)) - above - streams


def _at_work(run: Run) -> bool:
    """Whether any process holds a pipe of the run."""
    if not run.pipes:
        return False
    pipes = set(run.pipes)
    numbers = (int(folder.name) for folder in _PROC.glob("[0-9]*"))
    return any(not pipes.isdisjoint(_pipes(number)) for number in numbers)
