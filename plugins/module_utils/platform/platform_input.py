"""What is wrong with platform_offers and platform_sites, the source of rules, records and sites of hosts, and with
platform_bucket. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from .engine.checks import listed, missing, undeclared
from .engine.errors import Problem
from .engine.formats import hostname_fault, port
from .engine.options import Options, check_options, check_value, nearest
from .kinds.dns import holding

#: groups of hosts that are no function: every host, and those that are in a Swarm
_GROUPS = ("platform", "swarm_members")
_CLIENTS = ("administrators", "internet", "members")
_OFFER: Options = {
    "function": {"type": "str", "required": True, "description": "The hosts that offer it, a group of the inventory."},
    "port": {"type": "int", "description": "The one port on which they listen."},
    "protocol": {"type": "str", "choices": ["tcp", "udp", "esp"], "description": "The protocol, tcp by default."},
    "groups": {"type": "list", "elements": "str", "required": True, "description": "Groups that let clients in."},
    "clients": {
        "type": "raw",
        "required": True,
        "description": "internet, administrators, members, or security groups.",
    },
    "listens": {"type": "str", "choices": ["always", "sometimes"], "description": "Whether it may be silent."},
    "metrics": {
        "type": "dict",
        "description": "How Prometheus scrapes it.",
        "options": {"job": {"type": "str", "required": True}, "client_certificate": {"type": "bool"}},
    },
    "probe": {"type": "str", "description": "A path that Prometheus probes over TLS."},
}
_NAMES = {"type": "list", "elements": "str", "required": True, "description": "Public names of the site."}


def bucket_problems(name: Any, buckets: Collection[str]) -> Iterator[Problem]:
    """buckets: the declared ones, among which the bucket of the platform has to be."""
    if name not in buckets:
        near = nearest(str(name), buckets)
        fix = f"write `{near}`, or declare it there" if near else "declare it there, as `koin-platform: {}`"
        yield Problem("platform_bucket", f"`{name}` is not in aws_storage_buckets", fix)


def offer_problems(offers: Any, groups: Collection[str], functions: Collection[str]) -> Iterator[Problem]:
    """groups: the declared security groups. functions: what hosts can be declared for."""
    if not isinstance(offers, Mapping):
        yield Problem("platform_offers", "is not a mapping", "write `name: {...}` for each offer")
        return
    uses: dict[str, list[str]] = {}
    for name, entry in offers.items():
        where = f"platform_offers.{name}"
        if not isinstance(entry, Mapping):
            yield Problem(where, "is not a mapping", "write {function: …, port: …, groups: […], clients: …}")
            continue
        offer, problems = check_options(where, entry, _OFFER)
        yield from problems
        if problems:
            continue
        known = sorted({*functions, *_GROUPS})
        if offer["function"] not in known:
            near = nearest(offer["function"], known)
            what = f"`{offer['function']}` is not a function; known are {listed(known)}"
            yield Problem(f"{where}.function", what, f"write `{near}`" if near else "write one of these")
        number, protocol = offer.get("port"), offer.get("protocol", "tcp")
        yield from port(f"{where}.port", number)
        if (number is None) != (protocol == "esp"):
            fix = "remove `port`" if number else "add `port`"
            yield Problem(where, f"protocol {protocol} has {'no ports' if number else 'a port'}", fix)
        clients = offer["clients"] if isinstance(offer["clients"], list) else []
        for field, names in (("groups", offer["groups"]), ("clients", clients)):
            for other in names:
                uses.setdefault(str(other), []).append(f"{where}.{field}")
        if not isinstance(offer["clients"], list) and offer["clients"] not in _CLIENTS:
            near = nearest(str(offer["clients"]), _CLIENTS)
            what = f"`{offer['clients']}` is neither {' nor '.join(_CLIENTS)} nor a list of security groups"
            fix = f"write `{near}`" if near else f"write [{offer['clients']}] for a security group"
            yield Problem(f"{where}.clients", what, fix)
    for group, places in uses.items():
        if group not in groups:
            yield from undeclared("aws_security_groups", group, places, groups, set(groups) - set(uses))


def site_problems(sites: Any, instances: Mapping[str, Any], zones: Collection[str]) -> Iterator[Problem]:
    """Sites belong to hosts of function edge, each of which has some; their names are in declared zones."""
    if not isinstance(sites, Mapping):
        yield Problem("platform_sites", "is not a mapping", "write the sites of each instance below its name")
        return
    edges = {name for name, entry in instances.items() if "edge" in _functions(entry)}
    # Sites of another host are reported below instead.
    for instance in sorted(edges - set(sites)) if set(sites) <= edges else ():
        what = "has `edge`, but platform_sites has no site of this host: it would serve nothing"
        fix = f"declare its sites in platform_sites.{instance}, or remove `edge`"
        yield Problem(f"aws_compute_instances.{instance}.functions", what, fix)
    for instance, of_instance in sites.items():
        where = f"platform_sites.{instance}"
        if instance not in instances:
            yield missing(where, str(instance), "aws_compute_instances", instances)
            continue
        if not isinstance(of_instance, Mapping) or not of_instance:
            yield Problem(where, "has no sites", "write a site as `name: {names: […], service: …}`, or remove it")
            continue
        if instance not in edges:
            fix = f"add `edge` to aws_compute_instances.{instance}.functions, or move them"
            yield Problem(where, f"`{instance}` has sites, but no function edge to serve them", fix)
        for name, site in of_instance.items():
            yield from _site(f"{where}.{name}", site)
    yield from _outside(sites, zones)


def _outside(sites: Mapping[str, Any], zones: Collection[str]) -> Iterator[Problem]:
    """Names in no declared zone; many of one domain are one mistake, that of its zone."""
    places: dict[str, list[tuple[str, str]]] = {}
    used = set()
    for instance, of_instance in sites.items():
        for name, site in of_instance.items() if isinstance(of_instance, Mapping) else ():
            names = site.get("names") if isinstance(site, Mapping) else None
            for number, public in enumerate(names if isinstance(names, list) else ()):
                zone = holding(str(public), zones)
                used.add(zone)
                if zone is None and not hostname_fault(str(public))[0]:
                    domain = ".".join(str(public).split(".")[-2:])
                    where = f"platform_sites.{instance}.{name}.names.{number}"
                    places.setdefault(domain, []).append((where, str(public)))
    for domain, found in places.items():
        near = nearest(domain, set(zones) - used)
        if near and len(found) > 1:
            what = f"no site is in this zone, and `{domain}`, which has {len(found)} names, is not declared"
            yield Problem(f"aws_dns_zones.{near}", what, f"write `{domain}`, or correct the names in platform_sites")
            continue
        for where, public in found:
            what = f"`{public}` is in no declared zone; declared: {listed(zones)}"
            yield Problem(where, what, "declare its zone in aws_dns_zones, or correct the name")


def _functions(entry: Any) -> Collection[str]:
    functions = entry.get("functions") if isinstance(entry, Mapping) else None
    # A value that is not a list is reported elsewhere.
    return functions if isinstance(functions, list) else [functions] if isinstance(functions, str) else ()


def _site(where: str, site: Any) -> Iterator[Problem]:
    if not isinstance(site, Mapping) or "names" not in site:
        yield Problem(where, "has no `names`", "add `names: […]`, the public names that it serves")
        return
    names, problems = check_value(f"{where}.names", site["names"], _NAMES)
    yield from problems
    for number, name in enumerate(names if not problems else ()):
        what, fix = hostname_fault(name)
        if what:
            yield Problem(f"{where}.names.{number}", f"`{name}` {what}", fix)
