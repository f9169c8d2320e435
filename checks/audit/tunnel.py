#!/usr/bin/env python3
"""Run a program that asks ports of a host, through the host's SSH: security groups let a controller in by no other.

Usage: tunnel.py ADDRESS PORT[,PORT …] SSH … -- COMMAND …

SSH …           how to log in, `ssh` first; it may forward
COMMAND …       what to run; {443} in it is the local port that leads to port 443 of ADDRESS, as the host sees it. What
                it prints has the host's ports again.

Exit code: the command's; 255 when there is no way to the host.
"""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

#: seconds until ssh has logged in, and between two looks
_LOGIN, _LOOK = 30.0, 0.1


class NoWayError(Exception):
    """SSH does not lead to the host; says why."""


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on now."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(item.getsockname()[1]) for item in sockets]


def with_local(words: Sequence[str], local: Mapping[int, int]) -> list[str]:
    """The command with local ports."""
    return [re.sub(r"\{(\d+)\}", lambda found: str(local.get(int(found[1]), found[0])), word) for word in words]


def with_remote(text: str, local: Mapping[int, int]) -> str:
    """What it printed, with the host's ports."""
    remote = {str(here): str(there) for there, here in local.items()}
    return re.sub(r"(?<=:)\d+\b", lambda found: remote.get(found[0], found[0]), text)


@contextlib.contextmanager
def tunnel(address: str, ports: Sequence[int], ssh: Sequence[str]) -> Iterator[dict[int, int]]:
    """Local ports by port, as long as the tunnel is open.

    Errors: NoWayError.
    """
    local = dict(zip(ports, free_ports(len(ports)), strict=True))
    forward = [f"-L127.0.0.1:{here}:{address}:{there}" for there, here in local.items()]
    # A connection of its own: one that is shared would outlive this program, with its forwarded ports.
    options = ["-oBatchMode=yes", "-oExitOnForwardFailure=yes", "-oControlPath=none", "-oConnectTimeout=10"]
    command = [ssh[0], "-N", *options, *forward, *ssh[1:]]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=subprocess.PIPE) as process:
        try:
            _wait(process, next(iter(local.values())))
            yield local
        finally:
            process.terminate()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    """Until ssh listens. It does once it has logged in."""
    end = time.monotonic() + _LOGIN
    while time.monotonic() < end:
        if process.poll() is not None:
            said = process.stderr.read().decode(errors="replace").strip() if process.stderr else ""
            raise NoWayError(said or f"ssh ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(_LOOK)
    raise NoWayError(f"no login within {_LOGIN:.0f} seconds")


def main(arguments: Sequence[str]) -> int:
    """Run the command; its exit code."""
    if "--" not in arguments[3:]:
        print(__doc__, file=sys.stderr)
        return 2
    address, asked, *rest = arguments
    ssh, command = rest[: rest.index("--")], rest[rest.index("--") + 1 :]
    try:
        with tunnel(address, [int(port) for port in asked.split(",")], ssh) as local:
            done = subprocess.run(with_local(command, local), stdout=subprocess.PIPE, text=True, check=False)
    except NoWayError as error:
        print(f"{address}: {error}", file=sys.stderr)
        return 255
    print(with_remote(done.stdout, local), end="")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
