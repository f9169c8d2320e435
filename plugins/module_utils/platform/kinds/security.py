"""Security groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..declaration import Declaration
from ..model import Desired, FieldChange, Fields, Live
from .base import Context, Kind, Observation, label, only, tag_fields, tags_of

#: names of the protocol numbers that AWS writes
_PROTOCOLS = {"-1": "all", "1": "icmp", "6": "tcp", "17": "udp", "50": "esp"}


def _line(protocol: str, ports: tuple[int | None, int | None], preposition: str, peer: str) -> str:
    first, last = ports
    which = "" if first is None or protocol in ("all", "esp", "icmp") else f" {first}"
    if which and last not in (None, first):
        which += f"-{last}"
    return f"{protocol}{which} {preposition} {peer}"


def rule_lines(rules: Mapping[str, Mapping[str, Any]], preposition: str) -> list[str]:
    """Declared rules, one line per source: ``tcp 80 from 0.0.0.0/0``."""
    lines = []
    for rule in rules.values():
        ports = (rule.get("port"), rule.get("to_port", rule.get("port")))
        peers = [*rule.get("cidrs", []), *(f"group {name}" for name in rule.get("groups", []))]
        lines += [_line(rule["protocol"], ports, preposition, peer) for peer in peers]
    return sorted(set(lines))


def permission_lines(permissions: Iterable[Mapping[str, Any]], preposition: str, context: Context) -> list[str]:
    """The same of what the EC2 API answers."""
    lines = []
    for permission in permissions:
        protocol = _PROTOCOLS.get(str(permission["IpProtocol"]), str(permission["IpProtocol"]))
        ports = (permission.get("FromPort"), permission.get("ToPort"))
        peers = [item["CidrIp"] for item in permission.get("IpRanges", [])]
        peers += [item["CidrIpv6"] for item in permission.get("Ipv6Ranges", [])]
        peers += [item["PrefixListId"] for item in permission.get("PrefixListIds", [])]
        groups = [item["GroupId"] for item in permission.get("UserIdGroupPairs", [])]
        peers += [f"group {context.name('security_group', group)}" for group in groups]
        lines += [_line(protocol, ports, preposition, peer) for peer in peers]
    return sorted(lines)


class SecurityGroup(Kind):
    """Recognised by VPC and group name. Declared rules are the whole set: any other is removed.

    The description is given at creation and not compared: AWS cannot change it, and nothing depends on it.
    """

    name = "security_group"
    role = "aws_security"
    writes = (
        "ec2:CreateSecurityGroup",
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:AuthorizeSecurityGroupEgress",
        "ec2:RevokeSecurityGroupIngress",
        "ec2:RevokeSecurityGroupEgress",
        # The module writes descriptions along with rules; those of a changed direction are lost.
        "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
        "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
        "ec2:CreateTags",
    )

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries("aws_security_groups").items():
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
            # Every VPC has a group `default` that cannot be deleted: AWS's own, not a stray.
            listed = context.knows("vpc", raw.get("VpcId", "")) and raw["GroupName"] != "default"
            attributes = {"id": group, "description": raw["Description"]}
            yield Live(group, label(group, raw["GroupName"]), dict(raw), attributes, listed=listed)

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        vpc = context.id("vpc", want.entry["vpc"])
        same = [item for item in live if item.raw.get("VpcId") == vpc and item.raw["GroupName"] == want.name]
        return only(self.name, want.name, same if vpc else [])

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange]) -> Iterable[str]:
        for change in changes:
            gone = sorted(set(change.before or ()) - set(change.after)) if change.field in ("ingress", "egress") else []
            if live is not None and gone:
                yield f"security group {want.name}: what uses {'; '.join(gone)} today is cut off"

    def fields(self, live: Live, context: Context) -> Fields:
        raw = live.raw
        return {
            "ingress": permission_lines(raw["IpPermissions"], "from", context),
            "egress": permission_lines(raw["IpPermissionsEgress"], "to", context),
            **tag_fields(tags_of(raw)),
        }
