"""What the files of the role docker follow from. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def docker_certificates(registries: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Certificates of the authorities of registries, as host_files takes them."""
    return {
        f"/etc/docker/certs.d/{address}/ca.crt": {"content": registry["ca"].strip() + "\n"}
        for address, registry in registries.items()
    }


def docker_families(addresses: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Addresses by family, as nftables calls them; a family that has none is left out."""
    found: dict[str, list[str]] = {"ip": [], "ip6": []}
    for address in addresses:
        found["ip6" if ":" in address else "ip"].append(address)
    return [(family, members) for family, members in found.items() if members]


class FilterModule:
    """The filters of the role."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"docker_certificates": docker_certificates, "docker_families": docker_families}
