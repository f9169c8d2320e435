"""Hosts of an account as network namespaces around one that is the router: real packets, and nothing of the machine's.

The router has the rehearsal's rules; each subnet is a bridge in it. `internet` is a namespace outside of the VPC, and
`administrators` the router itself, from the address that Ansible has in a rehearsal.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from ipaddress import IPv4Network
from pathlib import Path

from rehearsal.hosts.firewall import text
from rehearsal.network import rules
from rehearsal.network.account import Account

_ROOT = () if os.geteuid() == 0 else ("sudo", "-n")
AGENT = Path(__file__).with_name("packet_agent.py")
INTERNET, ADMINISTRATORS = "internet", "administrators"
#: an address of the internet, its router, and the administrator's
OUTSIDE, EXCHANGE, ADMINISTRATOR = "11.0.0.7", "11.0.0.1", "172.31.255.1"
Probe = tuple[str, str, int]


def run(*command: str, stdin: str = "") -> None:
    """As root."""
    done = subprocess.run([*_ROOT, *command], input=stdin, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"{command}: {done.stderr}"


class Lab:
    """hosts: private address and subnet by name."""

    def __init__(self, hosts: Mapping[str, tuple[str, IPv4Network]], tcp: Sequence[int], udp: Sequence[int]) -> None:
        self.prefix = f"lab{os.getpid()}"
        self.router = f"{self.prefix}-router"
        self._hosts = hosts
        self._ports = [",".join(map(str, ports)) for ports in (tcp, udp)]
        self._agents: dict[str, subprocess.Popen[str]] = {}

    def name(self, host: str) -> str:
        """The namespace of a host."""
        return self.router if host == ADMINISTRATORS else f"{self.prefix}-{host.lower()}"

    def _in(self, namespace: str, *command: str, stdin: str = "") -> None:
        run("ip", "netns", "exec", namespace, *command, stdin=stdin)

    def build(self) -> None:
        """Namespaces, bridges and links."""
        for name in (ADMINISTRATORS, INTERNET, *self._hosts):
            run("ip", "netns", "add", self.name(name))
            self._in(self.name(name), "ip", "link", "set", "lo", "up")
        settings = ("net.ipv4.ip_forward=1", "net.bridge.bridge-nf-call-iptables=1")
        self._in(self.router, "sysctl", "-q", "-w", *settings)
        bridges = {
            cidr: f"br{number}" for number, cidr in enumerate(sorted({cidr for _, cidr in self._hosts.values()}))
        }
        for cidr, bridge in bridges.items():
            self._in(self.router, "ip", "link", "add", bridge, "type", "bridge")
            self._address(self.router, bridge, f"{cidr.network_address + 1}/{cidr.prefixlen}")
        self._in(self.router, "ip", "link", "add", "admin", "type", "bridge")
        self._address(self.router, "admin", f"{ADMINISTRATOR}/24")
        for number, (name, (address, cidr)) in enumerate(self._hosts.items()):
            self._link(self.name(name), f"v{number}", f"{address}/{cidr.prefixlen}", str(cidr.network_address + 1))
            self._in(self.router, "ip", "link", "set", f"v{number}", "master", bridges[cidr])
        self._link(self.name(INTERNET), "out", f"{OUTSIDE}/24", EXCHANGE)
        self._address(self.router, "out", f"{EXCHANGE}/24")
        addresses = {
            ADMINISTRATORS: ADMINISTRATOR,
            INTERNET: OUTSIDE,
            **{key: one for key, (one, _) in self._hosts.items()},
        }
        for name, address in addresses.items():
            self._agents[name] = subprocess.Popen(
                [*_ROOT, "ip", "netns", "exec", self.name(name), sys.executable, str(AGENT), address, *self._ports],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        for agent in self._agents.values():
            assert agent.stdout is not None
            assert agent.stdout.readline() == "ready\n"

    def _address(self, namespace: str, link: str, address: str) -> None:
        self._in(namespace, "ip", "address", "add", address, "dev", link)
        self._in(namespace, "ip", "link", "set", link, "up")

    def _link(self, namespace: str, link: str, address: str, gateway: str) -> None:
        """A cable from a namespace, where it is eth0, to the router."""
        ends = ("type", "veth", "peer", "name", "eth0", "netns", namespace)
        self._in(self.router, "ip", "link", "add", link, *ends)
        self._in(self.router, "ip", "link", "set", link, "up")
        self._address(namespace, "eth0", address)
        self._in(namespace, "ip", "route", "add", "default", "via", gateway)

    def load(self, vpc: IPv4Network, account: Account) -> None:
        """The rules that an account comes to."""
        chains = rules.chains(rules.Machine(vpc, (ADMINISTRATOR, 1)), account)
        self._in(self.router, "nft", "-f", "-", stdin=text("lab", chains))

    def unload(self) -> None:
        """No rules at all."""
        self._in(self.router, "nft", "flush", "ruleset")

    def forget(self) -> None:
        """No connections: a protocol without ports has one for both directions."""
        self._in(self.router, "conntrack", "-F")

    def answered(self, probes: Mapping[str, Iterable[Probe]], seconds: float) -> set[tuple[str, Probe]]:
        """Which probes were answered, by the name of the source."""

        def ask(name: str) -> list[tuple[str, Probe]]:
            agent = self._agents[name]
            assert agent.stdin is not None
            assert agent.stdout is not None
            agent.stdin.write(json.dumps([seconds, *probes[name]]) + "\n")
            agent.stdin.flush()
            return [(name, (one, two, three)) for one, two, three in json.loads(agent.stdout.readline())]

        with ThreadPoolExecutor(len(self._agents)) as pool:
            return {item for found in pool.map(ask, probes) for item in found}

    def remove(self) -> None:
        """Everything that was made."""
        for agent in self._agents.values():
            if agent.stdin:
                agent.stdin.close()
            agent.wait(30)
        for name in (ADMINISTRATORS, INTERNET, *self._hosts):
            with suppress(AssertionError):
                run("ip", "netns", "delete", self.name(name))


@contextmanager
def lab(hosts: Mapping[str, tuple[str, IPv4Network]], tcp: Sequence[int], udp: Sequence[int]) -> Iterator[Lab]:
    """A lab that ends with its block."""
    made = Lab(hosts, tcp, udp)
    try:
        made.build()
        yield made
    finally:
        made.remove()
