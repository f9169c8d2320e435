"""Files of the role edge that follow from its sites. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def edge_roots(sites: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Folders of static sites, as host_files takes them. An empty owner leaves the owner of a folder as it is."""
    return {
        site["root"]: {"state": "directory", "owner": "", "group": "www-data", "mode": "2755"}
        for site in sites.values()
        if "root" in site
    }


def edge_users(sites: Mapping[str, Mapping[str, Any]], folder: str) -> dict[str, dict[str, Any]]:
    """Password files of the sites that ask for one, as host_files takes them."""
    return {
        f"{folder}/users/{name}": {
            "template": "users.j2",
            "group": "www-data",
            "mode": "0640",
            "secret": True,
            "vars": {"edge_site": name},
        }
        for name, site in sites.items()
        if site.get("users")
    }


class FilterModule:
    """The filters of the role."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"edge_roots": edge_roots, "edge_users": edge_users}
