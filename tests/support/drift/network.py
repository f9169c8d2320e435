"""VPC, gateway, subnets, route table, network ACL, changed and deleted behind the platform's back."""

from __future__ import annotations

from collections.abc import Callable

from .model import Account, Drift, tags

VPC, IGW, SUBNET, TABLE, ACL = "BCSDLab", "BCSDLab", "BCSDLab-b", "BCSDLab-public", "BCSDLab-open"


def _vpc_attribute(attribute: str) -> Callable[[Account], object]:
    return lambda a: a.ec2.modify_vpc_attribute(VpcId=a.id("vpc", VPC), **{attribute: {"Value": False}})


def _detach_gateway(a: Account) -> None:
    a.ec2.detach_internet_gateway(InternetGatewayId=a.id("internet_gateway", IGW), VpcId=a.id("vpc", VPC))


def _leave_route_table(a: Account) -> None:
    table = a.ec2.describe_route_tables(RouteTableIds=[a.id("route_table", TABLE)])["RouteTables"][0]
    subnet = a.id("subnet", SUBNET)
    ids = [item["RouteTableAssociationId"] for item in table["Associations"] if item.get("SubnetId") == subnet]
    a.ec2.disassociate_route_table(AssociationId=ids[0])


def _acl_entry(a: Account, egress: bool) -> None:
    a.ec2.create_network_acl_entry(
        NetworkAclId=a.id("network_acl", ACL),
        RuleNumber=50,
        Protocol="-1",
        RuleAction="deny",
        Egress=egress,
        CidrBlock="198.51.100.0/24",
    )


def _leave_acl(a: Account) -> None:
    acls = a.ec2.describe_network_acls()["NetworkAcls"]
    default = next(item for item in acls if item["IsDefault"] and item["VpcId"] == a.id("vpc", VPC))
    ours = next(item for item in acls if item["NetworkAclId"] == a.id("network_acl", ACL))
    subnet = a.id("subnet", SUBNET)
    association = next(item for item in ours["Associations"] if item["SubnetId"] == subnet)
    a.ec2.replace_network_acl_association(
        AssociationId=association["NetworkAclAssociationId"], NetworkAclId=default["NetworkAclId"]
    )


#: one for each field that is declared
DRIFTS = [
    Drift("vpc", VPC, "dns_support", _vpc_attribute("EnableDnsSupport")),
    Drift("vpc", VPC, "dns_hostnames", _vpc_attribute("EnableDnsHostnames")),
    *tags("vpc", VPC, "Name", "Platform"),
    Drift("internet_gateway", IGW, "vpc", _detach_gateway),
    *tags("internet_gateway", IGW, "Platform"),
    Drift(
        "subnet",
        SUBNET,
        "map_public_ip",
        lambda a: a.ec2.modify_subnet_attribute(SubnetId=a.id("subnet", SUBNET), MapPublicIpOnLaunch={"Value": False}),
    ),
    *tags("subnet", SUBNET, "Name", "Platform"),
    Drift(
        "route_table",
        TABLE,
        "routes.0.0.0.0/0",
        lambda a: a.ec2.delete_route(RouteTableId=a.id("route_table", TABLE), DestinationCidrBlock="0.0.0.0/0"),
    ),
    Drift("route_table", TABLE, "subnets", _leave_route_table),
    *tags("route_table", TABLE, "Platform"),
    Drift("network_acl", ACL, "ingress", lambda a: _acl_entry(a, egress=False)),
    Drift("network_acl", ACL, "egress", lambda a: _acl_entry(a, egress=True)),
    Drift("network_acl", ACL, "subnets", _leave_acl),
    *tags("network_acl", ACL, "Platform"),
]


def _delete_subnet(a: Account) -> None:
    a.ec2.delete_subnet(SubnetId=a.id("subnet", "BCSDLab-d"))


def _delete_acl(a: Account) -> None:
    acls = a.ec2.describe_network_acls()["NetworkAcls"]
    default = next(item for item in acls if item["IsDefault"] and item["VpcId"] == a.id("vpc", VPC))
    ours = next(item for item in acls if item["NetworkAclId"] == a.id("network_acl", ACL))
    for association in ours["Associations"]:
        a.ec2.replace_network_acl_association(
            AssociationId=association["NetworkAclAssociationId"], NetworkAclId=default["NetworkAclId"]
        )
    a.ec2.delete_network_acl(NetworkAclId=ours["NetworkAclId"])


def _delete_gateway(a: Account) -> None:
    a.ec2.delete_route(RouteTableId=a.id("route_table", TABLE), DestinationCidrBlock="0.0.0.0/0")
    _detach_gateway(a)
    a.ec2.delete_internet_gateway(InternetGatewayId=a.id("internet_gateway", IGW))


#: kind and name -> how to delete it
DELETIONS: dict[tuple[str, str], Callable[[Account], object]] = {
    ("internet_gateway", IGW): _delete_gateway,
    ("subnet", "BCSDLab-d"): _delete_subnet,
    ("network_acl", ACL): _delete_acl,
}

#: recognised by Name: changing it by hand makes it another resource
RENAMED = {(kind, "tags.Name") for kind in ("internet_gateway", "route_table", "network_acl")}
