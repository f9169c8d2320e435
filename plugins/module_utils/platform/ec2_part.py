"""What our modules for parts of a VPC share: calls that fail with AWS's reason, and a creation with tags."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.amazon.aws.plugins.module_utils.tagging import boto3_tag_specifications

with suppress(ImportError):  # AnsibleAWSModule reports it
    from botocore.exceptions import BotoCoreError, ClientError


class Ec2Part:
    """The calls about one part of a VPC, as a module makes them.

    kind: what it is, in the words of tag specifications, e.g. ``route-table``. live_id: empty when it does not exist.
    not_found: error codes that mean that what was created a moment ago is not known everywhere yet.
    """

    def __init__(self, module: Any, kind: str, live_id: str, not_found: tuple[str, ...]) -> None:
        retry = AWSRetry.jittered_backoff(retries=8, delay=1, max_delay=20, catch_extra_error_codes=list(not_found))
        self.module = module
        self.client = module.client("ec2", retry_decorator=retry)
        self.kind = kind
        self.id = live_id

    def call(self, operation: str, **arguments: Any) -> Any:
        """One call; AWS's reason when it is refused."""
        try:
            return getattr(self.client, operation)(**arguments, aws_retry=True)
        except (BotoCoreError, ClientError) as error:
            name = self.client.meta.method_to_api_mapping[operation]
            self.module.fail_json_aws(error, msg=f"{name} of {self.id or f'a new {self.kind}'} failed")

    def create(self, answer: str) -> None:
        """Make it, in the module's VPC with the module's tags. answer: what EC2 calls it, e.g. ``RouteTable``."""
        tags = self.module.params["tags"]
        more = {"TagSpecifications": boto3_tag_specifications(tags, types=self.kind)} if tags else {}
        operation = f"create_{self.kind.replace('-', '_')}"
        self.id = self.call(operation, VpcId=self.module.params["vpc_id"], **more)[answer][f"{answer}Id"]
