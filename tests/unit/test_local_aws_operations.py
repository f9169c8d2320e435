"""What a request is called, whether it writes, and what it was given."""

from __future__ import annotations

import json

import pytest

from rehearsal.aws.operations import Call, Request, identify

FORM = "application/x-www-form-urlencoded; charset=utf-8"
JSON = "application/x-amz-json-1.1"


def request(
    service: str,
    method: str = "POST",
    path: str = "/",
    query: str = "",
    body: str | bytes = "",
    region: str = "ap-northeast-2",
    **headers: str,
) -> Request:
    scope = f"AWS4-HMAC-SHA256 Credential=rehearsal/20260101/{region}/{service}/aws4_request, SignedHeaders=host"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(
        method, path, query, {"authorization": scope} | named, body.encode() if isinstance(body, str) else body
    )


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "operation"),
    [
        ("GET", "/", "", {}, "ListBuckets"),
        ("PUT", "/kap-test", "", {}, "CreateBucket"),
        ("HEAD", "/kap-test", "", {}, "HeadBucket"),
        ("GET", "/kap-test", "", {}, "ListObjects"),
        ("GET", "/kap-test", "list-type=2&prefix=a", {}, "ListObjectsV2"),
        ("GET", "/kap-test", "versioning", {}, "GetBucketVersioning"),
        ("PUT", "/kap-test", "versioning", {}, "PutBucketVersioning"),
        ("PUT", "/kap-test", "publicAccessBlock", {}, "PutPublicAccessBlock"),
        ("PUT", "/kap-test", "ownershipControls", {}, "PutBucketOwnershipControls"),
        ("PUT", "/kap-test", "policy", {}, "PutBucketPolicy"),
        ("DELETE", "/kap-test", "policy", {}, "DeleteBucketPolicy"),
        ("PUT", "/kap-test", "cors", {}, "PutBucketCors"),
        ("PUT", "/kap-test", "lifecycle", {}, "PutBucketLifecycleConfiguration"),
        ("PUT", "/kap-test", "encryption", {}, "PutBucketEncryption"),
        ("PUT", "/kap-test", "tagging", {}, "PutBucketTagging"),
        ("POST", "/kap-test", "delete", {}, "DeleteObjects"),
        ("PUT", "/kap-test/a/b c.txt", "", {}, "PutObject"),
        ("PUT", "/kap-test/a", "x-id=PutObject", {}, "PutObject"),
        ("PUT", "/kap-test/a", "", {"x_amz_copy_source": "x/y"}, "CopyObject"),
        ("PUT", "/kap-test/a", "partNumber=1&uploadId=u", {}, "UploadPart"),
        ("GET", "/kap-test/a", "uploadId=u", {}, "ListParts"),
        ("GET", "/kap-test/a", "", {}, "GetObject"),
        ("DELETE", "/kap-test/a", "", {}, "DeleteObject"),
    ],
)
def test_s3(method: str, path: str, query: str, headers: dict[str, str], operation: str) -> None:
    assert identify(request("s3", method, path, query, **headers)).operation == operation


def test_the_settings_of_the_account_are_not_those_of_a_bucket() -> None:
    path = "/v20180820/configuration/publicAccessBlock"
    call = identify(request("s3", "PUT", path, x_amz_account_id="123456789012"))
    assert (call.service, call.operation, call.write) == ("s3control", "PutPublicAccessBlock", True)


@pytest.mark.parametrize(
    ("service", "method", "path", "query", "operation"),
    [
        ("cloudfront", "POST", "/2020-05-31/distribution", "", "CreateDistribution"),
        ("cloudfront", "POST", "/2020-05-31/distribution", "WithTags", "CreateDistributionWithTags"),
        ("cloudfront", "GET", "/2020-05-31/distribution", "", "ListDistributions"),
        ("cloudfront", "GET", "/2020-05-31/distribution/E1", "", "GetDistribution"),
        ("cloudfront", "GET", "/2020-05-31/distribution/E1/config", "", "GetDistributionConfig"),
        ("cloudfront", "PUT", "/2020-05-31/distribution/E1/config", "", "UpdateDistribution"),
        ("cloudfront", "DELETE", "/2020-05-31/distribution/E1", "", "DeleteDistribution"),
        ("cloudfront", "POST", "/2020-05-31/distribution/E1/invalidation", "", "CreateInvalidation"),
        ("cloudfront", "POST", "/2020-05-31/origin-access-control", "", "CreateOriginAccessControl"),
        ("cloudfront", "PUT", "/2020-05-31/origin-access-control/E1/config", "", "UpdateOriginAccessControl"),
        ("cloudfront", "POST", "/2020-05-31/tagging", "Operation=Tag&Resource=x", "TagResource"),
        ("cloudfront", "POST", "/2020-05-31/tagging", "Operation=Untag&Resource=x", "UntagResource"),
        ("route53", "POST", "/2013-04-01/hostedzone", "", "CreateHostedZone"),
        ("route53", "POST", "/2013-04-01/hostedzone/Z1/rrset/", "", "ChangeResourceRecordSets"),
        ("route53", "GET", "/2013-04-01/hostedzone/Z1/rrset", "", "ListResourceRecordSets"),
        ("route53", "GET", "/2013-04-01/hostedzonesbyname", "dnsname=x", "ListHostedZonesByName"),
        ("route53", "POST", "/2013-04-01/tags/hostedzone/Z1", "", "ChangeTagsForResource"),
        ("route53", "GET", "/2013-04-01/change/C1", "", "GetChange"),
    ],
)
def test_rest(service: str, method: str, path: str, query: str, operation: str) -> None:
    assert identify(request(service, method, path, query)).operation == operation


