"""The hosts as podman containers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from . import binfmt, networks, owner, seed, userdata
from .command import attempt, run, say
from .fleet import Fleet, Host
from .state import LABEL, HostsState
from .steps import Container

#: What makes a container a machine; docs/rehearsal.md says why each.
MACHINE = (
    "--runtime=runc",
    "--privileged",
    "--cgroupns=private",
    "--systemd=false",
    "--no-hosts",
    "--tmpfs=/run:rw,exec,mode=755",
    "--tmpfs=/run/lock:rw,mode=1777",
    "--tmpfs=/tmp:rw,exec,mode=1777",
    "--stop-signal=SIGRTMIN+3",
    "--env=container=podman",
    "--ulimit=nofile=16384:16384",
    "--ulimit=nproc=32768:32768",
    # A reboot from inside ends the container.
    "--restart=on-failure:20",
)
_STOP_SECONDS = 10


def emulation(architecture: str) -> list[str]:
    """Options of a host of another architecture than the machine's, after MACHINE; "" is the machine's own."""
    if not architecture:
        return []
    return [
        f"--arch={architecture}",
        f"--label={binfmt.LABEL}={architecture}",
        # qemu reserves four real-time signals: SIGRTMIN+3, which shuts systemd down, is this one outside.
        "--stop-signal=SIGRTMIN+7",
    ]


def existing(state: HostsState) -> list[Container]:
    """This rehearsal's hosts."""
    listed = run(["podman", "ps", "--all", "--filter", f"label={state.label}", "--format", "json"])
    found = []
    for item in json.loads(listed or "[]"):
        labels = {key.removeprefix(f"{LABEL}."): value for key, value in item["Labels"].items()}
        found.append(
            Container(
                container=item["Names"][0],
                instance_id=labels.get("instance", ""),
                host=item["Names"][0].removeprefix(state.named("")),
                address=labels.get("address", ""),
                architecture=labels.get("architecture", ""),
                image=item["Image"],
                running=item["State"] == "running",
                emulated=binfmt.LABEL in item["Labels"],
            )
        )
    return sorted(found, key=lambda container: tuple(int(part) for part in (container.address or "0").split(".")))


def remove_unfinished(state: HostsState) -> None:
    """Remove what a killed start has left half made."""
    never_started = ["--filter", f"label={state.label}", "--filter", "status=created"]
    unfinished = run(["podman", "ps", "--all", *never_started, "--format", "{{.Names}}"]).split()
    remove(state, (container for container in existing(state) if container.container in unfinished))


def create(state: HostsState, fleet: Fleet, host: Host, image: str, proxies: Mapping[str, str]) -> str:
    """Make a host and put its files in, without starting it; the container's name."""
    data = userdata.parse(host.user_data)
    if data.ignored:
        say(f"{host.inventory_name}: user data not applied here: {', '.join(data.ignored)}")
    name = state.named(host.inventory_name)
    # Called by what never changes: the host may get another name, and its volume does not.
    volume = state.named(f"{host.instance_id}-docker")
    labels = {
        "instance": host.instance_id,
        "address": str(host.address),
        "architecture": host.architecture,
    }
    # Left by a host that somebody removed by hand: a new host has a new disk.
    attempt(["podman", "volume", "rm", "--force", volume])
    run(["podman", "volume", "create", "--label", state.label, *owner.labels(), volume])
    run(
        [
            *("podman", "create", "--name", name, "--hostname", host.hostname, *MACHINE),
            *("--label", state.label, *owner.labels()),
            *emulation(host.emulated_architecture),
            *(f"--label={LABEL}.{key}={value}" for key, value in labels.items()),
            # Docker's overlay2 cannot run on the overlay that is the container's own root.
            f"--volume={volume}:/var/lib/docker",
            f"--network={networks.attachment(state.named(host.subnet_id), host.address)}",
            image,
        ]
    )
    public_key = state.aws.ssh_key.with_suffix(".pub").read_text()
    archive = seed.archive(seed.files(host, fleet, public_key, data, proxies))
    # Without --archive=false everything would belong to root.
    run(["podman", "cp", "--archive=false", "-", f"{name}:/"], stdin=archive)
    return name


def start(names: Iterable[str]) -> None:
    """Start stopped hosts."""
    if listed := list(names):
        run(["podman", "start", *listed])


def stop(names: Iterable[str]) -> None:
    """Shut hosts down; their disks stay."""
    if listed := list(names):
        run(["podman", "stop", "--time", str(_STOP_SECONDS), *listed])


def rename(state: HostsState, container: Container, host: str) -> str:
    """Give a host another name; it goes on running. Returns the name of its container."""
    name = state.named(host)
    run(["podman", "rename", container.container, name])
    return name


def remove(state: HostsState, containers: Iterable[Container]) -> None:
    """Remove hosts with their disks. Immediately, because unwritten data does not matter."""
    if listed := list(containers):
        run(["podman", "rm", "--force", "--volumes", "--time", "0", *(item.container for item in listed)])
        # `down` finds the rest by its label.
        attempt(["podman", "volume", "rm", "--force", *(state.named(f"{item.instance_id}-docker") for item in listed)])


def remove_all(state: HostsState) -> int:
    """Remove every container and volume with this rehearsal's label; returns the number of containers."""
    names = run(["podman", "ps", "--all", "--quiet", "--filter", f"label={state.label}"]).split()
    if names:
        run(["podman", "rm", "--force", "--volumes", "--time", "0", *names])
    volumes = run(["podman", "volume", "ls", "--quiet", "--filter", f"label={state.label}"]).split()
    if volumes:
        run(["podman", "volume", "rm", "--force", *volumes])
    return len(names)
