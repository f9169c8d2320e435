"""What the operator is told when the account does not answer as it should. Nothing is written in any of these."""

from __future__ import annotations

import copy
from typing import Any

import botocore.exceptions
import pytest
from ansible.module_utils.platform.engine.errors import DeclarationError, PlatformError
from ansible.module_utils.platform.engine.session import Clients, explain
from ansible.module_utils.platform.kinds import KINDS
from botocore import xform_name

from tests.support.local_aws import LocalAws
from tests.support.platform import Platform, declared


@pytest.fixture
def platform(local_aws: LocalAws) -> Platform:
    """The platform on a new account."""
    local_aws.reset(empty=True)
    return Platform(local_aws)


def _problem(platform: Platform, **changed: Any) -> str:
    platform.aws.mark()
    with pytest.raises(PlatformError) as raised:
        platform.plan(**changed)
    assert platform.writes() == {}
    return str(raised.value)


def test_wrong_account(platform: Platform) -> None:
    text = _problem(platform, aws_account_id="999999999999")
    assert "aws_account_id: 999999999999 is declared, but the credentials are for 123456789012" in text
    assert "AWS_PROFILE" in text


def test_wrong_account_stops_provision_before_the_first_write(platform: Platform) -> None:
    platform.aws.mark()
    run = platform.playbook("provision", aws_account_id="999999999999")
    assert run.status != 0
    assert "the credentials are for 123456789012" in run.output
    assert platform.writes() == {}


@pytest.mark.parametrize(("subnet", "zone"), [("BCSDLab-b", "ap-northeast-2b"), ("BCSDLab-d", "ap-northeast-2d")])
def test_instance_type_that_its_zone_does_not_offer(platform: Platform, subnet: str, zone: str) -> None:
    instances = copy.deepcopy(declared()["aws_compute_instances"])
    instances["KOIN_PROD"] |= {"subnet": subnet, "private_ip": None}
    text = _problem(platform, aws_compute_instances=instances)
    assert f"aws_compute_instances.KOIN_PROD.subnet: t3a.small is not offered in {zone}" in text
    assert "choose a subnet in ap-northeast-2a, ap-northeast-2c" in text


def test_the_zone_that_counts_is_the_one_the_account_answers(platform: Platform) -> None:
    """172.31.0.0/20 is declared in zone a; an account may have it in b, where t3a.small is not offered."""
    ec2 = platform.aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="172.31.0.0/16")["Vpc"]["VpcId"]
    ec2.create_subnet(VpcId=vpc, CidrBlock="172.31.0.0/20", AvailabilityZone="ap-northeast-2b")
    text = _problem(platform)
    assert "aws_compute_instances.KOIN_PROD.subnet: t3a.small is not offered in ap-northeast-2b" in text


def test_missing_image_parameter(platform: Platform) -> None:
    images = declared()["aws_compute_images"] | {"arm64": "/aws/service/debian/release/99/latest/arm64"}
    text = _problem(platform, aws_compute_images=images)
    assert "aws_compute_instances.BCSDLAB_INTERNAL: SSM has no parameter /aws/service/debian/release/99" in text


def test_two_instances_of_one_name(platform: Platform) -> None:
    ec2 = platform.aws.client("ec2")
    image = ec2.describe_images(Owners=["136693071363"])["Images"][0]["ImageId"]
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.0.0/20")["Subnet"]["SubnetId"]
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "KOIN_PROD"}]}]
    ec2.run_instances(ImageId=image, MinCount=2, MaxCount=2, SubnetId=subnet, TagSpecifications=tags)
    assert "2 live resources match the declared instance KOIN_PROD" in _problem(platform)


def test_unreachable_endpoint(platform: Platform) -> None:
    environment = declared()["aws_environment"] | {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    clients = Clients("ap-northeast-2", environment)
    with pytest.raises(botocore.exceptions.EndpointConnectionError) as raised:
        clients["sts"].get_caller_identity()
    text = str(explain(raised.value, clients["sts"]))
    assert "AWS does not answer" in text
    assert "http://127.0.0.1:1" in text


def test_no_credentials() -> None:
    clients = Clients("ap-northeast-2", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
    with pytest.raises(botocore.exceptions.NoCredentialsError) as raised:
        clients["sts"].get_caller_identity()
    assert "AWS_PROFILE" in str(explain(raised.value, clients["sts"]))


def test_unknown_profile() -> None:
    with pytest.raises(PlatformError, match="nobody"):
        Clients("ap-northeast-2", {"AWS_PROFILE": "nobody"})


@pytest.mark.parametrize(
    ("service", "operation", "code", "expected"),
    [
        ("ec2", "DescribeInstances", "UnauthorizedOperation", "may not ec2:DescribeInstances"),
        ("s3", "ListBuckets", "AccessDenied", "may not s3:ListAllMyBuckets"),
        ("s3", "GetBucketEncryption", "AccessDenied", "may not s3:GetEncryptionConfiguration"),
        ("route53", "ListHostedZones", "AccessDenied", "may not route53:ListHostedZones"),
        ("cloudwatch", "DescribeAlarms", "AccessDenied", "may not cloudwatch:DescribeAlarms"),
        ("sts", "GetCallerIdentity", "ExpiredToken", "have expired"),
        ("ec2", "DescribeVpcs", "RequestExpired", "have expired"),
        ("sts", "GetCallerIdentity", "InvalidClientTokenId", "does not accept the credentials"),
        ("ec2", "DescribeVpcs", "AuthFailure", "does not accept the credentials"),
        ("ec2", "DescribeVpcs", "InternalError", "ec2:DescribeVpcs failed: InternalError"),
    ],
)
def test_what_aws_answers_is_explained(service: str, operation: str, code: str, expected: str) -> None:
    client = Clients("ap-northeast-2", declared()["aws_environment"])[service]
    error = botocore.exceptions.ClientError({"Error": {"Code": code, "Message": "no"}}, operation)
    asked = (call for call in KINDS.calls() if (call.service, call.operation) == (service, xform_name(operation)))
    action = next((call.action for call in asked), "")
    assert expected in str(explain(error, client, action))


def test_every_problem_is_named_at_once(platform: Platform) -> None:
    subnets = copy.deepcopy(declared()["aws_network_subnets"])
    subnets["BCSDLab-b"]["cidr"] = "172.31.0.0/20"
    subnets["BCSDLab-c"]["zone"] = "us-east-1a"
    with pytest.raises(DeclarationError) as raised:
        platform.plan(aws_network_subnets=subnets)
    assert {problem.where for problem in raised.value.problems} == {
        "aws_network_subnets.BCSDLab-b.cidr",
        "aws_network_subnets.BCSDLab-c.zone",
        "aws_compute_instances.BCSDLAB_INTERNAL.private_ip",
    }
