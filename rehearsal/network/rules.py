"""The nftables rules that a network of EC2 comes to. Pure; it shares no code with the planner, which it checks.

Each packet meets up to five gates in a row, as on AWS: the sender's groups, its subnet's ACL, the route out of its
subnet, the receiver's ACL, the receiver's groups. Each gate is a base chain of its own: `accept` ends only the chain
that it is in, and `drop` is final. Groups are stateful; ACLs and routes see every packet, answers too. Within a subnet
packets meet the groups alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address, ip_network
from typing import Any

from .account import Account

#: protocols whose ports or types EC2 knows, by number and by name
_NAMES = {"1": "icmp", "6": "tcp", "17": "udp"}
#: before podman's own rules
_PRIORITY = -40
ANYWHERE = IPv4Network("0.0.0.0/0")


@dataclass(frozen=True)
class Machine:
    """This machine's part: it stands for the internet, and for an administrator with an address in the VPC.

    aws: where hosts find the local AWS, address and port.
    """

    vpc: IPv4Network
    aws: tuple[str, int]


def chains(machine: Machine, account: Account) -> str:
    """The chains of the rehearsal's table."""
    lines = _chain("public", _public(account), "type nat hook prerouting priority -110; policy accept;")
    for name, rules in _gates(machine, account):
        lines += _chain(name, rules)
    return "\n".join([*lines, *_hooks(), ""])


def _chain(name: str, rules: Iterable[str], hook: str = "") -> list[str]:
    body = [*([hook] if hook else []), *rules]
    return [f"    chain {name} {{", *(f"        {line}" for line in body), "    }"]


def _public(account: Account) -> Iterator[str]:
    """An internet gateway translates a public address to the private one.

    moto takes elastic IPs from the loopback range, where nobody comes from.
    """
    real = {private: public for private, public in _publics(account).items() if not ip_address(public).is_loopback}
    pairs = ", ".join(f"{public} : {private}" for private, public in sorted(real.items()))
    if pairs:
        yield f"dnat to ip daddr map {{ {pairs} }}"


def _publics(account: Account) -> dict[str, str]:
    """Public addresses by the private ones that they stand for: elastic IPs, and those that AWS lends."""
    lent = {item["PrivateIpAddress"]: item.get("PublicIpAddress") for item in account.instances}
    private = {item["InstanceId"]: item["PrivateIpAddress"] for item in account.instances}
    kept = {
        item.get("PrivateIpAddress") or private[item["InstanceId"]]: item["PublicIp"]
        for item in account.addresses
        if item.get("InstanceId") in private
    }
    return {address: public for address, public in (lent | kept).items() if public}


def _hooks() -> list[str]:
    """Each gate at each place where it is met: between hosts, and between a host and this machine."""
    places = {
        "forward": ("groups_out", "acl_out", "routes", "gateway", "acl_in", "groups_in"),
        # From a host to this machine, and back.
        "input": ("groups_out", "acl_out", "routes"),
        "output": ("acl_in", "groups_in"),
    }
    return [
        line
        for hook, gates in places.items()
        for number, gate in enumerate(gates)
        for line in _chain(
            f"{hook}_{gate}",
            [f"jump {gate}"],
            f"type filter hook {hook} priority {_PRIORITY + number}; policy accept;",
        )
    ]


