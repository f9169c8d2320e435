"""Whether this machine can reach the VPC's range already, by another way. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from ipaddress import IPv4Network
from typing import Any

#: a route that covers more than this is a default route in parts, as some VPNs set it
_WIDEST = 4


def conflicts(routes: Iterable[Mapping[str, Any]], vpc: IPv4Network, own: Collection[str]) -> list[str]:
    """The routes (of `ip -j -4 route show table all`) into the range that do not lead over one of our interfaces."""
    found = []
    for route in routes:
        target = route["dst"]
        if target == "default" or route.get("type") in ("broadcast", "multicast", "local") or route.get("dev") in own:
            continue
        network = IPv4Network(target)
        if network.prefixlen >= _WIDEST and network.overlaps(vpc):
            via = f" via {route['gateway']}" if "gateway" in route else ""
            found.append(f"{network}{via} dev {route.get('dev', '-')}")
    return list(dict.fromkeys(found))


def message(found: Iterable[str], vpc: IPv4Network) -> str:
    """The message for the operator."""
    return (
        f"this machine already has a route into the VPC's range {vpc}: {'; '.join(found)}. Nothing was started. Local "
        "hosts with these addresses would cut it off. On an EC2 machine of a default VPC, or beside a VPN that uses "
        "the range, rehearse on another machine, or declare another range for the rehearsal: cidr and private_ip in "
        "group_vars/all/aws_network.yml and aws_compute.yml (`make clean` first)"
    )
