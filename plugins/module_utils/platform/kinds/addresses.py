"""Public addresses: who has them, who would lose them, how many there would be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..engine.access import Requests
from ..engine.context import Context
from ..engine.declaration import Declaration
from ..engine.errors import Problem
from ..engine.model import Desired, Live
from .base import Observation, called, label

#: elastic IPs of a region unless AWS has raised the quota
_USUAL = 5


def _declared_addresses(declaration: Declaration) -> dict[str, str]:
    """What each declared instance with an elastic IP says: an address, or ``auto``."""
    entries = declaration.entries("aws_compute_instances")
    return {name: entry["elastic_ip"] for name, entry in entries.items() if entry.get("elastic_ip")}


def elastic(answer: Any) -> list[dict[str, Any]]:
    """The elastic IPs of VPCs: not carrier or customer-owned addresses, nor leftovers of EC2-Classic."""
    return [raw for raw in answer.get("Addresses", []) if raw.get("PublicIp") and raw.get("AllocationId")]


def of_others(name: str, declaration: Declaration) -> set[str]:
    """Addresses that are declared for other instances, whoever has them now."""
    return {address for other, address in _declared_addresses(declaration).items() if other != name}


def new_addresses(
    declaration: Declaration, addresses: Iterable[Mapping[str, Any]], hosts: Mapping[str, str]
) -> list[str]:
    """Declared instances for which an address would be allocated. hosts: their names by id, where known."""
    addresses, new = list(addresses), []
    for name, address in _declared_addresses(declaration).items():
        free = [raw for raw in addresses if raw["PublicIp"] not in of_others(name, declaration)]
        served = {called(raw) for raw in free} | {hosts.get(raw.get("InstanceId", ""), "") for raw in free}
        if address not in {raw["PublicIp"] for raw in addresses} and name not in served:
            new.append(name)
    return new


def many_addresses(declaration: Declaration, answer: Any) -> bool:
    addresses = elastic(answer)
    new = new_addresses(declaration, addresses, {})
    return bool(new) and len(addresses) + len(new) > _USUAL


def holders(declaration: Declaration, answer: Any) -> Requests:
    """The network interfaces, of no instance, that have an address which is declared for an instance."""
    declared = set(_declared_addresses(declaration).values())
    interfaces = {
        raw["NetworkInterfaceId"]
        for raw in elastic(answer)
        if raw["PublicIp"] in declared and raw.get("NetworkInterfaceId") and not raw.get("InstanceId")
    }
    if interfaces:
        yield ("public",), {"NetworkInterfaceIds": sorted(interfaces)}


def kept_by_services(declaration: Declaration, observation: Observation) -> Iterator[Problem]:
    """Declared addresses that AWS gives to no other: those of NAT gateways and of other services' interfaces."""
    interfaces = {raw["NetworkInterfaceId"]: raw for raw in observation["address_holders"].get("public", [])}
    for name, address in _declared_addresses(declaration).items():
        for raw in observation["addresses"]:
            found = interfaces.get(raw.get("NetworkInterfaceId") or "")
            if raw["PublicIp"] == address and found and (found.get("RequesterManaged") or _of_nat(found)):
                loss = ", whose subnets use the internet through it" if _of_nat(found) else ""
                what = f"{address} belongs to {described(found)}{loss}: AWS does not let it go"
                fix = "declare another address or `auto`, or delete what has it first"
                yield Problem(f"aws_compute_instances.{name}.elastic_ip", what, fix)


def _of_nat(interface: Mapping[str, Any]) -> bool:
    return interface.get("InterfaceType") == "nat_gateway" or "NAT Gateway" in (interface.get("Description") or "")


def described(interface: Mapping[str, Any]) -> str:
    """A network interface, and what it is part of (AWS writes `Interface for NAT Gateway nat-…`)."""
    what = interface.get("Description") or ""
    return f"network interface {interface['NetworkInterfaceId']}" + (f" ({what})" if what else "")


def holder(raw: Mapping[str, Any], context: Context) -> str:
    """Who has an address, and what it means to lose it."""
    if raw.get("InstanceId"):
        names = {item["InstanceId"]: called(item) for item in context.observation["instances"]}
        return f"instance {label(raw['InstanceId'], names.get(raw['InstanceId'], ''))}"
    interfaces = context.observation["address_holders"].get("public", [])
    found = next((item for item in interfaces if item["NetworkInterfaceId"] == raw.get("NetworkInterfaceId")), None)
    if found is None:
        return str(raw.get("NetworkInterfaceId", "another holder"))
    return described(found) + (", whose subnets lose the internet" if _of_nat(found) else "")


def displaced(want: Desired, live: Live | None, context: Context) -> Iterator[str]:
    """The public address that the host has had until now. AWS takes it off without a word."""
    host = context.id("instance", want.name)
    raws = context.observation["instances"]
    raw = next((item for item in raws if host and item["InstanceId"] == host), None)
    if raw is None:
        return
    private = raw.get("PrivateIpAddress")
    others = [
        item["PublicIp"]
        for item in context.observation["addresses"]
        if item.get("InstanceId") == host
        and item["AllocationId"] != (live.id if live else "")
        # Another entry takes it, and says so.
        and item["PublicIp"] not in of_others(want.name, context.declaration)
        # An address of another interface, or of a second private address, stays.
        and (not private or item.get("PrivateIpAddress") in (None, "", private))
    ]
    for address in others:
        what = f"{address} is taken off instance {want.name}; it stays allocated, and is billed"
        yield f"elastic IP {want.name}: {what}"
    public = raw.get("PublicIpAddress")
    held = {item["PublicIp"] for item in context.observation["addresses"]}
    if public and not others and public not in held:
        yield f"elastic IP {want.name}: instance {want.name} loses its public address {public} for good"
