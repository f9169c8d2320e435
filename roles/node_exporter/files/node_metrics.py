#!/usr/bin/python3
"""Metrics that the node exporter cannot see itself, as files that it reads.

Usage: node-metrics DIRECTORY [--swarm]

- host.prom: whether a reboot is due
- updates.prom: how many updates are pending, counted again only after packages or package lists have changed
- swarm.prom: the Swarm, as this host's Docker Engine knows it; nodes and services on managers only. And how old the
  images are that run here.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import socket
import sys
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

DOCKER_SOCKET = "/run/docker.sock"
PACKAGES = Path("/var/lib/dpkg/status")
# apt changes one or the other whenever it asks for package lists.
PACKAGE_LISTS = [
    Path("/var/lib/apt/lists"),
    Path("/var/lib/apt/lists/partial"),
    Path("/var/lib/apt/periodic/update-stamp"),
]
REBOOT_REQUIRED = Path("/run/reboot-required")

Sample = tuple[str, dict[str, str], float]

HELP = {
    "node_reboot_required": "1 when packages were installed that a reboot has to bring into use.",
    "node_updates_pending": "Packages of which a newer version is known.",
    "node_package_lists_timestamp_seconds": "When the package lists were last fetched.",
    "koin_swarm_engine_up": "1 when the Docker Engine answers.",
    "koin_swarm_active": "1 when the host is a node of a Swarm.",
    "koin_swarm_manager": "1 when the host is a manager of the Swarm.",
    "koin_swarm_quorum": "1 when the managers have a leader; told by managers.",
    "koin_swarm_node_ready": "1 when the node is ready; told by managers.",
    "koin_swarm_node_active": "1 when the node takes tasks, 0 when it is drained or paused; told by managers.",
    "koin_swarm_manager_reachable": "1 when the manager is reachable for the leader; told by managers.",
    "koin_swarm_service_replicas_desired": "Tasks that the service should have; told by managers.",
    "koin_swarm_service_replicas_running": "Tasks of the service that run; told by managers.",
    "koin_swarm_service_update_failed": "1 when the last update was paused or rolled back; told by managers.",
    "koin_image_created_timestamp_seconds": "When an image was built of which the service runs a task on this host.",
}


def write(path: Path, samples: Iterable[Sample]) -> None:
    """Write a file in one go, so that it is never read half written."""
    by_name: dict[str, list[str]] = {}
    for name, labels, value in samples:
        quoted = ",".join(f"{label}={json.dumps(text, ensure_ascii=False)}" for label, text in labels.items())
        by_name.setdefault(name, []).append(f"{name}{'{' + quoted + '}' if quoted else ''} {float(value)!r}\n")
    text = "".join(
        f"# HELP {name} {HELP[name]}\n# TYPE {name} gauge\n{''.join(lines)}" for name, lines in by_name.items()
    )
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o644)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise


# --- The host --------------------------------------------------------------------------------------------------------


def host() -> Iterator[Sample]:
    """What is cheap to know."""
    yield "node_reboot_required", {}, REBOOT_REQUIRED.exists()


def changed(paths: Iterable[Path]) -> float:
    """When the latest of some files was changed, 0 when there is none."""
    return max((path.stat().st_mtime for path in paths if path.exists()), default=0)


def updates() -> Iterator[Sample]:
    """What apt would upgrade. Takes a second of a processor."""
    import apt

    counts = {True: 0, False: 0}
    for package in apt.Cache():
        if package.is_upgradable:
            origins = package.candidate.origins
            counts[any(o.label == "Debian-Security" or o.archive.endswith("-security") for o in origins)] += 1
    for security, count in counts.items():
        yield "node_updates_pending", {"security": str(security).lower()}, count
    yield "node_package_lists_timestamp_seconds", {}, changed(PACKAGE_LISTS)


# --- The Swarm -------------------------------------------------------------------------------------------------------


class Engine(http.client.HTTPConnection):
    """The Docker Engine, through its socket."""

    def connect(self) -> None:
        """Connect to the socket instead of a port."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(DOCKER_SOCKET)

    def ask(self, path: str) -> Any:
        """Return the answer, None when the Engine refuses."""
        self.request("GET", path)
        answer = self.getresponse()
        content = answer.read()
        return json.loads(content) if answer.status == 200 else None


