"""AWS's own reason is in the message of every failure, once, and a denial is not tried again."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable
from importlib import import_module
from typing import Any
from unittest import mock

import pytest
from ansible.module_utils.platform.engine import warm
from ansible.module_utils.platform.engine.failures import failure
from ansible.module_utils.platform.reasons import tell_reasons
from ansible.module_utils.testing import patch_module_args

from tests.support.local_aws import LocalAws
from tests.support.run_module import aws_error, intercepted

DENIED, REASON = "UnauthorizedOperation", "You are not authorized to perform this operation."


def refused(aws: LocalAws, operation: str, code: str, module: str, args: dict[str, Any]) -> tuple[str, int]:
    """The message of a collection's module one of whose calls is refused, as a role's task shows it, and the tries."""

    def refuse(send: Callable[[], Any], parameters: dict[str, Any]) -> Any:
        error = aws_error(code, operation, 403)
        error.response["Error"]["Message"] = REASON
        error.args = (f"An error occurred ({code}) when calling the {operation} operation: {REASON}",)
        raise error

    # As plugins/action/platform_each.py does.
    tell_reasons()
    output = io.StringIO()
    clean = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")} | aws.environ
    with (
        intercepted(operation, refuse) as calls,
        mock.patch.dict(os.environ, clean, clear=True),
        patch_module_args(args),
        contextlib.redirect_stdout(output),
        contextlib.suppress(SystemExit),
    ):
        import_module(f"ansible_collections.amazon.aws.plugins.modules.{module}").main()
    answer = warm.parse(output.getvalue())
    assert answer["failed"]
    return failure(answer), len(calls)


@pytest.fixture
def host(local_aws: LocalAws) -> str:
    ec2 = local_aws.client("ec2")
    image = ec2.describe_images(Filters=[{"Name": "architecture", "Values": ["x86_64"]}])["Images"][0]["ImageId"]
    answer = ec2.run_instances(ImageId=image, InstanceType="t3a.small", MinCount=1, MaxCount=1)
    return str(answer["Instances"][0]["InstanceId"])


def test_the_reason_of_a_change_is_told(local_aws: LocalAws, host: str) -> None:
    args = {"instance_ids": [host], "filters": {"instance-id": host}, "termination_protection": True}
    said, _ = refused(local_aws, "ModifyInstanceAttribute", DENIED, "ec2_instance", args)
    assert said.count(REASON) == 1
    assert DENIED in said


@pytest.mark.parametrize("code", [DENIED, "VcpuLimitExceeded", "InstanceLimitExceeded", "AddressLimitExceeded"])
def test_a_launch_that_is_denied_or_beyond_a_quota_is_tried_once(local_aws: LocalAws, code: str) -> None:
    subnet = local_aws.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
    args = {
        "name": "KOIN",
        "filters": {"tag:Name": "KOIN"},
        "image_id": "ami-0deb13a000000a64",
        "instance_type": "t3a.small",
        "vpc_subnet_id": subnet,
    }
    said, tries = refused(local_aws, "RunInstances", code, "ec2_instance", args)
    assert said.count(REASON) == 1
    assert tries == 1
    # roles/aws_compute/tasks/main.yml tries again for a profile that EC2 does not know yet, and for nothing else.
    assert "iaminstanceprofile" not in said.lower().replace(" ", "")


def test_the_reason_of_an_address_is_told(local_aws: LocalAws, host: str) -> None:
    args = {"device_id": host, "in_vpc": True}
    said, _ = refused(local_aws, "AllocateAddress", "AddressLimitExceeded", "ec2_eip", args)
    assert said.count(REASON) == 1
