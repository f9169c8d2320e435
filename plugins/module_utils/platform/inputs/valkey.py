"""Rules of role valkey."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..engine.errors import Problem
from .rules import (
    ACCOUNT,
    Look,
    RoleInput,
    Values,
    address,
    debian_only,
    keys_spelled,
    long_enough,
    ports,
    ranges,
    spelled,
)

#: users of the role itself
_OWN = ("admin", "default", "exporter")
_SNAPSHOT = re.compile(r"[1-9]\d* [1-9]\d*")
_RULE = re.compile(r"[+-]@?[A-Za-z|*_-]+|[~%&]\S+|resetkeys|resetchannels|allcommands|nocommands")


class Input(RoleInput):
    """valkey_users and the server's settings."""

    entries = {"valkey_users": "user"}

    def problems(self, values: Values) -> Iterator[Problem]:
        yield from ports(values, "valkey_port", "valkey_exporter_port")
        yield from ranges(
            values, valkey_memory_mib=(128, None), valkey_memory_percent=(5, 95), valkey_max_clients=(10, 100000)
        )
        yield from address("valkey_address", values.get("valkey_address"))
        for number, snapshot in enumerate(values.get("valkey_snapshots", ())):
            fix = "write seconds and changes, e.g. 3600 1"
            yield from spelled(f"valkey_snapshots.{number}", snapshot, _SNAPSHOT, "a snapshot", fix)
        users = values.get("valkey_users", {})
        fix = "write letters, digits, `_`, `.` and `-` only"
        yield from keys_spelled("valkey_users", users, ACCOUNT, "a name that this role accepts", fix)
        for name, user in users.items():
            where = f"valkey_users.{name}"
            if name in _OWN:
                yield Problem(where, f"the role reserves `{name}`", "choose another name")
            yield from long_enough(f"{where}.password", user.get("password"), 16)
            if not user.get("keys"):
                yield Problem(
                    f"{where}.keys", "is empty: it says which keys the user may use", "write a pattern, e.g. [stage:*]"
                )
            for number, rule in enumerate(user.get("rules", ())):
                fix = "write one like +scan or -@scripting"
                yield from spelled(f"{where}.rules.{number}", rule, _RULE, "a rule of the ACL", fix)
        yield from long_enough("valkey_admin_password", values.get("valkey_admin_password"), 16)
        if values.get("valkey_exporter"):
            yield from long_enough("valkey_exporter_password", values.get("valkey_exporter_password"), 16)

    def on_host(self, values: Values, facts: Mapping[str, Any], look: Look) -> Iterator[Problem]:
        yield from debian_only("valkey", facts)
        room = int(look("__valkey_maxmemory_mib"))
        if room < 32:
            what = f"{values['valkey_memory_percent']} % of the memory leave {room} MiB for data, less than 32"
            yield Problem("valkey_memory_percent", what, "raise it")

    def listens(self, values: Values) -> Iterator[tuple[int, str, str]]:
        yield values["valkey_port"], values["valkey_address"], "valkey_port"
        if values.get("valkey_exporter"):
            yield values["valkey_exporter_port"], values["valkey_address"], "valkey_exporter_port"
