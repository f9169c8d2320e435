"""Controller side of ``platform_plan``; its documentation is in plugins/modules/platform_plan.py.

An action plugin, not a module: it reads every declared variable, and needs no start of another Python process.
"""

from __future__ import annotations

import gc
import json
import runpy
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform.engine.errors import PlatformError  # noqa: E402 - after the path is set
from ansible.module_utils.platform.engine.model import Plan  # noqa: E402
from ansible.module_utils.platform.engine.render import render, summary, warnings  # noqa: E402
from ansible.module_utils.platform.planning import by_kind, planned  # noqa: E402

display = Display()
#: after a run the account is looked at so often, so many seconds apart, before a difference counts
LOOKS, PAUSE = 4, 1.5


class ActionModule(ActionBase):
    """Plan, show it, and hand it to the roles that follow."""

    _requires_connection = False
    _VALID_ARGS = frozenset({"json", "show", "expect_none", "kinds"})

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return counts; register ``platform_actions``, ``platform_ids`` and ``platform_kinds`` for the play."""
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        # What Ansible has loaded stays: collecting it again and again is a fifth of the time of a large plan.
        gc.freeze()
        try:
            plan = self._planned(variables)
            if self._task.args.get("expect_none"):
                plan = self._settled(plan, variables)
        except PlatformError as error:
            return {**result, "failed": True, "msg": "nothing was written", "problem": str(error)}
        content = plan.as_dict()
        if self._task.args.get("json"):
            Path(self._task.args["json"]).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        self._show(plan)
        self.register_host_variables(
            {
                "platform_actions": by_kind(content["actions"]),
                "platform_ids": content["registry"],
                "platform_kinds": self._kinds,
            }
        )
        result.update(changed=False, counts=content["counts"])
        if self._task.args.get("expect_none") and plan.writes:
            problem = "The account still differs from the declaration: see the plan above. Run the playbook again."
            result.update(failed=True, msg="not done", problem=problem)
        return result

    @property
    def _kinds(self) -> list[str]:
        """Names of the kinds that the task is about; none: all of them."""
        return list(self._task.args.get("kinds") or ())

    def _planned(self, variables: Mapping[str, Any]) -> Plan:
        looked = display.verbosity > 0 or bool(self._task.args.get("json"))
        return planned(self._templar, variables, only=self._kinds, with_looked=looked)

    def _settled(self, plan: Plan, variables: Mapping[str, Any]) -> Plan:
        """The plan when reads have caught up with what was written just now: at AWS they lag some seconds behind."""
        for _ in range(LOOKS):
            if not plan.writes:
                break
            time.sleep(PAUSE)
            plan = self._planned(variables)
        return plan

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
