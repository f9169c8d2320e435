"""Programs of the environment that runs the tests, such as ansible-playbook, as an operator has them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_FOLDER = Path(sys.executable).parent


def script(name: str) -> str:
    """Where a program is."""
    return str(_FOLDER / name)


def on_path() -> dict[str, str]:
    """The variable PATH that has them first: they start each other."""
    return {"PATH": f"{_FOLDER}{os.pathsep}{os.environ['PATH']}"}
