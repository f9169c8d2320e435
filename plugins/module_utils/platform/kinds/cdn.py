"""Certificates, their validation records, origin access controls, distributions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..certificates import USABLE, is_usable
from ..distribution_config import carried, flatten, sharing, superseded
from ..engine import formats
from ..engine.access import Condition, Detail, Read, Removal, Requests, Scope, Write, at
from ..engine.context import Context
from ..engine.cost import Usage
from ..engine.declaration import Declaration
from ..engine.errors import PlatformError, Problem, UndeclarableError
from ..engine.formats import hostname_fault
from ..engine.model import Action, Desired, FieldChange, Fields, Live, Registry
from ..engine.refs import ref
from .base import GLOBAL_REGION, Goes, Kind, Observation, declared, only
from .dns import delegated, delegations, dotless, proofs_of, record_removal, writes_of, zone_arns, zone_of

_READS = ("cloudfront:Get*", "cloudfront:List*")
#: without key types ACM lists RSA_1024 and RSA_2048 only
_KEY_TYPES = ["RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1"]

#: ACM's quota of names per certificate
_MOST_NAMES = 10


def _names(raw: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(dotless(name) for name in (raw["DomainName"], *(raw.get("SubjectAlternativeNames") or ())))


def _preference(item: Live) -> tuple[int, bool, str, str]:
    raw = item.raw
    own = raw.get("Type", "AMAZON_ISSUED") == "AMAZON_ISSUED"
    return -USABLE.index(raw["Status"]), own, str(raw.get("NotAfter", "")), item.id


def _domains(declaration: Declaration) -> set[str]:
    """Every declared name: any of them may be the main one of the live certificate."""
    entries = declaration.entries("aws_cdn_certificates").values()
    return {name for entry in entries for name in (entry["domain"], *entry.get("alternative_names", []))}


def _declared_certificates(declaration: Declaration, answer: Any) -> Requests:
    domains = _domains(declaration)
    for item in answer["CertificateSummaryList"]:
        if dotless(item["DomainName"]) in domains:
            yield (item["CertificateArn"],), {"CertificateArn": item["CertificateArn"]}


def _certificates(observation: Observation) -> Iterator[Mapping[str, Any]]:
    """Every certificate; those that match no declared name have only what listing them needs."""
    for raw in observation["certificates"]:
        yield observation["certificate_details"].get(raw["CertificateArn"], raw)


def _covers(certificate: Mapping[str, Any], alias: str) -> bool:
    names = [certificate["domain"], *certificate.get("alternative_names", [])]
    wildcard = f"*.{alias.partition('.')[2]}"
    return alias in names or wildcard in names


class Certificate(Kind):
    """Recognised by all its names, whichever is the main one; ISSUED before PENDING_VALIDATION."""

    name = "certificate"
    role = "aws_cdn"
    service = "acm"
    variable = "aws_cdn_certificates"
    entry_point = "certificate"
    shapes = {"domain": formats.hostname, "alternative_names": formats.hostname}
    offers = ("id", "arn")
    reads = (
        Read(
            service="acm",
            operation="list_certificates",
            region=GLOBAL_REGION,
            into="certificates",
            value=at("CertificateSummaryList"),
            arguments=lambda declaration: {"Includes": {"keyTypes": _KEY_TYPES}} if _domains(declaration) else None,
            then=(
                Detail(
                    service="acm",
                    operation="describe_certificate",
                    region=GLOBAL_REGION,
                    into="certificate_details",
                    each=_declared_certificates,
                    value=lambda answer: answer["Certificate"],
                ),
            ),
        ),
    )
    writes = (Write("acm:RequestCertificate", creates=True),)
    removes = ("acm:DeleteCertificate",)
    module_reads = ("acm:Describe*", "acm:List*")
    regional = False
    identified_by = ("domain",)

    def check(self, declaration: Declaration) -> Iterable[Problem]:
        for name, entry in declaration.entries(self.variable).items():
            names = {entry["domain"], *entry["alternative_names"]}
            if len(names) > _MOST_NAMES:
                what = f"has {len(names)} names, ACM allows {_MOST_NAMES}"
                yield Problem(f"{self.variable}.{name}.alternative_names", what, "use a `*.` name, or two certificates")
            for domain in sorted(names):
                if (
                    not hostname_fault(domain, wildcard=True)[0]
                    and zone_of(domain.removeprefix("*."), declaration) is None
                ):
                    fix = "declare its zone in aws_dns_zones: the certificate is validated there"
                    yield Problem(f"{self.variable}.{name}", f"`{domain}` is in no declared zone", fix)

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries(self.variable).items():
            # The names identify a certificate; there is nothing to compare beyond its existence.
            yield Desired(name, entry, {})

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        for raw in _certificates(observation):
            if is_usable(raw):
                arn = raw["CertificateArn"]
                text = f"{raw['DomainName']} ({arn.rsplit('/', 1)[-1]})"
                yield Live(arn, text, dict(raw), {"id": arn, "arn": arn})

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        names = {want.entry["domain"], *want.entry["alternative_names"]}
        same = [item for item in live if _names(item.raw) == names]
        # Several may be usable: AWS allows two requests for the same names. The module chooses in the same order:
        # the one that works, that ACM renews, that expires last.
        return max(same, key=_preference, default=None)

    def fields(self, live: Live, context: Context) -> Fields:
        return {}

    def kept(self, want: Desired, live: Live, context: Context, goes: Goes) -> Iterable[str]:
        arns = {name: attributes.get("arn") for name, attributes in context.registry.get("distribution", {}).items()}
        going = {arn for name, arn in arns.items() if goes("distribution", name)}
        if users := sorted(set(live.raw.get("InUseBy") or ()) - going):
            yield f"it is used by {', '.join(users)}"

    def removal(self, want: Desired, live: Live, context: Context) -> Iterable[Removal]:
        yield Removal(
            service="acm",
            operation="delete_certificate",
            arguments={"CertificateArn": live.id},
            region=GLOBAL_REGION,
            absent=frozenset({"ResourceNotFoundException"}),
        )

    def entry_name(self, live: Live, context: Context) -> str:
        return dotless(live.raw["DomainName"])

    def said(self, name: str, live: Live, context: Context) -> Fields:
        if live.raw.get("Type", "AMAZON_ISSUED") != "AMAZON_ISSUED":
            raise UndeclarableError(f"it is {live.raw['Type'].lower()}; only certificates that ACM issues are declared")
        domain = dotless(live.raw["DomainName"])
        return {"domain": domain, "alternative_names": sorted(_names(live.raw) - {domain})}


def _proofs(declaration: Declaration) -> Condition:
    """ACM names a record that proves a domain `_`, 32 letters, and the domain."""
    entries = declaration.entries("aws_cdn_certificates").values()
    names = (name for entry in entries for name in (entry["domain"], *entry.get("alternative_names", ())))
    return writes_of([f"_*.{domain}" for domain in sorted({name.removeprefix("*.") for name in names})], ["CNAME"])


class CertificateValidation(Kind):
    """The records that prove to ACM that the domain is ours, at issue and at each renewal."""

    name = "certificate_validation"
    role = "aws_cdn"
    service = "route53"
    offers = ()
    follows = "it follows from its certificate: adopt that"
    writes = (Write("route53:ChangeResourceRecordSets", scope=Scope("WriteProofRecords", zone_arns, _proofs)),)
    module_reads = ("route53:Get*", "route53:List*")
    regional = False

    removes = ("route53:ChangeResourceRecordSets",)

    def identities(self, action: Action, registry: Registry) -> set[str]:
        return {*super().identities(action, registry), f".{action.entry['domain']}"}

    def belongs_to(self, want: Desired, context: Context) -> tuple[str, str] | None:
        return (Certificate.name, want.name)

    def removal(self, want: Desired, live: Live, context: Context) -> Iterable[Removal]:
        """The records of this certificate, but those that another one needs as well."""
        certificates = context.live[Certificate.name]
        own = {proof for item in certificates if item.id == live.id for proof in proofs_of(item.raw)}
        own -= {proof for item in certificates if item.id != live.id for proof in proofs_of(item.raw)}
        for zone, records in context.observation["records"].items():
            for raw in records:
                values = raw.get("ResourceRecords", [])
                if any((dotless(raw["Name"]), dotless(item["Value"])) in own for item in values):
                    yield record_removal(zone, raw)

    def check_account(self, declaration: Declaration, observation: Observation) -> Iterable[Problem]:
        """ACM finds the records of a certificate that is not issued yet: no delegation hides them."""
        points = delegations(declaration, observation)
        issued = [_names(raw) for raw in _certificates(observation) if is_usable(raw) and raw["Status"] == "ISSUED"]
        for name, entry in declaration.entries("aws_cdn_certificates").items():
            domains = {entry["domain"], *entry["alternative_names"]}
            for domain in sorted(domains) if domains not in issued else ():
                zone = zone_of(domain.removeprefix("*."), declaration) or ""
                if point := delegated(domain.removeprefix("*."), "CNAME", zone, points.get(zone, ())):
                    what = f"`{domain}` cannot be validated: {zone} hands {point} over to other name servers"
                    yield Problem(f"aws_cdn_certificates.{name}", what, f"declare {point} in aws_dns_zones, too")

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries("aws_cdn_certificates").items():
            yield Desired(name, entry, {"records": "published"})

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        published = {
            (dotless(raw["Name"]), raw["Type"]): [dotless(item["Value"]) for item in raw.get("ResourceRecords", [])]
            for records in observation["records"].values()
            for raw in records
        }
        for raw in _certificates(observation):
            if not context.knows("certificate", raw["CertificateArn"]):
                continue
            options = raw.get("DomainValidationOptions", [])
            # A certificate that is validated by mail or HTTP, or imported, has no records.
            records = [
                item.get("ResourceRecord") or {} for item in options if item.get("ValidationMethod", "DNS") == "DNS"
            ]
            missing = []
            for record in records:
                values = published.get((dotless(record.get("Name", "")), record.get("Type", "")), [])
                if not values or dotless(record["Value"]) not in values:
                    missing.append(dotless(record["Name"]) if record else "a record that ACM has not named yet")
            yield Live(raw["CertificateArn"], raw["DomainName"], {"missing": sorted(set(missing))}, {}, listed=False)

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        arn = context.id("certificate", want.name)
        return only(self.name, want.name, [item for item in live if item.id == arn])

    def fields(self, live: Live, context: Context) -> Fields:
        missing = live.raw["missing"]
        return {"records": f"missing: {', '.join(missing)}" if missing else "published"}


class OriginAccessControl(Kind):
    """One per distribution, with its name: CloudFront signs its requests to S3."""

    name = "origin_access_control"
    role = "aws_cdn"
    service = "cloudfront"
    follows = "it follows from the distribution of its name: adopt that"
    reads = (
        Read(
            service="cloudfront",
            operation="list_origin_access_controls",
            region=GLOBAL_REGION,
            into="access_controls",
            value=at("OriginAccessControlList.Items"),
        ),
    )
    writes = (
        Write("cloudfront:CreateOriginAccessControl", creates=True),
        Write("cloudfront:UpdateOriginAccessControl", ("signing_*",)),
    )
    module_reads = _READS
    regional = False

    removes = ("cloudfront:DeleteOriginAccessControl",)

    def belongs_to(self, want: Desired, context: Context) -> tuple[str, str] | None:
        return (Distribution.name, want.name)

    def kept(self, want: Desired, live: Live, context: Context, goes: Goes) -> Iterable[str]:
        users = [
            raw["Id"]
            for raw in context.observation["distributions"]
            if any(item.get("OriginAccessControlId") == live.id for item in at("Origins.Items")(raw))
            and not goes("distribution", context.name("distribution", raw["Id"]))
        ]
        if users:
            yield f"distribution {', '.join(users)} uses it"

    def removal(self, want: Desired, live: Live, context: Context) -> Iterable[Removal]:
        yield _cloudfront("origin_access_control", live.id, "NoSuchOriginAccessControl")

    def check_account(self, declaration: Declaration, observation: Observation) -> Iterable[Problem]:
        """A live one of the name is for S3: one for other origins belongs to something else."""
        for raw in observation["access_controls"]:
            kind = raw.get("OriginAccessControlOriginType", "s3")
            if raw["Name"] in declaration.entries("aws_cdn_distributions") and kind != "s3":
                what = f"its origin access control {raw['Name']} ({raw['Id']}) is for origins of type {kind}, not s3"
                fix = "give the distribution another name in the declaration, or rename that origin access control"
                yield Problem(f"aws_cdn_distributions.{raw['Name']}", what, fix)

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name in declaration.entries("aws_cdn_distributions"):
            fields = {"signing_behavior": "always", "signing_protocol": "sigv4"}
            yield Desired(name, {"description": f"Distribution {name} reads its bucket"}, fields)

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        for raw in observation["access_controls"]:
            yield Live(raw["Id"], f"{raw['Name']} ({raw['Id']})", dict(raw), {"id": raw["Id"]})

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        return only(self.name, want.name, [item for item in live if item.raw["Name"] == want.name])

    def fields(self, live: Live, context: Context) -> Fields:
        return {
            "signing_behavior": live.raw.get("SigningBehavior"),
            "signing_protocol": live.raw.get("SigningProtocol"),
        }

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange], context: Context) -> Iterable[str]:
        if live is None or not changes:
            return
        users = [
            raw["Id"]
            for raw in context.observation["distributions"]
            if any(item.get("OriginAccessControlId") == live.id for item in at("Origins.Items")(raw))
        ]
        if users:
            yield (
                f"origin access control {want.name}: {', '.join(users)} will sign all requests; a bucket that is read "
                "without a signature today has to allow them"
            )


def origin_domain(bucket: str, region: str) -> str:
    """The regional name of a bucket; the global one redirects for hours after a bucket is made."""
    return f"{bucket}.s3.{region}.amazonaws.com"


def _configurations(declaration: Declaration, answer: Any) -> Requests:
    entries = declaration.entries("aws_cdn_distributions").values()
    ids, wanted = {entry.get("id") for entry in entries}, {alias for entry in entries for alias in entry["aliases"]}
    for item in at("DistributionList.Items")(answer):
        if item["Id"] in ids or wanted & set(flatten(item)["aliases"]):
            yield (item["Id"],), {"Id": item["Id"]}


def _security(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The declared headers in CloudFront's form; each overrides what the bucket sends."""
    values: dict[str, dict[str, Any]] = {}
    if entry.get("hsts_max_age") is not None:
        values["StrictTransportSecurity"] = {
            "AccessControlMaxAgeSec": entry["hsts_max_age"],
            "IncludeSubdomains": entry["hsts_include_subdomains"],
            "Preload": False,
        }
    if entry.get("content_type_options"):
        values["ContentTypeOptions"] = {}
    for option, key, name in (
        ("frame_options", "FrameOptions", "FrameOption"),
        ("referrer_policy", "ReferrerPolicy", "ReferrerPolicy"),
        ("content_security_policy", "ContentSecurityPolicy", "ContentSecurityPolicy"),
    ):
        if entry.get(option) is not None:
            values[key] = {name: entry[option]}
    return {key: {**value, "Override": True} for key, value in values.items()}


