"""What a run notes for its record while it is under way, and when the record is written.

The journal is a file in the temporary folder of the run: tasks, and the callback ``records``, add lines to it. The
keeper of the lock inherits it open, so that it can read it when the run, and its folder, are gone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from .engine.errors import PlatformError
from .records import Record, completed

#: the journal, in the folder that Ansible makes for each run and all its workers know
JOURNAL = "platform-run.jsonl"


class Records(Protocol):
    """Where records are kept, see ``record_store``."""

    def put(self, record: Record) -> None:
        """Write a record. Raises PlatformError."""


class Journal:
    """The lines of a run. path: where they are added; only if the run has a journal, which it has with the lock."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def kept(self) -> bool:
        """Whether this run has one."""
        return self._path.exists()

    def begin(self, record: Record) -> int:
        """Make it; returns a descriptor for the keeper, to be closed."""
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        descriptor = os.open(self._path, flags, 0o600)
        os.write(descriptor, _line({"record": record.text()}))
        return descriptor

    def note(self, entry: Mapping[str, Any]) -> None:
        """Add a line, in one write: tasks may do so at the same time."""
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError:
            return
        try:
            os.write(descriptor, _line(entry))
        finally:
            os.close(descriptor)

    def complete(self, end: datetime | None = None, result: str = "") -> Record:
        """The record now, or at its end. Raises FileNotFoundError when there is no journal."""
        return completed_from(self._path.read_bytes(), end, result)


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, ensure_ascii=False).encode() + b"\n"


def _entries(content: bytes) -> Iterator[dict[str, Any]]:
    for line in content.splitlines():
        # The last line of a run that was killed may be cut short.
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry


def completed_from(content: bytes, end: datetime | None = None, result: str = "") -> Record:
    """The record that a journal begins with, with the lines that follow."""
    first, *others = _entries(content)
    return completed(Record.parsed(first["record"]), others, end, result)


class Recorder:
    """The keeper's part: writes the plan when it is known, and the end when the run has not written it itself.

    descriptor: of the journal. connect: makes the store.
    """

    def __init__(self, descriptor: int, connect: Callable[[], Records]) -> None:
        self._descriptor = descriptor
        self._connect = connect
        self._known = False

    def look(self) -> None:
        """Write the plan, once: a machine that dies takes the journal with it."""
        record = None if self._known else completed_from(self._content())
        if record and record.plan:
            # If it cannot be written, the next look tries again.
            with suppress(PlatformError):
                self._connect().put(record)
                self._known = True

    def end(self) -> None:
        """Write how the run has ended. If that cannot be written, the run counts as killed."""
        with suppress(PlatformError):
            self._connect().put(completed_from(self._content(), datetime.now(UTC)))

    def _content(self) -> bytes:
        parts, position = [], 0
        while part := os.pread(self._descriptor, 1 << 20, position):
            parts.append(part)
            position += len(part)
        return b"".join(parts)
