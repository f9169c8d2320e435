"""VPC, internet gateway, subnet, route table, network ACL."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..acl_steps import LAST
from ..engine import checks, formats
from ..engine.access import Detail, Read, Removal, Requests, Write, at
from ..engine.context import Context
from ..engine.declaration import Declaration
from ..engine.errors import Problem, UndeclarableError
from ..engine.model import Desired, FieldChange, Fields, Live
from . import quotas
from .acl_lines import declared_line, declared_rules, live_lines, lost_lines
from .addresses import described
from .base import (
    EC2_TAGS,
    Ec2Kind,
    Goes,
    Observation,
    called,
    declared,
    ec2_call,
    instance_names,
    label,
    only,
    tag_fields,
    tags_of,
)
from .routing import routes_of
from .subnets_of import associated, by_name_or_subnets, named_subnets, subnet_labels
from .vpcs import in_vpc, live_vpcs, many_vpcs, missing_vpcs, ranges, same_vpcs, with_tags

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


def _foreign(interface: Mapping[str, Any]) -> bool:
    """Whether a network interface is that of no instance: of a service, or made by hand."""
    return not (interface.get("Attachment") or {}).get("InstanceId")


def _guarding(live: Live, context: Context, goes: Goes) -> Iterator[str]:
    """Subnets that stay and use this route table or ACL."""
    staying = [item for item in associated(live) if not goes("subnet", context.name("subnet", item))]
    if staying:
        yield f"{subnet_labels(staying, context)} uses it"


def _known_subnets(live: Live, context: Context) -> list[str]:
    """The declared subnets that are associated with a route table or an ACL."""
    return sorted(context.name("subnet", item) for item in associated(live) if context.knows("subnet", item))


def _guarded_twice(variable: str, entries: Mapping[str, Mapping[str, Any]], what: str) -> Iterator[Problem]:
    """A subnet has one route table and one network ACL."""
    taken: dict[str, str] = {}
    for name, entry in entries.items():
        for subnet in entry.get("subnets", []):
            if subnet in taken:
                again = "named twice" if taken[subnet] == name else f"also named by {taken[subnet]}"
                yield Problem(f"{variable}.{name}.subnets", f"`{subnet}` is {again}", f"a subnet has one {what}")
            taken.setdefault(subnet, name)


def _attribute_of(attribute: str, name: str) -> Callable[[Declaration, Any], Requests]:
    """Ask for an attribute of each declared VPC, which describing all of them leaves out."""

    def each(declaration: Declaration, answer: Any) -> Requests:
        entries = declaration.entries("aws_network_vpcs").values()
        cidrs, ids = {entry["cidr"] for entry in entries}, {entry.get("id") for entry in entries}
        for raw in answer["Vpcs"]:
            if not cidrs.isdisjoint(ranges(raw)) or raw["VpcId"] in ids:
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
            then=(
                quotas.quota(quotas.VPCS, many_vpcs),
                *(
                    Detail(
                        service="ec2",
                        operation="describe_vpc_attribute",
                        into="vpc_attributes",
                        each=_attribute_of(attribute, name),
                        value=lambda answer: next(v["Value"] for key, v in answer.items() if key.startswith("Enable")),
                    )
                    for attribute, name in (
                        ("enableDnsSupport", "dns_support"),
                        ("enableDnsHostnames", "dns_hostnames"),
                    )
                ),
            ),
        ),
    )
    replaced_by = frozenset({"cidr"})
    removes = ("ec2:DeleteVpc",)
    removal_reads = (
        Read(
            service="ec2",
            operation="describe_network_interfaces",
            into="interfaces",
            value=at("NetworkInterfaces"),
        ),
        Read(service="ec2", operation="describe_vpc_endpoints", into="endpoints", value=at("VpcEndpoints")),
    )
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

    def check_account(self, declaration: Declaration, observation: Observation) -> Iterable[Problem]:
        """A VPC that is declared by its id exists; there are no more VPCs than the account's quota."""
        missing = missing_vpcs(declaration, observation["vpcs"])
        for name in missing:
            if live_id := declaration.entries(self.variable)[name].get("id"):
                # A new VPC would have another id, so that every run would make one more.
                what = f"{live_id} is not in {declaration.region} of this account"
                yield Problem(f"{self.variable}.{name}.id", what, "correct it, or remove `id` to create a VPC")
        for name, raw in live_vpcs(declaration, observation).items():
            owner = raw.get("OwnerId") or declaration.account
            if owner != declaration.account:
                what = f"{raw['VpcId']} belongs to account {owner}, which shares it: nobody else can change or tag it"
                yield Problem(f"{self.variable}.{name}", what, "declare a VPC of this account, or another range")
        count = len(observation["vpcs"]) + len(missing)
        for name in missing:
            where, otherwise = f"{self.variable}.{name}", "delete a VPC that nothing uses"
            yield from quotas.exceeded(observation, quotas.VPCS, where, count, f"{count} VPCs", otherwise)

    def kept(self, want: Desired, live: Live, context: Context, goes: Goes) -> Iterable[str]:
        """Whatever is in it and not declared, by name."""
        inside = []
        for kind in ("subnet", "route_table", "network_acl", "security_group", "internet_gateway"):
            here = (item for item in context.live[kind] if item.raw.get("VpcId") == live.id)
            inside += [f"{kind} {item.label}" for item in here if item.listed and not context.knows(kind, item.id)]
        hosts = instance_names(context.observation)
        inside += [
            f"instance {label(raw['InstanceId'], called(raw))}"
            for raw in context.observation["instances"]
            if raw.get("VpcId") == live.id
            and raw["InstanceId"] in hosts
            and not context.knows("instance", raw["InstanceId"])
        ]
        inside += [
            described(raw) for raw in context.observation["interfaces"] if raw.get("VpcId") == live.id and _foreign(raw)
        ]
        inside += [
            f"VPC endpoint {raw['VpcEndpointId']}"
            for raw in context.observation["endpoints"]
            if raw.get("VpcId") == live.id and raw.get("State") not in ("deleting", "deleted")
        ]
        if inside:
            yield f"what nobody declares is in it: {', '.join(inside)}"

    def removal(self, want: Desired, live: Live, context: Context) -> Iterable[Removal]:
        yield ec2_call("delete_vpc", "InvalidVpcID.NotFound", VpcId=live.id)

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries(self.variable).items():
            tags = declaration.tags(name, entry)
            fields = declared(entry, "cidr", "dns_support", "dns_hostnames") | tag_fields(tags)
            yield Desired(name, {**entry, "tags": tags}, fields)

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        for raw in observation["vpcs"]:
            attributes = observation["vpc_attributes"].get(raw["VpcId"], {})
            yield with_tags({**raw, **attributes}, "VpcId")

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        same = {raw["VpcId"] for raw in same_vpcs(want.name, want.entry, [item.raw for item in live])}
        return only(self.name, want.name, [item for item in live if item.id in same])

    def fields(self, live: Live, context: Context) -> Fields:
        raw = live.raw
        entry = context.declaration.entries(self.variable).get(context.name(self.name, live.id), {})
        return {
            # Any of its ranges may be the declared one.
            "cidr": entry["cidr"] if entry.get("cidr") in ranges(raw) else raw["CidrBlock"],
            "dns_support": raw.get("dns_support"),
            "dns_hostnames": raw.get("dns_hostnames"),
            **tag_fields(tags_of(raw)),
        }

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange], context: Context) -> Iterable[str]:
        """What its hosts lose, undeclared ones included; another VPC that may be meant."""
        same = [item.label for item in context.live[self.name] if live is None and called(item.raw) == want.name]
        if same:
            yield f"VPC {want.name}: a new one, beside {', '.join(same)} of another range; `id` declares that one"
        losses = {
            "dns_support": "names are no longer resolved by Amazon's resolver (private zones, endpoints)",
            "dns_hostnames": "instances with a public address lose their public DNS names",
        }
        for change in changes:
            if live is not None and change.field in losses and change.before and not change.after:
                yield f"VPC {want.name} ({live.id}): in all its subnets, {losses[change.field]}"


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
    removes = ("ec2:DetachInternetGateway", "ec2:DeleteInternetGateway")
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
            yield with_tags(
                {**raw, "VpcId": attached[0] if attached else None}, "InternetGatewayId", listed=not foreign
            )

    def kept(self, want: Desired, live: Live, context: Context, goes: Goes) -> Iterable[str]:
        for table in context.live.get("route_table", ()):
            used = any(route.get("GatewayId") == live.id for route in table.raw.get("Routes", []))
            if used and not context.knows("route_table", table.id):
                yield f"route table {table.label}, which nobody declares, leads to it"

    def removal(self, want: Desired, live: Live, context: Context) -> Iterable[Removal]:
        gone = ("InvalidInternetGatewayID.NotFound", "Gateway.NotAttached")
        if live.raw["VpcId"]:
            yield ec2_call("detach_internet_gateway", *gone, InternetGatewayId=live.id, VpcId=live.raw["VpcId"])
        yield ec2_call("delete_internet_gateway", *gone, InternetGatewayId=live.id)

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        loose = [item for item in live if called(item.raw) == want.name and not item.raw["VpcId"]]
        return only(self.name, want.name, in_vpc(want, live, context) or loose)

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
    removes = ("ec2:DeleteSubnet",)
    # Its associations with a route table and an ACL go with it.
    removed_before = frozenset({"route_table", "network_acl"})
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

    def check_account(self, declaration: Declaration, observation: Observation) -> Iterable[Problem]:
        """A new subnet is inside the live VPC, and no live subnet is in its way."""
        vpcs = live_vpcs(declaration, observation)
        for name, entry in declaration.entries(self.variable).items():
            where, own = f"{self.variable}.{name}.cidr", checks.network(entry["cidr"])
            vpc = vpcs.get(entry["vpc"])
            if vpc is None or own is None:
                continue
            inside = [raw for raw in observation["subnets"] if raw["VpcId"] == vpc["VpcId"]]
            if any(raw.get("CidrBlock") == entry["cidr"] for raw in inside):
                continue
            for raw in inside:
                other = checks.network(raw.get("CidrBlock", ""))
                if other and other.overlaps(own):
                    there = label(raw["SubnetId"], called(raw))
                    what = f"{own} overlaps the live subnet {there}, {other}: AWS would refuse it"
                    fix = f"declare that one (`cidr: {other}`), or choose a range that is free"
                    yield Problem(where, what, fix)
            outer = [network for block in ranges(vpc) if (network := checks.network(block))]
            if outer and not any(own.subnet_of(network) for network in outer):
                what = f"{own} is outside the live VPC {vpc['VpcId']} ({', '.join(map(str, outer))})"
                yield Problem(where, what, "choose a range in it, or add one to the VPC by hand first")

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
            yield with_tags(raw, "SubnetId", listed=context.knows("vpc", raw["VpcId"]))

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        inside = in_vpc(want, live, context)
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

    def kept(self, want: Desired, live: Live, context: Context, goes: Goes) -> Iterable[str]:
        hosts = [raw for raw in context.observation["instances"] if raw.get("SubnetId") == live.id]
        alive = instance_names(context.observation)
        found = [
            f"instance {label(raw['InstanceId'], called(raw))}"
            for raw in hosts
            if raw["InstanceId"] in alive and not context.knows("instance", raw["InstanceId"])
        ]
        interfaces = context.observation["interfaces"]
        found += [described(raw) for raw in interfaces if raw.get("SubnetId") == live.id and _foreign(raw)]
        if found:
            yield f"what nobody declares is in it: {', '.join(found)}"

    def removal(self, want: Desired, live: Live, context: Context) -> Iterable[Removal]:
        yield ec2_call("delete_subnet", "InvalidSubnetID.NotFound", SubnetId=live.id)

    def said(self, name: str, live: Live, context: Context) -> Fields:
        if not live.raw.get("CidrBlock"):
            raise UndeclarableError("it has no IPv4 range, by which a subnet is declared")
        return {"vpc": context.name("vpc", live.raw["VpcId"]), "cidr": live.raw["CidrBlock"]}

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange], context: Context) -> Iterable[str]:
        for change in changes:
            if live is not None and change.field == "map_public_ip" and change.before and not change.after:
                yield (
                    f"subnet {want.name}: whatever is launched in it from now on, by hand or by a service, "
                    "gets no public address"
                )


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
    removes = ("ec2:DisassociateRouteTable", "ec2:DeleteRouteTable")
    writes = (
        Write("ec2:CreateRouteTable", creates=True),
        Write("ec2:AssociateRouteTable", ("subnets",)),
        Write("ec2:ReplaceRouteTableAssociation", ("subnets",)),
        Write("ec2:CreateRoute", ("routes.*",)),
        Write("ec2:ReplaceRoute", ("routes.*",)),
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
            yield with_tags({**raw, "implicit": implicit}, "RouteTableId", listed=listed)

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        guarded = {item.id: associated(item) | set(item.raw["implicit"]) for item in live}
        return by_name_or_subnets(self, want, live, context, guarded)

    def fields(self, live: Live, context: Context) -> Fields:
        raw = live.raw
        fields: Fields = tag_fields(tags_of(raw))
        fields |= {f"routes.{destination}": target for destination, target in routes_of(raw, context).items()}
        fields["subnets"] = named_subnets(self, live, associated(live) | set(raw["implicit"]), context)
        return fields

    def kept(self, want: Desired, live: Live, context: Context, goes: Goes) -> Iterable[str]:
        if any(item.get("Main") for item in live.raw.get("Associations", [])):
            yield "it is the main table of its VPC, and goes with that only"
        yield from _guarding(live, context, goes)

    def removal(self, want: Desired, live: Live, context: Context) -> Iterable[Removal]:
        for item in live.raw.get("Associations", []):
            if item.get("SubnetId"):
                gone = "InvalidAssociationID.NotFound"
                yield ec2_call("disassociate_route_table", gone, AssociationId=item["RouteTableAssociationId"])
        yield ec2_call("delete_route_table", "InvalidRouteTableID.NotFound", RouteTableId=live.id)

    def said(self, name: str, live: Live, context: Context) -> Fields:
        """Routes to declared gateways; any other stays as it is, undeclared."""
        routes = {}
        for destination, target in routes_of(live.raw, context).items():
            word, _, gateway = target.partition(" ")
            if word == "internet_gateway" and " " not in gateway and context.found(word, gateway):
                routes[destination] = {"internet_gateway": gateway}
        return {
            "vpc": context.name("vpc", live.raw["VpcId"]),
            "routes": routes,
            "subnets": _known_subnets(live, context),
        }

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange], context: Context) -> Iterable[str]:
        """Subnets that come from another table and what they lose; undeclared subnets whose routes change."""
        declared = {key.partition(".")[2]: value for key, value in want.fields.items() if key.startswith("routes.")}
        here = (routes_of(live.raw, context) if live else {}) | declared
        moving = [item for change in changes if change.field == "subnets" for item in change.after]
        ids = {found for name in moving if (found := context.id("subnet", name))}
        for table in context.live[self.name]:
            used = (associated(table) | set(table.raw["implicit"])) & ids
            if table.id == (live.id if live else "") or not used:
                continue
            there = routes_of(table.raw, context)
            lost = [f"{to} -> {target}" for to, target in sorted(there.items()) if here.get(to) != target]
            main = any(item.get("Main") for item in table.raw.get("Associations", []))
            yield (
                f"route table {want.name}: takes {subnet_labels(used, context)} from {'the main ' if main else ''}"
                f"route table {table.label}; {f'lost: {", ".join(lost)}' if lost else 'no route is lost'}"
            )
        if live is None:
            return
        others = {item for item in associated(live) | set(live.raw["implicit"]) if not context.knows("subnet", item)}
        routes = [change for change in changes if change.field.startswith("routes.")]
        for change in routes if others else ():
            yield (
                f"route table {want.name}: also for {subnet_labels(others, context)}, not declared, traffic to "
                f"{change.field.partition('.')[2]} goes to {change.after}, not to {change.before or 'where it went'}"
            )


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
    removes = ("ec2:DeleteNetworkAcl",)
    writes = (
        Write("ec2:CreateNetworkAcl", creates=True),
        Write("ec2:CreateNetworkAclEntry", ("ingress", "egress")),
        Write("ec2:ReplaceNetworkAclEntry", ("ingress", "egress")),
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
                    if not re.fullmatch(r"[1-9][0-9]{0,4}", number) or int(number) >= LAST:
                        yield Problem(where, f"`{number}` is not a rule number", "choose one from 1 to 32766")
                    same = " ".join(declared_line("", rule).split()[2:])
                    if same in seen:
                        what = f"matches the same packets as rule {seen[same]}, and the lower number wins"
                        yield Problem(where, what, "keep one of the two")
                    seen.setdefault(same, number)
                    yield from checks.cidr(f"{where}.cidr", rule["cidr"])
                    yield from checks.ports(where, rule["protocol"], rule, "from_port", "to_port")
                    yield from checks.icmp(where, rule["protocol"], rule)

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries(self.variable).items():
            tags = declaration.tags(name, entry)
            fields: Fields = tag_fields(tags)
            for direction in ("ingress", "egress"):
                rules = sorted(entry[direction].items(), key=lambda item: int(item[0]))
                fields[direction] = [declared_line(number, rule) for number, rule in rules]
            fields["subnets"] = sorted(entry["subnets"])
            yield Desired(name, {**entry, "tags": tags}, fields)

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        for raw in observation["network_acls"]:
            listed = context.knows("vpc", raw["VpcId"]) and not raw["IsDefault"]
            yield with_tags(raw, "NetworkAclId", listed=listed)

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        guarded = {item.id: associated(item) for item in live}
        return by_name_or_subnets(self, want, live, context, guarded)

    def fields(self, live: Live, context: Context) -> Fields:
        fields: Fields = tag_fields(tags_of(live.raw))
        for direction in self.nested:
            fields[direction] = live_lines(live.raw, direction)
        fields["subnets"] = named_subnets(self, live, associated(live), context)
        return fields

    def kept(self, want: Desired, live: Live, context: Context, goes: Goes) -> Iterable[str]:
        if live.raw["IsDefault"]:
            yield "it is the default ACL of its VPC, and goes with that only"
        yield from _guarding(live, context, goes)

    def removal(self, want: Desired, live: Live, context: Context) -> Iterable[Removal]:
        """Its subnets are gone, and with them their associations; one that is left goes to the default ACL."""
        acls = context.observation["network_acls"]
        default = [raw for raw in acls if raw["VpcId"] == live.raw["VpcId"] and raw["IsDefault"]]
        for item in live.raw.get("Associations", []) if default else ():
            yield ec2_call(
                "replace_network_acl_association",
                "InvalidAssociationID.NotFound",
                AssociationId=item["NetworkAclAssociationId"],
                NetworkAclId=default[0]["NetworkAclId"],
            )
        yield ec2_call("delete_network_acl", "InvalidNetworkAclID.NotFound", NetworkAclId=live.id)

    def said(self, name: str, live: Live, context: Context) -> Fields:
        rules = {direction: declared_rules(live.raw, direction) for direction in self.nested}
        return {"vpc": context.name("vpc", live.raw["VpcId"]), "subnets": _known_subnets(live, context), **rules}

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange], context: Context) -> Iterable[str]:
        """Subnets that come from another ACL and the rules they lose; undeclared subnets whose rules change."""
        moving = [item for change in changes if change.field == "subnets" for item in change.after]
        ids = {found for name in moving if (found := context.id("subnet", name))}
        for acl in context.live[self.name]:
            used = associated(acl) & ids
            if acl.id == (live.id if live else "") or not used:
                continue
            lost = lost_lines({direction: live_lines(acl.raw, direction) for direction in self.nested}, want.fields)
            yield (
                f"network ACL {want.name}: takes {subnet_labels(used, context)} from network ACL {acl.label}; "
                f"{f'lost: {lost}' if lost else 'no rule is lost'}"
            )
        before = {change.field: change.before for change in changes if change.field in self.nested}
        if live is None or not before:
            return
        there = {raw["SubnetId"] for raw in context.observation["subnets"]}
        others = {item for item in associated(live) & there if not context.knows("subnet", item)}
        lost = lost_lines(before, want.fields)
        if others:
            yield (
                f"network ACL {want.name}: also changes {subnet_labels(others, context)}, not declared; "
                f"{f'lost: {lost}' if lost else 'no rule is lost'}"
            )
