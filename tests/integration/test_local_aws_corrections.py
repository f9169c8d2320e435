"""Corrections of moto that came up while the platform was built; each test fails without its correction."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from tests.support.local_aws import LocalAws


def test_a_policy_against_plain_http_lets_loopback_in(local_aws: LocalAws) -> None:
    s3 = local_aws.client("s3")
    s3.create_bucket(Bucket="a-bucket", CreateBucketConfiguration={"LocationConstraint": "ap-northeast-2"})
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::a-bucket", "arn:aws:s3:::a-bucket/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    s3.put_bucket_policy(Bucket="a-bucket", Policy=json.dumps(policy))
    s3.put_object(Bucket="a-bucket", Key="x", Body=b"x")
    assert s3.head_object(Bucket="a-bucket", Key="x")["ContentLength"] == 1
    assert json.loads(s3.get_bucket_policy(Bucket="a-bucket")["Policy"]) == policy


def test_an_acl_is_found_by_its_id(local_aws: LocalAws) -> None:
    ec2 = local_aws.client("ec2")
    acl = ec2.describe_network_acls()["NetworkAcls"][0]["NetworkAclId"]
    found = ec2.describe_network_acls(Filters=[{"Name": "network-acl-id", "Values": [acl]}])["NetworkAcls"]
    assert [item["NetworkAclId"] for item in found] == [acl]


def test_a_record_that_was_deleted_can_be_created_again(local_aws: LocalAws) -> None:
    route53 = local_aws.client("route53")
    zone = route53.create_hosted_zone(Name="x.in", CallerReference="1")["HostedZone"]["Id"]
    records = [
        {"Name": name, "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": "y.in"}]}
        for name in ("a.x.in", "b.x.in")
    ]
    for action, record in (("CREATE", 0), ("CREATE", 1), ("DELETE", 0), ("CREATE", 0)):
        change = {"Action": action, "ResourceRecordSet": records[record]}
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [change]})
    found = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    assert [item["Name"] for item in found if item["Type"] == "CNAME"] == ["a.x.in.", "b.x.in."]


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [("TXT", "v=spf1 -all", "enclosed in quotation marks"), ("A", "1.2.3.4", "conflicts with other records")],
)
def test_what_route_53_refuses_is_refused(local_aws: LocalAws, kind: str, value: str, text: str) -> None:
    route53 = local_aws.client("route53")
    zone = route53.create_hosted_zone(Name="x.in", CallerReference="1")["HostedZone"]["Id"]

    def put(kind: str, value: str) -> None:
        record = {"Name": "a.x.in", "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value}]}
        changes = [{"Action": "UPSERT", "ResourceRecordSet": record}]
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})

    put("CNAME", "y.in")
    with pytest.raises(ClientError, match=text) as refused:
        put(kind, value)
    assert refused.value.response["Error"]["Code"] == "InvalidChangeBatch"


def test_the_region_of_a_bucket_is_told_to_those_who_ask_for_pages(local_aws: LocalAws) -> None:
    s3 = local_aws.client("s3")
    s3.create_bucket(Bucket="seoul", CreateBucketConfiguration={"LocationConstraint": "ap-northeast-2"})
    local_aws.client("s3", "us-east-1").create_bucket(Bucket="virginia")
    found = {item["Name"]: item["BucketRegion"] for item in s3.list_buckets(MaxBuckets=10)["Buckets"]}
    assert found == {"seoul": "ap-northeast-2", "virginia": "us-east-1"}
    assert "BucketRegion" not in s3.list_buckets()["Buckets"][0]


def test_an_acl_that_grants_something_and_bucket_owner_enforced_exclude_each_other(local_aws: LocalAws) -> None:
    s3 = local_aws.client("s3")
    s3.create_bucket(Bucket="seoul", CreateBucketConfiguration={"LocationConstraint": "ap-northeast-2"})
    s3.put_bucket_acl(Bucket="seoul", ACL="public-read")
    enforced = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    with pytest.raises(ClientError, match="InvalidBucketAclWithObjectOwnership"):
        s3.put_bucket_ownership_controls(Bucket="seoul", OwnershipControls=enforced)
    s3.put_bucket_acl(Bucket="seoul", ACL="private")
    s3.put_bucket_ownership_controls(Bucket="seoul", OwnershipControls=enforced)
    with pytest.raises(ClientError, match="AccessControlListNotSupported"):
        s3.put_bucket_acl(Bucket="seoul", ACL="public-read")


def test_a_lifecycle_is_kept_as_it_was_given(local_aws: LocalAws) -> None:
    s3 = local_aws.client("s3")
    s3.create_bucket(Bucket="seoul", CreateBucketConfiguration={"LocationConstraint": "ap-northeast-2"})
    rule = {
        "ID": "a",
        "Status": "Enabled",
        "Filter": {"And": {"Prefix": "x/", "Tags": [{"Key": "k", "Value": "v"}], "ObjectSizeLessThan": 9}},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 3, "NewerNoncurrentVersions": 2},
    }
    for size in ("varies_by_storage_class", None):
        more = {"TransitionDefaultMinimumObjectSize": size} if size else {}
        s3.put_bucket_lifecycle_configuration(Bucket="seoul", LifecycleConfiguration={"Rules": [rule]}, **more)
        found = s3.get_bucket_lifecycle_configuration(Bucket="seoul")
        assert found["Rules"] == [rule]
        assert found["TransitionDefaultMinimumObjectSize"] == (size or "all_storage_classes_128K")
    old = {"ID": "b", "Status": "Enabled", "Prefix": "y/", "Expiration": {"Days": 1}}
    with pytest.raises(ClientError, match="cannot be mixed"):
        s3.put_bucket_lifecycle_configuration(Bucket="seoul", LifecycleConfiguration={"Rules": [rule, old]})


def test_a_token_whose_certificate_is_gone_makes_a_new_one(local_aws: LocalAws) -> None:
    acm = local_aws.client("acm", "us-east-1")
    request = {"DomainName": "x.in", "ValidationMethod": "DNS", "IdempotencyToken": "once"}
    first = acm.request_certificate(**request)["CertificateArn"]
    acm.delete_certificate(CertificateArn=first)
    assert acm.request_certificate(**request)["CertificateArn"] != first


def test_the_owner_of_a_bucket_pays(local_aws: LocalAws) -> None:
    s3 = local_aws.client("s3")
    s3.create_bucket(Bucket="a-bucket", CreateBucketConfiguration={"LocationConstraint": "ap-northeast-2"})
    assert s3.get_bucket_request_payment(Bucket="a-bucket")["Payer"] == "BucketOwner"


def test_the_same_client_token_makes_the_same_thing(local_aws: LocalAws) -> None:
    ec2 = local_aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    made = [
        ec2.create_route_table(VpcId=vpc, ClientToken=token)["RouteTable"]["RouteTableId"]
        for token in ("once", "once", "twice")
    ]
    assert made[0] == made[1] != made[2]
    # The main one, and two.
    assert len(ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]) == 3
