"""The whole platform on this machine: local AWS, provision, hosts, configure, verify. Called by `make rehearse`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

from rehearsal import COMMAND, REPOSITORY, summary
from rehearsal.aws.state import State

INVENTORY = "inventories/rehearsal"
#: where a configured host keeps the certificate of the authority that signs the platform's pages
AUTHORITY = "/etc/koin/tls/ca.pem"


class Parts:
    """Runs the parts one after the other and remembers how long each took."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._times: list[tuple[str, float]] = []

    def run(self, name: str, *command: str) -> bool:
        """Run a part; whether it succeeded."""
        print(f"== {name}", flush=True)
        began = time.monotonic()
        done = subprocess.run(command, cwd=REPOSITORY, check=False)
        self._times.append((name, time.monotonic() - began))
        return done.returncode == 0

    def table(self) -> str:
        """The time of each part and of all of them."""
        rows = [*self._times, ("total", time.monotonic() - self._began)]
        return "\n".join(f"  {name:<34} {seconds:4.0f} s" for name, seconds in rows)


def _save_authority(state: State) -> bool:
    """Keep the certificate that a browser or curl needs for the rehearsal's pages."""
    shell = [*COMMAND, "hosts", "shell", "KOIN_PROD", "cat", AUTHORITY]
    read = subprocess.run(shell, cwd=REPOSITORY, capture_output=True, check=False)
    if read.returncode:
        print(f"cannot read {AUTHORITY} on KOIN_PROD: {read.stderr.decode().strip()}", file=sys.stderr)
        return False
    state.authority.write_bytes(read.stdout)
    return True


def main(argv: list[str] | None = None) -> int:
    """Run every part up to the first that fails; then 1."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal all", description=__doc__)
    parser.add_argument(
        "--no-hosts",
        action="store_true",
        default=os.environ.get("HOSTS") == "no",
        help="stop after the account: needs neither root nor podman (the same as HOSTS=no)",
    )
    options = parser.parse_args(argv)
    state, parts = State.from_environ(), Parts()
    # hosts.yml alone: provisioning must not ask for the hosts that it is about to make.
    provision = ["ansible-playbook", "playbooks/provision.yml", "-i", f"{INVENTORY}/hosts.yml"]
    good = parts.run("local AWS", *COMMAND, "aws", "start", "--empty") and parts.run(
        "provision", *provision, "-e", f"save={state.directory / 'plan.json'}"
    )
    if good and not options.no_hosts:
        good = parts.run("hosts", *COMMAND, "hosts", "up") and parts.run(
            "configure", "ansible-playbook", "playbooks/configure.yml", "-i", INVENTORY
        )
        good = (
            good
            and _save_authority(state)
            and parts.run("verify", "ansible-playbook", "playbooks/verify.yml", "-i", INVENTORY)
        )
    if not good:
        return 1
    status = summary.main([])
    print(f"\n{parts.table()}", flush=True)
    return status
