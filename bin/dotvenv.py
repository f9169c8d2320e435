"""Programs of bin/ run in .venv, whether or not the shell has it activated."""

from __future__ import annotations

import os
import sys
from pathlib import Path

VENV = Path(__file__).resolve().parents[1] / ".venv"


def enter() -> None:
    """Go on with .venv's Python and its programs on PATH; without .venv, say how to make it."""
    python = VENV / "bin" / "python"
    if not python.exists():
        sys.exit(f"{Path(sys.argv[0]).name}: {VENV} is missing: run `make setup`")
    scripts = str(python.parent)
    path = os.environ.get("PATH", os.defpath)
    if path.split(os.pathsep)[0] != scripts:
        os.environ["PATH"] = f"{scripts}{os.pathsep}{path}"
    if Path(sys.prefix).resolve() != VENV.resolve():
        os.execv(python, [str(python), *sys.argv])