def _gates(machine: Machine, account: Account) -> Iterator[tuple[str, list[str]]]:
    """Chains by name; those that are jumped to first."""
    subnets = {item["SubnetId"]: IPv4Network(item["CidrBlock"]) for item in account.subnets}
    # The local AWS is at no address of AWS: what is said of AWS's own addresses says nothing of it.
    aws, port = machine.aws
    to_aws, from_aws = f"ip daddr {aws} tcp dport {port} accept", f"ip saddr {aws} tcp sport {port} accept"
    same = [f"ip saddr {cidr} ip daddr {cidr} accept" for cidr in subnets.values()]
    for direction, part, side in (("out", "IpPermissionsEgress", "saddr"), ("in", "IpPermissions", "daddr")):
        chains, members = _groups(account, part, direction)
        yield from chains.items()
        begin = [to_aws if direction == "out" else from_aws, "ct state established,related accept"]
        yield f"groups_{direction}", [*begin, *_by(side, members)]
        chains, members = _acls(account, subnets, direction)
        yield from chains.items()
        yield f"acl_{direction}", [to_aws if direction == "out" else from_aws, *same, *_by(side, members)]
    chains, members = _routes(account, subnets, machine)
    yield from chains.items()
    yield "routes", [to_aws, *same, *_by("saddr", members)]
    yield "gateway", list(_gateway(machine, account, subnets.values()))


def _gateway(machine: Machine, account: Account, subnets: Iterable[IPv4Network]) -> Iterator[str]:
    """Into a VPC, and out of it, there is no way but with a public address."""
    inside = ", ".join(map(str, subnets))
    if inside:
        yield f"ip saddr != {machine.vpc} ip daddr {{ {inside} }} ct state new ct status & dnat == 0 drop"
        public = sorted(_publics(account))
        others = f" ip saddr != {{ {', '.join(public)} }}" if public else ""
        yield f"ip saddr {{ {inside} }} ip daddr != {machine.vpc}{others} ct direction original drop"


def _by(side: str, members: Mapping[str, str]) -> list[str]:
    """Go on in the chain of an address or a range."""
    pairs = ", ".join(f"{address} : goto {chain}" for address, chain in sorted(members.items()))
    return [f"ip {side} vmap {{ {pairs} }}"] if pairs else []


# --- Security groups ------------------------------------------------------------------------------------------------


def _groups(account: Account, part: str, direction: str) -> tuple[dict[str, list[str]], dict[str, str]]:
    """A chain for each combination of groups that an address has, and the chain of each address."""
    rules = {group["GroupId"]: group.get(part, []) for group in account.groups}
    addresses = {address: groups for instance in account.instances for address, groups in _of(instance)}
    members: dict[str, list[str]] = {}
    for address, groups in addresses.items():
        for group in groups:
            members.setdefault(group, []).append(address)
    names: dict[frozenset[str], str] = {}
    chains: dict[str, list[str]] = {}
    side = "daddr" if direction == "out" else "saddr"
    for groups in addresses.values():
        if groups not in names:
            names[groups] = name = f"groups_{direction}_{len(names) + 1}"
            permissions = [permission for group in sorted(groups) for permission in rules.get(group, [])]
            lines = [line for one in permissions for line in _permission(one, side, members, account.prefix_lists)]
            chains[name] = [*dict.fromkeys(lines), "drop"]
    return chains, {address: names[groups] for address, groups in addresses.items()}


def _of(instance: Mapping[str, Any]) -> Iterator[tuple[str, frozenset[str]]]:
    """Private addresses of an instance with the groups of the interface."""
    for interface in instance.get("NetworkInterfaces", []):
        groups = frozenset(group["GroupId"] for group in interface.get("Groups", []))
        for item in interface.get("PrivateIpAddresses") or [{"PrivateIpAddress": interface["PrivateIpAddress"]}]:
            yield item["PrivateIpAddress"], groups


