"""EC2 accounts that people made by hand, carried through: planned, provisioned in one run, planned again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.live_cases import Case, Made, run
from tests.support.local_aws import LocalAws

ANYWHERE, OFFICE = "0.0.0.0/0", "198.51.100.0/24"
VPC_CIDR, ZONE = "10.0.0.0/16", "ap-northeast-2a"
VPC = {"koin": {"cidr": VPC_CIDR}}


def _named(name: str, kind: str) -> dict[str, Any]:
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}]}]}


def _vpc(aws: LocalAws) -> Made:
    ec2 = aws.client("ec2")
    return {"vpc": ec2.create_vpc(CidrBlock=VPC_CIDR, **_named("koin", "vpc"))["Vpc"]["VpcId"]}


def _subnet(aws: LocalAws, made: Made, name: str, number: int) -> str:
    cidr, more = f"10.0.{number}.0/24", _named(name, "subnet")
    ec2 = aws.client("ec2")
    made[name] = ec2.create_subnet(VpcId=made["vpc"], CidrBlock=cidr, AvailabilityZone=ZONE, **more)["Subnet"][
        "SubnetId"
    ]
    return str(made[name])


def _subnets(*names: str) -> dict[str, Any]:
    return {
        name: {"vpc": "koin", "cidr": f"10.0.{number}.0/24", "zone": ZONE, "map_public_ip": False}
        for number, name in enumerate(names)
    }


# --- A table of one's own, made in one run


def _peered(aws: LocalAws) -> Made:
    ec2, made = aws.client("ec2"), _vpc(aws)
    _subnet(aws, made, "a", 0), _subnet(aws, made, "d", 1)
    other = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    peering = ec2.create_vpc_peering_connection(VpcId=made["vpc"], PeerVpcId=other)["VpcPeeringConnection"]
    made["pcx"] = peering["VpcPeeringConnectionId"]
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=made["pcx"])
    made["old"] = ec2.create_route_table(VpcId=made["vpc"])["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=made["old"], DestinationCidrBlock="10.9.0.0/16", VpcPeeringConnectionId=made["pcx"])
    ec2.associate_route_table(RouteTableId=made["old"], SubnetId=made["d"])
    return made


def _one_table(aws: LocalAws, made: Made) -> None:
    found = aws.client("ec2").describe_route_tables(Filters=[{"Name": "tag:Name", "Values": ["public"]}])["RouteTables"]
    (table,) = found
    assert {item["SubnetId"] for item in table["Associations"]} == {made["a"], made["d"]}
    assert {route["DestinationCidrBlock"] for route in table["Routes"]} == {VPC_CIDR, ANYWHERE}


# --- Rules and entries


def _described(aws: LocalAws) -> Made:
    ec2, made = aws.client("ec2"), _vpc(aws)
    group = ec2.create_security_group(GroupName="Web", Description="by hand", VpcId=made["vpc"])["GroupId"]
    made["group"] = group

    def tcp(port: int, **source: Any) -> dict[str, Any]:
        return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **source}

    office = tcp(22, IpRanges=[{"CidrIp": OFFICE, "Description": "the office"}])
    us = tcp(9100, UserIdGroupPairs=[{"GroupId": group, "Description": "metrics"}])
    old = tcp(8080, IpRanges=[{"CidrIp": ANYWHERE, "Description": "old admin page"}])
    echo = {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "IpRanges": [{"CidrIp": ANYWHERE}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[office, us, old, echo])
    return made


def _kept_descriptions(aws: LocalAws, made: Made) -> None:
    filters = [{"Name": "group-id", "Values": [made["group"]]}]
    found = aws.client("ec2").describe_security_group_rules(Filters=filters)["SecurityGroupRules"]
    rules = {
        (rule["IpProtocol"], rule["FromPort"]): rule.get("Description", "") for rule in found if not rule["IsEgress"]
    }
    assert rules == {("tcp", 22): "the office", ("tcp", 9100): "metrics", ("icmp", -1): ""}


def _guarded(aws: LocalAws) -> Made:
    ec2, made = aws.client("ec2"), _vpc(aws)
    _subnet(aws, made, "a", 0)
    acl = ec2.create_network_acl(VpcId=made["vpc"], **_named("open", "network-acl"))["NetworkAcl"]["NetworkAclId"]
    made["acl"] = acl
    for egress in (False, True):
        ec2.create_network_acl_entry(
            NetworkAclId=acl, RuleNumber=100, Protocol="-1", RuleAction="allow", Egress=egress, CidrBlock=ANYWHERE
        )
    ec2.create_network_acl_entry(
        NetworkAclId=acl,
        RuleNumber=90,
        Protocol="1",
        RuleAction="deny",
        Egress=False,
        CidrBlock=OFFICE,
        IcmpTypeCode={"Type": 8, "Code": -1},
    )
    return made


def _entries(aws: LocalAws, made: Made) -> None:
    (acl,) = aws.client("ec2").describe_network_acls(NetworkAclIds=[made["acl"]])["NetworkAcls"]
    found = {item["RuleNumber"]: item["RuleAction"] for item in acl["Entries"] if not item["Egress"]}
    assert found == {90: "deny", 100: "deny", 200: "allow", 32767: "deny"}
    assert [item["SubnetId"] for item in acl["Associations"]] == [made["a"]]


ALLOW = {"protocol": "all", "action": "allow", "cidr": ANYWHERE}
ACL = {
    "vpc": "koin",
    "subnets": ["a"],
    "ingress": {
        "90": {"protocol": "icmp", "action": "deny", "cidr": OFFICE, "icmp_type": 8},
        "100": {"protocol": "tcp", "action": "deny", "cidr": OFFICE, "from_port": 25},
        "200": ALLOW,
    },
    "egress": {"100": ALLOW},
}


# --- Hosts


def _host(aws: LocalAws) -> Made:
    """A stopped host with two interfaces, its own address, and another profile and group than declared."""
    ec2, made = aws.client("ec2"), _vpc(aws)
    subnet = _subnet(aws, made, "a", 0)
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=made["vpc"])
    group = ec2.create_security_group(GroupName="legacy", Description="x", VpcId=made["vpc"])["GroupId"]
    aws.client("iam").create_instance_profile(InstanceProfileName="old")
    image = ec2.describe_images(Filters=[{"Name": "architecture", "Values": ["x86_64"]}])["Images"][0]["ImageId"]
    answer = ec2.run_instances(
        ImageId=image,
        InstanceType="t3a.small",
        MinCount=1,
        MaxCount=1,
        SubnetId=subnet,
        SecurityGroupIds=[group],
        IamInstanceProfile={"Name": "old"},
        **_named("KOIN", "instance"),
    )
    made["host"] = answer["Instances"][0]["InstanceId"]
    second = ec2.create_network_interface(SubnetId=subnet, Groups=[group])["NetworkInterface"]["NetworkInterfaceId"]
    ec2.attach_network_interface(NetworkInterfaceId=second, InstanceId=made["host"], DeviceIndex=1)
    made["group"] = group
    held, made["free"] = (ec2.allocate_address(Address=item) for item in ("3.35.3.3", "3.35.5.5"))
    first = ec2.describe_instances(InstanceIds=[made["host"]])["Reservations"][0]["Instances"][0]["NetworkInterfaces"]
    primary = min(first, key=lambda item: item["Attachment"]["DeviceIndex"])["NetworkInterfaceId"]
    ec2.associate_address(AllocationId=held["AllocationId"], NetworkInterfaceId=primary)
    made |= {"held": held["PublicIp"], "free": made["free"]["PublicIp"], "second": second}
    ec2.stop_instances(InstanceIds=[made["host"]])
    return made


def _declared_host(made: Made) -> dict[str, Any]:
    ssh = {"protocol": "tcp", "port": 22222, "cidrs": [OFFICE]}
    return {
        "aws_network_vpcs": VPC,
        "aws_network_subnets": _subnets("a"),
        "aws_security_admin_cidrs": [OFFICE],
        "aws_security_groups": {"SSH": {"vpc": "koin", "ingress": {"ssh": ssh}}},
        "aws_iam_roles": {"koin": {"description": "x", "parameters": "/koin/", "buckets": {}, "invalidates": []}},
        "aws_compute_key_pairs": {},
        "aws_compute_instance_defaults": {},
        "aws_compute_instances": {
            "KOIN": {
                "role": "PROD",
                "type": "t3a.small",
                "architecture": "x86_64",
                "subnet": "a",
                "state": "running",
                "security_groups": ["SSH"],
                "profile": "koin",
                "elastic_ip": made["free"],
            }
        },
    }


def _moved_host(aws: LocalAws, made: Made) -> None:
    ec2 = aws.client("ec2")
    host = ec2.describe_instances(InstanceIds=[made["host"]])["Reservations"][0]["Instances"][0]
    assert host["State"]["Name"] == "running"
    assert host["IamInstanceProfile"]["Arn"].endswith("/koin")
    assert [item["GroupName"] for item in host["SecurityGroups"]] == ["SSH"]
    second = ec2.describe_network_interfaces(NetworkInterfaceIds=[made["second"]])["NetworkInterfaces"][0]
    assert [item["GroupId"] for item in second["Groups"]] == [made["group"]]
    addresses = {item["PublicIp"]: item.get("InstanceId") for item in ec2.describe_addresses()["Addresses"]}
    assert addresses == {made["free"]: made["host"], made["held"]: None} or not addresses[made["held"]]
    assert addresses[made["free"]] == made["host"]


# --- What a module would write beside


def _second_range(aws: LocalAws) -> Made:
    """A VPC that is declared by its id with another range, and a subnet with two IPv6 ranges."""
    ec2 = aws.client("ec2")
    made = {"vpc": ec2.create_vpc(CidrBlock="10.0.0.0/20", AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]}
    ec2.modify_vpc_attribute(VpcId=made["vpc"], EnableDnsHostnames={"Value": False})
    subnet = _subnet(aws, made, "a", 0)
    (vpc,) = ec2.describe_vpcs(VpcIds=[made["vpc"]])["Vpcs"]
    block = vpc["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"].replace("::/56", "::/64")
    ec2.associate_subnet_cidr_block(SubnetId=subnet, Ipv6CidrBlock=block)
    ec2.modify_subnet_attribute(SubnetId=subnet, AssignIpv6AddressOnCreation={"Value": True})
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": False})
    return made | {"block": block}


def _ranges_kept(aws: LocalAws, made: Made) -> None:
    ec2 = aws.client("ec2")
    (vpc,) = ec2.describe_vpcs(VpcIds=[made["vpc"]])["Vpcs"]
    assert [item["CidrBlock"] for item in vpc["CidrBlockAssociationSet"]] == ["10.0.0.0/20"]
    (subnet,) = ec2.describe_subnets(SubnetIds=[made["a"]])["Subnets"]
    assert [item["Ipv6CidrBlock"] for item in subnet["Ipv6CidrBlockAssociationSet"]] == [made["block"]]
    assert (subnet["AssignIpv6AddressOnCreation"], subnet["MapPublicIpOnLaunch"]) == (True, True)


# --- One live resource that two entries could mean


def _behind_the_main_ones(aws: LocalAws) -> Made:
    """Two subnets that use the main route table and the default network ACL."""
    made = _vpc(aws)
    _subnet(aws, made, "a", 0), _subnet(aws, made, "b", 1)
    return made


def _declared_apart(made: Made) -> dict[str, Any]:
    internet = {"routes": {ANYWHERE: {"internet_gateway": "koin"}}}
    tables = {"public": {"vpc": "koin", "subnets": ["a"], **internet}, "private": {"vpc": "koin", "subnets": ["b"]}}
    closed = {"ingress": {"100": {**ALLOW, "cidr": VPC_CIDR}}, "egress": {"100": ALLOW}}
    return {
        "aws_network_vpcs": VPC,
        "aws_network_internet_gateways": {"koin": {"vpc": "koin"}},
        "aws_network_subnets": _subnets("a", "b"),
        "aws_network_route_tables": tables,
        "aws_network_acls": {
            "open": {"vpc": "koin", "subnets": ["a"], "ingress": {"100": ALLOW}, "egress": {"100": ALLOW}},
            "closed": {"vpc": "koin", "subnets": ["b"], **closed},
        },
    }


def _kept_apart(aws: LocalAws, made: Made) -> None:
    ec2 = aws.client("ec2")

    def routes(name: str) -> set[str]:
        filters = [{"Name": "tag:Name", "Values": [name]}]
        (table,) = ec2.describe_route_tables(Filters=filters)["RouteTables"]
        assert [item["SubnetId"] for item in table["Associations"]] == [made[{"public": "a", "private": "b"}[name]]]
        return {route["DestinationCidrBlock"] for route in table["Routes"]}

    assert (routes("public"), routes("private")) == ({VPC_CIDR, ANYWHERE}, {VPC_CIDR})
    acls = ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [made["vpc"]]}])["NetworkAcls"]
    assert len(acls) == 3
    (default,) = (acl for acl in acls if acl["IsDefault"])
    assert default["Associations"] == [] and not default.get("Tags")


def _two_hosts(aws: LocalAws) -> Made:
    """Two hosts, each with an address that is declared for the other one, or for nobody."""
    ec2, made = aws.client("ec2"), _vpc(aws)
    subnet = _subnet(aws, made, "a", 0)
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=made["vpc"])
    image = ec2.describe_images(Filters=[{"Name": "architecture", "Values": ["x86_64"]}])["Images"][0]["ImageId"]
    for name, public in (("KOIN", "3.35.1.1"), ("DB", "3.35.2.2")):
        answer = ec2.run_instances(
            ImageId=image, InstanceType="t3a.small", MinCount=1, MaxCount=1, SubnetId=subnet, **_named(name, "instance")
        )
        made[name] = answer["Instances"][0]["InstanceId"]
        held = ec2.allocate_address(Address=public)["AllocationId"]
        ec2.associate_address(AllocationId=held, InstanceId=made[name])
    return made


def _declared_two(made: Made, koin: str, db: str, **more: Any) -> dict[str, Any]:
    host = {"role": "PROD", "type": "t3a.small", "architecture": "x86_64", "subnet": "a"}
    return {
        "aws_network_vpcs": VPC,
        "aws_network_subnets": _subnets("a"),
        "aws_compute_key_pairs": {},
        "aws_compute_instance_defaults": {},
        "aws_compute_instances": {"KOIN": host | {"elastic_ip": koin} | more, "DB": host | {"elastic_ip": db}},
    }


def _addresses(aws: LocalAws, made: Made) -> dict[str, list[str]]:
    found = aws.client("ec2").describe_addresses()["Addresses"]
    return {name: [raw["PublicIp"] for raw in found if raw.get("InstanceId") == made[name]] for name in ("KOIN", "DB")}


def _swapped(aws: LocalAws, made: Made) -> None:
    assert _addresses(aws, made) == {"KOIN": ["3.35.2.2"], "DB": ["3.35.1.1"]}


def _one_is_new(aws: LocalAws, made: Made) -> None:
    found = _addresses(aws, made)
    assert found["KOIN"] == ["3.35.2.2"]
    assert len(found["DB"]) == 1 and found["DB"][0] not in ("3.35.1.1", "3.35.2.2")


def _protected_host(aws: LocalAws) -> Made:
    made = _two_hosts(aws)
    aws.client("ec2").modify_instance_attribute(InstanceId=made["KOIN"], DisableApiStop={"Value": True})
    return made


# --- Refused before anything is written


def _in_the_way(aws: LocalAws) -> Made:
    made = _vpc(aws)
    _subnet(aws, made, "hand", 17)
    return made


def _full(aws: LocalAws) -> Made:
    """Five addresses, which is AWS's quota, and a network interface with an address that a host is to have."""
    ec2, made = aws.client("ec2"), _vpc(aws)
    subnet = _subnet(aws, made, "a", 0)
    ec2.create_network_interface(SubnetId=subnet, PrivateIpAddress="10.0.0.20", Description="by hand")
    for number in range(5):
        ec2.allocate_address(Address=f"3.35.3.{number + 1}")
    return made | {"free": "auto"}


