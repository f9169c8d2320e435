"""Hosted zones and records."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..engine import formats
from ..engine.access import Condition, Detail, Read, Removal, Requests, Scope, Write, at
from ..engine.context import Context
from ..engine.cost import Usage
from ..engine.declaration import Declaration
from ..engine.errors import Problem, UndeclarableError
from ..engine.formats import hostname_fault
from ..engine.model import Desired, FieldChange, Fields, Live, Peculiar
from ..engine.refs import ref, tokens
from .base import GLOBAL_REGION, Goes, Kind, Observation, only

_READS = ("route53:Get*", "route53:List*")


#: the zone of every CloudFront distribution, for alias records
CLOUDFRONT_ZONE = "Z2FDTNDATAQYW2"
#: octets as Route 53 escapes them; an escaped dot or backslash is part of a label and stays
_OCTETS = re.compile(r"(?:\\(?!056|134)[0-3][0-7]{2})+")


def _letters(match: re.Match[str]) -> str:
    octets = bytes(int(octet, 8) for octet in match.group().split("\\")[1:])
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return match.group()


def dotless(name: str) -> str:
    """A DNS name as people write it: no final dot, lower case, letters (and ``*``) instead of octal escapes."""
    return _OCTETS.sub(_letters, name).rstrip(".").lower()


def holding(name: str, zones: Iterable[str]) -> str | None:
    """The zone that a name belongs to: the longest one that it ends in."""
    found = (zone for zone in zones if name == zone or name.endswith(f".{zone}"))
    return max(found, key=len, default=None)


def zone_of(name: str, declaration: Declaration) -> str | None:
    """The declared zone that a name belongs to."""
    return holding(name, declaration.entries("aws_dns_zones"))


def zone_arns(declaration: Declaration) -> list[str]:
    """The declared zones; every zone where one is declared without its id, which only the account knows."""
    ids = [entry.get("id") or "*" for entry in declaration.entries("aws_dns_zones").values()]
    return [f"arn:aws:route53:::hostedzone/{item}" for item in (["*"] if "*" in ids else ids)]


def writes_of(names: Iterable[str], types: Iterable[str]) -> Condition:
    """Only records of these names (patterns) and types, and none is deleted."""
    key = "route53:ChangeResourceRecordSets"
    return {
        "ForAllValues:StringLike": {f"{key}NormalizedRecordNames": list(names)},
        "ForAllValues:StringEquals": {f"{key}RecordTypes": list(types), f"{key}Actions": ["UPSERT"]},
    }


def _zone_id(raw: Mapping[str, Any]) -> str:
    return str(raw["Id"].rsplit("/", 1)[-1])


def public_zones(declaration: Declaration, zones: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Id and name of the public zones that a declared zone may be: of its id, else of its name."""
    entries = declaration.entries("aws_dns_zones")
    for raw in zones:
        name, zone = dotless(raw["Name"]), _zone_id(raw)
        if name in entries and not raw["Config"]["PrivateZone"] and entries[name].get("id") in (None, zone):
            yield zone, name


def _registered(declaration: Declaration) -> set[str]:
    return {name for name, entry in declaration.entries("aws_dns_zones").items() if entry.get("registered")}


def _records_of(declaration: Declaration, answer: Any) -> Requests:
    for zone, _ in public_zones(declaration, answer["HostedZones"]):
        yield (zone,), {"HostedZoneId": zone}


def _servers_of(declaration: Declaration, answer: Any) -> Requests:
    for zone, name in public_zones(declaration, answer["HostedZones"]):
        if name in _registered(declaration):
            yield (zone,), {"Id": zone}


def _domains(declaration: Declaration, answer: Any) -> Requests:
    declared = _registered(declaration)
    for item in answer["Domains"]:
        if item["DomainName"] in declared:
            yield (item["DomainName"],), {"DomainName": item["DomainName"]}


