"""Where the local hosts keep their files, and what their objects on this machine are called."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal.aws.state import State

#: The label that every object of a rehearsal carries; its value is the rehearsal's id.
LABEL = "koin.rehearsal"


def table(identity: str) -> str:
    """The nftables table of a rehearsal."""
    return f"koin_rehearsal_{identity}"


def controller_link(identity: str) -> str:
    """The interface that holds the controller's address; at most 15 characters."""
    return f"koin-{identity}"


@dataclass(frozen=True)
class HostsState:
    """One rehearsal's files beside those of its local AWS."""

    aws: State
    #: eight hexadecimal digits, made once per state directory; "" while nothing has been started
    id: str

    @classmethod
    def load(cls, aws: State, *, create: bool = False) -> HostsState:
        """Read the id, or make it."""
        path = aws.directory / "local_hosts.json"
        try:
            identity = json.loads(path.read_text())["id"]
        except (OSError, ValueError, KeyError, TypeError):
            identity = ""
        if not identity and create:
            identity = secrets.token_hex(4)
            aws.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            write(path, {"id": identity})
        return cls(aws, str(identity))

    @property
    def identity_file(self) -> Path:
        """Holds the id."""
        return self.aws.directory / "local_hosts.json"

    @property
    def lock_file(self) -> Path:
        """Held while anything is changed."""
        return self.aws.directory / "local_hosts.lock"

    @property
    def forwarder_file(self) -> Path:
        """Pid and start time of the forwarder, where it listens and what it leads to."""
        return self.aws.directory / "forwarder.json"

    @property
    def forwarder_log(self) -> Path:
        """The forwarder's output."""
        return self.aws.directory / "forwarder.log"

    @property
    def known_hosts(self) -> Path:
        """The hosts' keys, as read from the hosts themselves."""
        return self.aws.ssh_key.parent / "known_hosts"

    @property
    def label(self) -> str:
        """The label of every podman object of this rehearsal."""
        return f"{LABEL}={self.id}"

    @property
    def table(self) -> str:
        """The nftables table of this rehearsal."""
        return table(self.id)

    @property
    def controller_link(self) -> str:
        """The interface that holds the controller's address; at most 15 characters."""
        return controller_link(self.id)

    def named(self, name: str) -> str:
        """The name of a podman object."""
        return f"koin-{self.id}-{name}"


def write(path: Path, data: dict[str, Any]) -> None:
    """Replace a file at once, readable by its owner alone."""
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(json.dumps(data) + "\n")
    temporary.replace(path)
