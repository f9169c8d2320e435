"""How to log in to a host: known keys, and the ssh command."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .condition import Condition
from .errors import LocalHostsError
from .fleet import inventory_name
from .state import HostsState
from .steps import Container

USER = "admin"


def known_hosts(hosts: Iterable[tuple[str, Condition]]) -> str:
    """Lines of a known_hosts file for addresses. On any port: the port is data, the key is the host's."""
    lines = [f"{address},[{address}]:* {key}" for address, condition in hosts for key in condition.keys]
    return "".join(f"{line}\n" for line in lines)


def write_known_hosts(path: Path, text: str) -> None:
    """Replace the file if it says something else."""
    if path.exists() and path.read_text() == text:
        return
    temporary = path.with_suffix(".new")
    temporary.write_text(text)
    temporary.replace(path)


def ssh(state: HostsState, address: str, port: int, command: Iterable[str] = ()) -> list[str]:
    """The ssh command of a host. The operator's own ssh_config is ignored: it is about other hosts."""
    options = [
        "BatchMode=yes",
        "IdentitiesOnly=yes",
        "StrictHostKeyChecking=yes",
        f'UserKnownHostsFile="{state.known_hosts}"',
        # From the controller's address, as Ansible: security groups let no other in.
        f"BindInterface={state.controller_link}",
    ]
    return [
        *("ssh", "-F", "none", "-i", str(state.aws.ssh_key), "-p", str(port)),
        *(f"-o{option}" for option in options),
        f"{USER}@{address}",
        *command,
    ]


def find(name: str, containers: Iterable[Container]) -> Container:
    """The host that is meant by the tag Name of its instance, by its inventory name or by its address."""
    known = list(containers)
    for container in known:
        if name == container.address or inventory_name(name) == container.host:
            return container
    raise LocalHostsError(
        f"there is no host {name}: "
        + (f"use one of {', '.join(container.host for container in known)}" if known else "start them (`make hosts`)")
    )
