"""aws_operation against the local AWS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.local_aws import LocalAws
from tests.support.run_module import ModuleError, aws_error, intercepted, run_module, written

REGION = "ap-northeast-2"


def run(local_aws: LocalAws, check: bool = False, **args: Any) -> dict[str, Any]:
    local_aws.mark()
    return run_module("aws_operation", {"region": REGION, **args}, environ=local_aws.environ, check=check)


@pytest.mark.parametrize("check", [True, False])
def test_the_operation_is_called_once_and_not_in_check_mode(local_aws: LocalAws, check: bool) -> None:
    result = run(local_aws, check, service="ec2", operation="enable_ebs_encryption_by_default")
    assert result["changed"] is True
    assert written(local_aws) == ([] if check else ["EnableEbsEncryptionByDefault"])
    answer = local_aws.client("ec2", REGION).get_ebs_encryption_by_default()
    assert answer["EbsEncryptionByDefault"] is not check


def test_the_answer_is_returned_without_its_metadata(local_aws: LocalAws) -> None:
    result = run(local_aws, service="ec2", operation="create_vpc", parameters={"CidrBlock": "10.9.0.0/16"})
    assert result["answer"].keys() == {"Vpc"}
    assert result["answer"]["Vpc"]["CidrBlock"] == "10.9.0.0/16"


def test_an_update_carries_the_etag_of_what_it_replaces(local_aws: LocalAws) -> None:
    client = local_aws.client("cloudfront", "us-east-1")
    config = {
        "Name": "koin",
        "Description": "before",
        "SigningProtocol": "sigv4",
        "SigningBehavior": "always",
        "OriginAccessControlOriginType": "s3",
    }
    made = client.create_origin_access_control(OriginAccessControlConfig=config)["OriginAccessControl"]["Id"]
    changed = {"Id": made, "OriginAccessControlConfig": config | {"Description": "after"}}
    with intercepted("UpdateOriginAccessControl", lambda send, parameters: send()) as calls:
        run(
            local_aws,
            service="cloudfront",
            operation="update_origin_access_control",
            parameters=changed,
            etag_from="get_origin_access_control",
        )
    assert calls[0]["IfMatch"]
    found = client.get_origin_access_control(Id=made)["OriginAccessControl"]["OriginAccessControlConfig"]
    assert found["Description"] == "after"


def test_an_operation_that_boto3_does_not_know_is_named(local_aws: LocalAws) -> None:
    with pytest.raises(ModuleError, match="ec2 has no operation EnableEbsEncryptionByDefault"):
        run(local_aws, service="ec2", operation="EnableEbsEncryptionByDefault")
    assert written(local_aws) == []


def test_a_refusal_of_aws_is_told_with_its_reason(local_aws: LocalAws) -> None:
    def refuse(send: Callable[[], Any], parameters: dict[str, Any]) -> Any:
        raise aws_error("UnauthorizedOperation", "CreateVpc", 403)

    with (
        intercepted("CreateVpc", refuse),
        pytest.raises(ModuleError, match=r"ec2 CreateVpc failed: .*UnauthorizedOperation"),
    ):
        run(local_aws, service="ec2", operation="create_vpc", parameters={"CidrBlock": "10.9.0.0/16"})


def test_a_refusal_inside_a_successful_answer_is_an_error(local_aws: LocalAws) -> None:
    def refuse(send: Callable[[], Any], parameters: dict[str, Any]) -> Any:
        return {"FlowLogIds": [], "Unsuccessful": [{"Error": {"Code": "400", "Message": "no such bucket"}}]}

    with (
        intercepted("CreateFlowLogs", refuse),
        pytest.raises(ModuleError, match="ec2 CreateFlowLogs refused: 400: no such bucket"),
    ):
        run(
            local_aws,
            service="ec2",
            operation="create_flow_logs",
            parameters={"ResourceIds": ["vpc-1"], "ResourceType": "VPC"},
        )