def nodes(found: Iterable[dict[str, Any]]) -> Iterator[Sample]:
    """Samples of the Swarm's nodes."""
    for node in found:
        labels = {"node": node["Description"]["Hostname"], "role": node["Spec"]["Role"]}
        yield "koin_swarm_node_ready", labels, node["Status"]["State"] == "ready"
        yield "koin_swarm_node_active", labels, node["Spec"]["Availability"] == "active"
        if manager := node.get("ManagerStatus"):
            yield "koin_swarm_manager_reachable", labels, manager.get("Reachability") == "reachable"


def services(found: Iterable[dict[str, Any]]) -> Iterator[Sample]:
    """Samples of the services that should always run; jobs come to an end."""
    for service in found:
        if not {"Replicated", "Global"} & set(service["Spec"]["Mode"]):
            continue
        labels = {"service": service["Spec"]["Name"]}
        status = service.get("ServiceStatus", {})
        yield "koin_swarm_service_replicas_desired", labels, status.get("DesiredTasks", 0)
        yield "koin_swarm_service_replicas_running", labels, status.get("RunningTasks", 0)
        state = service.get("UpdateStatus", {}).get("State", "")
        yield "koin_swarm_service_update_failed", labels, state in ("paused", "rollback_paused", "rollback_completed")


def images(engine: Engine) -> Iterator[Sample]:
    """How old the images of the services are of which a task runs here."""
    label = "com.docker.swarm.service.name"
    seen = set()
    for container in engine.ask(f"/containers/json?filters={quote(json.dumps({'label': [label]}))}") or ():
        key = container["Labels"][label], container["Image"].partition("@")[0]
        created = (engine.ask(f"/images/{container['ImageID']}/json") or {}).get("Created")
        if created and key not in seen:
            seen.add(key)
            labels = dict(zip(("service", "image"), key, strict=True))
            yield "koin_image_created_timestamp_seconds", labels, datetime.fromisoformat(created).timestamp()


def swarm() -> Iterator[Sample]:
    """What the Engine of this host knows."""
    engine = Engine("localhost", timeout=10)
    try:
        swarm_info = (engine.ask("/info") or {}).get("Swarm", {})
    except (OSError, http.client.HTTPException):
        yield "koin_swarm_engine_up", {}, 0
        return
    yield "koin_swarm_engine_up", {}, 1
    # `pending` and `error` are states of a node, too, but none that works.
    yield "koin_swarm_active", {}, swarm_info.get("LocalNodeState") == "active"
    manager = bool(swarm_info.get("ControlAvailable"))
    yield "koin_swarm_manager", {}, manager
    yield from images(engine)
    if not manager:
        return
    # Without a leader these are refused, or wait for one.
    try:
        found = engine.ask("/nodes"), engine.ask("/services?status=true")
    except (OSError, http.client.HTTPException):
        found = None, None
    quorum = None not in found
    yield "koin_swarm_quorum", {}, quorum
    if quorum:
        yield from nodes(found[0])
        yield from services(found[1])


def main() -> int:
    """Write the files; one that fails does not keep the others from being written."""
    parser = argparse.ArgumentParser(description="Metrics of the host for the node exporter.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--swarm", action="store_true", help="the host is a node of a Swarm")
    options = parser.parse_args()
    parts = {"host": host}
    if changed([PACKAGES, *PACKAGE_LISTS]) >= changed([options.directory / "updates.prom"]):
        parts["updates"] = updates
    if options.swarm:
        parts["swarm"] = swarm
    failed = False
    for name, samples in parts.items():
        try:
            write(options.directory / f"{name}.prom", samples())
        except Exception as error:
            print(f"node-metrics: {name}: {type(error).__name__}: {error}", file=sys.stderr)
            failed = True
    return failed


if __name__ == "__main__":
    sys.exit(main())
