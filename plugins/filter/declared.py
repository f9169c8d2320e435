"""Filters that derive one declared thing from another, so that each is written once. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Entry = Mapping[str, Any]


def host_name(instance: str) -> str:
    """What the inventory calls a declared instance: koin-prod for KOIN_PROD."""
    return instance.lower().replace("_", "-")


def missing_hosts(instances: Mapping[str, Entry], present: Iterable[str]) -> list[str]:
    """Hosts of instances that are declared to run and that are not in the inventory."""
    running = {host_name(name) for name, entry in instances.items() if entry.get("state", "running") == "running"}
    return sorted(running - set(present))


def checked_inventory(
    hostvars: Mapping[str, Entry], groups: Mapping[str, Iterable[str]], variables: Iterable[str]
) -> dict[str, Any]:
    """The inventory that the checks of a running platform read: its hosts, with the values of some variables."""
    names = list(variables)
    hosts = {}
    for host in groups["platform"]:
        known = hostvars[host]
        hosts[host] = {name: known[name] for name in names if name in known}
    children: dict[str, Any] = {
        name: {"hosts": {member: {} for member in members}}
        for name, members in groups.items()
        if name not in ("all", "ungrouped")
    }
    return {"all": {"hosts": hosts, "children": children}}


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"checked_inventory": checked_inventory, "missing_hosts": missing_hosts}
