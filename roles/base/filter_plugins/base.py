"""Who may log in, from the declared administrators. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def base_admin_keys(admins: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Keys of the administrators who are declared present, by name."""
    return {
        name: list(entry.get("keys", []))
        for name, entry in admins.items()
        if entry.get("state", "present") == "present"
    }


class FilterModule:
    """The filters of the role."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"base_admin_keys": base_admin_keys}
