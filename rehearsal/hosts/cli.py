"""Local Debian hosts for the instances of the local AWS: real systemd, real sshd, their private addresses.

REHEARSAL_ARM=1 in the environment makes hosts of arm64 instances arm64, by emulation where the machine is not.
"""

from __future__ import annotations

import argparse
import os
import sys
from ipaddress import IPv4Network

from rehearsal.aws.state import LocalAwsError, State

from .command import as_root
from .errors import LocalHostsError
from .state import HostsState


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal hosts", description="The local hosts of the rehearsal.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="bring this machine's hosts in line with the local AWS")
    commands.add_parser("down", help="remove them, and everything made for them")
    commands.add_parser("status", help="show their state; exit 3 unless all are ready")
    commands.add_parser("image", help="build the base images unless they are there, and print their names")
    free = commands.add_parser("free", help="exit 1 if something on this machine conflicts with hosts in a range")
    free.add_argument("vpc", type=IPv4Network, metavar="range")
    shell = commands.add_parser("shell", help="log in to a host, or run a command there")
    shell.add_argument("--rescue", action="store_true", help="as root through podman, without SSH")
    shell.add_argument("host", help="the instance's Name, the inventory's name or the address")
    shell.add_argument("words", nargs=argparse.REMAINDER, metavar="command", help="instead of a shell")
    forward = commands.add_parser("forward")
    forward.add_argument("address")
    forward.add_argument("port", type=int)
    forward.add_argument("vpc")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run one command; errors are one line on stderr, never a traceback."""
    options = arguments(argv)
    try:
        if options.command == "forward":
            from .forwarder import serve

            return serve(options.address, options.port, options.vpc)
        # Imported only now: the command above does not need it.
        from . import control

        state = HostsState.load(State.from_environ(), create=options.command == "up")
        if options.command == "up":
            print(control.up(state), file=sys.stderr)
        elif options.command == "down":
            print(control.down(state), file=sys.stderr)
        elif options.command == "image":
            print(*control.images(), sep="\n")
        elif options.command == "free":
            control.check_free(state, options.vpc)
        elif options.command == "shell":
            command = control.shell(state, options.host, options.words, rescue=options.rescue)
            command = [*(as_root() if command[0] == "podman" else []), *command]
            os.execvp(command[0], command)
        else:
            ready, text = control.status(state)
            print(text)
            return 0 if ready else 3
    except (LocalHostsError, LocalAwsError) as error:
        print(f"local hosts: {error}", file=sys.stderr)
        return 1
    return 0
