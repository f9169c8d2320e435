"""Filters that write declared rules the way the modules want them. Pure."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform.acl_steps import acl_entry  # noqa: E402 - after the path is set
from ansible.module_utils.platform.kinds.dns import CLOUDFRONT_ZONE, dotless, holding  # noqa: E402
from ansible.module_utils.platform.kinds.storage import VERIFIED  # noqa: E402

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


def proof_of_backup(host: str) -> str:
    """Key of the object that says when a backup of the host could be restored."""
    return f"{VERIFIED}{host}"


def changed_parts(
    entries: Mapping[str, Any] | Iterable[str], changed: Iterable[str], field: str
) -> list[dict[str, Any]]:
    """Of a field that is keyed by name, the entries that the plan changes, as ``key`` and ``value``."""
    pairs = entries.items() if isinstance(entries, Mapping) else ((entry, entry) for entry in entries)
    touched = set(changed)
    return [{"key": key, "value": value} for key, value in pairs if f"{field}.{key}" in touched]


def cors_rules(rules: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Declared CORS rules, by id, as S3 takes them."""
    names = {
        "methods": "AllowedMethods",
        "origins": "AllowedOrigins",
        "headers": "AllowedHeaders",
        "expose": "ExposeHeaders",
        "max_age": "MaxAgeSeconds",
    }
    return [
        {"ID": rule_id, **{names[key]: value for key, value in rule.items() if value not in (None, [])}}
        for rule_id, rule in rules.items()
    ]


def _lifecycle_rule(rule_id: str, rule: Mapping[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = {"ID": rule_id, "Status": "Enabled", "Filter": {"Prefix": rule.get("prefix") or ""}}
    for key, part, name in (
        ("expire_days", "Expiration", "Days"),
        ("noncurrent_days", "NoncurrentVersionExpiration", "NoncurrentDays"),
        ("abort_multipart_days", "AbortIncompleteMultipartUpload", "DaysAfterInitiation"),
    ):
        if rule.get(key) is not None:
            written[part] = {name: rule[key]}
    return written


def lifecycle(
    live: Mapping[str, Any], rules: Mapping[str, Mapping[str, Any]], changed: Iterable[str]
) -> dict[str, Any]:
    """The lifecycle of a bucket as S3 takes it: the live one, in which the declared rules that differ are replaced.

    live: attribute ``lifecycle`` of the bucket; empty for a new one. changed: fields that the plan changes.
    """
    touched = set(changed)
    new = {key: _lifecycle_rule(key, rule) for key, rule in rules.items() if f"lifecycle.{key}" in touched}
    kept = [rule for rule in live.get("Rules", []) if rule.get("ID") not in new]
    more = {key: value for key, value in live.items() if key != "Rules"}
    return {"LifecycleConfiguration": {"Rules": [*kept, *new.values()]}, **more}


#: Route 53 takes 1000 values and 32,000 characters of values in a request, and counts an UPSERT twice
_MOST_VALUES, _MOST_CHARACTERS = 500, 16000


def _upsert(name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"Action": "UPSERT", "ResourceRecordSet": {"Name": name, "Type": kind, **more}}


def _record_change(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A declared record as a change of its zone."""
    if "alias" in entry:
        target = {"HostedZoneId": CLOUDFRONT_ZONE, "DNSName": f"{entry['alias']}.", "EvaluateTargetHealth": False}
        return _upsert(entry["name"], entry["type"], AliasTarget=target)
    values = [{"Value": value} for value in entry["values"]]
    return _upsert(entry["name"], entry["type"], TTL=entry["ttl"], ResourceRecords=values)


def record_batches(actions: Iterable[Mapping[str, Any]], action: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """Every change of the zone of ``action``, in as few batches as Route 53 allows, if it is the zone's first action.

    For the zone's other actions there is nothing left to do.
    """
    same = [item for item in actions if item["entry"]["zone"] == action["entry"]["zone"]]
    if same[0]["name"] != action["name"]:
        return []
    batches: list[list[dict[str, Any]]] = []
    values = characters = 0
    for item in same:
        change = _record_change(item["entry"])
        texts = item["entry"].get("values") or [""]
        size = sum(len(text) for text in texts)
        if not batches or values + len(texts) > _MOST_VALUES or characters + size > _MOST_CHARACTERS:
            batches.append([])
            values = characters = 0
        batches[-1].append(change)
        values, characters = values + len(texts), characters + size
    return batches


def proofs(records: Iterable[Mapping[str, str]], zones: Mapping[str, Mapping[str, str]]) -> list[dict[str, Any]]:
    """The records that prove a certificate's names, by the zone that holds them: ``zone_id`` and ``changes``.

    zones: attributes by declared name, ``platform_ids.zone``.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        zone = holding(dotless(record["name"]), zones)
        if zone is None:
            raise AnsibleFilterError(f"{record['name']} is in no declared zone; declare its zone in aws_dns_zones")
        change = _upsert(record["name"], record["type"], TTL=300, ResourceRecords=[{"Value": record["value"]}])
        found.setdefault(zones[zone]["id"], []).append(change)
    return [{"zone_id": zone, "changes": changes} for zone, changes in found.items()]


def email_subscriptions(emails: Iterable[str]) -> list[dict[str, str]]:
    """Mail addresses as ``community.aws.sns_topic`` takes subscriptions."""
    return [{"protocol": "email", "endpoint": email} for email in emails]


#: what is left of a user or role in a policy after it was deleted: S3 refuses to write it again, and it lets nobody in
_GHOST = re.compile(r"A[A-Z]{3}[A-Z0-9]{12,}")


def _without_ghosts(statement: Mapping[str, Any]) -> dict[str, Any]:
    """A statement without deleted principals; empty when it names no other."""
    found = dict(statement)
    for key in ("Principal", "NotPrincipal"):
        who = found.get(key)
        if not isinstance(who, Mapping) or "AWS" not in who:
            continue
        names = who["AWS"] if isinstance(who["AWS"], list) else [who["AWS"]]
        kept = [name for name in names if not _GHOST.fullmatch(str(name))]
        rest = {kind: value for kind, value in who.items() if kind != "AWS"} | ({"AWS": kept} if kept else {})
        if not rest:
            return {}
        if kept != names:
            found[key] = rest
    return found


def joined_policy(first: str | Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The statements of both policies, each once; for the time in which both have to hold.

    first: a live policy as JSON text, or empty. A Sid that both use is dropped, for it has to be unique.
    """
    live = json.loads(first) if isinstance(first, str) and first else {}
    before = live.get("Statement", [])
    before = [part for one in (before if isinstance(before, list) else [before]) if (part := _without_ghosts(one))]
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
            "lifecycle": lifecycle,
            "record_batches": record_batches,
            "proofs": proofs,
            "proof_of_backup": proof_of_backup,
            "email_subscriptions": email_subscriptions,
            "joined_policy": joined_policy,
        }
