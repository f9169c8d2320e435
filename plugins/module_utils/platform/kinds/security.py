"""Security groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..engine import checks, formats
from ..engine.access import Detail, Read, Removal, Requests, Write, at
from ..engine.context import Context
from ..engine.declaration import Declaration
from ..engine.errors import Problem, UndeclarableError
from ..engine.model import Desired, FieldChange, Fields, Live
from ..group_rules import ports, protocol
from . import quotas
from .addresses import described
from .base import (
    EC2_TAGS,
    Ec2Kind,
    Goes,
    Observation,
    called,
    ec2_call,
    instance_names,
    label,
    only,
    tag_fields,
    tags_of,
)
from .vpcs import live_vpcs

#: ports that only administrators, or only the Swarm, may reach
_SSH_PORT, _DATABASE_PORTS = 22, {3306: "MySQL", 6379: "Redis", 27017: "MongoDB", 5432: "PostgreSQL"}
#: what this declaration calls protocols for which AWS writes a number
_PROTOCOLS = {"-1": "all", "50": "esp"}
#: protocols of a declared rule
_DECLARED = ("all", "tcp", "udp", "icmp", "esp")
#: rules that a group may have in each direction unless AWS has raised the quota
_USUAL_RULES = 60
#: how many rules AWS's own prefix lists count as, by the end of their names; any other one of AWS's counts as one
_WEIGHTS = {"cloudfront.origin-facing": 55, "route53-healthchecks": 25, "vpc-lattice": 10, "groundstation": 5}
#: a prefix list of another account that is shared no more cannot be read
_NO_LIST = frozenset({"InvalidPrefixListID.NotFound", "InvalidPrefixListId.NotFound"})


#: what a group of this id is called
Name = Callable[[str], str]


def _line(protocol: str, ports: tuple[int | None, int | None], preposition: str, peer: str) -> str:
    first, last = ports
    which = ""
    if protocol in ("icmp", "icmpv6"):
        which = "" if first in (None, -1) else f" type {first}"
        which += "" if last in (None, -1) or not which else f" code {last}"
    elif first is not None:
        which = f" {first}" if last in (None, first) else f" {first}-{last}"
    return f"{protocol}{which} {preposition} {peer}"


def rule_lines(rules: Mapping[str, Mapping[str, Any]], preposition: str) -> list[str]:
    """Declared rules, one line per source: ``tcp 80 from 0.0.0.0/0``."""
    lines = []
    for rule in rules.values():
        ports = (rule.get("port"), rule.get("to_port", rule.get("port")))
        if rule["protocol"] == "icmp":
            ports = (rule.get("icmp_type"), rule.get("icmp_code"))
        peers = [*rule.get("cidrs", []), *(f"group {name}" for name in rule.get("groups", []))]
        lines += [_line(rule["protocol"], ports, preposition, peer) for peer in peers]
    return sorted(set(lines))


def _group_peer(pair: Mapping[str, Any], owner: str, name: Name) -> str:
    """A group as the source of a rule, with what tells it from a group of this account and VPC."""
    peer = f"group {name(pair['GroupId'])}"
    if pair.get("UserId") and owner and pair["UserId"] != owner:
        peer += f" of account {pair['UserId']}"
    if pair.get("VpcPeeringConnectionId"):
        peer += f" in {pair.get('VpcId') or 'another VPC'} over {pair['VpcPeeringConnectionId']}"
    return peer


def permission_lines(
    permissions: Iterable[Mapping[str, Any]], preposition: str, name: Name, owner: str = ""
) -> dict[str, str]:
    """The same for rules from the EC2 API, with their descriptions. owner: the group's account."""
    lines = {}
    for permission in permissions:
        what = protocol(permission["IpProtocol"])
        which = ports(what, permission.get("FromPort"), permission.get("ToPort"))
        peers = [(item["CidrIp"], item) for item in permission.get("IpRanges", [])]
        peers += [(item["CidrIpv6"], item) for item in permission.get("Ipv6Ranges", [])]
        peers += [(item["PrefixListId"], item) for item in permission.get("PrefixListIds", [])]
        peers += [(_group_peer(item, owner, name), item) for item in permission.get("UserIdGroupPairs", [])]
        for peer, item in peers:
            lines[_line(_PROTOCOLS.get(what, what), which, preposition, peer)] = item.get("Description") or ""
    return lines


