"""Ansible module: a CloudFront distribution in front of one S3 bucket."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ansible.module_utils.platform.distribution_config import FIELDS, flatten, merge
from ansible_collections.amazon.aws.plugins.module_utils.botocore import (
    is_boto3_error_code,
    paginated_query_with_retries,
)
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.amazon.aws.plugins.module_utils.waiter import custom_waiter_config

with suppress(ImportError):  # AnsibleAWSModule reports it
    from botocore.exceptions import BotoCoreError, ClientError, WaiterError

DOCUMENTATION = r"""
---
module: cloudfront_s3_distribution
short_description: Manage a CloudFront distribution in front of one S3 bucket
description:
  - Creates the distribution, or changes the live one in place. Its default origin is one S3 bucket, closed by an
    origin access control.
  - The live one is O(id) if the account has it, else the one that has any of O(aliases).
  - Options that are not given are left as they are, and so is everything that has no option, such as logging, error
    responses, geographic restrictions, further cache behaviours and origins, functions and other policies.
  - An origin that used an origin access identity moves to the origin access control, and a cache policy replaces the
    legacy forwarded values and TTLs of the default cache behaviour.
  - C(community.aws.cloudfront_distribution) has neither check mode nor origin access controls.
options:
  name:
    description:
      - Name of the distribution. It becomes the comment and the caller reference of a new one, so that CloudFront
        refuses to create it twice. A live distribution keeps its comment.
    type: str
    required: true
  id:
    description:
      - Id of the live distribution. If the account has no such distribution, it is found by O(aliases).
    type: str
  aliases:
    description: The exact set of alternate domain names.
    type: list
    elements: str
  origin_domain:
    description:
      - Regional domain name of the bucket, e.g. V(my-bucket.s3.ap-northeast-2.amazonaws.com). Needed for a new
        distribution.
    type: str
  origin_access_control_id:
    description: Id of the origin access control, as M(cloudfront_origin_access_control) returns it.
    type: str
  certificate_arn:
    description:
      - ARN of the ACM certificate in us-east-1. Empty means CloudFront's own certificate. A certificate is
        served by SNI, unless the live one has dedicated addresses already.
    type: str
  minimum_tls:
    description:
      - The lowest security policy for viewers. Without O(certificate_arn) CloudFront ignores it.
      - The default of a new distribution with a certificate is V(TLSv1.2_2021).
    type: str
  ipv6:
    description: Whether to serve over IPv6. A new distribution does by default.
    type: bool
  http_version:
    description: HTTP versions to offer. The default of a new distribution is V(http2).
    type: str
    choices: [http1.1, http2, http3, http2and3]
  price_class:
    description: Which edge locations serve. A new distribution uses all of them by default.
    type: str
    choices: [PriceClass_100, PriceClass_200, PriceClass_All]
  default_root_object:
    description: Object to answer a request for V(/) with, e.g. V(index.html).
    type: str
  viewer_protocol:
    description:
      - What to do with plain HTTP. A new distribution uses V(redirect-to-https) by default.
    type: str
    choices: [allow-all, https-only, redirect-to-https]
  compress:
    description: Whether to compress for viewers that accept it. A new distribution does by default.
    type: bool
  cache_policy:
    description:
      - Id of the cache policy of the default cache behaviour. A new distribution uses Managed-CachingOptimized
        by default.
    type: str
  response_headers_policy_id:
    description:
      - Id of the response headers policy of the default cache behaviour. An empty one takes it off.
    type: str
  enabled:
    description: Whether the distribution serves requests. A new distribution does by default.
    type: bool
  wait:
    description: Whether to wait until every edge location has the change.
    type: bool
    default: false
  wait_timeout:
    description: Seconds to wait.
    type: int
    default: 1800
  wait_delay:
    description: Seconds between checks, at least 1. The first check is immediate.
    type: int
    default: 20
notes:
  - Needs the IAM actions C(cloudfront:ListDistributions), C(cloudfront:GetDistribution),
    C(cloudfront:GetDistributionConfig), C(cloudfront:CreateDistribution) and C(cloudfront:UpdateDistribution).
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author: BCSDLab
"""

EXAMPLES = r"""
- name: Serve a bucket at static.example.com
  cloudfront_s3_distribution:
    name: static
    aliases: [static.example.com]
    origin_domain: my-bucket.s3.ap-northeast-2.amazonaws.com
    origin_access_control_id: E327GJI25M56DG
    certificate_arn: arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012
    minimum_tls: TLSv1.2_2021
    cache_policy: 658327ea-f89d-4fab-a63d-7e88639e58f6

