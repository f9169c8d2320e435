"""Rules of role edge: sites, their names, limits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..engine.errors import Problem
from ..engine.options import nearest
from .rules import (
    HOST_NAME,
    LABEL,
    Look,
    Platform,
    RoleInput,
    Values,
    debian_only,
    host_port,
    in_range,
    keys_spelled,
    networks,
    one_of,
    ports,
    ranges,
    spelled,
)

_RATE = re.compile(r"[1-9]\d*r/[sm]")
_HEADER = re.compile(r"[A-Za-z0-9-]+")
_PATH = re.compile(r"/[A-Za-z0-9._~/-]*")
_FILE, _ABSOLUTE = re.compile(r"/[A-Za-z0-9._/-]+"), "write an absolute path of letters, digits and ._-"
_USER = re.compile(r"[A-Za-z0-9._-]+")
_MAIL = re.compile(r"[^\s@]+@([A-Za-z0-9-]+\.)+[A-Za-z]{2,}")


class Input(RoleInput):
    """edge_sites, edge_rate_limits and the server's settings."""

    entries = {"edge_sites": "site", "edge_rate_limits": "rate_limit"}
    secrets = ("edge_sites.*.users.*",)

    def problems(self, values: Values) -> Iterator[Problem]:
        yield from ports(values, "edge_status_port")
        yield from ranges(
            values,
            edge_hsts_seconds=(0, 63072000),
            edge_maintenance_retry_seconds=(1, 86400),
            edge_connections=(64, 65536),
        )
        for variable in ("edge_trusted_proxies", "edge_rate_exempt", "edge_maintenance_bypass"):
            yield from networks(variable, values.get(variable, ()))
        if values.get("edge_certbot_email"):
            mail = values["edge_certbot_email"]
            yield from spelled("edge_certbot_email", mail, _MAIL, "a mail address", "write one like admin@example.com")
        yield from keys_spelled(
            "edge_headers", values.get("edge_headers", {}), _HEADER, "the name of a header", "see MDN"
        )
        limits = values.get("edge_rate_limits", {})
        for name, limit in limits.items():
            fix = "write requests per second or minute, e.g. 20r/s or 60r/m"
            yield from spelled(f"edge_rate_limits.{name}.rate", limit.get("rate"), _RATE, "a rate", fix)
            yield from in_range(f"edge_rate_limits.{name}.burst", limit.get("burst"), 0, 100000)
            yield from in_range(f"edge_rate_limits.{name}.connections", limit.get("connections"), 0, 100000)
        taken: dict[str, str] = {}
        for name, site in values.get("edge_sites", {}).items():
            yield from _site(name, site, limits)
            for number, host in enumerate(site.get("names", ())):
                if taken.setdefault(host, name) != name:
                    where = f"edge_sites.{name}.names.{number}"
                    yield Problem(where, f"{host} is also a name of site {taken[host]}", "keep it in one of them")

    def across(self, host: str, values: Values, platform: Platform) -> Iterator[Problem]:
        records = _records(platform)
        if not records:
            return
        instance = platform.instances.get(host, host)
        for name, site in values.get("edge_sites", {}).items():
            for number, served in enumerate(site.get("names", ())):
                where = f"edge_sites.{name}.names.{number}"
                leads = records.get(served)
                if leads is None:
                    near = nearest(served, records)
                    declare = f"declare it in aws_dns_records (type: A, host: {instance})"
                    fix = f"write `{near}`, or {declare}" if near else declare
                    yield Problem(where, f"`{served}` has no DNS record", fix)
                elif leads and leads != instance:
                    fix = f"move the site to {leads}, or the record to {instance}"
                    yield Problem(where, f"DNS points `{served}` to {leads}, not to {instance}", fix)

    def on_host(self, values: Values, facts: Mapping[str, Any], look: Look) -> Iterator[Problem]:
        yield from debian_only("edge", facts)

    def listens(self, values: Values) -> Iterator[tuple[int, str, str]]:
        for number in (80, 443):
            yield number, "", "edge_sites"
        yield values["edge_status_port"], "127.0.0.1", "edge_status_port"


