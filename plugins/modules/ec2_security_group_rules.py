"""Ansible module: the rules of an EC2 security group, added before others are removed."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from ansible.module_utils.platform.group_rules import difference
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry

with suppress(ImportError):  # AnsibleAWSModule reports it
    from botocore.exceptions import BotoCoreError, ClientError

DOCUMENTATION = r"""
---
module: ec2_security_group_rules
short_description: Set the rules of an EC2 security group
description:
  - Authorizes the rules that are missing, and only then revokes those that are not wanted. Whatever call fails, traffic
    that was allowed before and is wanted stays allowed.
  - Rules that stay are not touched, so they keep their descriptions and tags. C(amazon.aws.ec2_security_group) revokes
    first, and removes the descriptions of rules that stay.
options:
  group_id:
    description: Id of the group.
    type: str
    required: true
  ingress:
    description:
      - All inbound rules, each with one source, as boto3's C(IpPermissions).
      - Inbound rules are left alone when it is omitted.
    type: list
    elements: dict
  egress:
    description: The same for outbound rules.
    type: list
    elements: dict
notes:
  - Needs the IAM actions C(ec2:DescribeSecurityGroupRules), C(ec2:AuthorizeSecurityGroupIngress),
    C(ec2:AuthorizeSecurityGroupEgress), C(ec2:RevokeSecurityGroupIngress) and C(ec2:RevokeSecurityGroupEgress).
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author: BCSDLab
"""

EXAMPLES = r"""
- name: Allow HTTPS from anywhere, and nothing else
  ec2_security_group_rules:
    region: ap-northeast-2
    group_id: sg-0123456789abcdef0
    ingress:
      - IpProtocol: tcp
        FromPort: 443
        ToPort: 443
        IpRanges: [{CidrIp: 0.0.0.0/0}]
"""

RETURN = r"""
group_id:
  description: Id of the group.
  type: str
  returned: always
authorized:
  description: The permissions that were added, or would be in check mode, by direction.
  type: dict
  returned: always
revoked:
  description: The ids of the rules that were removed, or would be in check mode, by direction.
  type: dict
  returned: always
"""

#: the group may be some seconds old
_RETRY = {"retries": 8, "delay": 1, "max_delay": 20, "catch_extra_error_codes": ["InvalidGroup.NotFound"]}
#: seconds for which an answer may be older than a change, and between two looks
_SETTLE, _PAUSE = 30, 1
#: what AWS answers when a call that got no answer has been carried out
_DONE = ("InvalidPermission.Duplicate", "InvalidSecurityGroupRuleId.NotFound", "InvalidPermission.NotFound")


class Rules:
    """The rules of one group."""

    def __init__(self, module: AnsibleAWSModule, client: Any) -> None:
        self.module = module
        self.client = client
        self.group = module.params["group_id"]

    def live(self, direction: str) -> list[dict[str, Any]]:
        """The live rules of a direction."""
        try:
            pages = self.client.get_paginator("describe_security_group_rules").paginate(
                Filters=[{"Name": "group-id", "Values": [self.group]}]
            )
            found = [rule for page in pages for rule in page["SecurityGroupRules"]]
        except (BotoCoreError, ClientError) as error:
            self.module.fail_json_aws(error, msg=f"Cannot read the rules of {self.group}")
        return [rule for rule in found if rule["IsEgress"] is (direction == "egress")]

    def call(self, verb: str, direction: str, **arguments: Any) -> bool:
        """Add or remove rules; False when AWS says that some of it has been done already."""
        operation = f"{verb}_security_group_{direction}"
        try:
            getattr(self.client, operation)(GroupId=self.group, aws_retry=True, **arguments)
        except ClientError as error:
            if error.response["Error"]["Code"] in _DONE:
                return False
            self.module.fail_json_aws(error, msg=f"Cannot {verb} {direction} rules of {self.group}")
        except BotoCoreError as error:
            self.module.fail_json_aws(error, msg=f"Cannot {verb} {direction} rules of {self.group}")
        return True

    def add(self, direction: str, permissions: list[dict[str, Any]]) -> None:
        """Add rules. AWS adds all or none, so that one which is there already is in the way of the others."""
        if not self.call("authorize", direction, IpPermissions=permissions):
            for permission in permissions:
                self.call("authorize", direction, IpPermissions=[permission])

    def remove(self, direction: str, ids: list[str]) -> None:
        """Remove rules. AWS removes all or none, so that one which is gone already is in the way of the others."""
        if not self.call("revoke", direction, SecurityGroupRuleIds=ids):
            for one in ids:
                self.call("revoke", direction, SecurityGroupRuleIds=[one])

    def settled(self, direction: str, permissions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The live rules, once the answer has those that were added; it may come from a moment before."""
        until = time.monotonic() + _SETTLE
        while True:
            live = self.live(direction)
            if not difference(live, permissions)[0] or time.monotonic() > until:
                return live
            time.sleep(_PAUSE)


def apply(rules: Rules, wanted: dict[str, list[dict[str, Any]]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Add what is missing in every direction, then remove what is too much; returns both by direction."""
    authorized, revoked = {}, {}
    for direction, permissions in wanted.items():
        authorized[direction], _ = difference(rules.live(direction), permissions)
        if authorized[direction] and not rules.module.check_mode:
            rules.add(direction, authorized[direction])
    for direction, permissions in wanted.items():
        live = rules.live(direction) if rules.module.check_mode else rules.settled(direction, permissions)
        _, gone = difference(live, permissions)
        revoked[direction] = gone
        if gone and not rules.module.check_mode:
            rules.remove(direction, gone)
    return authorized, revoked


def main() -> None:
    """Module entry point."""
    module = AnsibleAWSModule(
        argument_spec={
            "group_id": {"type": "str", "required": True},
            "ingress": {"type": "list", "elements": "dict"},
            "egress": {"type": "list", "elements": "dict"},
        },
        supports_check_mode=True,
    )
    client = module.client("ec2", retry_decorator=AWSRetry.jittered_backoff(**_RETRY))
    wanted = {name: module.params[name] for name in ("ingress", "egress") if module.params[name] is not None}
    authorized, revoked = apply(Rules(module, client), wanted)
    changed = any(authorized.values()) or any(revoked.values())
    module.exit_json(changed=changed, group_id=module.params["group_id"], authorized=authorized, revoked=revoked)


if __name__ == "__main__":
    main()
