"""A provisioning that is killed when it has made so many writes."""

from __future__ import annotations

import subprocess
import time

from rehearsal import REPOSITORY
from tests.support.inventory import inventory
from tests.support.local_aws import LocalAws
from tests.support.platform import Platform, fields
from tests.support.processes import kill_all
from tests.support.scripts import on_path, script


def provision_and_kill(aws: LocalAws, after: int, everything: bool) -> bool:
    """Whether it was killed before it had ended by itself; everything: with all of its workers and modules."""
    running = subprocess.Popen(
        [script("ansible-playbook"), "playbooks/provision.yml", "-i", "inventories/rehearsal"],
        cwd=REPOSITORY,
        env=aws.process_environ | on_path(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while running.poll() is None:
        if len(aws.writes()) >= after:
            assert not everything or kill_all(running.pid) > 1
            running.kill()
            running.wait()
            _quiet(aws)
            return True
        time.sleep(0.05)
    return False


def whole(aws: LocalAws) -> None:
    """The next run finishes what was begun, and nothing is there twice."""
    platform = Platform(aws)
    platform.provision()
    assert fields(platform.plan()) == set()
    assert platform.plan().of("unmanaged") == []
    doubled = {kind: name for kind, counts in inventory(aws).items() for name, n in counts.items() if n > 1}
    # The main table, the default ACL and the default group of the VPC have no name of ours.
    assert doubled == {}


def _quiet(aws: LocalAws) -> None:
    """Wait until the module that was under way, which outlives Ansible, has made its last call."""
    seen = -1
    for _ in range(60):
        now = len(aws.requests(0))
        if now == seen:
            return
        seen = now
        time.sleep(1.5)
