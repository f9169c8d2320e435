"""A packet simulator for EC2 networks: an oracle, written from AWS's documentation and sharing nothing with `reach/`.

It sends one packet at a time through what EC2 would answer (``describe_*``), and then the answer to it. There are no
sets of ports, and nothing is remembered.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

#: what EC2 describes, by the name of the snapshot's part
Account = dict[str, Any]

_NUMBERS = {"tcp": "6", "udp": "17", "icmp": "1", "icmpv6": "58", "esp": "50"}
_UNROUTED = [
    ipaddress.ip_network(text)
    for text in ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
                 "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3")
]  # fmt: skip


@dataclass(frozen=True)
class Packet:
    """source, target: addresses, as the network inside sees them. kind: the ICMP type."""

    source: str
    target: str
    protocol: str
    source_port: int = 0
    port: int = 0
    kind: int = 0


@dataclass(frozen=True)
class Outcome:
    """Whether a request arrives, and whether its answer does as well."""

    arrives: bool
    answered: bool


@cache
def _in(address: str, cidr: str) -> bool:
    one, network = ipaddress.ip_address(address), ipaddress.ip_network(cidr, strict=False)
    return one.version == network.version and one in network


class Simulator:
    """One account."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.interfaces = [
            {**interface, "VpcId": raw["VpcId"], "InstanceId": raw["InstanceId"]}
            for raw in account["instances"]
            for interface in raw["NetworkInterfaces"]
        ]

    # --- Questions ----------------------------------------------------------------------------------------------------

    def connect(self, source: str, target: str, protocol: str, port: int, client_ports: list[int]) -> Outcome:
        """A connection from an address to another one, tried from each of the client's ports.

        An interface is named by a private address of its own, whatever it is called outside.
        """
        six = ":" in source
        name = ("icmpv6" if six else "icmp") if protocol == "icmp" else protocol
        kinds = (128, 129) if six else (8, 0)
        request = Packet(source, target, name, 0, port, kinds[0])
        arrives = self._goes(request, answer=False)
        if not arrives:
            return Outcome(False, False)
        answered = True
        for client in client_ports if name in ("tcp", "udp") else [0]:
            back = replace(request, source=target, target=source, source_port=port, port=client, kind=kinds[1])
            answered = answered and self._goes(back, answer=True)
        return Outcome(True, answered)

    # --- One packet ---------------------------------------------------------------------------------------------------

    def _goes(self, packet: Packet, answer: bool) -> bool:
        """Whether a packet gets from its source to its target. answer: to a request that groups have let through."""
        sender, receiver = self._owner(packet.source), self._owner(packet.target)
        here = self._subnet(packet.source, sender, receiver)
        there = self._subnet(packet.target, receiver, sender)
        if sender and not answer and not self._group(sender, packet, "IpPermissionsEgress", packet.target):
            return False
        crosses = here is None or there is None or here["SubnetId"] != there["SubnetId"]
        if crosses:
            if here is not None:
                if not self._acl(here, packet, True, packet.target):
                    return False
                if not self._leaves(here, packet, sender, receiver, there):
                    return False
            elif not self._enters(packet, receiver):
                return False
            if there is not None and not self._acl(there, packet, False, packet.source):
                return False
        if receiver and not answer:
            return self._group(receiver, packet, "IpPermissions", packet.source)
        return True

    def _owner(self, address: str) -> dict[str, Any] | None:
        for interface in self.interfaces:
            own = [item["PrivateIpAddress"] for item in interface.get("PrivateIpAddresses", [])]
            own += [item["Ipv6Address"] for item in interface.get("Ipv6Addresses", [])]
            if address in own:
                return interface
        return None

    def _subnet(
        self, address: str, owner: dict[str, Any] | None, other: dict[str, Any] | None
    ) -> dict[str, Any] | None:
        """The subnet of an address: that of its interface, or the one whose range it lies in, beside the other end."""
        for subnet in self.account["subnets"]:
            if owner is not None:
                if subnet["SubnetId"] == owner["SubnetId"]:
                    return dict(subnet)
            elif other is not None and subnet["VpcId"] == other["VpcId"] and self._within(address, subnet):
                return dict(subnet)
        return None

    @staticmethod
    def _within(address: str, subnet: dict[str, Any]) -> bool:
        cidrs = [subnet["CidrBlock"], *(i["Ipv6CidrBlock"] for i in subnet.get("Ipv6CidrBlockAssociationSet", []))]
        return any(_in(address, cidr) for cidr in cidrs)

    def _vpc_has(self, vpc: str, address: str) -> bool:
        raw = next(item for item in self.account["vpcs"] if item["VpcId"] == vpc)
        cidrs = [raw["CidrBlock"], *(i["Ipv6CidrBlock"] for i in raw.get("Ipv6CidrBlockAssociationSet", []))]
        return any(_in(address, cidr) for cidr in cidrs)

    def _gateway(self, vpc: str) -> str | None:
        for raw in self.account["internet_gateways"]:
            if any(item["VpcId"] == vpc for item in raw["Attachments"]):
                return str(raw["InternetGatewayId"])
        return None

    # --- Gates --------------------------------------------------------------------------------------------------------

    def _group(self, interface: dict[str, Any], packet: Packet, part: str, peer: str) -> bool:
        for item in interface["Groups"]:
            group = next(raw for raw in self.account["security_groups"] if raw["GroupId"] == item["GroupId"])
            for permission in group[part]:
                if self._traffic(permission["IpProtocol"], permission, packet) and self._peer(permission, peer):
                    return True
        return False

    @staticmethod
    def _traffic(protocol: str, permission: dict[str, Any], packet: Packet) -> bool:
        if protocol == "-1":
            return True
        if protocol not in (packet.protocol, _NUMBERS[packet.protocol]):
            return False
        first, last = permission.get("FromPort"), permission.get("ToPort")
        if packet.protocol in ("icmp", "icmpv6"):
            return first in (None, -1, packet.kind) and last in (None, -1, 0)
        if packet.protocol in ("tcp", "udp") and first is not None and last is not None:
            return bool(first <= packet.port <= last)
        return True

    def _peer(self, permission: dict[str, Any], peer: str) -> bool:
        if any(_in(peer, item["CidrIp"]) for item in permission.get("IpRanges", [])):
            return True
        if any(_in(peer, item["CidrIpv6"]) for item in permission.get("Ipv6Ranges", [])):
            return True
        owner = self._owner(peer)
        members = {item["GroupId"] for item in owner["Groups"]} if owner else set()
        return any(item["GroupId"] in members for item in permission.get("UserIdGroupPairs", []))

    def _acl(self, subnet: dict[str, Any], packet: Packet, egress: bool, other: str) -> bool:
        acl = self._guard(subnet)
        entries = [entry for entry in acl["Entries"] if entry["Egress"] is egress]
        for entry in sorted(entries, key=lambda entry: int(entry["RuleNumber"])):
            cidr = entry.get("CidrBlock") or entry.get("Ipv6CidrBlock")
            if not _in(other, cidr):
                continue
            if entry["Protocol"] not in ("-1", _NUMBERS[packet.protocol]):
                continue
            limits = entry.get("PortRange") if entry["Protocol"] in ("6", "17") else None
            if limits and not limits["From"] <= packet.port <= limits["To"]:
                continue
            if entry["Protocol"] in ("1", "58") and "IcmpTypeCode" in entry:
                code = entry["IcmpTypeCode"]
                if code["Type"] not in (-1, packet.kind) or code["Code"] not in (-1, 0):
                    continue
            return bool(entry["RuleAction"] == "allow")
        return False

    def _guard(self, subnet: dict[str, Any]) -> dict[str, Any]:
        default: dict[str, Any] = {}
        for acl in self.account["network_acls"]:
            if any(item["SubnetId"] == subnet["SubnetId"] for item in acl["Associations"]):
                return dict(acl)
            if acl["IsDefault"] and acl["VpcId"] == subnet["VpcId"]:
                default = acl
        return default

    # --- Ways ---------------------------------------------------------------------------------------------------------

    def _route(self, subnet: dict[str, Any], address: str) -> dict[str, Any] | None:
        main: dict[str, Any] | None = None
        table: dict[str, Any] | None = None
        for raw in self.account["route_tables"]:
            for item in raw["Associations"]:
                if item.get("SubnetId") == subnet["SubnetId"]:
                    table = raw
                if item.get("Main") and raw["VpcId"] == subnet["VpcId"]:
                    main = raw
        best, length = None, -1
        for route in (table or main or {"Routes": []})["Routes"]:
            cidr = route.get("DestinationCidrBlock") or route.get("DestinationIpv6CidrBlock")
            if cidr and _in(address, cidr) and int(cidr.partition("/")[2]) > length:
                best, length = route, int(cidr.partition("/")[2])
        return best

    def _leaves(
        self,
        subnet: dict[str, Any],
        packet: Packet,
        sender: dict[str, Any] | None,
        receiver: dict[str, Any] | None,
        there: dict[str, Any] | None,
    ) -> bool:
        """Whether the route of the sender's subnet gets the packet to its target."""
        route = self._route(subnet, packet.target)
        if route is None or route.get("State") == "blackhole":
            return False
        vpc = subnet["VpcId"]
        neighbour = self._vpc_has(vpc, packet.target)
        if receiver is not None or there is not None or neighbour:
            inside = receiver["VpcId"] == vpc if receiver is not None else neighbour
            return bool(inside and route.get("GatewayId") == "local")
        gateway = route.get("GatewayId", "")
        if self._public(packet.target):
            if route.get("NatGatewayId") or route.get("EgressOnlyInternetGatewayId"):
                # Only what begins inside; an answer to somebody outside finds no connection there.
                return not self._answering(packet)
            if not gateway.startswith("igw-") or gateway != self._gateway(vpc):
                return False
            # Without a host, the sender is a neighbour whose translation is not known.
            return sender is None or ":" in packet.source or bool(self._public_address(sender))
        if gateway == "local" or gateway.startswith("igw-"):
            return False
        return not (route.get("NatGatewayId") or route.get("EgressOnlyInternetGatewayId"))

    @staticmethod
    def _answering(packet: Packet) -> bool:
        """Whether a packet is an answer: those here have the request's port as their source."""
        return packet.source_port != 0 or packet.kind in (0, 129)

    def _enters(self, packet: Packet, receiver: dict[str, Any] | None) -> bool:
        """Whether a packet from outside every subnet gets to the border of its target's."""
        if receiver is None:
            return False
        vpc = receiver["VpcId"]
        if self._vpc_has(vpc, packet.source):
            return True
        if self._answers_inside(packet):
            return True
        if self._public(packet.source):
            if self._gateway(vpc) is None:
                return False
            return ":" in packet.source or bool(self._public_address(receiver))
        subnet = self._subnet(packet.target, receiver, None)
        assert subnet is not None
        route = self._route(subnet, packet.source)
        if route is None or route.get("State") == "blackhole":
            return False
        gateway = route.get("GatewayId", "")
        nat = route.get("NatGatewayId") or route.get("EgressOnlyInternetGatewayId")
        return not nat and gateway != "local" and not gateway.startswith("igw-")

    def _answers_inside(self, packet: Packet) -> bool:
        """An answer from outside comes in by the way that the request went out."""
        return self._answering(packet)

    @staticmethod
    def _public_address(interface: dict[str, Any]) -> str:
        return str((interface.get("Association") or {}).get("PublicIp") or "")

    @staticmethod
    @cache
    def _public(address: str) -> bool:
        one = ipaddress.ip_address(address)
        if one.version == 6:
            return one in ipaddress.ip_network("2000::/3")
        return not any(one in network for network in _UNROUTED if network.version == 4)