def _headers(config: Mapping[str, Any]) -> Fields:
    """The headers that visitors get from a ResponseHeadersPolicyConfig."""
    found: Fields = {}
    for key, setting in (config.get("SecurityHeadersConfig") or {}).items():
        if key == "StrictTransportSecurity":
            text = f"max-age={setting['AccessControlMaxAgeSec']}"
            text += "; includeSubDomains" if setting.get("IncludeSubdomains") else ""
            text += "; preload" if setting.get("Preload") else ""
        elif key == "ContentTypeOptions":
            text = "nosniff"
        else:
            parts = (value for name, value in setting.items() if name != "Override")
            text = "; ".join(str(value) for value in parts)
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", key).lower()
        found[name] = text if setting["Override"] else f"{text} (unless the origin sends one)"
    return found


#: compared field -> option, where CloudFront's text is the value
_TEXTS = ("frame_options", "referrer_policy", "content_security_policy")


class HeadersPolicy(Kind):
    """Recognised by its name."""

    name = "headers_policy"
    role = "aws_cdn"
    service = "cloudfront"
    variable = "aws_cdn_headers_policies"
    entry_point = "headers_policy"
    shapes = {
        "": formats.text(r"[\w-]+", "the name of a response headers policy", "write letters, digits, `_` and `-`", 128),
        "hsts_max_age": formats.number(0, 2**31 - 1, "a number of seconds"),
        "content_security_policy": formats.text(r"[ -~]+", "a policy", "write its directives", 0),
    }
    reads = (
        Read(
            service="cloudfront",
            operation="list_response_headers_policies",
            region=GLOBAL_REGION,
            into="headers_policies",
            value=at("ResponseHeadersPolicyList.Items"),
            arguments=lambda declaration: (
                {"Type": "custom"} if declaration.entries("aws_cdn_headers_policies") else None
            ),
        ),
    )
    said_by = {"strict_transport_security": ("hsts_max_age", "hsts_include_subdomains")}
    writes = (
        Write("cloudfront:CreateResponseHeadersPolicy", creates=True),
        Write("cloudfront:UpdateResponseHeadersPolicy"),
    )
    module_reads = _READS
    regional = False

    def check(self, declaration: Declaration) -> Iterable[Problem]:
        for name, entry in declaration.entries(self.variable).items():
            if not _security(entry):
                yield Problem(f"{self.variable}.{name}", "sets no header", "declare at least one")

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries(self.variable).items():
            config: dict[str, Any] = {"Name": name, "SecurityHeadersConfig": _security(entry)}
            fields = _headers(config)
            if entry.get("description") is not None:
                config["Comment"] = fields["description"] = entry["description"]
            yield Desired(name, {**entry, "config": config}, fields)

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        for item in observation["headers_policies"]:
            raw = item["ResponseHeadersPolicy"]
            config = raw["ResponseHeadersPolicyConfig"]
            # A policy is written as a whole: what is not declared is written back unchanged.
            yield Live(raw["Id"], f"{config['Name']} ({raw['Id']})", config, {"id": raw["Id"], "config": config})

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        return only(self.name, want.name, [item for item in live if item.raw["Name"] == want.name])

    def fields(self, live: Live, context: Context) -> Fields:
        return {"description": live.raw.get("Comment", ""), **_headers(live.raw)}

    removes = ("cloudfront:DeleteResponseHeadersPolicy",)

    def kept(self, want: Desired, live: Live, context: Context, goes: Goes) -> Iterable[str]:
        for raw in context.observation["distributions"]:
            behaviors = [raw.get("DefaultCacheBehavior") or {}, *at("CacheBehaviors.Items")(raw)]
            used = any(behavior.get("ResponseHeadersPolicyId") == live.id for behavior in behaviors)
            if used and not goes("distribution", context.name("distribution", raw["Id"])):
                yield f"distribution {raw['Id']} uses it"

    def removal(self, want: Desired, live: Live, context: Context) -> Iterable[Removal]:
        yield _cloudfront("response_headers_policy", live.id, "NoSuchResponseHeadersPolicy")

    def entry_name(self, live: Live, context: Context) -> str:
        return str(live.raw["Name"])

    def said(self, name: str, live: Live, context: Context) -> Fields:
        """Headers that override those of the origin; others stay as they are, undeclared."""
        security = live.raw.get("SecurityHeadersConfig") or {}
        own = {key: setting for key, setting in security.items() if setting["Override"] and not setting.get("Preload")}
        headers = _headers({"SecurityHeadersConfig": own})
        hsts = own.get("StrictTransportSecurity", {})
        return {
            "description": live.raw.get("Comment") or None,
            "hsts_max_age": hsts.get("AccessControlMaxAgeSec"),
            "hsts_include_subdomains": hsts.get("IncludeSubdomains", False),
            "content_type_options": True if "ContentTypeOptions" in own else None,
            **{field: headers.get(field) for field in _TEXTS},
        }

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange], context: Context) -> Iterable[str]:
        if live is None or not changes:
            return
        entries = context.declaration.entries("aws_cdn_distributions").values()
        own = {alias for entry in entries for alias in entry["aliases"]} | {entry.get("id") for entry in entries}
        for raw in context.observation["distributions"]:
            behaviors = [raw.get("DefaultCacheBehavior") or {}, *at("CacheBehaviors.Items")(raw)]
            used = any(behavior.get("ResponseHeadersPolicyId") == live.id for behavior in behaviors)
            aliases = at("Aliases.Items")(raw)
            if used and not own & {raw["Id"], *aliases}:
                whose = f"{', '.join(aliases) or raw['DomainName']} ({raw['Id']})"
                yield f"headers policy {want.name}: the distribution of {whose}, which is not declared, uses it, too"


