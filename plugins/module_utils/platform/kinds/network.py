"""VPC, internet gateway, subnet, route table, network ACL."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..engine import checks, formats
from ..engine.access import Detail, Read, Requests, Write, at
from ..engine.context import Context
from ..engine.declaration import Declaration
from ..engine.errors import Problem
from ..engine.model import Desired, Fields, Live
from .base import EC2_TAGS, Ec2Kind, Observation, called, declared, label, only, tag_fields, tags_of

#: an availability zone: its region, and a letter
_ZONE = re.compile(r"([a-z]{2}(?:-[a-z]+)+-\d+)[a-z]")
#: ranges that are not used on the internet
_PRIVATE = [ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")]
#: the tag Name of a resource is its key in the declaration
_NAMED = formats.text(r"[^`]+", "a name", "write letters, digits, spaces, `-` and `_`", 256)


def _range(where: str, cidr: str) -> Iterator[Problem]:
    """A range of a size that AWS allows for VPCs and subnets."""
    try:
        network = ipaddress.IPv4Network(cidr, strict=False)
    except ValueError:
        yield from checks.cidr(where, cidr)
        return
    if 16 <= network.prefixlen <= 28:
        yield from checks.cidr(where, cidr)
    else:
        first = cidr.partition("/")[0]
        fix = f"choose one of these, e.g. {ipaddress.IPv4Network(f'{first}/20', strict=False)}"
        yield Problem(where, f"/{network.prefixlen} is not a size that AWS allows: /16 to /28", fix)


def _of_one_vpc(
    where: str, vpc: str, vpcs: Mapping[str, Any], others: Iterable[tuple[str, str, Mapping[str, Any] | None]]
) -> Iterator[Problem]:
    """Everything that an entry names is in its own VPC. others: (field, name, entry) of each."""
    for field, name, entry in others:
        # An undeclared VPC is reported elsewhere.
        if entry and entry.get("vpc") in vpcs and vpc in vpcs and entry["vpc"] != vpc:
            what = f"`{name}` is in VPC {entry['vpc']}, this one in {vpc}"
            yield Problem(f"{where}.{field}", what, f"name one of VPC {vpc}")


def _guarded_twice(variable: str, entries: Mapping[str, Mapping[str, Any]], what: str) -> Iterator[Problem]:
    """A subnet has one route table and one network ACL."""
    taken: dict[str, str] = {}
    for name, entry in entries.items():
        for subnet in entry.get("subnets", []):
            if subnet in taken:
                again = "named twice" if taken[subnet] == name else f"also named by {taken[subnet]}"
                yield Problem(f"{variable}.{name}.subnets", f"`{subnet}` is {again}", f"a subnet has one {what}")
            taken.setdefault(subnet, name)


def _live(raw: Mapping[str, Any], key: str, **how: Any) -> Live:
    live_id = raw[key]
    return Live(live_id, label(live_id, called(raw)), dict(raw), {"id": live_id}, **how)


def _in_vpc(want: Desired, live: Sequence[Live], context: Context) -> list[Live]:
    vpc = context.id("vpc", want.entry["vpc"])
    return [item for item in live if vpc and item.raw.get("VpcId") == vpc]


def _attribute_of(attribute: str, name: str) -> Callable[[Declaration, Any], Requests]:
    """Ask for an attribute of each declared VPC, which describing all of them leaves out."""

    def each(declaration: Declaration, answer: Any) -> Requests:
        entries = declaration.entries("aws_network_vpcs").values()
        cidrs, ids = {entry["cidr"] for entry in entries}, {entry.get("id") for entry in entries}
        for raw in answer["Vpcs"]:
            if raw["CidrBlock"] in cidrs or raw["VpcId"] in ids:
                yield (raw["VpcId"], name), {"VpcId": raw["VpcId"], "Attribute": attribute}

    return each


class Vpc(Ec2Kind):
    """Recognised by its declared id, else by Name and CIDR, else as the default VPC, else the only one, with that CIDR.

    A second VPC with the same CIDR is never created: the two could not be connected.
    """

    name = "vpc"
    role = "aws_network"
    variable = "aws_network_vpcs"
    entry_point = "vpc"
    shapes = {
        "": _NAMED,
        "id": formats.text(r"vpc-([0-9a-f]{8}|[0-9a-f]{17})", "the id of a VPC", "write it like vpc-0a1b2c3d4e5f67890"),
    }
    reads = (
        Read(
            service="ec2",
            operation="describe_vpcs",
            into="vpcs",
            value=at("Vpcs"),
            then=tuple(
                Detail(
                    service="ec2",
                    operation="describe_vpc_attribute",
                    into="vpc_attributes",
                    each=_attribute_of(attribute, name),
                    value=lambda answer: next(v["Value"] for key, v in answer.items() if key.startswith("Enable")),
                )
                for attribute, name in (("enableDnsSupport", "dns_support"), ("enableDnsHostnames", "dns_hostnames"))
            ),
        ),
    )
    replaced_by = frozenset({"cidr"})
    writes = (Write("ec2:CreateVpc", creates=True), Write("ec2:ModifyVpcAttribute"), EC2_TAGS)
    identified_by = ("cidr",)

    def check(self, declaration: Declaration) -> Iterable[Problem]:
        """Ranges are private and do not overlap."""
        seen: list[tuple[str, ipaddress.IPv4Network]] = []
        for name, entry in declaration.entries(self.variable).items():
            where = f"{self.variable}.{name}"
            yield from _range(f"{where}.cidr", entry["cidr"])
            own = checks.network(entry["cidr"])
            if own and not any(own.subnet_of(private) for private in _PRIVATE):
                fix = "choose one in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"
                yield Problem(f"{where}.cidr", f"{own} is not private: it is a range of internet addresses", fix)
            for other, network in seen:
                if own and own.overlaps(network):
                    yield Problem(f"{where}.cidr", f"{own} overlaps VPC {other} ({network})", "give each its own range")
            if own:
                seen.append((name, own))
            if entry.get("dns_hostnames") and entry.get("dns_support") is False:
                fix = "write `dns_support: true`, or `dns_hostnames: false`"
                yield Problem(f"{where}.dns_hostnames", "AWS assigns no host names without dns_support", fix)

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries(self.variable).items():
            tags = declaration.tags(name, entry)
            fields = declared(entry, "cidr", "dns_support", "dns_hostnames") | tag_fields(tags)
            yield Desired(name, {**entry, "tags": tags}, fields)

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        for raw in observation["vpcs"]:
            attributes = observation["vpc_attributes"].get(raw["VpcId"], {})
            yield _live({**raw, **attributes}, "VpcId")

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        if want.entry.get("id"):
            return only(self.name, want.name, [item for item in live if item.id == want.entry["id"]])
        same_cidr = [item for item in live if item.raw["CidrBlock"] == want.entry["cidr"]]
        named = [item for item in same_cidr if called(item.raw) == want.name]
        default = [item for item in same_cidr if item.raw.get("IsDefault")]
        return only(self.name, want.name, named or default or same_cidr)

    def fields(self, live: Live, context: Context) -> Fields:
        raw = live.raw
        return {
            "cidr": raw["CidrBlock"],
            "dns_support": raw.get("dns_support"),
            "dns_hostnames": raw.get("dns_hostnames"),
            **tag_fields(tags_of(raw)),
        }


class InternetGateway(Ec2Kind):
    """Recognised as the one attached to the VPC, else by its Name."""

    name = "internet_gateway"
    role = "aws_network"
    variable = "aws_network_internet_gateways"
    entry_point = "internet_gateway"
    shapes = {"": _NAMED}
    refers = {"vpc": "vpc"}
    reads = (
        Read(
            service="ec2",
            operation="describe_internet_gateways",
            into="internet_gateways",
            value=at("InternetGateways"),
        ),
    )
    writes = (Write("ec2:CreateInternetGateway", creates=True), Write("ec2:AttachInternetGateway"), EC2_TAGS)

    def check(self, declaration: Declaration) -> Iterable[Problem]:
        taken: dict[str, str] = {}
        for name, entry in declaration.entries(self.variable).items():
            if entry["vpc"] in taken:
                what = f"{entry['vpc']} already has the internet gateway {taken[entry['vpc']]}"
                yield Problem(f"{self.variable}.{name}.vpc", what, "keep one: a VPC has one internet gateway")
            taken.setdefault(entry["vpc"], name)

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries(self.variable).items():
            tags = declaration.tags(name, entry)
            yield Desired(name, {**entry, "tags": tags}, {"vpc": entry["vpc"], **tag_fields(tags)})

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        for raw in observation["internet_gateways"]:
            attached = [item["VpcId"] for item in raw.get("Attachments", [])]
            foreign = bool(attached) and not context.knows("vpc", attached[0])
            yield _live({**raw, "VpcId": attached[0] if attached else None}, "InternetGatewayId", listed=not foreign)

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        loose = [item for item in live if called(item.raw) == want.name and not item.raw["VpcId"]]
        return only(self.name, want.name, _in_vpc(want, live, context) or loose)

    def fields(self, live: Live, context: Context) -> Fields:
        vpc = live.raw["VpcId"]
        return {"vpc": context.name("vpc", vpc) if vpc else None, **tag_fields(tags_of(live.raw))}


class Subnet(Ec2Kind):
    """Recognised by VPC and CIDR."""

    name = "subnet"
    role = "aws_network"
    variable = "aws_network_subnets"
    entry_point = "subnet"
    shapes = {"": _NAMED}
    refers = {"vpc": "vpc"}
    reads = (Read(service="ec2", operation="describe_subnets", into="subnets", value=at("Subnets")),)
    replaced_by = frozenset({"zone"})
    writes = (
        Write("ec2:CreateSubnet", creates=True),
        Write("ec2:ModifySubnetAttribute", ("map_public_ip",)),
        EC2_TAGS,
    )
    identified_by = ("cidr",)

    def check(self, declaration: Declaration) -> Iterable[Problem]:
        """Ranges are in their VPC and do not overlap; zones are in the region."""
        vpcs = declaration.entries("aws_network_vpcs")
        seen: list[tuple[str, str, ipaddress.IPv4Network]] = []
        for name, entry in declaration.entries(self.variable).items():
            where = f"{self.variable}.{name}"
            yield from _range(f"{where}.cidr", entry["cidr"])
            own, outer = checks.network(entry["cidr"]), checks.network(vpcs.get(entry["vpc"], {}).get("cidr", ""))
            if own and outer and not own.subnet_of(outer):
                what = f"{own} is outside the VPC {entry['vpc']} ({outer})"
                yield Problem(f"{where}.cidr", what, f"choose one in {outer}")
            for other, vpc, network in seen:
                if own and vpc == entry["vpc"] and own.overlaps(network):
                    what = f"{own} overlaps subnet {other} ({network})"
                    yield Problem(f"{where}.cidr", what, "give each its own range")
            if own:
                seen.append((name, entry["vpc"], own))
        yield from self._zones(declaration)

    def _zones(self, declaration: Declaration) -> Iterator[Problem]:
        """Zones are in the declared region. If all are in another one, the region is wrong."""
        entries, region = declaration.entries(self.variable), declaration.region
        regions = {match[1] if (match := _ZONE.fullmatch(entry["zone"])) else "" for entry in entries.values()}
        if len(entries) > 1 and len(regions) == 1 and regions - {region, ""}:
            (other,) = regions
            what = f"`{region}` is declared, but the zones of all subnets are in {other}"
            yield Problem("aws_region", what, f"write {other}, or zones of {region} in {self.variable}")
            return
        for name, entry in entries.items():
            if not re.fullmatch(re.escape(region) + "[a-z]", entry["zone"]):
                letter = entry["zone"][-1:].lower()
                example = f"{region}{letter if letter.isascii() and letter.isalpha() else 'a'}"
                fix = f"write a zone of {region}, e.g. {example} (or correct aws_region)"
                yield Problem(f"{self.variable}.{name}.zone", f"`{entry['zone']}` is not a zone of {region}", fix)

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries(self.variable).items():
            tags = declaration.tags(name, entry)
            fields = declared(entry, "zone", "map_public_ip") | tag_fields(tags)
            yield Desired(name, {**entry, "tags": tags}, fields)

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        for raw in observation["subnets"]:
            found = _live(raw, "SubnetId", listed=context.knows("vpc", raw["VpcId"]))
            blocks = raw.get("Ipv6CidrBlockAssociationSet", [])
            ipv6 = [item["Ipv6CidrBlock"] for item in blocks if item["Ipv6CidrBlockState"]["State"] == "associated"]
            # The module removes both unless told to keep them.
            found.attributes["ipv6_cidr"] = ipv6[0] if ipv6 else ""
            found.attributes["assign_ipv6"] = raw.get("AssignIpv6AddressOnCreation", False)
            yield found

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        inside = _in_vpc(want, live, context)
        # A subnet may have IPv6 only.
        same = [item for item in inside if item.raw.get("CidrBlock") == want.entry["cidr"]]
        return only(self.name, want.name, same)

    def fields(self, live: Live, context: Context) -> Fields:
        raw = live.raw
        return {
            "zone": raw["AvailabilityZone"],
            "map_public_ip": raw["MapPublicIpOnLaunch"],
            **tag_fields(tags_of(raw)),
        }


def _associated(live: Live) -> set[str]:
    return {item["SubnetId"] for item in live.raw.get("Associations", []) if item.get("SubnetId")}


def _declared_names(subnets: Iterable[str], context: Context) -> list[str]:
    """Names of those subnets that are declared: subnets made by hand are left as they are."""
    return sorted(context.name("subnet", item) for item in subnets if context.knows("subnet", item))


def _by_name_or_subnets(
    kind: str, want: Desired, live: Sequence[Live], context: Context, guarded: Mapping[str, set[str]]
) -> Live | None:
    """By VPC and Name, else the one that all its declared subnets use already."""
    inside = _in_vpc(want, live, context)
    named = [item for item in inside if called(item.raw) == want.name]
    # Existing ones only: a missing subnet must not hide the table of the others.
    ids = {found for name in want.entry.get("subnets", []) if (found := context.id("subnet", name))}
    users = [item for item in inside if ids and ids <= guarded[item.id]]
    return only(kind, want.name, named or users)


class RouteTable(Ec2Kind):
    """Recognised by VPC and Name, else as the one that all its declared subnets use."""

    name = "route_table"
    role = "aws_network"
    variable = "aws_network_route_tables"
    entry_point = "route_table"
    shapes = {"": _NAMED}
    nested = {"routes": "route"}
    refers = {"vpc": "vpc", "subnets": "subnet", "routes.*.internet_gateway": "internet_gateway"}
    reads = (Read(service="ec2", operation="describe_route_tables", into="route_tables", value=at("RouteTables")),)
    writes = (
        Write("ec2:CreateRouteTable", creates=True),
        Write("ec2:AssociateRouteTable"),
        Write("ec2:DisassociateRouteTable"),
        Write("ec2:CreateRoute"),
        Write("ec2:ReplaceRoute"),
        EC2_TAGS,
    )

    def check(self, declaration: Declaration) -> Iterable[Problem]:
        entries, subnets = declaration.entries(self.variable), declaration.entries("aws_network_subnets")
        gateways = declaration.entries("aws_network_internet_gateways")
        yield from _guarded_twice(self.variable, entries, "route table")
        for name, entry in entries.items():
            where, routes = f"{self.variable}.{name}", entry.get("routes", {})
            for destination in routes:
                yield from checks.cidr(f"{where}.routes.{destination}", destination)
            others = [("subnets", subnet, subnets.get(subnet)) for subnet in entry.get("subnets", [])]
            targets = {cidr: route["internet_gateway"] for cidr, route in routes.items()}
            others += [(f"routes.{cidr}", gateway, gateways.get(gateway)) for cidr, gateway in targets.items()]
            yield from _of_one_vpc(where, entry["vpc"], declaration.entries("aws_network_vpcs"), others)

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries(self.variable).items():
            tags = declaration.tags(name, entry)
            fields: Fields = tag_fields(tags)
            for destination, route in entry.get("routes", {}).items():
                fields[f"routes.{destination}"] = f"internet_gateway {route['internet_gateway']}"
            if "subnets" in entry:
                fields["subnets"] = sorted(entry["subnets"])
            yield Desired(name, {**entry, "tags": tags}, fields)

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        explicit: dict[str, set[str]] = {}
        for raw in observation["route_tables"]:
            ids = {item["SubnetId"] for item in raw.get("Associations", []) if item.get("SubnetId")}
            explicit.setdefault(raw["VpcId"], set()).update(ids)
        for raw in observation["route_tables"]:
            main = any(item.get("Main") for item in raw.get("Associations", []))
            # Subnets without a table of their own use the main one.
            implicit = [
                subnet["SubnetId"]
                for subnet in observation["subnets"]
                if main and subnet["VpcId"] == raw["VpcId"] and subnet["SubnetId"] not in explicit[raw["VpcId"]]
            ]
            # An undeclared main table is AWS's own, not unmanaged.
            listed = context.knows("vpc", raw["VpcId"]) and not main
            yield _live({**raw, "implicit": implicit}, "RouteTableId", listed=listed)

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        guarded = {item.id: _associated(item) | set(item.raw["implicit"]) for item in live}
        return _by_name_or_subnets(self.name, want, live, context, guarded)

    def fields(self, live: Live, context: Context) -> Fields:
        raw = live.raw
        fields: Fields = tag_fields(tags_of(raw))
        for route in raw.get("Routes", []):
            gateway = route.get("GatewayId", "")
            if gateway == "local":
                continue
            destination = route.get("DestinationCidrBlock") or route.get("DestinationIpv6CidrBlock")
            targets = (route[key] for key in ("NatGatewayId", "NetworkInterfaceId", "TransitGatewayId") if key in route)
            if gateway.startswith("igw-"):
                target = f"internet_gateway {context.name('internet_gateway', gateway)}"
            else:
                target = gateway or next(targets, "other")
            if route.get("State") == "blackhole":
                target += " (blackhole)"
            fields[f"routes.{destination}"] = target
        fields["subnets"] = _declared_names(_associated(live) | set(raw["implicit"]), context)
        return fields


def _acl_rule(rule: Mapping[str, Any], number: str) -> str:
    first, last = rule.get("from_port"), rule.get("to_port")
    ports = "" if first is None else f" {first}-{first if last is None else last}"
    return f"{number} {rule['action']} {rule['protocol']}{ports} {rule['cidr']}"


_ACL_PROTOCOLS = {"-1": "all", "6": "tcp", "17": "udp"}
#: the rule AWS ends every ACL with, which cannot be changed
_ACL_LAST = 32767


class NetworkAcl(Ec2Kind):
    """Recognised by VPC and Name, else as the one that all its declared subnets use."""

    name = "network_acl"
    role = "aws_network"
    variable = "aws_network_acls"
    entry_point = "acl"
    shapes = {"": _NAMED}
    nested = {"ingress": "acl_rule", "egress": "acl_rule"}
    refers = {"vpc": "vpc", "subnets": "subnet"}
    reads = (Read(service="ec2", operation="describe_network_acls", into="network_acls", value=at("NetworkAcls")),)
    writes = (
        Write("ec2:CreateNetworkAcl", creates=True),
        Write("ec2:CreateNetworkAclEntry", ("ingress", "egress")),
        Write("ec2:DeleteNetworkAclEntry", ("ingress", "egress")),
        Write("ec2:ReplaceNetworkAclAssociation", ("subnets",)),
        EC2_TAGS,
    )

    def check(self, declaration: Declaration) -> Iterable[Problem]:
        entries, subnets = declaration.entries(self.variable), declaration.entries("aws_network_subnets")
        yield from _guarded_twice(self.variable, entries, "network ACL")
        for name, entry in entries.items():
            others = [("subnets", subnet, subnets.get(subnet)) for subnet in entry.get("subnets", [])]
            vpcs = declaration.entries("aws_network_vpcs")
            yield from _of_one_vpc(f"{self.variable}.{name}", entry["vpc"], vpcs, others)
            for direction in self.nested:
                seen: dict[str, str] = {}
                for number, rule in entry.get(direction, {}).items():
                    where = f"{self.variable}.{name}.{direction}.{number}"
                    if not re.fullmatch(r"[1-9][0-9]{0,4}", number) or int(number) >= _ACL_LAST:
                        yield Problem(where, f"`{number}` is not a rule number", "choose one from 1 to 32766")
                    same = _acl_rule({**rule, "action": ""}, "")
                    if same in seen:
                        what = f"matches the same packets as rule {seen[same]}, and the lower number wins"
                        yield Problem(where, what, "keep one of the two")
                    seen.setdefault(same, number)
                    yield from checks.cidr(f"{where}.cidr", rule["cidr"])
                    yield from checks.ports(where, rule["protocol"], rule, "from_port", "to_port")

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries(self.variable).items():
            tags = declaration.tags(name, entry)
            fields: Fields = tag_fields(tags)
            for direction in ("ingress", "egress"):
                rules = sorted(entry[direction].items(), key=lambda item: int(item[0]))
                fields[direction] = [_acl_rule(rule, number) for number, rule in rules]
            fields["subnets"] = sorted(entry["subnets"])
            yield Desired(name, {**entry, "tags": tags}, fields)

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        there = {subnet["SubnetId"] for subnet in observation["subnets"]}
        for raw in observation["network_acls"]:
            listed = context.knows("vpc", raw["VpcId"]) and not raw["IsDefault"]
            found = _live(raw, "NetworkAclId", listed=listed)
            # The module removes every subnet that it is not given.
            others = [subnet for subnet in _associated(found) & there if not context.knows("subnet", subnet)]
            found.attributes["other_subnets"] = sorted(others)
            yield found

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        guarded = {item.id: _associated(item) for item in live}
        return _by_name_or_subnets(self.name, want, live, context, guarded)

    def fields(self, live: Live, context: Context) -> Fields:
        fields: Fields = tag_fields(tags_of(live.raw))
        entries = sorted(live.raw.get("Entries", []), key=lambda item: int(item["RuleNumber"]))
        for direction, egress in (("ingress", False), ("egress", True)):
            fields[direction] = [
                _acl_rule(_acl_entry(entry), str(entry["RuleNumber"]))
                for entry in entries
                if entry["Egress"] is egress and entry["RuleNumber"] < _ACL_LAST
            ]
        fields["subnets"] = _declared_names(_associated(live), context)
        return fields


def _acl_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    ports = entry.get("PortRange") or {}
    return {
        "action": entry["RuleAction"],
        "protocol": _ACL_PROTOCOLS.get(str(entry["Protocol"]), str(entry["Protocol"])),
        "cidr": entry.get("CidrBlock") or entry.get("Ipv6CidrBlock"),
        "from_port": ports.get("From"),
        "to_port": ports.get("To"),
    }
