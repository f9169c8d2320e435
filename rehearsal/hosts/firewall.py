"""The rehearsal's own nftables table."""

from __future__ import annotations

from ipaddress import IPv4Network

from .command import attempt, run


def text(table: str, vpc: IPv4Network) -> str:
    """Rules that replace the table at once.

    podman masquerades whatever leaves a network (priority 100). A connection that has been translated before, to
    what it was, is left alone: hosts of different subnets see each other's real addresses, as in a VPC.
    """
    return f"""\
table ip {table}
delete table ip {table}
table ip {table} {{
    chain keep_source {{
        type nat hook postrouting priority 90; policy accept;
        ip saddr {vpc} ip daddr {vpc} snat to ip saddr
    }}
}}
"""


def apply(table: str, vpc: IPv4Network) -> None:
    """Load the table."""
    run(["nft", "-f", "-"], stdin=text(table, vpc).encode())


def remove(table: str) -> bool:
    """Take the table away; whether there was one."""
    return attempt(["nft", "delete", "table", "ip", table]).returncode == 0
