"""Every host by itself."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

import pytest
from ansible.module_utils.platform.reach.listening import seen_findings
from testinfra.host import Host

testinfra_hosts = ["ansible://platform"]

#: a unit that has run for so many seconds since its last restart is not in a restart loop
SETTLED = 60


def test_nothing_has_failed(host: Host) -> None:
    assert host.check_output("systemctl list-units --failed --plain --no-legend") == ""


def restarting(host: Host) -> list[str]:
    """Services that systemd has started again a moment ago, or is about to. They are never `failed`."""
    properties = "Id,ActiveState,SubState,NRestarts,StateChangeTimestamp"
    now, *services = host.check_output(
        f"date +%s; echo; systemctl show --timestamp=unix --property={properties} '*.service'"
    ).split("\n\n")
    found = []
    for service in services:
        of = dict(line.split("=", 1) for line in service.splitlines())
        again = int(of["NRestarts"])
        recent = int(now) - int(of["StateChangeTimestamp"].lstrip("@") or 0) < SETTLED
        if of["SubState"].startswith("auto-restart") or (again and (recent or of["ActiveState"] == "activating")):
            found.append(f"{of['Id']}: {of['SubState']}, started again {again} times")
    return found


def test_nothing_restarts_for_ever(host: Host) -> None:
    deadline = time.monotonic() + SETTLED + 10
    while (found := restarting(host)) and time.monotonic() < deadline:
        time.sleep(5)
    assert not found, "\n".join(found)


def test_the_last_configuration_went_through(host: Host) -> None:
    assert not host.file("/var/lib/koin/run").exists, "configure.yml was interrupted here: run it again"


def listeners(host: Host) -> dict[str, str]:
    """What listens beyond loopback, as `tcp 3306`, with its programs."""
    lines = host.check_output("ss --no-header --listening --tcp --udp --numeric --processes").splitlines()
    found: dict[str, set[str]] = {}
    for line in lines:
        protocol, _, _, _, local, _, *processes = line.split()
        address, _, port = local.rpartition(":")
        if not re.match(r"(127\.|\[::1\]|\[::ffff:127\.)", address.split("%")[0]):
            programs = re.findall(r'\("([^"]*)"', " ".join(processes)) or ["kernel"]
            found.setdefault(f"{protocol} {port}", set()).update(programs)
    return {port: ", ".join(sorted(programs)) for port, programs in found.items()}


def differing(seen: Mapping[str, str], wanted: Collection[str], sometimes: Collection[str]) -> list[str]:
    """What listens and is not declared, and the other way round."""
    undeclared = {port: program for port, program in seen.items() if port not in (*wanted, *sometimes)}
    return [
        *(f"{port} listens and is not declared: {program}" for port, program in sorted(undeclared.items())),
        *(f"{port} is declared and does not listen" for port in sorted(set(wanted) - set(seen))),
    ]


def test_what_listens_is_what_is_declared(host: Host, variables: dict[str, Any]) -> None:
    wrong = differing(listeners(host), variables["verify_listening"], variables["verify_listening_sometimes"])
    assert not wrong, "\n".join(wrong)


def test_what_is_open_is_compared_with_what_listens(
    host: Host, variables: dict[str, Any], note: Callable[[str], None]
) -> None:
    """Notes the differences: of a group's rules, each member gets all, whoever of them listens."""
    if "verify_open" not in variables:
        pytest.skip("the account was not read")
    guarded, sometimes = variables["verify_guarded"], variables["verify_listening_sometimes"]
    for finding in seen_findings(variables["verify_open"], listeners(host), guarded, sometimes):
        note(f"{variables['inventory_hostname']}: {finding}")


@pytest.mark.parametrize("setting", ["passwordauthentication no", "permitrootlogin no", "usepam yes"])
def test_ssh_takes_keys_only(host: Host, setting: str) -> None:
    assert setting in host.check_output("sshd -T").splitlines()