#: characters that EC2 allows in names and descriptions of groups
_CHARACTERS = r"[A-Za-z0-9 ._\-:/()#,@\[\]+=&;{}!$*]"


def _administrators(where: str, value: Any) -> Iterator[Problem]:
    """A range that administrators come from: theirs, not the internet's."""
    wrong = list(checks.cidr(where, str(value)))
    yield from wrong
    network = checks.network(str(value))
    if network and not wrong and network.prefixlen < 8:
        fix = "write the addresses of the administrators, e.g. 203.0.113.7/32"
        yield Problem(where, f"{network} is most of the internet, or all of it", fix)
    elif network and not wrong and (network.is_loopback or network.is_multicast or network.is_link_local):
        fix = "write the address that the internet sees (https://checkip.amazonaws.com shows it)"
        yield Problem(where, f"nobody connects from {network}", fix)


def _no_source(declaration: Declaration, rule: Mapping[str, Any]) -> str:
    if rule.get("port") == declaration.value("aws_security_ssh_port"):
        return (
            "set aws_security_admin_cidrs to the addresses of the administrators "
            "(inventories/<env>/hosts.yml); nobody could log in otherwise"
        )
    return "say where the traffic comes from"


def _open_to_world(where: str, group: str, rule: Mapping[str, Any], private: Mapping[int, str]) -> Iterator[Problem]:
    wide = [cidr for cidr in rule.get("cidrs", []) if (net := checks.network(cidr)) and net.prefixlen < 8]
    if not wide:
        return
    if rule["protocol"] == "all":
        fix = "name protocols and ports, or narrow `cidrs`"
        yield Problem(f"{where}.cidrs", "opens every port to the whole internet", fix)
    first = rule.get("port") or 0
    for port, service in private.items():
        if rule["protocol"] == "tcp" and first <= port <= (rule.get("to_port") or first):
            fix = (
                "name the administrators' ranges" if service == "SSH" else "name the group that may use it in `groups`"
            )
            yield Problem(f"{where}.cidrs", f"opens {service} ({port}) of group {group} to the whole internet", fix)


_DIRECTIONS = (("ingress", "IpPermissions", "from"), ("egress", "IpPermissionsEgress", "to"))


def _owner(raw: Mapping[str, Any]) -> str:
    return str(raw.get("OwnerId", ""))


def _users(group: str, context: Context) -> list[str]:
    """What has a group, declared or not: hosts, and interfaces of services such as load balancers and databases."""
    users = [
        called(raw) or raw["InstanceId"]
        for raw in context.observation["instances"]
        if any(item["GroupId"] == group for item in _all_groups(raw))
        and raw["State"]["Name"] not in ("shutting-down", "terminated")
    ]
    services = [
        described(raw)
        for raw in context.observation["group_interfaces"].get("services", [])
        if any(item["GroupId"] == group for item in raw.get("Groups", []))
    ]
    return [*sorted(users), *sorted(services)]


