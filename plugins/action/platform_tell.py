"""Controller side of ``platform_tell``; its documentation is in plugins/modules/platform_tell.py."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform.display.text import printable  # noqa: E402 - after the path is set

display = Display()


class ActionModule(ActionBase):
    """Print a text as it is."""

    _requires_connection = False
    _VALID_ARGS = frozenset({"text"})

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Print it."""
        text = self._task.args.get("text") or ""
        lines = text if isinstance(text, list) else [str(text).rstrip("\n")]
        # It may come from a host or a container, which does not get at the operator's terminal.
        display.display("\n".join(printable(str(line)) for line in lines))
        return {**super().run(tmp, task_vars), "changed": False}