def proofs_of(certificate: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Name and value of the records that prove a certificate."""
    records = (item.get("ResourceRecord") or {} for item in certificate.get("DomainValidationOptions", []))
    return {(dotless(item["Name"]), dotless(item["Value"])) for item in records if item}


def _of_certificate(raw: Mapping[str, Any], context: Context, goes: Goes) -> bool:
    """Whether a record proves a declared certificate that is removed as well."""
    values = [dotless(item["Value"]) for item in raw.get("ResourceRecords", [])]
    return any(
        (dotless(raw["Name"]), value) in proofs_of(item.raw)
        for item in context.live.get("certificate", ())
        if goes("certificate", context.name("certificate", item.id))
        for value in values
    )


def record_removal(zone: str, raw: Mapping[str, Any]) -> Removal:
    """The call that deletes a record as it is."""
    record = {key: value for key, value in raw.items() if key != "zone"}
    return Removal(
        service="route53",
        operation="change_resource_record_sets",
        arguments={
            "HostedZoneId": zone,
            "ChangeBatch": {"Changes": [{"Action": "DELETE", "ResourceRecordSet": record}]},
        },
        region=GLOBAL_REGION,
        # Route 53 says so of a record that is not there, or not as it was.
        absent=frozenset({"InvalidChangeBatch"}),
    )


class Zone(Kind):
    """A public hosted zone, recognised by its declared id, else by its name.

    Its comment is given at creation and not compared: the module would switch DNSSEC off while changing it.
    """

    name = "zone"
    role = "aws_dns"
    service = "route53"
    variable = "aws_dns_zones"
    entry_point = "zone"
    shapes = {
        "id": formats.text(r"[0-9A-Z]+", "the id of a zone", "write it like Z1D633PJN98FT9", 32),
        "comment": formats.text(r"[ -~]*", "a comment", "write it in English", 256),
    }
    reads = (
        Read(
            service="route53",
            operation="list_hosted_zones",
            region=GLOBAL_REGION,
            into="zones",
            value=at("HostedZones"),
            then=(
                Detail(
                    service="route53",
                    operation="list_resource_record_sets",
                    region=GLOBAL_REGION,
                    into="records",
                    each=_records_of,
                    value=at("ResourceRecordSets"),
                ),
                Detail(
                    service="route53",
                    operation="get_hosted_zone",
                    region=GLOBAL_REGION,
                    into="zone_servers",
                    each=_servers_of,
                    value=at("DelegationSet.NameServers"),
                ),
            ),
        ),
        Read(
            service="route53domains",
            operation="list_domains",
            region=GLOBAL_REGION,
            into="registered_domains",
            value=at("Domains"),
            arguments=lambda declaration: {} if _registered(declaration) else None,
            then=(
                Detail(
                    service="route53domains",
                    operation="get_domain_detail",
                    region=GLOBAL_REGION,
                    into="domains",
                    each=_domains,
                    value=lambda answer: [host["Name"] for host in answer["Nameservers"]],
                ),
            ),
        ),
    )
    writes = (Write("route53:CreateHostedZone", creates=True),)
    removes = ("route53:DeleteHostedZone",)
    module_reads = (*_READS, "route53domains:GetDomainDetail", "route53domains:List*")
    regional = False

    def check(self, declaration: Declaration) -> Iterable[Problem]:
        for name in declaration.entries(self.variable):
            what, fix = hostname_fault(name)
            if what:
                yield Problem(f"{self.variable}.{name}", f"`{name}` {what}", fix)
            elif name != dotless(name):
                yield Problem(f"{self.variable}.{name}", "is not how Route 53 writes it", f"write `{dotless(name)}`")

    def check_account(self, declaration: Declaration, observation: Observation) -> Iterable[Problem]:
        """A declared id is that of a public zone of the name, and no other service keeps the zone."""
        for raw in observation["zones"]:
            for _, name in public_zones(declaration, [raw]) if raw.get("LinkedService") else ():
                owner = raw["LinkedService"].get("ServicePrincipal") or "another service"
                what = f"{owner} keeps the zone {_zone_id(raw)}, so that Route 53 refuses changes of its records"
                yield Problem(f"{self.variable}.{name}", what, "change it there, or remove it from the declaration")
        found = {name for _, name in public_zones(declaration, observation["zones"])}
        for name, entry in declaration.entries(self.variable).items():
            if entry.get("id") and name not in found:
                what = f"the account has no public zone {name} with the id {entry['id']}"
                yield Problem(
                    f"{self.variable}.{name}.id", what, "correct it, or remove it: the name identifies a zone"
                )

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries(self.variable).items():
            yield Desired(name, entry, {})

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        for raw in observation["zones"]:
            if raw["Config"]["PrivateZone"]:
                continue
            zone = _zone_id(raw)
            facts = {
                "Servers": observation["zone_servers"].get(zone, []),
                "Domain": observation["domains"].get(dotless(raw["Name"])),
            }
            yield Live(zone, f"{dotless(raw['Name'])} ({zone})", {**raw, **facts}, {"id": zone})

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        zones = (
            zone for zone, name in public_zones(context.declaration, (item.raw for item in live)) if name == want.name
        )
        found = set(zones)
        return only(self.name, want.name, [item for item in live if item.id in found])

    def fields(self, live: Live, context: Context) -> Fields:
        return {}

    def billed(self, name: str, fields: Fields, live: Live | None, context: Context) -> Iterable[Usage]:
        yield Usage("hosted zone")
        yield Usage("DNS queries", quantity=None)

    def kept(self, want: Desired, live: Live, context: Context, goes: Goes) -> Iterable[str]:
        """Records that stay. The zone's own NS and SOA go with it; records of certificates with those."""
        left = []
        for raw in context.observation["records"].get(live.id, []):
            name, kind = dotless(raw["Name"]), raw["Type"]
            own = name == want.name and kind in ("NS", "SOA")
            text = record_label(name, kind) + (f" [{raw['SetIdentifier']}]" if raw.get("SetIdentifier") else "")
            if not own and not goes(Record.name, text) and not _of_certificate(raw, context, goes):
                left.append(text)
        if left:
            yield f"it has records that stay: {', '.join(left)}"

    def removal(self, want: Desired, live: Live, context: Context) -> Iterable[Removal]:
        yield Removal(
            service="route53",
            operation="delete_hosted_zone",
            arguments={"Id": live.id},
            region=GLOBAL_REGION,
            absent=frozenset({"NoSuchHostedZone"}),
        )

    def entry_name(self, live: Live, context: Context) -> str:
        return dotless(live.raw["Name"])

    def said(self, name: str, live: Live, context: Context) -> Fields:
        comment = live.raw["Config"].get("Comment")
        return {"comment": comment or None}

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange], context: Context) -> Iterable[str]:
        if not want.entry.get("registered") or live is None:
            return
        servers, domain = sorted(live.raw["Servers"]), live.raw["Domain"]
        if domain is None:
            yield Peculiar(
                f"zone {want.name}: declared as registered, but the domain is not registered in this account; "
                "check its name servers at its registrar, or remove `registered`",
                "domains that nobody has registered",
            )
        elif sorted(domain) != servers:
            yield (
                f"zone {want.name}: the registered domain points to {', '.join(sorted(domain)) or 'no name server'}, "
                f"the zone is served by {', '.join(servers)}: resolvers do not see its records"
            )


