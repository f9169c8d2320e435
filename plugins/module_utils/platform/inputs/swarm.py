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

    entries = {"swarm_networks": "network", "swarm_clusters": "cluster"}
    needs = ("swarm",)

    def problems(self, values: Values) -> Iterator[Problem]:
        clusters = values.get("swarm_clusters", {})
        fix = "write lower-case letters, digits, `_`, `.` and `-`"
        yield from keys_spelled("swarm_clusters", clusters, _NETWORK, "the name of a Swarm", fix)
        taken: dict[str, str] = {}
        for name, cluster in clusters.items():
            where = f"swarm_clusters.{name}"
            yield from _members(where, cluster.get("managers") or [], cluster.get("workers") or [])
            for host in dict.fromkeys(_declared_in(cluster)):
                if taken.setdefault(host, name) != name:
                    what = f"{host} is declared in the Swarm {taken[host]}, too"
                    yield Problem(where, what, "keep it in one of them: a host is in one Swarm")
        inheriting = [name for name, cluster in clusters.items() if cluster.get("inherits")]
        if len(inheriting) > 1:
            what = f"{' and '.join(inheriting)} inherit the hosts' former Swarm, which only one can be"
            yield Problem("swarm_clusters", what, "keep `inherits` for one of them")
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
        known = {*platform.hosts, "true"}
        for name in filter(None, (item.strip() for item in str(values.get("swarm_move", "")).split(","))):
            declare = "write `true` for every host that is in another Swarm than declared"
            yield from one_of("swarm_move", name, known, "a declared host", declare=declare)
        for name, cluster in values.get("swarm_clusters", {}).items():
            where = f"swarm_clusters.{name}"
            count = len(cluster.get("managers") or ())
            if count and count % 2 == 0:
                what = f"{count} managers tolerate no more failures than {count - 1}: {count // 2 + 1} have to be up"
                yield Problem(f"{where}.managers", what, "name one, three or five hosts; the others are workers")
            for variable in ("managers", "workers"):
                for number, host_ in enumerate(cluster.get(variable) or ()):
                    at = f"{where}.{variable}.{number}"
                    if host_ in platform.hosts and not platform.values(host_, "swarm"):
                        what = f"{host_} does not run containers, so it cannot be a member"
                        yield Problem(at, what, "remove it, or give the host that function")
                    else:
                        declare = "declare it in aws_compute_instances"
                        yield from one_of(at, str(host_), platform.hosts, "a declared host", declare=declare)

    def listens(self, values: Values) -> Iterator[tuple[int, str, str]]:
        for number in (2377, 7946):
            yield number, str(values.get("swarm_address")), "swarm_address"


def _declared_in(cluster: Values) -> list[str]:
    return [*(cluster.get("managers") or ()), *(cluster.get("workers") or ())]


def swarm_of(values: Values, host: str) -> str:
    """The Swarm in which swarm_clusters names a host; empty for none."""
    clusters = values.get("swarm_clusters") or {}
    return next((name for name, cluster in clusters.items() if host in _declared_in(cluster)), "")


def _members(where: str, managers: Sequence[str], workers: Sequence[str]) -> Iterator[Problem]:
    if not managers:
        yield Problem(f"{where}.managers", "is empty: a Swarm needs a manager", "name one, three or five hosts")
    elif len(managers) > 7:
        what = f"{len(managers)} managers are slow to agree"
        yield Problem(f"{where}.managers", what, "name three or five hosts")
    for variable, names in (("managers", managers), ("workers", workers)):
        for name in sorted({name for name in names if list(names).count(name) > 1}):
            yield Problem(f"{where}.{variable}", f"{name} is named twice", "name it once")
    for name in sorted(set(managers) & set(workers)):
        what = f"{name} is a manager, too; a manager runs tasks anyway"
        yield Problem(f"{where}.workers", what, "keep one of them")
