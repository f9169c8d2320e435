"""Two folders that change places."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .settings import BackupError


def exchange(one: Path, other: Path) -> None:
    """Both at once: there is never a moment without one of them."""
    words = ["mv", "--exchange", "--no-target-directory", str(one), str(other)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BackupError(f"exchanging {one} and {other}: {done.stderr.strip()}")