def _all_groups(raw: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The groups of every interface of a host."""
    interfaces = raw.get("NetworkInterfaces", [])
    return [*raw.get("SecurityGroups", []), *(item for interface in interfaces for item in interface.get("Groups", []))]


def _interfaces(declaration: Declaration, answer: Any) -> Requests:
    """The network interfaces of groups that would lose a rule."""
    names = _names(answer["SecurityGroups"])
    losing = []
    for raw in answer["SecurityGroups"]:
        entry = declaration.entries("aws_security_groups").get(raw["GroupName"], {})
        for direction, part, preposition in _DIRECTIONS if entry else ():
            if direction in entry:
                live = permission_lines(
                    raw[part], preposition, lambda live_id: names.get(live_id, live_id), _owner(raw)
                )
                losing += [raw["GroupId"]] if set(live) - set(rule_lines(entry[direction], preposition)) else []
    if losing:
        yield ("services",), {"Filters": [{"Name": "group-id", "Values": sorted(set(losing))}]}


def _names(groups: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return {raw["GroupId"]: raw["GroupName"] for raw in groups}


def _prefix_lists(permissions: Iterable[Mapping[str, Any]]) -> list[str]:
    return [item["PrefixListId"] for permission in permissions for item in permission.get("PrefixListIds", [])]


def _weight(raw: Mapping[str, Any]) -> int:
    """How many rules a prefix list counts as: as many entries as it may have."""
    name = str(raw.get("PrefixListName", ""))
    known = next((weight for end, weight in _WEIGHTS.items() if name.endswith(end)), 1)
    return int(raw.get("MaxEntries") or known)


def _used_lists(declaration: Declaration, answer: Any) -> Requests:
    """The prefix lists in rules of declared groups."""
    entries = declaration.entries("aws_security_groups")
    groups = [raw for raw in answer["SecurityGroups"] if raw["GroupName"] in entries]
    used = {item for raw in groups for _, part, _ in _DIRECTIONS for item in _prefix_lists(raw[part])}
    if used:
        yield (), {"PrefixListIds": sorted(used)}


def _listed_ranges(declaration: Declaration, answer: Any) -> Requests:
    """The prefix lists in rules of any group: whoever is in it can be reached, whether or not it is declared."""
    groups = answer["SecurityGroups"]
    for item in sorted({item for raw in groups for _, part, _ in _DIRECTIONS for item in _prefix_lists(raw[part])}):
        yield (item,), {"PrefixListId": item}


def _counts(
    entry: Mapping[str, Any],
    group: Mapping[str, Any],
    names: Mapping[str, str],
    weight: Callable[[str], int],
) -> dict[str, int]:
    """How many rules there are at once in each declared direction, while a group (empty: a new one) is changed.

    AWS counts IPv6 sources apart. weight: how many rules a prefix list counts as.
    """
    counts = {}
    for direction, part, preposition in _DIRECTIONS:
        if direction in entry:
            without = [{**permission, "Ipv6Ranges": []} for permission in group.get(part, [])]
            live = permission_lines(without, preposition, lambda live_id: names.get(live_id, live_id), _owner(group))
            more = sum(weight(item) - 1 for item in _prefix_lists(without))
            counts[direction] = len({*live, *rule_lines(entry[direction], preposition)}) + more
    return counts


def _many_rules(declaration: Declaration, answer: Any) -> bool:
    """Whether a declared group may come to have more rules than AWS usually allows."""
    groups, names = answer["SecurityGroups"], _names(answer["SecurityGroups"])
    entries = declaration.entries("aws_security_groups")
    pairs = [(entries[raw["GroupName"]], raw) for raw in groups if raw["GroupName"] in entries]
    pairs += [(entry, {}) for entry in entries.values()]
    most = max(_WEIGHTS.values())
    return any(
        count > _USUAL_RULES for entry, raw in pairs for count in _counts(entry, raw, names, lambda _: most).values()
    )


class SecurityGroup(Ec2Kind):
    """Recognised by VPC and group name. Declared rules are the whole set: any other is removed.

    The description is given at creation and not compared: AWS cannot change it, and nothing depends on it.
    """

    name = "security_group"
    role = "aws_security"
    variable = "aws_security_groups"
    entry_point = "group"
    nested = {"ingress": "rule", "egress": "rule"}
    shapes = {
        "": formats.text(
            f"(?!sg-){_CHARACTERS}+", "the name of a security group", "write letters, digits, `-` and `_`", 255
        ),
        "description": formats.text(
            f"{_CHARACTERS}*",
            "a description that EC2 accepts",
            "write it in English, with these: a-z 0-9 ._-:/()#,@+=&",
            255,
        ),
    }
    variables = {"aws_security_ssh_port": formats.port, "aws_security_admin_cidrs": _administrators}
    refers = {"vpc": "vpc", "ingress.*.groups": "security_group", "egress.*.groups": "security_group"}
    reads = (
        Read(
            service="ec2",
            operation="describe_security_groups",
            into="security_groups",
            value=at("SecurityGroups"),
            then=(
                quotas.quota(quotas.RULES, _many_rules),
                Detail(
                    service="ec2",
                    operation="describe_managed_prefix_lists",
                    into="prefix_lists",
                    each=_used_lists,
                    absent=_NO_LIST,
                    value=lambda answer: {raw["PrefixListId"]: _weight(raw) for raw in answer.get("PrefixLists", [])},
                ),
                Detail(
                    service="ec2",
                    operation="get_managed_prefix_list_entries",
                    into="prefix_list_ranges",
                    each=_listed_ranges,
                    absent=_NO_LIST,
                    # None: what is in a list that cannot be found, as one of another account, is not known.
                    value=lambda answer: [raw["Cidr"] for raw in answer["Entries"]] if "Entries" in answer else None,
                ),
                Detail(
                    service="ec2",
                    operation="describe_network_interfaces",
                    into="group_interfaces",
                    each=_interfaces,
                    # Those of hosts are known with the hosts.
                    value=lambda answer: [
                        raw
                        for raw in answer.get("NetworkInterfaces", [])
                        if not (raw.get("Attachment") or {}).get("InstanceId")
                    ],
                ),
            ),
        ),
    )
    module_reads = (*Ec2Kind.module_reads, "ec2:GetManagedPrefixListEntries")
    removes = ("ec2:DeleteSecurityGroup",)
    writes = (
        Write("ec2:CreateSecurityGroup", creates=True),
        Write("ec2:AuthorizeSecurityGroupIngress", ("ingress",)),
        Write("ec2:AuthorizeSecurityGroupEgress", ("egress",)),
        Write("ec2:RevokeSecurityGroupIngress", ("ingress",)),
        Write("ec2:RevokeSecurityGroupEgress", ("egress",)),
        EC2_TAGS,
    )

    def check(self, declaration: Declaration) -> Iterable[Problem]:
        """Rules are complete and do not open SSH or a database to the world."""
        ssh = declaration.value("aws_security_ssh_port", _SSH_PORT)
        private = {_SSH_PORT: "SSH", ssh: "SSH", **_DATABASE_PORTS}
        vpcs = declaration.entries("aws_network_vpcs")
        # Rules repeat these ranges; what is wrong with them is reported there.
        wrong = {cidr for cidr in declaration.value("aws_security_admin_cidrs", []) if list(_administrators("", cidr))}
        for name, entry in declaration.entries(self.variable).items():
            if name == "default":
                yield Problem(f"{self.variable}.{name}", "AWS reserves this name", "choose another name")
            for direction in self.nested:
                yield from self._same(f"{self.variable}.{name}.{direction}", entry.get(direction, {}))
                for key, rule in entry.get(direction, {}).items():
                    where = f"{self.variable}.{name}.{direction}.{key}"
                    for peer in rule.get("groups", []):
                        there = declaration.entries(self.variable).get(peer, {}).get("vpc", entry["vpc"])
                        if there != entry["vpc"] and {there, entry["vpc"]} <= set(vpcs):
                            what = f"`{peer}` is in VPC {there}, this group in {entry['vpc']}"
                            yield Problem(f"{where}.groups", what, f"name a group of VPC {entry['vpc']}")
                    yield from checks.ports(where, rule["protocol"], rule, "port", "to_port")
                    yield from checks.icmp(where, rule["protocol"], rule)
                    for cidr in rule.get("cidrs", []):
                        yield from checks.cidr(f"{where}.cidrs", cidr) if cidr not in wrong else ()
                    if not rule.get("cidrs") and not rule.get("groups"):
                        yield Problem(where, "names neither `cidrs` nor `groups`", _no_source(declaration, rule))
                    elif direction == "ingress":
                        kept = {**rule, "cidrs": [cidr for cidr in rule.get("cidrs", []) if cidr not in wrong]}
                        # Any other service may be open to all.
                        yield from _open_to_world(where, name, rule if rule.get("port") != ssh else kept, private)

    @staticmethod
    def _same(where: str, rules: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
        """Two rules that allow the same traffic."""
        seen: dict[str, str] = {}
        for key, rule in rules.items():
            for line in rule_lines({key: rule}, "with"):
                if line in seen:
                    yield Problem(f"{where}.{key}", f"allows `{line}`, as {seen[line]} does", "keep one of the two")
                seen.setdefault(line, key)

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries(self.variable).items():
            tags = declaration.tags(name, entry)
            fields: Fields = tag_fields(tags)
            if "ingress" in entry:
                fields["ingress"] = rule_lines(entry["ingress"], "from")
            if "egress" in entry:
                fields["egress"] = rule_lines(entry["egress"], "to")
            yield Desired(name, {**entry, "tags": tags}, fields)

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        for raw in observation["security_groups"]:
            group = raw["GroupId"]
            # Every VPC has a group `default` that cannot be deleted: AWS's own, not unmanaged.
            listed = context.knows("vpc", raw.get("VpcId", "")) and raw["GroupName"] != "default"
            yield Live(group, label(group, raw["GroupName"]), dict(raw), {"id": group}, listed=listed)

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        vpc = context.id("vpc", want.entry["vpc"])
        same = [item for item in live if item.raw.get("VpcId") == vpc and item.raw["GroupName"] == want.name]
        return only(self.name, want.name, same if vpc else [])

    def kept(self, want: Desired, live: Live, context: Context, goes: Goes) -> Iterable[str]:
        hosts = instance_names(context.observation)
        users = [
            f"instance {hosts[raw['InstanceId']]}"
            for raw in context.observation["instances"]
            if raw["InstanceId"] in hosts
            and not context.knows("instance", raw["InstanceId"])
            and any(item["GroupId"] == live.id for item in _all_groups(raw))
        ]
        users += [
            described(raw)
            for raw in context.observation["interfaces"]
            if not (raw.get("Attachment") or {}).get("InstanceId")
            and any(item["GroupId"] == live.id for item in raw.get("Groups", []))
        ]
        users += [
            f"security group {group.label}"
            for group in context.live[self.name]
            if not context.knows(self.name, group.id) and list(_pairs_of(group.raw, live.id))
        ]
        users += [
            f"the rule `{line}` of security group {name}"
            for group in context.live[self.name]
            if (name := context.name(self.name, group.id)) != group.id and not goes(self.name, name)
            for line in self._undeclared(name, group, live.id, context)
        ]
        if users:
            yield f"what nobody declares uses it: {', '.join(users)}"

    def _undeclared(self, name: str, group: Live, member: str, context: Context) -> Iterator[str]:
        """The rules of a declared group that name another one and are not declared."""
        entry = context.declaration.entries(self.variable)[name]
        for direction, part, preposition in _DIRECTIONS:
            known = rule_lines(entry.get(direction, {}), preposition)
            naming = [
                {**permission, "IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": [], "UserIdGroupPairs": pairs}
                for permission in group.raw[part]
                if (pairs := [pair for pair in permission.get("UserIdGroupPairs", []) if pair["GroupId"] == member])
            ]
            lines = permission_lines(naming, preposition, lambda item: context.name(self.name, item), _owner(group.raw))
            yield from (line for line in lines if line not in known)

    def removal(self, want: Desired, live: Live, context: Context) -> Iterable[Removal]:
        """Rules of other groups that name it have to go first; those groups are removed as well."""
        gone = ("InvalidGroup.NotFound", "InvalidGroupId.Malformed", "InvalidPermission.NotFound")
        for group in context.live[self.name]:
            for operation, permission in _pairs_of(group.raw, live.id):
                yield ec2_call(operation, *gone, GroupId=group.id, IpPermissions=[permission])
        yield ec2_call("delete_security_group", *gone, GroupId=live.id)

    def entry_name(self, live: Live, context: Context) -> str:
        return str(live.raw["GroupName"])

    def said(self, name: str, live: Live, context: Context) -> Fields:
        raw, entry = live.raw, context.declaration.entries(self.variable).get(name, {})
        said: Fields = {"vpc": context.name("vpc", raw.get("VpcId", "")), "description": raw.get("Description") or None}
        for direction, part, preposition in _DIRECTIONS:
            said[direction] = _declared_rules(raw, part, preposition, entry.get(direction, {}), context)
        return said

    def check_account(self, declaration: Declaration, observation: Observation) -> Iterable[Problem]:
        """No name differs from a live one in case alone, which EC2 refuses.

        No group would have more rules than the account's quota; new ones are added before old ones go.
        """
        weights = observation["prefix_lists"]

        def weight(prefix_list: str) -> int:
            return int(weights.get(prefix_list, 1))

        vpcs, names = live_vpcs(declaration, observation), _names(observation["security_groups"])
        for name, entry in declaration.entries(self.variable).items():
            vpc = vpcs.get(entry["vpc"], {}).get("VpcId")
            here = [raw for raw in observation["security_groups"] if vpc and raw.get("VpcId") == vpc]
            group: Mapping[str, Any] = next((raw for raw in here if raw["GroupName"] == name), {})
            same = [raw["GroupName"] for raw in here if raw["GroupName"].lower() == name.lower()]
            if same and not group:
                what = f"the VPC has the group {same[0]}, and EC2 takes names that differ only in case for the same"
                yield Problem(f"{self.variable}.{name}", what, f"write `{same[0]}`")
            for direction, count in _counts(entry, group, names, weight).items():
                where = f"{self.variable}.{name}.{direction}"
                what, otherwise = f"{count} rules, old and new ones together,", "remove rules that nothing needs"
                yield from quotas.exceeded(observation, quotas.RULES, where, count, what, otherwise)

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange], context: Context) -> Iterable[str]:
        for change in changes:
            gone = sorted(set(change.before or ()) - set(change.after)) if change.field in ("ingress", "egress") else []
            if live is not None and gone:
                hosts = _users(live.id, context)
                on = f", on {', '.join(hosts)}" if hosts else ""
                yield f"security group {want.name}: what uses {'; '.join(gone)} today is cut off{on}"

    def fields(self, live: Live, context: Context) -> Fields:
        raw = live.raw
        entry = context.declaration.entries(self.variable).get(context.name(self.name, live.id), {})
        fields: Fields = tag_fields(tags_of(raw))
        for direction, part, preposition in _DIRECTIONS:
            kept = rule_lines(entry.get(direction, {}), preposition)
            lines = permission_lines(raw[part], preposition, lambda group: context.name(self.name, group), _owner(raw))
            # A description is shown where the rule goes, so that it can be put back; one that stays keeps its own.
            shown = (f'{line} "{text}"' if text and line not in kept else line for line, text in lines.items())
            fields[direction] = sorted(shown)
        return fields


def _declared_rules(
    raw: Mapping[str, Any], part: str, preposition: str, entry: Mapping[str, Mapping[str, Any]], context: Context
) -> dict[str, dict[str, Any]]:
    """The live rules of one direction as they are declared; a rule that is declared keeps its name and its order."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for permission in raw[part]:
        what = protocol(permission["IpProtocol"])
        name = _PROTOCOLS.get(what, what)
        limits = tuple(
            None if number == -1 else number
            for number in ports(what, permission.get("FromPort"), permission.get("ToPort"))
        )
        pairs = permission.get("UserIdGroupPairs", [])
        foreign = any(
            not context.knows(SecurityGroup.name, pair["GroupId"]) or pair.get("VpcPeeringConnectionId")
            for pair in pairs
        )
        if foreign or any(permission.get(other) for other in ("Ipv6Ranges", "PrefixListIds")) or name not in _DECLARED:
            lines = permission_lines(
                [permission], preposition, lambda item: context.name("security_group", item), _owner(raw)
            )
            raise UndeclarableError(
                f"its rules `{'`, `'.join(sorted(lines))}` cannot be declared: only IPv4 ranges and declared groups "
                "can, and declared rules are all the rules of a group"
            )
        if name in ("tcp", "udp") and limits == (None, None):
            limits = (1, 65535)
        rule = found.setdefault((name, *limits), {"cidrs": [], "groups": []})
        rule["cidrs"] += [item["CidrIp"] for item in permission.get("IpRanges", [])]
        rule["groups"] += [context.name(SecurityGroup.name, pair["GroupId"]) for pair in pairs]
    return _named_rules(found, entry)


def _named_rules(
    found: Mapping[tuple[Any, ...], Mapping[str, Any]], entry: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """By the declared names first, with the sources that are left; then what is new, by protocol and port."""
    left = {key: {part: list(dict.fromkeys(items)) for part, items in rule.items()} for key, rule in found.items()}
    named: dict[str, dict[str, Any]] = {}
    for name, rule in entry.items():
        key = _key_of(rule)
        kept = {
            part: [item for item in rule.get(part) or [] if item in left.get(key, {}).get(part, [])]
            for part in ("cidrs", "groups")
        }
        for part, items in kept.items():
            if key in left:
                left[key][part] = [item for item in left[key][part] if item not in items]
        if any(kept.values()):
            same = {part: items for part, items in kept.items() if items}
            named[name] = {**{part: value for part, value in rule.items() if part not in kept}, **same}
    for (what, first, last), rule in left.items():
        sources = {part: items for part, items in rule.items() if items}
        if not sources:
            continue
        numbers = [str(number) for number in dict.fromkeys((first, last)) if number is not None]
        name = base = "-".join([what, *numbers])
        count = 1
        while name in named or name in entry:
            count += 1
            name = f"{base}-{count}"
        keys = ("icmp_type", "icmp_code") if what == "icmp" else ("port", "to_port")
        values = (first, last) if what == "icmp" else (first, None if last == first else last)
        limits = {key: value for key, value in zip(keys, values, strict=True) if value not in (None, -1)}
        named[name] = {"protocol": what, **limits, **sources}
    return named


def _key_of(rule: Mapping[str, Any]) -> tuple[Any, ...]:
    if rule["protocol"] == "icmp":
        first, last = rule.get("icmp_type"), rule.get("icmp_code")
        return ("icmp", None if first == -1 else first, None if last == -1 else last)
    return (rule["protocol"], rule.get("port"), rule.get("to_port", rule.get("port")))


def _pairs_of(group: Mapping[str, Any], member: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rules of a group that name another one, each with the operation that revokes it."""
    for part, operation in (
        ("IpPermissions", "revoke_security_group_ingress"),
        ("IpPermissionsEgress", "revoke_security_group_egress"),
    ):
        for permission in group[part]:
            pairs = [pair for pair in permission.get("UserIdGroupPairs", []) if pair["GroupId"] == member]
            if pairs and group["GroupId"] != member:
                bare = {key: permission[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in permission}
                yield operation, {**bare, "UserIdGroupPairs": [{"GroupId": member}]}
