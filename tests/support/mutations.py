"""Random changes of groups, network ACLs, routes and addresses of an account, by seed.

ACLs get no rule that parts the ports that clients connect from: whether an answer passes would be a matter of luck.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import ClientError

#: of rules; a client's port is 1024 or above
_CIDRS = (
    "0.0.0.0/0",
    "172.31.0.0/16",
    "172.31.0.0/20",
    "172.31.32.0/20",
    "11.0.0.0/8",
    "172.31.0.20/32",
    "11.0.0.7/32",
)
_LOW = ((0, 1023), (80, 80), (443, 443), (22, 443))


class Mutations:
    """Changes of one account, in the order of a seed."""

    def __init__(self, ec2: Any, seed: int, ports: Sequence[int]) -> None:
        self._ec2 = ec2
        self._random = random.Random(seed)
        self._ports = ports
        self._vpc = next(iter(self._instances()))["VpcId"]
        self._owners = {item["PublicIp"]: item.get("InstanceId") for item in ec2.describe_addresses()["Addresses"]}

    def __call__(self) -> str:
        """Change something; what it was."""
        kinds: tuple[Callable[[], str], ...] = (
            self._group_more,
            self._group_more,
            self._group_less,
            self._acl_entry,
            self._acl_entry,
            self._acl_less,
            self._membership,
            self._route,
            self._address,
        )
        while True:
            try:
                return self._random.choice(kinds)()
            except ClientError as error:
                # Twice the same rule, say; another change instead.
                if error.response["Error"]["Code"] not in ("InvalidPermission.Duplicate", "RouteAlreadyExists"):
                    raise

    def _of_vpc(self, operation: str, key: str) -> list[dict[str, Any]]:
        answer = getattr(self._ec2, operation)(Filters=[{"Name": "vpc-id", "Values": [self._vpc]}])
        return sorted(
            answer[key], key=lambda item: str(next(value for name, value in item.items() if name.endswith("Id")))
        )

    def _instances(self) -> list[dict[str, Any]]:
        found = [item for group in self._ec2.describe_instances()["Reservations"] for item in group["Instances"]]
        return sorted(found, key=lambda item: str(item["PrivateIpAddress"]))

    def _groups(self) -> list[dict[str, Any]]:
        used = {group["GroupId"] for instance in self._instances() for group in instance["SecurityGroups"]}
        groups = self._ec2.describe_security_groups(GroupIds=sorted(used))["SecurityGroups"]
        return sorted(groups, key=lambda group: str(group["GroupName"]))

    def _direction(self) -> str:
        return self._random.choice(("ingress", "ingress", "egress"))

    def _permission(self) -> dict[str, Any]:
        protocol = self._random.choice(("tcp", "tcp", "udp", "icmp", "50", "-1"))
        found: dict[str, Any] = {"IpProtocol": protocol}
        if protocol in ("tcp", "udp"):
            first, last = sorted(self._random.sample(list(self._ports), 2))
            found |= {"FromPort": first, "ToPort": self._random.choice((first, last))}
        elif protocol == "icmp":
            found |= {"FromPort": self._random.choice((-1, 8, 3)), "ToPort": -1}
        if self._random.random() < 0.5:
            return found | {"UserIdGroupPairs": [{"GroupId": self._random.choice(self._groups())["GroupId"]}]}
        return found | {"IpRanges": [{"CidrIp": self._random.choice(_CIDRS)}]}

    def _group_more(self) -> str:
        group, direction, permission = self._random.choice(self._groups()), self._direction(), self._permission()
        call = getattr(self._ec2, f"authorize_security_group_{direction}")
        call(GroupId=group["GroupId"], IpPermissions=[permission])
        return f"{group['GroupName']} {direction} + {permission}"

    def _group_less(self) -> str:
        direction = self._direction()
        part = "IpPermissions" if direction == "ingress" else "IpPermissionsEgress"
        group = self._random.choice([group for group in self._groups() if group[part]] or self._groups())
        if not group[part]:
            return "nothing"
        permission = {key: value for key, value in self._random.choice(group[part]).items() if value != []}
        getattr(self._ec2, f"revoke_security_group_{direction}")(GroupId=group["GroupId"], IpPermissions=[permission])
        return f"{group['GroupName']} {direction} - {permission}"

    def _acl(self) -> dict[str, Any]:
        used = [acl for acl in self._of_vpc("describe_network_acls", "NetworkAcls") if acl["Associations"]]
        return self._random.choice(used)

    def _acl_entry(self) -> str:
        acl, number, egress = self._acl(), self._random.randint(1, 400), self._random.random() < 0.5
        if any(entry["RuleNumber"] == number and entry["Egress"] == egress for entry in acl["Entries"]):
            return "nothing"
        protocol = self._random.choice(("6", "6", "17", "-1", "50", "1"))
        entry: dict[str, Any] = {
            "RuleNumber": number,
            "Egress": egress,
            "RuleAction": self._random.choice(("deny", "deny", "allow")),
            "Protocol": protocol,
            "CidrBlock": self._random.choice(_CIDRS),
        }
        if protocol in ("6", "17"):
            choices = [*_LOW, (0, 65535), (1024, 65535), *([] if egress else [(port, port) for port in self._ports])]
            entry["PortRange"] = dict(zip(("From", "To"), self._random.choice(choices), strict=True))
        elif protocol == "1":
            entry["IcmpTypeCode"] = {"Type": self._random.choice((-1, 8, 0)), "Code": -1}
        self._ec2.create_network_acl_entry(NetworkAclId=acl["NetworkAclId"], **entry)
        return f"ACL + {entry}"

    def _acl_less(self) -> str:
        acl = self._acl()
        entries = [entry for entry in acl["Entries"] if entry["RuleNumber"] < 32767]
        if not entries:
            return "nothing"
        entry = self._random.choice(entries)
        where = {"NetworkAclId": acl["NetworkAclId"], "RuleNumber": entry["RuleNumber"], "Egress": entry["Egress"]}
        self._ec2.delete_network_acl_entry(**where)
        return f"ACL - {where}"

    def _membership(self) -> str:
        instance = self._random.choice(self._instances())
        known = [group["GroupId"] for group in self._groups()]
        chosen = sorted(self._random.sample(known, self._random.randint(1, min(3, len(known)))))
        self._ec2.modify_instance_attribute(InstanceId=instance["InstanceId"], Groups=chosen)
        return f"{instance['PrivateIpAddress']} in {chosen}"

    def _route(self) -> str:
        tables = self._of_vpc("describe_route_tables", "RouteTables")
        table = self._random.choice(tables)
        where = {"RouteTableId": table["RouteTableId"]}
        targets = {route.get("DestinationCidrBlock"): route.get("GatewayId") for route in table["Routes"]}
        cidr = self._random.choice(("0.0.0.0/0", "11.0.0.0/8", "11.0.0.0/16"))
        if cidr in targets:
            self._ec2.delete_route(**where, DestinationCidrBlock=cidr)
            return f"route - {cidr}"
        gateway = self._of_gateway()
        self._ec2.create_route(**where, DestinationCidrBlock=cidr, GatewayId=gateway)
        return f"route + {cidr}"

    def _of_gateway(self) -> str:
        filters = [{"Name": "attachment.vpc-id", "Values": [self._vpc]}]
        return str(self._ec2.describe_internet_gateways(Filters=filters)["InternetGateways"][0]["InternetGatewayId"])

    def _address(self) -> str:
        item = self._random.choice(sorted(self._ec2.describe_addresses()["Addresses"], key=lambda one: one["PublicIp"]))
        if item.get("AssociationId"):
            self._ec2.disassociate_address(AssociationId=item["AssociationId"])
            return f"{item['PublicIp']} of nobody"
        # Its own again: the planner refuses one address for two declared hosts.
        self._ec2.associate_address(AllocationId=item["AllocationId"], InstanceId=self._owners[item["PublicIp"]])
        return f"{item['PublicIp']} of its host"
