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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform import command, lock_keeper, locking  # noqa: E402 - after the path is set
from ansible.module_utils.platform.engine import warm  # noqa: E402
from ansible.module_utils.platform.engine.errors import PlatformError  # noqa: E402
from ansible.module_utils.platform.holding import seconds, unlocking  # noqa: E402
from ansible.module_utils.platform.lock import Lock  # noqa: E402
from ansible.module_utils.platform.moments import written  # noqa: E402
from ansible.module_utils.platform.planning import (  # noqa: E402
    PlatformBucket,
    bucket_in,
    confirm_lock,
    lock_note,
    of_localhost,
    run_journal,
)
from ansible.module_utils.platform.processes import began  # noqa: E402
from ansible.module_utils.platform.records import FAILED, OK, Record  # noqa: E402

display = Display()

# Here, in Ansible's main process: the planner, which comes next, asks these services as well.
warm.share_api_descriptions(("sts", "s3"))


class ActionModule(ActionBase):
    """Take, drop or free the lock of the platform."""

    _requires_connection = False
    _VALID_ARGS = frozenset({"state", "wait", "of", "holder"})
    BYPASS_HOST_LOOP = True

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return who holds the lock now."""
        result, variables = super().run(tmp, task_vars), of_localhost(task_vars or {})
        self._play = task_vars or {}
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
        bucket = bucket_in(self._templar, variables)
        # The process that all tasks are forks of.
        own = locking.holding_of(os.getppid(), command.described(), time.strftime("%Y-%m-%d %H:%M:%S %Z"))
        until = locking.take(bucket.lock, own, patience, display.display)
        record = Record(own.token, own.name, own.what, written(datetime.now(UTC)), *command.commit())
        journal = run_journal().begin(record)
        try:
            _start_keeper(locking.Note(own, until), bucket.settings, journal)
        finally:
            os.close(journal)
        _put(bucket, record)
        return {"holder": own.name}

    def _drop(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Free the lock at the end of the run."""
        note = locking.Note.read(lock_note())
        # A playbook that another one imports leaves the lock to that.
        if note is None or self._task.args.get("of") != command.playbooks()[-1]:
            return {}
        keeper, since = note.keeper
        if keeper and began(keeper) == since:
            with suppress(ProcessLookupError):
                os.kill(keeper, signal.SIGTERM)
        bucket = bucket_in(self._templar, variables, checked=False)
        # Before the lock is free: until then the run counts as under way.
        # Hosts that failed in an earlier play, or did not answer, are not among those of this one.
        left = set(self._play["ansible_play_hosts_all"]) - set(self._play["ansible_play_hosts"])
        _put(bucket, run_journal().complete(datetime.now(UTC), FAILED if left else OK))
        try:
            locking.release(bucket.lock, note.holding.token)
        except PlatformError as error:
            display.warning(f"The lock could not be freed; it is free in two minutes at the latest: {error}")
        lock_note().unlink(missing_ok=True)
        return {}

    def _unlock(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Name the holder, and free the lock when that one is named."""
        lock: Lock = bucket_in(self._templar, variables).lock
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


def _put(bucket: PlatformBucket, record: Record) -> None:
    """Write the record of this run. If that fails, the run goes on: it has done, or will do, its work."""
    try:
        bucket.records.put(record)
    except PlatformError as error:
        display.warning(f"The record of this run could not be written; `make history` lacks it, or its end: {error}")


def _start_keeper(note: locking.Note, settings: Mapping[str, Any], journal: int) -> None:
    """Start the process that renews the lock, and leave the note for it and for all that write.

    journal: descriptor of the run's journal, which it inherits.
    """
    path = lock_note()
    keeper = subprocess.Popen(
        [sys.executable, lock_keeper.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        # It must not get the signals that end the run.
        start_new_session=True,
        pass_fds=(journal,),
    )
    note = replace(note, keeper=(keeper.pid, began(keeper.pid)))
    note.write(path)
    assert keeper.stdin is not None
    with keeper.stdin as pipe:
        pipe.write(json.dumps({**settings, "journal": journal, "note": note.text(), "path": str(path)}).encode())
