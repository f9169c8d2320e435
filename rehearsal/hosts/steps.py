"""Works out the steps that make the local hosts match the account. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .fleet import Host


@dataclass(frozen=True)
class Container:
    """A host as podman has it. host: from the name of the container; the rest from the labels it was made with."""

    container: str
    instance_id: str
    host: str
    address: str
    architecture: str
    image: str
    running: bool
    #: whether it has the instance's architecture by emulation
    emulated: bool = False


@dataclass(frozen=True)
class Steps:
    """What to do, in this order."""

    remove: tuple[Container, ...]
    #: each with the host name that it gets
    rename: tuple[tuple[Container, str], ...]
    #: with the names that they have before
    stop: tuple[Container, ...]
    start: tuple[Container, ...]
    create: tuple[Host, ...]

    @property
    def none(self) -> bool:
        """Whether everything is as it should be."""
        return not (self.remove or self.rename or self.stop or self.start or self.create)


def steps(hosts: Iterable[Host], containers: Iterable[Container]) -> Steps:
    """Compare. An instance that is called otherwise keeps its host; one that was launched anew gets another one."""
    wanted = {host.instance_id: host for host in hosts}
    remove, rename, stop, start = [], [], [], []
    kept = set()
    for container in containers:
        host = wanted.get(container.instance_id)
        if host is None or (str(host.address), host.emulated) != (container.address, container.emulated):
            remove.append(container)
            continue
        kept.add(container.instance_id)
        if container.host != host.inventory_name:
            rename.append((container, host.inventory_name))
        if container.running and not host.running:
            stop.append(container)
        elif host.running and not container.running:
            start.append(container)
    create = [host for host in wanted.values() if host.running and host.instance_id not in kept]
    return Steps(tuple(remove), tuple(rename), tuple(stop), tuple(start), tuple(create))
