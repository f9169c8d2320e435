"""The keeper of a lock: renews it as long as the run lives that has taken it, and frees it when that has ended.

A process of its own, so that it outlives whatever happens to the run, also SIGKILL. The action ``platform_lock`` starts
it and hands it, as JSON on its standard input, region, environment (AWS_* variables), bucket, the note and its path.
It writes into the note what becomes of the lock, see ``locking``, and the end of a run that could not write that itself
into its record, see ``recording``.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).parents[2] / "import_path.py"))

from ansible.module_utils.platform.engine.errors import PlatformError
from ansible.module_utils.platform.holding import BEAT, FREE, LostError
from ansible.module_utils.platform.locking import Note, Store, check, release, renew
from ansible.module_utils.platform.processes import State, clock, state, wait

if TYPE_CHECKING:
    from ansible.module_utils.platform.recording import Recorder, Records

#: seconds for which it does nothing but wait: runs that have nothing to do end before, and free the lock themselves
FIRST = 5.0
#: seconds between two looks whether somebody has unlocked it
LOOK = 3.0
#: seconds between two looks at workers that outlive the run
_WORKERS = 0.25


def keep(note: Note, path: Path, connect: Callable[[], Store], recording: Callable[[], Recorder] | None = None) -> None:
    """Until the run has ended. path: where the note is. connect, recording: make the ``Lock`` and the ``Recorder``."""
    run = note.holding.run
    due, lock = clock() + BEAT - FIRST, None
    ended = wait(run, FIRST)
    recorder = recording() if recording else None
    while not ended:
        try:
            lock = lock or connect()
            if clock() >= due:
                holding, until = renew(lock, note.holding)
                note, due = replace(note, holding=holding, until=until, trouble=""), clock() + BEAT
                _write(note, path)
            else:
                check(lock, note.holding.token)
        except LostError as error:
            _write(replace(note, lost=str(error)), path)
            if recorder is None:
                return
            break
        except PlatformError as error:
            note = replace(note, trouble=str(error))
            _write(note, path)
        if recorder:
            recorder.look()
        ended = wait(run, LOOK)
    # It stops before its next change.
    while not ended:
        ended = wait(run, LOOK)
    # Others may take over by then, so there is nothing left to free.
    signal.alarm(int(FREE))
    while state(run) is State.FINISHING and clock() < note.until:
        time.sleep(_WORKERS)
    if recorder:
        # Before the lock is free: until then the run counts as under way.
        recorder.end()
    if state(run) is not State.FINISHING:
        release(lock or connect(), note.holding.token)


def _write(note: Note, path: Path) -> None:
    # The folder goes when the run ends.
    with suppress(OSError):
        note.write(path)


def main() -> None:
    """Keep the lock that standard input describes."""
    # Its work is seldom and short; it must not slow down the run.
    os.nice(5)
    settings = json.load(sys.stdin)

    @cache
    def client() -> Any:
        # Importing boto3 takes half a second of a processor, which a short run needs itself.
        from ansible.module_utils.platform.engine.session import Clients

        return Clients(settings["region"], settings["environment"])["s3"]

    def connect() -> Store:
        from ansible.module_utils.platform.lock import Lock

        return Lock(client(), settings["bucket"])

    def records() -> Records:
        from ansible.module_utils.platform.record_store import RecordStore

        return RecordStore(client(), settings["bucket"])

    def recording() -> Recorder:
        from ansible.module_utils.platform.recording import Recorder

        return Recorder(settings["journal"], records)

    # Not from its file, which is gone when the run ends before this has begun.
    keep(Note.parsed(settings["note"]), Path(settings["path"]), connect, recording)


if __name__ == "__main__":
    main()
