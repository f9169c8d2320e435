"""Ansible module: a route table, its routes and its subnets, without a moment on another table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from ansible.module_utils.platform.ec2_part import Ec2Part
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

with suppress(ImportError):  # AnsibleAWSModule reports it
    from botocore.exceptions import BotoCoreError, ClientError

DOCUMENTATION = r"""
---
module: ec2_route_table
short_description: Create a route table, or change its routes and subnets
description:
  - Sets the given routes first, each in one call, and then moves the subnets, each in one call. A subnet is never
    without its routes, nor on the main table on its way from one table to another.
  - Routes, subnets, propagation and tags that are not given are left alone. C(amazon.aws.ec2_vpc_route_table) only
    removes a subnet from the table that it had, so that it has to run twice.
options:
  vpc_id:
    description: Id of the VPC.
    type: str
    required: true
  route_table_id:
    description: Id of the table; a new one is created when it is omitted.
    type: str
  tags:
    description: Tags of a new table. Those of an existing one are left alone.
    type: dict
    default: {}
  routes:
    description: Ids of internet gateways by destination, an IPv4 range.
    type: dict
    default: {}
  subnets:
    description:
      - Ids of subnets that use the table, in addition to those that do already.
      - A subnet that uses the main table because it has no other needs no association with it, and gets none.
    type: list
    elements: str
    default: []
notes:
  - Needs the IAM actions C(ec2:DescribeRouteTables), C(ec2:CreateRouteTable), C(ec2:CreateRoute), C(ec2:ReplaceRoute),
    C(ec2:AssociateRouteTable), C(ec2:ReplaceRouteTableAssociation) and, for a new table with tags, C(ec2:CreateTags).
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author: BCSDLab
"""

EXAMPLES = r"""
- name: Let a subnet use a table with a route to the internet
  ec2_route_table:
    region: ap-northeast-2
    vpc_id: vpc-0123456789abcdef0
    tags: {Name: public}
    routes: {0.0.0.0/0: igw-0123456789abcdef0}
    subnets: [subnet-0123456789abcdef0]
"""

RETURN = r"""
route_table_id:
  description: Id of the table; empty in check mode when it would be created.
  type: str
  returned: always
routes:
  description: The destinations whose route was written, or would be in check mode.
  type: list
  elements: str
  returned: always
moved:
  description: The ids of the subnets that moved here, or would in check mode.
  type: list
  elements: str
  returned: always
"""

#: what was created a moment ago may not be known everywhere
_NOT_FOUND = (
    "InvalidRouteTableID.NotFound",
    "InvalidSubnetID.NotFound",
    "InvalidGatewayID.NotFound",
    "InvalidInternetGatewayID.NotFound",
)


class Table(Ec2Part):
    """The calls about one route table."""

    def all(self) -> list[dict[str, Any]]:
        """The tables of the VPC."""
        filters = [{"Name": "vpc-id", "Values": [self.module.params["vpc_id"]]}]
        found: list[dict[str, Any]] = []
        try:
            for page in self.client.get_paginator("describe_route_tables").paginate(Filters=filters):
                found += page["RouteTables"]
        except (BotoCoreError, ClientError) as error:
            self.module.fail_json_aws(error, msg="DescribeRouteTables failed")
        return found

    def route(self, live: Iterable[Mapping[str, Any]], wanted: Mapping[str, str]) -> list[str]:
        """Set the routes that differ, each in one call."""
        there = {route.get("DestinationCidrBlock"): route for route in live}
        done = []
        for destination, gateway in wanted.items():
            route = there.get(destination)
            if route and route.get("GatewayId") == gateway and route.get("State") != "blackhole":
                continue
            done.append(destination)
            if not self.module.check_mode:
                # What a VPN gateway propagates is no route of the table: one of the table's own goes before it.
                own = route and route.get("Origin") != "EnableVgwRoutePropagation"
                operation = "replace_route" if own else "create_route"
                self.call(operation, RouteTableId=self.id, DestinationCidrBlock=destination, GatewayId=gateway)
        return done

    def take(self, tables: Iterable[Mapping[str, Any]], subnets: Iterable[str]) -> list[str]:
        """Move subnets here from whatever table they use."""
        associations = [item for table in tables for item in table.get("Associations", [])]
        main = any(item.get("Main") and item["RouteTableId"] == self.id for item in associations)
        own = {item["SubnetId"]: item for item in associations if item.get("SubnetId")}
        moved = []
        for subnet in subnets:
            current = own.get(subnet)
            if (main and not current) or (current and current["RouteTableId"] == self.id):
                continue
            moved.append(subnet)
            if self.module.check_mode:
                continue
            if current:
                association = current["RouteTableAssociationId"]
                self.call("replace_route_table_association", AssociationId=association, RouteTableId=self.id)
            else:
                self.call("associate_route_table", RouteTableId=self.id, SubnetId=subnet)
        return moved


def main() -> None:
    """Module entry point."""
    module = AnsibleAWSModule(
        argument_spec={
            "vpc_id": {"type": "str", "required": True},
            "route_table_id": {"type": "str"},
            "tags": {"type": "dict", "default": {}},
            "routes": {"type": "dict", "default": {}},
            "subnets": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    table = Table(module, "route-table", module.params["route_table_id"] or "", _NOT_FOUND)
    created = not table.id
    if created and not module.check_mode:
        table.create("RouteTable")
    tables = table.all()
    live = [route for item in tables if item["RouteTableId"] == table.id for route in item["Routes"]]
    # Routes first: no subnet comes to a table that lacks them.
    routes = table.route(live, module.params["routes"])
    moved = table.take(tables, module.params["subnets"])
    module.exit_json(changed=bool(created or routes or moved), route_table_id=table.id, routes=routes, moved=moved)


if __name__ == "__main__":
    main()