#: types whose name is that of a host, so that its labels have no `_`
_OF_HOSTS = ("A", "AAAA", "MX")
_TXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
_LONGEST_TEXT = 4000


def _priority(value: str) -> bool:
    return value.isascii() and value.isdigit() and int(value) <= 65535


def _target(name: str) -> tuple[str, str]:
    """A host that a record points to."""
    what, fix = hostname_fault(name, underscore=True)
    return (f"points to `{name}`, which {what}", fix) if what else ("", "")


def _value_fault(kind: str, value: str) -> tuple[str, str]:
    """What is wrong with a value of a record, and what to write; empty when nothing is."""
    words = value.split()
    if kind in ("A", "AAAA"):
        version, example = (4, "52.78.46.60") if kind == "A" else (6, "2001:db8::10")
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            also = "; for a name, `type: CNAME`" if not hostname_fault(value)[0] else ""
            return f"`{value}` is not an IPv{version} address", f"write one like {example}{also}"
        if address.version != version:
            other = "AAAA" if kind == "A" else "A"
            return f"`{value}` is an IPv{address.version} address", f"write `type: {other}`, or one like {example}"
    elif kind in ("CNAME", "NS"):
        what, fix = _target(value)
        if "is an IP address" in what:
            return (
                f"`{value}` is an address, but a {kind} points to a name",
                "write `type: A`" if kind == "CNAME" else fix,
            )
        return (what, fix)
    elif kind == "MX":
        if len(words) != 2 or not _priority(words[0]):
            mail = words[-1] if words else "mail.koreatech.in"
            return f"`{value}` is not a priority and a mail server", f"write both, e.g. `10 {mail}`"
        return _target(words[1])
    elif kind == "SRV":
        if len(words) != 4 or not all(_priority(word) for word in words[:3]):
            return f"`{value}` is not priority, weight, port and host", "write four, e.g. `10 5 5060 sip.koreatech.in`"
        return _target(words[3])
    elif kind == "CAA" and not re.fullmatch(r'(0|128) (issue|issuewild|iodef) "[^"]*"', value):
        return f"`{value}` is not flags, tag and a value in quotes", 'write one like `0 issue "letsencrypt.org"`'
    elif kind == "TXT":
        return _text_fault(value)
    return "", ""


