"""What is kept of a host besides the database, and which of it to restore. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .choice import LATEST, moment, shown, time_of
from .settings import BackupError

VOLUME, NAMES, VALKEY = "volume", "names", "valkey"
KINDS = (VOLUME, NAMES, VALKEY)


@dataclass(frozen=True)
class Kept:
    """One snapshot. name: of the volume; empty for other kinds. path: of the file or folder on the host, as it was."""

    id: str
    kind: str
    name: str
    ended: datetime
    size: int
    path: str

    def __str__(self) -> str:
        return f"{self.id[:8]}  {shown(self.ended)}  {self.size:>12} bytes  {called(self.kind, self.name)}"


def called(kind: str, name: str) -> str:
    """What operators call it: `volume koin-prod_uploads`, `names`."""
    return f"{kind} {name}".rstrip()


def tags(kind: str, name: str = "") -> list[str]:
    """How a snapshot is found again."""
    return [kind, *([f"name={name}"] if name else [])]


def read(raw: Iterable[Mapping[str, Any]]) -> list[Kept]:
    """Snapshots of this program, as `restic snapshots --json` lists them, oldest first."""
    found = []
    for item in raw:
        tagged = item.get("tags") or []
        kind = next((kind for kind in KINDS if kind in tagged), "")
        summary, paths = item.get("summary") or {}, item.get("paths") or []
        if not kind or not paths:
            continue
        found.append(
            Kept(
                id=item["id"],
                kind=kind,
                name=next((tag.removeprefix("name=") for tag in tagged if tag.startswith("name=")), ""),
                ended=time_of(summary.get("backup_end", item["time"])),
                size=summary.get("total_bytes_processed", 0),
                path=paths[0],
            )
        )
    return sorted(found, key=lambda item: item.ended)


def chosen(snapshots: Sequence[Kept], kind: str, name: str, to: str) -> Kept:
    """The newest snapshot of something that was complete at a moment, or the newest of all."""
    own = [item for item in snapshots if (item.kind, item.name) == (kind, name)]
    if not own:
        known = ", ".join(sorted({called(item.kind, item.name) for item in snapshots}))
        raise BackupError(f"The repository has no backup of {called(kind, name)}. It has: {known or 'nothing'}.")
    if to == LATEST:
        return own[-1]
    when = moment(to)
    before = [item for item in own if item.ended <= when]
    if not before:
        raise BackupError(
            f"No backup was complete at {shown(when)}. The oldest is of {shown(own[0].ended)}; ask for a later moment."
        )
    return before[-1]
