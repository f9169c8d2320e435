"""Networks for tests of `reach/`: that of random accounts, and that of a small one made of literals."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.platform.engine.context import Context
from ansible.module_utils.platform.engine.declaration import Declaration
from ansible.module_utils.platform.engine.plan import plan_in
from ansible.module_utils.platform.kinds import KINDS
from ansible.module_utils.platform.reach.matrix import as_data
from ansible.module_utils.platform.reach.model import Network
from ansible.module_utils.platform.reach.observed import KINDS as NETWORK
from ansible.module_utils.platform.reach.observed import observed

from .random_platforms import ADMINISTRATORS

_KINDS = KINDS.only(NETWORK)
_EMPTY = KINDS.empty()


def context_of(account: dict[str, Any], **declared: Any) -> Context:
    """What planning knows of an account. declared: variables; all VPCs of the account, unless they are among them."""
    vpcs = {raw["VpcId"]: {"cidr": raw["CidrBlock"]} for raw in account["vpcs"]}
    common = {"aws_region": "ap-northeast-2", "aws_security_admin_cidrs": [ADMINISTRATORS]}
    declaration = Declaration({**common, "aws_network_vpcs": vpcs, **declared}, account="123456789012")
    context = Context(declaration, _EMPTY | account)
    plan_in(context, _KINDS)
    return context


def network(account: dict[str, Any]) -> Network:
    """The network of an account, all of whose VPCs are declared."""
    return observed(context_of(account))


def cells(of: Network) -> list[dict[str, Any]]:
    """Who reaches whom; without the rules behind it, which have other names once they exist."""
    return [{key: value for key, value in cell.items() if key != "why"} for cell in as_data(of)["cells"]]


def _named(name: str) -> list[dict[str, str]]:
    return [{"Key": "Name", "Value": name}]


def allow(protocol: str, port: int | None, *peers: str) -> dict[str, Any]:
    """A permission: of ranges, or of groups by id."""
    found: dict[str, Any] = {"IpProtocol": protocol}
    if port is not None:
        found |= {"FromPort": port, "ToPort": port}
    for peer in peers:
        part, key = ("UserIdGroupPairs", "GroupId") if peer.startswith("sg-") else ("IpRanges", "CidrIp")
        part, key = ("Ipv6Ranges", "CidrIpv6") if ":" in peer else (part, key)
        found.setdefault(part, []).append({key: peer})
    return found


def entry(number: int, action: str, cidr: str = "0.0.0.0/0", ports: tuple[int, int] | None = None) -> dict[str, Any]:
    """An entry of a network ACL, without its direction: of every protocol, or of TCP ports."""
    found: dict[str, Any] = {"RuleNumber": number, "RuleAction": action, "CidrBlock": cidr, "Protocol": "-1"}
    return found | ({"Protocol": "6", "PortRange": dict(zip(("From", "To"), ports, strict=True))} if ports else {})


def small() -> dict[str, Any]:
    """Web (subnet a) and db (subnet b): the web open to all, the database to the group of the web."""
    local = {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local"}
    return {
        "vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16", "Tags": _named("vpc")}],
        "internet_gateways": [{"InternetGatewayId": "igw-1", "Attachments": [{"VpcId": "vpc-1"}], "Tags": _named("i")}],
        "subnets": [
            {
                "SubnetId": f"subnet-{letter}",
                "VpcId": "vpc-1",
                "CidrBlock": f"10.0.{number}.0/24",
                "AvailabilityZone": "ap-northeast-2a",
                "MapPublicIpOnLaunch": True,
                "Tags": _named(letter),
            }
            for number, letter in enumerate("ab")
        ],
        "route_tables": [
            {
                "RouteTableId": "rtb-1",
                "VpcId": "vpc-1",
                "Associations": [{"Main": True}],
                "Routes": [local, {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1"}],
            }
        ],
        "network_acls": [
            {
                "NetworkAclId": "acl-1",
                "VpcId": "vpc-1",
                "IsDefault": True,
                "Associations": [],
                "Entries": [{**entry(100, "allow"), "Egress": egress} for egress in (False, True)],
            }
        ],
        "security_groups": [
            _group("sg-web", "web", allow("tcp", 443, "0.0.0.0/0")),
            _group("sg-db", "db", allow("tcp", 3306, "sg-web")),
        ],
        "instances": [
            _host("web", "subnet-a", "10.0.0.10", "sg-web", "52.78.0.1"),
            _host("db", "subnet-b", "10.0.1.10", "sg-db", "52.78.0.2"),
        ],
        "addresses": [],
    }


def _group(live_id: str, name: str, *permissions: dict[str, Any]) -> dict[str, Any]:
    out = [allow("-1", None, "0.0.0.0/0")]
    return {
        "GroupId": live_id,
        "GroupName": name,
        "VpcId": "vpc-1",
        "IpPermissions": list(permissions),
        "IpPermissionsEgress": out,
    }


def _host(name: str, subnet: str, private: str, group: str, public: str) -> dict[str, Any]:
    interface = {
        "NetworkInterfaceId": f"eni-{name}",
        "SubnetId": subnet,
        "Groups": [{"GroupId": group}],
        "PrivateIpAddress": private,
        "PrivateIpAddresses": [{"PrivateIpAddress": private}],
        "Attachment": {"DeviceIndex": 0},
        "Association": {"PublicIp": public},
    }
    return {
        "InstanceId": f"i-{name}",
        "State": {"Name": "running"},
        "VpcId": "vpc-1",
        "SubnetId": subnet,
        "InstanceType": "t3a.small",
        "Architecture": "x86_64",
        "PrivateIpAddress": private,
        "PublicIpAddress": public,
        "SecurityGroups": [{"GroupId": group}],
        "NetworkInterfaces": [interface],
        "Tags": _named(name),
    }
