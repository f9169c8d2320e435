"""Works out the steps that make the local hosts match the account. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .fleet import Host


@dataclass(frozen=True)
class Container:
    """A host as podman has it; everything but `running` from the labels it was made with."""

    container: str
    instance_id: str
    name: str
    host: str
    address: str
    architecture: str
    specification: str
    image: str
    running: bool
    #: whether it has the instance's architecture by emulation
    emulated: bool = False


@dataclass(frozen=True)
class Steps:
    """What to do, in this order."""

    remove: tuple[Container, ...]
    stop: tuple[Container, ...]
    start: tuple[Container, ...]
    create: tuple[Host, ...]

    @property
    def none(self) -> bool:
        """Whether everything is as it should be."""
        return not (self.remove or self.stop or self.start or self.create)


def steps(hosts: Iterable[Host], containers: Iterable[Container]) -> Steps:
    """Compare; a host whose instance has been replaced is recreated, as on AWS."""
    wanted = {host.instance_id: host for host in hosts}
    remove, stop, start = [], [], []
    kept = set()
    for container in containers:
        host = wanted.get(container.instance_id)
        if host is None or host.specification != container.specification:
            remove.append(container)
            continue
        kept.add(container.instance_id)
        if container.running and not host.running:
            stop.append(container)
        elif host.running and not container.running:
            start.append(container)
    create = [host for host in wanted.values() if host.running and host.instance_id not in kept]
    return Steps(tuple(remove), tuple(stop), tuple(start), tuple(create))
