"""The request log, the images, and the two accounts that the local AWS can begin with."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.support.local_aws import LocalAws

NETWORK = {
    "describe_vpcs": "Vpcs",
    "describe_subnets": "Subnets",
    "describe_internet_gateways": "InternetGateways",
    "describe_route_tables": "RouteTables",
    "describe_network_acls": "NetworkAcls",
    "describe_security_groups": "SecurityGroups",
}


def counts(aws: LocalAws) -> dict[str, int]:
    ec2 = aws.client("ec2")
    return {key: len(getattr(ec2, operation)()[key]) for operation, key in NETWORK.items()}


def test_an_empty_account_has_no_network(local_aws: LocalAws) -> None:
    assert set(counts(local_aws(empty=True)).values()) == {0}


def test_a_new_account_has_a_whole_default_vpc(local_aws: LocalAws) -> None:
    assert counts(local_aws) == {
        "Vpcs": 1,
        "Subnets": 4,
        "InternetGateways": 1,
        "RouteTables": 1,
        "NetworkAcls": 1,
        "SecurityGroups": 1,
    }
    ec2 = local_aws.client("ec2")
    subnets = {item["CidrBlock"]: item for item in ec2.describe_subnets()["Subnets"]}
    assert {cidr: item["AvailabilityZone"][-1] for cidr, item in subnets.items()} == {
        "172.31.0.0/20": "a",
        "172.31.16.0/20": "b",
        "172.31.32.0/20": "c",
        "172.31.48.0/20": "d",
    }
    assert all(item["MapPublicIpOnLaunch"] for item in subnets.values())
    gateway = ec2.describe_internet_gateways()["InternetGateways"][0]
    routes = ec2.describe_route_tables()["RouteTables"][0]["Routes"]
    assert {"0.0.0.0/0": gateway["InternetGatewayId"]}.items() <= {
        item["DestinationCidrBlock"]: item.get("GatewayId") for item in routes
    }.items()


def test_a_reset_forgets_everything(local_aws: LocalAws) -> None:
    local_aws.client("s3").create_bucket(
        Bucket="kap-test", CreateBucketConfiguration={"LocationConstraint": "ap-northeast-2"}
    )
    local_aws.client("iam").create_role(RoleName="x", AssumeRolePolicyDocument="{}")
    assert [item["operation"] for item in local_aws.writes()] == ["CreateBucket", "CreateRole"]
    local_aws.reset()
    assert local_aws.requests() == []
    assert local_aws.client("s3").list_buckets()["Buckets"] == []
    assert local_aws.client("iam").list_roles()["Roles"] == []


def test_the_log_tells_what_came_after_a_mark(local_aws: LocalAws) -> None:
    ec2 = local_aws.client("ec2")
    ec2.describe_vpcs()
    local_aws.mark()
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.describe_vpcs(VpcIds=[vpc])
    assert [(item["operation"], item["write"], item["status"]) for item in local_aws.requests()] == [
        ("CreateVpc", True, 200),
        ("DescribeVpcs", False, 200),
    ]
    (write,) = local_aws.writes()
    assert (write["service"], write["region"], write["params"]) == (
        "ec2",
        "ap-northeast-2",
        {"CidrBlock": "10.0.0.0/16"},
    )
    assert len(local_aws.requests(since=0)) == 3


def test_every_protocol_is_logged_by_name(local_aws: LocalAws) -> None:
    local_aws.client("cloudwatch").put_metric_alarm(
        AlarmName="credits",
        MetricName="CPUCreditBalance",
        Namespace="AWS/EC2",
        Period=300,
        EvaluationPeriods=3,
        Threshold=72,
        ComparisonOperator="LessThanThreshold",
        Statistic="Minimum",
    )
    local_aws.client("sns").create_topic(Name="koin-alarms")
    local_aws.client("ssm").put_parameter(Name="/koin/lock", Value="me", Type="String")
    zone = local_aws.client("route53").create_hosted_zone(Name="koreatech.in", CallerReference="1")["HostedZone"]["Id"]
    local_aws.client("route53").delete_hosted_zone(Id=zone)
    logged = [(item["service"], item["operation"]) for item in local_aws.writes()]
    assert logged == [
        ("monitoring", "PutMetricAlarm"),
        ("sns", "CreateTopic"),
        ("ssm", "PutParameter"),
        ("route53", "CreateHostedZone"),
        ("route53", "DeleteHostedZone"),
    ]
    alarm, topic, parameter, _, deleted = (item["params"] for item in local_aws.writes())
    assert (alarm["AlarmName"], topic["Name"], parameter["Name"]) == ("credits", "koin-alarms", "/koin/lock")
    assert deleted["Id"] == zone.removeprefix("/hostedzone/")


def test_s3_control_finds_the_local_aws(local_aws: LocalAws) -> None:
    """It puts the account's id before the host, see ``keep_host``."""
    block = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    client = local_aws().client("s3control")
    client.put_public_access_block(AccountId="123456789012", PublicAccessBlockConfiguration=block)
    found = client.get_public_access_block(AccountId="123456789012")
    assert found["PublicAccessBlockConfiguration"] == block
    calls = {(call["service"], call["operation"]) for call in local_aws.requests(0)}
    assert {("s3control", "PutPublicAccessBlock"), ("s3control", "GetPublicAccessBlock")} <= calls


