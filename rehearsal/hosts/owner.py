"""Whose hosts these are: those of a test run end with it, even if it was killed and could not take them down."""

from __future__ import annotations

import json
import os
from pathlib import Path

from rehearsal.aws.control import OWNER_VARIABLE, start_time

from .command import attempt, run, say
from .errors import LocalHostsError
from .firewall import remove as remove_table
from .state import LABEL, controller_link, table

#: the label of what ends with a process; its value is what `mark` returns
OWNER = "koin.owner"


def mark(pid: int) -> str:
    """A process, told apart from every other that has had or will have its number; "" when it is not there."""
    started = start_time(pid)
    return f"{pid}/{started}/{_boot()}" if started else ""


def alive(value: str) -> bool:
    """Whether the process of a mark still runs."""
    pid = value.partition("/")[0]
    return pid.isdigit() and mark(int(pid)) == value


def labels() -> list[str]:
    """Options for podman that say whose an object is; none when it is to stay until it is taken down."""
    pid = os.environ.get(OWNER_VARIABLE, "")
    if not pid:
        return []
    value = mark(int(pid)) if pid.isdigit() else ""
    if not value:
        raise LocalHostsError(f"{OWNER_VARIABLE} is {pid!r}, which is not a process: unset it")
    return ["--label", f"{OWNER}={value}"]


def remove_abandoned() -> int:
    """Remove the hosts and networks of test runs that have ended; how many hosts."""
    hosts, volumes, networks = (_abandoned(*kind) for kind in (("ps", "--all"), ("volume", "ls"), ("network", "ls")))
    if not (hosts or volumes or networks):
        return 0
    # Another start may be doing the same: what is already gone is not a failure.
    if hosts:
        attempt(["podman", "rm", "--force", "--volumes", "--time", "0", *hosts])
    if volumes:
        attempt(["podman", "volume", "rm", "--force", *volumes])
    if networks:
        attempt(["podman", "network", "rm", *networks])
    for identity in set(networks.values()) - {""}:
        attempt(["ip", "link", "delete", "dev", controller_link(identity)])
        remove_table(table(identity))
    say(f"removed what a killed test run had left: {len(hosts)} hosts, {len(networks)} networks")
    return len(hosts)


def _abandoned(*listing: str) -> dict[str, str]:
    """Names of objects whose owner is gone, with the id of the rehearsal they belong to ("" for a scenario's)."""
    found = {}
    for item in json.loads(run(["podman", *listing, "--format", "json"]) or "[]"):
        # podman writes Name, Names and name.
        fields = {key.lower(): value for key, value in item.items()}
        labels = fields.get("labels") or {}
        if OWNER in labels and not alive(labels[OWNER]):
            name = fields["names"][0] if "names" in fields else fields["name"]
            found[name] = labels.get(LABEL, "")
    return found


def _boot() -> str:
    """This start of the machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    except OSError:
        return ""
