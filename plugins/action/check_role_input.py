"""Controller side of ``check_role_input``; its documentation is in plugins/modules/check_role_input.py."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform.inputs import check_role, inputs, specs_of  # noqa: E402 - after the path is set
from ansible.module_utils.platform.origin import locate  # noqa: E402

# Ansible imports this file before it forks a process for each host: what is read here is read once a run.
for _role in inputs():
    specs_of(_role)


class ActionModule(ActionBase):
    """Check the input of the role whose task this is."""

    _requires_connection = False
    _VALID_ARGS: frozenset[str] = frozenset()

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Fail with every problem of the role's variables on this host."""
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        role = self._task._role.get_name()
        names = [name for name in specs_of(role)["main"] if name in variables]
        values, problems = check_role(role, {name: self._templar.template(variables[name]) for name in names})
        if not problems:
            problems = list(inputs()[role].on_host(values, variables.get("ansible_facts", {}), self._look(variables)))
        if not problems:
            return {**result, "changed": False}
        lines = [f"{variables['inventory_hostname']}: role {role} cannot work with its variables; nothing was changed."]
        for problem in problems:
            place = locate(variables.get(problem.where.partition(".")[0])) or ""
            lines.append(f"  {problem._replace(source=place)}")
        text = "\n".join(lines)
        return {**result, "failed": True, "msg": text, "problem": text}

    def _look(self, variables: Mapping[str, Any]) -> Any:
        return lambda name: self._templar.template(variables.get(name, ""))
