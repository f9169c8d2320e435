"""Which live VPC is which declared one, before there is a plan, and what is in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..engine.context import Context
from ..engine.declaration import Declaration
from ..engine.model import Desired, Live
from .base import Observation, called, label

#: VPCs of a region unless AWS has raised the quota
_USUAL = 5


def with_tags(raw: Mapping[str, Any], key: str, **how: Any) -> Live:
    """A resource that is known by its id and its Name."""
    live_id = raw[key]
    return Live(live_id, label(live_id, called(raw)), dict(raw), {"id": live_id}, **how)


def in_vpc(want: Desired, live: Sequence[Live], context: Context) -> list[Live]:
    """Those in the VPC that an entry names."""
    vpc = context.id("vpc", want.entry["vpc"])
    return [item for item in live if vpc and item.raw.get("VpcId") == vpc]


def same_vpcs(name: str, entry: Mapping[str, Any], vpcs: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The live VPCs that an entry may mean, the best reason first."""
    if entry.get("id"):
        return [raw for raw in vpcs if raw["VpcId"] == entry["id"]]
    vpcs = list(vpcs)
    same_cidr = [raw for raw in vpcs if raw["CidrBlock"] == entry["cidr"]]
    same_cidr = same_cidr or [raw for raw in vpcs if entry["cidr"] in ranges(raw)]
    named = [raw for raw in same_cidr if called(raw) == name]
    default = [raw for raw in same_cidr if raw.get("IsDefault")]
    return named or default or same_cidr


def live_vpcs(declaration: Declaration, observation: Observation) -> dict[str, Mapping[str, Any]]:
    """Live VPCs by declared name, for checks that come before the plan; without those of which there are several."""
    found = {
        name: same_vpcs(name, entry, observation["vpcs"])
        for name, entry in declaration.entries("aws_network_vpcs").items()
    }
    return {name: same[0] for name, same in found.items() if len(same) == 1}


def ranges(vpc: Mapping[str, Any]) -> list[str]:
    """The IPv4 ranges of a live VPC, secondary ones included."""
    associated = [
        item["CidrBlock"]
        for item in vpc.get("CidrBlockAssociationSet", [])
        if item.get("CidrBlockState", {}).get("State", "associated") == "associated"
    ]
    return list(dict.fromkeys([vpc["CidrBlock"], *associated]))


def missing_vpcs(declaration: Declaration, vpcs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Declared VPCs that would be created."""
    entries = declaration.entries("aws_network_vpcs")
    return [name for name, entry in entries.items() if not same_vpcs(name, entry, vpcs)]


def many_vpcs(declaration: Declaration, answer: Any) -> bool:
    """Whether there would be more VPCs than AWS usually allows."""
    missing = missing_vpcs(declaration, answer["Vpcs"])
    return bool(missing) and len(answer["Vpcs"]) + len(missing) > _USUAL
