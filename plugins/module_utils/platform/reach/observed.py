"""The network of the account as it was observed. Pure.

A rule that the declaration has in the same words knows its place there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..acl_steps import LAST, parse
from ..engine.context import Context
from ..engine.model import Live
from ..group_rules import protocol
from ..kinds.acl_lines import declared_line, live_lines
from ..kinds.compute import ALIVE
from ..kinds.routing import routes_of
from ..kinds.security import permission_lines, rule_lines
from .model import (
    ELSEWHERE,
    INTERNET,
    LOCAL,
    NAMES,
    NOWHERE,
    OUTBOUND,
    Acl,
    AclRule,
    Address,
    Block,
    Group,
    GroupRule,
    Host,
    Network,
    Route,
    Subnet,
    Table,
    Traffic,
    Vpc,
    address,
    block,
)

#: direction of a group, where EC2 has its rules, and the word before a peer
DIRECTIONS = (("ingress", "IpPermissions", "from"), ("egress", "IpPermissionsEgress", "to"))
#: what a network needs to know: the kinds that have to be observed
KINDS = (
    "vpc",
    "internet_gateway",
    "subnet",
    "route_table",
    "network_acl",
    "security_group",
    "instance",
    "elastic_ip",
)
VARIABLES = {
    "vpc": "aws_network_vpcs",
    "subnet": "aws_network_subnets",
    "route_table": "aws_network_route_tables",
    "network_acl": "aws_network_acls",
    "security_group": "aws_security_groups",
    "instance": "aws_compute_instances",
}


def observed(context: Context) -> Network:
    """context: of a plan, after it was made."""
    return Network(
        vpcs={item.id: _vpc(item, context) for item in context.live["vpc"]},
        subnets={item.id: _subnet(item, context) for item in context.live["subnet"]},
        tables={item.id: _table(item, context) for item in context.live["route_table"]},
        acls={item.id: _acl(item, context) for item in context.live["network_acl"]},
        groups={item.id: _group(item, context) for item in context.live["security_group"]},
        hosts=in_order(_hosts(context), context),
        administrators=administrators(context),
        prefix_lists={
            name: tuple(map(block, cidrs))
            for name, cidrs in context.observation["prefix_list_ranges"].items()
            if cidrs is not None
        },
    )


def in_order(hosts: Iterable[Host], context: Context) -> dict[str, Host]:
    """Hosts by name: the declared ones in the order of the declaration, then the others."""
    places = {name: number for number, name in enumerate(context.declaration.entries(VARIABLES["instance"]))}
    found = sorted(hosts, key=lambda host: (places.get(host.instance, len(places)), host.instance, host.name))
    return {host.name: host for host in found}


def administrators(context: Context) -> tuple[Block, ...]:
    """Where administrators come from."""
    return tuple(block(cidr) for cidr in context.declaration.value("aws_security_admin_cidrs") or ())


def place(kind: str, live_id: str, context: Context) -> str:
    """Where a live resource is declared; empty when nobody declares it."""
    return f"{VARIABLES[kind]}.{context.name(kind, live_id)}" if context.knows(kind, live_id) else ""


def _called(kind: str, item: Live, context: Context) -> str:
    return context.name(kind, item.id) if context.knows(kind, item.id) else item.label


def _vpc(item: Live, context: Context) -> Vpc:
    raw = item.raw
    cidrs = [raw["CidrBlock"]]
    for key, cidr in (("CidrBlockAssociationSet", "CidrBlock"), ("Ipv6CidrBlockAssociationSet", "Ipv6CidrBlock")):
        cidrs += [one[cidr] for one in raw.get(key, []) if _associated(one.get(f"{cidr}State"))]
    gateways = [gateway.id for gateway in context.live["internet_gateway"] if gateway.raw["VpcId"] == item.id]
    blocks = tuple(dict.fromkeys(block(cidr) for cidr in cidrs))
    name = _called("vpc", item, context)
    return Vpc(item.id, name, blocks, next(iter(gateways), ""), place("vpc", item.id, context))


def _associated(state: Any) -> bool:
    return (state or {}).get("State", "associated") == "associated"


def _subnet(item: Live, context: Context) -> Subnet:
    raw, vpc = item.raw, item.raw["VpcId"]
    own = [raw["CidrBlock"]] if raw.get("CidrBlock") else []
    parts = raw.get("Ipv6CidrBlockAssociationSet", [])
    six = [one["Ipv6CidrBlock"] for one in parts if _associated(one.get("Ipv6CidrBlockState"))]
    return Subnet(
        item.id,
        _called("subnet", item, context),
        vpc,
        table=_used(item.id, context.live["route_table"], lambda one: item.id in one.raw["implicit"]),
        acl=_used(item.id, context.live["network_acl"], lambda one: one.raw["IsDefault"] and one.raw["VpcId"] == vpc),
        public=bool(raw.get("MapPublicIpOnLaunch")),
        blocks=tuple(map(block, [*own, *six])),
        where=place("subnet", item.id, context),
    )


def _used(subnet: str, live: Sequence[Live], otherwise: Any) -> str:
    """The route table or ACL of a subnet: the one that names it, else the VPC's own."""
    own = [one.id for one in live if any(it.get("SubnetId") == subnet for it in one.raw.get("Associations", []))]
    return next(iter(own or [one.id for one in live if otherwise(one)]), "")


