"""How the local AWS evaluates policies, and what it takes a call to ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from rehearsal.aws.operations import Call
from rehearsal.aws.rights.asked import asked
from rehearsal.aws.rights.policies import Asked, UnknownConditionError, refusal

NUMBER = "123456789012"


def _policy(**parts: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Resource": "*", **parts}}


READS = _policy(Action=["ec2:Describe*", "s3:GetBucket?CL"])


@pytest.mark.parametrize(
    ("action", "allowed"),
    [
        ("ec2:DescribeVpcs", True),
        ("EC2:describevpcs", True),
        ("ec2:CreateVpc", False),
        ("s3:GetBucketACL", True),
        ("s3:GetBucketCORS", False),
    ],
)
def test_actions(action: str, allowed: bool) -> None:
    assert (refusal([READS], None, Asked(action)) is None) is allowed


def test_not_action_and_not_resource() -> None:
    policy = _policy(NotAction="iam:*", NotResource="arn:aws:s3:::secret/*")
    del policy["Statement"]["Resource"]
    assert refusal([policy], None, Asked("s3:GetObject", ("arn:aws:s3:::open/a",))) is None
    assert refusal([policy], None, Asked("s3:GetObject", ("arn:aws:s3:::secret/a",)))
    assert refusal([policy], None, Asked("iam:CreateUser"))


def test_every_resource_has_to_be_allowed() -> None:
    policy = _policy(Action="s3:DeleteObject", Resource=["arn:aws:s3:::own/*", "arn:aws:s3:::logs/?"])
    assert refusal([policy], None, Asked("s3:DeleteObject", ("arn:aws:s3:::own/a/b", "arn:aws:s3:::logs/1"))) is None
    found = refusal([policy], None, Asked("s3:DeleteObject", ("arn:aws:s3:::own/a", "arn:aws:s3:::logs/12")))
    assert found == (
        "arn:aws:s3:::logs/12",
        "because no identity-based policy allows the s3:DeleteObject action",
    )
    # An action without resources is allowed on all of them only.
    assert refusal([policy], None, Asked("s3:DeleteObject"))


def test_deny_wins_and_a_boundary_limits() -> None:
    everything, asked_for = _policy(Action="*"), Asked("iam:CreateUser")
    assert refusal([everything], None, asked_for) is None
    assert refusal([everything, _policy(Effect="Deny", Action="iam:*")], None, asked_for) == (
        "*",
        "with an explicit deny in an identity-based policy",
    )
    boundary = refusal([everything], [READS], asked_for)
    assert boundary == ("*", "because no permissions boundary allows the iam:CreateUser action")
    # A boundary gives nothing by itself.
    assert refusal([], [everything], asked_for)


REGION = {"aws:requestedregion": ("ap-northeast-2",)}


@pytest.mark.parametrize(
    ("condition", "context", "allowed"),
    [
        ({"StringEquals": {"aws:RequestedRegion": "ap-northeast-2"}}, REGION, True),
        ({"StringEquals": {"aws:RequestedRegion": ["us-east-1", "ap-northeast-2"]}}, REGION, True),
        ({"StringEquals": {"aws:RequestedRegion": "us-east-1"}}, REGION, False),
        ({"StringEquals": {"aws:RequestedRegion": "us-east-1"}}, {}, False),
        ({"StringEqualsIfExists": {"aws:RequestedRegion": "us-east-1"}}, {}, True),
        ({"StringNotEquals": {"aws:RequestedRegion": "us-east-1"}}, REGION, True),
        ({"StringNotEquals": {"aws:RequestedRegion": "us-east-1"}}, {}, True),
        ({"StringNotLike": {"aws:RequestedRegion": ["us-*", "ap-*"]}}, REGION, False),
        ({"StringLike": {"aws:RequestedRegion": "ap-*"}}, REGION, True),
        ({"Bool": {"aws:SecureTransport": False}}, {"aws:securetransport": ("true",)}, False),
        ({"Bool": {"aws:SecureTransport": "true"}}, {"aws:securetransport": ("true",)}, True),
        ({"Null": {"aws:RequestTag/Platform": "false"}}, {"aws:requesttag/platform": ("koin",)}, True),
        ({"Null": {"aws:RequestTag/Platform": "true"}}, {"aws:requesttag/platform": ("koin",)}, False),
        ({"Null": {"aws:RequestTag/Platform": "false"}}, {}, False),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["Name", "Platform"]}}, {"aws:tagkeys": ("Name",)}, True),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["Name"]}}, {"aws:tagkeys": ("Name", "Owner")}, False),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["Name"]}}, {}, True),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["Name"]}}, {"aws:tagkeys": ("Name", "Owner")}, True),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["Name"]}}, {}, False),
        ({"ArnLike": {"iam:PermissionsBoundary": "arn:aws:iam::*:policy/koin"}},
         {"iam:permissionsboundary": (f"arn:aws:iam::{NUMBER}:policy/koin",)}, True),
        ({"ArnLike": {"iam:PermissionsBoundary": "arn:aws:iam::*:policy/koin"}},
         {"iam:permissionsboundary": (f"arn:aws:iam::{NUMBER}:role/policy/koin",)}, False),
        ({"StringEquals": {"a:b": "x"}, "Bool": {"aws:SecureTransport": "true"}}, {"a:b": ("x",)}, False),
    ],
)  # fmt: skip
def test_conditions(condition: dict[str, Any], context: Mapping[str, tuple[str, ...]], allowed: bool) -> None:
    policy = _policy(Action="*", Condition=condition)
    assert (refusal([policy], None, Asked("ec2:RunInstances", context=context)) is None) is allowed


def test_a_policy_variable_is_what_is_known_of_the_call() -> None:
    """Word for word: a `*` in its place could reach over what else the policy of a stranger's path holds."""
    wanted = {"StringEquals": {"iam:PermissionsBoundary": "arn:aws:iam::${aws:PrincipalAccount}:policy/koin"}}
    policy = _policy(Action="*", Condition=wanted, Resource="arn:aws:iam::${aws:PrincipalAccount}:role/*")

    def refused(boundary: str, role: str = f"arn:aws:iam::{NUMBER}:role/x") -> bool:
        context = {"aws:principalaccount": (NUMBER,), "iam:permissionsboundary": (boundary,)}
        return refusal([policy], None, Asked("iam:CreateRole", (role,), context)) is not None

    assert not refused(f"arn:aws:iam::{NUMBER}:policy/koin")
    assert refused("arn:aws:iam::999999999999:policy/koin")
    assert refused(f"arn:aws:iam::{NUMBER}:policy/a:policy/koin")
    assert refused(f"arn:aws:iam::{NUMBER}:policy/koin", "arn:aws:iam::999999999999:role/x")


