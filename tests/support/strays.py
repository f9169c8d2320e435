"""What somebody makes in the console beside the declared platform."""

from __future__ import annotations

from .local_aws import LocalAws


def record(aws: LocalAws, zone: str, name: str, kind: str, *values: str) -> None:
    """A record in a zone that is declared."""
    client = aws.client("route53")
    found = next(item["Id"] for item in client.list_hosted_zones()["HostedZones"] if item["Name"] == f"{zone}.")
    wanted = {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value} for value in values]}
    batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": wanted}]}
    client.change_resource_record_sets(HostedZoneId=found, ChangeBatch=batch)


def group(aws: LocalAws, name: str) -> str:
    """A security group in the only VPC; its id."""
    ec2 = aws.client("ec2")
    (vpc,) = ec2.describe_vpcs()["Vpcs"]
    made = ec2.create_security_group(GroupName=name, Description="old host", VpcId=vpc["VpcId"])
    return str(made["GroupId"])
