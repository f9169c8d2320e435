"""Rules of role docker: ranges of its networks, limits of its logs, what containers may connect to."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..engine.errors import Problem
from ..engine.options import check_options
from .rules import (
    Look,
    Platform,
    RoleInput,
    Values,
    address,
    debian_only,
    host_port,
    network,
    networks,
    port,
    ranges,
    spelled,
)

_SIZE = re.compile(r"[1-9]\d*[kmg]")
#: an entry of default-address-pools, which goes to Docker as it is
_POOL = {
    "base": {"type": "str", "required": True, "description": "The range"},
    "size": {"type": "int", "required": True, "description": "Prefix length of each network"},
}
#: as the platform writes what listens
_OPEN = re.compile(r"(tcp|udp) \d{1,5}")
_PROXY = re.compile(r"https?://[^\s/]+(/\S*)?")


class Input(RoleInput):
    """docker_*."""

    entries = {"docker_registries": "registry", "docker_reachable": "reachable"}

    def problems(self, values: Values) -> Iterator[Problem]:
        yield from ranges(values, docker_log_max_files=(1, 1000), docker_prune_days=(0, 3650))
        fix = "write a number with k, m or g, e.g. 10m"
        yield from spelled("docker_log_max_size", values.get("docker_log_max_size"), _SIZE, "a size", fix)
        bridge = str(values.get("docker_bridge_address"))
        try:
            if "/" not in bridge:
                raise ValueError
            ipaddress.IPv4Interface(bridge)
        except ValueError:
            fix = "write both, e.g. 10.200.0.1/24"
            yield Problem("docker_bridge_address", f"`{bridge}` is not an address with its prefix length", fix)
        for number, pool in enumerate(values.get("docker_address_pools", ())):
            where = f"docker_address_pools.{number}"
            pool, found = check_options(where, pool, _POOL)
            if found:
                yield from found
                continue
            yield from network(f"{where}.base", pool["base"], bare=False)
            prefix = str(pool["base"]).rpartition("/")[2]
            if prefix.isdigit() and isinstance(pool["size"], int) and not int(prefix) <= pool["size"] <= 30:
                what = f"{pool['size']} is not the prefix length of a subnet of {pool['base']}"
                yield Problem(f"{where}.size", what, f"write one from {prefix} to 30, e.g. 24")
        if values.get("docker_http_proxy"):
            fix = "write one like http://proxy.example:3128"
            yield from spelled("docker_http_proxy", values["docker_http_proxy"], _PROXY, "the URL of a proxy", fix)
        for name, registry in values.get("docker_registries", {}).items():
            yield from host_port(f"docker_registries.{name}", name, "bcsd-build:5000")
            if "BEGIN CERTIFICATE" not in str(registry.get("ca", "")):
                fix = 'write the PEM text of the authority, e.g. "{{ tls_ca_certificate }}"'
                yield Problem(f"docker_registries.{name}.ca", "is not a certificate", fix)

        yield from networks("docker_guarded_networks", values.get("docker_guarded_networks", ()))
        for name, entry in values.get("docker_reachable", {}).items():
            where = f"docker_reachable.{name}"
            yield from port(f"{where}.port", entry["port"])
            if not entry["addresses"]:
                yield Problem(f"{where}.addresses", "is empty", "give the addresses that offer it, or remove the entry")
            for number, one in enumerate(entry["addresses"]):
                yield from address(f"{where}.addresses.{number}", one)
        for number, opened in enumerate(values.get("docker_open_ports", ())):
            where = f"docker_open_ports.{number}"
            yield from spelled(where, opened, _OPEN, "a protocol and a port", "write one like tcp 8443")
            yield from port(where, int(re.sub(r"\D", "", str(opened)) or 1))

    def across(self, host: str, values: Values, platform: Platform) -> Iterator[Problem]:
        pools = [
            (f"docker_address_pools.{n}.base", pool["base"]) for n, pool in enumerate(values["docker_address_pools"])
        ]
        for where, own in (("docker_bridge_address", values["docker_bridge_address"]), *pools):
            for name, vpc in (platform.aws.get("aws_network_vpcs") or {}).items():
                if _overlap(own, vpc["cidr"]):
                    what = f"{own} is in the VPC {name} ({vpc['cidr']}): hosts there could not be reached"
                    yield Problem(where, what, "choose a range outside, e.g. 10.200.0.0/15")

        yield from _hops(host, values, platform)

    def on_host(self, values: Values, facts: Mapping[str, Any], look: Look) -> Iterator[Problem]:
        yield from debian_only("docker", facts)


def _hops(host: str, values: Values, platform: Platform) -> Iterator[Problem]:
    """The metadata service answers one hop away for containers that need it, and for no others."""
    name = platform.instances.get(host, "")
    entry = (platform.aws.get("aws_compute_instances") or {}).get(name) or {}
    hops = (entry.get("metadata") or {}).get("hop_limit")
    if not isinstance(hops, int):
        return
    where = f"aws_compute_instances.{name}.metadata.hop_limit"
    if values.get("docker_metadata") and hops < 2:
        what = f"a service on {host} has `metadata: true`, and answers of the metadata service end after {hops} hop"
        yield Problem(where, what, "write metadata: {hop_limit: 2} in the entry of the instance")
    elif not values.get("docker_metadata") and hops > 1:
        what = f"{hops} hops lead into the containers of {host}, and no service there has `metadata: true`"
        fix = "write 1, or `metadata: true` in the service of platform_stacks that uses the role of the instance"
        yield Problem(where, what, fix)


def _overlap(one: Any, other: Any) -> bool:
    try:
        return ipaddress.ip_network(str(one), strict=False).overlaps(ipaddress.ip_network(str(other), strict=False))
    except (ValueError, TypeError):
        return False