#: functions that run at the edge are versions of functions in us-east-1
_EDGE = Scope("LambdaAtEdge", lambda declaration: [f"arn:aws:lambda:{GLOBAL_REGION}:*:function:*:*"])


class Distribution(Kind):
    """Recognised by its declared id, else by any of its aliases."""

    name = "distribution"
    role = "aws_cdn"
    service = "cloudfront"
    variable = "aws_cdn_distributions"
    entry_point = "distribution"
    defaults = "aws_cdn_distribution_defaults"
    shapes = {
        # It names the origin access control, and is part of a statement id in the bucket policy.
        "": formats.text(
            r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?",
            "the name of a distribution",
            "write letters, digits and `-`",
            64,
        ),
        "id": formats.text(r"E[0-9A-Z]{12,13}", "the id of a distribution", "write it like E1QROAB9PHO2Z", 0),
        "aliases": formats.hostname,
        "default_root_object": formats.text(
            r"(?!/)[A-Za-z0-9_./~$*&;:@+,()'-]*",
            "the name of an object",
            "write it without `/` in front, e.g. index.html",
        ),
        "cache_policy": formats.text(
            r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
            "the id of a cache policy",
            "write it like 658327ea-f89d-4fab-a63d-7e88639e58f6, which is Managed-CachingOptimized",
        ),
    }
    refers = {"bucket": "bucket", "certificate": "certificate", "headers_policy": "headers_policy"}
    offers = ("id", "arn", "domain_name")
    said_by = {
        "origin_domain": ("bucket",),
        "origin_access_control": (),
        "origin_config": (),
        "cache_settings": ("cache_policy",),
    }
    reads = (
        Read(
            service="cloudfront",
            operation="list_distributions",
            region=GLOBAL_REGION,
            into="distributions",
            value=at("DistributionList.Items"),
            then=(
                Detail(
                    service="cloudfront",
                    operation="get_distribution_config",
                    region=GLOBAL_REGION,
                    into="distribution_configs",
                    each=_configurations,
                    value=lambda answer: answer["DistributionConfig"],
                ),
            ),
        ),
    )
    writes = (
        Write("cloudfront:CreateDistribution", creates=True),
        Write("cloudfront:UpdateDistribution"),
        # CloudFront asks for them on the caller's behalf when a distribution runs Lambda@Edge; no code here calls them.
        Write("lambda:EnableReplication*", scope=_EDGE),
        Write("lambda:GetFunction", scope=_EDGE),
    )
    module_reads = _READS
    regional = False

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

    def check(self, declaration: Declaration) -> Iterable[Problem]:
        """Every alias is covered by its certificate, is in a zone, and is used once."""
        certificates = declaration.entries("aws_cdn_certificates")
        taken: dict[str, str] = {}
        ids: dict[str, str] = {}
        for name, distribution in declaration.entries(self.variable).items():
            where = f"{self.variable}.{name}.aliases"
            live_id = distribution.get("id")
            if live_id and live_id in ids:
                what = f"{live_id} is already used by {ids[live_id]}"
                yield Problem(f"{self.variable}.{name}.id", what, "write its own, or none: its aliases identify it")
            ids.setdefault(str(live_id), name)
            if not distribution["aliases"]:
                yield Problem(where, "is empty", "name at least one domain: the distribution is recognised by it")
            for alias in distribution["aliases"]:
                if alias in taken:
                    yield Problem(where, f"`{alias}` is also an alias of {taken[alias]}", "CloudFront allows it once")
                taken.setdefault(alias, name)
                if hostname_fault(alias, wildcard=True)[0]:
                    continue
                if zone_of(alias, declaration) is None:
                    yield Problem(where, f"`{alias}` is in no declared zone", "declare its zone in aws_dns_zones")
                covering = certificates.get(distribution["certificate"])
                if covering and not _covers(covering, alias):
                    fix = f"add it to aws_cdn_certificates.{distribution['certificate']}.alternative_names"
                    yield Problem(where, f"`{alias}` is not covered by certificate {distribution['certificate']}", fix)

    def check_account(self, declaration: Declaration, observation: Observation) -> Iterable[Problem]:
        """A distribution with a continuous deployment has no HTTP/3."""
        for name, entry in declaration.entries(self.variable).items():
            for raw in observation["distributions"]:
                config = observation["distribution_configs"].get(raw["Id"], {})
                same = (
                    raw["Id"] == entry["id"]
                    if entry.get("id")
                    else set(entry["aliases"]) & set(flatten(raw)["aliases"])
                )
                if same and config.get("ContinuousDeploymentPolicyId") and entry.get("http_version", "").endswith("3"):
                    what = f"{raw['Id']} has a continuous deployment policy, with which CloudFront refuses HTTP/3"
                    yield Problem(
                        f"{self.variable}.{name}.http_version", what, "write http2, or end the deployment first"
                    )

    def bucket_statements(self, declaration: Declaration, bucket: str) -> Iterable[dict[str, Any]]:
        """Each distribution may read the objects of its bucket."""
        for name, entry in sorted(declaration.entries(self.variable).items()):
            if entry["bucket"] == bucket:
                yield {
                    "Sid": f"Distribution{''.join(part.capitalize() for part in name.replace('_', '-').split('-'))}",
                    "Effect": "Allow",
                    "Principal": {"Service": "cloudfront.amazonaws.com"},
                    "Action": "s3:GetObject",
                    "Resource": f"arn:aws:s3:::{bucket}/*",
                    "Condition": {"StringEquals": {"aws:SourceArn": distribution_arn(name)}},
                }

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries(self.variable).items():
            fields = declared(entry, *self._PLAIN)
            fields["aliases"] = sorted(entry["aliases"])
            fields["origin_domain"] = origin_domain(entry["bucket"], declaration.region)
            fields["origin_access_control"] = name
            fields["certificate"] = entry["certificate"]
            # The origin access control takes their place, as the cache policy does.
            fields["origin_config"] = None
            if entry.get("cache_policy"):
                fields["cache_settings"] = None
            if "headers_policy" in entry:
                fields["headers_policy"] = entry["headers_policy"]
            yield Desired(name, {**entry, "origin_domain": fields["origin_domain"]}, fields)

    def settled(self, want: Desired, context: Context) -> Desired:
        region = context.observation["buckets"].get(want.entry["bucket"]) or context.declaration.region
        domain = {"origin_domain": origin_domain(want.entry["bucket"], region)}
        return replace(want, entry=want.entry | domain, fields=want.fields | domain)

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        for raw in observation["distributions"]:
            config = observation["distribution_configs"].get(raw["Id"], raw)
            aliases = flatten(raw)["aliases"]
            attributes = {"id": raw["Id"], "arn": raw["ARN"], "domain_name": raw["DomainName"]}
            text = f"{', '.join(aliases) or raw['DomainName']} ({raw['Id']})"
            yield Live(raw["Id"], text, {"aliases": aliases, "config": config}, attributes)

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        by_id = [item for item in live if item.id == want.entry.get("id")]
        wanted = set(want.entry["aliases"])
        by_alias = [item for item in live if wanted & set(item.raw["aliases"])]
        if by_id and any(item.id != by_id[0].id for item in by_alias):
            raise PlatformError(
                f"aws_cdn_distributions.{want.name} declares the id {by_id[0].id}, but its aliases belong to "
                f"{', '.join(item.id for item in by_alias)}.\nCorrect the id, or move the alias in the account first."
            )
        return only(self.name, want.name, by_id or by_alias)

    def fields(self, live: Live, context: Context) -> Fields:
        flat = flatten(live.raw["config"])
        flat["origin_access_control"] = context.name("origin_access_control", flat.pop("origin_access_control_id"))
        flat["headers_policy"] = context.name("headers_policy", flat.pop("response_headers_policy_id"))
        flat["certificate"] = context.name("certificate", flat.pop("certificate_arn"))
        if key := (live.raw["config"].get("ViewerCertificate") or {}).get("IAMCertificateId"):
            flat["certificate"] = f"server certificate {key} of IAM"
        return flat | superseded(live.raw["config"])

    def billed(self, name: str, fields: Fields, live: Live | None, context: Context) -> Iterable[Usage]:
        yield Usage("CloudFront traffic and requests", quantity=None)

    removes = ("cloudfront:DeleteDistribution",)
    # A distribution must not read a bucket whose name anybody may take.
    removed_before = frozenset({"bucket"})

    def removal(self, want: Desired, live: Live, context: Context) -> Iterable[Removal]:
        """CloudFront deletes only what has been switched off everywhere, which takes minutes."""
        config, gone = live.raw["config"], frozenset({"NoSuchDistribution"})
        if config.get("Enabled"):
            yield Removal(
                service="cloudfront",
                operation="update_distribution",
                arguments={"Id": live.id, "DistributionConfig": {**config, "Enabled": False}},
                region=GLOBAL_REGION,
                etag_from="get_distribution_config",
                absent=gone,
                wait=("distribution_deployed", {"Id": live.id}),
            )
        yield _cloudfront("distribution", live.id, *gone)

    def entry_name(self, live: Live, context: Context) -> str:
        """Its origin access control has its name."""
        control = flatten(live.raw["config"])["origin_access_control_id"]
        names = {item.id: item.raw["Name"] for item in context.live.get(OriginAccessControl.name, ())}
        return str(names.get(control) or live.id)

    def said(self, name: str, live: Live, context: Context) -> Fields:
        flat = flatten(live.raw["config"])
        found = re.match(r"(.+)\.s3[.-]", flat["origin_domain"])
        if not found:
            raise UndeclarableError(
                f"its origin is {flat['origin_domain'] or 'none'}, and only buckets can be declared"
            )
        if not flat["origin_access_control_id"]:
            raise UndeclarableError(
                "it reads its bucket without an origin access control, and each declared distribution has one: declare "
                "it by hand, and provisioning gives it one"
            )
        return {
            "bucket": found[1],
            "cache_policy": flat["cache_policy"] or None,
            "headers_policy": context.name("headers_policy", flat["response_headers_policy_id"]) or None,
        }

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange], context: Context) -> Iterable[str]:
        yield from self._taken(want, live, context)
        if live is not None and live.raw["config"].get("ContinuousDeploymentPolicyId"):
            yield (
                f"distribution {want.name}: its continuous deployment policy sends a part of its visitors to a staging "
                "distribution, which is not compared and stays as it is"
            )
        for change in changes:
            if live is not None and change.field == "headers_policy":
                yield (
                    f"distribution {want.name}: visitors get the headers of {change.after}; "
                    "if those set a CSP sandbox, its pages run no scripts"
                )
            if live is not None and change.field == "origin_domain":
                shared = sharing(live.raw["config"])
                also = f", also for {', '.join(shared)}" if shared else ""
                stays = [f"{what} {value}".strip() for what, value in carried(live.raw["config"]).items()]
                yield f"distribution {want.name}: its origin moves from {change.before} to {change.after}{also}" + (
                    f"; of the old origin stays: {'; '.join(stays)}" if stays else ""
                )
                if ".s3-website" in str(change.before):
                    yield (
                        f"distribution {want.name}: its old origin is the website of a bucket, which answers with "
                        "index documents of folders, error pages and redirects; the bucket itself does not"
                    )
            if live is not None and change.field == "origin_access_control":
                yield (
                    f"distribution {want.name}: how it reads its bucket changes; the bucket allows both ways until "
                    "every edge location has the change, which takes minutes"
                )

    def _taken(self, want: Desired, live: Live | None, context: Context) -> Iterator[str]:
        """New aliases for which another distribution answers today: of another account, or by a name with ``*``."""
        mine = set(live.raw["aliases"]) if live else set()
        known = {dotless(raw["DomainName"]) for raw in context.observation["distributions"]}
        for alias in sorted(set(want.entry["aliases"]) - mine):
            target = _leads_to(alias, context.observation)
            if target.endswith(".cloudfront.net") and target not in known:
                # Nothing tells whose it is: a distribution that was deleted leaves its records behind, too.
                yield (
                    f"distribution {want.name}: {alias} leads to {target}, which is not of this account; if it still "
                    "has the alias, CloudFront refuses it here (CNAMEAlreadyExists): remove it there first"
                )
            wildcard = f"*.{alias.partition('.')[2]}"
            for item in context.live[self.name]:
                if wildcard in item.raw["aliases"] and (live is None or item.id != live.id):
                    yield f"distribution {want.name}: it takes {alias} from {item.id}, which answers for {wildcard}"


def _cloudfront(what: str, live_id: str, *absent: str) -> Removal:
    return Removal(
        service="cloudfront",
        operation=f"delete_{what}",
        arguments={"Id": live_id},
        region=GLOBAL_REGION,
        etag_from=f"get_{what}",
        absent=frozenset(absent),
    )


def _leads_to(name: str, observation: Observation) -> str:
    """Where the live record of a name leads, an alias or a CNAME, be it by a wildcard; empty when there is none."""
    found: dict[str, str] = {}
    for records in observation["records"].values():
        for raw in records:
            if raw["Type"] in ("A", "AAAA", "CNAME"):
                values = raw.get("ResourceRecords") or [{"Value": ""}]
                target = (raw.get("AliasTarget") or {}).get("DNSName") or values[0]["Value"]
                found.setdefault(dotless(raw["Name"]), dotless(target))
    return found.get(name) or found.get(f"*.{name.partition('.')[2]}", "")


def distribution_arn(name: str) -> str:
    """Token for the ARN of a declared distribution."""
    return ref("distribution", name, "arn")