def _records(platform: Platform) -> dict[str, str]:
    """The instance that each declared name points to; "" for a record with literal values."""
    found = {}
    for key, record in (platform.aws.get("aws_dns_records") or {}).items():
        if record.get("type") in ("A", "AAAA", "CNAME"):
            found[str(record.get("name", key)).rstrip(".")] = record.get("host") or ""
    return found


def _site(name: str, site: Values, limits: Mapping[str, Any]) -> Iterator[Problem]:
    where = f"edge_sites.{name}"
    if not LABEL.fullmatch(name) or name == "all":
        fix = "write lower-case letters, digits and hyphens, and not `all`"
        yield Problem(where, f"`{name}` is not the name of a site", fix)
    if not site.get("names"):
        yield Problem(f"{where}.names", "is empty", "write the host names of the site")
    for number, host in enumerate(site.get("names", ())):
        fix = "write it in full and in lower case, without a wildcard, e.g. www.example.com"
        yield from spelled(f"{where}.names.{number}", host, HOST_NAME, "a host name", fix)
    ways = [key for key in ("upstreams", "root", "redirect") if key in site]
    if len(ways) != 1:
        what = f"has {' and '.join(ways) or 'none of upstreams, root and redirect'}"
        yield Problem(where, what, "give exactly one of upstreams, root and redirect")
    if "upstreams" in site and not site["upstreams"]:
        yield Problem(f"{where}.upstreams", "is empty", "write at least one, e.g. 127.0.0.1:8080")
    for number, upstream in enumerate(site.get("upstreams", ())):
        yield from host_port(f"{where}.upstreams.{number}", upstream)
    if "redirect" in site:
        pattern, fix = re.compile(r"https?://[^/\s]+"), "write scheme and host only, e.g. https://example.com"
        yield from spelled(f"{where}.redirect", site["redirect"], pattern, "a redirect target", fix)
    if "root" in site:
        yield from spelled(f"{where}.root", site["root"], _FILE, "a folder", _ABSOLUTE)
    for key in ("spa", "immutable"):
        if site.get(key) and "root" not in site:
            yield Problem(f"{where}.{key}", f"{key} is for a site with `root`", f"remove {key}")
    for number, prefix in enumerate(site.get("immutable", ())):
        pattern = re.compile(r"/[^\s\"';{}]*")
        yield from spelled(
            f"{where}.immutable.{number}", prefix, pattern, "a prefix of paths", "write one like /assets/"
        )
    for path, target in site.get("moved", {}).items():
        for text in (path, target):
            fix = "write one like /classic/graph, without a query"
            yield from spelled(f"{where}.moved.{path}", text, _PATH, "a path", fix)
        if target in site["moved"]:
            yield Problem(f"{where}.moved.{path}", f"`{target}` has moved as well", "write where that is")
    for path, file in site.get("pages", {}).items():
        yield from spelled(f"{where}.pages.{path}", path, _PATH, "a path", "write one like /platform")
        yield from spelled(f"{where}.pages.{path}", file, _FILE, "a file", _ABSOLUTE)
        if path in site.get("moved", {}):
            yield Problem(f"{where}.pages.{path}", "has moved as well", "remove one of the two")
    yield from in_range(f"{where}.upload_mib", site.get("upload_mib"), 1, 102400, "(MiB)")
    yield from in_range(f"{where}.timeout_seconds", site.get("timeout_seconds"), 1, 86400)
    if site.get("rate_limit"):
        declare = "declare it in edge_rate_limits"
        yield from one_of(f"{where}.rate_limit", site["rate_limit"], limits, "in edge_rate_limits", declare=declare)
    yield from networks(f"{where}.allow", site.get("allow") or ())
    yield from keys_spelled(f"{where}.headers", site.get("headers", {}), _HEADER, "the name of a header", "see MDN")
    for user, password in site.get("users", {}).items():
        yield from spelled(f"{where}.users.{user}", user, _USER, "a user's name", "write letters, digits and ._-")
        if len(str(password or "")) < 12:
            yield Problem(f"{where}.users.{user}", "the password has fewer than 12 characters", "use a longer one")
