"""Rules of role node_exporter."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..engine.errors import Problem
from .rules import RoleInput, Values, address, ports

#: collectors whose flags the role sets
_OWN = ("systemd", "textfile")


class Input(RoleInput):
    """node_exporter_*."""

    def problems(self, values: Values) -> Iterator[Problem]:
        yield from ports(values, "node_exporter_port")
        yield from address("node_exporter_address", values.get("node_exporter_address"))
        collectors = values.get("node_exporter_collectors", {})
        for name in _OWN:
            if name in collectors:
                what = "the role sets the flags of this collector"
                yield Problem(
                    f"node_exporter_collectors.{name}", what, "remove it; node_exporter_units selects the systemd units"
                )
        for name, flags in collectors.items():
            if not isinstance(flags, dict):
                yield Problem(f"node_exporter_collectors.{name}", "is not a mapping of flags", "write {} for none")
        units = values.get("node_exporter_units") or []
        if not units:
            yield Problem("node_exporter_units", "is empty", "name at least the unit ssh")
        for number, unit in enumerate(units):
            try:
                re.compile(str(unit))
            except re.error as error:
                where = f"node_exporter_units.{number}"
                yield Problem(where, f"`{unit}` is not a regular expression: {error}", "write one like prometheus.*")
        if values.get("node_exporter_clients") and not values.get("node_exporter_client_certificates"):
            fix = "set node_exporter_client_certificates: true, or empty the list"
            yield Problem("node_exporter_clients", "has no effect without client certificates", fix)

    def listens(self, values: Values) -> Iterator[tuple[int, str, str]]:
        yield values["node_exporter_port"], values["node_exporter_address"], "node_exporter_port"
