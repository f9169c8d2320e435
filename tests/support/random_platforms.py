"""Random accounts, as EC2 describes them: 2 to 12 hosts, IPv6, references between groups, ACLs that overlap."""

from __future__ import annotations

import json
import random
from typing import Any

#: ranges of VPCs, IPv4 and IPv6
_VPCS = (("vpc-a", "10.0.0.0/16", "2406:da12:0:100::/56"), ("vpc-b", "10.1.0.0/16", "2406:da12:0:200::/56"))
_PORTS = (22, 80, 443, 3306, 4789, 22222, 40000)
_RANGES = (
    (0, 65535),
    (1, 65535),
    (1024, 65535),
    (1025, 65535),
    (32768, 60999),
    (32768, 65535),
    (1024, 60998),
    (80, 443),
    (3000, 4000),
)
ADMINISTRATORS = "203.0.113.0/24"
#: addresses outside: of the internet, of administrators, of private networks elsewhere
OUTSIDE = ("8.8.8.8", "203.0.113.9", "198.51.100.7", "200.1.2.3", "10.9.0.5", "2606:4700::1", "2a00:1450::8")


class RandomPlatform:
    """One account. chance: decides everything about it; hypothesis has one that shrinks."""

    def __init__(self, chance: random.Random) -> None:
        self.random = chance
        self.cidrs = [
            *(
                "0.0.0.0/0",
                "0.0.0.0/0",
                "0.0.0.0/1",
                "128.0.0.0/1",
                "10.0.0.0/8",
                "10.0.0.0/16",
                "10.0.1.0/24",
                "10.0.0.0/23",
            ),
            *("203.0.113.0/24", "198.51.100.7/32", "8.0.0.0/7", "10.9.0.0/16", "200.0.0.0/6"),
            *("::/0", "::/0", "2000::/4", "2406:da12:0:100::/56", "2406:da12:0:100::/64", "2606:4700::/32"),
        ]
        self.account: dict[str, Any] = {
            "vpcs": [],
            "internet_gateways": [],
            "subnets": [],
            "route_tables": [],
            "network_acls": [],
            "security_groups": [],
            "instances": [],
            "addresses": [],
        }
        two = self._chance(0.15)
        for vpc in _VPCS[: 1 + two]:
            self._vpc(*vpc)
        self._hosts(self.random.randint(2, 12))
        for raw in self.account["vpcs"]:
            self._groups_of(raw["VpcId"])
        self._acl_entries()

    def __repr__(self) -> str:
        return json.dumps(self.account, indent=1)

    def _chance(self, probability: float) -> bool:
        # Shrinks to no.
        return self.random.randint(1, 100) > 100 * (1 - probability)

    # --- Network ------------------------------------------------------------------------------------------------------

    def _vpc(self, vpc: str, cidr: str, six: str) -> None:
        has_six = self._chance(0.75)
        raw: dict[str, Any] = {"VpcId": vpc, "CidrBlock": cidr, "Tags": [{"Key": "Name", "Value": vpc}]}
        if has_six:
            raw["Ipv6CidrBlockAssociationSet"] = [{"Ipv6CidrBlock": six}]
        self.account["vpcs"].append(raw)
        gateway = f"igw-{vpc[-1]}"
        attached = [{"VpcId": vpc}] if self._chance(0.85) else []
        self.account["internet_gateways"].append({"InternetGatewayId": gateway, "Attachments": attached})
        subnets: list[dict[str, Any]] = []
        for number in range(self.random.randint(1, 4)):
            subnet = {
                "SubnetId": f"subnet-{vpc[-1]}{number}",
                "VpcId": vpc,
                "CidrBlock": f"{cidr.removesuffix('0.0/16')}{number}.0/24",
                "AvailabilityZone": "ap-northeast-2a",
                # What AWS lends a stopped host when it starts is in tests/unit/test_reach.py.
                "MapPublicIpOnLaunch": False,
            }
            if has_six and self._chance(0.9):
                base = six.removesuffix("00::/56")
                subnet["Ipv6CidrBlockAssociationSet"] = [{"Ipv6CidrBlock": f"{base}{number:02x}::/64"}]
            subnets.append(subnet)
        self.account["subnets"] += subnets
        names = [str(subnet["SubnetId"]) for subnet in subnets]
        self._tables(vpc, names, gateway, cidr, six if has_six else "")
        self._acls(vpc, names)

    def _tables(self, vpc: str, subnets: list[str], gateway: str, cidr: str, six: str) -> None:
        owners = self._shared(subnets, self.random.randint(0, 2))
        for number in range(len(owners) + 1):
            local = [{"DestinationCidrBlock": cidr, "GatewayId": "local"}]
            local += [{"DestinationIpv6CidrBlock": six, "GatewayId": "local"}] if six else []
            associations: list[dict[str, Any]] = [{"SubnetId": name} for name in owners[number - 1]] if number else []
            if not number:
                associations = [{"Main": True}]
            self.account["route_tables"].append(
                {
                    "RouteTableId": f"rtb-{vpc[-1]}{number}",
                    "VpcId": vpc,
                    "Associations": associations,
                    "Routes": [*local, *self._routes(gateway)],
                }
            )

    def _routes(self, gateway: str) -> list[dict[str, Any]]:
        found = []
        wanted = ["0.0.0.0/0"] * self._chance(0.9) + ["::/0"] * self._chance(0.7)
        if self._chance(0.3):
            wanted.append(self.random.choice(["198.51.100.0/24", "8.0.0.0/6", "10.9.0.0/16", "10.0.0.0/8"]))
        for cidr in wanted:
            key = "DestinationIpv6CidrBlock" if ":" in cidr else "DestinationCidrBlock"
            private = cidr.startswith("10.")
            targets: list[dict[str, Any]] = [{"GatewayId": gateway}] * (1 if private else 8)
            targets += [{"VpcPeeringConnectionId": "pcx-1"}, {"GatewayId": "vgw-1"}] * (4 if private else 1)
            targets += [{"GatewayId": gateway, "State": "blackhole"}, {"GatewayId": "igw-other"}]
            targets += [{"EgressOnlyInternetGatewayId": "eigw-1"}] if ":" in cidr else [{"NatGatewayId": "nat-1"}]
            found.append({key: cidr, **self.random.choice(targets)})
        return found

    def _shared(self, subnets: list[str], count: int) -> list[list[str]]:
        """Some of the subnets, shared out to so many."""
        owners: list[list[str]] = [[] for _ in range(count)]
        for subnet in subnets:
            choice = self.random.randint(0, count)
            if choice:
                owners[choice - 1].append(subnet)
        return owners

    def _acls(self, vpc: str, subnets: list[str]) -> None:
        owners = self._shared(subnets, self.random.randint(0, 2))
        for number in range(len(owners) + 1):
            self.account["network_acls"].append(
                {
                    "NetworkAclId": f"acl-{vpc[-1]}{number}",
                    "VpcId": vpc,
                    "IsDefault": number == 0,
                    "Associations": [{"SubnetId": name} for name in owners[number - 1]] if number else [],
                    "Entries": [],
                }
            )

    def _acl_entries(self) -> None:
        for acl in self.account["network_acls"]:
            for egress in (False, True):
                number = 0
                for _ in range(self.random.randint(0, 6)):
                    number += self.random.randint(1, 60)
                    acl["Entries"].append(self._entry(number, egress, self.random.choice(self.cidrs), 0.65))
                if self._chance(0.75):
                    for number, cidr in ((500, "0.0.0.0/0"), (501, "::/0")):
                        acl["Entries"].append(self._entry(number, egress, cidr, 1, "-1"))
                for number, cidr in ((32767, "0.0.0.0/0"), (32768, "::/0")):
                    acl["Entries"].append(self._entry(number, egress, cidr, 0, "-1"))

    def _entry(self, number: int, egress: bool, cidr: str, allow: float, protocol: str = "") -> dict[str, Any]:
        protocol = protocol or self.random.choice(["-1", "6", "6", "6", "17", "1", "50", "58", "58"])
        entry: dict[str, Any] = {
            "RuleNumber": number,
            "Egress": egress,
            "Protocol": protocol,
            "RuleAction": "allow" if self._chance(allow) else "deny",
            "Ipv6CidrBlock" if ":" in cidr else "CidrBlock": cidr,
        }
        if protocol in ("6", "17"):
            first, last = self._range()
            entry["PortRange"] = {"From": first, "To": last}
        elif protocol in ("1", "58"):
            kinds = [(-1, -1), (8, 0), (0, 0), (128, -1), (129, 0), (3, 4)]
            entry["IcmpTypeCode"] = dict(zip(("Type", "Code"), self.random.choice(kinds), strict=True))
        return entry

    def _range(self) -> tuple[int, int]:
        if self._chance(0.5):
            port = self.random.choice(_PORTS)
            return port, port
        return self.random.choice(_RANGES)

    # --- Hosts and groups ---------------------------------------------------------------------------------------------

    def _hosts(self, count: int) -> None:
        self.groups = {raw["VpcId"]: self.random.randint(1, 5) for raw in self.account["vpcs"]}
        for number in range(count):
            subnet = self.random.choice(self.account["subnets"])
            interfaces = [self._interface(subnet, number, 0)]
            if self._chance(0.1):
                beside = [one for one in self.account["subnets"] if one["VpcId"] == subnet["VpcId"]]
                interfaces.append(self._interface(self.random.choice(beside), number, 1))
            self.account["instances"].append(
                {
                    "InstanceId": f"i-{number}",
                    "State": {"Name": self.random.choice(["running", "running", "stopped"])},
                    "VpcId": subnet["VpcId"],
                    "SubnetId": subnet["SubnetId"],
                    "InstanceType": "t3a.small",
                    "Architecture": "x86_64",
                    "NetworkInterfaces": interfaces,
                    "Tags": [{"Key": "Name", "Value": f"host-{number}"}],
                }
            )

    def _interface(self, subnet: dict[str, Any], number: int, index: int) -> dict[str, Any]:
        private = subnet["CidrBlock"].replace(".0/24", f".{10 + number + 100 * index}")
        self.cidrs.append(f"{private}/32")
        vpc = subnet["VpcId"]
        names = [f"sg-{vpc[-1]}{one}" for one in range(self.groups[vpc])]
        chosen = {self.random.choice(names) for _ in range(self.random.randint(1, 3))}
        raw: dict[str, Any] = {
            "NetworkInterfaceId": f"eni-{number}-{index}",
            "SubnetId": subnet["SubnetId"],
            "Attachment": {"DeviceIndex": index},
            "Groups": [{"GroupId": name} for name in sorted(chosen)],
            "PrivateIpAddress": private,
            "PrivateIpAddresses": [{"PrivateIpAddress": private}],
        }
        if self._chance(0.6):
            raw["Association"] = {"PublicIp": f"52.78.{index}.{number + 1}"}
        six = [one["Ipv6CidrBlock"] for one in subnet.get("Ipv6CidrBlockAssociationSet", [])]
        if six and self._chance(0.9):
            own = six[0].replace("::/64", f"::{number + 10 + 100 * index:x}")
            raw["Ipv6Addresses"] = [{"Ipv6Address": own}]
            self.cidrs.append(f"{own}/128")
        return raw

    def _groups_of(self, vpc: str) -> None:
        names = [f"sg-{vpc[-1]}{number}" for number in range(self.groups[vpc])]
        for name in names:
            open_out = [self._permission(names, "-1", "0.0.0.0/0"), self._permission(names, "-1", "::/0")]
            egress = (
                open_out if self._chance(0.6) else [self._permission(names) for _ in range(self.random.randint(0, 4))]
            )
            self.account["security_groups"].append(
                {
                    "GroupId": name,
                    "GroupName": f"group {name}",
                    "VpcId": vpc,
                    "IpPermissions": [self._permission(names) for _ in range(self.random.randint(1, 7))],
                    "IpPermissionsEgress": egress,
                }
            )

    def _permission(self, names: list[str], protocol: str = "", cidr: str = "") -> dict[str, Any]:
        protocol = protocol or self.random.choice(["-1", "-1", "tcp", "tcp", "tcp", "udp", "icmp", "icmpv6", "50"])
        found: dict[str, Any] = {"IpProtocol": protocol}
        if protocol in ("tcp", "udp"):
            found["FromPort"], found["ToPort"] = self._range()
        elif protocol in ("icmp", "icmpv6"):
            kinds = [(-1, -1), (8, -1), (8, 0), (128, 0), (3, 4)]
            found["FromPort"], found["ToPort"] = self.random.choice(kinds)
        if cidr or self._chance(0.65):
            cidr = cidr or self.random.choice(self.cidrs)
            part, key = ("Ipv6Ranges", "CidrIpv6") if ":" in cidr else ("IpRanges", "CidrIp")
            found[part] = [{key: cidr}]
        else:
            found["UserIdGroupPairs"] = [{"GroupId": self.random.choice(names)}]
        return found

    # --- What to ask --------------------------------------------------------------------------------------------------

    def addresses(self) -> list[tuple[str, str]]:
        """Private addresses of hosts, each with its instance."""
        found = []
        for raw in self.account["instances"]:
            for interface in raw["NetworkInterfaces"]:
                own = [
                    interface["PrivateIpAddress"],
                    *(one["Ipv6Address"] for one in interface.get("Ipv6Addresses", [])),
                ]
                found += [(address, raw["InstanceId"]) for address in own]
        return found

    def neighbours(self) -> list[str]:
        """Addresses of a VPC that no host has: in a subnet, and in none."""
        return ["10.0.0.200", "10.0.250.9", "2406:da12:0:100::f0", "2406:da12:0:1f0::1"]

    def ports(self) -> list[int]:
        """Ports at which something may change."""
        found = set(_PORTS) | {port for pair in _RANGES for edge in pair for port in (edge - 1, edge, edge + 1)}
        return sorted(port for port in found if 1 <= port <= 65535)

    def client_ports(self, first: int, last: int) -> list[int]:
        """Ports of a client at which an entry of an ACL may begin or end."""
        edges = {first, last}
        for acl in self.account["network_acls"]:
            for entry in acl["Entries"]:
                if "PortRange" in entry:
                    limits = (entry["PortRange"]["From"], entry["PortRange"]["To"])
                    edges |= {edge + step for edge in limits for step in (-1, 0, 1)}
        return sorted(port for port in edges if first <= port <= last)
