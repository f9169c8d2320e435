"""Rules of role registry."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..engine.errors import Problem
from .rules import Look, RoleInput, Values, address, debian_only, long_enough, ports, ranges, spelled

_USER = re.compile(r"[A-Za-z0-9._-]+")


class Input(RoleInput):
    """registry_*."""

    entries = {"registry_users": "user"}
    secrets = ("registry_users.*.password",)

    def problems(self, values: Values) -> Iterator[Problem]:
        yield from ports(values, "registry_port", "registry_metrics_port")
        yield from ranges(values, registry_prune_untagged_hours=(0, 87600), registry_prune_keep_newest=(0, 100000))
        yield from address("registry_address", values.get("registry_address"))
        users = values.get("registry_users") or {}
        if not users:
            yield Problem("registry_users", "is empty: nobody could push or pull", "give names and passwords")
        elif not any(user.get("push") for user in users.values()):
            yield Problem("registry_users", "has nobody who may push", "write `push: true` for one that builds images")
        for name, user in users.items():
            where = f"registry_users.{name}"
            yield from spelled(where, name, _USER, "a user's name", "write letters, digits and ._-")
            # bcrypt uses at most 72 bytes.
            yield from long_enough(f"{where}.password", user.get("password"), 16, 72)
        for number, pattern in enumerate(values.get("registry_keep", ())):
            if ":" not in pattern:
                fix = f'write "*:{pattern}" for that tag of every repository'
                yield Problem(f"registry_keep.{number}", f"`{pattern}` is not repository:tag", fix)

    def on_host(self, values: Values, facts: Mapping[str, Any], look: Look) -> Iterator[Problem]:
        yield from debian_only("registry", facts)

    def listens(self, values: Values) -> Iterator[tuple[int, str, str]]:
        yield values["registry_port"], values["registry_address"], "registry_port"
        yield values["registry_metrics_port"], "127.0.0.1", "registry_metrics_port"
