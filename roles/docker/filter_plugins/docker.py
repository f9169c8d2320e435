"""Files of the role docker that follow from its registries. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def docker_certificates(registries: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Certificates of the authorities of registries, as host_files takes them."""
    return {
        f"/etc/docker/certs.d/{address}/ca.crt": {"content": registry["ca"].strip() + "\n"}
        for address, registry in registries.items()
    }


class FilterModule:
    """The filters of the role."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"docker_certificates": docker_certificates}
