"""What a rescue says of the task that failed. Pure."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform.display.results import reason  # noqa: E402 - after the path is set


def why_failed(result: Mapping[str, Any]) -> str:
    """Why it has failed, on one line, as the display of runs says it. result: ``ansible_failed_result``."""
    return " ".join(reason(result).split())


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by name."""
        return {"why_failed": why_failed}
