"""Start, stop and describe the local AWS: a moto server on loopback."""

from __future__ import annotations

import argparse
import sys

from . import control
from .state import LocalAwsError, State


def main(argv: list[str] | None = None) -> int:
    """Run one command; errors are one line on stderr, never a traceback."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal aws", description="The local AWS of the rehearsal.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("start", "start it, or leave it running"), ("serve", argparse.SUPPRESS)):
        command = commands.add_parser(name, help=text)
        command.add_argument("--empty", action="store_true", help="an account without a default VPC")
    commands.add_parser("stop", help="stop it, if it is ours")
    commands.add_parser("status", help="say whether it runs; exit 3 if it does not")
    commands.add_parser("env", help="print the exports that point AWS tools at it")
    options = parser.parse_args(argv)
    try:
        state = State.from_environ()
        if options.command == "serve":
            # Imported only here: moto takes a second to load and the other commands do not need it.
            from .server import serve

            return serve(state, empty=options.empty)
        if options.command == "start":
            print(control.start(state, empty=options.empty), file=sys.stderr)
        elif options.command == "stop":
            print(control.stop(state), file=sys.stderr)
        elif options.command == "env":
            print(state.exports())
        else:
            running, text = control.status(state)
            print(text)
            return 0 if running else 3
    except LocalAwsError as error:
        print(f"local AWS: {error}", file=sys.stderr)
        return 1
    return 0