@pytest.mark.parametrize(
    "parts",
    [
        {"Condition": {"StringEquals": {"a:b": "${aws:username}"}}},
        {"Condition": {"NumericLessThan": {"s3:max-keys": "10"}}},
        {"Condition": {"ForSomeValues:StringLike": {"a:b": "x"}}},
        {"Resource": "arn:aws:s3:::home/${aws:username}/*"},
    ],
)
def test_what_is_not_evaluated_is_not_guessed(parts: dict[str, Any]) -> None:
    with pytest.raises(UnknownConditionError):
        refusal(
            [_policy(Action="*", **parts)], None, Asked("s3:GetObject", ("x",), {"a:b": ("x",), "s3:max-keys": ("1",)})
        )


class _Account:
    number = NUMBER

    def role(self, name: str) -> tuple[str, str]:
        return ("/service/", "arn:aws:iam::123456789012:policy/koin") if name == "koin-prod" else ("/", "")

    def profile(self, name: str) -> tuple[str, str]:
        return "/", "koin-prod"

    def tags(self, region: str, resource: str) -> Mapping[str, str]:
        return {"Platform": "koin"}


def _asked(service: str, operation: str, headers: Mapping[str, str] | None = None, /, **params: Any) -> list[Asked]:
    region = "us-east-1" if service in ("iam", "route53", "cloudfront") else "ap-northeast-2"
    return asked(Call(service, region, operation, params), headers or {}, _Account())


