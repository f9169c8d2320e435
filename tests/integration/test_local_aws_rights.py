"""The local AWS enforces the policies of users and roles, in AWS's words, and lets the root do everything."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.local_aws import Keys, LocalAws

USER = "arn:aws:iam::123456789012:user/kim"


def _policy(*actions: str, resource: str = "*") -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _refused(call: Callable[[], object]) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as raised:
        call()
    answer = raised.value.response
    return answer["Error"]["Code"], answer["Error"]["Message"], answer["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "code", "asked"),
    [
        ("ec2", "describe_vpcs", {}, "UnauthorizedOperation", "ec2:DescribeVpcs on resource: *"),
        ("iam", "list_roles", {}, "AccessDenied", "iam:ListRoles on resource: *"),
        ("s3", "create_bucket", {"Bucket": "koin"}, "AccessDenied", "s3:CreateBucket on resource: arn:aws:s3:::koin"),
        ("route53", "list_hosted_zones", {}, "AccessDenied", "route53:ListHostedZones on resource: *"),
        ("cloudfront", "list_distributions", {}, "AccessDenied", "cloudfront:ListDistributions on resource: *"),
        ("ssm", "get_parameter", {"Name": "/koin/a"}, "AccessDeniedException",
         "ssm:GetParameter on resource: arn:aws:ssm:ap-northeast-2:123456789012:parameter/koin/a"),
        ("acm", "list_certificates", {}, "AccessDeniedException", "acm:ListCertificates on resource: *"),
        ("sns", "list_topics", {}, "AuthorizationError", "SNS:ListTopics on resource: *"),
        ("cloudwatch", "describe_alarms", {}, "AccessDeniedException", "cloudwatch:DescribeAlarms on resource: *"),
        ("cloudtrail", "describe_trails", {}, "AccessDeniedException", "cloudtrail:DescribeTrails on resource: *"),
    ],
)  # fmt: skip
def test_a_refusal_is_worded_as_aws_words_it(
    local_aws: LocalAws, service: str, operation: str, arguments: dict[str, Any], code: str, asked: str
) -> None:
    client = local_aws.client(service, keys=local_aws.user("kim"))
    found, text, status = _refused(lambda: getattr(client, operation)(**arguments))
    action = asked.partition(" ")[0]
    assert (found, status) == (code, 403)
    why = f"because no identity-based policy allows the {action} action"
    assert text.endswith(f"User: {USER} is not authorized to perform: {asked} {why}")
    assert getattr(local_aws.client(service), operation) is not None


def test_what_is_allowed_is_done(local_aws: LocalAws) -> None:
    kim = local_aws.user("kim", _policy("ec2:Describe*", "ec2:CreateVpc"))
    ec2 = local_aws.client("ec2", keys=kim)
    ec2.create_vpc(CidrBlock="10.9.0.0/16")
    assert len(ec2.describe_vpcs()["Vpcs"]) == 2
    code, text, _ = _refused(lambda: ec2.delete_vpc(VpcId="vpc-0123456789abcdef0"))
    assert code == "UnauthorizedOperation"
    assert text.startswith("You are not authorized to perform this operation. User: ")
    assert "ec2:DeleteVpc on resource: arn:aws:ec2:ap-northeast-2:123456789012:vpc/vpc-0123456789abcdef0" in text


def test_who_one_is_needs_no_right(local_aws: LocalAws) -> None:
    assert local_aws.client("sts", keys=local_aws.user("kim")).get_caller_identity()["Arn"] == USER


def test_a_key_that_iam_does_not_know_is_refused(local_aws: LocalAws) -> None:
    keys = Keys("AKIAXXXXXXXXXXXXXXXX", "none")
    code, _, status = _refused(local_aws.client("iam", keys=keys).list_roles)
    assert (code, status) == ("InvalidClientTokenId", 403)


def test_a_head_is_refused_without_a_text(local_aws: LocalAws) -> None:
    local_aws.client("s3").create_bucket(
        Bucket="koin-x", CreateBucketConfiguration={"LocationConstraint": "ap-northeast-2"}
    )
    client = local_aws.client("s3", keys=local_aws.user("kim"))
    assert _refused(lambda: client.head_bucket(Bucket="koin-x"))[::2] == ("403", 403)
    assert _refused(client.list_buckets)[0] == "AccessDenied"


def test_what_a_policy_says_that_is_not_evaluated_stops_the_call(local_aws: LocalAws) -> None:
    policy = _policy("ec2:DescribeVpcs")
    policy["Statement"][0]["Condition"] = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    client = local_aws.client("ec2", keys=local_aws.user("kim", policy))
    assert "does not evaluate the condition operator IpAddress" in _refused(client.describe_vpcs)[1]


def test_the_request_log_says_what_was_asked(local_aws: LocalAws) -> None:
    client = local_aws.client("ec2", keys=local_aws.user("kim", _policy("ec2:DescribeVpcs")))
    local_aws.mark()
    client.describe_vpcs()
    _refused(client.describe_subnets)
    local_aws.client("ec2").describe_subnets()
    found = [(item.get("principal"), [(one["action"], one["allowed"]) for one in item.get("asked", [])])
             for item in local_aws.requests()]  # fmt: skip
    expected = [(USER, [("ec2:DescribeVpcs", True)]), (USER, [("ec2:DescribeSubnets", False)]), (None, [])]
    assert found == expected


def test_a_role_does_what_its_policies_and_its_boundary_allow(local_aws: LocalAws) -> None:
    iam = local_aws.client("iam")
    boundary = iam.create_policy(PolicyName="limit", PolicyDocument=json.dumps(_policy("ec2:DescribeVpcs")))
    arn = boundary["Policy"]["Arn"]
    iam.create_role(RoleName="host", AssumeRolePolicyDocument="{}", PermissionsBoundary=arn)
    iam.put_role_policy(RoleName="host", PolicyName="all", PolicyDocument=json.dumps(_policy("ec2:*", "s3:*")))
    ec2 = local_aws.client("ec2", keys=local_aws.session("host"))
    assert ec2.describe_vpcs()["Vpcs"]
    assert "because no permissions boundary allows the ec2:DescribeSubnets" in _refused(ec2.describe_subnets)[1]
    # The version that is in force counts, not the newest.
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(_policy("*")))
    _refused(ec2.describe_subnets)
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v2")
    assert ec2.describe_subnets()["Subnets"]


def test_a_boundary_is_a_policy_that_exists_and_stays_while_a_role_has_it(local_aws: LocalAws) -> None:
    iam = local_aws.client("iam")
    arn = iam.create_policy(PolicyName="limit", PolicyDocument=json.dumps(_policy("ec2:*")))["Policy"]["Arn"]
    text = f"Scope ARN: {arn}-2 does not exist or is not attachable."
    new = {"RoleName": "host", "AssumeRolePolicyDocument": "{}"}
    assert _refused(lambda: iam.create_role(**new, PermissionsBoundary=f"{arn}-2")) == ("NoSuchEntity", text, 404)
    iam.create_role(**new, PermissionsBoundary=arn)
    put = iam.put_role_permissions_boundary
    assert _refused(lambda: put(RoleName="host", PermissionsBoundary=f"{arn}-2"))[:2] == ("NoSuchEntity", text)
    assert _refused(lambda: iam.delete_policy(PolicyArn=arn))[0] == "DeleteConflict"
    iam.delete_role_permissions_boundary(RoleName="host")
    iam.delete_policy(PolicyArn=arn)


def test_the_details_of_an_account_name_policies(local_aws: LocalAws) -> None:
    iam = local_aws.client("iam")
    arn = iam.create_policy(PolicyName="limit", PolicyDocument=json.dumps(_policy("ec2:*")))["Policy"]["Arn"]
    iam.create_role(RoleName="host", AssumeRolePolicyDocument="{}", PermissionsBoundary=arn)
    iam.attach_role_policy(RoleName="host", PolicyArn=arn)
    found = iam.get_account_authorization_details(Filter=["Role", "LocalManagedPolicy"])
    (role,), (policy,) = found["RoleDetailList"], found["Policies"]
    assert role["AttachedManagedPolicies"] == [{"PolicyName": "limit", "PolicyArn": arn}]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == arn
    assert (policy["PolicyName"], policy["Arn"]) == ("limit", arn)


def test_policies_are_those_of_groups_and_attached_ones_too(local_aws: LocalAws) -> None:
    iam, kim = local_aws.client("iam"), local_aws.user("kim")
    ec2 = local_aws.client("ec2", keys=kim)
    policy = iam.create_policy(PolicyName="vpcs", PolicyDocument=json.dumps(_policy("ec2:DescribeVpcs")))
    iam.create_group(GroupName="operators")
    iam.add_user_to_group(GroupName="operators", UserName="kim")
    _refused(ec2.describe_vpcs)
    iam.attach_group_policy(GroupName="operators", PolicyArn=policy["Policy"]["Arn"])
    assert ec2.describe_vpcs()["Vpcs"]
    iam.attach_user_policy(
        UserName="kim",
        PolicyArn=iam.create_policy(PolicyName="subnets", PolicyDocument=json.dumps(_policy("ec2:DescribeSubnets")))[
            "Policy"
        ]["Arn"],
    )
    assert ec2.describe_subnets()["Subnets"]
