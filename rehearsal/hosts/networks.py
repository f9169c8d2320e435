"""A podman network for each subnet, and the address that the controller has."""

from __future__ import annotations

import json
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from . import firewall, guard, owner, routes
from .command import attempt, run
from .errors import LocalHostsError
from .fleet import Fleet, Network
from .state import LABEL, HostsState

_DIRECTORY = f"{LABEL}.directory"
_SUBNET = f"{LABEL}.subnet"


def ensure(state: HostsState, fleet: Fleet) -> None:
    """Make what is missing; refuse where somebody else has the addresses."""
    own = check_free(fleet.vpc, state)
    present = {item["labels"].get(_SUBNET): IPv4Network(item["subnets"][0]["subnet"]) for item in own}
    for subnet_id, cidr in present.items():
        if (subnet_id, cidr) not in {(network.subnet_id, network.cidr) for network in fleet.networks}:
            # Hosts of a removed subnet are removed before it.
            run(["podman", "network", "rm", state.named(str(subnet_id))])
    for network in fleet.networks:
        if present.get(network.subnet_id) != network.cidr:
            _create(state, network)
    _controller(state, fleet)
    guard.apply(state, fleet)


def check_free(vpc: IPv4Network, state: HostsState) -> list[dict[str, Any]]:
    """Refuse a range that this machine uses for something else; the podman networks that this rehearsal has."""
    existing = _inspect()
    own = [item for item in existing if state.id and item.get("labels", {}).get(LABEL) == state.id]
    _refuse_others(vpc, [item for item in existing if item not in own])
    links = {item["network_interface"] for item in own} | {state.controller_link}
    table = json.loads(run(["ip", "-j", "-4", "route", "show", "table", "all"]) or "[]")
    if found := routes.conflicts(table, vpc, links):
        raise LocalHostsError(routes.message(found, vpc))
    return own


def _create(state: HostsState, network: Network) -> None:
    run(
        [
            *("podman", "network", "create", "--driver", "bridge", "--disable-dns"),
            *("--label", state.label, "--label", f"{_DIRECTORY}={state.aws.directory}"),
            *owner.labels(),
            *("--label", f"{_SUBNET}={network.subnet_id}", "--opt", f"mtu={_mtu()}"),
            *("--subnet", str(network.cidr), "--gateway", str(network.gateway)),
            state.named(network.subnet_id),
        ]
    )


def attachment(network: str, address: IPv4Address) -> str:
    """What podman's --network takes. As in a VPC, a host that comes back has the hardware address that it had.

    With another one, whoever talked to it before would send into the void until its ARP entry is a minute old.
    """
    return f"{network}:ip={address},mac=0a:00:{address.packed.hex(':')}"


def keep_addresses(state: HostsState) -> None:
    """Let gateways keep their hardware addresses for the same reason: a bridge takes that of one of its hosts."""
    for item in _inspect():
        link = Path("/sys/class/net") / item["network_interface"] / "address"
        if item.get("labels", {}).get(LABEL) == state.id and link.exists():
            run(["ip", "link", "set", "dev", item["network_interface"], "address", link.read_text().strip()])


def _mtu() -> int:
    """The MTU of the machine's way out, where it is smaller than usual."""
    defaults = json.loads(attempt(["ip", "-j", "-4", "route", "show", "default"]).stdout or "[]")
    sizes = [int(Path(f"/sys/class/net/{route['dev']}/mtu").read_text()) for route in defaults if "dev" in route]
    return min([1500, *sizes])


def _controller(state: HostsState, fleet: Fleet) -> None:
    """Give this machine an address in the controller's network, for Ansible to come from and for the local AWS.

    A bridge of its own: that of a podman network, with its address, comes and goes with the containers on it.
    """
    link = state.controller_link
    address = f"{fleet.controller.network_address + 1}/{fleet.controller.prefixlen}"
    shown = json.loads(attempt(["ip", "-j", "-4", "address", "show", "dev", link]).stdout or "[]")
    present = [f"{info['local']}/{info['prefixlen']}" for item in shown for info in item.get("addr_info", [])]
    if present == [address]:
        return
    attempt(["ip", "link", "delete", "dev", link])
    run(["ip", "link", "add", "name", link, "type", "bridge"])
    run(["ip", "link", "set", "dev", link, "alias", f"{state.label} {state.aws.directory}"])
    run(["ip", "address", "add", address, "dev", link])
    run(["ip", "link", "set", "dev", link, "up"])


def _refuse_others(vpc: IPv4Network, others: Iterable[dict[str, Any]]) -> None:
    """A podman network that overlaps: of another rehearsal, or of something else, running or not."""
    for item in others:
        for subnet in item.get("subnets") or []:
            if ":" in subnet["subnet"] or not IPv4Network(subnet["subnet"]).overlaps(vpc):
                continue
            if directory := item.get("labels", {}).get(_DIRECTORY):
                raise LocalHostsError(
                    f"the rehearsal in {directory} has hosts in {subnet['subnet']} already, and this one wants "
                    f"{vpc}: two with the same range cannot run on one machine. Stop that one "
                    f"(REHEARSAL_DIR={directory} make down) or declare another range for one of them"
                )
            raise LocalHostsError(
                f"podman's network {item['name']} uses {subnet['subnet']}, which is in the VPC's range {vpc}: "
                f"remove it (podman network rm {item['name']}) or declare another range for the rehearsal"
            )


def _inspect() -> list[dict[str, Any]]:
    names = run(["podman", "network", "ls", "--quiet"]).split()
    found: list[dict[str, Any]] = json.loads(run(["podman", "network", "inspect", *names])) if names else []
    return found


def remove(state: HostsState) -> int:
    """Remove the networks of this rehearsal, the controller's address and the table; how many networks."""
    names = run(["podman", "network", "ls", "--quiet", "--filter", f"label={state.label}"]).split()
    if names:
        run(["podman", "network", "rm", *names])
    attempt(["ip", "link", "delete", "dev", state.controller_link])
    firewall.remove(state.table)
    return len(names)
