"""Remembers what every process of this machine is called with, while something runs."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from types import TracebackType
from typing import Self


class ProcessWatch:
    """Arguments and environments of all processes, those of local hosts too: they are this machine's."""

    def __init__(self, seconds: float = 0.3) -> None:
        self.seen: dict[str, set[bytes]] = {"cmdline": set(), "environ": set()}
        self._seconds = seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._ended.is_set():
            self.look()
            self._ended.wait(self._seconds)

    def look(self) -> None:
        """Remember what runs now."""
        for part, seen in self.seen.items():
            for path in Path("/proc").glob(f"[0-9]*/{part}"):
                with contextlib.suppress(OSError):
                    seen.add(path.read_bytes())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
