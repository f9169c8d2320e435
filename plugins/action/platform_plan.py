"""Controller side of ``platform_plan``; its documentation is in plugins/modules/platform_plan.py.

An action plugin, not a module: it reads every declared variable, and needs no start of another Python process.
"""

from __future__ import annotations

import gc
import runpy
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform import command, records, saved_plan  # noqa: E402 - after the path is set
from ansible.module_utils.platform.engine.cost import Prices  # noqa: E402
from ansible.module_utils.platform.engine.errors import PlatformError  # noqa: E402
from ansible.module_utils.platform.engine.model import Plan  # noqa: E402
from ansible.module_utils.platform.engine.render import render, summary, warnings  # noqa: E402
from ansible.module_utils.platform.planning import by_kind, planned, prices_for, run_journal  # noqa: E402
from ansible.module_utils.platform.reach.observed import KINDS as NETWORK  # noqa: E402

display = Display()
#: after a run the account is looked at so often, so many seconds apart, before a difference counts
LOOKS, PAUSE = 4, 1.5


class ActionModule(ActionBase):
    """Plan, show it, and hand it to the roles that follow."""

    _requires_connection = False
    _VALID_ARGS = frozenset({"save", "reviewed", "show", "expect_none", "kinds"})

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
            self._save(plan, variables)
            self._note(plan)
            prices = prices_for(plan.region)
        except PlatformError as error:
            return {**result, "failed": True, "msg": "nothing was written", "problem": str(error)}
        content = plan.as_dict()
        self._show(plan, prices)
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
        kept = bool(self._task.args.get("save") or self._task.args.get("reviewed"))
        if kept and self._kinds:
            raise PlatformError("This plans a part only, and a saved plan is whole: leave out aws_plan_kinds.")
        looked = display.verbosity > 0 or bool(self._task.args.get("save"))
        seen = kept or (run_journal().kept and not self._kinds)
        if self._kinds and set(self._kinds) & set(NETWORK):
            # Of a part alone nobody can tell who reaches whom: raises what the whole network would be refused for.
            planned(self._templar, variables, only=[*self._kinds, *NETWORK], review=True)
        review = not self._kinds
        return planned(self._templar, variables, only=self._kinds, with_looked=looked, with_seen=seen, review=review)

    def _note(self, plan: Plan) -> None:
        """What the record of this run says of the plan."""
        journal = run_journal()
        if not self._task.args.get("expect_none"):
            journal.note(records.planned(plan))
        if plan.observed:
            journal.note(records.observed(plan.observed, datetime.now(UTC)))

    def _save(self, plan: Plan, variables: Mapping[str, Any]) -> None:
        """Compare with the plan that was reviewed, and save this one, where the task names files."""
        save, reviewed = (str(self._task.args.get(name) or "") for name in ("save", "reviewed"))
        if not save and not reviewed:
            return
        bucket = str(self._templar.template(variables["platform_bucket"]))
        origin = saved_plan.Origin(bucket, command.who(), time.strftime("%Y-%m-%d %H:%M:%S %Z"), *command.commit())
        now = saved_plan.document(plan, origin)
        if reviewed:
            saved = saved_plan.read(Path(reviewed))
            saved_plan.check(Path(reviewed), saved, now, ("bucket", bucket))
            display.display(saved_plan.holds(saved, now))
        if save:
            saved_plan.write(Path(save), now)

    def _settled(self, plan: Plan, variables: Mapping[str, Any]) -> Plan:
        """The plan when reads have caught up with what was written just now: at AWS they lag some seconds behind."""
        for _ in range(LOOKS):
            if not plan.writes:
                break
            time.sleep(PAUSE)
            plan = self._planned(variables)
        return plan

    def _show(self, plan: Plan, prices: Prices) -> None:
        how = self._task.args.get("show", "all")
        if how == "all" or plan.writes:
            display.display(render(plan, _colour_wanted(), verbose=display.verbosity > 0, prices=prices))
        elif how == "result":
            found = warnings(plan, _colour_wanted(), verbose=display.verbosity > 0)
            display.display("\n".join(["", *found, summary(plan)]))
        else:
            display.display(summary(plan))


def _colour_wanted() -> bool:
    from ansible.utils import color

    return bool(color.ANSIBLE_COLOR)
