"""How many there are of what must never be doubled, by what identifies it to a person."""

from __future__ import annotations

from collections import Counter
from typing import Any

from .local_aws import LocalAws

_GONE = ("shutting-down", "terminated")


def _name(raw: dict[str, Any]) -> str:
    return next((tag["Value"] for tag in raw.get("Tags") or [] if tag["Key"] == "Name"), "")


def inventory(aws: LocalAws) -> dict[str, Counter[Any]]:
    """Counters by kind."""
    ec2, route53, cloudfront = aws.client("ec2"), aws.client("route53"), aws.client("cloudfront")
    instances = [item for group in ec2.describe_instances()["Reservations"] for item in group["Instances"]]
    sites = cloudfront.list_distributions()["DistributionList"].get("Items", [])
    certificates = aws.client("acm", "us-east-1").list_certificates()["CertificateSummaryList"]
    return {
        "vpcs": Counter(item["CidrBlock"] for item in ec2.describe_vpcs()["Vpcs"]),
        "subnets": Counter(item["CidrBlock"] for item in ec2.describe_subnets()["Subnets"]),
        "gateways": Counter(_name(item) for item in ec2.describe_internet_gateways()["InternetGateways"]),
        "tables": Counter(_name(item) for item in ec2.describe_route_tables()["RouteTables"]),
        "acls": Counter(_name(item) for item in ec2.describe_network_acls()["NetworkAcls"]),
        "groups": Counter(item["GroupName"] for item in ec2.describe_security_groups()["SecurityGroups"]),
        "instances": Counter(_name(item) for item in instances if item["State"]["Name"] not in _GONE),
        "addresses": Counter(_name(item) or item["PublicIp"] for item in ec2.describe_addresses()["Addresses"]),
        "buckets": Counter(item["Name"] for item in aws.client("s3").list_buckets()["Buckets"]),
        "distributions": Counter(alias for item in sites for alias in item["Aliases"]["Items"]),
        "certificates": Counter(item["DomainName"] for item in certificates),
        "zones": Counter(item["Name"] for item in route53.list_hosted_zones()["HostedZones"]),
    }
