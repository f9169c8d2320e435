"""Filters that write declared rules the way the modules want them. Pure."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform.acl_steps import acl_entry  # noqa: E402 - after the path is set
from ansible.module_utils.platform.kinds.dns import dotless, holding  # noqa: E402

#: IP protocol number that EC2 wants for a protocol it has no name for
_PROTOCOL_NUMBERS = {"all": "-1", "esp": "50"}


def network_acl_rules(rules: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Declared rules of a network ACL, by number, as boto3 takes them."""
    return [acl_entry(int(number), rule) for number, rule in sorted(rules.items(), key=lambda pair: int(pair[0]))]


def security_group_rules(
    rules: Mapping[str, Mapping[str, Any]], groups: Mapping[str, Mapping[str, str]]
) -> list[dict[str, Any]]:
    """Declared rules of a security group as boto3's permissions, each with one source.

    groups: attributes by declared name, ``platform_ids.security_group``.
    """
    written: list[dict[str, Any]] = []
    for rule in rules.values():
        base: dict[str, Any] = {"IpProtocol": _PROTOCOL_NUMBERS.get(rule["protocol"], rule["protocol"])}
        if rule.get("port") is not None:
            base |= {"FromPort": rule["port"], "ToPort": rule.get("to_port", rule["port"])}
        elif rule["protocol"] == "icmp":
            # EC2's way to write an ICMP type and code.
            base |= {"FromPort": rule.get("icmp_type", -1), "ToPort": rule.get("icmp_code", -1)}
        written += [{**base, "IpRanges": [{"CidrIp": cidr}]} for cidr in rule.get("cidrs", [])]
        written += [{**base, "UserIdGroupPairs": [{"GroupId": groups[name]["id"]}]} for name in rule.get("groups", [])]
    return written


def changed_parts(
    entries: Mapping[str, Any] | Iterable[str], changed: Iterable[str], field: str
) -> list[dict[str, Any]]:
    """Of a field that is keyed by name, the entries that the plan changes, as ``key`` and ``value``."""
    pairs = entries.items() if isinstance(entries, Mapping) else ((entry, entry) for entry in entries)
    touched = set(changed)
    return [{"key": key, "value": value} for key, value in pairs if f"{field}.{key}" in touched]


def cors_rules(rules: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Declared CORS rules, by id, as ``community.aws.s3_cors`` takes them."""
    names = {
        "methods": "allowed_methods",
        "origins": "allowed_origins",
        "headers": "allowed_headers",
        "expose": "expose_headers",
        "max_age": "max_age_seconds",
    }
    return [
        # The module writes keys in camel case: `i_d` becomes the ID that S3 wants, `id` would become Id.
        {"i_d": rule_id, **{names[key]: value for key, value in rule.items() if value not in (None, [])}}
        for rule_id, rule in rules.items()
    ]


def zone_id(name: str, zones: Mapping[str, Mapping[str, str]]) -> str:
    """Id of the declared zone that holds a record: the longest one that its name ends in.

    zones: attributes by declared name, ``platform_ids.zone``.
    """
    zone = holding(dotless(name), zones)
    if zone is None:
        raise AnsibleFilterError(f"{name} is in no declared zone; declare its zone in aws_dns_zones")
    return zones[zone]["id"]


def email_subscriptions(emails: Iterable[str]) -> list[dict[str, str]]:
    """Mail addresses as ``community.aws.sns_topic`` takes subscriptions."""
    return [{"protocol": "email", "endpoint": email} for email in emails]


def joined_policy(first: str | Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The statements of both policies, each once; for the time in which both have to hold.

    first: a live policy as JSON text, or empty. A Sid that both use is dropped, for it has to be unique.
    """
    live = json.loads(first) if isinstance(first, str) and first else {}
    before = live.get("Statement", [])
    before = before if isinstance(before, list) else [before]
    after = list(second["Statement"])
    sids = {part.get("Sid") for part in after}
    kept = [{key: value for key, value in part.items() if key != "Sid" or value not in sids} for part in before]
    return {"Version": "2012-10-17", "Statement": [*kept, *after]}


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {
            "network_acl_rules": network_acl_rules,
            "security_group_rules": security_group_rules,
            "changed_parts": changed_parts,
            "cors_rules": cors_rules,
            "zone_id": zone_id,
            "email_subscriptions": email_subscriptions,
            "joined_policy": joined_policy,
        }
