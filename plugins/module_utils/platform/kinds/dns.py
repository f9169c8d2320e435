"""Hosted zones and records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..declaration import Declaration
from ..model import Desired, FieldChange, Fields, Live
from ..refs import ref
from .base import Context, Kind, Observation, only


def dotless(name: str) -> str:
    """A DNS name as people write it: no final dot, lower case, ``*`` instead of its escape."""
    return name.rstrip(".").lower().replace("\\052", "*")


class Zone(Kind):
    """A public hosted zone, recognised by its name.

    Its comment is given at creation and not compared: the module would switch DNSSEC off while changing it.
    """

    name = "zone"
    role = "aws_dns"
    writes = ("route53:CreateHostedZone",)

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries("aws_dns_zones").items():
            yield Desired(name, entry, {})

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        for raw in observation["zones"]:
            if raw["Config"]["PrivateZone"]:
                continue
            zone = raw["Id"].rsplit("/", 1)[-1]
            facts = {
                "Servers": observation["zone_servers"].get(zone, []),
                "Domain": observation["domains"].get(dotless(raw["Name"])),
            }
            yield Live(zone, f"{dotless(raw['Name'])} ({zone})", {**raw, **facts}, {"id": zone})

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        return only(self.name, want.name, [item for item in live if dotless(item.raw["Name"]) == want.name])

    def fields(self, live: Live, context: Context) -> Fields:
        return {}

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange]) -> Iterable[str]:
        if not want.entry.get("registered") or live is None:
            return
        servers, domain = sorted(live.raw["Servers"]), live.raw["Domain"]
        if domain is None:
            yield (
                f"zone {want.name}: declared as registered, but the domain is not registered in this account; "
                "check its name servers at its registrar, or drop `registered`"
            )
        elif sorted(domain) != servers:
            yield (
                f"zone {want.name}: the registered domain points to {', '.join(sorted(domain)) or 'no name server'}, "
                f"the zone is served by {', '.join(servers)}: its records are not what the world sees"
            )


def record_label(name: str, kind: str) -> str:
    """How a record is named in a plan."""
    return f"{name} {kind}"


class Record(Kind):
    """A record, recognised by zone, name and type; those of distributions come with them."""

    name = "record"
    role = "aws_dns_records"
    writes = ("route53:ChangeResourceRecordSets",)

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for key, entry in declaration.entries("aws_dns_records").items():
            name = dotless(entry.get("name", key))
            if entry.get("host"):
                values = [ref("elastic_ip", entry["host"], "public_ip")]
            else:
                values = sorted(entry.get("values", []))
            ttl = entry.get("ttl", declaration.value("aws_dns_records_ttl", 300))
            record = {"zone": entry["zone"], "name": name, "type": entry["type"], "ttl": ttl, "values": values}
            yield Desired(record_label(name, entry["type"]), record, {"ttl": ttl, "values": values})
        for name, entry in declaration.entries("aws_cdn_distributions").items():
            for alias in entry["aliases"]:
                target = ref("distribution", name, "domain_name")
                for kind in ("A", "AAAA") if entry.get("ipv6") else ("A",):
                    zone = zone_of(alias, declaration)
                    record = {"zone": zone, "name": alias, "type": kind, "alias": target}
                    yield Desired(record_label(alias, kind), record, {"alias": target})

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        for zone_id, records in observation["records"].items():
            zone = context.name("zone", zone_id)
            for raw in records:
                name, kind = dotless(raw["Name"]), raw["Type"]
                delegation = name == zone and kind in ("NS", "SOA")
                # The records that prove a certificate, declared or not, are needed for each renewal.
                proof = kind == "CNAME" and any(
                    dotless(item["Value"]).endswith(".acm-validations.aws") for item in raw.get("ResourceRecords", [])
                )
                extra = f" [{raw['SetIdentifier']}]" if raw.get("SetIdentifier") else ""
                text = record_label(name, kind) + extra
                listed = not (delegation or proof)
                yield Live(f"{zone_id}/{text}", text, {**raw, "zone": zone}, {}, listed=listed)

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        same = (item for item in live if item.raw["zone"] == want.entry["zone"])
        return only(self.name, want.name, [item for item in same if item.label == want.name])

    def fields(self, live: Live, context: Context) -> Fields:
        alias: dict[str, Any] = live.raw.get("AliasTarget") or {}
        if alias:
            return {"alias": dotless(alias["DNSName"]), "values": [], "ttl": None}
        values = sorted(item["Value"] for item in live.raw.get("ResourceRecords", []))
        return {"ttl": live.raw.get("TTL"), "values": values, "alias": None}


def zone_of(name: str, declaration: Declaration) -> str | None:
    """The declared zone that holds a name: the longest one it ends in."""
    zones = [zone for zone in declaration.entries("aws_dns_zones") if name == zone or name.endswith(f".{zone}")]
    return max(zones, key=len, default=None)
