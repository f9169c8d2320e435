"""Controller side of ``host_status``: a host that does not answer is an answer, too."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Run the module; without an answer there is no status, and the reason instead.

    ``ignore_unreachable`` does not help: with ``any_errors_fatal``, Ansible ends the play for all hosts all the same.
    """

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the status, or ``msg``; and when the host was asked, by the clock of this machine."""
        result = {**super().run(tmp, task_vars), "changed": False, "asked": time.time()}
        try:
            answer = self._execute_module(module_args=dict(self._task.args), task_vars=task_vars)
        # Not only of the connection: becoming root may fail, too.
        except AnsibleError as error:
            return {**result, "msg": str(error)}
        if "status" in answer:
            return {**result, "status": answer["status"]}
        return {**result, "msg": str(answer.get("msg", "no answer"))}