def _with(made: Made, **more: Any) -> dict[str, Any]:
    declared = _declared_host(made)
    declared["aws_compute_instances"]["KOIN"] |= more
    return declared


CASES = [
    Case(
        "two tables and two ACLs where there is one of each",
        "the main table and the default ACL are those of all subnets",
        _behind_the_main_ones,
        _declared_apart,
        says=("+ route_table public", "+ route_table private", "+ network_acl open", "+ network_acl closed"),
        after=_kept_apart,
    ),
    Case(
        "two hosts exchange their addresses",
        "AWS AssociateAddress",
        _two_hosts,
        lambda made: _declared_two(made, "3.35.2.2", "3.35.1.1"),
        says=("3.35.2.2 is taken from instance DB ({DB})", "3.35.1.1 is taken from instance KOIN ({KOIN})"),
        silent=("it stays allocated", "for good"),
        after=_swapped,
    ),
    Case(
        "an address of another host, which gets a new one",
        "AWS AssociateAddress",
        _two_hosts,
        lambda made: _declared_two(made, "3.35.2.2", "auto"),
        says=("3.35.2.2 is taken from instance DB ({DB})", "+ elastic_ip DB"),
        after=_one_is_new,
    ),
    Case(
        "a host that is protected against being stopped",
        "EC2 user guide, stop protection",
        _protected_host,
        lambda made: _declared_two(made, "3.35.1.1", "3.35.2.2", type="t3a.medium"),
        refused=("aws_compute_instances.KOIN.type: the host would have to stop, and is protected",),
    ),
    Case(
        "a live subnet in the way",
        "InvalidSubnet.Conflict",
        _in_the_way,
        lambda made: {
            "aws_network_vpcs": VPC,
            "aws_network_subnets": {
                "wide": {"vpc": "koin", "cidr": "10.0.16.0/20", "zone": ZONE, "map_public_ip": False}
            },
        },
        refused=("10.0.16.0/20 overlaps the live subnet hand ({hand}), 10.0.17.0/24",),
    ),
    Case(
        "more addresses than the quota",
        "AddressLimitExceeded",
        _full,
        _declared_host,
        refused=("6 elastic IPs would exist, and the account's quota is 5", "L-0263D0A3"),
    ),
    Case(
        "a private address in use",
        "InvalidIPAddress.InUse",
        _full,
        lambda made: _with(made, private_ip="10.0.0.20", elastic_ip="3.35.3.1"),
        refused=("10.0.0.20 is used by network interface", "(by hand)"),
    ),
    Case(
        "a table of one's own, made in one run",
        "ansible#25521",
        _peered,
        lambda made: {
            "aws_network_vpcs": VPC,
            "aws_network_internet_gateways": {"koin": {"vpc": "koin"}},
            "aws_network_subnets": _subnets("a", "d"),
            "aws_network_route_tables": {
                "public": {
                    "vpc": "koin",
                    "subnets": ["a", "d"],
                    "routes": {ANYWHERE: {"internet_gateway": "koin"}},
                }
            },
        },
        says=(
            "takes subnet d ({d}) from route table {old}; lost: 10.9.0.0/16 -> VPC peering {pcx}",
            "takes subnet a ({a}) from the main route table",
        ),
        after=_one_table,
    ),
    Case(
        "descriptions of rules that stay",
        "ansible#48023, terraform-provider-aws#6452",
        _described,
        lambda made: {
            "aws_network_vpcs": VPC,
            "aws_security_admin_cidrs": [OFFICE],
            "aws_security_groups": {
                "Web": {
                    "vpc": "koin",
                    "ingress": {
                        "ssh": {"protocol": "tcp", "port": 22, "cidrs": [OFFICE]},
                        "metrics": {"protocol": "tcp", "port": 9100, "groups": ["Web"]},
                        "icmp": {"protocol": "icmp", "cidrs": [ANYWHERE]},
                    },
                }
            },
        },
        says=(
            '- tcp 8080 from 0.0.0.0/0 "old admin page"',
            "- icmp type 8 from 0.0.0.0/0",
            "+ icmp from 0.0.0.0/0",
        ),
        silent=("the office", "metrics"),
        after=_kept_descriptions,
    ),
    Case(
        "an entry of an ACL that gets another number",
        "terraform-provider-aws#6452",
        _guarded,
        lambda made: {
            "aws_network_vpcs": VPC,
            "aws_network_subnets": _subnets("a"),
            "aws_network_acls": {"open": ACL},
        },
        says=(
            "- 100 allow all 0.0.0.0/0",
            "+ 200 allow all 0.0.0.0/0",
            # Of the ACL that the subnet comes from.
            "lost: ingress 100 allow all 0.0.0.0/0 (after 90 deny icmp type 8 198.51.100.0/24, 100 deny tcp 25-25",
        ),
        silent=("- 90 ", "+ 90 "),
        after=_entries,
    ),
    Case(
        "a stopped host with another profile, group and address",
        "aws-cli#5251",
        _host,
        _declared_host,
        says=(
            "{held} is taken off instance KOIN; it stays allocated",
            "it leaves security group legacy ({group}): all to 0.0.0.0/0",
            "profile: old -> koin",
            "state: stopped -> running",
        ),
        after=_moved_host,
    ),
    Case(
        "ranges that nobody declared",
        "ec2_vpc_net adds declared ranges, ec2_vpc_subnet removes IPv6",
        _second_range,
        lambda made: {
            "aws_network_vpcs": {"koin": {"id": made["vpc"], "cidr": VPC_CIDR, "dns_hostnames": True}},
            "aws_network_subnets": {"a": _subnets("a")["a"] | {"map_public_ip": True}},
        },
        says=("cidr: 10.0.0.0/20 -> 10.0.0.0/16", "dns_hostnames: false -> true", "map_public_ip: false -> true"),
        after=_ranges_kept,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_account_made_by_hand(case: Case, local_aws: LocalAws) -> None:
    run(case, local_aws)