def _table(item: Live, context: Context) -> Table:
    where = place("route_table", item.id, context)
    entry = context.declaration.entries(VARIABLES["route_table"]).get(context.name("route_table", item.id), {})
    routes = []
    for raw in item.raw.get("Routes", []):
        cidr = raw.get("DestinationCidrBlock") or raw.get("DestinationIpv6CidrBlock")
        if not cidr:
            # Routes of gateway endpoints, to services of AWS.
            continue
        text = "the VPC itself" if raw.get("GatewayId") == "local" else routes_of({"Routes": [raw]}, context).get(cidr)
        declared = (entry.get("routes") or {}).get(cidr) if where else None
        same = declared and text == f"internet_gateway {declared['internet_gateway']}"
        target = _target(raw)
        gateway = raw["GatewayId"] if target == INTERNET else ""
        place_ = f"{where}.routes.{cidr}" if same else ""
        routes.append(Route(block(cidr), target, f"{cidr} -> {text}", place_, gateway))
    return Table(item.id, _called("route_table", item, context), tuple(routes), where)


def _target(raw: Mapping[str, Any]) -> str:
    gateway = raw.get("GatewayId") or ""
    if raw.get("State") == "blackhole":
        return NOWHERE
    if gateway == "local":
        return LOCAL
    if gateway.startswith("igw-"):
        return INTERNET
    return OUTBOUND if raw.get("NatGatewayId") or raw.get("EgressOnlyInternetGatewayId") else ELSEWHERE


def _acl(item: Live, context: Context) -> Acl:
    where = place("network_acl", item.id, context)
    entry = context.declaration.entries(VARIABLES["network_acl"]).get(context.name("network_acl", item.id), {})
    found = {}
    for direction in ("ingress", "egress"):
        declared = acl_places(where, direction, entry) if where else {}
        lines = live_lines(item.raw, direction)
        parsed = sorted(parse(raw) for raw in item.raw.get("Entries", []) if raw["Egress"] is (direction == "egress"))
        found[direction] = tuple(
            AclRule(
                one.number,
                one.action == "allow",
                Traffic(NAMES.get(one.protocol, one.protocol), one.first, one.last),
                block(one.cidr),
                line,
                declared.get(line, ""),
            )
            for one, line in zip([one for one in parsed if one.number < LAST], lines, strict=True)
        )
    return Acl(item.id, _called("network_acl", item, context), found["ingress"], found["egress"], where)


def acl_places(where: str, direction: str, entry: Mapping[str, Any]) -> dict[str, str]:
    """The place of each declared rule of an ACL, by its words."""
    rules = entry.get(direction) or {}
    return {declared_line(number, rule): f"{where}.{direction}.{number}" for number, rule in rules.items()}


def _group(item: Live, context: Context) -> Group:
    where = place("security_group", item.id, context)
    entry = context.declaration.entries(VARIABLES["security_group"]).get(context.name("security_group", item.id), {})
    found = {}
    for direction, part, word in DIRECTIONS:
        declared = {}
        if where:
            rules = declared_rules(where, direction, word, entry.get(direction) or {}, lambda name: name)
            declared = {rule.text: rule.where for rule in rules}
        found[direction] = tuple(_live_rules(item.raw[part], word, declared, context))
    name = context.name("security_group", item.id) if where else str(item.raw["GroupName"])
    return Group(item.id, name, found["ingress"], found["egress"], where)


