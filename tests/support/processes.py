"""All processes of a run. Ansible's workers call setsid, so neither its group nor its session has them all."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def _parents() -> dict[int, int]:
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    return found


def _below(process: int) -> set[int]:
    """A process and all that it and they have started."""
    parents, found = _parents(), {process}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def kill_all(process: int) -> int:
    """SIGKILL for a process and everything below it, at one moment; how many there were."""
    stopped: set[int] = set()
    # Stopped first, so that none starts another meanwhile.
    while more := _below(process) - stopped:
        for one in more:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGSTOP)
        stopped |= more
    for one in stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    return len(stopped)
