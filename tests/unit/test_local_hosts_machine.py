"""What is read of this machine, and what is written to it: apt, routes, rules, steps, keys."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from rehearsal.aws.state import State
from rehearsal.hosts import condition, firewall, image, login, machine_apt, owner, routes
from rehearsal.hosts.condition import Condition
from rehearsal.hosts.errors import LocalHostsError
from rehearsal.hosts.fleet import Host
from rehearsal.hosts.machine_apt import MachineApt
from rehearsal.hosts.state import HostsState
from rehearsal.hosts.steps import Container, Steps, steps

VPC = IPv4Network("172.31.0.0/16")

# --- apt -------------------------------------------------------------------------------------------------------------

STANZAS = """\
Types: deb deb-src
# a comment
URIs: https://mirror.example/debian
Suites: bookworm
 bookworm-updates
Components: main

Types: deb
URIs: https://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
URIs: https://other.example/debian
Suites: bookworm
Enabled: no
"""
LINES = """\
# deb http://commented.example/debian bookworm main
deb [arch=amd64 signed-by=/x.gpg] http://vendor.example/apt stable main
deb [trusted=yes] http://mirror.example/debian/ bookworm main contrib
deb http://mirror.example/debian-security bookworm-security main
"""


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("a.sources", STANZAS, ("https://mirror.example/debian", "https://mirror.example/debian-security")),
        ("sources.list", LINES, ("http://mirror.example/debian/", "http://mirror.example/debian-security")),
        ("sources.list", "deb http://mirror.example/debian sid main\n", ("http://mirror.example/debian", "")),
    ],
)
def test_the_mirror_is_the_machines(path: str, text: str, found: tuple[str, str]) -> None:
    assert machine_apt.mirrors([(Path(path), text)], {}) == found


def test_a_machine_that_is_no_debian_is_asked_for_a_mirror() -> None:
    ubuntu = [(Path("sources.list"), "deb http://archive.example/ubuntu noble main\n")]
    with pytest.raises(LocalHostsError, match="REHEARSAL_DEBIAN_MIRROR"):
        machine_apt.mirrors(ubuntu, {})
    given = {
        "REHEARSAL_DEBIAN_MIRROR": "http://a.example/debian",
        "REHEARSAL_DEBIAN_SECURITY_MIRROR": "http://b.example",
    }
    assert machine_apt.mirrors(ubuntu, given) == ("http://a.example/debian", "http://b.example")


def test_settings_that_say_how_to_reach_a_mirror_are_carried_over() -> None:
    dump = """\
