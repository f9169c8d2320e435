"""Which networks and hosts follow from what the EC2 API answers. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from . import architecture
from .errors import LocalHostsError

#: states in which an instance still has its disk
_KEPT = {"pending", "running", "stopping", "stopped"}


@dataclass(frozen=True)
class Network:
    """A subnet."""

    subnet_id: str
    name: str
    cidr: IPv4Network

    @property
    def gateway(self) -> IPv4Address:
        """The first address: the router's on AWS, this machine's here."""
        return self.cidr.network_address + 1


@dataclass(frozen=True)
class Host:
    """An instance that is to be a local host."""

    instance_id: str
    #: the tag Name
    name: str
    address: IPv4Address
    subnet_id: str
    #: the instance's: x86_64 or arm64
    architecture: str
    running: bool = True
    user_data: str = ""
    #: whether the host has the instance's architecture by emulation; else it has this machine's
    emulated: bool = False

    @property
    def inventory_name(self) -> str:
        """The name that inventories/*/aws_ec2.yml gives it."""
        return inventory_name(self.name)

    @property
    def hostname(self) -> str:
        """What EC2 calls it."""
        return f"ip-{str(self.address).replace('.', '-')}"

    @property
    def emulated_architecture(self) -> str:
        """What is emulated, "" when the host runs as this machine does."""
        return self.architecture if self.emulated else ""


@dataclass(frozen=True)
class Fleet:
    """Everything that should exist on this machine."""

    vpc: IPv4Network
    networks: tuple[Network, ...]
    hosts: tuple[Host, ...]

    @property
    def controller(self) -> IPv4Network:
        """The network that Ansible comes from: the last /24 of the VPC that no subnet uses."""
        for block in reversed(list(self.vpc.subnets(new_prefix=max(24, self.vpc.prefixlen)))):
            if not any(block.overlaps(network.cidr) for network in self.networks):
                return block
        raise LocalHostsError(f"the subnets leave no /24 of {self.vpc} for the controller's own network")


def emulate(fleet: Fleet, machine: str) -> Fleet:
    """The same fleet, with hosts of the architectures that their instances have, on a machine of this one."""
    # Only arm64 is emulated; on an arm64 machine an x86_64 instance still runs as arm64.
    hosts = (replace(host, emulated=host.architecture == architecture.ARM != machine) for host in fleet.hosts)
    return replace(fleet, hosts=tuple(hosts))


def inventory_name(name: str) -> str:
    """KOIN_PROD is koin-prod in the inventory."""
    return name.lower().replace("_", "-")


def fleet(
    instances: Iterable[Mapping[str, Any]],
    subnets: Iterable[Mapping[str, Any]],
    vpcs: Iterable[Mapping[str, Any]],
    user_data: Mapping[str, str],
) -> Fleet:
    """The fleet that describe_instances (flattened), describe_subnets and describe_vpcs describe.

    user_data: by instance id, decoded.
    """
    found = [instance for instance in instances if instance["State"]["Name"] in _KEPT]
    if not any(instance["State"]["Name"] == "running" for instance in found):
        raise LocalHostsError("the local AWS has no running instance: provision first (`make rehearse`)")
    used = sorted({instance["VpcId"] for instance in found})
    if len(used) > 1:
        raise LocalHostsError(f"instances are in {len(used)} VPCs ({', '.join(used)}): local hosts support one only")
    hosts = sorted((_host(instance, user_data) for instance in found), key=lambda host: host.address)
    for what in ("inventory_name", "address"):
        twins = [str(value) for value, count in Counter(getattr(host, what) for host in hosts).items() if count > 1]
        if twins:
            raise LocalHostsError(f"several instances have the same {what.replace('_', ' ')}: {', '.join(twins)}")
    vpc = next(vpc for vpc in vpcs if vpc["VpcId"] == used[0])
    networks = sorted(
        (
            Network(subnet["SubnetId"], _tag(subnet, "Name"), IPv4Network(subnet["CidrBlock"]))
            for subnet in subnets
            if subnet["VpcId"] == used[0]
        ),
        key=lambda network: network.cidr,
    )
    return Fleet(IPv4Network(vpc["CidrBlock"]), tuple(networks), tuple(hosts))


def _host(instance: Mapping[str, Any], user_data: Mapping[str, str]) -> Host:
    instance_id = instance["InstanceId"]
    name = _tag(instance, "Name")
    if not name:
        raise LocalHostsError(f"instance {instance_id} has no tag Name, so the inventory has no host for it")
    return Host(
        instance_id,
        name,
        IPv4Address(instance["PrivateIpAddress"]),
        instance["SubnetId"],
        instance.get("Architecture", "x86_64"),
        instance["State"]["Name"] == "running",
        user_data.get(instance_id, ""),
    )


def _tag(resource: Mapping[str, Any], key: str) -> str:
    return next((str(tag["Value"]) for tag in resource.get("Tags", []) if tag["Key"] == key), "")