def _text_fault(value: str) -> tuple[str, str]:
    parts = _TXT.findall(value)
    if not value.strip() or _TXT.sub("", value).strip():
        pieces = [value[start : start + 255] for start in range(0, len(value), 255)] if '"' not in value else []
        written = " ".join(f'"{piece}"' for piece in pieces)
        fix = f"write '{written}'" if written and len(written) < 200 else "write each 255 characters as \"…\", in '…'"
        return "is not in double quotes, which Route 53 needs for text", fix
    if long := next((part for part in parts if len(part) > 255), ""):
        return f"has a text of {len(long)} characters, Route 53 allows 255 each", 'write several, e.g. "…" "…"'
    if len(value) > _LONGEST_TEXT:
        return f"has {len(value)} characters, Route 53 allows {_LONGEST_TEXT} in one value", "shorten it"
    if odd := formats.strange(value.strip()):
        return odd, "write ASCII; other letters as \\ and three octal digits"
    return "", ""


def _values(where: str, name: str, record: Mapping[str, Any]) -> Iterator[Problem]:
    """Values fit the type, and there are not too many of them."""
    kind, values = record["type"], record["values"]
    for number, value in enumerate(values):
        what, fix = _value_fault(kind, value)
        if what:
            yield Problem(f"{where}.values.{number}", what, fix)
        elif kind == "CNAME" and dotless(value) == name:
            yield Problem(f"{where}.values.{number}", "points to itself", "write the name that it stands for")
    for twice in sorted({value for value in values if values.count(value) > 1}):
        yield Problem(f"{where}.values", f"`{twice}` is listed twice", "keep one")
    if kind == "CNAME" and len(set(values)) > 1:
        yield Problem(f"{where}.values", f"a CNAME points to one name, not to {len(values)}", "keep one")


_OCTET = re.compile(r"\\([0-3][0-7]{2})")
_CAA = re.compile(r'(\d+)\s+(\w+)\s+(".*")')


def _printable(match: re.Match[str]) -> str:
    """An escaped octet as a letter, if it needs no escape inside quotes."""
    letter = chr(int(match[1], 8))
    return letter if " " <= letter <= "~" and letter not in '"\\' else match.group()


