"""Bring the hosts up, take them down, say how they are."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import time
from collections.abc import Iterator

from localaws.control import make_ssh_key
from localaws.state import LocalAwsError

from . import condition, containers, forwarder, image, login, machine_apt, networks, tools
from .command import say, wait
from .condition import Condition
from .errors import LocalHostsError
from .fleet import Fleet
from .observe import observe
from .state import HostsState
from .steps import Container, Steps, steps

_BOOT_SECONDS = 120.0


def up(state: HostsState) -> str:
    """Make this machine's hosts those of the local AWS; a line that says what was done."""
    began = time.monotonic()
    fleet = observe(state.aws)
    tools.ensure()
    with _locked(state):
        make_ssh_key(state.aws)
        containers.remove_unfinished(state)
        todo = steps(fleet.hosts, containers.existing(state))
        _do(state, fleet, todo)
        running = [container for container in containers.existing(state) if container.running]
        conditions = _wait_ready(running)
        text = login.known_hosts((item.address, conditions[item.container]) for item in running)
        login.write_known_hosts(state.known_hosts, text)
        url = forwarder.ensure(state, str(fleet.controller.network_address + 1), fleet.vpc)
    for item in running:
        if failed := conditions[item.container].failed:
            say(f"{item.host}: systemd units have failed: {', '.join(failed)}")
    took = time.monotonic() - began
    done = "were up already" if todo.none else f"are up ({_summary(todo)})"
    return f"{len(running)} hosts {done}; local AWS for them: {url} ({took:.1f} s)"


def _do(state: HostsState, fleet: Fleet, todo: Steps) -> None:
    containers.remove(container.container for container in todo.remove)
    containers.stop(container.container for container in todo.stop)
    networks.ensure(state, fleet)
    started = [container.container for container in todo.start]
    if todo.create:
        apt = machine_apt.read()
        reference = image.ensure(apt)
        proxies = dict(apt.proxies)
        say(f"starting {', '.join(host.inventory_name for host in todo.create)} …")
        started += [containers.create(state, fleet, host, reference, proxies) for host in todo.create]
    containers.start(started)


def _summary(todo: Steps) -> str:
    counts = {"new": todo.create, "started": todo.start, "stopped": todo.stop, "removed": todo.remove}
    return ", ".join(f"{len(items)} {word}" for word, items in counts.items() if items)


def _wait_ready(running: list[Container]) -> dict[str, Condition]:
    """Until systemd and sshd of every host are ready."""
    found: dict[str, Condition] = {}

    def ready() -> bool:
        late = [item.container for item in running if not found.get(item.container, Condition()).ready]
        found.update(condition.ask(late))
        return all(item.ready for item in found.values())

    def why_not() -> str:
        late = [item for item in running if not found[item.container].ready]
        states = ", ".join(f"{item.host}: {found[item.container].state or 'no answer'}" for item in late)
        return f"{states}; see `podman logs {late[0].container}` and journalctl in it"

    wait("boot", ready, _BOOT_SECONDS, why_not)
    return found


def down(state: HostsState) -> str:
    """Remove everything that carries this rehearsal's id."""
    if not state.id:
        return "no hosts of this rehearsal"
    began = time.monotonic()
    with _locked(state):
        forwarder.stop(state)
        if not shutil.which("podman"):
            return "no podman on this machine, so no hosts"
        removed = containers.remove_all(state)
        nets = networks.remove(state)
        state.known_hosts.unlink(missing_ok=True)
        state.identity_file.unlink(missing_ok=True)
    return f"{removed} hosts and {nets} networks removed ({time.monotonic() - began:.1f} s)"


def status(state: HostsState) -> tuple[bool, str]:
    """Whether every host is ready, and a table."""
    found = containers.existing(state) if state.id and shutil.which("podman") else []
    if not found:
        return False, "no hosts of this rehearsal"
    conditions = condition.ask(item.container for item in found if item.running)
    rows = [("host", "instance", "address", "port", "architecture", "state")]
    for item in found:
        now = conditions.get(item.container, Condition())
        rows.append(
            (
                item.host,
                f"{item.name} {item.instance_id}",
                item.address,
                " ".join(map(str, now.ports)) or "-",
                item.architecture if item.architecture == "x86_64" else f"{item.architecture}, runs as this machine's",
                _state(item, now),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.append(f"local AWS for the hosts: {forwarder.running(state) or 'not forwarded'}")
    with contextlib.suppress(LocalHostsError, LocalAwsError):
        todo = steps(observe(state.aws).hosts, found)
        if not todo.none:
            lines.append(f"`make hosts` would bring: {_summary(todo)}")
    return all(now.ready for now in conditions.values()) and all(item.running for item in found), "\n".join(lines)


def _state(item: Container, now: Condition) -> str:
    if not item.running:
        return "stopped"
    words = [now.state or "no answer", *(["failed: " + " ".join(now.failed)] if now.failed else [])]
    return ", ".join(words if now.ssh else [*words, "no sshd"])


def shell(state: HostsState, host: str, command: list[str], *, rescue: bool) -> list[str]:
    """The command that opens a shell: over SSH, or as root through podman where SSH does not answer."""
    item = login.find(host, containers.existing(state) if state.id else [])
    if rescue:
        terminal = [] if command else ["--interactive", "--tty"]
        return ["podman", "exec", *terminal, item.container, *(command or ["bash", "--login"])]
    ports = condition.ask([item.container])[item.container].ports
    if not ports:
        raise LocalHostsError(f"{item.host} has no sshd now; root's way in: local_hosts.py shell --rescue {item.host}")
    return login.ssh(state, item.address, ports[0], command)


@contextlib.contextmanager
def _locked(state: HostsState) -> Iterator[None]:
    """One at a time: two would each make what is missing."""
    with state.lock_file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