def test_query_protocol() -> None:
    call = identify(
        request("ec2", body="Action=CreateTags&Version=2016-11-15&ResourceId.1=i-1&Tag.1.Key=Name", content_type=FORM)
    )
    assert call == Call("ec2", "ap-northeast-2", "CreateTags", {"ResourceId.1": "i-1", "Tag.1.Key": "Name"})


def test_json_protocol() -> None:
    call = identify(request("ssm", body='{"Name": "/koin/lock", "Value": "me"}', x_amz_target="AmazonSSM.PutParameter"))
    assert (call.operation, call.params, call.write) == (
        "PutParameter",
        {"Name": "/koin/lock", "Value": "me"},
        True,
    )


def test_cbor_protocol() -> None:
    # {"AlarmName": "x"}
    body = b"\xa1\x69AlarmName\x61x"
    path = "/service/GraniteServiceVersion20100801/operation/PutMetricAlarm"
    call = identify(request("monitoring", path=path, body=body))
    assert (call.operation, call.params) == ("PutMetricAlarm", {"AlarmName": "x"})


def test_rest_parameters_name_the_resource() -> None:
    call = identify(request("s3", "PUT", "/kap-test/a/b", body="content"))
    assert call.params == {"Bucket": "kap-test", "Key": "a/b", "ContentLength": 7}
    call = identify(request("cloudfront", "PUT", "/2020-05-31/distribution/E1/config", body="<x/>"))
    assert call.params == {"Id": "E1", "Body": "<x/>"}


def test_presigned_requests_are_known_by_their_query() -> None:
    query = "X-Amz-Credential=k%2F20260101%2Fap-northeast-2%2Fs3%2Faws4_request&X-Amz-Signature=x"
    call = identify(Request("PUT", "/kap-test/upload/x", query, {}, b""))
    assert call == Call(
        "s3", "ap-northeast-2", "PutObject", {"Bucket": "kap-test", "Key": "upload/x", "ContentLength": 0}
    )


def test_secrets_stay_out_of_the_log() -> None:
    body = json.dumps({"Name": "/koin/prod/password", "Type": "SecureString", "Value": "hunter2"})
    assert "hunter2" not in str(identify(request("ssm", body=body, x_amz_target="AmazonSSM.PutParameter")))


@pytest.mark.parametrize(
    ("operation", "write"),
    [
        ("DescribeInstances", False),
        ("GetCallerIdentity", False),
        ("ListDistributions", False),
        ("HeadBucket", False),
        ("LookupEvents", False),
        ("TestDNSAnswer", False),
        ("SimulatePrincipalPolicy", False),
        ("AssumeRole", False),
        ("RunInstances", True),
        ("StopInstances", True),
        ("AllocateAddress", True),
        ("AuthorizeSecurityGroupIngress", True),
        ("ChangeResourceRecordSets", True),
        ("PutParameter", True),
        ("Subscribe", True),
        ("RegisterDomain", True),
        ("RequestCertificate", True),
        ("ListenToEverything", True),
    ],
)
def test_writes_are_told_from_reads(operation: str, write: bool) -> None:
    assert Call("x", "x", operation, {}).write is write


def test_a_dry_run_is_no_write() -> None:
    assert not Call("ec2", "x", "RunInstances", {"DryRun": "true"}).write


@pytest.mark.parametrize(("method", "write"), [("GET", False), ("HEAD", False), ("POST", True), ("PUT", True)])
def test_what_is_not_known_to_be_a_read_is_a_write(method: str, write: bool) -> None:
    call = identify(request("nosuchservice", method, "/x"))
    assert (call.operation, call.write) == (f"{method} /x", write)


def test_every_rest_operation_is_found_by_its_own_model() -> None:
    """No two operations of S3, CloudFront or Route 53 that the platform may use hide behind one another."""
    import botocore.session

    for service in ("s3", "cloudfront", "route53"):
        model = botocore.session.get_session().get_service_model(service)
        confused = {}
        for name in model.operation_names:
            operation = model.operation_model(name)
            if operation.deprecated:
                continue
            path, _, static = operation.http["requestUri"].partition("?")
            path = path.replace("{Key+}", "a/b")
            headers: dict[str, str] = {}
            query = [static] if static else []
            for member in operation.input_shape.required_members if operation.input_shape else ():
                place = operation.input_shape.members[member].serialization
                if place.get("location") == "header":
                    headers[place["name"].lower().replace("-", "_")] = "x"
                elif place.get("location") == "querystring":
                    query.append(f"{place['name']}=x")
            path = "/".join("x" if part.startswith("{") else part for part in path.split("/"))
            found = identify(request(service, operation.http["method"], path, "&".join(query), **headers)).operation
            if found != name:
                confused[name] = found
        # Left: what AWS tells apart by host name.
        assert confused == ({"ListDirectoryBuckets": "ListBuckets"} if service == "s3" else {})
