"""Notes how a run goes, for its record in the platform's bucket."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.callback import CallbackBase

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform.recording import JOURNAL, Journal  # noqa: E402 - after the path is set

DOCUMENTATION = """
name: records
type: aggregate
short_description: Notes for the record of a run what it changed and where it failed
description:
  - A run that holds the lock of the platform leaves a record (see C(playbooks/history.yml)). This notes how many tasks
    changed something, at which task and on which host the run failed, and that it has ended.
  - Names of tasks and hosts only, never what a task has printed.
"""


class CallbackModule(CallbackBase):
    """Counts changes, and remembers the last failure."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "records"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._changed = 0

    @property
    def _journal(self) -> Journal:
        return Journal(Path(constants.DEFAULT_LOCAL_TMP) / JOURNAL)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """What the plays before have changed: the last play completes the record."""
        self._journal.note({"changed": self._changed})

    def v2_runner_on_ok(self, result: Any) -> None:
        """A task has succeeded on a host."""
        self._changed += bool(result.is_changed())

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """A task has failed on a host."""
        if not ignore_errors:
            self._note_failure(result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """A host does not answer."""
        self._note_failure(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """The run has ended by itself."""
        self._journal.note({"changed": self._changed, "over": bool(stats.failures or stats.dark)})

    def _note_failure(self, result: Any) -> None:
        self._journal.note({"failing": {"task": result.task.get_name(), "host": result.host.get_name()}})
