"""Certificates in the local AWS, which issues one once its validation records are in a public zone."""

from __future__ import annotations

from collections.abc import Iterable

from tests.support.local_aws import LocalAws

DOMAIN = "koreatech.in"


def publish(local_aws: LocalAws, records: Iterable[dict[str, str]], domain: str = DOMAIN) -> None:
    """Write validation records, as the module returns them, into a new public zone."""
    route53 = local_aws.client("route53", "us-east-1")
    zone = route53.create_hosted_zone(Name=domain, CallerReference=domain)["HostedZone"]["Id"]
    changes = [
        {
            "Action": "UPSERT",
            "ResourceRecordSet": {
                "Name": record["name"],
                "Type": record["type"],
                "TTL": 60,
                "ResourceRecords": [{"Value": record["value"]}],
            },
        }
        for record in records
    ]
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})


def issue(local_aws: LocalAws, domain: str = DOMAIN) -> str:
    """Return the ARN of an issued certificate for a domain and everything one level below it."""
    acm = local_aws.client("acm", "us-east-1")
    arn: str = acm.request_certificate(
        DomainName=domain, SubjectAlternativeNames=[f"*.{domain}"], ValidationMethod="DNS"
    )["CertificateArn"]
    options = acm.describe_certificate(CertificateArn=arn)["Certificate"]["DomainValidationOptions"]
    records = {option["ResourceRecord"]["Name"]: option["ResourceRecord"] for option in options}.values()
    publish(local_aws, ({key.lower(): value for key, value in record.items()} for record in records), domain)
    return arn
