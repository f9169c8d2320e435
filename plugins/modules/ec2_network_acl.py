"""Ansible module: a network ACL, changed so that no moment is worse than before and after."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from ansible.module_utils.platform.acl_steps import LAST, Entry, parse, steps, written
from ansible.module_utils.platform.ec2_part import Ec2Part
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

DOCUMENTATION = r"""
---
module: ec2_network_acl
short_description: Create a network ACL, or change its entries and subnets
description:
  - Changes entries in an order in which whatever is allowed before and after stays allowed after every call, and
    whatever is denied before and after stays denied. An entry whose number stays is replaced in one call.
  - A subnet moves from another ACL in one call, after the entries are there.
  - Subnets that are not named keep their ACL. C(amazon.aws.ec2_vpc_nacl) deletes entries before it creates others, and
    takes away every subnet that it is not told to keep.
options:
  vpc_id:
    description: Id of the VPC.
    type: str
    required: true
  network_acl_id:
    description: Id of the ACL; a new one is created when it is omitted.
    type: str
  tags:
    description: Tags of a new ACL. Those of an existing one are left alone.
    type: dict
    default: {}
  ingress:
    description:
      - All inbound entries, as boto3's C(create_network_acl_entry) takes them, without the last one, which AWS adds.
      - Inbound entries are left alone when it is omitted.
    type: list
    elements: dict
  egress:
    description: The same for outbound entries.
    type: list
    elements: dict
  subnets:
    description: Ids of subnets that use the ACL, in addition to those that do already.
    type: list
    elements: str
    default: []
notes:
  - Needs the IAM actions C(ec2:DescribeNetworkAcls), C(ec2:CreateNetworkAcl), C(ec2:CreateNetworkAclEntry),
    C(ec2:ReplaceNetworkAclEntry), C(ec2:DeleteNetworkAclEntry), C(ec2:ReplaceNetworkAclAssociation) and, for a new ACL
    with tags, C(ec2:CreateTags).
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author: BCSDLab
"""

EXAMPLES = r"""
- name: Let everything in but one range
  ec2_network_acl:
    region: ap-northeast-2
    vpc_id: vpc-0123456789abcdef0
    network_acl_id: acl-0123456789abcdef0
    ingress:
      - {RuleNumber: 90, Protocol: "-1", RuleAction: deny, CidrBlock: 203.0.113.0/24}
      - {RuleNumber: 100, Protocol: "-1", RuleAction: allow, CidrBlock: 0.0.0.0/0}
"""

RETURN = r"""
network_acl_id:
  description: Id of the ACL; empty in check mode when it would be created.
  type: str
  returned: always
steps:
  description: The calls that were made for entries, or would be in check mode, in order.
  type: list
  elements: str
  returned: always
moved:
  description: The ids of the subnets that moved here, or would in check mode.
  type: list
  elements: str
  returned: always
"""

#: seconds for which an answer may be older than a change, and between two looks
_SETTLE, _PAUSE = 30, 1
#: what was created a moment ago may not be known everywhere
_NOT_FOUND = ("InvalidNetworkAclID.NotFound", "InvalidSubnetID.NotFound")


class Acl(Ec2Part):
    """The calls about one ACL."""

    def entries(self, egress: bool) -> list[Entry]:
        """The live entries of a direction."""
        if not self.id:
            return []
        raw = self.call("describe_network_acls", NetworkAclIds=[self.id])["NetworkAcls"][0]["Entries"]
        return [parse(item) for item in raw if item["Egress"] is egress and item["RuleNumber"] < LAST]

    def change(self, egress: bool, wanted: Iterable[dict[str, Any]]) -> list[str]:
        """Bring the entries of a direction to what is wanted."""
        done = []
        for action, entry in steps(self.entries(egress), [parse(raw) for raw in wanted]):
            done.append(f"{action} {'egress' if egress else 'ingress'} {entry.number}")
            if not self.module.check_mode:
                arguments = {"RuleNumber": entry.number} if action == "delete" else written(entry)
                self.call(f"{action}_network_acl_entry", NetworkAclId=self.id, Egress=egress, **arguments)
        return done

    def associations(self, subnets: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The associations of subnets as they are now; another call may have moved one since the plan."""
        wanted = set(subnets)
        filters = [{"Name": "vpc-id", "Values": [self.module.params["vpc_id"]]}]
        found = self.call("describe_network_acls", Filters=filters)["NetworkAcls"]
        return {item["SubnetId"]: item for acl in found for item in acl["Associations"] if item["SubnetId"] in wanted}

    def take(self, subnets: Iterable[str]) -> list[str]:
        """Move subnets here from whatever ACL they have."""
        wanted = set(subnets)
        if not wanted:
            return []
        there = self.associations(wanted)
        until = time.monotonic() + _SETTLE
        # A subnet gets its first ACL when it is created, which is seen a little later.
        while wanted - set(there) and time.monotonic() < until and not self.module.check_mode:
            time.sleep(_PAUSE)
            there = self.associations(wanted)
        moved = []
        for subnet in sorted(wanted):
            if subnet in there and there[subnet]["NetworkAclId"] == self.id:
                continue
            moved.append(subnet)
            if not self.module.check_mode:
                if subnet not in there:
                    self.module.fail_json(msg=f"EC2 names no network ACL of {subnet}; run the playbook again")
                association = there[subnet]["NetworkAclAssociationId"]
                self.call("replace_network_acl_association", AssociationId=association, NetworkAclId=self.id)
        return moved


def main() -> None:
    """Module entry point."""
    module = AnsibleAWSModule(
        argument_spec={
            "vpc_id": {"type": "str", "required": True},
            "network_acl_id": {"type": "str"},
            "tags": {"type": "dict", "default": {}},
            "ingress": {"type": "list", "elements": "dict"},
            "egress": {"type": "list", "elements": "dict"},
            "subnets": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    acl = Acl(module, "network-acl", module.params["network_acl_id"] or "", _NOT_FOUND)
    created = not acl.id
    if created and not module.check_mode:
        acl.create("NetworkAcl")
    done = []
    for direction, egress in (("ingress", False), ("egress", True)):
        if module.params[direction] is not None:
            done += acl.change(egress, module.params[direction])
    # Last: until then the subnets keep what they have.
    moved = acl.take(module.params["subnets"])
    module.exit_json(changed=bool(created or done or moved), network_acl_id=acl.id, steps=done, moved=moved)


if __name__ == "__main__":
    main()
