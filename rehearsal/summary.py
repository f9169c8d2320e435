"""The summary after `make rehearse`: what this run did, the hosts, and what to run next."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rehearsal import REPOSITORY
from rehearsal.aws.state import State

#: groups that every inventory has, and those that say nothing about a host's role
_PLAIN = {"all", "ungrouped", "aws_ec2", "platform"}

#: the lines that need hosts
ON_HOSTS = """\
  make shell HOST=KOIN_PROD           log in to a host
  curl --noproxy '*' --cacert {authority} --resolve api.koreatech.in:443:172.31.0.20 https://api.koreatech.in/
                                      edge, Swarm, database: a row over TLS
"""
#: the line that replaces them
NO_HOSTS = """\
  make rehearse                       start and configure the hosts as well (Linux, root or sudo)
"""
NEXT = """\
Next:
  make plan                           what would change now (nothing)
  make inventory                      the hosts as groups
{hosts}  eval "$(make -s aws)"               point aws, boto3 … at this local account
  edit group_vars/all/, make plan     see what your change would do
  make clean                          stop and forget it all"""


def table(rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the first row is the heading."""
    cells = [list(row) for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join(f"  {line}" for line in [lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def done(plan: Mapping[str, Any]) -> str:
    """How much the run has created and changed, by kind, in the order of the plan."""
    counts = Counter((item["kind"], item["action"]) for item in plan["actions"])
    kinds = list(dict.fromkeys(item["kind"] for item in plan["actions"] if item["action"] in ("create", "change")))
    if not kinds:
        return "No changes: the account matches the declaration."
    rows = [("kind", "created", "changed")]
    rows += [(kind, str(counts[kind, "create"] or "-"), str(counts[kind, "change"] or "-")) for kind in kinds]
    return table(rows)


def plain(value: Any) -> str:
    """A value of `ansible-inventory --list`, which wraps what it does not trust as a template."""
    return str(value["__ansible_unsafe"] if isinstance(value, Mapping) else value)


def hosts(inventory: Mapping[str, Any]) -> str:
    """Host, groups and addresses, from the dynamic inventory."""
    variables: Mapping[str, Any] = inventory["_meta"]["hostvars"]
    groups = {name: value.get("hosts", []) for name, value in inventory.items() if name not in {"_meta", *_PLAIN}}
    rows = [("host", "groups", "type", "private address", "public address", "login")]
    for host in sorted(inventory.get("aws_ec2", {}).get("hosts", [])):
        facts = variables[host]
        mine = ", ".join(sorted(name for name, members in groups.items() if host in members))
        rows.append(
            (
                host,
                mine,
                plain(facts["ec2_instance_type"]),
                plain(facts.get("ec2_private_ip_address", "-")),
                plain(facts.get("ec2_public_ip_address", "-")),
                plain(facts["ansible_user"]),
            )
        )
    return table(rows)


def what_next(state: State) -> str:
    """What to run now; commands that need configured hosts only if a run has got that far."""
    lines = ON_HOSTS.format(authority=state.authority) if state.authority.exists() else NO_HOSTS
    return NEXT.format(hosts=lines)


def main(argv: list[str]) -> int:
    """Print the summary; exit status 1 when the inventory cannot be read."""
    argparse.ArgumentParser(prog="python -m rehearsal summary", description=__doc__).parse_args(argv)
    state = State.from_environ()
    listing = subprocess.run(
        ["ansible-inventory", "-i", "inventories/rehearsal", "--list"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode:
        print(listing.stderr, file=sys.stderr)
        return 1
    plan = json.loads((state.directory / "plan.json").read_text())
    table_of_hosts = hosts(json.loads(listing.stdout))
    print(f"Rehearsal on {state.endpoint}\n\n{done(plan)}\n\n{table_of_hosts}\n\n{what_next(state)}")
    return 0
