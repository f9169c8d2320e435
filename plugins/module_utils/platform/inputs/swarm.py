"""Rules of role swarm: who is a member, and which ranges the overlay networks take."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..engine.errors import Problem
from .rules import Platform, RoleInput, Values, address, keys_spelled, network, one_of, ranges

_NETWORK = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Input(RoleInput):
    """swarm_*."""

    entries = {"swarm_networks": "network"}
    needs = ("swarm",)

    def problems(self, values: Values) -> Iterator[Problem]:
        managers, workers = values.get("swarm_managers") or [], values.get("swarm_workers") or []
        yield from _members(managers, workers)
        for name in ("swarm_address", "swarm_data_path_address"):
            # An interface is allowed here, too.
            if "." in str(values.get(name)):
                yield from address(name, values.get(name))
        for number, pool in enumerate(values.get("swarm_address_pools", ())):
            yield from network(f"swarm_address_pools.{number}", pool, bare=False)
        yield from ranges(values, swarm_subnet_size=(16, 29), swarm_task_history=(0, 1000))
        labels = values.get("swarm_labels", {})
        yield from keys_spelled("swarm_labels", labels, _LABEL, "a label", "write letters, digits, `_`, `.` and `-`")
        for name, value in labels.items():
            if isinstance(value, dict | list) or value is None:
                yield Problem(f"swarm_labels.{name}", "is not text", f"write one word, e.g. {name}: prod")
        networks = values.get("swarm_networks", {})
        fix = "write lower-case letters, digits, `_`, `.` and `-`"
        yield from keys_spelled("swarm_networks", networks, _NETWORK, "the name of a network", fix)
        for name, entry in networks.items():
            if entry.get("subnet"):
                yield from network(f"swarm_networks.{name}.subnet", entry["subnet"], bare=False)
            if name in ("ingress", "host", "none", "bridge", "docker_gwbridge"):
                yield Problem(f"swarm_networks.{name}", f"Docker reserves `{name}`", "choose another name")

    def across(self, host: str, values: Values, platform: Platform) -> Iterator[Problem]:
        count = len(values.get("swarm_managers") or ())
        if count and count % 2 == 0:
            what = f"{count} managers tolerate no more failures than {count - 1}: {count // 2 + 1} have to be up"
            yield Problem("swarm_managers", what, "name one, three or five hosts; the others are swarm_workers")
        for variable in ("swarm_managers", "swarm_workers"):
            for number, name in enumerate(values.get(variable) or ()):
                where = f"{variable}.{number}"
                if name in platform.hosts and not platform.values(name, "swarm"):
                    what = f"{name} does not run containers, so it cannot be a member"
                    yield Problem(where, what, "remove it, or give the host that function")
                else:
                    declare = "declare it in aws_compute_instances"
                    yield from one_of(where, str(name), platform.hosts, "a declared host", declare=declare)

    def listens(self, values: Values) -> Iterator[tuple[int, str, str]]:
        for number in (2377, 7946):
            yield number, str(values.get("swarm_address")), "swarm_address"


def _members(managers: Sequence[str], workers: Sequence[str]) -> Iterator[Problem]:
    if not managers:
        yield Problem("swarm_managers", "is empty: a Swarm needs a manager", "name one, three or five hosts")
    elif len(managers) > 7:
        yield Problem("swarm_managers", f"{len(managers)} managers are slow to agree", "name three or five hosts")
    for variable, names in (("swarm_managers", managers), ("swarm_workers", workers)):
        for name in sorted({name for name in names if list(names).count(name) > 1}):
            yield Problem(variable, f"{name} is named twice", "name it once")
    for name in sorted(set(managers) & set(workers)):
        what = f"{name} is in swarm_managers, too; a manager runs tasks anyway"
        yield Problem("swarm_workers", what, "keep one of them")
