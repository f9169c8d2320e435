"""Keeps this machine's rules as the account's security groups, network ACLs and routes are."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from rehearsal.network import rules
from rehearsal.network.account import observe

from . import firewall
from .errors import LocalHostsError
from .fleet import Fleet
from .observe import observe as observe_fleet
from .state import HostsState

#: seconds between two looks at what the local AWS was asked for, and before another try
_LOOK, _AGAIN = 0.5, 3.0


def apply(state: HostsState, fleet: Fleet) -> None:
    """Load the rules that the account comes to now."""
    from rehearsal.aws.client import client

    firewall.check_bridged()
    machine = rules.Machine(fleet.vpc, (str(fleet.controller.network_address + 1), state.aws.port))
    account = observe(client(state.aws, "ec2"))
    firewall.apply(state.table, firewall.keep_source(fleet.vpc), rules.chains(machine, account))


async def follow(state: HostsState) -> None:
    """Load them again whenever something was written to EC2."""
    from botocore.exceptions import BotoCoreError, ClientError

    log, behind, told = Log(state.aws.request_log), False, ""
    log.written()
    while True:
        await asyncio.sleep(_LOOK)
        behind = log.written() or behind
        if behind:
            try:
                await asyncio.to_thread(lambda: apply(state, observe_fleet(state.aws)))
                behind, told = False, ""
            except (LocalHostsError, BotoCoreError, ClientError) as error:
                # An account without instances, say, or one that is being changed: tried again, and told once.
                if told != str(error):
                    print(f"the rules stay as they are: {error}", file=sys.stderr, flush=True)
                told = str(error)
                await asyncio.sleep(_AGAIN)


class Log:
    """The local AWS's log of requests, read as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0

    def written(self) -> bool:
        """Whether anything was written to EC2 since the last look."""
        try:
            with self._path.open("rb") as file:
                # A new account begins with an empty log.
                begun_again = file.seek(0, 2) < self._read
                file.seek(0 if begun_again else self._read)
                *lines, rest = file.read().split(b"\n")
                self._read = file.tell() - len(rest)
        except FileNotFoundError:
            return False
        requests = (json.loads(line) for line in lines if line)
        return any(item["write"] and item["service"] == "ec2" for item in requests) or begun_again
