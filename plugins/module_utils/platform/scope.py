"""How much of the account the declaration needs to see. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .declaration import Declaration


@dataclass(frozen=True)
class Scope:
    """What of the account is looked at in detail: the names of the declaration.

    vpcs: CIDRs. instances: Names whose termination protection is declared. prefixes: by bucket. domains: registered.
    """

    vpcs: frozenset[str] = frozenset()
    vpc_ids: frozenset[str] = frozenset()
    buckets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    zones: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    certificates: frozenset[str] = frozenset()
    aliases: frozenset[str] = frozenset()
    distributions: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    images: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    protected: frozenset[str] = frozenset()


def scope_of(declaration: Declaration) -> Scope:
    """The names that the declaration uses."""
    entries = declaration.entries
    vpcs = entries("aws_network_vpcs").values()
    distributions = entries("aws_cdn_distributions").values()
    instances = entries("aws_compute_instances")
    zones = entries("aws_dns_zones")
    return Scope(
        vpcs=frozenset(vpc["cidr"] for vpc in vpcs),
        vpc_ids=frozenset(vpc["id"] for vpc in vpcs if vpc.get("id")),
        buckets={name: entry.get("prefixes", []) for name, entry in entries("aws_storage_buckets").items()},
        zones=frozenset(zones),
        domains=frozenset(name for name, zone in zones.items() if zone.get("registered")),
        certificates=frozenset(item["domain"] for item in entries("aws_cdn_certificates").values()),
        aliases=frozenset(alias for item in distributions for alias in item["aliases"]),
        distributions=frozenset(item["id"] for item in distributions if item.get("id")),
        topics=frozenset(entries("aws_monitoring_topics")),
        images=frozenset(declaration.value("aws_compute_images", {}).values()),
        types=frozenset(instance["type"] for instance in instances.values()),
        protected=frozenset(name for name, item in instances.items() if "termination_protection" in item),
    )
