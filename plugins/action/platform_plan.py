"""Controller side of ``platform_plan``; its documentation is in plugins/modules/platform_plan.py.

An action plugin, not a module: it reads every declared variable, and needs no start of another Python process.
"""

from __future__ import annotations

import gc
import json
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform.engine.errors import PlatformError  # noqa: E402 - after the path is set
from ansible.module_utils.platform.engine.model import Plan  # noqa: E402
from ansible.module_utils.platform.engine.render import render, summary, warnings  # noqa: E402
from ansible.module_utils.platform.engine.specs import role_specs  # noqa: E402
from ansible.module_utils.platform.engine.workflow import plan_for  # noqa: E402
from ansible.module_utils.platform.kinds import KINDS  # noqa: E402

display = Display()
_ROLES = Path(__file__).parent.parent.parent / "roles"


class ActionModule(ActionBase):
    """Plan, show it, and hand it to the roles that follow."""

    _requires_connection = False
    _VALID_ARGS = frozenset({"json", "show", "expect_none"})

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return counts; register ``platform_actions`` and ``platform_ids`` for the play."""
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        # What Ansible has loaded stays: collecting it again and again is a fifth of the time of a large plan.
        gc.freeze()
        try:
            plan = plan_for(
                self._declared(variables),
                role_specs(_ROLES),
                self._environment(variables),
                KINDS,
                with_looked=display.verbosity > 0 or bool(self._task.args.get("json")),
            )
        except PlatformError as error:
            return {**result, "failed": True, "msg": "nothing was written", "problem": str(error)}
        content = plan.as_dict()
        if self._task.args.get("json"):
            Path(self._task.args["json"]).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        self._show(plan)
        self.register_host_variables(
            {"platform_actions": _by_kind(content["actions"]), "platform_ids": content["registry"]}
        )
        result.update(changed=False, counts=content["counts"])
        if self._task.args.get("expect_none") and plan.writes:
            problem = "The account still differs from the declaration: see the plan above. Run the playbook again."
            result.update(failed=True, msg="not done", problem=problem)
        return result

    def _declared(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Every variable of the declaration, with its templates filled in."""
        names = (name for name in variables if name.startswith("aws_"))
        return {name: self._templar.template(variables[name]) for name in names}

    def _environment(self, variables: Mapping[str, Any]) -> dict[str, str]:
        declared = self._templar.template(variables.get("aws_environment", {}))
        return {str(key): str(value) for key, value in declared.items()}

    def _show(self, plan: Plan) -> None:
        how = self._task.args.get("show", "all")
        if how == "all" or plan.writes:
            display.display(render(plan, _colour_wanted(), verbose=display.verbosity > 0))
        elif how == "result":
            display.display("\n".join(["", *warnings(plan, _colour_wanted()), summary(plan)]))
        else:
            display.display(summary(plan))


def _colour_wanted() -> bool:
    from ansible.utils import color

    return bool(color.ANSIBLE_COLOR)


def _by_kind(actions: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """What is to be done, by kind of resource, in the order of the plan."""
    grouped: dict[str, list[dict[str, Any]]] = {}
    for action in actions:
        if action["action"] in ("create", "change"):
            fields = [change["field"] for change in action["changes"]]
            grouped.setdefault(action["kind"], []).append({**action, "changed": fields})
    return grouped
