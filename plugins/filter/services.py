"""Filters that find the service which a verb is about."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform import services  # noqa: E402 - after the path is set
from ansible.module_utils.platform.engine.errors import PlatformError  # noqa: E402


def service_asked(
    stacks: services.Stacks,
    name: str,
    sites: Mapping[str, Mapping[str, Any]],
    builds: Mapping[str, Any],
    image: str | None = None,
) -> dict[str, str]:
    """What the role app takes as app_asked. image: what `-e image=` says, for a verb that needs it."""
    try:
        stack, service = services.named(stacks, str(name), sites)
        asked = {"stack": stack, "service": service}
        if image is not None:
            entry = stacks[stack]["services"][service]
            declared = builds[entry["build"]]["image"] if "build" in entry else entry["image"]
            asked["image"] = services.image_of(str(image), declared)
        return asked
    except PlatformError as error:
        raise AnsibleFilterError(str(error)) from error


def service_hosts(
    stacks: services.Stacks, asked: Mapping[str, str], clusters: Mapping[str, Any], labels: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The hosts that a verb about a service touches, each with the groups that it is put into."""
    return services.groups(services.hosts(stacks, asked["stack"], asked["service"], clusters, labels))


def site_edges(sites: Mapping[str, Mapping[str, Any]], name: str, hosts: Iterable[str]) -> list[dict[str, Any]]:
    """The edges of a site, or all of them; each with its sites as role edge calls them."""
    try:
        return services.edges(sites, str(name), hosts)
    except PlatformError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"service_asked": service_asked, "service_hosts": service_hosts, "site_edges": site_edges}
