"""Ansible module: a CloudFront origin access control for S3."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.botocore import paginated_query_with_retries
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry

with suppress(ImportError):  # AnsibleAWSModule reports it
    from botocore.exceptions import BotoCoreError, ClientError

DOCUMENTATION = r"""
---
module: cloudfront_origin_access_control
short_description: Manage a CloudFront origin access control for S3
description:
  - Creates or updates the origin access control with which CloudFront signs its requests to an S3 bucket, so that the
    bucket can stay closed to everyone else. Origin type S3, signing protocol SigV4, every request signed.
  - Recognised by its name, which is unique in an account.
options:
  name:
    description: Name of the origin access control, at most 64 characters.
    type: str
    required: true
  description:
    description: What it is for. If omitted, the live text is left alone (empty on a new one).
    type: str
notes:
  - Needs the IAM actions C(cloudfront:ListOriginAccessControls), C(cloudfront:GetOriginAccessControl),
    C(cloudfront:CreateOriginAccessControl) and C(cloudfront:UpdateOriginAccessControl).
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author: BCSDLab
"""

EXAMPLES = r"""
- name: Let CloudFront sign its requests to the buckets
  cloudfront_origin_access_control:
    name: koin-s3
    description: Signs the requests of the KOIN distributions to their buckets
  register: access_control
"""

RETURN = r"""
id:
  description: Id of the origin access control; empty in check mode if it does not exist yet.
  type: str
  returned: always
  sample: E327GJI25M56DG
diff:
  description: What was changed, or would be in check mode.
  type: dict
  returned: always
  contains:
    before:
      description: Fields before; empty when it is new.
      type: dict
    after:
      description: Fields after.
      type: dict
"""


SIGNING = {"SigningProtocol": "sigv4", "SigningBehavior": "always", "OriginAccessControlOriginType": "s3"}
# What the difference calls them.
FIELDS = {
    "Name": "name",
    "Description": "description",
    "SigningProtocol": "signing_protocol",
    "SigningBehavior": "signing_behavior",
    "OriginAccessControlOriginType": "origin_type",
}


def wanted_config(live: dict[str, Any] | None, name: str, description: str | None) -> dict[str, Any]:
    """The OriginAccessControlConfig to have; an unset description keeps the live one."""
    if description is None:
        description = (live or {}).get("Description") or ""
    return {"Name": name, "Description": description, **SIGNING}


def flat(config: dict[str, Any] | None) -> dict[str, Any]:
    """A config as the difference shows it."""
    return {field: config.get(key) or "" for key, field in FIELDS.items()} if config else {}


def find(module: AnsibleAWSModule, client: Any) -> dict[str, Any] | None:
    """The origin access control of that name."""
    name = module.params["name"]
    try:
        listed = paginated_query_with_retries(client, "list_origin_access_controls")
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(
            error,
            msg=f"Cannot look for the origin access control {name}; check cloudfront:ListOriginAccessControls",
        )
    items = (listed.get("OriginAccessControlList") or {}).get("Items") or []
    found = next((item for item in items if item["Name"] == name), None)
    if found and found["OriginAccessControlOriginType"] != "s3":
        module.fail_json(
            msg=f"The origin access control {name} ({found['Id']}) serves origins of type "
            f"{found['OriginAccessControlOriginType']}, not s3; give another name"
        )
    return found


def write(module: AnsibleAWSModule, client: Any, oac_id: str, config: dict[str, Any]) -> str:
    """Update it, or create it when there is no id yet, and return its id."""
    try:
        if oac_id:
            etag = client.get_origin_access_control(Id=oac_id, aws_retry=True)["ETag"]
            client.update_origin_access_control(
                Id=oac_id, IfMatch=etag, OriginAccessControlConfig=config, aws_retry=True
            )
        else:
            created = client.create_origin_access_control(OriginAccessControlConfig=config, aws_retry=True)
            oac_id = created["OriginAccessControl"]["Id"]
    except (BotoCoreError, ClientError) as error:
        verb = "Update" if oac_id else "Create"
        module.fail_json_aws(
            error,
            msg=f"Cannot {verb.lower()} the origin access control {config['Name']}; check "
            f"cloudfront:{verb}OriginAccessControl and that nothing else changes it, then run again",
        )
    return oac_id


def main() -> None:
    """Module entry point."""
    module = AnsibleAWSModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "description": {"type": "str"},
        },
        supports_check_mode=True,
    )
    client = module.client("cloudfront", retry_decorator=AWSRetry.jittered_backoff(retries=8, delay=1, max_delay=20))
    live = find(module, client)
    config = wanted_config(live, module.params["name"], module.params["description"])
    before, after = flat(live), flat(config)
    oac_id = live["Id"] if live else ""
    if before != after and not module.check_mode:
        oac_id = write(module, client, oac_id, config)
    module.exit_json(changed=before != after, id=oac_id, diff={"before": before, "after": after})


if __name__ == "__main__":
    main()