def test_what_moto_cannot_do_is_said_at_once(local_aws: LocalAws) -> None:
    """moto alone answers a page of HTML with status 500, which clients repeat and then cannot parse."""
    with pytest.raises(ClientError, match=r"NotImplemented.*moto.*ec2 GetConsoleScreenshot"):
        local_aws.client("ec2").get_console_screenshot(InstanceId="i-1")
    assert [item["status"] for item in local_aws.requests()] == [501]


def test_put_parameter_without_overwrite_is_a_lock(local_aws: LocalAws) -> None:
    def take(owner: int) -> bool:
        try:
            ssm.put_parameter(Name="/koin/lock", Value=str(owner), Type="String", Overwrite=False)
        except exists:
            return False
        return True

    ssm = local_aws.client("ssm")
    # Here: boto3 makes its exceptions when first asked, in threads one for each.
    exists = ssm.exceptions.ParameterAlreadyExists
    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(take, range(32))) == 1


def test_parallel_clients_see_no_half_changed_account(local_aws: LocalAws) -> None:
    ec2 = local_aws.client("ec2")

    def call(index: int) -> Any:
        if index % 2:
            return ec2.create_vpc(CidrBlock=f"10.{index}.0.0/16")
        return ec2.describe_route_tables()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(call, range(64)))
    assert {item["status"] for item in local_aws.requests()} == {200}
    assert len(local_aws.requests()) == 64


def test_the_images_are_debian_and_ubuntu(local_aws: LocalAws) -> None:
    ec2 = local_aws.client("ec2")
    found = {
        (item["OwnerId"], item["Architecture"], item["RootDeviceName"], item["Name"].split("-")[0])
        for item in ec2.describe_images()["Images"]
    }
    assert found == {
        ("136693071363", "x86_64", "/dev/xvda", "debian"),
        ("136693071363", "arm64", "/dev/xvda", "debian"),
        ("099720109477", "x86_64", "/dev/sda1", "ubuntu/images/hvm"),
        ("099720109477", "arm64", "/dev/sda1", "ubuntu/images/hvm"),
    }
    names = ec2.describe_images(Owners=["136693071363"], Filters=[{"Name": "name", "Values": ["debian-13-arm64-*"]}])
    assert len(names["Images"]) == 1


@pytest.mark.parametrize(("suffix", "architecture"), [("amd64", "x86_64"), ("arm64", "arm64")])
def test_the_public_parameters_name_them(local_aws: LocalAws, suffix: str, architecture: str) -> None:
    name = f"/aws/service/debian/release/13/latest/{suffix}"
    image = local_aws.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    (found,) = local_aws.client("ec2").describe_images(ImageIds=[image])["Images"]
    assert found["Architecture"] == architecture


def test_small_instances_are_offered_where_aws_offers_them(local_aws: LocalAws) -> None:
    answer = local_aws.client("ec2").describe_instance_type_offerings(
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": ["t3a.small", "t4g.small"]}],
    )
    offered: dict[str, str] = {}
    for item in sorted(answer["InstanceTypeOfferings"], key=lambda item: item["Location"]):
        offered[item["InstanceType"]] = offered.get(item["InstanceType"], "") + item["Location"][-1]
    assert offered == {"t3a.small": "ac", "t4g.small": "abcd"}


def test_environ_is_all_that_a_client_needs(local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in local_aws.environ.items():
        monkeypatch.setenv(name, value)
    assert boto3.session.Session().client("sts").get_caller_identity()["Account"] == "123456789012"
