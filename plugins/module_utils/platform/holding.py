"""The document of the lock: who holds the platform, for what, since when; and what follows from it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from .processes import Run, State

#: seconds between two heartbeats
BEAT = 20.0
#: seconds after a heartbeat for which its holder counts on it
HELD = 60.0
#: seconds after a heartbeat from which on others may take over; the difference to HELD is for clocks that are inexact
FREE = 90.0
#: seconds, by the letter behind a number
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


class LostError(Exception):
    """The lock is no longer the own one; the message says why, as the end of `The lock was lost: …`."""


@dataclass(frozen=True)
class Holding:
    """Who holds the lock.

    token: of this run alone. what: the playbooks and options of its command. since: when, in text. beat: the number of
    its heartbeats, so that each document differs from the one before.
    """

    token: str
    who: str
    host: str
    what: str
    since: str
    run: Run
    beat: int = 0

    @property
    def name(self) -> str:
        """What an operator calls the holder."""
        return f"{self.who}@{self.host}:{self.run.process}"

    def beaten(self) -> Self:
        """After another heartbeat."""
        return replace(self, beat=self.beat + 1)

    def text(self) -> str:
        """The document."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def parsed(cls, text: str) -> Self:
        """Raises ValueError when it is no document of ours."""
        try:
            content: Mapping[str, Any] = json.loads(text)
            run = Run(**{**content["run"], "pipes": tuple(content["run"]["pipes"])})
            return cls(**{**content, "run": run})
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"no document of a lock: {error}") from error


@dataclass(frozen=True)
class Seen:
    """A lock as it was read. etag: of this document. age: seconds since its last heartbeat, by the clock of S3."""

    holding: Holding
    etag: str
    age: float


class Watch:
    """How long one document has been seen, by the own clock: for answers that do not tell the time."""

    def __init__(self) -> None:
        self._etag, self._since = "", 0.0

    def age(self, seen: Seen, now: float) -> float:
        """Seconds since the last heartbeat, by whichever clock has seen more."""
        if seen.etag != self._etag:
            self._etag, self._since = seen.etag, now
        return max(seen.age, now - self._since)


def free(age: float, state: State) -> bool:
    """Whether others may take the lock over. age: see ``Watch``. state: of the holder's run, as this machine knows it.

    A worker that outlives its run is given the time that a heartbeat lasts.
    """
    return age > FREE or state is State.ENDED


def refusal(holding: Holding, age: float, state: State) -> str:
    """What a run that finds the lock taken says."""
    left = max(1, round(FREE - age))
    gone = state in (State.FINISHING, State.ENDED)
    then = (
        f"That run was killed, and one of its workers is still busy; in {left} s at the latest the lock is free."
        if gone
        else f"If that run has died, the lock is free in {left} s at the latest; `make unlock` frees it before."
    )
    return (
        f"The platform is locked by {described(holding)}, whose last heartbeat is {max(0, round(age))} s old. "
        f"Nothing was written. Run again once it is done, or let this wait: `-e wait=15m`. {then}"
    )


def described(holding: Holding) -> str:
    """Who, for what, since when."""
    return f"{holding.name} ({holding.what}) since {holding.since}"


def unlocking(holding: Holding) -> str:
    """How to free the lock of a holder."""
    return (
        f"The lock is held by {described(holding)}. To free it: make unlock HOLDER={holding.name} "
        f"(or `-e holder={holding.name}`). If that run is alive, it stops before its next change."
    )


def seconds(value: Any) -> float:
    """``90``, ``90s``, ``15m`` and ``1h`` in seconds. Raises ValueError for anything else."""
    known = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", str(value).strip())
    if not known:
        raise ValueError(f"wait: `{value}` is no time. Write seconds or, e.g., 15m or 1h.")
    return float(known[1]) * _UNITS[known[2]]
