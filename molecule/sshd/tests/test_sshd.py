"""Who gets in, how, and what the server offers; asked over the network, as an attacker would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from testinfra.host import Host


@pytest.fixture
def address(host: Host) -> str:
    found: str = host.ansible.get_variables()["ansible_host"]
    return found


def login(host: Host, address: str, *options: str, user: str = "admin") -> subprocess.CompletedProcess[str]:
    """Try to log in from here."""
    variables = host.ansible.get_variables()
    known = Path(variables["ansible_private_key_file"]).parent / "known_hosts"
    command = ["ssh", "-F", "none", "-o", f"UserKnownHostsFile={known}", "-o", "ConnectTimeout=10", *options]
    port = str(variables.get("ansible_port", 22))
    return subprocess.run(
        [*command, "-p", port, f"{user}@{address}", "true"], capture_output=True, text=True, timeout=30, check=False
    )


def key(host: Host) -> str:
    found: str = host.ansible.get_variables()["ansible_private_key_file"]
    return found


def test_the_key_gets_in(host: Host, address: str) -> None:
    assert login(host, address, "-o", "BatchMode=yes", "-i", key(host)).returncode == 0


def test_only_keys_are_offered(host: Host, address: str) -> None:
    refused = login(host, address, "-o", "BatchMode=yes", "-o", "PubkeyAuthentication=no")
    assert refused.returncode == 255
    assert "Permission denied (publickey)" in refused.stderr


@pytest.mark.parametrize("user", ["root", "nobody"])
def test_others_do_not_get_in_with_the_same_key(host: Host, address: str, user: str) -> None:
    host.run(f"install -d -m 700 -o {user} ~{user}/.ssh && cp /home/admin/.ssh/authorized_keys ~{user}/.ssh/")
    assert login(host, address, "-o", "BatchMode=yes", "-i", key(host), user=user).returncode == 255
    host.run(f"rm -rf ~{user}/.ssh/authorized_keys")


def test_an_audit_finds_nothing_to_object_to(host: Host, address: str) -> None:
    port = str(host.ansible.get_variables().get("ansible_port", 22))
    audit = subprocess.run(
        [sys.executable, "-m", "ssh_audit.ssh_audit", "--json", "--skip-rate-test", "-p", port, address],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    report = json.loads(audit.stdout)
    objections = [
        (kind, item["algorithm"], level, text)
        for kind in ("kex", "key", "enc", "mac")
        for item in report[kind]
        for level in ("fail", "warn")
        for text in item.get("notes", {}).get(level, [])
    ]
    assert objections == []
    assert audit.returncode == 0, audit.stdout


def test_it_listens_on_one_port(host: Host) -> None:
    lines = host.check_output("ss --no-header --listening --tcp --numeric --processes | grep sshd").splitlines()
    assert sorted(line.split()[3] for line in lines) == ["0.0.0.0:22", "[::]:22"]


def test_drop_ins_open_nothing(host: Host) -> None:
    host.run("echo PasswordAuthentication yes > /etc/ssh/sshd_config.d/00-open.conf")
    assert "passwordauthentication no" in host.check_output("sshd -T")
    host.run("rm /etc/ssh/sshd_config.d/00-open.conf")


def playbook(name: str, *arguments: str) -> list[str]:
    """A command that runs one of the scenario's playbooks."""
    path = Path(__file__).parents[1] / name
    return ["ansible-playbook", "--inventory", os.environ["MOLECULE_INVENTORY_FILE"], str(path), *arguments]


def test_a_configuration_that_lets_nobody_in_is_taken_back(host: Host, address: str) -> None:
    before = host.file("/etc/ssh/sshd_config").content_string
    done = subprocess.run(playbook("locked.yml"), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nobody could log in to" in " ".join(done.stdout.split())
    assert host.file("/etc/ssh/sshd_config").content_string == before
    assert "curve25519-sha256," not in host.check_output("sshd -T")
    assert login(host, address, "-o", "BatchMode=yes", "-i", key(host)).returncode == 0


def until(is_so: Callable[[], bool], seconds: float) -> bool:
    """Whether it becomes so in time."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def test_a_run_that_is_killed_before_the_proof_leaves_the_former_configuration(host: Host) -> None:
    before = host.file("/etc/ssh/sshd_config").content_string
    former = host.file("/etc/ssh/sshd_config.former")
    change = ["--extra-vars", '{"sshd_classic_kex": true, "__sshd_patience": 15}']
    run = subprocess.Popen(playbook("converge.yml", *change), stdout=subprocess.DEVNULL, start_new_session=True)
    assert until(lambda: former.exists, 60)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert until(lambda: not former.exists, 60)
    assert host.file("/etc/ssh/sshd_config").content_string == before
    assert "curve25519-sha256," not in host.check_output("sshd -T")


def test_what_was_not_proven_is_proven_by_the_next_run(host: Host) -> None:
    host.check_output("cp -p /etc/ssh/sshd_config /etc/ssh/sshd_config.former")
    done = subprocess.run(playbook("converge.yml"), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout
    assert not host.file("/etc/ssh/sshd_config.former").exists
    assert host.run("systemctl is-active koin-sshd-former.timer").stdout.strip() == "inactive"
