"""Route 53: hosted zones as AWS makes them."""

from __future__ import annotations

import hashlib
from typing import Any

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
    """Give every zone its own name servers and a name that ends in a dot."""
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
