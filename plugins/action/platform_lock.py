"""Controller side of ``platform_lock``; its documentation is in plugins/modules/platform_lock.py."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform import lock_keeper, locking  # noqa: E402 - after the path is set
from ansible.module_utils.platform.engine import warm  # noqa: E402
from ansible.module_utils.platform.engine.errors import PlatformError  # noqa: E402
from ansible.module_utils.platform.holding import seconds, unlocking  # noqa: E402
from ansible.module_utils.platform.lock import Lock  # noqa: E402
from ansible.module_utils.platform.planning import confirm_lock, lock_in, lock_note  # noqa: E402
from ansible.module_utils.platform.processes import began  # noqa: E402

display = Display()

# Here, in Ansible's main process: the planner, which comes next, asks these services as well.
warm.share_api_descriptions(("sts", "s3"))

_PLAYBOOKS = Path(__file__).parents[2] / "playbooks"


class ActionModule(ActionBase):
    """Take, drop or free the lock of the platform."""

    _requires_connection = False
    _VALID_ARGS = frozenset({"state", "wait", "of", "holder"})
    BYPASS_HOST_LOOP = True

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return who holds the lock now."""
        result, variables = super().run(tmp, task_vars), _of_localhost(task_vars or {})
        do = {"held": self._hold, "dropped": self._drop, "unlocked": self._unlock}[self._task.args.get("state", "held")]
        try:
            return {**result, "changed": False, **do(variables)}
        except (PlatformError, ValueError) as error:
            return {**result, "failed": True, "msg": "the lock is not held", "problem": str(error)}

    def _hold(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Take the lock, or go on with it when this run has it already."""
        if self._task.check_mode:
            return {}
        note = locking.Note.read(lock_note())
        if note is not None:
            confirm_lock(self._templar, variables)
            return {"holder": note.holding.name}
        patience = seconds(self._task.args.get("wait") or 0)
        settings, lock = lock_in(self._templar, variables)
        # The process that all tasks are forks of.
        own = locking.holding_of(os.getppid(), _command(), time.strftime("%Y-%m-%d %H:%M:%S %Z"))
        until = locking.take(lock, own, patience, display.display)
        _start_keeper(locking.Note(own, until), settings)
        return {"holder": own.name}

    def _drop(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Free the lock at the end of the run."""
        note = locking.Note.read(lock_note())
        # A playbook that another one imports leaves the lock to that.
        if note is None or self._task.args.get("of") != _playbooks()[-1]:
            return {}
        keeper, since = note.keeper
        if keeper and began(keeper) == since:
            with suppress(ProcessLookupError):
                os.kill(keeper, signal.SIGTERM)
        try:
            locking.release(lock_in(self._templar, variables, checked=False)[1], note.holding.token)
        except PlatformError as error:
            display.warning(f"The lock could not be freed; it is free in two minutes at the latest: {error}")
        lock_note().unlink(missing_ok=True)
        return {}

    def _unlock(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Name the holder, and free the lock when that one is named."""
        lock: Lock = lock_in(self._templar, variables)[1]
        seen, named = lock.read(), str(self._task.args.get("holder") or "")
        if seen is None:
            text = "Nobody holds the lock."
        elif not named or self._task.check_mode:
            text = unlocking(seen.holding)
        else:
            text = locking.unlock(lock, named)
            display.display(text)
            return {"changed": True, "holder": ""}
        display.display(text)
        return {"holder": seen.holding.name if seen else ""}


def _of_localhost(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of the play, with what only localhost has: with --limit no task runs there."""
    local = (variables.get("hostvars") or {}).get("localhost", {})
    names = ("aws_region", "aws_environment", "aws_account_id", "platform_bucket")
    return {**variables, **{name: local[name] for name in names if name in local}}


def _playbooks() -> list[str]:
    """What this command runs: `provision`, `configure/edge`."""
    found = []
    for name in context.CLIARGS.get("args") or ["?"]:
        path = Path(name).resolve()
        inside = path.is_relative_to(_PLAYBOOKS)
        found.append(str(path.relative_to(_PLAYBOOKS).with_suffix("")) if inside else path.stem)
    return found


def _command() -> str:
    """What this command runs, and what limits it."""
    limit, tags = context.CLIARGS.get("subset"), context.CLIARGS.get("tags") or ()
    parts = [*_playbooks(), *(["--limit", limit] if limit else [])]
    return " ".join([*parts, *(["--tags", ",".join(tags)] if tags and list(tags) != ["all"] else [])])


def _start_keeper(note: locking.Note, settings: Mapping[str, Any]) -> None:
    """Start the process that renews the lock, and leave the note for it and for all that write."""
    path = lock_note()
    keeper = subprocess.Popen(
        [sys.executable, lock_keeper.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        # It must not get the signals that end the run.
        start_new_session=True,
    )
    note = replace(note, keeper=(keeper.pid, began(keeper.pid)))
    note.write(path)
    assert keeper.stdin is not None
    with keeper.stdin as pipe:
        pipe.write(json.dumps({**settings, "note": note.text(), "path": str(path)}).encode())
