"""What a route says, in words from which it could be written again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engine.context import Context

#: where a route may lead, besides a gateway
_TARGETS = {
    "NatGatewayId": "NAT gateway",
    "VpcPeeringConnectionId": "VPC peering",
    "TransitGatewayId": "transit gateway",
    "EgressOnlyInternetGatewayId": "egress-only internet gateway",
    "InstanceId": "instance",
    "NetworkInterfaceId": "network interface",
    "CarrierGatewayId": "carrier gateway",
    "LocalGatewayId": "local gateway",
    "CoreNetworkArn": "core network",
    "OdbNetworkArn": "ODB network",
    "IpAddress": "address",
}
#: kinds of gateways, by the beginning of their ids
_GATEWAYS = {"vgw-": "VPN gateway", "vpce-": "VPC endpoint"}


def _destination(route: Mapping[str, Any]) -> str:
    keys = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
    return str(next((route[key] for key in keys if route.get(key)), "an unknown destination"))


def _target(route: Mapping[str, Any], context: Context) -> str:
    """Where a route leads, so that it could be written again."""
    gateway = route.get("GatewayId") or ""
    if gateway.startswith("igw-"):
        text = f"internet_gateway {context.name('internet_gateway', gateway)}"
    elif gateway:
        kind = next((kind for start, kind in _GATEWAYS.items() if gateway.startswith(start)), "")
        text = f"{kind} {gateway}".strip()
    else:
        # Of an instance with several interfaces a route names one.
        targets = [f"{kind} {route[key]}" for key, kind in _TARGETS.items() if route.get(key)]
        text = " on ".join(targets) or "nothing"
    # A route of a VPN gateway comes and goes by itself.
    text += " (propagated)" if route.get("Origin") == "EnableVgwRoutePropagation" else ""
    return text + (" (blackhole)" if route.get("State") == "blackhole" else "")


def routes_of(raw: Mapping[str, Any], context: Context) -> dict[str, str]:
    """Targets by destination, without the VPC's own."""
    found = raw.get("Routes", [])
    routes = {_destination(route): _target(route, context) for route in found if route.get("GatewayId") != "local"}
    # Also while a VPN is down and nothing is propagated.
    if gateways := sorted(item["GatewayId"] for item in raw.get("PropagatingVgws") or []):
        routes["propagated routes"] = f"VPN gateway {', '.join(gateways)}"
    return routes
