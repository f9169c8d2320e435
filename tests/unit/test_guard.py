"""Which answers have the shape of botocore's model, and what clients do with the others."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from ansible.module_utils.platform import guard
from ansible.module_utils.platform.answers import creates, fault, reads
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

_XML = '<?xml version="1.0"?>'
_S3 = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_HTML = "<!doctype html><html><body>Sign in</body></html>"


def _fault(name: str, body: str, status: int = 200, **headers: str) -> str:
    service, _, operation = name.partition(":")
    model = botocore.session.get_session().get_service_model(service).operation_model(operation)
    return fault(model, status, {key.replace("_", "-"): value for key, value in headers.items()}, body.encode())


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("ec2:DescribeVpcs", f"{_XML}<DescribeVpcsResponse><vpcSet/></DescribeVpcsResponse>"),
        ("ec2:ModifyVpcAttribute", "<ModifyVpcAttributeResponse><return>true</return></ModifyVpcAttributeResponse>"),
        ("iam:ListRoles", "<ListRolesResponse><ListRolesResult><Roles/></ListRolesResult></ListRolesResponse>"),
        ("iam:DeleteRole", "<DeleteRoleResponse/>"),
        ("s3:GetBucketVersioning", f"<VersioningConfiguration {_S3}/>"),
        ("s3:GetBucketPolicy", "{}"),
        ("s3:PutBucketPolicy", ""),
        ("s3:HeadBucket", ""),
        ("s3:ListObjectsV2", f"<ListBucketResult {_S3}><Name>b</Name></ListBucketResult>"),
        ("s3:ListBucketInventoryConfigurations", "<R><IsTruncated>false</IsTruncated></R>"),
        ("cloudfront:ListDistributions", "<DistributionList><Quantity>0</Quantity></DistributionList>"),
        ("route53:ListHostedZones", "<ListHostedZonesResponse><HostedZones/></ListHostedZonesResponse>"),
        ("acm:ListCertificates", '{"CertificateSummaryList": []}'),
        ("acm:AddTagsToCertificate", ""),
        ("cloudtrail:StartLogging", "{}"),
    ],
)
def test_what_aws_answers_is_believed(name: str, body: str) -> None:
    assert _fault(name, body) == ""


@pytest.mark.parametrize(
    ("name", "body"),
    [
        (name, body)
        for name in ("ec2:DescribeVpcs", "iam:ListRoles", "s3:ListBuckets", "cloudfront:ListDistributions")
        for body in (
            "",
            f"{_XML}<a/>",
            _HTML,
            "<DescribeVpcsResponse>",
            "<DescribeVpcsResponse/>",
            "<ListRolesResponse/>",
        )
    ]
    + [(name, body) for name in ("acm:ListCertificates", "ssm:GetParameters") for body in ("", "{}", "[]", "{", _HTML)]
    + [
        ("s3:GetBucketVersioning", "<a/>"),
        ("s3:GetBucketVersioning", ""),
        ("s3:GetBucketPolicy", '{"Version": '),
        ("s3:PutBucketPolicy", _HTML),
        ("ec2:CreateVpc", "<CreateVpcResponse/>"),
        ("ec2:DescribeVpcs", "<DescribeVpcsResponse><nextToken>x</nextToken></DescribeVpcsResponse>"),
    ],
)
def test_what_somebody_else_answers_is_not(name: str, body: str) -> None:
    assert _fault(name, body)


def test_an_answer_that_is_shorter_than_it_says_is_not_believed() -> None:
    body = "<DescribeVpcsResponse><vpcSet/></DescribeVpcsResponse>"
    assert _fault("ec2:DescribeVpcs", body, content_length="100") == f"only {len(body)} of 100 bytes arrived"
    assert _fault("ec2:DescribeVpcs", body, content_length=str(len(body))) == ""


def test_errors_of_aws_are_errors_and_those_of_others_are_not() -> None:
    error = "<Response><Errors><Error><Code>UnauthorizedOperation</Code></Error></Errors></Response>"
    assert _fault("ec2:DescribeVpcs", error, 403) == ""
    assert _fault("ec2:DescribeVpcs", "", 503) == ""
    assert _fault("ec2:DescribeVpcs", _HTML, 403)
    # So say AWS's front ends that they are unavailable.
    assert _fault("ec2:DescribeVpcs", "<html><body><b>Http/1.1 Service Unavailable</b></body></html>", 503) == ""
    assert _fault("acm:ListCertificates", '{"__type": "AccessDeniedException"}', 400) == ""


def test_reads_and_creates_are_told_by_their_names() -> None:
    assert reads("DescribeVpcs")
    assert reads("GetBucketPolicy")
    assert not reads("GetawayCreate")
    assert creates("CreateVpc")
    assert creates("RunInstances")
    assert not creates("CreateTags")
    assert not creates("AttachInternetGateway")


class Sent:
    """A client whose requests are answered from a list; how often it asked."""

    def __init__(self, service: str, *answers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        guard.install()
        guard.begin(("vpc-11111111",), {"Name": "here"})
        monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
        self.client = botocore.session.get_session().create_client(
            service, "ap-northeast-2", aws_access_key_id="x", aws_secret_access_key="x", config=Config()
        )
        self.requests: list[Any] = []
        self._answers = list(answers)
        self.client.meta.events.register("before-send", self._answer)

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        self.requests.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, body = answer
        response = AWSResponse(request.url, status, {}, None)
        response._content = body.encode()
        return response


_CLOSED = ConnectionClosedError(endpoint_url="x")
_VPC = (200, "<CreateVpcResponse><vpc><vpcId>vpc-22222222</vpcId></vpc></CreateVpcResponse>")
_THROTTLED = (503, "<Response><Errors><Error><Code>RequestLimitExceeded</Code></Error></Errors></Response>")


@pytest.mark.parametrize("answer", [_CLOSED, (500, ""), (200, ""), (200, _HTML)])
def test_a_create_whose_answer_is_lost_is_not_repeated(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = Sent("ec2", answer, _VPC, monkeypatch=monkeypatch)
    with pytest.raises(guard.LostAnswerError, match="the answer of ec2:CreateVpc was lost"):
        sent.client.create_vpc(CidrBlock="10.0.0.0/16")
    assert len(sent.requests) == 1
    assert guard.state.lost == ["ec2:CreateVpc"]


def test_a_create_that_was_throttled_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = Sent("ec2", _THROTTLED, _THROTTLED, _VPC, monkeypatch=monkeypatch)
    sent.client.create_vpc(CidrBlock="10.0.0.0/16")
    assert (len(sent.requests), guard.state.lost, guard.state.made) == (3, [], ["CreateVpc"])


def test_a_create_with_a_client_token_is_repeated_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    table = "<routeTable><routeTableId>rtb-1</routeTableId></routeTable>"
    made = f"<CreateRouteTableResponse>{table}</CreateRouteTableResponse>"
    sent = Sent("ec2", _CLOSED, (200, made), monkeypatch=monkeypatch)
    sent.client.create_route_table(VpcId="vpc-1")
    first, second = (dict(part.split("=") for part in request.body.split("&")) for request in sent.requests)
    assert first["ClientToken"] == second["ClientToken"]


def test_what_is_created_is_tagged_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = Sent("ec2", _VPC, monkeypatch=monkeypatch)
    sent.client.create_vpc(CidrBlock="10.0.0.0/16")
    body = sent.requests[0].body
    assert "TagSpecification.1.ResourceType=vpc&TagSpecification.1.Tag.1.Key=Name" in body


def test_what_exists_is_asked_for_until_it_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = (400, "<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code></Error></Errors></Response>")
    nothing = (200, "<DescribeVpcsResponse><vpcSet/></DescribeVpcsResponse>")
    there = (
        200,
        "<DescribeVpcsResponse><vpcSet><item><vpcId>vpc-11111111</vpcId></item></vpcSet></DescribeVpcsResponse>",
    )
    sent = Sent("ec2", missing, nothing, there, monkeypatch=monkeypatch)
    assert sent.client.describe_vpcs(VpcIds=["vpc-11111111"])["Vpcs"]
    sent = Sent("ec2", missing, monkeypatch=monkeypatch)
    with pytest.raises(ClientError):
        sent.client.describe_vpcs(VpcIds=["vpc-99999999"])


def test_a_head_that_is_refused_without_a_reason_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = Sent("s3", (400, ""), (400, ""), (200, ""), monkeypatch=monkeypatch)
    sent.client.head_bucket(Bucket="x")
    assert len(sent.requests) == 3
    sent = Sent("s3", *[(400, "")] * 9, monkeypatch=monkeypatch)
    with pytest.raises(ClientError, match="400"):
        sent.client.head_bucket(Bucket="x")
    assert len(sent.requests) == guard.SPEECHLESS
    sent = Sent("s3", (403, ""), monkeypatch=monkeypatch)
    with pytest.raises(ClientError, match="403"):
        sent.client.head_bucket(Bucket="x")


def test_a_quota_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = Sent("acm", (400, '{"__type": "LimitExceededException", "message": "no"}'), monkeypatch=monkeypatch)
    with pytest.raises(ClientError, match="LimitExceeded"):
        sent.client.request_certificate(DomainName="x.in")
    assert len(sent.requests) == 1
