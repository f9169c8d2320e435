"""Controller side of ``platform_check``; its documentation is in plugins/modules/platform_check.py."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform import command, saved_plan  # noqa: E402 - after the path is set
from ansible.module_utils.platform.engine.errors import PlatformError  # noqa: E402
from ansible.module_utils.platform.engine.specs import role_specs  # noqa: E402
from ansible.module_utils.platform.input_check import InputCheck, grouped  # noqa: E402

#: the playbooks that carry out a saved plan
PROVISIONING = ("provision", "site")
_ROLES = Path(__file__).parent.parent.parent / "roles"


class ActionModule(ActionBase):
    """Check everything declared, and fail with all of what is wrong."""

    _requires_connection = False
    _VALID_ARGS: frozenset[str] = frozenset({"plan", "save"})
    BYPASS_HOST_LOOP = True

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return whether the declaration is good."""
        result = super().run(tmp, task_vars)
        try:
            self._check_files()
        except PlatformError as error:
            return {**result, "failed": True, "msg": "nothing was written", "problem": str(error)}
        problems = InputCheck(
            (task_vars or {})["ansible_inventory_sources"], self._loader, role_specs(_ROLES)
        ).problems()
        if not problems:
            return {**result, "changed": False}
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = [f"The declaration has {count}; nothing was written, no host was asked."]
        for title, found in grouped(problems):
            lines += ["", title, *(f"  {problem}" for problem in found)]
        text = "\n".join(lines)
        return {**result, "failed": True, "msg": "the declaration is wrong", "problem": text}

    def _check_files(self) -> None:
        """What is wrong with the files of plans that the command names."""
        plan, save = (str(self._task.args.get(name) or "") for name in ("plan", "save"))
        for name, file, takers in (("plan", plan, PROVISIONING), ("save", save, (*PROVISIONING, "plan"))):
            if file and not set(command.playbooks()) <= set(takers):
                raise PlatformError(
                    f"-e {name}={file} is for {', '.join(f'{taker}.yml' for taker in takers)}; leave it out here."
                )
        limits = command.limits()
        if plan and limits:
            given = " ".join(f"{name} {value}" for name, value in limits.items())
            raise PlatformError(f"A saved plan is carried out as a whole: leave out {given}.")
        if plan:
            saved_plan.read(Path(plan))
