"""The record of a run: who, when, what, from which commit, by which plan, how it ended, and what it saw. Pure.

It is made when the run has taken the lock, and completed when the run ends. While the run is under way it notes in a
journal what belongs into it (``recording``); ``completed`` puts both together. It holds no secret.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from . import moments
from .engine.model import Plan
from .engine.snapshot import Difference, Snapshot, differences
from .plain_secrets import masked

#: where they are in the platform's bucket; its lifecycle rule says how long they stay
PREFIX = "runs/"
#: the version of their format
FORMAT = 1
#: what a run that has ended says of itself; KILLED: it could not say anything
OK, FAILED, KILLED = "ok", "failed", "killed"
#: what is derived of a run without an end
RUNNING = "running"

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Record:
    """A run. begin, end: see ``moments.written``; end: empty while it is not over.

    failed: the task at which it failed, and on which host. changed: how many tasks changed something, on each host.
    plan: what was to be written to the account; None when the run has not planned. observations: when the account was
    seen as a whole, and the digest of what was there; contents: what was there, packed, by digest.
    """

    token: str
    who: str
    what: str
    begin: str
    commit: str = ""
    dirty: bool = False
    end: str = ""
    result: str = ""
    failed: Mapping[str, str] = field(default_factory=dict)
    changed: int = 0
    plan: Sequence[Entry] | None = None
    observations: Sequence[Mapping[str, str]] = ()
    contents: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Of its object: keys are in the order of time."""
        return f"{PREFIX}{self.begin}-{self.token[:8]}.json"

    @property
    def began(self) -> datetime:
        """When it began."""
        return moments.read(self.begin)

    @property
    def ended(self) -> datetime | None:
        """When it ended."""
        return moments.read(self.end) if self.end else None

    @property
    def writes(self) -> int:
        """How much it changed: resources of the account when it has planned, else what tasks have changed."""
        return self.changed if self.plan is None else len(self.plan)

    def text(self) -> str:
        """The object."""
        parts = {name: value for name, value in vars(self).items() if value not in ("", None, (), {}, [])}
        return json.dumps({"format": FORMAT, **parts}, ensure_ascii=False) + "\n"

    @classmethod
    def parsed(cls, text: str) -> Record:
        """Raises ValueError when it is no record of ours."""
        try:
            content = json.loads(text)
            if content.pop("format") != FORMAT:
                raise ValueError("another format")
            found = cls(**content)
            _ = found.began, found.ended
            return found
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"no record of a run: {error}") from error


def planned(plan: Plan) -> dict[str, Any]:
    """The entry of a plan that is about to be carried out."""
    actions = [
        {
            "action": action.action,
            "kind": action.kind,
            "name": action.name,
            # What is created is seen afterwards.
            "fields": [] if action.action == "create" else [change.as_dict() for change in action.changes],
        }
        for action in plan.writes
    ]
    return {"plan": json.loads(json.dumps(masked(actions), default=str))}


