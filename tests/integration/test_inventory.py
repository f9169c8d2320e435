"""The dynamic inventory: groups, host names and how to log in, on a built and on a hand-made account."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.platform import lock

from rehearsal import REPOSITORY
from tests.support import live_account
from tests.support.local_aws import LocalAws
from tests.support.scripts import on_path, script

GROUPS = {
    "BCSD_Build": ["bcsd-build"],
    "INTERNAL": ["bcsdlab-internal"],
    "STAGE": ["koin-stage"],
    "PROD": ["koin-prod"],
    "DB": ["koin-db"],
    "platform": ["bcsd-build", "bcsdlab-internal", "koin-db", "koin-prod", "koin-stage"],
    "arch_arm64": ["bcsdlab-internal"],
    "arch_x86_64": ["bcsd-build", "koin-db", "koin-prod", "koin-stage"],
}


def _ansible(aws: LocalAws, command: str, *arguments: str, inventory: str = "rehearsal") -> str:
    environment = aws.process_environ | on_path()
    done = subprocess.run(
        [script(command), "-i", f"inventories/{inventory}", *arguments],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """The account as people made it: instances with a Name and nothing else."""
    with LocalAws(tmp_path_factory.mktemp("inventory")) as aws:
        aws.reset()
        live_account.build(aws)
        yield aws


@pytest.fixture(scope="module")
def listing(live: LocalAws) -> dict[str, Any]:
    """`ansible-inventory --list`."""
    content: dict[str, Any] = json.loads(_ansible(live, "ansible-inventory", "--list"))
    return content


def test_aws_is_asked_once(live: LocalAws) -> None:
    live.mark()
    _ansible(live, "ansible-inventory", "--list")
    assert [request["operation"] for request in live.requests()] == ["DescribeInstances"]


@pytest.mark.parametrize("group", GROUPS)
def test_groups_of_a_hand_made_account(listing: dict[str, Any], group: str) -> None:
    hosts = [host for host in listing[group]["hosts"] if host != "test-kim"]
    assert sorted(hosts) == GROUPS[group]


@pytest.mark.parametrize(
    "name",
    [
        "x'~lookup('ansible.builtin.pipe','touch {mark}; echo y')~'",
        "{{{{ lookup('ansible.builtin.pipe', 'touch {mark}') }}}}",
        "it's",
        'a " b \\',
    ],
)
def test_the_name_of_an_instance_is_no_template(live: LocalAws, tmp_path: Path, name: str) -> None:
    ec2, mark = live.client("ec2"), tmp_path / "executed"
    pages = ec2.describe_instances(Filters=[{"Name": "tag:Name", "Values": ["test-kim"]}])["Reservations"]
    host, hostile = pages[0]["Instances"][0]["InstanceId"], name.format(mark=mark)
    ec2.create_tags(Resources=[host], Tags=[{"Key": "Name", "Value": hostile}])
    try:
        content = json.loads(_ansible(live, "ansible-inventory", "--list"))
    finally:
        ec2.create_tags(Resources=[host], Tags=[{"Key": "Name", "Value": "test-kim"}])
    assert not mark.exists()
    assert sorted(content["platform"]["hosts"]) == GROUPS["platform"]
    # One host more, whatever it is called.
    assert len(set(content["aws_ec2"]["hosts"]) - set(GROUPS["platform"])) == 1


def test_what_is_not_declared_is_reached_and_belongs_to_nothing(listing: dict[str, Any]) -> None:
    stray = {name for name, group in listing.items() if name != "_meta" and "test-kim" in group.get("hosts", [])}
    assert stray == {"aws_ec2", "arch_x86_64"}


def test_no_host_is_called_like_a_group(listing: dict[str, Any]) -> None:
    assert not set(listing["_meta"]["hostvars"]) & set(listing)


def test_group_vars_reach_every_host(listing: dict[str, Any]) -> None:
    assert {facts["platform_sentinel"] for facts in listing["_meta"]["hostvars"].values()} == {"koin"}


def test_production_logs_in_at_the_public_address(live: LocalAws) -> None:
    facts = json.loads(_ansible(live, "ansible-inventory", "--host", "koin-prod", inventory="production"))
    assert facts["ansible_host"] == "52.78.46.60"
    # Launched by hand, from an Ubuntu image.
    assert facts["ansible_user"] == "ubuntu"


def test_port_is_that_of_the_security_group(live: LocalAws) -> None:
    shown = _ansible(live, "ansible", "koin-prod", "-m", "ansible.builtin.debug", "-a", "var=ansible_port")
    assert "22222" in shown


def test_nothing_is_configured_while_a_declared_host_is_not_found(live: LocalAws) -> None:
    # This file alone knows of no host: a run over it would do nothing, and look well.
    done = subprocess.run(
        [script("ansible-playbook"), "playbooks/configure.yml", "-i", "inventories/rehearsal/hosts.yml"],
        cwd=REPOSITORY,
        env=live.process_environ | on_path(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    said = " ".join(f"{done.stdout} {done.stderr}".split())
    assert "not in the inventory: bcsd-build, bcsdlab-internal, koin-db, koin-prod, koin-stage. Start it" in said


def test_a_part_of_the_hosts_is_configured_under_the_lock(live: LocalAws) -> None:
    """With --limit, localhost has no task: the lock must be taken nevertheless. The keeper frees it afterwards."""

    def done() -> list[str]:
        calls = [call for call in live.requests() if call["params"].get("Key") == lock.KEY]
        return [call["operation"] for call in calls if call["write"]]

    live.mark()
    _ansible(live, "ansible-playbook", "playbooks/configure/begin.yml", "--limit", "koin-prod", "--check")
    assert done() == []
    _ansible(live, "ansible-playbook", "playbooks/configure/begin.yml", "--limit", "koin-prod")
    until = time.monotonic() + 60
    while "DeleteObject" not in done() and time.monotonic() < until:
        time.sleep(0.1)
    # The first one finds that the bucket is missing.
    assert done() == ["PutObject", "PutObject", "DeleteObject"]


def test_list_hosts(live: LocalAws) -> None:
    shown = _ansible(live, "ansible", "PROD:DB", "--list-hosts")
    assert [line.strip() for line in shown.splitlines()[1:] if line.strip()] == ["koin-prod", "koin-db"]


def _koin_ssh(live: LocalAws, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run bin/koin-ssh as in a shell that has not activated .venv."""
    environment = live.process_environ | {"PATH": "/usr/bin:/bin", "INVENTORY": "inventories/production", **environ}
    return subprocess.run(
        ["bin/koin-ssh", *arguments], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("host", ["koin-prod", "KOIN_PROD"])
def test_ssh_without_editing(live: LocalAws, host: str) -> None:
    done = _koin_ssh(live, host, "uptime", DRY_RUN="1")
    assert done.stdout.strip() == "ssh -p 22222 ubuntu@52.78.46.60 uptime", done.stderr


def test_ssh_to_an_unknown_host_says_which_there_are(live: LocalAws) -> None:
    done = _koin_ssh(live, "koin-prd")
    assert done.returncode == 1
    assert done.stderr.startswith("koin-ssh: no host koin-prd: inventories/production has bcsd-build, bcsdlab-internal")


def test_ssh_with_a_broken_inventory_shows_its_message(live: LocalAws) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = str(probe.getsockname()[1])
    done = _koin_ssh(live, "koin-prod", INVENTORY="inventories/rehearsal", REHEARSAL_AWS_PORT=nobody)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert lines[0] == "koin-ssh: inventories/rehearsal cannot be read:"
    assert f'Could not connect to the endpoint URL: "http://127.0.0.1:{nobody}/"' in lines[2]
    assert lines[3] == "`make rehearse` starts the rehearsal."
    assert len(lines) == 4
