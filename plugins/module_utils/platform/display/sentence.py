"""The last line of a run. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from .text import count, seconds

#: stands for the account: what is done there is done on no host
LOCAL = "localhost"


@dataclass
class Counts:
    """What a run has done. hosts: that it has asked. left: of a plan, or of the tasks. tasks: of which those are."""

    changes: dict[str, int]
    hosts: Collection[str]
    took: float
    left: int = 0
    tasks: int = 0
    check: bool = False
    stopped: bool = False

    @property
    def total(self) -> int:
        """All changes."""
        return sum(self.changes.values())


def _changes(counts: Counts, nothing: str) -> str:
    """``3 changes on 2 hosts``."""
    changed = {host: number for host, number in counts.changes.items() if number}
    on_hosts = [number for host, number in changed.items() if host != LOCAL]
    hosts = count(len(on_hosts), "host")
    if not changed:
        asked = {host for host in counts.hosts if host != LOCAL}
        return f"{nothing} on {count(len(asked), 'host')}" if asked else nothing
    text = count(counts.total, "change")
    if len(on_hosts) == len(changed):
        return f"{text} on {hosts}"
    return f"{text}, {sum(on_hosts)} of them on {hosts}," if on_hosts else text


def sentence(counts: Counts) -> str:
    """``3 changes on 2 hosts in 41 s; 0 left to do``."""
    took = seconds(counts.took)
    if counts.stopped:
        tasks = count(counts.tasks, "task")
        of_tasks = f"{counts.left} of {tasks} left to do" if counts.tasks else "not all is done"
        return f"Stopped after {took}: {_changes(counts, 'no changes').rstrip(',')}; {of_tasks}"
    if counts.check:
        left = counts.left + counts.total
        hosts = sum(1 for host, number in counts.changes.items() if number and host != LOCAL)
        where = f" on {count(hosts, 'host')}" if hosts and not counts.left else ""
        return f"Nothing changed in {took}, as it was a check; {left} left to do{where}"
    return f"{_changes(counts, 'Nothing changed')} in {took}; {counts.left} left to do"