- name: Change one thing of a live distribution and leave all others alone
  cloudfront_s3_distribution:
    name: static
    id: E1QROAB9PHO2Z
    price_class: PriceClass_200
"""

RETURN = r"""
id:
  description: Id of the distribution; empty in check mode if it does not exist yet.
  type: str
  returned: always
  sample: E1QROAB9PHO2Z
arn:
  description: ARN of the distribution, which the bucket policy names; empty in check mode if it does not exist yet.
  type: str
  returned: always
domain_name:
  description: Its own domain name, the target of alias records; empty in check mode if it does not exist yet.
  type: str
  returned: always
  sample: d111111abcdef8.cloudfront.net
status:
  description: V(Deployed), or V(InProgress) during deployment to the edge locations; empty if it does not exist yet.
  type: str
  returned: always
diff:
  description: What was changed, or would be in check mode, in the names of the options.
  type: dict
  returned: always
  contains:
    before:
      description: Every field before; empty when the distribution is new.
      type: dict
    after:
      description: Every field after.
      type: dict
"""


# Somebody else has written the distribution between our reading and our writing.
STALE = ("PreconditionFailed", "InvalidIfMatchVersion")


class Distribution:
    """The module's work on one distribution."""

    def __init__(self, module: AnsibleAWSModule) -> None:
        self.module = module
        self.name: str = module.params["name"]
        self.fields = {field: module.params[field] for field in FIELDS if field != "comment"} | {"name": self.name}
        self.client = module.client(
            "cloudfront", retry_decorator=AWSRetry.jittered_backoff(retries=8, delay=1, max_delay=20)
        )

    def find(self) -> dict[str, Any] | None:
        """The summary of the live distribution, refusing an ambiguous answer."""
        wanted = {alias.lower().rstrip(".") for alias in self.module.params["aliases"] or []}
        declared_id = self.module.params["id"]
        if not declared_id and not wanted:
            self.module.fail_json(
                msg=f"The distribution {self.name} cannot be recognised: give its id, or at least one of its aliases"
            )
        try:
            listed = paginated_query_with_retries(self.client, "list_distributions")
        except (BotoCoreError, ClientError) as error:
            self.module.fail_json_aws(
                error, msg=f"Cannot look for the distribution {self.name}; check cloudfront:ListDistributions"
            )
        items = (listed.get("DistributionList") or {}).get("Items") or []
        by_id = next((item for item in items if item["Id"] == declared_id), None)
        by_alias = [item for item in items if wanted & set(flatten(item)["aliases"])]
        holders = [item for item in by_alias if item is not by_id]
        if by_id and holders:
            self.refuse(
                f"The distribution {self.name} is {declared_id}, but other distributions hold its aliases", holders
            )
        if len(holders) > 1:
            self.refuse(f"The aliases of the distribution {self.name} belong to more than one distribution", holders)
        return by_id or (holders[0] if holders else None)

    def refuse(self, msg: str, holders: list[dict[str, Any]]) -> None:
        """Fail, naming who holds which alias."""
        held = "; ".join(f"{item['Id']} has {', '.join(flatten(item)['aliases'])}" for item in holders)
        self.module.fail_json(msg=f"{msg}: {held}. An alias can point to one only: remove it from the others first")

    def read(self, distribution_id: str) -> tuple[dict[str, Any], str]:
        """The live config and its ETag."""
        try:
            answer = self.client.get_distribution_config(Id=distribution_id, aws_retry=True)
        except (BotoCoreError, ClientError) as error:
            self.module.fail_json_aws(
                error,
                msg=f"Cannot read the distribution {self.name} ({distribution_id}); "
                "check cloudfront:GetDistributionConfig",
            )
        return answer["DistributionConfig"], answer["ETag"]

    def merged(self, config: dict[str, Any] | None) -> dict[str, Any]:
        """The config to have."""
        try:
            merged = merge(config, self.fields)
        except ValueError as error:
            self.module.fail_json(msg=f"The distribution {self.name} cannot be built: {error}")
        return merged

    def create(self, config: dict[str, Any]) -> dict[str, Any]:
        """Create it and return what CloudFront made of it."""
        try:
            created = self.client.create_distribution(DistributionConfig=config, aws_retry=True)
        except is_boto3_error_code(["DistributionAlreadyExists"]) as error:
            self.module.fail_json_aws(
                error,
                msg=f"A distribution was created as {self.name} before, and none has the aliases "
                f"{', '.join(self.module.params['aliases'] or [])}; give that one's id, or another name",
            )
        except (BotoCoreError, ClientError) as error:  # pylint: disable=duplicate-except
            self.module.fail_json_aws(
                error,
                msg=f"Cannot create the distribution {self.name}; check cloudfront:CreateDistribution, that the "
                "certificate is issued in us-east-1 and covers the aliases, and that no other account has them",
            )
        return created["Distribution"]

    def update(self, distribution_id: str, config: dict[str, Any], etag: str) -> dict[str, Any]:
        """Write the merged config, once more over a fresh one if somebody else was faster."""

        def send(merged: dict[str, Any], match: str) -> dict[str, Any]:
            return self.client.update_distribution(
                Id=distribution_id, IfMatch=match, DistributionConfig=merged, aws_retry=True
            )

        try:
            try:
                updated = send(self.merged(config), etag)
            except is_boto3_error_code(STALE):
                fresh, fresh_etag = self.read(distribution_id)
                updated = send(self.merged(fresh), fresh_etag)
        except (BotoCoreError, ClientError) as error:
            self.module.fail_json_aws(
                error,
                msg=f"Cannot update the distribution {self.name} ({distribution_id}); check "
                "cloudfront:UpdateDistribution, that the certificate is issued in us-east-1 and covers the aliases, "
                "and that nothing else is changing the distribution, then run again",
            )
        return updated["Distribution"]

    def wait(self, distribution_id: str) -> dict[str, Any]:
        """Wait until it is deployed and return it."""
        timeout = self.module.params["wait_timeout"]
        try:
            self.client.get_waiter("distribution_deployed").wait(
                Id=distribution_id,
                WaiterConfig=custom_waiter_config(timeout, default_pause=self.module.params["wait_delay"]),
            )
            deployed = self.client.get_distribution(Id=distribution_id, aws_retry=True)
        except WaiterError as error:
            self.module.fail_json_aws(
                error,
                msg=f"The distribution {self.name} ({distribution_id}) is written, but not deployed everywhere after "
                f"{timeout} s; CloudFront goes on by itself, look again later or raise wait_timeout",
            )
        except (BotoCoreError, ClientError) as error:
            self.module.fail_json_aws(
                error,
                msg=f"Cannot read the distribution {self.name} ({distribution_id}); check cloudfront:GetDistribution",
            )
        return deployed["Distribution"]

    def run(self) -> None:
        """Compute the difference, apply it unless in check mode, and exit."""
        check = self.module.check_mode
        live = self.find()
        if live is None:
            config = self.merged(None)
            before, after = {}, flatten(config)
            result = {} if check else self.create(config)
        else:
            config, etag = self.read(live["Id"])
            before, after = flatten(config), flatten(self.merged(config))
            result = live if check or before == after else self.update(live["Id"], config, etag)
        if self.module.params["wait"] and not check and result["Status"] != "Deployed":
            result = self.wait(result["Id"])
        self.module.exit_json(
            changed=before != after,
            id=result.get("Id", ""),
            arn=result.get("ARN", ""),
            domain_name=result.get("DomainName", ""),
            status=result.get("Status", ""),
            diff={"before": before, "after": after},
        )


