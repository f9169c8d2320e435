"""What the EC2 API says of the network, as it is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Answer = Sequence[Mapping[str, Any]]

#: states in which an instance has its addresses
_KEPT = {"pending", "running", "stopping", "stopped"}


@dataclass(frozen=True)
class Account:
    """Lists as describe_* answers them. addresses: elastic IPs. prefix_lists: ranges by id."""

    instances: Answer = ()
    subnets: Answer = ()
    groups: Answer = ()
    acls: Answer = ()
    route_tables: Answer = ()
    addresses: Sequence[dict[str, Any]] = ()
    prefix_lists: Mapping[str, Sequence[str]] = field(default_factory=dict)


def observe(ec2: Any) -> Account:
    """Ask for everything in the VPC of the instances. ec2: a client of boto3."""

    def every(operation: str, key: str) -> list[dict[str, Any]]:
        return [item for page in ec2.get_paginator(operation).paginate() for item in page[key]]

    instances = [
        instance
        for reservation in every("describe_instances", "Reservations")
        for instance in reservation["Instances"]
        if instance["State"]["Name"] in _KEPT
    ]
    vpcs = {instance["VpcId"] for instance in instances}

    def inside(operation: str, key: str) -> list[dict[str, Any]]:
        return [item for item in every(operation, key) if item["VpcId"] in vpcs]

    groups = inside("describe_security_groups", "SecurityGroups")
    lists = {
        item["PrefixListId"]
        for group in groups
        for part in ("IpPermissions", "IpPermissionsEgress")
        for permission in group[part]
        for item in permission.get("PrefixListIds", [])
    }
    return Account(
        instances=instances,
        subnets=inside("describe_subnets", "Subnets"),
        groups=groups,
        acls=inside("describe_network_acls", "NetworkAcls"),
        route_tables=inside("describe_route_tables", "RouteTables"),
        addresses=ec2.describe_addresses()["Addresses"],
        prefix_lists={
            name: [entry["Cidr"] for entry in ec2.get_managed_prefix_list_entries(PrefixListId=name)["Entries"]]
            for name in sorted(lists)
        },
    )
