"""Run one command and say what it cost: time, processor, memory of all its processes."""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

#: seconds between two looks at the memory; a look costs some milliseconds for each process
INTERVAL = 0.1


class BenchError(Exception):
    """A command that did not do what is measured; the message has the end of its output."""


@dataclass(frozen=True)
class Sample:
    """One run. cpu: user and system seconds of the process and all that it waited for. memory: MiB, None if unknown."""

    seconds: float
    cpu: float
    memory: float | None
    output: str = field(default="", repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """JSON-serialisable form, without the output."""
        figures = asdict(self)
        del figures["output"]
        return figures


@dataclass
class Series:
    """The runs of one command."""

    samples: list[Sample] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(sample.seconds for sample in self.samples)

    @property
    def spread(self) -> tuple[float, float]:
        """Fastest and slowest, in seconds."""
        times = [sample.seconds for sample in self.samples]
        return min(times), max(times)

    @property
    def cpu(self) -> float:
        """Median of the processor seconds."""
        return statistics.median(sample.cpu for sample in self.samples)

    @property
    def memory(self) -> float | None:
        """The highest peak in MiB."""
        peaks = [sample.memory for sample in self.samples if sample.memory is not None]
        return max(peaks, default=None)


def _parents() -> dict[int, list[int]]:
    """Process ids by the id of their parent."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # After the command name, which may itself hold brackets: state, parent.
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.parent.name))
    return children


def tree(pid: int) -> list[int]:
    """A process and everything below it, as /proc has it at this moment."""
    children = _parents()
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def _resident(pid: int) -> int:
    """KiB in memory, pages that several processes share counted in parts (PSS): forks share most of theirs."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


class _Watch(threading.Thread):
    """Samples the memory of a process tree until it is stopped."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._ended = threading.Event()
        self.peak = 0

    def run(self) -> None:
        while not self._ended.wait(INTERVAL):
            self.peak = max(self.peak, sum(_resident(pid) for pid in tree(self._pid)))

    def end(self) -> float | None:
        """Stop; the peak in MiB, None where the system has no /proc."""
        self._ended.set()
        self.join()
        return round(self.peak / 1024, 1) if self.peak else None


def _stop(pid: int) -> None:
    """End a process and everything below it, by id."""
    for wanted in (signal.SIGTERM, signal.SIGKILL):
        for member in tree(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(member, wanted)
        if wanted is signal.SIGTERM:
            time.sleep(0.5)


def run(command: Sequence[str | Path], *, cwd: Path, environ: Mapping[str, str], log: Path) -> Sample:
    """Run it to its end. Raises BenchError when it fails; ends all of its processes when interrupted."""
    with log.open("wb") as output:
        started = time.perf_counter()
        # A session of its own: Ctrl-C reaches this process alone, which then ends the tree in order.
        child = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        watch = _Watch(child.pid)
        watch.start()
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            _stop(child.pid)
            child.wait()
            raise
        seconds = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    memory = watch.end()
    text = log.read_text(errors="replace")
    if child.returncode:
        last = "\n".join(text.rstrip().splitlines()[-15:])
        raise BenchError(f"`{' '.join(map(str, command))}` ended with {child.returncode}:\n{last}")
    return Sample(round(seconds, 3), round(usage.ru_utime + usage.ru_stime, 3), memory, text)
