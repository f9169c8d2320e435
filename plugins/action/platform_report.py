"""Controller side of ``platform_report``; its documentation is in plugins/modules/platform_report.py."""

from __future__ import annotations

import gc
import runpy
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform import reporting  # noqa: E402 - after the path is set
from ansible.module_utils.platform.engine.context import Context  # noqa: E402
from ansible.module_utils.platform.engine.errors import PlatformError  # noqa: E402
from ansible.module_utils.platform.engine.render import summary  # noqa: E402
from ansible.module_utils.platform.report.facts import facts  # noqa: E402
from ansible.module_utils.platform.report.page import page  # noqa: E402
from ansible.module_utils.platform.report.picture import draw  # noqa: E402
from ansible.module_utils.platform.status import Seen, seen  # noqa: E402

display = Display()


class ActionModule(ActionBase):
    """Read everything, and write the page."""

    _requires_connection = False
    _VALID_ARGS = frozenset({"file", "hosts", "missing", "backups", "monitored"})

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the path of the page."""
        result, variables = super().run(tmp, task_vars), task_vars or {}
        path = Path(str(self._task.args.get("file") or "report.html")).resolve()
        # What Ansible has loaded stays: collecting it again and again takes longer than the page.
        gc.freeze()
        try:
            found = reporting.found(self._templar, variables, datetime.now(UTC), _inventory(variables))
            told = facts(replace(found, seen=self._seen(found.context)))
            reporting.write(path, page(told, draw(found.variables, "drawn from group_vars")))
        except PlatformError as error:
            return {**result, "failed": True, "msg": "there is no page", "problem": str(error)}
        display.display(f"{summary(found.plan)} {told['cost']['declared']} a month as declared.\nThe page: {path}")
        counts = told["head"]["counts"]
        return {**result, "changed": False, "path": str(path), "counts": counts, "silent": told["health"]["silent"]}

    def _seen(self, context: Context) -> Seen:
        """What the hosts have said, with the alarms of the account."""
        arguments = self._task.args
        # A composite alarm repeats what others say.
        alarms = (live.raw for live in context.live["alarm"] if "AlarmRule" not in live.raw)
        asked = bool(arguments.get("hosts"))
        return seen(
            arguments.get("hosts") or {},
            # Without hosts nobody has told how the platform is; what is missing is in the plan.
            missing=(arguments.get("missing") or []) if asked else [],
            backups=(arguments.get("backups") or {}) if asked else {},
            monitored=asked and bool(arguments.get("monitored", True)),
            alarms=[str(raw["AlarmName"]) for raw in alarms if raw.get("StateValue") == "ALARM"],
        )


def _inventory(variables: Mapping[str, Any]) -> str:
    """The folder of the inventory, as people call it."""
    folder = Path(str(variables.get("inventory_dir") or ""))
    return folder.name
