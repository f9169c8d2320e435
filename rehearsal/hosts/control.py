"""Start the hosts, stop them, and report their state."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import time
from collections.abc import Iterator, Sized
from ipaddress import IPv4Network

from rehearsal.aws.control import make_ssh_key
from rehearsal.aws.state import LocalAwsError

from . import architecture, binfmt, condition, containers, forwarder, image, login, machine_apt, networks, owner, tools
from .command import say, wait
from .condition import Condition
from .errors import LocalHostsError
from .fleet import Fleet, emulate
from .observe import observe
from .state import HostsState
from .steps import Container, Steps, steps


def up(state: HostsState) -> str:
    """Bring this machine's hosts in line with the local AWS; a line that says what was done."""
    began = time.monotonic()
    fleet = _wanted(state)
    tools.ensure()
    owner.remove_abandoned()
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
        binfmt.release()
    for item in running:
        if failed := conditions[item.container].failed:
            say(f"{item.host}: systemd units have failed: {', '.join(failed)}")
    took = time.monotonic() - began
    done = "were up already" if todo.none else f"are up ({_summary(todo)})"
    return f"{len(running)} hosts {done}; local AWS for them: {url} ({took:.1f} s)"


def images() -> list[str]:
    """Build the images that hosts need here unless they are there; their references."""
    tools.ensure()
    apt = machine_apt.read()
    emulates = architecture.asked() and architecture.machine() != architecture.ARM
    with binfmt.registered(apt) if emulates else contextlib.nullcontext():
        references = [image.ensure(apt, kind) for kind in ["", *([architecture.ARM] if emulates else [])]]
    binfmt.release()
    return references


def check_free(state: HostsState, vpc: IPv4Network) -> None:
    """Refuse if hosts in this range cannot run; a long test asks before it begins."""
    tools.ensure()
    owner.remove_abandoned()
    networks.check_free(vpc, state)


def _wanted(state: HostsState) -> Fleet:
    """The hosts that this machine is to have."""
    emulation = architecture.asked()
    fleet = observe(state.aws)
    return emulate(fleet, architecture.machine()) if emulation else fleet


def _do(state: HostsState, fleet: Fleet, todo: Steps) -> None:
    containers.remove(state, todo.remove)
    containers.stop(container.container for container in todo.stop)
    renamed = {item.container: containers.rename(state, item, host) for item, host in todo.rename}
    networks.ensure(state, fleet)
    emulates = any(host.emulated for host in fleet.hosts)
    if not (todo.create or todo.start or emulates):
        return
    apt = machine_apt.read()
    # Even if nothing is started: running hosts need it for each program.
    with binfmt.registered(apt) if emulates else contextlib.nullcontext():
        started = [renamed.get(item.container, item.container) for item in todo.start]
        if todo.create:
            kinds = sorted({host.emulated_architecture for host in todo.create})
            images = {kind: image.ensure(apt, kind) for kind in kinds}
            say(f"starting {', '.join(host.inventory_name for host in todo.create)} …")
            for host in todo.create:
                reference = images[host.emulated_architecture]
                started.append(containers.create(state, fleet, host, reference, dict(apt.proxies)))
        containers.start(started)
        networks.keep_addresses(state)


def _summary(todo: Steps) -> str:
    counts: dict[str, Sized] = {
        "new": todo.create,
        "renamed": todo.rename,
        "started": todo.start,
        "stopped": todo.stop,
        "removed": todo.remove,
    }
    return ", ".join(f"{len(items)} {word}" for word, items in counts.items() if items)


def _wait_ready(running: list[Container]) -> dict[str, Condition]:
    """Wait until systemd and sshd of every host are ready."""
    found: dict[str, Condition] = {}

    def ready() -> bool:
        late = [item.container for item in running if not found.get(item.container, Condition()).ready]
        found.update(condition.ask(late))
        return all(item.ready for item in found.values())

    def why_not() -> str:
        late = [item for item in running if not found[item.container].ready]
        states = ", ".join(f"{item.host}: {found[item.container].state or 'no answer'}" for item in late)
        return f"{states}; see `podman logs {late[0].container}` and journalctl in it"

    emulates = any(item.emulated for item in running)
    wait("boot", ready, condition.boot_seconds(emulates=emulates), why_not)
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
        native = binfmt.release()
        state.known_hosts.unlink(missing_ok=True)
        state.aws.authority.unlink(missing_ok=True)
        state.identity_file.unlink(missing_ok=True)
    text = f"{removed} hosts and {nets} networks removed ({time.monotonic() - began:.1f} s)"
    return f"{text}; {architecture.ARM} programs are not emulated here any longer" if native else text


def status(state: HostsState) -> tuple[bool, str]:
    """Whether every host is ready, and a table."""
    found = containers.existing(state) if state.id and shutil.which("podman") else []
    if not found:
        return False, "no hosts of this rehearsal"
    conditions = condition.ask(item.container for item in found if item.running)
    machine = architecture.machine()
    rows = [("host", "instance", "address", "port", "architecture", "state")]
    for item in found:
        now = conditions.get(item.container, Condition())
        rows.append(
            (
                item.host,
                item.instance_id,
                item.address,
                " ".join(map(str, now.ports)) or "-",
                architecture.shown(item.architecture, machine, emulated=item.emulated),
                _state(item, now),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.append(f"local AWS for the hosts: {forwarder.running(state) or 'not forwarded'}")
    with contextlib.suppress(LocalHostsError, LocalAwsError):
        todo = steps(_wanted(state).hosts, found)
        if not todo.none:
            lines.append(f"`make hosts` would change: {_summary(todo)}")
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
        raise LocalHostsError(
            f"{item.host} has no sshd now; enter it as root: python -m rehearsal hosts shell --rescue {item.host}"
        )
    return login.ssh(state, item.address, ports[0], command)


@contextlib.contextmanager
def _locked(state: HostsState) -> Iterator[None]:
    """One at a time, because two runs would each create what is missing."""
    with state.lock_file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
