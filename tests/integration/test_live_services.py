"""Accounts made by hand after public reports: buckets, distributions, zones, roles, trails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.support.live_cases import Case, Made, run
from tests.support.local_aws import LocalAws

SEOUL = {"LocationConstraint": "ap-northeast-2"}
SETTINGS: dict[str, Any] = {"aws_account_settings": {}}


# --- Records ---------------------------------------------------------------------------------------------------------


def _zone(aws: LocalAws, reference: str = "1") -> str:
    zone: str = aws.client("route53").create_hosted_zone(Name="koreatech.in", CallerReference=reference)["HostedZone"][
        "Id"
    ]
    return zone.rsplit("/", 1)[-1]


def _put(aws: LocalAws, zone: str, *records: dict[str, Any]) -> None:
    changes = [{"Action": "UPSERT", "ResourceRecordSet": record} for record in records]
    aws.client("route53").change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})


def _plain(name: str, kind: str, *values: str, **more: Any) -> dict[str, Any]:
    return {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value} for value in values], **more}


def _records(aws: LocalAws, zone: str) -> dict[tuple[str, str], Any]:
    found = aws.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return {(item["Name"], item["Type"]): item for item in found if item["Type"] not in ("NS", "SOA")}


def _served_by_others(aws: LocalAws) -> Made:
    _zone(aws, "other")
    zone = _zone(aws)
    balancer = {"HostedZoneId": "ZWKZPGTI48KDX", "DNSName": "lb-1.elb.amazonaws.com.", "EvaluateTargetHealth": True}
    _put(
        aws,
        zone,
        {"Name": "api.koreatech.in", "Type": "A", "AliasTarget": balancer},
        _plain("www.koreatech.in", "A", "9.9.9.9"),
        _plain("same.koreatech.in", "CNAME", "Target.example.com."),
        _plain("undeclared.koreatech.in", "TXT", '"keep me"'),
    )
    return {"zone": zone}


def _many_records(made: Made) -> dict[str, Any]:
    records: dict[str, Any] = {
        f"{name}.koreatech.in": {"zone": "koreatech.in", "type": "A", "values": ["1.2.3.4"]}
        for name in ("api", "www", *(f"host{number}" for number in range(30)))
    }
    records["same.koreatech.in"] = {
        "zone": "koreatech.in",
        "type": "CNAME",
        "values": ["target.example.com"],
        "ttl": 60,
    }
    return SETTINGS | {"aws_dns_zones": {"koreatech.in": {"id": made["zone"]}}, "aws_dns_records": records}


def _written_at_once(aws: LocalAws, made: Made) -> None:
    assert [call["operation"] for call in aws.writes()] == ["ChangeResourceRecordSets"]
    # Route 53 answers 5 requests a second: three plans, two of them of the playbook, and one write.
    assert len([call for call in aws.requests() if call["service"] == "route53"]) <= 9
    records = _records(aws, made["zone"])
    assert len(records) == 34
    assert records["api.koreatech.in.", "A"]["ResourceRecords"] == [{"Value": "1.2.3.4"}]
    assert records["undeclared.koreatech.in.", "TXT"]["ResourceRecords"] == [{"Value": '"keep me"'}]


def _delegated(aws: LocalAws) -> Made:
    zone = _zone(aws)
    _put(aws, zone, _plain("dev.koreatech.in", "NS", "ns1.example.com"))
    return {"zone": zone}


def _below_a_delegation(made: Made) -> dict[str, Any]:
    record = {"zone": "koreatech.in", "type": "A", "values": ["1.2.3.4"]}
    return SETTINGS | {"aws_dns_zones": {"koreatech.in": {}}, "aws_dns_records": {"api.dev.koreatech.in": record}}


# --- Buckets ---------------------------------------------------------------------------------------------------------

TAGGED = {
    "ID": "expire",
    "Status": "Enabled",
    "Filter": {"Tag": {"Key": "tmp", "Value": "1"}},
    "Expiration": {"Days": 9},
}
FOREIGN = {
    "ID": "archive",
    "Status": "Enabled",
    "Filter": {"And": {"Prefix": "old/", "Tags": [{"Key": "a", "Value": "b"}], "ObjectSizeGreaterThan": 500}},
    "Transitions": [{"Days": 30, "StorageClass": "GLACIER"}],
    "NoncurrentVersionExpiration": {"NoncurrentDays": 5, "NewerNoncurrentVersions": 2},
}
KMS = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn:aws:kms:ap-northeast-2:123456789012:key/k"}


def _bucket_by_hand(aws: LocalAws) -> Made:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="uploads", CreateBucketConfiguration=SEOUL, ObjectOwnership="ObjectWriter")
    s3.put_bucket_acl(Bucket="uploads", ACL="public-read")
    s3.put_bucket_lifecycle_configuration(
        Bucket="uploads",
        LifecycleConfiguration={"Rules": [TAGGED, FOREIGN]},
        TransitionDefaultMinimumObjectSize="varies_by_storage_class",
    )
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": KMS, "BucketKeyEnabled": True}]}
    s3.put_bucket_encryption(Bucket="uploads", ServerSideEncryptionConfiguration=rules)
    partner = {"Sid": "Partner", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999999999999:root"}}
    document = {
        "Version": "2012-10-17",
        "Statement": [{**partner, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::uploads/*"}],
    }
    s3.put_bucket_policy(Bucket="uploads", Policy=json.dumps(document))
    return {}


def _declared_bucket(made: Made) -> dict[str, Any]:
    bucket = {
        "block_public_access": True,
        "ownership": "BucketOwnerEnforced",
        "tls_only": True,
        "lifecycle": {"expire": {"expire_days": 9}},
    }
    return SETTINGS | {"aws_storage_bucket_defaults": {}, "aws_storage_buckets": {"uploads": bucket}}


def _only_what_was_declared(aws: LocalAws, made: Made) -> None:
    s3 = aws.client("s3")
    lifecycle = s3.get_bucket_lifecycle_configuration(Bucket="uploads")
    assert lifecycle["TransitionDefaultMinimumObjectSize"] == "varies_by_storage_class"
    mine = {"ID": "expire", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 9}}
    assert lifecycle["Rules"] == [FOREIGN, mine]
    (rule,) = s3.get_bucket_encryption(Bucket="uploads")["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == KMS
    assert len(s3.get_bucket_acl(Bucket="uploads")["Grants"]) == 1


def _bucket_of_others(aws: LocalAws) -> Made:
    client = boto3.session.Session().client(
        "s3",
        region_name="ap-northeast-2",
        endpoint_url=aws.endpoint,
        aws_access_key_id="others",
        aws_secret_access_key="not-a-secret-0123456789",
        config=Config(s3={"addressing_style": "path"}),
    )
    client.meta.events.register(
        "before-sign.s3", lambda request, **_: request.headers.add_header("x-moto-account-id", "111122223333")
    )
    client.create_bucket(Bucket="others", CreateBucketConfiguration=SEOUL)
    return {}


def _locked(aws: LocalAws) -> Made:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="locked", CreateBucketConfiguration=SEOUL, ObjectLockEnabledForBucket=True)
    s3.create_bucket(Bucket="plain", CreateBucketConfiguration=SEOUL)
    s3.put_bucket_versioning(Bucket="plain", VersioningConfiguration={"Status": "Enabled"})
    return {}


def _half_blocked(aws: LocalAws) -> Made:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="half", CreateBucketConfiguration=SEOUL)
    block = {
        "BlockPublicAcls": True,
        "IgnorePublicAcls": True,
        "BlockPublicPolicy": False,
        "RestrictPublicBuckets": False,
    }
    s3.put_public_access_block(Bucket="half", PublicAccessBlockConfiguration=block)
    return {}


# --- Distributions ---------------------------------------------------------------------------------------------------


def _site_by_hand(aws: LocalAws) -> Made:
    """A site whose certificate has the wildcard first, whose bucket is in us-east-1, whose control never signs."""
    aws.client("s3", "us-east-1").create_bucket(Bucket="kap-site")
    zone = _zone(aws)
    acm = aws.client("acm", "us-east-1")
    certificate = acm.request_certificate(
        DomainName="*.koreatech.in", SubjectAlternativeNames=["koreatech.in"], ValidationMethod="DNS"
    )["CertificateArn"]
    proof = acm.describe_certificate(CertificateArn=certificate)["Certificate"]["DomainValidationOptions"][0]
    _put(aws, zone, _plain(proof["ResourceRecord"]["Name"], "CNAME", proof["ResourceRecord"]["Value"]))
    cloudfront = aws.client("cloudfront", "us-east-1")
    control = cloudfront.create_origin_access_control(
        OriginAccessControlConfig={
            "Name": "static",
            "Description": "by hand",
            "SigningProtocol": "sigv4",
            "SigningBehavior": "never",
            "OriginAccessControlOriginType": "s3",
        }
    )["OriginAccessControl"]["Id"]
    origin = {
        "Id": "s3",
        "DomainName": "kap-site.s3.us-east-1.amazonaws.com",
        "S3OriginConfig": {"OriginAccessIdentity": ""},
        "OriginAccessControlId": control,
    }
    site = cloudfront.create_distribution(
        DistributionConfig={
            "CallerReference": "2019",
            "Comment": "shop of the student council",
            "Enabled": True,
            "Aliases": {"Quantity": 1, "Items": ["static.koreatech.in"]},
            "Origins": {"Quantity": 1, "Items": [origin]},
            "DefaultCacheBehavior": {
                "TargetOriginId": "s3",
                "ViewerProtocolPolicy": "redirect-to-https",
                "ForwardedValues": {"QueryString": True, "Cookies": {"Forward": "none"}},
                "MinTTL": 7,
            },
            "ViewerCertificate": {"ACMCertificateArn": certificate, "SSLSupportMethod": "sni-only"},
        }
    )["Distribution"]["Id"]
    return {"zone": zone, "certificate": certificate, "control": control, "site": site}


def _declared_site(made: Made) -> dict[str, Any]:
    distribution = {
        "aliases": ["static.koreatech.in"],
        "bucket": "kap-site",
        "certificate": "koreatech.in",
        "cache_policy": "658327ea-f89d-4fab-a63d-7e88639e58f6",
    }
    return SETTINGS | {
        "aws_dns_zones": {"koreatech.in": {}},
        "aws_storage_bucket_defaults": {},
        "aws_storage_buckets": {"kap-site": {}},
        "aws_cdn_certificates": {"koreatech.in": {"domain": "koreatech.in", "alternative_names": ["*.koreatech.in"]}},
        "aws_cdn_distribution_defaults": {},
        "aws_cdn_distributions": {"static": distribution},
    }


def _same_site(aws: LocalAws, made: Made) -> None:
    cloudfront = aws.client("cloudfront", "us-east-1")
    config = cloudfront.get_distribution_config(Id=made["site"])["DistributionConfig"]
    assert config["Comment"] == "shop of the student council"
    assert config["Origins"]["Items"][0]["DomainName"] == "kap-site.s3.us-east-1.amazonaws.com"
    control = cloudfront.get_origin_access_control(Id=made["control"])["OriginAccessControl"][
        "OriginAccessControlConfig"
    ]
    assert (control["SigningBehavior"], control["Description"]) == ("always", "by hand")
    listed = aws.client("acm", "us-east-1").list_certificates()["CertificateSummaryList"]
    assert [item["CertificateArn"] for item in listed] == [made["certificate"]]


# --- Roles, trails, settings -----------------------------------------------------------------------------------------

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)


def _profile_of_another_role(aws: LocalAws) -> Made:
    iam, ec2 = aws.client("iam"), aws.client("ec2")
    iam.create_role(RoleName="EC2-S3-full", AssumeRolePolicyDocument=TRUST)
    iam.create_instance_profile(InstanceProfileName="koin-prod")
    iam.add_role_to_instance_profile(InstanceProfileName="koin-prod", RoleName="EC2-S3-full")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    # Not every zone offers the type.
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", AvailabilityZone="ap-northeast-2a")["Subnet"][
        "SubnetId"
    ]
    image = ec2.describe_images()["Images"][0]["ImageId"]
    started = ec2.run_instances(
        ImageId=image,
        InstanceType="t3a.small",
        MinCount=1,
        MaxCount=1,
        SubnetId=subnet,
        IamInstanceProfile={"Name": "koin-prod"},
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "batch"}]}],
    )
    return {"host": started["Instances"][0]["InstanceId"]}


def _holds_the_declared_role(aws: LocalAws, made: Made) -> None:
    profile = aws.client("iam").get_instance_profile(InstanceProfileName="koin-prod")["InstanceProfile"]
    assert [role["RoleName"] for role in profile["Roles"]] == ["koin-prod"]


def _trail_with_a_prefix(aws: LocalAws) -> Made:
    aws.client("s3").create_bucket(Bucket="audit-logs", CreateBucketConfiguration=SEOUL)
    for name in ("koin", "security"):
        aws.client("cloudtrail").create_trail(Name=name, S3BucketName="audit-logs", S3KeyPrefix="audit")
    return {}


def _declared_trail(made: Made) -> dict[str, Any]:
    return {
        "aws_account_settings": {"password_policy": {"max_age": 90}},
        "aws_account_trails": {"koin": {"bucket": "audit-logs"}},
        "aws_storage_bucket_defaults": {},
        "aws_storage_buckets": {"audit-logs": {"tls_only": True}},
    }


def _trail_without_a_prefix(aws: LocalAws, made: Made) -> None:
    trails = aws.client("cloudtrail").describe_trails(trailNameList=["koin", "security"])["trailList"]
    assert {item["Name"]: item.get("S3KeyPrefix") or "" for item in trails} == {"koin": "", "security": "audit"}
    policy = aws.client("iam").get_account_password_policy()["PasswordPolicy"]
    assert (policy["MinimumPasswordLength"], policy["MaxPasswordAge"]) == (8, 90)


# --- Alarms ----------------------------------------------------------------------------------------------------------


def _alarm_of_another_metric(aws: LocalAws) -> Made:
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", AvailabilityZone="ap-northeast-2a")["Subnet"]
    image = ec2.describe_images(Filters=[{"Name": "architecture", "Values": ["x86_64"]}])["Images"][0]["ImageId"]
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "KOIN"}]}]
    host = ec2.run_instances(
        ImageId=image,
        InstanceType="t3a.small",
        MinCount=1,
        MaxCount=1,
        SubnetId=subnet["SubnetId"],
        TagSpecifications=tags,
    )["Instances"][0]["InstanceId"]
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName="KOIN disk",
        Namespace="AWS/EC2",
        MetricName="NetworkIn",
        Dimensions=[{"Name": "InstanceId", "Value": host}],
        Statistic="Average",
        Unit="Bytes",
        ComparisonOperator="GreaterThanThreshold",
        Threshold=1.0,
        Period=60,
        EvaluationPeriods=4,
        DatapointsToAlarm=2,
    )
    return {"host": host}


def _declared_alarm(made: Made) -> dict[str, Any]:
    alarm = {
        "description": "",
        "namespace": "CWAgent",
        "metric": "disk_used_percent",
        "statistic": "Maximum",
        "comparison": "GreaterThanThreshold",
        "threshold": 85,
        "period": 300,
        "evaluation_periods": 3,
        "missing_data": "missing",
        "topic": "koin-alarms",
    }
    return SETTINGS | {
        "aws_network_vpcs": {"koin": {"cidr": "10.0.0.0/16"}},
        "aws_network_subnets": {
            "a": {"vpc": "koin", "cidr": "10.0.0.0/24", "zone": "ap-northeast-2a", "map_public_ip": False}
        },
        "aws_compute_key_pairs": {},
        "aws_compute_instance_defaults": {},
        "aws_compute_instances": {
            "KOIN": {"role": "PROD", "type": "t3a.small", "architecture": "x86_64", "subnet": "a"}
        },
        "aws_monitoring_topics": {"koin-alarms": {}},
        "aws_monitoring_instance_alarms": {"disk": alarm},
    }


def _without_the_unit(aws: LocalAws, made: Made) -> None:
    (alarm,) = aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert (alarm["MetricName"], alarm["DatapointsToAlarm"]) == ("disk_used_percent", 2)
    assert not alarm.get("Unit")


def _wildcard(aws: LocalAws) -> Made:
    zone = _zone(aws)
    _put(aws, zone, _plain("*.koreatech.in", "A", "9.9.9.9"), _plain("*.koreatech.in", "MX", "10 mail.koreatech.in"))
    return {"zone": zone}


CASES = [
    Case(
        "a bucket with Object Lock whose versions are not wanted",
        "S3 user guide, Object Lock",
        _locked,
        lambda made: (
            SETTINGS
            | {
                "aws_storage_bucket_defaults": {},
                "aws_storage_buckets": {"locked": {"versioning": False}, "plain": {"versioning": False}},
            }
        ),
        refused=("1 problem", "aws_storage_buckets.locked.versioning: its Object Lock needs versioning"),
    ),
    Case(
        "an alarm of another metric, with a unit",
        "CloudWatch API, PutMetricAlarm",
        _alarm_of_another_metric,
        _declared_alarm,
        says=("metric: NetworkIn -> disk_used_percent", "unit: Bytes -> (none)"),
        silent=("datapoints",),
        after=_without_the_unit,
    ),
    Case(
        "a name that a wildcard answers for",
        "RFC 4592",
        _wildcard,
        lambda made: (
            SETTINGS
            | {
                "aws_dns_zones": {"koreatech.in": {}},
                "aws_dns_records": {
                    "api.koreatech.in": {"zone": "koreatech.in", "type": "TXT", "values": ['"x"']},
                },
            }
        ),
        says=("*.koreatech.in answers for api.koreatech.in today (A 9.9.9.9; MX 10 mail.koreatech.in)",),
    ),
    Case(
        "a record set of a balancer, two zones of a name",
        "terraform-provider-aws#7734, community.aws#466",
        _served_by_others,
        _many_records,
        says=(
            "alias: lb-1.elb.amazonaws.com (zone ZWKZPGTI48KDX, evaluates the target's health) -> (none)",
            "- 9.9.9.9",
        ),
        silent=("same.koreatech.in", "(none) -> (none)"),
        after=_written_at_once,
    ),
    Case(
        "a record below a delegation",
        "Route 53 answers with the delegation",
        _delegated,
        _below_a_delegation,
        refused=("record api.dev.koreatech.in A", "hands dev.koreatech.in over to other name servers"),
    ),
    Case(
        "a bucket that is public by its ACL, with foreign rules",
        "terraform-provider-aws#43069, community.aws#2372",
        _bucket_by_hand,
        _declared_bucket,
        says=(
            "- READ to AllUsers",
            "anyone can read objects by their S3 URL today",
            'lifecycle.expire: expire after 9 days {{"Filter": {{"Tag": {{"Key": "tmp", "Value": "1"}}}}}} -> ',
            "statement Partner goes; arn:aws:iam::999999999999:root loses s3:GetObject",
        ),
        silent=("encryption", "archive"),
        after=_only_what_was_declared,
    ),
    Case(
        "a bucket of another account",
        "names of buckets are unique in all of AWS",
        _bucket_of_others,
        lambda made: SETTINGS | {"aws_storage_bucket_defaults": {}, "aws_storage_buckets": {"others": {}, "ours": {}}},
        refused=("aws_storage_buckets.others: `others` is a bucket of another account",),
    ),
    Case(
        "a bucket with two of four blocks",
        "amazon.aws PR 171",
        _half_blocked,
        lambda made: (
            SETTINGS
            | {"aws_storage_bucket_defaults": {}, "aws_storage_buckets": {"half": {"block_public_access": False}}}
        ),
        says=("block_public_access.block_public_acls: true -> false", "block_public_access.ignore_public_acls: true"),
        silent=("block_public_access.block_public_policy",),
    ),
    Case(
        "a site made by hand",
        "terraform-aws-acm#86, aws-cli#9113",
        _site_by_hand,
        _declared_site,
        says=(
            "signing_behavior: never -> always",
            '"MinTTL": 7',
            "bucket kap-site: it is in us-east-1, not in ap-northeast-2, and stays there",
        ),
        silent=("comment", "origin_domain", "+ certificate koreatech.in"),
        after=_same_site,
    ),
    Case(
        "a profile that holds another role",
        "cloud-custodian#7999",
        _profile_of_another_role,
        lambda made: SETTINGS | {"aws_iam_roles": {"koin-prod": {}}},
        says=("holds the role EC2-S3-full today", "lose the rights of EC2-S3-full: batch ({host})"),
        after=_holds_the_declared_role,
    ),
    Case(
        "a trail with a prefix beside another one",
        "CloudTrail stops when the policy of its bucket does not fit",
        _trail_with_a_prefix,
        _declared_trail,
        says=(
            "prefix: audit -> (none)",
            "trail security, which is not declared, can no longer write to it",
            "IAM's own password policy ends",
        ),
        after=_trail_without_a_prefix,
    ),
]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A local AWS of this module's own."""
    with LocalAws(tmp_path_factory.mktemp("services")) as started:
        yield started


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_account_made_by_hand(case: Case, aws: LocalAws) -> None:
    run(case, aws)
