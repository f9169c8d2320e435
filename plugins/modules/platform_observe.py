"""Ansible module: one read-only snapshot of the account."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: platform_observe
short_description: Take one read-only snapshot of an AWS account
description:
  - Reads networks, security groups, instances, elastic IPs, buckets, zones and records, certificates, distributions,
    roles, topics and alarms with parallel boto3 calls; every list is read to its last page, throttled calls are
    repeated (adaptive mode).
  - Details that take a call for each resource (a bucket's settings, a zone's records) are read for the names given.
  - Writes nothing.
  - C(platform_plan) takes the same snapshot by itself; this module is for reports and for looking at one.
options:
  region:
    description: Region of everything regional.
    type: str
    required: true
  profile:
    description: Profile of the AWS configuration; what is not given is taken from the process's environment.
    type: str
  endpoint_url:
    description: Where AWS answers, for a local one.
    type: str
  buckets:
    description: Buckets whose settings are read.
    type: list
    elements: str
    default: []
  zones:
    description: Hosted zones whose records are read.
    type: list
    elements: str
    default: []
author: BCSDLab
"""

EXAMPLES = r"""
- name: Look at the account
  platform_observe:
    region: ap-northeast-2
    zones: [koreatech.in]
  register: account
"""

RETURN = r"""
account:
  description: The account's number.
  returned: success
  type: str
  sample: "123456789012"
observation:
  description: AWS's answers by subject, as C(instances), C(security_groups), C(records).
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from ansible.module_utils.platform.observe import account, observe
    from ansible.module_utils.platform.session import Clients
except ImportError as error:
    MISSING: ImportError | None = error
else:
    MISSING = None

from ansible.module_utils.platform.errors import PlatformError
from ansible.module_utils.platform.scope import Scope


def main() -> None:
    """Read the account and print it."""
    module = AnsibleModule(
        argument_spec={
            "region": {"type": "str", "required": True},
            "profile": {"type": "str"},
            "endpoint_url": {"type": "str"},
            "buckets": {"type": "list", "elements": "str", "default": []},
            "zones": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(msg=missing_required_lib("boto3"))
    wanted = module.params
    scope = Scope(buckets=dict.fromkeys(wanted["buckets"], ()), zones=frozenset(wanted["zones"]))
    try:
        environment = {"AWS_PROFILE": wanted["profile"] or "", "AWS_ENDPOINT_URL": wanted["endpoint_url"] or ""}
        clients = Clients(wanted["region"], environment)
        number, observation = account(clients), observe(clients, scope)
    except PlatformError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, account=number, observation=observation)


if __name__ == "__main__":
    main()