def _plain(found: list[Asked]) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.action, one.resources) for one in found]


EC2 = f"arn:aws:ec2:ap-northeast-2:{NUMBER}"
ROLE = f"arn:aws:iam::{NUMBER}:role/service/koin-prod"


def test_who_one_is_may_always_be_asked() -> None:
    assert _asked("sts", "GetCallerIdentity") == []


def test_a_host_is_launched_with_a_role_that_may_be_passed() -> None:
    tags = {
        "TagSpecification.1.ResourceType": "instance",
        "TagSpecification.1.Tag.1.Key": "Name",
        "TagSpecification.1.Tag.1.Value": "KOIN_PROD",
    }
    found = _asked(
        "ec2",
        "RunInstances",
        **{"SubnetId": "subnet-0123456789abcdef0", "IamInstanceProfile.Name": "koin-prod"},
        **tags,
    )
    made = tuple(f"{EC2}:{kind}/*" for kind in ("instance", "network-interface", "volume"))
    assert _plain(found) == [
        ("ec2:RunInstances", (*made, f"{EC2}:subnet/subnet-0123456789abcdef0")),
        ("ec2:CreateTags", (f"{EC2}:instance/*",)),
        ("iam:PassRole", (ROLE,)),
    ]
    assert found[0].context["aws:requesttag/name"] == ("KOIN_PROD",)
    assert found[0].context["aws:requestedregion"] == ("ap-northeast-2",)
    assert found[0].context["aws:principalaccount"] == (NUMBER,)
    assert found[1].context["ec2:createaction"] == ("RunInstances",)
    assert found[2].context["iam:passedtoservice"] == ("ec2.amazonaws.com",)


def test_a_live_resource_brings_its_tags() -> None:
    found = _asked("ec2", "StopInstances", **{"InstanceId.1": "i-0123456789abcdef0"})
    assert _plain(found) == [("ec2:StopInstances", (f"{EC2}:instance/i-0123456789abcdef0",))]
    assert found[0].context["aws:resourcetag/platform"] == ("koin",)


def test_a_role_is_judged_by_the_boundary_that_it_has_or_gets() -> None:
    new = _asked("iam", "CreateRole", RoleName="x", Path="/a/", PermissionsBoundary="arn:b")
    assert _plain(new) == [("iam:CreateRole", (f"arn:aws:iam::{NUMBER}:role/a/x",))]
    assert new[0].context["iam:permissionsboundary"] == ("arn:b",)
    (live,) = _asked("iam", "PutRolePolicy", RoleName="koin-prod")
    assert live.context["iam:permissionsboundary"] == ("arn:aws:iam::123456789012:policy/koin",)
    assert live.resources == (ROLE,)
    assert "iam:permissionsboundary" not in _asked("iam", "PutRolePolicy", RoleName="other")[0].context


def test_records_are_judged_by_name_type_and_action() -> None:
    body = """<Changes><Change><Action>UPSERT</Action><ResourceRecordSet><Name>*.Koreatech.in.</Name><Type>A</Type>
    </ResourceRecordSet></Change></Changes>"""
    (one,) = _asked("route53", "ChangeResourceRecordSets", Id="Z1", Body=body)
    key = "route53:changeresourcerecordsets"
    assert one.resources == ("arn:aws:route53:::hostedzone/Z1",)
    assert one.context[f"{key}normalizedrecordnames"] == (r"\052.koreatech.in",)
    assert (one.context[f"{key}recordtypes"], one.context[f"{key}actions"]) == (("A",), ("UPSERT",))


