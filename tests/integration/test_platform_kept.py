"""What nobody declared stays as it is, though a declared neighbour is written: the modules would reset some of it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.drift import Account
from tests.support.drift.monitoring import ALARM_SETTINGS
from tests.support.local_aws import LocalAws
from tests.support.plan_calls import mismatches
from tests.support.platform import Platform, declared, fields

HOST, ALARM, TOPIC, WEBHOOK = "KOIN_STAGE", "KOIN_DB cpu-credits", "koin-alarms", "https://hooks.example.com/chat"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The declared platform."""
    with LocalAws(tmp_path_factory.mktemp("kept")) as aws:
        aws.reset(empty=True)
        platform = Platform(aws)
        platform.provision()
        yield platform


def _extra_subnet(account: Account) -> str:
    """A subnet made by hand, guarded by the declared ACL."""
    ec2, vpc = account.ec2, account.id("vpc", "BCSDLab")
    subnet: str = ec2.create_subnet(VpcId=vpc, CidrBlock="172.31.64.0/24")["Subnet"]["SubnetId"]
    associations = (item for acl in ec2.describe_network_acls()["NetworkAcls"] for item in acl["Associations"])
    current = next(item for item in associations if item["SubnetId"] == subnet)
    ec2.replace_network_acl_association(
        AssociationId=current["NetworkAclAssociationId"], NetworkAclId=account.id("network_acl", "BCSDLab-open")
    )
    return subnet


def _acl_of(account: Account, subnet: str) -> str:
    acls = account.ec2.describe_network_acls()["NetworkAcls"]
    found = (acl for acl in acls for item in acl["Associations"] if item["SubnetId"] == subnet)
    return str(next(found)["NetworkAclId"])


def _alarm(account: Account) -> dict[str, Any]:
    found: dict[str, Any] = account.aws.client("cloudwatch").describe_alarms(AlarmNames=[ALARM])["MetricAlarms"][0]
    return found


def _retag(account: Account, *resources: str) -> None:
    account.ec2.create_tags(Resources=list(resources), Tags=[{"Key": "Platform", "Value": "changed by hand"}])


def test_undeclared_settings_are_kept_when_a_neighbour_is_written(built: Platform) -> None:
    account = Account(built.aws, built.plan().registry)
    sns, cloudwatch = built.aws.client("sns"), built.aws.client("cloudwatch")
    subnet = _extra_subnet(account)
    host, topic = account.id("instance", HOST), account.id("topic", TOPIC)
    account.ec2.modify_instance_metadata_options(InstanceId=host, InstanceMetadataTags="enabled")
    sns.subscribe(TopicArn=topic, Protocol="https", Endpoint=WEBHOOK)
    alarm = {key: value for key, value in _alarm(account).items() if key in ALARM_SETTINGS}
    alarm |= {"Threshold": 99.0, "InsufficientDataActions": [topic], "DatapointsToAlarm": 2}
    cloudwatch.put_metric_alarm(**alarm)
    # Now everything beside it is changed, so that it has to be written.
    _retag(
        account,
        host,
        account.id("network_acl", "BCSDLab-open"),
        account.id("security_group", "Web"),
        account.id("subnet", "BCSDLab-a"),
    )
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="kim@example.com")
    planned = built.plan()
    built.aws.mark()
    built.provision()
    writes, after = built.aws.writes(), built.plan()
    assert mismatches(planned.writes, writes, after.registry) == []
    assert fields(after) == set()
    assert _acl_of(account, subnet) == account.id("network_acl", "BCSDLab-open")
    endpoints = [item["Endpoint"] for item in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]]
    assert endpoints == [WEBHOOK]
    kept = _alarm(account)
    threshold = declared()["aws_monitoring_instance_alarms"][ALARM.split()[1]]["threshold"]
    assert (kept["InsufficientDataActions"], kept["DatapointsToAlarm"], kept["Threshold"]) == ([topic], 2, threshold)
    reservations = account.ec2.describe_instances(InstanceIds=[host])["Reservations"]
    assert reservations[0]["Instances"][0]["MetadataOptions"]["InstanceMetadataTags"] == "enabled"


