"""What packets from one address to another meet, and which of them pass. Pure.

A connection is a request and its answers. Security groups are stateful: they let the answers to an allowed request
through. Network ACLs are not: they have to allow the ports from which clients ask. They guard the border of a subnet,
so traffic inside one does not meet them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .model import (
    ELSEWHERE,
    INTERNET,
    LOCAL,
    OUTBOUND,
    WITH_PORTS,
    Acl,
    AclRule,
    Address,
    Block,
    GroupRule,
    Host,
    Network,
    Route,
    Subnet,
    block,
)
from .ports import ALL, NONE, Ports, both, has, text, union, without

#: the ports from which a Linux host asks (net.ipv4.ip_local_port_range), and those from which any client may
HOST_PORTS: Ports = ((32768, 60999),)
CLIENT_PORTS: Ports = ((1024, 65535),)
#: IPv4 addresses that are nobody's on the internet, and the IPv6 ones that are somebody's
_SPECIAL = tuple(
    block(cidr)
    for cidr in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "224.0.0.0/3",
    )
)
_GLOBAL = block("2000::/3")


def on_internet(address: Address) -> bool:
    """Whether an address is one of the internet."""
    return _GLOBAL.holds(address) if address.version == 6 else not any(one.holds(address) for one in _SPECIAL)


class End(NamedTuple):
    """One end of a connection. host: None outside."""

    address: Address
    host: Host | None = None


#: the rule that decides about a port: its text, and its place in the declaration
Said = tuple[str, str]


class Step(NamedTuple):
    """One thing on the way.

    name: what it is, e.g. ``egress of security groups``. ports: the destination ports that it lets through; of the
    return way ``ALL`` or ``NONE``. said: why, for a port.
    """

    name: str
    ports: Ports
    said: Callable[[int], Said]
    back: bool = False


@dataclass(frozen=True)
class Hop:
    """One step for one packet. where: of the rule in the declaration, empty if nobody declares it."""

    name: str
    passes: bool
    rule: str
    where: str = ""


class Reach(NamedTuple):
    """arrives: destination ports that a request reaches. passes: those whose answers come back as well."""

    arrives: Ports
    passes: Ports


class Paths:
    """Decides about paths of one network; remembers what it has decided about."""

    def __init__(self, network: Network) -> None:
        self.network = network
        edges: dict[int, set[int]] = {4: {0}, 6: {0}}
        for item in (*network.blocks(), *_SPECIAL, _GLOBAL):
            edges[item.version] |= {item.first, item.last + 1}
        #: where the ranges of addresses begin between which nothing in the network tells a difference, by version
        self.edges = {version: sorted(starts) for version, starts in edges.items()}
        self._acls: dict[tuple[object, ...], Ports] = {}
        self._groups: dict[tuple[object, ...], Ports] = {}
        self._routes: dict[tuple[object, ...], Route | None] = {}
        self._found: dict[tuple[object, ...], Reach] = {}

    # --- What decides -------------------------------------------------------------------------------------------------

    def atom(self, address: Address) -> int:
        """The number of the range in which nothing tells an address from any other."""
        return bisect_right(self.edges[address.version], address.number) - 1

    def signature(self, end: End) -> tuple[object, ...]:
        """What tells an end from others: two of the same signature reach the same."""
        version, atom = end.address.version, self.atom(end.address)
        if end.host is None:
            return (version, atom)
        host = end.host
        return (version, atom, host.vpc, host.subnet, host.groups, bool(host.public))

    def reach(self, source: End, target: End, protocol: str) -> Reach:
        """Which destination ports of the target the source reaches. At least one end is a host."""
        key = (self.signature(source), self.signature(target), protocol)
        if key not in self._found:
            arrives, returns = ALL, True
            for step in self.steps(source, target, protocol):
                if step.back:
                    returns = returns and step.ports == ALL
                else:
                    arrives = both(arrives, step.ports)
            self._found[key] = Reach(arrives, arrives if returns else NONE)
        return self._found[key]

    def explain(self, source: End, target: End, protocol: str, port: int) -> list[Hop]:
        """What one connection meets, up to the first thing that denies it. port: 0 for a protocol without ports."""
        hops = []
        for step in self.steps(source, target, protocol):
            passes = step.ports == ALL if step.back else has(step.ports, port)
            hops.append(Hop(step.name, passes, *step.said(port)))
            if not passes:
                break
        return hops

    def steps(self, source: End, target: End, protocol: str) -> Iterable[Step]:
        """Everything on the way, in the order in which packets meet it."""
        if source.host is None and target.host is None:
            raise ValueError("one end has to be a host")
        vpcs = [self._vpc_of(source, target), self._vpc_of(target, source)]
        if vpcs[0] and vpcs[1]:
            return self._inside(source, target, protocol, vpcs[0] == vpcs[1])
        if target.host is not None:
            return self._inwards(source, target.host, protocol)
        assert source.host is not None
        return self._outwards(source, source.host, target, protocol)

    def _vpc_of(self, end: End, other: End) -> str:
        """The VPC that an end is in. What has an address of the other end's VPC is a neighbour, although no host."""
        if end.host is not None:
            return end.host.vpc
        vpc = self.network.vpcs[other.host.vpc] if other.host else None
        return vpc.key if vpc and any(one.holds(end.address) for one in vpc.blocks) else ""

    def _subnet_of(self, end: End, vpc: str) -> Subnet | None:
        """The subnet that an end of a VPC is in; a neighbour may be in none, such as the controller of a rehearsal."""
        if end.host is not None:
            return self.network.subnets[end.host.subnet]
        inside = (one for one in self.network.subnets.values() if one.vpc == vpc)
        return next((one for one in inside if any(part.holds(end.address) for part in one.blocks)), None)

    # --- The ways -----------------------------------------------------------------------------------------------------

    def _inside(self, source: End, target: End, protocol: str, same_vpc: bool) -> Iterable[Step]:
        """Between two of a VPC, or hosts of two VPCs."""
        host = source.host or target.host
        vpc = host.vpc if host else ""
        here, there = self._subnet_of(source, vpc), self._subnet_of(target, vpc)
        ways = (LOCAL,) if same_vpc else ()
        if source.host:
            yield self._group(source.host, "egress", target, protocol)
        same = here is not None and there is not None and here.key == there.key
        if not same and here:
            yield self._acl(here, "egress", target, protocol)
            yield self._route(here, target, ways)
        if not same and there:
            yield self._acl(there, "ingress", source, protocol)
        if target.host:
            yield self._group(target.host, "ingress", source, protocol)
        clients = HOST_PORTS if source.host else CLIENT_PORTS
        if not same and there:
            yield self._answers(there, "egress", source, protocol, clients)
            yield self._route(there, source, ways, back=True)
        if not same and here:
            yield self._answers(here, "ingress", target, protocol, clients)

    def _inwards(self, source: End, there: Host, protocol: str) -> Iterable[Step]:
        subnet = self.network.subnets[there.subnet]
        if on_internet(source.address):
            ways: tuple[str, ...] = (INTERNET,)
            yield self._public(there, source.address.version)
        else:
            # A private network, which comes in where answers to it would leave.
            ways = (ELSEWHERE,)
            yield self._route(subnet, source, ways)
        yield self._acl(subnet, "ingress", source, protocol)
        yield self._group(there, "ingress", source, protocol)
        yield self._answers(subnet, "egress", source, protocol, CLIENT_PORTS)
        yield self._route(subnet, source, ways, back=True)

    def _outwards(self, source: End, here: Host, target: End, protocol: str) -> Iterable[Step]:
        subnet = self.network.subnets[here.subnet]
        yield self._group(here, "egress", target, protocol)
        yield self._acl(subnet, "egress", target, protocol)
        public = on_internet(target.address)
        yield self._route(subnet, target, (INTERNET, OUTBOUND) if public else (ELSEWHERE,))
        route = self.route(subnet, target.address)
        if public and route is not None and route.target == INTERNET:
            yield self._public(here, source.address.version)
        yield self._answers(subnet, "ingress", target, protocol, HOST_PORTS)

    # --- Steps --------------------------------------------------------------------------------------------------------

    def _public(self, host: Host, version: int) -> Step:
        """The internet gateway, which knows a host by its public address."""
        vpc = self.network.vpcs[host.vpc]
        if not vpc.gateway:
            said = (f"VPC {vpc.name} has no internet gateway", "aws_network_internet_gateways" if vpc.where else "")
            return Step("internet gateway", NONE, lambda port: said)
        if version == 4 and not host.public:
            said = (f"{host.name} has no public address", f"{host.where}.elastic_ip" if host.where else "")
            return Step("internet gateway", NONE, lambda port: said)
        which = "the host's IPv6 address" if version == 6 else f"public address {host.public}"
        if host.public == "auto" and version == 4:
            which = "a public address"
        return Step("internet gateway", ALL, lambda port: (which, host.where))

    def route(self, subnet: Subnet, address: Address) -> Route | None:
        """The route of a subnet to an address: the narrowest one."""
        key = (subnet.table, address.version, self.atom(address))
        if key not in self._routes:
            table = self.network.tables.get(subnet.table)
            fitting = [route for route in table.routes if route.block.holds(address)] if table else []
            self._routes[key] = min(fitting, key=lambda route: route.block.size, default=None)
        return self._routes[key]

    def _route(self, subnet: Subnet, other: End, ways: Sequence[str], back: bool = False) -> Step:
        route = self.route(subnet, other.address)
        passes = route is not None and route.target in ways
        if passes and route is not None and route.target == INTERNET:
            passes = route.gateway == self.network.vpcs[subnet.vpc].gateway

        def said(port: int) -> Said:
            table = self.network.tables.get(subnet.table)
            name = f"route table {table.name}" if table else f"subnet {subnet.name}"
            if route is None:
                # A subnet that no declared table names uses that of the VPC.
                where = f"{table.where}.routes" if table and table.where else subnet.where
                return f"{name}: no route to {other.address}", where
            return f"{name}: {route.text}", route.where or (table.where if table else "") or subnet.where

        return Step("route back" if back else "route", ALL if passes else NONE, said, back)

    def _group(self, host: Host, direction: str, peer: End, protocol: str) -> Step:
        ports = self.group_ports(host, direction, peer, protocol)

        def said(port: int) -> Said:
            rules = list(self._rules(host, direction))
            for group, rule in rules:
                if self._meant(rule, peer) and has(rule.traffic.ports(protocol, peer.address.version), port):
                    return f"security group {group}: {rule.text}", rule.where
            groups = [self.network.groups[key] for key in host.groups if key in self.network.groups]
            names = ", ".join(sorted(group.name for group in groups)) or "no security group"
            where = next((f"{group.where}.{direction}" for group in groups if group.where and len(groups) == 1), "")
            where = where or (f"{host.where}.security_groups" if host.where else "")
            return f"no rule of {names} allows it", where

        return Step(f"security groups, {direction}", ports, said)

    def group_ports(self, host: Host, direction: str, peer: End, protocol: str) -> Ports:
        """The ports that a host's groups allow with this peer."""
        version = peer.address.version
        others = peer.host.groups if peer.host else ()
        key = (host.groups, direction, protocol, version, self.atom(peer.address), others)
        if key not in self._groups:
            self._groups[key] = union(
                *(
                    rule.traffic.ports(protocol, version)
                    for _, rule in self._rules(host, direction)
                    if self._meant(rule, peer)
                )
            )
        return self._groups[key]

    def _rules(self, host: Host, direction: str) -> Iterable[tuple[str, GroupRule]]:
        for key in host.groups:
            if group := self.network.groups.get(key):
                yield from ((group.name, rule) for rule in (group.ingress if direction == "ingress" else group.egress))

    def _meant(self, rule: GroupRule, peer: End) -> bool:
        """Whether a rule is about this peer. A group stands for the private addresses of its members."""
        if rule.block is not None:
            return rule.block.holds(peer.address)
        if rule.group:
            return peer.host is not None and rule.group in peer.host.groups
        return any(one.holds(peer.address) for one in self.network.prefix_lists.get(rule.prefix_list, ()))

    def _acl(self, subnet: Subnet, direction: str, other: End, protocol: str) -> Step:
        acl = self.network.acls.get(subnet.acl)
        ports = self.acl_ports(acl, direction, other.address, protocol) if acl else ALL

        def said(port: int) -> Said:
            return self._deciding(acl, direction, other.address, protocol, ((port, port),))

        return Step(f"network ACL, {direction}", ports, said)

    def _answers(self, subnet: Subnet, direction: str, other: End, protocol: str, clients: Ports) -> Step:
        """The ACL on the way back, where the port is one from which a client asked."""
        acl = self.network.acls.get(subnet.acl)
        wanted = clients if protocol in WITH_PORTS else ALL
        passes = acl is None or not without(wanted, self.acl_ports(acl, direction, other.address, protocol, True))

        def said(port: int) -> Said:
            return self._deciding(acl, direction, other.address, protocol, wanted, answer=True)

        return Step(f"network ACL, {direction} of answers", ALL if passes else NONE, said, True)

    def acl_ports(self, acl: Acl, direction: str, other: Address, protocol: str, answer: bool = False) -> Ports:
        """The destination ports that an ACL lets through; the lowest number that matches decides."""
        key = (acl.key, direction, protocol, other.version, self.atom(other), answer)
        if key not in self._acls:
            allowed, left = [], ALL
            for rule in _in_order(acl, direction):
                if rule.block.holds(other):
                    hit = both(left, rule.traffic.ports(protocol, other.version, answer))
                    left = without(left, hit)
                    allowed.append(hit if rule.allow else NONE)
            self._acls[key] = union(*allowed)
        return self._acls[key]

    def _deciding(
        self, acl: Acl | None, direction: str, other: Address, protocol: str, ports: Ports, answer: bool = False
    ) -> Said:
        """The first rule that denies one of these ports, else the first that allows one."""
        if acl is None:
            return "no network ACL", ""
        left, allowing = ports, None
        which = f" to ports {text(ports)}" if answer and protocol in WITH_PORTS else ""
        for rule in _in_order(acl, direction):
            hit = both(left, rule.traffic.ports(protocol, other.version, answer)) if rule.block.holds(other) else NONE
            if hit and not rule.allow:
                return f"network ACL {acl.name}: {rule.text}", rule.where
            allowing = allowing or (rule if hit else None)
            left = without(left, hit)
            if not left:
                break
        if left or allowing is None:
            some = f" to ports {text(left)}" if which else ""
            where = f"{acl.where}.{direction}" if acl.where else ""
            return f"network ACL {acl.name}: no rule allows answers{some}" if answer else (
                f"network ACL {acl.name}: no rule allows it"
            ), where
        return f"network ACL {acl.name}: {allowing.text}", allowing.where


def _in_order(acl: Acl, direction: str) -> list[AclRule]:
    return sorted(acl.ingress if direction == "ingress" else acl.egress, key=lambda rule: rule.number)


def ends(blocks: Iterable[Block], paths: Paths) -> Iterable[tuple[End, int]]:
    """An address of each range that something in the network tells from others, inside blocks, and how many it has."""
    for one in blocks:
        starts = paths.edges[one.version]
        first = bisect_right(starts, one.first) - 1
        for number in range(first, len(starts)):
            if starts[number] > one.last:
                break
            begin = max(starts[number], one.first)
            end = min(starts[number + 1] - 1 if number + 1 < len(starts) else one.last, one.last)
            yield End(Address(one.version, begin)), end - begin + 1
