"""Files of the role monitoring that follow from its receivers. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def monitoring_secrets(receivers: Mapping[str, Mapping[str, Any]], folder: str) -> dict[str, dict[str, Any]]:
    """The folder of secrets and a file for each receiver that has one, as host_files takes them."""
    files: dict[str, dict[str, Any]] = {folder: {"state": "directory", "group": "prometheus", "mode": "0750"}}
    for name, receiver in receivers.items():
        if secret := receiver.get("url", receiver.get("password", "")):
            files[f"{folder}/{name}"] = {"content": secret, "group": "prometheus", "mode": "0640", "secret": True}
    return files


class FilterModule:
    """The filters of the role."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"monitoring_secrets": monitoring_secrets}