def test_a_bigger_disk_is_reported_and_not_shrunk(built: Platform) -> None:
    account = Account(built.aws, built.plan().registry)
    volume = account.id("instance", HOST, "root_volume")
    account.ec2.modify_volume(VolumeId=volume, VolumeType="gp2", Size=60)
    assert fields(built.plan()) == {
        ("change", "instance", HOST, "root_volume.type"),
        ("replace", "instance", HOST, "root_volume.size"),
    }
    built.provision()
    found = account.ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]
    assert (found["VolumeType"], found["Size"]) == ("gp3", 60)


def test_a_type_of_another_architecture_is_reported_and_stops_nothing(built: Platform) -> None:
    instances = copy.deepcopy(declared()["aws_compute_instances"])
    instances["KOIN_PROD"] |= {"type": "t4g.small", "architecture": "arm64"}
    planned = built.plan(aws_compute_instances=instances)
    assert {item for item in fields(planned) if item[2] == "KOIN_PROD"} == {
        ("replace", "instance", "KOIN_PROD", "architecture"),
        ("replace", "instance", "KOIN_PROD", "type"),
    }


def test_a_subnet_that_has_another_route_table_is_taken_over(built: Platform) -> None:
    account = Account(built.aws, built.plan().registry)
    ec2, subnet = account.ec2, account.id("subnet", "BCSDLab-b")
    other = ec2.create_route_table(VpcId=account.id("vpc", "BCSDLab"))["RouteTable"]["RouteTableId"]
    tables = ec2.describe_route_tables(RouteTableIds=[account.id("route_table", "BCSDLab-public")])["RouteTables"]
    association = next(item for item in tables[0]["Associations"] if item.get("SubnetId") == subnet)
    ec2.replace_route_table_association(AssociationId=association["RouteTableAssociationId"], RouteTableId=other)
    assert ("change", "route_table", "BCSDLab-public", "subnets") in fields(built.plan())
    built.provision()
    found = ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])["RouteTables"]
    assert [table["RouteTableId"] for table in found] == [account.id("route_table", "BCSDLab-public")]


def test_a_lifecycle_rule_that_is_narrowed_leaves_no_old_one_behind(built: Platform) -> None:
    rule = {"expire_days": 30}
    buckets = copy.deepcopy(declared()["aws_storage_buckets"])
    buckets["kap-test"]["lifecycle"] = {"expire-tmp": rule}
    built.provision(aws_storage_buckets=buckets)
    buckets["kap-test"]["lifecycle"] = {"expire-tmp": rule | {"prefix": "tmp/"}}
    built.provision(aws_storage_buckets=buckets)
    rules = built.aws.client("s3").get_bucket_lifecycle_configuration(Bucket="kap-test")["Rules"]
    expiring = [(item["ID"], item["Filter"]["Prefix"]) for item in rules if "Days" in item.get("Expiration", {})]
    assert expiring == [("expire-tmp", "tmp/")]


def test_a_cname_in_the_way_is_named_before_anything_is_written(built: Platform) -> None:
    zone = built.plan().registry["zone"]["koreatech.in"]["id"]
    record = {
        "Name": "shop.koreatech.in",
        "Type": "CNAME",
        "TTL": 60,
        "ResourceRecords": [{"Value": "elsewhere.example.com"}],
    }
    changes = [{"Action": "CREATE", "ResourceRecordSet": record}]
    built.aws.client("route53").change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
    records = declared()["aws_dns_records"] | {
        "shop.koreatech.in": {"zone": "koreatech.in", "type": "A", "host": "KOIN_PROD"}
    }
    run = built.playbook("plan", aws_dns_records=records)
    assert run.status != 0
    assert "record shop.koreatech.in A: the zone has a CNAME of that name" in run.output
