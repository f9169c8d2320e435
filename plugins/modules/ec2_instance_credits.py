"""Ansible module: the CPU credit option of a burstable EC2 instance."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry

with suppress(ImportError):  # AnsibleAWSModule reports it
    from botocore.exceptions import BotoCoreError, ClientError

DOCUMENTATION = r"""
---
module: ec2_instance_credits
short_description: Set the CPU credit option of a burstable EC2 instance
description:
  - Switches a burstable instance (T2, T3, T3a, T4g) between the V(standard) and the V(unlimited) credit option, in
    place and without a restart. T3, T3a and T4g launch as V(unlimited), and surplus credits are billed.
  - C(amazon.aws.ec2_instance) sets the option at launch only.
options:
  instance_id:
    description: Id of the instance.
    type: str
    required: true
  cpu_credits:
    description:
      - V(standard) holds the CPU at its baseline once the earned credits are spent.
      - V(unlimited) goes on and bills the surplus per vCPU-hour.
    type: str
    choices: [standard, unlimited]
    required: true
notes:
  - Needs the IAM actions C(ec2:DescribeInstanceCreditSpecifications) and C(ec2:ModifyInstanceCreditSpecification).
  - EC2 changes the option of running and stopped instances only.
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author: BCSDLab
"""

EXAMPLES = r"""
- name: Never pay for surplus CPU credits
  ec2_instance_credits:
    region: ap-northeast-2
    instance_id: i-0123456789abcdef0
    cpu_credits: standard
"""

RETURN = r"""
instance_id:
  description: Id of the instance.
  type: str
  returned: always
cpu_credits:
  description: The credit option that it has, or would have in check mode.
  type: str
  returned: always
  sample: standard
diff:
  description: What was changed, or would be in check mode.
  type: dict
  returned: always
  contains:
    before:
      description: The option before.
      type: dict
      sample: {cpu_credits: unlimited}
    after:
      description: The option after.
      type: dict
      sample: {cpu_credits: standard}
"""


def current(module: AnsibleAWSModule, client: Any, instance_id: str) -> str:
    """The credit option that the instance has."""
    where = f"the CPU credit option of {instance_id} in {module.region}"
    try:
        answer = client.describe_instance_credit_specifications(InstanceIds=[instance_id], aws_retry=True)
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(
            error,
            msg=f"Cannot read {where}; check that the instance exists, is burstable (T2, T3, T3a, T4g), and that "
            "ec2:DescribeInstanceCreditSpecifications is allowed",
        )
    options = {item["InstanceId"]: item["CpuCredits"] for item in answer["InstanceCreditSpecifications"]}
    if instance_id not in options:
        module.fail_json(msg=f"EC2 names no {where}; only burstable instances (T2, T3, T3a, T4g) have one")
    return options[instance_id]


def modify(module: AnsibleAWSModule, client: Any, instance_id: str, cpu_credits: str) -> None:
    """Set the credit option. EC2 reports a refusal inside a successful answer."""
    where = f"the CPU credit option of {instance_id} in {module.region} to {cpu_credits}"
    try:
        answer = client.modify_instance_credit_specification(
            InstanceCreditSpecifications=[{"InstanceId": instance_id, "CpuCredits": cpu_credits}], aws_retry=True
        )
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Cannot set {where}; check ec2:ModifyInstanceCreditSpecification")
    for refused in answer.get("UnsuccessfulInstanceCreditSpecifications") or []:
        reason = refused.get("Error") or {}
        module.fail_json(
            msg=f"EC2 refused to set {where}: {reason.get('Code', 'no code')}: {reason.get('Message', 'no message')}; "
            "the instance must be burstable, and running or stopped"
        )


def main() -> None:
    """Module entry point."""
    module = AnsibleAWSModule(
        argument_spec={
            "instance_id": {"type": "str", "required": True},
            "cpu_credits": {"type": "str", "choices": ["standard", "unlimited"], "required": True},
        },
        supports_check_mode=True,
    )
    instance_id, wanted = module.params["instance_id"], module.params["cpu_credits"]
    client = module.client("ec2", retry_decorator=AWSRetry.jittered_backoff(retries=8, delay=1, max_delay=20))
    live = current(module, client, instance_id)
    changed = live != wanted
    if changed and not module.check_mode:
        modify(module, client, instance_id, wanted)
    module.exit_json(
        changed=changed,
        instance_id=instance_id,
        cpu_credits=wanted,
        diff={"before": {"cpu_credits": live}, "after": {"cpu_credits": wanted}},
    )


if __name__ == "__main__":
    main()
