"""The network as it will be when the declaration is applied. Pure.

What the account has and nobody declares stays as it is; what cannot be changed in place (``replace``) stays, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..acl_steps import acl_entry, parse
from ..engine.context import Context
from ..kinds.acl_lines import declared_line
from ..kinds.succession import served_at
from .model import (
    INTERNET,
    LOCAL,
    NAMES,
    Acl,
    AclRule,
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
from .observed import DIRECTIONS, VARIABLES, declared_rules, in_order, observed, somewhere

_ANYWHERE = block("0.0.0.0/0")


def declared(context: Context, before: Network | None = None) -> Network:
    """context: of a plan, after it was made. before: the observed network, when it is known already."""
    return _After(context, before or observed(context)).network()


class _After:
    """The observed network, changed step by step in the order in which provisioning does it."""

    def __init__(self, context: Context, before: Network) -> None:
        self.context = context
        self.before = before
        self.vpcs = dict(before.vpcs)
        self.subnets = dict(before.subnets)
        self.tables = dict(before.tables)
        self.acls = dict(before.acls)
        self.groups = dict(before.groups)
        self.hosts = dict(before.hosts)

    def network(self) -> Network:
        self._vpcs()
        self._gateways()
        self._subnets()
        self._tables()
        self._acls()
        self._groups()
        self._hosts()
        self._addresses()
        return replace(
            self.before,
            vpcs=self.vpcs,
            subnets=self.subnets,
            tables=self.tables,
            acls=self.acls,
            groups=self.groups,
            hosts=in_order(self.hosts.values(), self.context),
        )

    def _entries(self, kind: str) -> Mapping[str, dict[str, Any]]:
        return self.context.declaration.entries(VARIABLES.get(kind, f"aws_network_{kind}s"))

    def key(self, kind: str, name: str) -> str:
        """The key of something declared: its id, or its name while it does not exist."""
        found = self.context.found(kind, name)
        return found.id if found else name

    def _vpcs(self) -> None:
        """A new VPC comes with a route table, an ACL that allows everything, and a group of its own."""
        for name, entry in self._entries("vpc").items():
            key = self.key("vpc", name)
            if key in self.vpcs:
                continue
            own = block(entry["cidr"])
            self.vpcs[key] = Vpc(key, name, (own,), where=f"{VARIABLES['vpc']}.{name}")
            self.tables[f"main of {key}"] = Table(f"main of {key}", f"main of {name}", (_local(own, entry["cidr"]),))
            rule = AclRule(100, True, Traffic("all"), _ANYWHERE, "100 allow all 0.0.0.0/0")
            self.acls[f"default of {key}"] = Acl(f"default of {key}", f"default of {name}", (rule,), (rule,))
            group = f"default of {key}"
            inside = GroupRule(Traffic("all"), "all from group default", group=group)
            self.groups[group] = Group(group, "default", (inside,), (_EVERYTHING,))

    def _gateways(self) -> None:
        for name, entry in self._entries("internet_gateway").items():
            gateway, vpc = self.key("internet_gateway", name), self.key("vpc", entry["vpc"])
            for key, other in self.vpcs.items():
                if other.gateway == gateway and key != vpc:
                    self.vpcs[key] = replace(other, gateway="")
            if vpc in self.vpcs:
                self.vpcs[vpc] = replace(self.vpcs[vpc], gateway=gateway)

    def _subnets(self) -> None:
        for name, entry in self._entries("subnet").items():
            key = self.key("subnet", name)
            if key in self.subnets:
                public = bool(entry.get("map_public_ip", self.subnets[key].public))
                self.subnets[key] = replace(self.subnets[key], public=public)
                continue
            vpc = self.key("vpc", entry["vpc"])
            self.subnets[key] = Subnet(
                key,
                name,
                vpc,
                self._own("route_table", vpc),
                self._own("network_acl", vpc),
                bool(entry.get("map_public_ip")),
                (block(entry["cidr"]),),
                f"{VARIABLES['subnet']}.{name}",
            )

    def _own(self, kind: str, vpc: str) -> str:
        """The main route table or the default ACL of a VPC."""
        for item in self.context.live[kind]:
            main = any(one.get("Main") for one in item.raw.get("Associations", []))
            if item.raw["VpcId"] == vpc and (main or item.raw.get("IsDefault")):
                return item.id
        return f"{'main' if kind == 'route_table' else 'default'} of {vpc}"

    def _tables(self) -> None:
        for name, entry in self._entries("route_table").items():
            key, where = self.key("route_table", name), f"{VARIABLES['route_table']}.{name}"
            vpc = self.vpcs.get(self.key("vpc", entry["vpc"]))
            if key not in self.tables:
                local = tuple(_local(one, str(one)) for one in vpc.blocks) if vpc else ()
                self.tables[key] = Table(key, name, local, where)
            table = self.tables[key]
            for cidr, route in (entry.get("routes") or {}).items():
                gateway = route["internet_gateway"]
                text, there = f"{cidr} -> internet_gateway {gateway}", self.key("internet_gateway", gateway)
                new = Route(block(cidr), INTERNET, text, f"{where}.routes.{cidr}", there)
                kept = tuple(one for one in table.routes if one.block != new.block)
                table = replace(table, routes=(*kept, new))
            self.tables[key] = table
            for subnet in self._named_subnets(entry):
                self.subnets[subnet] = replace(self.subnets[subnet], table=key)

    def _acls(self) -> None:
        for name, entry in self._entries("network_acl").items():
            key, where = self.key("network_acl", name), f"{VARIABLES['network_acl']}.{name}"
            rules = {
                direction: tuple(
                    _acl_rule(number, rule, f"{where}.{direction}.{number}")
                    for number, rule in sorted(entry[direction].items(), key=lambda item: int(item[0]))
                )
                for direction in ("ingress", "egress")
            }
            self.acls[key] = Acl(key, name, rules["ingress"], rules["egress"], where)
            for subnet in self._named_subnets(entry):
                self.subnets[subnet] = replace(self.subnets[subnet], acl=key)

    def _named_subnets(self, entry: Mapping[str, Any]) -> list[str]:
        """The subnets that a route table or an ACL guards."""
        keys = [self.key("subnet", name) for name in entry.get("subnets") or []]
        return [key for key in keys if key in self.subnets]

    def _groups(self) -> None:
        for name, entry in self._entries("security_group").items():
            key, where = self.key("security_group", name), f"{VARIABLES['security_group']}.{name}"
            # A new group lets everything out until rules are declared.
            group = self.groups.get(key) or Group(key, name, egress=(_EVERYTHING,), where=where)
            found = {"ingress": group.ingress, "egress": group.egress}
            for direction, _, word in DIRECTIONS:
                if direction in entry:
                    rules = declared_rules(where, direction, word, entry[direction] or {}, self._group_key)
                    found[direction] = tuple(rules)
            self.groups[key] = replace(group, ingress=found["ingress"], egress=found["egress"])

    def _group_key(self, name: str) -> str:
        return self.key("security_group", name)

    def _hosts(self) -> None:
        for name, entry in self._entries("instance").items():
            groups = entry.get("security_groups")
            keys = None if groups is None else tuple(sorted(self._group_key(one) for one in groups))
            if self.context.found("instance", name):
                if name in self.hosts and keys is not None:
                    self.hosts[name] = replace(self.hosts[name], groups=keys)
                continue
            subnet = self.subnets.get(self.key("subnet", entry["subnet"]))
            if subnet is None:
                continue
            private = address(entry["private_ip"]) if entry.get("private_ip") else somewhere(subnet)
            self.hosts[name] = Host(
                name,
                name,
                subnet.vpc,
                subnet.key,
                keys or (self._default_group(subnet.vpc),),
                (private,) if private else (),
                "auto" if subnet.public else "",
                f"{VARIABLES['instance']}.{name}",
            )

    def _default_group(self, vpc: str) -> str:
        for item in self.context.live["security_group"]:
            if item.raw.get("VpcId") == vpc and item.raw["GroupName"] == "default":
                return item.id
        return f"default of {vpc}"

    def _addresses(self) -> None:
        """Elastic IPs go to the hosts that declare them, unless a former instance still serves there."""
        for name, entry in self._entries("instance").items():
            wanted = entry.get("elastic_ip")
            if not wanted or name not in self.hosts:
                continue
            found = self.context.found("elastic_ip", name)
            declared = self.context.declaration.entries(VARIABLES["instance"])
            if found and served_at(found.raw, self.context.observation["instances"], declared) == name:
                continue
            taken = str(found.raw["PublicIp"]) if found else str(wanted)
            for other, host in self.hosts.items():
                if host.public == taken and other != name:
                    self.hosts[other] = replace(host, public="")
            self.hosts[name] = replace(self.hosts[name], public=taken)


_EVERYTHING = GroupRule(Traffic("all"), "all to 0.0.0.0/0", _ANYWHERE)


def _local(own: Block, text: str) -> Route:
    return Route(own, LOCAL, f"{text} -> the VPC itself")


def _acl_rule(number: str, rule: Mapping[str, Any], where: str) -> AclRule:
    entry = parse(acl_entry(int(number), rule))
    traffic = Traffic(NAMES.get(entry.protocol, entry.protocol), entry.first, entry.last)
    line = declared_line(number, rule)
    return AclRule(entry.number, entry.action == "allow", traffic, block(entry.cidr), line, where)
