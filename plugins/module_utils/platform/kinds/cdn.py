"""Certificates, their validation records, origin access controls, distributions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..declaration import Declaration
from ..distribution_config import flatten
from ..errors import PlatformError
from ..model import Desired, FieldChange, Fields, Live
from ..refs import ref
from .base import Context, Kind, Observation, declared, only
from .dns import dotless

_USABLE = ("ISSUED", "PENDING_VALIDATION")


def _names(raw: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(raw.get("SubjectAlternativeNames") or ()) | {raw["DomainName"]}


def _preference(item: Live) -> tuple[int, bool, str, str]:
    raw = item.raw
    own = raw.get("Type", "AMAZON_ISSUED") == "AMAZON_ISSUED"
    return -_USABLE.index(raw["Status"]), own, str(raw.get("NotAfter", "")), item.id


class Certificate(Kind):
    """Recognised by its main name and all its other names; ISSUED before PENDING_VALIDATION."""

    name = "certificate"
    role = "aws_cdn"
    writes = ("acm:RequestCertificate",)

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries("aws_cdn_certificates").items():
            # The names identify a certificate; there is nothing to compare beyond its existence.
            yield Desired(name, entry, {})

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        for raw in observation["certificates"]:
            if raw.get("Status") in _USABLE:
                arn = raw["CertificateArn"]
                text = f"{raw['DomainName']} ({arn.rsplit('/', 1)[-1]})"
                yield Live(arn, text, dict(raw), {"id": arn, "arn": arn})

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        names = {want.entry["domain"], *want.entry["alternative_names"]}
        same = [item for item in live if item.raw["DomainName"] == want.entry["domain"] and _names(item.raw) == names]
        # Several may be usable, as AWS lets one request the same names twice. The module chooses in the same order:
        # the one that works, that ACM renews, that lasts longest.
        return max(same, key=_preference, default=None)

    def fields(self, live: Live, context: Context) -> Fields:
        return {}


class CertificateValidation(Kind):
    """The records by which ACM sees that the domain is ours, at issue and at each renewal."""

    name = "certificate_validation"
    role = "aws_cdn"
    writes = ("route53:ChangeResourceRecordSets",)

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries("aws_cdn_certificates").items():
            yield Desired(name, entry, {"records": "published"})

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        published = {
            (dotless(raw["Name"]), raw["Type"]): [dotless(item["Value"]) for item in raw.get("ResourceRecords", [])]
            for records in observation["records"].values()
            for raw in records
        }
        for raw in observation["certificates"]:
            if not context.knows("certificate", raw["CertificateArn"]):
                continue
            options = raw.get("DomainValidationOptions", [])
            # One that is proven by mail, or imported, has no records.
            records = [item.get("ResourceRecord") or {} for item in options if item.get("ValidationMethod") != "EMAIL"]
            missing = []
            for record in records:
                values = published.get((dotless(record.get("Name", "")), record.get("Type", "")), [])
                if not values or dotless(record["Value"]) not in values:
                    missing.append(dotless(record.get("Name", "not yet named by ACM")))
            yield Live(raw["CertificateArn"], raw["DomainName"], {"missing": sorted(set(missing))}, {}, listed=False)

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        arn = context.id("certificate", want.name)
        return only(self.name, want.name, [item for item in live if item.id == arn])

    def fields(self, live: Live, context: Context) -> Fields:
        missing = live.raw["missing"]
        return {"records": f"missing: {', '.join(missing)}" if missing else "published"}


class OriginAccessControl(Kind):
    """One for each distribution, of its name: CloudFront signs what it asks of S3."""

    name = "origin_access_control"
    role = "aws_cdn"
    writes = ("cloudfront:CreateOriginAccessControl",)

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name in declaration.entries("aws_cdn_distributions"):
            yield Desired(name, {"description": f"Distribution {name} reads its bucket"}, {})

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        for raw in observation["access_controls"]:
            yield Live(raw["Id"], f"{raw['Name']} ({raw['Id']})", dict(raw), {"id": raw["Id"]})

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        return only(self.name, want.name, [item for item in live if item.raw["Name"] == want.name])

    def fields(self, live: Live, context: Context) -> Fields:
        return {}


def origin_domain(bucket: str, region: str) -> str:
    """The regional name of a bucket; the global one redirects for hours after a bucket is made."""
    return f"{bucket}.s3.{region}.amazonaws.com"


class Distribution(Kind):
    """Recognised by its declared id, else by any of its aliases."""

    name = "distribution"
    role = "aws_cdn"
    writes = (
        "cloudfront:CreateDistribution",
        "cloudfront:UpdateDistribution",
    )

    _PLAIN = (
        "enabled",
        "ipv6",
        "http_version",
        "minimum_tls",
        "price_class",
        "default_root_object",
        "viewer_protocol",
        "compress",
        "cache_policy",
    )

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries("aws_cdn_distributions").items():
            fields = declared(entry, *self._PLAIN)
            fields["aliases"] = sorted(entry["aliases"])
            fields["origin_domain"] = origin_domain(entry["bucket"], declaration.region)
            fields["origin_access_control"] = name
            fields["certificate"] = entry["certificate"]
            yield Desired(name, {**entry, "origin_domain": fields["origin_domain"]}, fields)

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        for raw in observation["distributions"]:
            config = observation["distribution_configs"].get(raw["Id"], raw)
            aliases = raw.get("Aliases", {}).get("Items") or []
            attributes = {"id": raw["Id"], "arn": raw["ARN"], "domain_name": raw["DomainName"]}
            text = f"{', '.join(aliases) or raw['DomainName']} ({raw['Id']})"
            yield Live(raw["Id"], text, {"aliases": aliases, "config": config}, attributes)

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        by_id = [item for item in live if item.id == want.entry.get("id")]
        wanted = set(want.entry["aliases"])
        by_alias = [item for item in live if wanted & set(item.raw["aliases"])]
        if by_id and any(item.id != by_id[0].id for item in by_alias):
            raise PlatformError(
                f"aws_cdn_distributions.{want.name} declares the id {by_id[0].id}, but its aliases are held by "
                f"{', '.join(item.id for item in by_alias)}.\nCorrect the id, or move the alias in the account first."
            )
        return only(self.name, want.name, by_id or by_alias)

    def fields(self, live: Live, context: Context) -> Fields:
        flat = flatten(live.raw["config"])
        flat["origin_access_control"] = context.name("origin_access_control", flat.pop("origin_access_control_id"))
        flat["certificate"] = context.name("certificate", flat.pop("certificate_arn"))
        return flat

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange]) -> Iterable[str]:
        for change in changes:
            if live is not None and change.field == "origin_domain":
                yield f"distribution {want.name}: its origin moves from {change.before} to {change.after}"
            if live is not None and change.field == "origin_access_control":
                yield (
                    f"distribution {want.name}: how it reads its bucket changes; the bucket lets both ways in until "
                    "every edge has learned of it, which takes minutes"
                )


def distribution_arn(name: str) -> str:
    """Token for the ARN of a declared distribution."""
    return ref("distribution", name, "arn")