def _permission(
    permission: Mapping[str, Any], side: str, members: Mapping[str, Sequence[str]], lists: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    peers = [item["CidrIp"] for item in permission.get("IpRanges", [])]
    peers += [
        address for pair in permission.get("UserIdGroupPairs", []) for address in members.get(pair["GroupId"], [])
    ]
    peers += [
        cidr
        for item in permission.get("PrefixListIds", [])
        for cidr in lists.get(item["PrefixListId"], [])
        if ":" not in cidr
    ]
    first, last = permission.get("FromPort", -1), permission.get("ToPort", -1)
    for peer in peers:
        yield _line(side, peer, str(permission["IpProtocol"]), (first, last), "accept")


def _line(side: str, peer: str, protocol: str, ports: tuple[int, int], verdict: str) -> str:
    """A rule. ports: the first and the last one, or type and code of ICMP; -1: any."""
    name = _NAMES.get(protocol, protocol)
    first, last = ports
    parts = [] if ip_network(peer, strict=False) == ANYWHERE else [f"ip {side} {ip_network(peer, strict=False)}"]
    if name in ("tcp", "udp"):
        parts.append(f"{name} dport {max(first, 0)}-{65535 if last < 0 else last}")
    elif name == "icmp":
        parts.append(f"icmp type {first}" if first >= 0 else "meta l4proto icmp")
        parts += [f"icmp code {last}"] if first >= 0 and last >= 0 else []
    elif name != "-1":
        parts.append(f"meta l4proto {name}")
    return " ".join([*parts, verdict])


# --- Network ACLs ---------------------------------------------------------------------------------------------------


def _acls(
    account: Account, subnets: Mapping[str, IPv4Network], direction: str
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """A chain for each ACL, and the chain of each subnet."""
    chains, members = {}, {}
    side = "daddr" if direction == "out" else "saddr"
    for number, acl in enumerate(account.acls, 1):
        name = f"acl_{direction}_{number}"
        entries = [
            entry for entry in acl["Entries"] if entry["Egress"] == (direction == "out") and entry.get("CidrBlock")
        ]
        chains[name] = [_entry(entry, side) for entry in sorted(entries, key=lambda entry: entry["RuleNumber"])] + [
            "drop"
        ]
        for association in acl.get("Associations", []):
            if association["SubnetId"] in subnets:
                members[str(subnets[association["SubnetId"]])] = name
    return chains, members


def _entry(entry: Mapping[str, Any], side: str) -> str:
    ports, icmp = entry.get("PortRange") or {}, entry.get("IcmpTypeCode") or {}
    first = ports.get("From", icmp.get("Type", -1))
    last = ports.get("To", icmp.get("Code", -1))
    verdict = "accept" if entry["RuleAction"] == "allow" else "drop"
    return _line(side, entry["CidrBlock"], str(entry["Protocol"]), (first, last), verdict)


# --- Routes ---------------------------------------------------------------------------------------------------------


def _routes(
    account: Account, subnets: Mapping[str, IPv4Network], machine: Machine
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """A chain for each route table, and the chain of each subnet.

    Out of the VPC this machine is an internet gateway; other gateways lead nowhere.
    """
    chains, members = {}, {}
    used = {
        item["SubnetId"] for table in account.route_tables for item in table["Associations"] if item.get("SubnetId")
    }
    for number, table in enumerate(account.route_tables, 1):
        name = f"routes_{number}"
        found = sorted(_ways(table), key=lambda way: -way[0].prefixlen)
        chains[name] = [
            f"ip daddr {machine.vpc} accept",
            *(f"ip daddr {cidr} {'accept' if leads else 'drop'}" for cidr, leads in found),
            "drop",
        ]
        main = any(item.get("Main") for item in table["Associations"])
        own = {item["SubnetId"] for item in table["Associations"] if item.get("SubnetId")}
        for subnet in account.subnets:
            fallback = main and subnet["VpcId"] == table["VpcId"] and subnet["SubnetId"] not in used
            if subnet["SubnetId"] in own or fallback:
                members[str(subnets[subnet["SubnetId"]])] = name
    return chains, members


def _ways(table: Mapping[str, Any]) -> Iterator[tuple[IPv4Network, bool]]:
    """Where routes lead to, and whether that is the internet."""
    for route in table["Routes"]:
        if route.get("DestinationCidrBlock") and route.get("GatewayId") != "local":
            active = route.get("State", "active") == "active"
            yield (
                IPv4Network(route["DestinationCidrBlock"]),
                active and str(route.get("GatewayId", "")).startswith("igw-"),
            )
