"""Rules of role docker: ranges of its networks, limits of its logs."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..engine.errors import Problem
from ..engine.options import check_options
from .rules import Look, Platform, RoleInput, Values, debian_only, host_port, network, ranges, spelled

_SIZE = re.compile(r"[1-9]\d*[kmg]")
#: an entry of default-address-pools, which goes to Docker as it is
_POOL = {
    "base": {"type": "str", "required": True, "description": "The range"},
    "size": {"type": "int", "required": True, "description": "Prefix length of each network"},
}
_PROXY = re.compile(r"https?://[^\s/]+(/\S*)?")


class Input(RoleInput):
    """docker_*."""

    entries = {"docker_registries": "registry"}

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

    def across(self, host: str, values: Values, platform: Platform) -> Iterator[Problem]:
        pools = [
            (f"docker_address_pools.{n}.base", pool["base"]) for n, pool in enumerate(values["docker_address_pools"])
        ]
        for where, own in (("docker_bridge_address", values["docker_bridge_address"]), *pools):
            for name, vpc in (platform.aws.get("aws_network_vpcs") or {}).items():
                if _overlap(own, vpc["cidr"]):
                    what = f"{own} is in the VPC {name} ({vpc['cidr']}): hosts there could not be reached"
                    yield Problem(where, what, "choose a range outside, e.g. 10.200.0.0/15")

    def on_host(self, values: Values, facts: Mapping[str, Any], look: Look) -> Iterator[Problem]:
        yield from debian_only("docker", facts)


def _overlap(one: Any, other: Any) -> bool:
    try:
        return ipaddress.ip_network(str(one), strict=False).overlaps(ipaddress.ip_network(str(other), strict=False))
    except (ValueError, TypeError):
        return False
