"""Runs a command in a terminal, and what a person sees there at the end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible.module_utils.platform.display.text import width

_PARTS = re.compile(r"\x1b\[(?P<number>\d*(?:;\d+)*)(?P<letter>[A-Za-z])|(?P<control>[\r\n])|(?P<text>[^\x1b\r\n]+)")


@dataclass
class Shown:
    """status: exit status. written: all bytes, as text."""

    status: int
    written: str
    columns: int

    @property
    def screen(self) -> list[str]:
        """What is left to see."""
        return screen(self.written, self.columns)


def screen(written: str, columns: int) -> list[str]:
    """The rows that remain. Fails at what it does not know, and at a row that is wider than the terminal."""
    rows, column, at = [""], 0, 0
    while at < len(written):
        found = _PARTS.match(written, at)
        assert found, repr(written[at : at + 20])
        at = found.end()
        if found["control"] == "\n":
            rows.append("")
            column = 0
        elif found["control"] == "\r":
            column = 0
        elif found["letter"] == "K":
            rows[-1] = "" if found["number"] == "2" else rows[-1][:column]
        elif found["text"]:
            # Nothing is ever written from the middle of a row.
            assert column in (0, len(rows[-1])), (rows[-1], found["text"])
            old = rows[-1] if column == 0 else ""
            kept = "" if width(found["text"]) >= width(old) else old[len(found["text"]) :]
            rows[-1] = (rows[-1] if column else "") + found["text"] + kept
            column += len(found["text"])
        else:
            assert found["letter"] == "m", found
    return [row for long in rows for row in _rows(long, columns)]


def _rows(text: str, columns: int) -> list[str]:
    rows = [""]
    for character in text:
        if width(rows[-1]) + width(character) > columns:
            rows.append("")
        rows[-1] += character
    return rows


def in_terminal(
    command: Sequence[str],
    folder: Path,
    environ: Mapping[str, str],
    columns: int = 80,
    types: Callable[[str], bytes] = lambda written: b"",
) -> Shown:
    """Run it to its end. types: is told all that was written so far, and answers what is typed then."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen(
        command, cwd=folder, env={**environ, "TERM": "xterm"}, stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    ) as process:  # fmt: skip
        os.close(theirs)
        data, until = b"", time.monotonic() + 300
        with contextlib.suppress(OSError):
            while chunk := os.read(ours, 65536):
                data += chunk
                if keys := types(data.decode(errors="ignore")):
                    os.write(ours, keys)
                if time.monotonic() > until:
                    process.kill()
        os.close(ours)
        status = process.wait()
    return Shown(status, data.decode(), columns)
