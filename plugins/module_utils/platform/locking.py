"""Taking, renewing, watching and freeing the lock: the loops around ``lock`` (S3) and ``holding`` (what follows).

A run that has taken the lock leaves a note in its temporary folder. The keeper (``lock_keeper``) writes into it until
when the lock is held, or why it is lost; whoever is about to write anything reads it first (``confirm``).
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from .engine.errors import PlatformError
from .holding import HELD, Holding, LostError, Seen, Watch, described, free, refusal
from .processes import State, clock, run_of, state, user

#: the note, in the folder that Ansible makes for each run and all its workers know
NOTE = "platform-lock.json"
#: seconds between two looks at a lock that somebody else holds
POLL = 2.0
#: looks, without pause, at a lock that changes each time; and seconds before those that come later
_ROUNDS, _PAUSE = 5, 0.2
#: looks after which something other than other runs must be wrong
_TOO_MANY = 100


class Store(Protocol):
    """What ``lock.Lock`` is to the loops."""

    def read(self) -> Seen | None:
        """The lock; None when nobody holds it."""

    def create(self, holding: Holding) -> bool:
        """Take a free lock; False when it has to be read."""

    def replace(self, holding: Holding, etag: str) -> bool:
        """Put a document in the place of another; False when it has to be read."""

    def remove(self, etag: str) -> bool:
        """Free the lock; False when it has to be read."""


def holding_of(process: int, what: str, since: str) -> Holding:
    """The document of a new holder. process: whose end is the end of the run."""
    return Holding(
        token=str(uuid.uuid4()), who=user(), host=socket.gethostname(), what=what, since=since, run=run_of(process)
    )


def take(
    lock: Store,
    own: Holding,
    patience: float = 0,
    tell: Callable[[str], None] = lambda text: None,
    look: Callable[[Any], State] = state,
) -> float:
    """Take the lock; returns until when it is held, see ``clock``. Raises PlatformError when another run has it.

    patience: seconds to wait for another run. tell: is told once whom this waits for. look: what is known of a run.
    """
    watch, told, number = Watch(), "", 0
    until = clock() + patience
    while number < _TOO_MANY:
        began = clock()
        if lock.create(own):
            return began + HELD
        seen = lock.read()
        if seen is not None and seen.holding.token == own.token:
            # The answer to our own write was lost.
            return began + HELD
        age = watch.age(seen, clock()) if seen is not None else 0.0
        known = look(seen.holding.run) if seen is not None else State.UNKNOWN
        if seen is None or free(age, known):
            if seen is not None and lock.replace(own, seen.etag):
                return began + HELD
            # It has just become free, or somebody else was faster.
            _pause(number)
            number += 1
            continue
        # What a killed run of this machine has begun ends soon: the one that follows it waits for that, unasked.
        if known is not State.FINISHING and clock() >= until:
            raise PlatformError(refusal(seen.holding, age, known))
        if seen.holding.name != told:
            told = seen.holding.name
            tell(f"Waiting for {described(seen.holding)}")
        time.sleep(POLL)
    raise PlatformError("The lock cannot be taken: it changes whenever it is looked at. Run again in a minute.")


def renew(lock: Store, own: Holding) -> tuple[Holding, float]:
    """Another heartbeat: the document now, and until when the lock is held. Raises LostError."""
    for number in range(_TOO_MANY):
        began = clock()
        seen = _own(lock, own.token)
        now = seen.holding.beaten()
        if lock.replace(now, seen.etag):
            return now, began + HELD
        _pause(number)
    raise PlatformError("The lock cannot be renewed: it changes whenever it is looked at.")


def check(lock: Store, token: str) -> None:
    """Look whether the lock is still the own one. Raises LostError."""
    _own(lock, token)


def release(lock: Store, token: str) -> None:
    """Free the lock, if it is still the own one."""
    for number in range(_TOO_MANY):
        seen = lock.read()
        if seen is None or seen.holding.token != token or lock.remove(seen.etag):
            return
        _pause(number)


def unlock(lock: Store, name: str) -> str:
    """Take the lock from this holder; returns what is true now. Raises PlatformError when another one has it."""
    first = seen = lock.read()
    if first is None:
        return "Nobody holds the lock."
    if first.holding.name != name:
        raise PlatformError(
            f"The lock is not held by {name}, but by {described(first.holding)}; nothing was done. "
            f"Name that one if it is the one you mean: HOLDER={first.holding.name}"
        )
    for number in range(_TOO_MANY):
        if seen is None or seen.holding.token != first.holding.token or lock.remove(seen.etag):
            return f"The lock of {described(first.holding)} is free. That run stops before its next change."
        _pause(number)
        seen = lock.read()
    raise PlatformError("The lock cannot be freed: it changes whenever it is looked at.")


def _own(lock: Store, token: str) -> Seen:
    seen = lock.read()
    if seen is None:
        raise LostError("somebody has unlocked it")
    if seen.holding.token != token:
        raise LostError(f"it is held by {described(seen.holding)} now")
    return seen


def _pause(number: int) -> None:
    if number >= _ROUNDS:
        time.sleep(_PAUSE)


# --- The note ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Note:
    """What a run knows of its lock.

    holding: its document. until: see ``processes.clock``. lost: why it is lost; empty while it is held. trouble: why it
    could not be renewed. keeper: the process that renews it, and when that began.
    """

    holding: Holding
    until: float
    lost: str = ""
    trouble: str = ""
    keeper: tuple[int, str] = (0, "")

    def write(self, path: Path) -> None:
        """At once, for whoever reads it."""
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.write_text(self.text())
        draft.replace(path)

    def text(self) -> str:
        """As ``parsed`` takes it."""
        return json.dumps({**asdict(self), "holding": self.holding.text()})

    @classmethod
    def read(cls, path: Path) -> Note | None:
        """None when this run has not taken the lock."""
        try:
            return cls.parsed(path.read_text())
        except FileNotFoundError:
            return None

    @classmethod
    def parsed(cls, text: str) -> Note:
        """The note of this text."""
        content: Mapping[str, Any] = json.loads(text)
        holding, keeper = Holding.parsed(content["holding"]), tuple(content["keeper"])
        return cls(**{**content, "holding": holding, "keeper": keeper})


def confirm(path: Path, lock: Callable[[], Store]) -> None:
    """Go on only while this run holds the lock. Raises PlatformError when it does not.

    lock: made only when the note is too old, because the machine slept or the keeper has died.
    """
    note = Note.read(path)
    if note is None:
        raise PlatformError(
            "This run has not taken the lock of the platform. Playbooks that write begin with playbooks/lock/take.yml; "
            "it is left out by `--skip-tags always`."
        )
    try:
        if note.lost:
            raise LostError(note.lost)
        if clock() < note.until:
            return
        holding, until = renew(lock(), note.holding)
        replace(note, holding=holding, until=until, trouble="").write(path)
    except LostError as error:
        raise PlatformError(
            f"The lock was lost: {error}. This run has stopped before its next change; what was done before stays. "
            "Run the playbook again: it goes on from here."
        ) from error
    except PlatformError as error:
        raise PlatformError(
            f"Whether this run still holds the lock is not known, so it has stopped before its next change: {error}"
            + (f" (before: {note.trouble})" if note.trouble else "")
        ) from error
