"""What this command is: its playbooks, what limits it, who runs it, and from which commit."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

from ansible import context

from .processes import user

_REPOSITORY = Path(__file__).parents[3]
_PLAYBOOKS = _REPOSITORY / "playbooks"
#: seconds after which git is not waited for any more
_PATIENCE = 5


def playbooks() -> list[str]:
    """What this command runs: `provision`, `configure/edge`."""
    found = []
    for name in context.CLIARGS.get("args") or ["?"]:
        path = Path(name).resolve()
        inside = path.is_relative_to(_PLAYBOOKS)
        found.append(str(path.relative_to(_PLAYBOOKS).with_suffix("")) if inside else path.stem)
    return found


def limits() -> dict[str, str]:
    """The options that leave out hosts or tasks, with their values."""
    given = {
        "--limit": context.CLIARGS.get("subset"),
        "--tags": [tag for tag in context.CLIARGS.get("tags") or () if tag != "all"],
        "--skip-tags": context.CLIARGS.get("skip_tags"),
        "--start-at-task": context.CLIARGS.get("start_at_task"),
    }
    return {name: value if isinstance(value, str) else ",".join(value) for name, value in given.items() if value}


def described() -> str:
    """The playbooks of this command, and what limits it."""
    return " ".join([*playbooks(), *(f"{name} {value}" for name, value in limits().items())])


def who() -> str:
    """Who runs it, where."""
    return f"{user()}@{socket.gethostname()}"


def commit() -> tuple[str, bool]:
    """The commit that is checked out, and whether files differ from it; empty where there is no repository of git."""
    head = _git("rev-parse", "HEAD").strip()
    return head, bool(head and _git("status", "--porcelain"))


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(_REPOSITORY), "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_PATIENCE, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
