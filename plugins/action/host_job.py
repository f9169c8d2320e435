"""Controller side of ``host_job``; its documentation is in plugins/modules/host_job.py."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

display = Display()

#: seconds between two lines that differ in numbers only
AGAIN = 10.0
#: seconds for which the host may not answer
PATIENCE = 300.0
GOES_ON = "What was begun there goes on."
KILLED = "It has ended without a result: it was killed, or the host has restarted."
#: before what the look itself prints; and that nothing of the command runs
_MARK, _GONE = "koin-stage", "koin-gone"
#: seconds after which Ansible ends it
LIMIT = 24 * 3600


def pause(since: float) -> float:
    """Seconds until the next look at a command that began so many seconds ago: people wait for them at its end."""
    return min(0.3 + since / 20, 3.0)


class Told:
    """What was shown of a command."""

    def __init__(self) -> None:
        self._text = self._words = ""
        self._at = 0.0

    def worth(self, text: str, now: float) -> bool:
        """Whether to show it: something else is done, or it was long ago. now: in seconds."""
        words = re.sub(r"\d+(\.\d+)? ?([KMG]i)?B|\d+", "", text)
        if not text or text == self._text or (words == self._words and now - self._at < AGAIN):
            return False
        self._text, self._words, self._at = text, words, now
        return True


class ActionModule(ActionBase):
    """Start a command, look at it until it has ended, and return its result."""

    _VALID_ARGS = frozenset({"argv", "stage"})
    _supports_check_mode = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what ``command`` returns."""
        result = super().run(tmp, task_vars)
        # Only while this runs: otherwise Ansible would wait for its end once more.
        self._task.async_val = LIMIT
        try:
            return {**result, **self._run(task_vars or {})}
        finally:
            self._task.async_val = 0

    def _run(self, variables: dict[str, Any]) -> dict[str, Any]:
        command = {"_uses_shell": False, "argv": [str(word) for word in self._task.args["argv"]]}
        folder = self._remote_expand_user(self.get_shell_option("async_dir", default="~/.ansible_async"))
        began = time.monotonic()
        begun = self._execute_module("ansible.legacy.command", command, task_vars=variables, wrap_async=True)
        if begun.get("failed"):
            return begun
        job = {"jid": begun["ansible_job_id"], "_async_dir": folder}
        told, answered = Told(), began
        while True:
            time.sleep(pause(time.monotonic() - began))
            try:
                # In this order: a command that has ended has left its result before.
                runs = self._show(told, str(job["jid"]), str(variables.get("inventory_hostname", "")))
                found = self._ask(job, "status", variables)
            except AnsibleConnectionFailure as error:
                if time.monotonic() - answered > PATIENCE:
                    # Ansible would print the cause once more.
                    raise AnsibleConnectionFailure(f"{error} {GOES_ON}") from None
                # What is kept of the connection may be what is broken.
                with contextlib.suppress(Exception):
                    self._connection.reset()
                continue
            answered = time.monotonic()
            if found.get("finished"):
                break
            if not runs:
                found = {"failed": True, "msg": KILLED}
                break
        with contextlib.suppress(AnsibleConnectionFailure):
            self._ask(job, "cleanup", variables)
        return _of_command(found)

    def _ask(self, job: Mapping[str, Any], mode: str, variables: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._execute_module(
            "ansible.legacy.async_status", {**job, "mode": mode}, task_vars=variables
        )
        return answer

    def _show(self, told: Told, job: str, host: str) -> bool:
        """Show what the command says about itself; whether it runs."""
        stage = self._connection._shell.quote(str(self._task.args["stage"]))
        # Ansible's own process has the first part of the job's name among its arguments; this one has not.
        name = f"[{job[0]}]{job[1:].partition('.')[0]}"
        there = f"grep --quiet --no-messages '{name}' /proc/[0-9]*/cmdline"
        looks = f"echo {_MARK}; {there} || echo {_GONE}; head --lines 1 {stage} 2>/dev/null"
        runs, text = seen(str(self._low_level_execute_command(looks).get("stdout", "")))
        if told.worth(text, time.monotonic()):
            display.display(f"  {host}: {text}")
        return runs


def seen(said: str) -> tuple[bool, str]:
    """Whether the command runs, and what it says. Before the mark there may be lines of ssh and sudo."""
    lines = [line.strip() for line in said.splitlines()]
    if _MARK not in lines:
        return True, ""
    rest = lines[lines.index(_MARK) + 1 :]
    runs = rest[:1] != [_GONE]
    return runs, next(iter(rest if runs else rest[1:]), "")


def _of_command(found: Mapping[str, Any]) -> dict[str, Any]:
    """Without what belongs to the background, and with what every command returns."""
    own = ("ansible_job_id", "finished", "started", "results_file", "child_pid")
    why = str(found.get("msg", ""))
    ended = {"rc": 1, "stdout": "", "stdout_lines": [], "stderr": why, "stderr_lines": [why]}
    return ({} if "rc" in found else ended) | {key: value for key, value in found.items() if key not in own}
