"""Names of the Swarm's secrets and configs, never their values: after a loss they say what has to exist."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from .choice import shown
from .engine import docker
from .jobs import Done
from .kept import NAMES, Kept, tags
from .repository import Repository
from .settings import BackupError, DataSettings

#: what a Swarm has by name, as its client calls them
SORTS = ("secret", "config")
_FILE = "swarm-names.json"


def names() -> dict[str, list[str]]:
    """What exists now, by sort."""
    return {sort: sorted(docker(sort, "ls", "--format", "{{.Name}}")) for sort in SORTS}


def store(settings: DataSettings, repository: Repository) -> Done:
    """Keep the names."""
    found = names()
    path = Path(settings.state, _FILE)
    path.write_text(json.dumps(found, indent=2) + "\n")
    path.chmod(0o600)
    summary = repository.backup([str(path), "--force"], tags(NAMES), "storing the names")
    print(f"names of {len(found['secret'])} secrets and {len(found['config'])} configs", flush=True)
    return Done(summary["total_bytes_processed"], summary.get("data_added_packed", summary["data_added"]))


def compared(kept: Mapping[str, list[str]], now: Mapping[str, list[str]]) -> Iterator[str]:
    """A line for each name that was kept, and whether it exists."""
    for sort in SORTS:
        there = set(now.get(sort, ()))
        for name in kept.get(sort, ()):
            yield f"{sort:<6}  {'exists ' if name in there else 'MISSING'}  {name}"


def restore(repository: Repository, kept: Kept) -> str:
    """What was kept, compared with what exists."""
    try:
        recorded = json.loads(repository.text(kept.id, kept.path))
    except ValueError as error:
        raise BackupError(f"The names of {shown(kept.ended)} cannot be read: {error}.") from error
    lines = list(compared(recorded, names()))
    return "\n".join([f"names as of {shown(kept.ended)}", *(lines or ["none"])])
