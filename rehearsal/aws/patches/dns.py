"""Route 53: hosted zones as AWS makes them."""

from __future__ import annotations

import hashlib
from typing import Any

from moto.route53.exceptions import Route53ClientError
from moto.route53.models import FakeZone, Route53Backend


def name_servers(zone_id: str) -> list[str]:
    """Four name servers that are the zone's own."""
    numbers = hashlib.sha256(zone_id.encode()).digest()
    return [
        f"ns-{first + 256 * index}.awsdns-{second % 64:02d}.{suffix}"
        for index, (first, second, suffix) in enumerate(
            zip(numbers[:4], numbers[4:8], ("com", "net", "org", "co.uk"), strict=True)
        )
    ]


def apply() -> None:
    """Apply this module's corrections."""
    _zones()
    _records()


def _records() -> None:
    change = Route53Backend.change_resource_record_sets

    def change_resource_record_sets(self: Route53Backend, zoneid: str, change_list: list[dict[str, Any]]) -> None:
        """moto keeps a journal of changes and refuses to create again what it has created and deleted before."""
        zone = self.get_hosted_zone(zoneid)
        _refuse(zone, change_list)
        there = {(item.name.strip("."), item.type) for item in zone.rrsets}
        for item in change_list:
            record = item["ResourceRecordSet"]
            key = (record["Name"].strip("."), record["Type"])
            if item["Action"] == "CREATE" and key not in there:
                stale = [old for old in zone.rr_changes if _key(old) == key]
                for old in stale:
                    zone.rr_changes.remove(old)
        change(self, zoneid, change_list)

    Route53Backend.change_resource_record_sets = change_resource_record_sets  # type: ignore[method-assign]


class InvalidBatchError(Route53ClientError):
    """AWS's answer to a batch of which it carries out nothing."""

    def __init__(self, reason: str):
        super().__init__("InvalidChangeBatch", f"[{reason}]")


def _refuse(zone: FakeZone, change_list: list[dict[str, Any]]) -> None:
    """moto takes text without quotes, and a CNAME beside other records."""
    types: dict[str, set[str]] = {}
    for item in zone.rrsets:
        types.setdefault(item.name.strip(".").lower(), set()).add(str(item.type))
    for change in change_list:
        record = change["ResourceRecordSet"]
        name, kind = record["Name"].strip(".").lower(), record["Type"]
        if change["Action"] == "DELETE":
            types.get(name, set()).discard(kind)
            continue
        types.setdefault(name, set()).add(kind)
        for value in record.get("ResourceRecords") or []:
            if kind == "TXT" and not value["Value"].strip().startswith('"'):
                raise InvalidBatchError(
                    "Invalid Resource Record: 'FATAL problem: InvalidCharacterString (Value should be enclosed in "
                    f"quotation marks) encountered with '{value['Value']}''"
                )
    for name, kinds in types.items():
        if "CNAME" in kinds and len(kinds) > 1:
            raise InvalidBatchError(
                f"RRSet of type CNAME with DNS name {name}. is not permitted as it conflicts with other records with "
                f"the same DNS name in zone {zone.name}"
            )


def _key(change: dict[str, Any]) -> tuple[str, str]:
    record = change["ResourceRecordSet"]
    return record["Name"].strip("."), record["Type"]


def _zones() -> None:
    create = Route53Backend.create_hosted_zone

    def create_hosted_zone(self: Route53Backend, name: str, private_zone: bool, *args: Any, **kwargs: Any) -> FakeZone:
        """moto gives one set of name servers to all zones: a domain that points to the wrong zone looks right."""
        # RegisterDomain makes a zone too, and there moto forgets the dot.
        zone = create(self, name if name.endswith(".") else f"{name}.", private_zone, *args, **kwargs)
        if zone.delegation_set and not zone.delegation_set.id:
            zone.delegation_set.name_servers = name_servers(zone.resource_id)
            for records in zone.rrsets:
                if records.type == "NS":
                    records.records = [f"{server}." for server in zone.delegation_set.name_servers]
                elif records.type == "SOA":
                    # moto wraps the value twice and answers the text of a dictionary.
                    records.records = [
                        f"{zone.delegation_set.name_servers[0]}. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
                    ]
        return zone

    Route53Backend.create_hosted_zone = create_hosted_zone  # type: ignore[method-assign]
