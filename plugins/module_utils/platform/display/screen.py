"""What is written to the terminal: lines that stay, and below them one that is kept up to date."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from .text import cut

_ERASE = b"\r\x1b[2K"
#: seconds between two looks at the clock
_TICK = 1.0
#: columns where none are known
_COLUMNS = 80


class Screen:
    """All that Ansible displays goes through this, so that it never mixes with the line that is kept up to date.

    Only the process that made it writes: Ansible's workers hand theirs to that one.
    """

    def __init__(self, display: Any, line: Callable[[], str]) -> None:
        """display: of Ansible. line: what is to be kept up to date now; empty for nothing."""
        self._process = os.getpid()
        self._plain = display.display
        self._line = line
        self._lock = threading.RLock()
        self._shown = False
        self._stop = threading.Event()
        #: called once before the next line that is not printed here
        self.before: Callable[[], None] | None = None
        #: whether a line can be rewritten
        self.live = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._asking = False
        display.display = self._display
        display.prompt_until = self._asked(display.prompt_until)
        display.do_var_prompt = self._asked(display.do_var_prompt)
        if self.live:
            threading.Thread(target=self._tick, daemon=True).start()

    @property
    def columns(self) -> int:
        """Width of the terminal; 0 if there is none."""
        if not self.live:
            return 0
        # Of the terminal itself: COLUMNS is that of the shell's when it was exported.
        with suppress(OSError, ValueError):
            return os.get_terminal_size(sys.stdout.fileno()).columns or _COLUMNS
        return _COLUMNS

    def print(self, text: str, color: str | None = None, *, error: bool = False) -> None:
        """A line that stays."""
        with self._lock:
            self.before = None
            self._write(text, color=color, stderr=error)

    def update(self) -> None:
        """Write the line again."""
        if self.live and os.getpid() == self._process:
            with self._lock:
                self._draw()

    def clear(self) -> None:
        """Take the line away."""
        with self._lock:
            self._erase()

    def close(self) -> None:
        """Nothing is kept up to date any more."""
        self._stop.set()
        self.clear()
        self.live = False

    def _asked(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        """Nothing is redrawn while somebody types."""

        def asked(*args: Any, **named: Any) -> Any:
            if os.getpid() != self._process:
                return plain(*args, **named)
            self.clear()
            self._asking = True
            try:
                return plain(*args, **named)
            finally:
                self._asking = False

        return asked

    def _display(self, msg: str, *args: Any, **named: Any) -> Any:
        # In a worker, Ansible sends it to the main process; its locks may be held by threads that a fork has not.
        if os.getpid() != self._process:
            return self._plain(msg, *args, **named)
        with self._lock:
            if self.before and not named.get("stderr") and not named.get("log_only"):
                before, self.before = self.before, None
                before()
            return self._write(msg, *args, **named)

    def _write(self, msg: str, *args: Any, **named: Any) -> Any:
        self._erase()
        answer = self._plain(msg, *args, **named)
        # At once: a log is read while it grows, and one that gets errors, too, has them in their place.
        _flush(sys.stderr if named.get("stderr") else sys.stdout)
        if named.get("newline", True):
            self._draw()
        return answer

    def _draw(self) -> None:
        if not self.live or self._asking:
            return
        text = self._line()
        # The last column stays free: terminals differ in what they do when it is written.
        self._out(_ERASE + cut(text, self.columns - 1).encode() + b"\r" if text else b"")
        self._shown = bool(text)

    def _erase(self) -> None:
        if self._shown:
            self._out(_ERASE)
            self._shown = False

    def _out(self, data: bytes) -> None:
        # Not through Python's buffer, whose lock a worker that is forked just now would inherit.
        with suppress(OSError, ValueError):
            os.write(sys.stdout.fileno(), data)

    def _tick(self) -> None:
        while not self._stop.wait(_TICK):
            self.update()


def _flush(stream: Any) -> None:
    with suppress(OSError, ValueError):
        stream.flush()
