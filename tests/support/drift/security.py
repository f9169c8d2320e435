"""Security groups, changed and deleted behind the platform's back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .model import Account, Drift, tags


def _everywhere(port: int) -> list[dict[str, Any]]:
    return [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]


def _close_overlay(a: Account) -> None:
    group = a.id("security_group", "DockerSwarm")
    pair = [{"GroupId": group}]
    rule = {"IpProtocol": "udp", "FromPort": 4789, "ToPort": 4789, "UserIdGroupPairs": pair}
    a.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule])


#: one for each field that is declared
DRIFTS = [
    Drift("security_group", "DockerSwarm", "ingress", _close_overlay),
    Drift(
        "security_group",
        "DB",
        "ingress",
        lambda a: a.ec2.authorize_security_group_ingress(
            GroupId=a.id("security_group", "DB"), IpPermissions=_everywhere(3306)
        ),
    ),
    Drift(
        "security_group",
        "Web",
        "egress",
        lambda a: a.ec2.revoke_security_group_egress(
            GroupId=a.id("security_group", "Web"),
            IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
        ),
    ),
    *tags("security_group", "SSH", "Name", "Platform"),
]


def _delete_group(a: Account) -> None:
    a.ec2.modify_instance_attribute(InstanceId=a.id("instance", "KOIN_DB"), Groups=[a.id("security_group", "SSH")])
    a.ec2.delete_security_group(GroupId=a.id("security_group", "DB"))


#: kind and name -> how to delete it
DELETIONS: dict[tuple[str, str], Callable[[Account], object]] = {
    ("security_group", "DB"): _delete_group,
}
