"""Security groups: rules that moto cannot store, cannot tell apart, or forgets parts of."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.security_groups import GroupedSecurityRuleView, SecurityGroup, SecurityGroupRule
from moto.ec2.responses.security_groups import SecurityGroups

# Protocols that have ports or ICMP types; a rule for any other has neither.
_WITH_PORTS = {"tcp", "6", "udp", "17", "icmp", "1", "icmpv6", "58"}


def apply() -> None:
    """Apply this module's corrections."""
    _rules()
    _identity()
    _descriptions()


def _rules() -> None:
    begin = SecurityGroupRule.__init__

    def begin_without_ports(
        self: SecurityGroupRule,
        ec2_backend: Any,
        ip_protocol: str,
        group_id: str,
        from_port: str | None,
        to_port: str | None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """moto reads ports of every protocol but -1 and fails on ESP (50), which has none."""
        portless = bool(ip_protocol) and str(ip_protocol).lower() not in _WITH_PORTS
        if portless:
            from_port = to_port = "-1"
        # moto knows the numbers of the other protocols that AWS names.
        ip_protocol = "icmpv6" if str(ip_protocol) == "58" else ip_protocol
        begin(self, ec2_backend, ip_protocol, group_id, from_port, to_port, *args, **kwargs)
        prefix_list: dict[str, str] = kwargs.get("prefix_list_id") or (args[2] if len(args) > 2 else None) or {}
        self.__dict__["prefix_list"] = prefix_list
        if portless and self.ip_protocol != "-1":
            self.from_port = self.to_port = None

    SecurityGroupRule.__init__ = begin_without_ports  # type: ignore[method-assign]


def _source(rule: SecurityGroupRule) -> tuple[Any, ...]:
    return (
        rule.ip_range.get("CidrIp"),
        rule.ip_range.get("CidrIpv6"),
        rule.source_group.get("GroupId"),
        rule.prefix_list_id,
    )


def _identity() -> None:
    def same(self: SecurityGroupRule, other: object) -> bool:
        """moto takes a rule with another description of its group for another rule."""
        if not isinstance(other, SecurityGroupRule) or self.ip_protocol != other.ip_protocol:
            return False
        ports = self.ip_protocol == "-1" or (self.from_port, self.to_port) == (other.from_port, other.to_port)
        return ports and _source(self) == _source(other)

    SecurityGroupRule.__eq__ = same  # type: ignore[method-assign]


def _descriptions() -> None:
    def description(self: SecurityGroupRule) -> str | None:
        """moto knows descriptions of ranges only."""
        found = (part.get("Description") for part in (self.ip_range, self.source_group, self.__dict__["prefix_list"]))
        return next((text for text in found if text), None)

    SecurityGroupRule.description = property(description)  # type: ignore[method-assign, assignment]
    flatten = SecurityGroup._flattened_rules

    def flatten_described(self: SecurityGroup, rules: list[SecurityGroupRule]) -> list[GroupedSecurityRuleView]:
        """moto drops the description of a prefix list."""
        views = flatten(self, rules)
        for rule in rules:
            key = (rule.ip_protocol, rule.from_port, rule.to_port)
            for view in views if rule.prefix_list_id and rule.description else ():
                if (view.ip_protocol, view.from_port, view.to_port) == key:
                    for item in view.prefix_list_ids:
                        if item["PrefixListId"] == rule.prefix_list_id:
                            item["Description"] = str(rule.description)
        return views

    SecurityGroup._flattened_rules = flatten_described  # type: ignore[method-assign]

    for direction in ("ingress", "egress"):
        name = f"update_security_group_rule_descriptions_{direction}"
        setattr(SecurityGroups, name, _answering(getattr(SecurityGroups, name)))


def _answering(update: Any) -> Any:
    def answer(self: SecurityGroups) -> ActionResult:
        """moto answers with nothing where AWS says that it is done."""
        update(self)
        return ActionResult({"Return": True})

    return answer