APT::Install-Recommends "1";
Acquire::http::Proxy "http://proxy.example:3128";
Acquire::http::Proxy-Auto-Detect "/usr/bin/a-script";
Acquire::https::Verify-Peer "false";
Acquire::https::CaInfo "/somewhere/on/this/machine.pem";
Acquire::Retries "3";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
DPkg::Post-Invoke:: "rm -f /var/cache/apt/*.bin";
"""
    assert list(machine_apt.settings(dump)) == [
        'Acquire::http::Proxy "http://proxy.example:3128";',
        'Acquire::https::Verify-Peer "false";',
        'Acquire::Retries "3";',
        'Acquire::Check-Valid-Until "false";',
    ]


def test_a_proxy_of_the_environment_counts_where_apt_has_none() -> None:
    apt = MachineApt(
        "http://m.example/debian",
        "",
        ('Acquire::http::Proxy "http://apt.example:1";',),
        (("http_proxy", "http://env.example:2"), ("https_proxy", "http://env.example:3"), ("no_proxy", "a")),
        (),
    )
    assert apt.apt_conf().splitlines() == [
        'Acquire::http::Proxy "http://apt.example:1";',
        'Acquire::https::Proxy "http://env.example:3";',
    ]
    assert "security" not in apt.sources("trixie")


@pytest.mark.parametrize("url", ["http://127.0.0.1:3128", "localhost:3128", "http://user@[::1]:1"])
def test_a_proxy_on_loopback_is_refused(url: str) -> None:
    with pytest.raises(LocalHostsError, match=r"http_proxy is .*a host cannot reach"):
        machine_apt.proxies({"HTTP_PROXY": url})


def test_the_image_is_another_when_anything_in_it_is() -> None:
    plain = MachineApt("http://m.example/debian", "", (), (), ())
    variants = [
        plain,
        replace(plain, mirror="http://n.example/debian"),
        replace(plain, settings=('Acquire::Retries "3";',)),
        replace(plain, certificates=(("a.crt", b"one"),)),
        replace(plain, certificates=(("a.crt", b"two"),)),
    ]
    digests = {image.digest(apt, "") for apt in variants} | {image.digest(plain, "arm64")}
    assert len(digests) == len(variants) + 1
    # no_proxy is not baked in: hosts get it when they are made.
    assert image.digest(replace(plain, proxies=(("no_proxy", "a"),)), "") == image.digest(plain, "")


# --- routes and rules ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("route", "found"),
    [
        ({"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"}, []),
        ({"dst": "0.0.0.0/1", "dev": "tun0"}, []),
        ({"dst": "192.0.2.0/24", "dev": "eth0"}, []),
        ({"dst": "172.31.0.0/20", "dev": "ens5"}, ["172.31.0.0/20 dev ens5"]),
        ({"dst": "172.31.0.2", "dev": "ens5"}, ["172.31.0.2/32 dev ens5"]),
        ({"dst": "172.16.0.0/12", "gateway": "10.0.0.1", "dev": "tun0"}, ["172.16.0.0/12 via 10.0.0.1 dev tun0"]),
        ({"dst": "172.31.0.0/20", "dev": "podman1"}, []),
        ({"type": "broadcast", "dst": "172.31.15.255", "dev": "ens5"}, []),
        ({"type": "blackhole", "dst": "172.31.0.0/16"}, ["172.31.0.0/16 dev -"]),
    ],
)
def test_routes_into_the_range_that_are_not_ours(route: dict[str, Any], found: list[str]) -> None:
    assert routes.conflicts([route, route], VPC, {"podman1"}) == found


def test_the_message_names_the_route_and_a_way_out() -> None:
    text = routes.message(["172.31.0.0/20 dev ens5"], VPC)
    assert "172.31.0.0/16: 172.31.0.0/20 dev ens5" in text
    assert "declare another range" in text


def test_the_table_keeps_source_addresses_before_podman_masquerades() -> None:
    lines = [line.strip() for line in firewall.text("koin_rehearsal_1", firewall.keep_source(VPC)).splitlines()]
    assert "type nat hook postrouting priority 90; policy accept;" in lines
    assert "ip saddr 172.31.0.0/16 ip daddr 172.31.0.0/16 snat to ip saddr" in lines
    # Loading it again replaces it.
    assert lines[:2] == ["table ip koin_rehearsal_1", "delete table ip koin_rehearsal_1"]


@pytest.mark.parametrize(
    ("content", "told"), [(None, "modprobe br_netfilter"), ("0", "bridge-nf-call-iptables=1"), ("1", "")]
)
def test_a_machine_that_hides_packets_within_a_bridge_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, told: str
) -> None:
    setting = tmp_path / "setting"
    if content is not None:
        setting.write_text(f"{content}\n")
    monkeypatch.setattr(firewall, "_BRIDGED", setting)
    with pytest.raises(LocalHostsError, match=told) if told else contextlib.nullcontext():
        firewall.check_bridged()


# --- steps -----------------------------------------------------------------------------------------------------------

HOST = Host("i-1", "A", IPv4Address("172.31.0.20"), "subnet-a", "x86_64")
CONTAINER = Container("koin-1-a", "i-1", "a", "172.31.0.20", "x86_64", "image", running=True)
#: another instance takes the name, and the former one keeps its disk
FORMER, NEW = replace(HOST, name="A-old"), replace(HOST, instance_id="i-2", address=IPv4Address("172.31.0.21"))


@pytest.mark.parametrize(
    ("hosts", "containers", "expected"),
    [
        ([HOST], [CONTAINER], {}),
        ([HOST], [], {"create": (HOST,)}),
        ([HOST], [replace(CONTAINER, running=False)], {"start": (replace(CONTAINER, running=False),)}),
        ([replace(HOST, running=False)], [CONTAINER], {"stop": (CONTAINER,)}),
        ([replace(HOST, running=False)], [], {}),
        ([], [CONTAINER], {"remove": (CONTAINER,)}),
        # Launched again: another id, so another disk.
        (
            [replace(HOST, instance_id="i-2")],
            [CONTAINER],
            {"remove": (CONTAINER,), "create": (replace(HOST, instance_id="i-2"),)},
        ),
        (
            [replace(HOST, address=IPv4Address("172.31.0.21"))],
            [CONTAINER],
            {"remove": (CONTAINER,), "create": (replace(HOST, address=IPv4Address("172.31.0.21")),)},
        ),
        ([FORMER, NEW], [CONTAINER], {"rename": ((CONTAINER, "a-old"),), "create": (NEW,)}),
        (
            [replace(FORMER, running=False)],
            [CONTAINER],
            {"rename": ((CONTAINER, "a-old"),), "stop": (CONTAINER,)},
        ),
    ],
)
def test_steps(hosts: list[Host], containers: list[Container], expected: dict[str, Any]) -> None:
    found = steps(hosts, containers)
    assert found == Steps(**({"remove": (), "rename": (), "stop": (), "start": (), "create": ()} | expected))
    assert found.none is not bool(expected)


# --- condition and login ---------------------------------------------------------------------------------------------


def test_a_host_answers_for_itself() -> None:
    answer = (
        "state degraded\nssh active\nport 22222\nport 22\nkey ssh-ed25519 AAAA\nkey ssh-rsa BBBB\nfailed a.service\n"
    )
    found = condition.parse(answer)
    assert found == Condition("degraded", True, (22222, 22), ("ssh-ed25519 AAAA", "ssh-rsa BBBB"), ("a.service",))
    assert found.ready


@pytest.mark.parametrize(
    "answer", ["", "state starting\n", "state running\nssh inactive\nkey a b\n", "state running\nssh active\n"]
)
def test_a_host_that_is_not_ready(answer: str) -> None:
    assert not condition.parse(answer).ready


def test_known_hosts_hold_on_every_port() -> None:
    found = login.known_hosts([("172.31.0.20", Condition(keys=("ssh-ed25519 AAAA",)))])
    assert found == "172.31.0.20,[172.31.0.20]:* ssh-ed25519 AAAA\n"


@pytest.mark.parametrize("name", ["A", "a", "172.31.0.20"])
def test_a_host_is_found_by_each_of_its_names(name: str) -> None:
    assert login.find(name, [CONTAINER]) is CONTAINER


def test_a_name_that_nobody_has_is_an_error_with_those_that_exist() -> None:
    with pytest.raises(LocalHostsError, match=r"no host b: use one of a$"):
        login.find("b", [CONTAINER])
    with pytest.raises(LocalHostsError, match="make hosts"):
        login.find("b", [])


def test_the_id_is_made_once_and_only_to_start(tmp_path: Path) -> None:
    aws = State(tmp_path / "new", 5566)
    assert HostsState.load(aws).id == ""
    first = HostsState.load(aws, create=True)
    assert len(first.controller_link) <= 15
    assert HostsState.load(aws).id == first.id == HostsState.load(aws, create=True).id
    assert HostsState.load(State(tmp_path / "other", 5566), create=True).id != first.id


# --- Whose hosts they are --------------------------------------------------------------------------------------------


def test_a_process_is_told_from_one_that_had_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "start_time", {12: "700"}.get)
    monkeypatch.setattr(owner, "_boot", lambda: "a1b2")
    own = owner.mark(12)
    assert own == "12/700/a1b2"
    assert owner.alive(own)
    assert not any(owner.alive(other) for other in ("12/699/a1b2", "12/700/ffff", "13/700/a1b2", "", "x"))
    assert owner.mark(13) == ""


def test_an_owner_that_is_no_process_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REHEARSAL_OWNER", "nobody")
    with pytest.raises(LocalHostsError, match="'nobody', which is not a process"):
        owner.labels()
    monkeypatch.delenv("REHEARSAL_OWNER")
    assert owner.labels() == []
