"""Filters about the platform's certificate authority. Pure."""

from __future__ import annotations

import hashlib
import runpy
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform.authority import refused  # noqa: E402 - after the path is set


def authority_names(
    instances: Mapping[str, Any], sites: Mapping[str, Mapping[str, Any]], edge_certificates: str
) -> list[str]:
    """The names that the authority signs for: of every declared host, and public ones where they are its business."""
    names = {instance.lower().replace("_", "-") for instance in instances}
    if edge_certificates == "internal":
        names |= {name for of_instance in sites.values() for site in of_instance.values() for name in site["names"]}
    return sorted(names)


def signing_authority(
    names: Iterable[str], key: str, certificate: str, permits: Sequence[str], following: Mapping[str, str]
) -> dict[str, Any]:
    """Which authority signs for these names (`DNS:koin-db`, `IP:172.31.0.1`): ``certificate``, ``key``, ``refused``.

    It is the next one only for what the present one does not permit; ``refused`` is what neither does.
    """
    wanted = [name.partition(":")[2] for name in names]
    left = refused(wanted, permits)
    if left and following:
        return {"certificate": following["certificate"], "key": following["key"], "refused": []}
    return {"certificate": certificate, "key": key, "refused": left}


def trusted_files(certificates: Iterable[str], folder: str) -> dict[str, dict[str, str]]:
    """Trusted authorities as host_files takes them. Each has a name of its own: links to it are by content."""
    found = {}
    for certificate in certificates:
        digest = hashlib.sha256(certificate.strip().encode()).hexdigest()[:16]
        entry = {"content": f"{certificate.strip()}\n", "notify": "Trust the authority"}
        found[f"{folder}/koin-{digest}.crt"] = entry
    return found


def hosts_behind(hosts: Iterable[str], hostvars: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What the hosts lack for the next step, with the name of each."""
    unknown = ["was not asked"]
    return [f"{host}: {item}" for host in hosts for item in hostvars[host].get("tls_behind", unknown)]


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {
            "authority_names": authority_names,
            "hosts_behind": hosts_behind,
            "signing_authority": signing_authority,
            "trusted_files": trusted_files,
        }
