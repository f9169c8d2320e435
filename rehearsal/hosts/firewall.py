"""The rehearsal's own nftables table."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

from .command import attempt, run
from .errors import LocalHostsError

#: whether packets within a bridge meet the rules; 1 where the module br_netfilter is loaded, and as it comes
_BRIDGED = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")


def keep_source(vpc: IPv4Network) -> str:
    """podman masquerades whatever leaves a network (priority 100), except what is already translated.

    Translated here to its own address, a connection between subnets keeps the real addresses, as in a VPC.
    """
    return f"""\
    chain keep_source {{
        type nat hook postrouting priority 90; policy accept;
        ip saddr {vpc} ip daddr {vpc} snat to ip saddr
    }}
"""


def text(table: str, *chains: str) -> str:
    """Rules that replace the table at once."""
    return f"table ip {table}\ndelete table ip {table}\ntable ip {table} {{\n{''.join(chains)}}}\n"


def apply(table: str, *chains: str) -> None:
    """Load the table."""
    run(["nft", "-f", "-"], stdin=text(table, *chains).encode())


def check_bridged() -> None:
    """Refuse where security groups would not hold within a subnet."""
    if not _BRIDGED.exists():
        raise LocalHostsError(
            "this machine's kernel shows packets within a bridge to no rule, so security groups would not hold within "
            "a subnet: load the module (sudo modprobe br_netfilter)"
        )
    if _BRIDGED.read_text().strip() != "1":
        raise LocalHostsError(
            "this machine shows packets within a bridge to no rule, so security groups would not hold within a subnet: "
            "sudo sysctl net.bridge.bridge-nf-call-iptables=1"
        )


def remove(table: str) -> bool:
    """Remove the table; whether there was one."""
    return attempt(["nft", "delete", "table", "ip", table]).returncode == 0
