"""How far a command has come, for whoever waits for it: a line in a file, which playbooks read and show."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

#: in the folder for what lasts as long as the host runs
FILE = "stage"
#: seconds between two numbers
_EVERY = 1.0

_file: Path | None = None


def begin(folder: str) -> None:
    """Tell it there from now on."""
    global _file
    _file = Path(folder, FILE)
    tell("")


def end() -> None:
    """Tell nothing more: the next command must not begin with what this one was at."""
    global _file
    tell("")
    _file = None


def tell(text: str) -> None:
    """What is done now. A disk that is full does not keep it from being done."""
    if _file is not None:
        with contextlib.suppress(OSError):
            _file.parent.mkdir(mode=0o700, exist_ok=True)
            _file.write_text(text)


def amount(size: int) -> str:
    """Bytes, as people say them."""
    number = float(size)
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"


class Meter:
    """Tells how many bytes something has come to."""

    def __init__(self, what: str, size: int = 0) -> None:
        """what: is done. size: of all, in bytes; 0 if nobody knows."""
        self._what = what
        self._size = size
        self._done = 0
        self._next = 0.0
        tell(what)

    def add(self, number: int) -> None:
        """So many bytes more."""
        self.at(self._done + number)

    def at(self, done: int, size: int = 0) -> None:
        """So many bytes so far, of so many if that is known only now."""
        self._done = done
        if done and time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY
            whole = size or self._size
            tell(f"{self._what}: {amount(done)}{f' of {amount(whole)}' if whole >= done else ''}")
