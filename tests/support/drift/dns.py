"""Zones and records, changed and deleted behind the platform's back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .model import Account, Drift


def _record(a: Account, zone: str, action: str, record: dict[str, Any]) -> None:
    a.aws.client("route53").change_resource_record_sets(
        HostedZoneId=a.id("zone", zone), ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": record}]}
    )


def _plain(name: str, ttl: int, value: str) -> dict[str, Any]:
    return {"Name": name, "Type": "A", "TTL": ttl, "ResourceRecords": [{"Value": value}]}


def _alias(name: str, kind: str, target: str) -> dict[str, Any]:
    zone = "Z2FDTNDATAQYW2"
    target_record = {"HostedZoneId": zone, "DNSName": target, "EvaluateTargetHealth": False}
    return {"Name": name, "Type": kind, "AliasTarget": target_record}


def _unpublish_validation(a: Account) -> None:
    zone = a.id("zone", "koreatech.in")
    records = a.aws.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    proof = next(item for item in records if item["Type"] == "CNAME")
    _record(a, "koreatech.in", "DELETE", proof)


#: one for each field that is declared
DRIFTS = [
    Drift(
        "certificate_validation",
        "koreatech.in",
        "records",
        _unpublish_validation,
    ),
    Drift(
        "record",
        "api.koreatech.in A",
        "ttl",
        lambda a: _record(
            a,
            "koreatech.in",
            "UPSERT",
            _plain("api.koreatech.in", 17, a.id("elastic_ip", "KOIN_PROD", "public_ip")),
        ),
    ),
    Drift(
        "record",
        "stage.koreatech.in A",
        "values",
        lambda a: _record(a, "koreatech.in", "UPSERT", _plain("stage.koreatech.in", 300, "198.51.100.7")),
    ),
    Drift(
        "record",
        "stage.koreatech.in A",
        "more",
        lambda a: _record(
            a,
            "koreatech.in",
            "UPSERT",
            _plain("stage.koreatech.in", 300, "198.51.100.7")
            | {"HealthCheckId": "11111111-2222-3333-4444-555555555555"},
        ),
    ),
    Drift(
        "record",
        "image.bcsdlab.com AAAA",
        "alias",
        lambda a: _record(
            a, "bcsdlab.com", "UPSERT", _alias("image.bcsdlab.com", "AAAA", "d111111abcdef8.cloudfront.net.")
        ),
    ),
]


def _delete_zone(a: Account) -> None:
    client, zone = a.aws.client("route53"), a.id("zone", "jjbaksa.com")
    for record in client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]:
        if record["Type"] not in ("NS", "SOA"):
            _record(a, "jjbaksa.com", "DELETE", record)
    client.delete_hosted_zone(Id=zone)


def _delete_record(a: Account) -> None:
    zone = a.id("zone", "koreatech.in")
    records = a.aws.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    owner = next(item for item in records if item["Name"] == "owner.koreatech.in.")
    _record(a, "koreatech.in", "DELETE", owner)


#: kind and name -> how to delete it
DELETIONS: dict[tuple[str, str], Callable[[Account], object]] = {
    ("zone", "jjbaksa.com"): _delete_zone,
    ("record", "owner.koreatech.in A"): _delete_record,
}
