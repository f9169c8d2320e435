"""The rehearsal's own nftables table."""

from __future__ import annotations

from ipaddress import IPv4Network

from .command import attempt, run


def text(table: str, vpc: IPv4Network) -> str:
    """Rules that replace the table at once.

    podman masquerades whatever leaves a network (priority 100), except what is already translated. Translated here to
    its own address, a connection between subnets keeps the real addresses, as in a VPC.
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
    """Remove the table; whether there was one."""
    return attempt(["nft", "delete", "table", "ip", table]).returncode == 0