def canonical(kind: str, value: str) -> str:
    """A value as DNS understands it: two that differ only in how they are written are the same."""
    words = value.split()
    if kind in ("CNAME", "NS") and len(words) == 1:
        return dotless(words[0])
    if kind in ("MX", "SRV") and words:
        return " ".join([*(str(int(word)) if word.isdigit() else word for word in words[:-1]), dotless(words[-1])])
    if kind == "AAAA":
        try:
            return str(ipaddress.IPv6Address(value))
        except ValueError:
            return value
    if kind == "TXT" and not _TXT.sub("", value).strip():
        return _OCTET.sub(_printable, " ".join(match.group() for match in _TXT.finditer(value)))
    if kind == "CAA" and (parts := _CAA.fullmatch(value.strip())):
        return f"{int(parts[1])} {parts[2].lower()} {parts[3]}"
    return value


#: parts of a record set that a declaration has words for
_WORDS = ("Name", "Type", "TTL", "ResourceRecords", "AliasTarget", "SetIdentifier")


def _alias(target: Mapping[str, Any]) -> str:
    """Where an alias leads; with its zone, unless a distribution is meant."""
    name, zone = dotless(target["DNSName"]), target.get("HostedZoneId")
    health = target.get("EvaluateTargetHealth", False)
    if zone == CLOUDFRONT_ZONE and not health:
        return name
    return f"{name} (zone {zone}, {'evaluates' if health else 'does not evaluate'} the target's health)"


def answering(name: str, zone: str, names: Container[str], nodes: Container[str]) -> tuple[str, list[str]]:
    """The wildcard that answers for a name without records, and the names that a record there takes from it.

    names: names of records in the zone. nodes: those and every name above one. Empty when no wildcard does.
    """
    taken, above = [name], name.partition(".")[2]
    if name in nodes:
        return "", []
    while above.endswith(f".{zone}") and above not in nodes:
        taken.append(above)
        above = above.partition(".")[2]
    return (f"*.{above}", taken) if f"*.{above}" in names and f"*.{above}" != name else ("", [])


def _said(raw: Mapping[str, Any]) -> str:
    """A record without its name, from which it could be written again."""
    values = [str(item["Value"]) for item in raw.get("ResourceRecords", [])]
    return f"{raw['Type']} {_alias(raw['AliasTarget']) if raw.get('AliasTarget') else ', '.join(values)}"


def delegated(name: str, kind: str, zone: str, points: Container[str]) -> str | None:
    """The name at which the zone hands ``name`` over to other name servers; None when it answers itself.

    points: names of NS records in the zone.
    """
    above = name
    while above.endswith(f".{zone}"):
        if above in points and not (above == name and kind == "NS"):
            return above
        above = above.partition(".")[2]
    return None


def delegations(declaration: Declaration, observation: Observation) -> dict[str, set[str]]:
    """By declared zone, the names that the live zone hands over to other name servers."""
    zones = dict(public_zones(declaration, observation["zones"]))
    found: dict[str, set[str]] = {}
    for zone, records in observation["records"].items():
        names = (dotless(raw["Name"]) for raw in records if raw["Type"] == "NS")
        found.setdefault(zones.get(zone, ""), set()).update(name for name in names if name != zones.get(zone))
    return found


def _writes_of_records(declaration: Declaration) -> Condition:
    """Names in the declared zones, and the types that the declaration has; a distribution adds A and AAAA."""
    types = {entry["type"] for entry in declaration.entries("aws_dns_records").values()}
    types |= {"A", "AAAA"} if declaration.entries("aws_cdn_distributions") else set()
    zones = declaration.entries("aws_dns_zones")
    return writes_of([name for zone in zones for name in (zone, f"*.{zone}")], sorted(types))


def _hosts(values: Sequence[str], context: Context) -> list[str]:
    """The declared instances to whose elastic IP a record leads."""
    known = context.registry.get("elastic_ip", {})
    return [name for name, attributes in known.items() if attributes.get("public_ip") in values]


#: types that can be declared
_TYPES = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "SRV", "TXT")


def record_label(name: str, kind: str) -> str:
    """How a record is named in a plan."""
    return f"{name} {kind}"