def main() -> None:
    """Module entry point."""
    module = AnsibleAWSModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "id": {"type": "str"},
            "aliases": {"type": "list", "elements": "str"},
            "origin_domain": {"type": "str"},
            "origin_access_control_id": {"type": "str"},
            "certificate_arn": {"type": "str"},
            "minimum_tls": {"type": "str"},
            "ipv6": {"type": "bool"},
            "http_version": {"type": "str", "choices": ["http1.1", "http2", "http3", "http2and3"]},
            "price_class": {"type": "str", "choices": ["PriceClass_100", "PriceClass_200", "PriceClass_All"]},
            "default_root_object": {"type": "str"},
            "viewer_protocol": {"type": "str", "choices": ["allow-all", "https-only", "redirect-to-https"]},
            "compress": {"type": "bool"},
            "cache_policy": {"type": "str"},
            "response_headers_policy_id": {"type": "str"},
            "enabled": {"type": "bool"},
            "wait": {"type": "bool", "default": False},
            "wait_timeout": {"type": "int", "default": 1800},
            "wait_delay": {"type": "int", "default": 20},
        },
        supports_check_mode=True,
    )
    if module.params["wait_delay"] < 1:
        module.fail_json(msg=f"wait_delay is {module.params['wait_delay']}; give at least 1 (second)")
    Distribution(module).run()


if __name__ == "__main__":
    main()