def deletions(resources: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The entry of resources (kind, name) that are about to be deleted."""
    return {"plan": [{"action": "delete", "kind": kind, "name": name, "fields": []} for kind, name in resources]}


def observed(snapshot: Snapshot, when: datetime) -> dict[str, Any]:
    """The entry of an observation of the whole account."""
    text = json.dumps(masked(snapshot), sort_keys=True, separators=(",", ":"), default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()
    content = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
    return {"observed": {"at": moments.written(when), "digest": digest}, "content": content}


def unpacked(content: str) -> Snapshot:
    """What ``observed`` has packed. Raises ValueError."""
    try:
        found: Snapshot = json.loads(gzip.decompress(base64.b64decode(content)))
    except (OSError, EOFError) as error:
        raise ValueError(f"damaged: {error}") from error
    return found


def completed(record: Record, entries: Iterable[Entry], end: datetime | None = None, result: str = "") -> Record:
    """The record with what the journal says. end: of the run, if it is over; result: when the journal need not say."""
    parts: dict[str, Any] = vars(record).copy()
    failing: Mapping[str, str] = {}
    over: bool | None = None
    seen: list[Mapping[str, str]] = []
    contents: dict[str, str] = {}
    for entry in entries:
        if "plan" in entry:
            parts["plan"] = [*(parts["plan"] or ()), *entry["plan"]]
        if "observed" in entry:
            seen.append(entry["observed"])
            contents[entry["observed"]["digest"]] = entry["content"]
        failing = entry.get("failing", failing)
        parts["changed"] = entry.get("changed", parts["changed"])
        over = entry.get("over", over)
    # What was seen first and last; a run may look more often.
    seen = seen if len(seen) < 2 else [seen[0], seen[-1]]
    parts |= {"observations": seen, "contents": {one["digest"]: contents[one["digest"]] for one in seen}}
    if end is not None:
        # The journal says at the end whether anything has failed; of a run that was killed it does not say that.
        said = KILLED if over is None else FAILED if over else OK
        parts |= {"end": moments.written(end), "result": result or said}
        parts["failed"] = failing if parts["result"] == FAILED else {}
    return Record(**parts)


# --- What follows from several --------------------------------------------------------------------------------------


def state(record: Record, holder: str) -> str:
    """What became of a run. holder: the token of whoever holds the lock now."""
    return record.result or (RUNNING if record.token == holder else KILLED)


@dataclass(frozen=True)
class Change:
    """Differences of the account. by: the run that has made them; None: nobody of us. Between two observations."""

    by: Record | None
    since: datetime
    until: datetime
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class _Seen:
    """The account at a moment; by: the run that saw it."""

    at: datetime
    digest: str
    content: str
    by: Record | None = None


def _points(records: Iterable[Record]) -> Iterator[_Seen]:
    for record in records:
        for one in record.observations:
            if content := record.contents.get(one["digest"]):
                yield _Seen(moments.read(one["at"]), one["digest"], content, record)


def changes(records: Sequence[Record], since: datetime, until: datetime, now: Entry | None = None) -> list[Change]:
    """What changed in the account from the last observation at ``since`` to the last one at ``until``.

    records: of all runs, by time, also some of before. now: an entry as ``observed`` makes it, for the moment.
    Raises LookupError when there are not two observations.
    """
    points = sorted((one for one in _points(records) if one.at <= until), key=lambda one: one.at)
    if now is not None:
        points.append(_Seen(moments.read(now["observed"]["at"]), now["observed"]["digest"], now["content"]))
    before = [number for number, one in enumerate(points) if one.at <= since]
    points = points[before[-1] if before else 0 :]
    if len(points) < 2:
        raise LookupError("no two observations")
    found: list[Change] = []
    for first, second in itertools.pairwise(points):
        if first.digest != second.digest:
            found += _between(first, second, records)
    return found


def _between(first: _Seen, second: _Seen, records: Sequence[Record]) -> Iterator[Change]:
    """Who changed what between two observations."""
    here = [one for one in records if one.plan and _writes_from(one) < second.at and not _over(one, first.at)]
    whose: dict[str, tuple[Record | None, list[Difference]]] = {}
    for one in differences(unpacked(first.content), unpacked(second.content)):
        # While a run of ours is at work, what follows from its changes may show at other resources.
        own = first.by if first.by is not None and first.by is second.by and first.by.plan else None
        by = own or next((run for run in reversed(here) if _makes(run, one)), None)
        whose.setdefault(by.token if by else "", (by, []))[1].append(one)
    for by, told in whose.values():
        yield Change(by, first.at, second.at, tuple(told))


def _writes_from(run: Record) -> datetime:
    """When a run may have begun to change anything: it looks at the account first."""
    return moments.read(run.observations[0]["at"]) if run.observations else run.began


def _over(run: Record, when: datetime) -> bool:
    """Whether a run had made its changes at this moment: it has ended, or seen what became of them."""
    after = [moments.read(one["at"]) for one in run.observations[1:]]
    ended = [run.ended] if run.ended else []
    return any(one <= when for one in (*after, *ended))


def _makes(run: Record, difference: Difference) -> bool:
    """Whether a run was to make this change."""
    for action in run.plan or ():
        if (action["kind"], action["name"]) == (difference.kind, difference.name):
            fields = [change["field"] for change in action.get("fields", ())]
            if difference.field in fields or difference.new or difference.gone:
                return True
    return False
