"""Ansible module: the IAM instance profile of an EC2 instance, running or stopped."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry

with suppress(ImportError):  # AnsibleAWSModule reports it
    from botocore.exceptions import BotoCoreError, ClientError

DOCUMENTATION = r"""
---
module: ec2_instance_profile
short_description: Give an EC2 instance another IAM instance profile
description:
  - Replaces the profile of a running instance in one call, so that its programs are never without rights.
  - EC2 replaces profiles of running instances only. From a stopped one the old profile is removed first.
  - Waits until EC2 knows the profile, which takes some seconds after IAM has created it, and until the instance is
    neither starting nor stopping. Whatever else EC2 refuses is reported at once.
options:
  instance_id:
    description: Id of the instance.
    type: str
    required: true
  instance_profile:
    description: Name of the instance profile.
    type: str
    required: true
  wait_seconds:
    description: How long to wait for EC2 to know the profile.
    type: int
    default: 120
notes:
  - Needs the IAM actions C(ec2:DescribeInstances), C(ec2:DescribeIamInstanceProfileAssociations),
    C(ec2:AssociateIamInstanceProfile), C(ec2:ReplaceIamInstanceProfileAssociation),
    C(ec2:DisassociateIamInstanceProfile) and C(iam:PassRole).
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author: BCSDLab
"""

EXAMPLES = r"""
- name: Use another profile
  ec2_instance_profile:
    region: ap-northeast-2
    instance_id: i-0123456789abcdef0
    instance_profile: koin-prod
"""

RETURN = r"""
instance_id:
  description: Id of the instance.
  type: str
  returned: always
instance_profile:
  description: Name of the profile that it has, or would have in check mode.
  type: str
  returned: always
"""

#: seconds between two attempts
_PAUSE = 2
#: states in which an association cannot be changed, which do not last
_PASSING = ("pending", "stopping")


def unknown_profile(code: str, message: str) -> bool:
    """Whether EC2 refuses a profile because it does not know it (yet)."""
    return code == "InvalidParameterValue" and "instanceprofile" in message.lower().replace(" ", "")


class Profile:
    """The association of one instance."""

    def __init__(self, module: AnsibleAWSModule, client: Any) -> None:
        self.module = module
        self.client = client
        self.instance = module.params["instance_id"]

    def state(self) -> str:
        """The instance's state."""
        answer = self.client.describe_instances(InstanceIds=[self.instance], aws_retry=True)
        return str(answer["Reservations"][0]["Instances"][0]["State"]["Name"])

    def current(self) -> dict[str, Any] | None:
        """The association that is in force."""
        filters = [
            {"Name": "instance-id", "Values": [self.instance]},
            {"Name": "state", "Values": ["associating", "associated"]},
        ]
        answer = self.client.describe_iam_instance_profile_associations(Filters=filters, aws_retry=True)
        found: list[dict[str, Any]] = answer["IamInstanceProfileAssociations"]
        return found[0] if found else None

    def set(self, name: str) -> bool:
        """Associate the profile; False when the instance has it already."""
        current, wanted = self.current(), {"Name": name}
        if current and current["IamInstanceProfile"]["Arn"].rsplit("/", 1)[-1] == name:
            return False
        if self.module.check_mode:
            return True
        running = self.state() == "running"
        if current and running:
            self.client.replace_iam_instance_profile_association(
                AssociationId=current["AssociationId"], IamInstanceProfile=wanted, aws_retry=True
            )
            return True
        if current:
            self.client.disassociate_iam_instance_profile(AssociationId=current["AssociationId"], aws_retry=True)
        self.client.associate_iam_instance_profile(InstanceId=self.instance, IamInstanceProfile=wanted, aws_retry=True)
        return True


def main() -> None:
    """Module entry point."""
    module = AnsibleAWSModule(
        argument_spec={
            "instance_id": {"type": "str", "required": True},
            "instance_profile": {"type": "str", "required": True},
            "wait_seconds": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    profile = Profile(module, module.client("ec2", retry_decorator=AWSRetry.jittered_backoff(retries=8, delay=1)))
    name, until = module.params["instance_profile"], time.monotonic() + module.params["wait_seconds"]
    changed = None
    while changed is None:
        try:
            while profile.state() in _PASSING and time.monotonic() < until:
                time.sleep(_PAUSE)
            changed = profile.set(name)
        except ClientError as error:
            reason = error.response["Error"]
            # A former association of a stopped host takes a moment to go.
            passes = reason["Code"] == "IncorrectState" or unknown_profile(reason["Code"], reason["Message"])
            if not passes or time.monotonic() >= until:
                module.fail_json_aws(error, msg=f"Cannot give {profile.instance} the instance profile {name}")
            time.sleep(_PAUSE)
        except BotoCoreError as error:
            module.fail_json_aws(error, msg=f"Cannot give {profile.instance} the instance profile {name}")
    module.exit_json(changed=changed, instance_id=profile.instance, instance_profile=name)


if __name__ == "__main__":
    main()