@pytest.mark.parametrize(
    ("service", "operation", "headers", "params", "expected"),
    [
        ("s3", "ListBuckets", {}, {}, [("s3:ListAllMyBuckets", "*")]),
        ("s3", "HeadBucket", {}, {"Bucket": "b"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
        ("s3", "GetObject", {}, {"Bucket": "b", "Key": "a/c"}, [("s3:GetObject", "arn:aws:s3:::b/a/c")]),
        ("s3", "GetBucketEncryption", {}, {"Bucket": "b"}, [("s3:GetEncryptionConfiguration", "arn:aws:s3:::b")]),
        ("s3", "DeleteBucketCors", {}, {"Bucket": "b"}, [("s3:PutBucketCORS", "arn:aws:s3:::b")]),
        ("s3", "CreateBucket", {"x-amz-acl": "public-read", "x-amz-object-ownership": "ObjectWriter"},
         {"Bucket": "b"},
         [(f"s3:{name}", "arn:aws:s3:::b") for name in ("CreateBucket", "PutBucketAcl", "PutBucketOwnershipControls")]),
        ("s3", "CopyObject", {"x-amz-copy-source": "/other/x"}, {"Bucket": "b", "Key": "a"},
         [("s3:PutObject", "arn:aws:s3:::b/a"), ("s3:GetObject", "arn:aws:s3:::other/x")]),
        ("s3", "DeleteObjects", {}, {"Bucket": "b", "Body": "<Key>1</Key>"}, [("s3:DeleteObject", "arn:aws:s3:::b/1")]),
        ("s3control", "PutPublicAccessBlock", {}, {}, [("s3:PutAccountPublicAccessBlock", "*")]),
        ("ssm", "GetParameters", {}, {"Names": ["/aws/service/x"]},
         [("ssm:GetParameters", "arn:aws:ssm:ap-northeast-2::parameter/aws/service/x")]),
        ("ssm", "PutParameter", {}, {"Name": "/koin/a", "Tags": [{"Key": "k", "Value": "v"}]},
         [(f"ssm:{name}", f"arn:aws:ssm:ap-northeast-2:{NUMBER}:parameter/koin/a")
          for name in ("PutParameter", "AddTagsToResource")]),
        ("monitoring", "PutMetricData", {}, {"Namespace": "CWAgent"}, [("cloudwatch:PutMetricData", "*")]),
        ("cloudfront", "CreateInvalidation", {}, {"DistributionId": "E1"},
         [("cloudfront:CreateInvalidation", f"arn:aws:cloudfront::{NUMBER}:distribution/E1")]),
        ("cloudfront", "UpdateDistribution", {},
         {"Id": "E1", "Body": "<LambdaFunctionARN>arn:f:1</LambdaFunctionARN>"},
         [("cloudfront:UpdateDistribution", f"arn:aws:cloudfront::{NUMBER}:distribution/E1"),
          ("lambda:GetFunction", "arn:f:1"), ("lambda:EnableReplication*", "arn:f:1")]),
        ("iam", "AddRoleToInstanceProfile", {}, {"InstanceProfileName": "koin-prod", "RoleName": "koin-prod"},
         [("iam:AddRoleToInstanceProfile", f"arn:aws:iam::{NUMBER}:instance-profile/koin-prod"),
          ("iam:PassRole", ROLE)]),
        ("iam", "CreatePolicy", {}, {"PolicyName": "p"}, [("iam:CreatePolicy", f"arn:aws:iam::{NUMBER}:policy/p")]),
        ("cloudtrail", "StartLogging", {}, {"Name": "koin"},
         [("cloudtrail:StartLogging", f"arn:aws:cloudtrail:ap-northeast-2:{NUMBER}:trail/koin")]),
        ("ec2", "CreateFlowLogs", {}, {}, [("ec2:CreateFlowLogs", f"{EC2}:vpc-flow-log/*"),
                                          ("logs:CreateLogDelivery", "*")]),
    ],
)  # fmt: skip
def test_what_a_call_asks_for(
    service: str, operation: str, headers: dict[str, str], params: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    found = _plain(_asked(service, operation, headers, **params))
    assert found == [(action, (resource,)) for action, resource in expected]