class Record(Kind):
    """A record, recognised by zone, name and type; distributions bring their own."""

    name = "record"
    role = "aws_dns_records"
    service = "route53"
    variable = "aws_dns_records"
    entry_point = "record"
    shapes = {"ttl": formats.ttl}
    variables = {"aws_dns_records_ttl": formats.ttl}
    refers = {"zone": "zone", "host": "instance"}
    writes = (
        Write(
            "route53:ChangeResourceRecordSets",
            scope=Scope("WriteDnsRecords", zone_arns, _writes_of_records),
        ),
    )
    module_reads = _READS
    regional = False
    identified_by = ("name",)
    additions = "platform_records"
    removes = ("route53:ChangeResourceRecordSets",)
    said_by = {"values": ("values", "host"), "alias": (), "more": ()}

    def check(self, declaration: Declaration) -> Iterable[Problem]:
        """Records are in their zone, are unique by name and type, and have one kind of value."""
        seen: dict[tuple[str, str], str] = {}
        for name, distribution in declaration.entries("aws_cdn_distributions").items():
            for alias in distribution["aliases"]:
                for kind in ("A", "AAAA"):
                    seen[(alias, kind)] = f"distribution {name}"
        hosts = declaration.entries("aws_compute_instances")
        for key, record in declaration.entries(self.variable).items():
            where = f"{self.variable}.{key}"
            name = dotless(record.get("name", key))
            yield from self._name(where, record, name, declaration)
            yield from _values(where, name, record) if record.get("values") else ()
            if name != record["zone"] and not name.endswith(f".{record['zone']}"):
                fix = f"write a name that ends in {record['zone']}, or name its own zone"
                yield Problem(f"{where}.zone", f"`{name}` is outside zone {record['zone']}", fix)
            other = seen.get((name, record["type"]))
            if other:
                yield Problem(where, f"{name} {record['type']} is also declared by {other}", "keep one of them")
            seen[(name, record["type"])] = f"{self.variable}.{key}"
            if bool(record.get("host")) == bool(record.get("values")):
                yield Problem(where, "needs either `host` or `values`", "give exactly one of them")
            host = record.get("host")
            if host and record["type"] != "A":
                yield Problem(
                    f"{where}.host", f"gives an IPv4 address, but the type is {record['type']}", "write `type: A`"
                )
            if host in hosts and not hosts[host].get("elastic_ip"):
                fix = f"add `elastic_ip: auto` to aws_compute_instances.{host}"
                yield Problem(f"{where}.host", f"{host} has no elastic IP, so its address would change", fix)

        yield from self._alone(declaration)
        yield from self._reached(declaration)

    def _name(self, where: str, record: Mapping[str, Any], name: str, declaration: Declaration) -> Iterator[Problem]:
        """The name is valid, and its zone is the one that answers for it."""
        kind, zone = record["type"], record["zone"]
        field = f"{where}.name" if "name" in record else where
        what, fix = hostname_fault(name, wildcard=True, underscore=kind not in _OF_HOSTS)
        if what:
            yield Problem(field, f"`{name}` {what}", fix)
        elif name == zone and kind == "CNAME":
            yield Problem(f"{where}.type", f"a CNAME is not allowed at {zone}, the top of its zone", "write `type: A`")
        elif name == zone and kind == "NS":
            fix = "remove it: Route 53 keeps the zone's own NS records"
            yield Problem(f"{where}.type", f"NS of {zone}, the top of its zone, would cut the zone off", fix)
        elif name.endswith(f".{zone}") and kind != "NS" and (nearer := zone_of(name, declaration)) != zone and nearer:
            yield Problem(f"{where}.zone", f"`{name}` is in zone {nearer}, which answers for it", f"write `{nearer}`")

    def _alone(self, declaration: Declaration) -> Iterator[Problem]:
        """A CNAME has to be the only record of its name."""
        types: dict[str, dict[str, str]] = {}
        for key, record in declaration.entries(self.variable).items():
            types.setdefault(dotless(record.get("name", key)), {})[record["type"]] = key
        for distribution in declaration.entries("aws_cdn_distributions").values():
            for alias in distribution["aliases"]:
                types.setdefault(alias, {}).setdefault("A", "")
        for name, found in types.items():
            others = sorted(set(found) - {"CNAME"})
            if "CNAME" in found and others:
                what = f"`{name}` has a CNAME and {', '.join(others)}, which DNS does not allow"
                yield Problem(f"{self.variable}.{found['CNAME']}", what, "keep one of them")

    def _reached(self, declaration: Declaration) -> Iterator[Problem]:
        """No declared delegation hands a declared record over to other name servers."""
        points: dict[str, set[str]] = {}
        for record in declaration.entries(self.variable).values():
            if record["type"] == "NS":
                points.setdefault(record["zone"], set())
        wanted = [want for want in self.desired(declaration) if want.entry["zone"] in points]
        for want in wanted:
            if want.entry["type"] == "NS":
                points[want.entry["zone"]].add(want.entry["name"])
        for want in wanted:
            zone = want.entry["zone"]
            if point := delegated(want.entry["name"], want.entry["type"], zone, points[zone]):
                fix = "keep one of them; a record below it belongs to the zone that those name servers serve"
                yield Problem(f"record {want.name}", f"is hidden by the declared NS record of {point}", fix)

    def check_account(self, declaration: Declaration, observation: Observation) -> Iterable[Problem]:
        """Live records that rule out a declared one: a CNAME of that name, routing policies, a delegation."""
        zones = dict(public_zones(declaration, observation["zones"]))
        points = delegations(declaration, observation)
        live: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for zone, records in observation["records"].items():
            for raw in records:
                live.setdefault((zones.get(zone, ""), dotless(raw["Name"])), []).append(raw)
        for want in self.desired(declaration):
            zone, name, kind, where = want.entry["zone"], want.entry["name"], want.entry["type"], f"record {want.name}"
            if point := delegated(name, kind, zone, points.get(zone, ())):
                what = f"the zone hands {point} over to other name servers (its NS record), so nobody would see it"
                yield Problem(where, what, f"declare it in the zone {point}, or delete that NS record in the account")
            for raw in live.get((zone, name), []):
                if raw.get("TrafficPolicyInstanceId") and raw["Type"] == kind:
                    fix = "delete that traffic policy record in the account, or remove this one from the declaration"
                    yield Problem(where, "a traffic policy of Route 53 keeps the record of that name and type", fix)
                elif raw.get("SetIdentifier") and raw["Type"] == kind:
                    fix = "delete those records in the account, or remove this one from the declaration"
                    yield Problem(where, f"the zone has {kind} records of that name with a routing policy", fix)
                elif (raw["Type"] == "CNAME") != (kind == "CNAME"):
                    fix = f"delete the {raw['Type']} record in the account, or remove this one from the declaration"
                    yield Problem(where, f"the zone has a {raw['Type']} of that name, and a CNAME has to be alone", fix)

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for key, entry in declaration.entries(self.variable).items():
            name = dotless(entry.get("name", key))
            if entry.get("host"):
                values = [ref("elastic_ip", entry["host"], "public_ip")]
            else:
                values = sorted(entry.get("values", []))
            ttl = entry.get("ttl", declaration.value("aws_dns_records_ttl", 300))
            record = {"zone": entry["zone"], "name": name, "type": entry["type"], "ttl": ttl, "values": values}
            compared = sorted(canonical(entry["type"], value) for value in values)
            nothing = {"alias": None, "more": None}
            yield Desired(record_label(name, entry["type"]), record, {"ttl": ttl, "values": compared, **nothing})
        for name, entry in declaration.entries("aws_cdn_distributions").items():
            for alias in entry["aliases"]:
                target = ref("distribution", name, "domain_name")
                for kind in ("A", "AAAA") if entry.get("ipv6") else ("A",):
                    zone = zone_of(alias, declaration)
                    record = {"zone": zone, "name": alias, "type": kind, "alias": target}
                    nothing = {"ttl": None, "values": None, "more": None}
                    yield Desired(record_label(alias, kind), record, {"alias": target, **nothing})

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
        raw = live.raw
        more = {key: raw[key] for key in sorted(raw) if key not in (*_WORDS, "zone")}
        if raw.get("AliasTarget"):
            return {"alias": _alias(raw["AliasTarget"]), "values": None, "ttl": None, "more": more or None}
        values = sorted(canonical(raw["Type"], item["Value"]) for item in raw.get("ResourceRecords", []))
        return {"ttl": raw.get("TTL"), "values": values, "alias": None, "more": more or None}

    def belongs_to(self, want: Desired, context: Context) -> tuple[str, str] | None:
        for kind, name, _ in tokens(want.entry, ("elastic_ip", "distribution")):
            return ("instance" if kind == "elastic_ip" else kind, name)
        return None

    def removal(self, want: Desired, live: Live, context: Context) -> Iterable[Removal]:
        yield record_removal(live.id.partition("/")[0], live.raw)

    def entry_name(self, live: Live, context: Context) -> str:
        return live.label

    def declared_at(self, name: str, live: Live, context: Context) -> tuple[str, ...]:
        entries = context.declaration.entries(self.variable)
        for key, entry in entries.items():
            if record_label(dotless(entry.get("name", key)), entry["type"]) == name:
                return (self.variable, key)
        for key, entry in context.declaration.entries("aws_cdn_distributions").items():
            if dotless(live.raw["Name"]) in entry["aliases"] and live.raw["Type"] in ("A", "AAAA"):
                raise UndeclarableError(f"it follows from distribution {key}, which declares its alias")
        # The name of a record is its key, unless another type of it has that key.
        free = dotless(live.raw["Name"])
        return (self.variable, name if free in entries else free)

    def said(self, name: str, live: Live, context: Context) -> Fields:
        raw, own = live.raw, dotless(live.raw["Name"])
        if raw["Type"] not in _TYPES:
            raise UndeclarableError(f"records of type {raw['Type']} cannot be declared")
        if raw.get("AliasTarget"):
            raise UndeclarableError(
                f"it is an alias of {_alias(raw['AliasTarget'])}; only distributions declare aliases"
            )
        if raw.get("SetIdentifier") or any(key not in (*_WORDS, "zone") for key in raw):
            raise UndeclarableError("it has a routing policy or a health check, which cannot be declared")
        key = self.declared_at(name, live, context)[-1]
        values = [item["Value"] for item in raw["ResourceRecords"]]
        entry = context.declaration.entries(self.variable).get(key, {})
        usual = context.declaration.value("aws_dns_records_ttl", 300)
        said: Fields = {
            "zone": raw["zone"],
            "name": own if key != own else None,
            "type": raw["Type"],
            "ttl": raw["TTL"] if raw["TTL"] != usual or entry.get("ttl") else None,
        }
        host = next((item for item in _hosts(values, context) if raw["Type"] == "A" and len(values) == 1), None)
        return said | ({"host": host, "values": None} if host else {"values": values, "host": None})

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange], context: Context) -> Iterable[str]:
        """Names that a wildcard answers for until a record of theirs exists, whatever its type."""
        if live is not None:
            return
        zone, name = want.entry["zone"], want.entry["name"]
        here = [item.raw for item in context.live[self.name] if item.raw["zone"] == zone]
        names = {dotless(raw["Name"]) for raw in here}
        nodes = {
            ".".join(labels[start:]) for labels in (item.split(".") for item in names) for start in range(len(labels))
        }
        wildcard, taken = answering(name, zone, names, nodes)
        answers = [_said(raw) for raw in here if wildcard and dotless(raw["Name"]) == wildcard]
        if answers:
            what = f"{wildcard} answers for {', '.join(taken)} today ({'; '.join(answers)}) and no longer will"
            yield f"record {want.name}: {what}"
