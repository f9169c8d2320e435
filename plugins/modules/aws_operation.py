"""Ansible module: one AWS API operation with exactly the given parameters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ansible.module_utils.platform.endpoint import forget_empty, keep_host
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry

with suppress(ImportError):  # AnsibleAWSModule reports it
    from botocore.exceptions import BotoCoreError, ClientError

DOCUMENTATION = r"""
---
module: aws_operation
short_description: Call one AWS API operation
description:
  - Calls one operation with exactly the parameters given, and nothing else. For resources whose difference the plan
    has already computed and for which the collections have no module, or only one that resets undeclared settings.
  - It does not compare anything. Whether the call is needed is the plan's decision, so a run is always C(changed).
options:
  service:
    description: Name of the service in boto3, such as C(cloudtrail).
    type: str
    required: true
  operation:
    description: Name of the operation in boto3, such as C(update_trail).
    type: str
    required: true
  parameters:
    description: Parameters of the operation, as in boto3.
    type: dict
    default: {}
  etag_from:
    description:
      - Operation that returns the C(ETag) to send as C(IfMatch), such as C(get_origin_access_control). CloudFront
        requires it for every update.
      - It is called with the parameter C(Id) of O(parameters).
    type: str
notes:
  - Needs the IAM action of the operation, and that of O(etag_from).
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author: BCSDLab
"""

EXAMPLES = r"""
- name: Encrypt new volumes by default
  aws_operation:
    region: ap-northeast-2
    service: ec2
    operation: enable_ebs_encryption_by_default
"""

RETURN = r"""
answer:
  description: What the operation answered, as boto3 returns it.
  type: dict
  returned: unless in check mode
diff:
  description: The call that is made, or would be in check mode.
  type: dict
  returned: always
  contains:
    before:
      description: Empty.
      type: dict
    after:
      description: The parameters under the name of the operation.
      type: dict
"""


def refusals(answer: dict[str, Any]) -> Iterator[str]:
    """Refusals inside a successful answer: EC2 lists them as ``Unsuccessful`` items."""
    for item in answer.get("Unsuccessful") or []:
        reason = item.get("Error") or {}
        yield f"{reason.get('Code', 'no code')}: {reason.get('Message', 'no message')}"


def main() -> None:
    """Module entry point."""
    forget_empty()
    module = AnsibleAWSModule(
        argument_spec={
            "service": {"type": "str", "required": True},
            "operation": {"type": "str", "required": True},
            "parameters": {"type": "dict", "default": {}},
            "etag_from": {"type": "str"},
        },
        supports_check_mode=True,
    )
    service, operation = module.params["service"], module.params["operation"]
    parameters, etag_from = dict(module.params["parameters"]), module.params["etag_from"]
    client = module.client(service, retry_decorator=AWSRetry.jittered_backoff(retries=8, delay=1, max_delay=20))
    keep_host(client)
    known = client.meta.method_to_api_mapping
    for name in (operation, *([etag_from] if etag_from else [])):
        if name not in known:
            module.fail_json(msg=f"{service} has no operation {name}; boto3 spells operations as {sorted(known)[0]}")
    diff = {"before": {}, "after": {operation: dict(parameters)}}
    if module.check_mode:
        module.exit_json(changed=True, diff=diff)
    try:
        if etag_from:
            parameters["IfMatch"] = getattr(client, etag_from)(Id=parameters["Id"], aws_retry=True)["ETag"]
        answer = getattr(client, operation)(**parameters, aws_retry=True)
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"{service} {known[operation]} failed")
    answer.pop("ResponseMetadata", None)
    for refusal in refusals(answer):
        module.fail_json(msg=f"{service} {known[operation]} refused: {refusal}")
    module.exit_json(changed=True, answer=answer, diff=diff)


if __name__ == "__main__":
    main()
