"""Controller side of ``platform_tell``; its documentation is in plugins/modules/platform_tell.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

display = Display()


class ActionModule(ActionBase):
    """Print a text as it is."""

    _requires_connection = False
    _VALID_ARGS = frozenset({"text"})

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Print it."""
        text = self._task.args.get("text") or ""
        display.display("\n".join(map(str, text)) if isinstance(text, list) else str(text).rstrip("\n"))
        return {**super().run(tmp, task_vars), "changed": False}