def _live_rules(
    permissions: Iterable[Mapping[str, Any]], word: str, declared: Mapping[str, str], context: Context
) -> Iterator[GroupRule]:
    sources = (
        ("IpRanges", "CidrIp"),
        ("Ipv6Ranges", "CidrIpv6"),
        ("UserIdGroupPairs", "GroupId"),
        ("PrefixListIds", "PrefixListId"),
    )
    for permission in permissions:
        what = NAMES.get(protocol(permission["IpProtocol"]), protocol(permission["IpProtocol"]))
        traffic = Traffic(what, permission.get("FromPort"), permission.get("ToPort"))
        bare = {key: permission[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in permission}
        for part, key in sources:
            for peer in permission.get(part, []):
                lines = permission_lines([bare | {part: [peer]}], word, lambda one: context.name("security_group", one))
                text = next(iter(lines))
                yield GroupRule(
                    traffic,
                    text,
                    block=block(peer[key]) if "Cidr" in key else None,
                    group=peer[key] if key == "GroupId" else "",
                    prefix_list=peer[key] if key == "PrefixListId" else "",
                    where=declared.get(text, ""),
                )


def declared_rules(
    where: str, direction: str, word: str, rules: Mapping[str, Mapping[str, Any]], key: Any
) -> Iterator[GroupRule]:
    """Declared rules of a group, one for each peer. key: the key of a group by its declared name."""
    for name, rule in rules.items():
        limits = (rule.get("port"), rule.get("to_port", rule.get("port")))
        if rule["protocol"] == "icmp":
            limits = (rule.get("icmp_type"), rule.get("icmp_code"))
        traffic = Traffic(rule["protocol"], *limits)
        bare = {item: value for item, value in rule.items() if item not in ("cidrs", "groups")}
        for part in ("cidrs", "groups"):
            for number, peer in enumerate(rule.get(part) or []):
                (text,) = rule_lines({name: bare | {part: [peer]}}, word)
                place = f"{where}.{direction}.{name}.{part}.{number}"
                ranged = part == "cidrs"
                yield GroupRule(
                    traffic, text, block(peer) if ranged else None, "" if ranged else key(peer), where=place
                )


def _hosts(context: Context) -> Iterator[Host]:
    """An interface of each instance of a declared VPC, the first one by the instance's name."""
    taken: set[str] = set()
    known = {item.id for item in context.live["subnet"]}
    # Another VPC may have the same private addresses.
    elastic = {
        (one.get("InstanceId"), one.get("PrivateIpAddress")): one["PublicIp"]
        for one in context.observation["addresses"]
    }
    lends = {item.id: bool(item.raw.get("MapPublicIpOnLaunch")) for item in context.live["subnet"]}
    for item in context.live["instance"]:
        raw = item.raw
        if not context.knows("vpc", raw.get("VpcId", "")) or raw["State"]["Name"] not in ALIVE:
            continue
        declared = context.knows("instance", item.id)
        name = context.name("instance", item.id) if declared else raw["Called"] or item.id
        # Of undeclared hosts several may have one name.
        name = item.label if name in taken else name
        taken.add(name)
        where = place("instance", item.id, context)
        interfaces = raw.get("NetworkInterfaces") or [raw]
        for interface in sorted(interfaces, key=_index):
            number = _index(interface)
            subnet = interface.get("SubnetId") or raw.get("SubnetId")
            if subnet not in known:
                continue
            groups = interface.get("Groups") or raw.get("SecurityGroups") or []
            private = [one["PrivateIpAddress"] for one in interface.get("PrivateIpAddresses", [])]
            private = private or [text for text in [interface.get("PrivateIpAddress")] if text]
            publics = [
                (interface.get("Association") or {}).get("PublicIp"),
                *(elastic.get((item.id, one)) for one in private),
            ]
            publics += [raw.get("PublicIpAddress")] if number == 0 else []
            # A host that is stopped has given back what AWS had lent it, and gets another one when it starts.
            if raw["State"]["Name"] in ("stopped", "stopping") and number == 0 and lends.get(subnet):
                publics.append("auto")
            six = [one["Ipv6Address"] for one in interface.get("Ipv6Addresses", [])]
            yield Host(
                name if number == 0 else f"{name} (interface {number})",
                name,
                raw["VpcId"],
                subnet,
                tuple(sorted(one["GroupId"] for one in groups)),
                tuple(map(address, [*private, *six])),
                next((text for text in publics if text), ""),
                where,
            )


def _index(interface: Mapping[str, Any]) -> int:
    return int((interface.get("Attachment") or {}).get("DeviceIndex", 0))


def somewhere(subnet: Subnet) -> Address | None:
    """The first address of a subnet that AWS gives away, for a host whose address nobody knows yet."""
    return next((Address(4, one.first + 4) for one in subnet.blocks if one.version == 4), None)
