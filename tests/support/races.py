"""Races for the lock of an account: processes that take it, are killed or not, and watch that each is alone with it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from multiprocessing.process import BaseProcess
from pathlib import Path

from ansible.module_utils.platform import holding, locking
from ansible.module_utils.platform.engine.errors import PlatformError
from ansible.module_utils.platform.holding import LostError
from ansible.module_utils.platform.lock import Lock
from ansible.module_utils.platform.processes import State, clock

_FORK = multiprocessing.get_context("fork")
#: seconds that a racer may take at most, all others and their deaths included
PATIENCE = 60.0
#: exit statuses: it has had the lock; it has met another holder; it was too slow and lost it; it has waited too long
DONE, MET, LOST, STUCK = 0, 10, 11, 12


@dataclass
class Times:
    """How fast a lock gets old in a race; the platform's own times take minutes."""

    beat: float
    held: float
    free: float


@dataclass
class Outcome:
    """Of one race. killed: racers that were killed. inside: those of them that held the lock then."""

    ended: list[int] = field(default_factory=list)
    killed: int = 0
    inside: int = 0
    seconds: float = 0.0

    def count(self, status: int) -> int:
        """Racers that ended so."""
        return self.ended.count(status)


def _alive(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def _enter(inside: Path, until: float) -> bool:
    """Note until when this process counts on the lock; False when another one, that lives, does so, too."""
    draft = inside.with_name(f"{inside.name}-{os.getpid()}")
    draft.write_text(str(until))
    draft.replace(inside / str(os.getpid()))
    for path in inside.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if int(path.name) != os.getpid() and _alive(int(path.name)) and clock() < float(path.read_text()):
                return False
    return True


def _race(lock: Lock, inside: Path, seed: int, times: Times, foreign: bool) -> None:
    """One racer: take, hold with heartbeats for a moment, free."""
    holding.FREE, holding.HELD, locking.HELD, locking.POLL = times.free, times.held, times.held, 0.05
    rest = random.Random(seed).uniform(0.0, 0.3)
    own = locking.holding_of(os.getpid(), "race", "now")
    if foreign:
        # As from another machine: nobody can see whether it lives.
        own = replace(own, run=replace(own.run, machine=f"machine {seed}"))
    status = DONE
    try:
        alone = [_enter(inside, locking.take(lock, own, PATIENCE))]
        until = time.monotonic() + rest
        while time.monotonic() < until:
            time.sleep(min(times.beat, rest))
            own, held = locking.renew(lock, own)
            alone.append(_enter(inside, held))
        if not all(alone):
            status = MET
        (inside / str(os.getpid())).unlink()
        locking.release(lock, own.token)
    except LostError:
        status = LOST
    except PlatformError:
        status = STUCK
    # Not through pytest's own end of a process.
    os._exit(status)


def race(make: Callable[[], Lock], folder: Path, seed: int, times: Times, racers: int = 4) -> Outcome:
    """Some racers at once, about half of which are killed at some moment. make: the lock, whose bucket is not there.

    Every other race is between machines that do not see each other's processes.
    """
    chance, outcome = random.Random(seed), Outcome()
    inside = folder / f"inside-{seed}"
    inside.mkdir()
    lock, began = make(), time.monotonic()
    running: list[BaseProcess] = [
        _FORK.Process(target=_race, args=(lock, inside, seed * 100 + number, times, seed % 2 == 1))
        for number in range(racers)
    ]
    for process in running:
        process.start()
    deaths = sorted((chance.uniform(0.0, 0.6), process) for process in running if chance.random() < 0.5)
    for moment, process in sorted(deaths, key=lambda death: death[0]):
        time.sleep(max(0.0, began + moment - time.monotonic()))
        if process.pid and process.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
    for process in running:
        process.join(PATIENCE + 30)
        if process.exitcode == -signal.SIGKILL:
            outcome.killed += 1
            outcome.inside += (inside / str(process.pid)).exists()
        else:
            outcome.ended.append(STUCK if process.exitcode is None else process.exitcode)
    outcome.seconds = time.monotonic() - began
    return outcome


def freed(lock: Lock, times: Times, patience: float = 5) -> bool:
    """Whether the lock can be taken after a race, by somebody who sees no process of it.

    patience: seconds beside those that a lock lasts.
    """
    holding.FREE = times.free
    own = locking.holding_of(os.getpid(), "after the race", "now")
    try:
        locking.take(lock, own, times.free + patience, look=lambda run: State.UNKNOWN)
    except PlatformError:
        return False
    locking.release(lock, own.token)
    return True
