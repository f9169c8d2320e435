"""Which networks and hosts follow from the answers of the EC2 API."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
import yaml

from rehearsal.hosts.errors import LocalHostsError
from rehearsal.hosts.fleet import Fleet, fleet

REPOSITORY = Path(__file__).resolve().parents[2]

VPC = {"VpcId": "vpc-1", "CidrBlock": "172.31.0.0/16"}
SUBNETS: list[dict[str, Any]] = [
    {
        "SubnetId": "subnet-b",
        "VpcId": "vpc-1",
        "CidrBlock": "172.31.16.0/20",
        "Tags": [{"Key": "Name", "Value": "BCSDLab-b"}],
    },
    {"SubnetId": "subnet-a", "VpcId": "vpc-1", "CidrBlock": "172.31.0.0/20"},
    {"SubnetId": "subnet-x", "VpcId": "vpc-2", "CidrBlock": "10.0.0.0/24"},
]


def instance(name: str, address: str, **changed: Any) -> dict[str, Any]:
    """An item of describe_instances."""
    return {
        "InstanceId": f"i-{address}",
        "VpcId": "vpc-1",
        "SubnetId": "subnet-a",
        "PrivateIpAddress": address,
        "Architecture": "x86_64",
        "State": {"Name": "running"},
        "Tags": [{"Key": "Role", "Value": "X"}, {"Key": "Name", "Value": name}],
    } | changed


def made(*instances: dict[str, Any], **user_data: str) -> Fleet:
    """The fleet of these instances."""
    return fleet(instances, SUBNETS, [{"VpcId": "vpc-2", "CidrBlock": "10.0.0.0/16"}, VPC], user_data)


def test_every_subnet_of_the_vpc_is_a_network_with_its_first_address_as_gateway() -> None:
    networks = made(instance("KOIN_PROD", "172.31.0.20")).networks
    assert [(item.subnet_id, item.name, str(item.cidr), str(item.gateway)) for item in networks] == [
        ("subnet-a", "", "172.31.0.0/20", "172.31.0.1"),
        ("subnet-b", "BCSDLab-b", "172.31.16.0/20", "172.31.16.1"),
    ]


def test_hosts_are_called_as_the_inventory_and_ec2_call_them() -> None:
    arm = instance("BCSDLAB_INTERNAL", "172.31.16.10", SubnetId="subnet-b", Architecture="arm64")
    second, first = reversed(made(arm, instance("BCSD_Build", "172.31.0.10")).hosts)
    assert (first.name, first.inventory_name, first.hostname) == ("BCSD_Build", "bcsd-build", "ip-172-31-0-10")
    assert (second.inventory_name, second.architecture, second.subnet_id) == ("bcsdlab-internal", "arm64", "subnet-b")


@pytest.mark.parametrize(
    ("state", "running"), [("running", [True, True]), ("stopped", [True, False]), ("terminated", [True])]
)
def test_a_stopped_instance_keeps_its_host_and_a_terminated_one_has_none(state: str, running: list[bool]) -> None:
    other = instance("B", "172.31.0.30", State={"Name": state})
    assert [host.running for host in made(instance("A", "172.31.0.20"), other).hosts] == running


def test_user_data_goes_to_its_instance() -> None:
    answer = fleet([instance("A", "172.31.0.20")], SUBNETS, [VPC], {"i-172.31.0.20": "#cloud-config\n", "i-2": "x"})
    assert [host.user_data for host in answer.hosts] == ["#cloud-config\n"]


@pytest.mark.parametrize(
    ("instances", "message"),
    [
        ([], "no running instance"),
        ([instance("A", "172.31.0.20", State={"Name": "stopped"})], "no running instance"),
        ([instance("A", "172.31.0.20", Tags=[])], r"i-172\.31\.0\.20 has no tag Name"),
        ([instance("A_B", "172.31.0.20"), instance("a-b", "172.31.0.21")], "same inventory name: a-b"),
        ([instance("A", "172.31.0.20"), instance("B", "172.31.0.20")], r"same address: 172\.31\.0\.20"),
        ([instance("A", "172.31.0.20"), instance("B", "10.0.0.4", VpcId="vpc-2")], "2 VPCs"),
    ],
)
def test_what_cannot_stand_here_is_named(instances: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(LocalHostsError, match=message):
        made(*instances)


def test_the_controller_stands_in_the_last_free_24() -> None:
    assert str(made(instance("A", "172.31.0.20")).controller) == "172.31.255.0/24"
    tail = {"SubnetId": "subnet-z", "VpcId": "vpc-1", "CidrBlock": "172.31.240.0/20"}
    taken = fleet([instance("A", "172.31.0.20")], [*SUBNETS, tail], [VPC], {})
    assert str(taken.controller) == "172.31.239.0/24"
    whole = {"SubnetId": "subnet-z", "VpcId": "vpc-1", "CidrBlock": "172.31.0.0/16"}
    with pytest.raises(LocalHostsError, match=r"no /24 of 172\.31\.0\.0/16"):
        _ = fleet([instance("A", "172.31.0.20")], [whole], [VPC], {}).controller


def test_the_inventory_and_the_security_group_know_the_controller() -> None:
    network = yaml.safe_load((REPOSITORY / "group_vars/all/aws_network.yml").read_text())
    subnets = [
        {"SubnetId": name, "VpcId": "vpc-1", "CidrBlock": entry["cidr"]}
        for name, entry in network["aws_network_subnets"].items()
    ]
    vpc = {"VpcId": "vpc-1", "CidrBlock": network["aws_network_vpcs"]["BCSDLab"]["cidr"]}
    controller = fleet([instance("A", "172.31.0.20")], subnets, [vpc], {}).controller
    inventory = yaml.safe_load((REPOSITORY / "inventories/rehearsal/hosts.yml").read_text())
    address = IPv4Address(inventory["aws_ec2"]["vars"]["rehearsal_controller"])
    assert address == controller.network_address + 1
    admins = inventory["all"]["hosts"]["localhost"]["aws_security_admin_cidrs"]
    assert any(address in IPv4Network(cidr) for cidr in admins)
