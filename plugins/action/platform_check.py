"""Controller side of ``platform_check``; its documentation is in plugins/modules/platform_check.py."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform.engine.specs import role_specs  # noqa: E402
from ansible.module_utils.platform.input_check import InputCheck, grouped  # noqa: E402 - after the path is set

_ROLES = Path(__file__).parent.parent.parent / "roles"


class ActionModule(ActionBase):
    """Check everything declared, and fail with all of what is wrong."""

    _requires_connection = False
    _VALID_ARGS: frozenset[str] = frozenset()
    BYPASS_HOST_LOOP = True

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return whether the declaration is good."""
        result = super().run(tmp, task_vars)
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
