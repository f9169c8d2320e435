"""Room for a restore."""

from __future__ import annotations

import shutil
from pathlib import Path

from .settings import BackupError

#: what a restore may need beyond the size of what is restored
_SPARE_BYTES = 256 * 1024 * 1024


def require(folder: Path, size: int, older: str) -> None:
    """Fail before a restore fills the disk. older: where older restores are."""
    where = folder if folder.exists() else folder.parent
    free = shutil.disk_usage(where).free
    needed = size + size // 10 + _SPARE_BYTES
    if free < needed:
        raise BackupError(
            f"{where} has {free >> 20} MiB free, and the restore needs {needed >> 20} MiB. Remove older restores "
            f"({older}), or enlarge the disk."
        )
