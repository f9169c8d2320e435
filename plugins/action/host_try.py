"""Controller side of ``host_try``; its documentation is in plugins/modules/host_try.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Run a command; whoever does not answer keeps no other host waiting."""

    _VALID_ARGS = frozenset({"argv"})

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return what it printed, or why there is no answer."""
        result = super().run(tmp, task_vars)
        command = {"_uses_shell": False, "argv": list(self._task.args["argv"])}
        if self._task.check_mode:
            return {**result, "changed": False, "skipped": True, "why": "", "stdout_lines": []}
        try:
            answer = self._execute_module("ansible.legacy.command", module_args=command, task_vars=task_vars)
        except AnsibleConnectionFailure as error:
            return {**result, "changed": False, "why": f"it does not answer: {error}", "stdout_lines": []}
        why = "" if answer.get("rc") == 0 else str(answer.get("stderr") or answer.get("msg") or "it failed")
        return {**result, "changed": not why, "why": why, "stdout_lines": answer.get("stdout_lines", [])}
