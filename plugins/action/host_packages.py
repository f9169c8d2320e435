"""Controller side of ``host_packages``; its documentation is in plugins/modules/host_packages.py."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

# Modules find plugins/module_utils through ansible.cfg, plugins of the controller do not.
runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.host_packages import ARGUMENTS, Outcome, known, needed  # noqa: E402 - after the path is set


class ActionModule(ActionBase):
    """Contact the host unless it is known that there is nothing to do."""

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result, or that nothing has changed."""
        result = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(ARGUMENTS)
        have = known((task_vars or {}).get("ansible_facts") or {})
        if have is not None and not needed(arguments["present"], arguments["absent"], have):
            return result | Outcome().result(check=False)
        return result | self._execute_module(module_args=arguments, task_vars=task_vars)
