"""Corrections of moto that came up while the platform was built; each test fails without its correction."""

from __future__ import annotations

import json

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


def test_a_token_whose_certificate_is_gone_makes_a_new_one(local_aws: LocalAws) -> None:
    acm = local_aws.client("acm", "us-east-1")
    request = {"DomainName": "x.in", "ValidationMethod": "DNS", "IdempotencyToken": "once"}
    first = acm.request_certificate(**request)["CertificateArn"]
    acm.delete_certificate(CertificateArn=first)
    assert acm.request_certificate(**request)["CertificateArn"] != first
