"""A network as AWS sees it: what a packet meets on its way. Pure.

Everything is known by a key: the id that AWS gave it, or its declared name when it is not there yet. ``where`` is the
place in the declaration that says it (``aws_security_groups.Web.ingress.http``), empty for what nobody declares.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from .ports import ALL, NONE, Ports, one

#: numbers of protocols that AWS writes, and what the declaration calls them
NAMES = {"-1": "all", "1": "icmp", "6": "tcp", "17": "udp", "50": "esp", "58": "icmpv6"}
WITH_PORTS = ("tcp", "udp")
#: ICMP types of a request for an echo, and of its answer, by version of IP
ECHO = {4: (8, 0), 6: (128, 129)}


class Block(NamedTuple):
    """A range of addresses: the version of IP, and its first and last address as numbers."""

    version: int
    first: int
    last: int

    def holds(self, address: Address) -> bool:
        """Whether an address is in it."""
        return address.version == self.version and self.first <= address.number <= self.last

    @property
    def size(self) -> int:
        """How many addresses it has."""
        return self.last - self.first + 1

    def __str__(self) -> str:
        width = 32 if self.version == 4 else 128
        prefix = width - (self.size - 1).bit_length()
        return f"{Address(self.version, self.first)}/{prefix}"


@cache
def block(cidr: str) -> Block:
    """A range as it is written. Raises ValueError."""
    network = ipaddress.ip_network(cidr, strict=False)
    return Block(network.version, int(network.network_address), int(network.broadcast_address))


class Address(NamedTuple):
    """One address as a number."""

    version: int
    number: int

    def __str__(self) -> str:
        return str(ipaddress.IPv4Address(self.number) if self.version == 4 else ipaddress.IPv6Address(self.number))


@cache
def address(text: str) -> Address:
    """An address as it is written. Raises ValueError."""
    parsed = ipaddress.ip_address(text)
    return Address(parsed.version, int(parsed))


@dataclass(frozen=True)
class Traffic:
    """What a rule is about: a protocol, and its ports, or its ICMP type and code; None: any."""

    protocol: str
    first: int | None = None
    last: int | None = None

    def ports(self, protocol: str, version: int = 4, answer: bool = False) -> Ports:
        """The destination ports of a protocol that it matches. answer: of ``icmp``, the answer to an echo."""
        if self.protocol == "all":
            return ALL
        if protocol == "icmp":
            if self.protocol != ("icmp" if version == 4 else "icmpv6"):
                return NONE
            kind = ECHO[version][answer]
            return ALL if self.first in (None, -1, kind) and self.last in (None, -1, 0) else NONE
        if self.protocol != protocol:
            return NONE
        if protocol in WITH_PORTS and self.first is not None:
            return one(self.first, self.last)
        return ALL


@dataclass(frozen=True)
class GroupRule:
    """What a security group allows, with one peer: a range, a group or a prefix list."""

    traffic: Traffic
    text: str
    block: Block | None = None
    group: str = ""
    prefix_list: str = ""
    where: str = ""


@dataclass(frozen=True)
class AclRule:
    """An entry of a network ACL."""

    number: int
    allow: bool
    traffic: Traffic
    block: Block
    text: str
    where: str = ""


#: where a route leads. OUTBOUND: to the internet, for connections that begin inside. ELSEWHERE: to what is not looked
#: into, such as a VPN or another VPC.
LOCAL, INTERNET, OUTBOUND, ELSEWHERE, NOWHERE = "local", "internet", "outbound", "elsewhere", "nowhere"


@dataclass(frozen=True)
class Route:
    """A route of a route table. gateway: the internet gateway that it leads to."""

    block: Block
    target: str
    text: str
    where: str = ""
    gateway: str = ""


@dataclass(frozen=True)
class Group:
    """A security group."""

    key: str
    name: str
    ingress: tuple[GroupRule, ...] = ()
    egress: tuple[GroupRule, ...] = ()
    where: str = ""


@dataclass(frozen=True)
class Acl:
    """A network ACL; its rules in any order. What matches none is denied."""

    key: str
    name: str
    ingress: tuple[AclRule, ...] = ()
    egress: tuple[AclRule, ...] = ()
    where: str = ""


@dataclass(frozen=True)
class Table:
    """A route table."""

    key: str
    name: str
    routes: tuple[Route, ...] = ()
    where: str = ""


@dataclass(frozen=True)
class Vpc:
    """A VPC. gateway: its internet gateway, empty when it has none."""

    key: str
    name: str
    blocks: tuple[Block, ...] = ()
    gateway: str = ""
    where: str = ""


@dataclass(frozen=True)
class Subnet:
    """A subnet, with the keys of what it uses. public: whether a new host gets a public address."""

    key: str
    name: str
    vpc: str
    table: str
    acl: str
    public: bool = False
    blocks: tuple[Block, ...] = ()
    where: str = ""


@dataclass(frozen=True)
class Host:
    """A network interface of an instance, running or not.

    instance: what it belongs to, the same as name for the first interface. addresses: its private addresses, IPv6 ones
    included; the first of each version is the one from which it connects. public: its public IPv4 address, or ``auto``
    when AWS has not said it yet.
    """

    name: str
    instance: str
    vpc: str
    subnet: str
    groups: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    public: str = ""
    where: str = ""

    def address(self, version: int) -> Address | None:
        """The first address of this version."""
        return next((item for item in self.addresses if item.version == version), None)


@dataclass(frozen=True)
class Network:
    """Everything that decides about a packet, by key; hosts by name.

    administrators: where they come from. prefix_lists: ranges by id, as far as they are known.
    """

    vpcs: Mapping[str, Vpc] = field(default_factory=dict)
    subnets: Mapping[str, Subnet] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    acls: Mapping[str, Acl] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    hosts: Mapping[str, Host] = field(default_factory=dict)
    administrators: tuple[Block, ...] = ()
    prefix_lists: Mapping[str, tuple[Block, ...]] = field(default_factory=dict)

    def unknown(self) -> dict[str, list[str]]:
        """Prefix lists in rules of hosts' groups whose ranges are not known, with the names of the groups."""
        found: dict[str, list[str]] = {}
        used = dict.fromkeys(key for host in self.hosts.values() for key in host.groups)
        for group in (self.groups[key] for key in used if key in self.groups):
            for item in {rule.prefix_list for rule in (*group.ingress, *group.egress)} - {"", *self.prefix_lists}:
                found.setdefault(item, []).append(group.name)
        return dict(sorted(found.items()))

    def blocks(self) -> Iterable[Block]:
        """Every range that anything in it names."""
        yield from self.administrators
        for group in self.groups.values():
            yield from (rule.block for rule in (*group.ingress, *group.egress) if rule.block)
        for acl in self.acls.values():
            yield from (rule.block for rule in (*acl.ingress, *acl.egress))
        for table in self.tables.values():
            yield from (route.block for route in table.routes)
        for vpc in self.vpcs.values():
            yield from vpc.blocks
        for subnet in self.subnets.values():
            yield from subnet.blocks
        for blocks in self.prefix_lists.values():
            yield from blocks
