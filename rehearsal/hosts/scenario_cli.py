"""Hosts of a test scenario: the command that molecule/shared/create.yml and destroy.yml run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import scenario
from .errors import LocalHostsError


def main(argv: list[str] | None = None) -> int:
    """Run one command; errors are one line on stderr, never a traceback."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal scenario", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start the hosts and write DIRECTORY/instance_config.yml")
    up.add_argument("directory", type=Path, help="molecule's ephemeral directory of the scenario")
    up.add_argument("hosts", nargs="+", metavar="name[:architecture]", help="arm64 is emulated where needed")
    down = commands.add_parser("down", help="remove the hosts and what was made for them")
    down.add_argument("directory", type=Path)
    options = parser.parse_args(argv)
    try:
        if options.command == "up":
            entries = scenario.up(options.directory, scenario.platforms(options.hosts))
            scenario.write_config(options.directory / "instance_config.yml", entries)
        else:
            scenario.down(options.directory)
            (options.directory / "instance_config.yml").unlink(missing_ok=True)
    except LocalHostsError as error:
        print(f"scenario hosts: {error}", file=sys.stderr)
        return 1
    return 0
