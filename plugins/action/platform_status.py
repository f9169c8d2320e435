"""Controller side of ``platform_status``; its documentation is in plugins/modules/platform_status.py."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from botocore.exceptions import BotoCoreError, ClientError

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform.credits import Balances, balances  # noqa: E402 - after the path is set
from ansible.module_utils.platform.engine.errors import PlatformError  # noqa: E402
from ansible.module_utils.platform.kinds.compute import burstable  # noqa: E402
from ansible.module_utils.platform.planning import clients_in, of_localhost  # noqa: E402
from ansible.module_utils.platform.status import attention, counted, screen, seen  # noqa: E402

display = Display()


class ActionModule(ActionBase):
    """Show how the platform is."""

    _requires_connection = False
    _VALID_ARGS = frozenset({"hosts", "missing", "backups", "monitored", "instances"})
    BYPASS_HOST_LOOP = True

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Print it, and fail when something needs attention."""
        result, arguments = super().run(tmp, task_vars), self._task.args
        answers: Mapping[str, Any] = arguments["hosts"]
        variables = of_localhost(task_vars or {})
        alarms, problem = self._alarms(variables)
        known: Mapping[str, tuple[str, str]] = arguments.get("instances") or {}
        instances = {host: instance for host, (instance, kind) in known.items() if burstable(kind)}
        credits = self._credits(variables, instances)
        found = seen(
            answers,
            missing=arguments.get("missing") or [],
            backups=arguments.get("backups") or {},
            alarms=alarms,
            alarms_problem=problem,
            monitored=bool(arguments.get("monitored", True)),
            credits={host: credits.known.get(host) for host in instances},
            credits_problem=credits.problem,
        )
        display.display("\n".join(screen(found)))
        wrong = attention(found)
        if not wrong:
            return {**result, "changed": False, "attention": []}
        # The screen has said what.
        text = counted(len(wrong))
        return {**result, "failed": True, "changed": False, "attention": wrong, "msg": text, "problem": text}

    def _credits(self, variables: Mapping[str, Any], instances: Mapping[str, str]) -> Balances:
        """What is left of the CPU credits of instances, by host."""
        if not instances:
            return Balances()
        try:
            cloudwatch = clients_in(self._templar, variables)["cloudwatch"]
        except (BotoCoreError, PlatformError, KeyError) as error:
            return Balances(problem=" ".join(str(error).split()))
        return balances(cloudwatch, instances, datetime.now(UTC))

    def _alarms(self, variables: Mapping[str, Any]) -> tuple[list[str] | None, str]:
        """The names of CloudWatch's alarms that are in alarm; or why that is not known."""
        try:
            pages = clients_in(self._templar, variables)["cloudwatch"].get_paginator("describe_alarms")
            return [
                alarm["AlarmName"] for page in pages.paginate(StateValue="ALARM") for alarm in page["MetricAlarms"]
            ], ""
        except (BotoCoreError, ClientError, PlatformError, KeyError) as error:
            return None, f"not known: {' '.join(str(error).split())}"
