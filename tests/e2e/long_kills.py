"""Every playbook of everyday work, killed with all of its processes at seeded moments, and run again.

On the rehearsal that runs: `make rehearse`, then `make kills` (KILLS moments for each, 10; SEED). Nothing of the killed
run but what it had begun on hosts goes on; the next one waits for the lock at most two minutes, succeeds, and the
platform verifies.
"""

from __future__ import annotations

import os
import random
import subprocess
import time

import pytest

from rehearsal import REPOSITORY
from tests.support.processes import kill_all
from tests.support.scripts import on_path, script

KILLS, SEED = int(os.environ.get("KILLS", "10")), int(os.environ.get("SEED", "1"))
SERVICE = "service=koin-prod/api"
#: arguments by playbook
PLAYBOOKS = {
    "maintenance": ("-e", "on=true"),
    "restart": ("-e", SERVICE),
    "deploy": ("-e", SERVICE, "-e", "image=declared"),
    "publish": (),
    "backup": (),
    "drill": (),
    "restore": ("-e", "to=latest"),
    "rotate": ("-e", "rotate=mariadb_koin_prod"),
}


def start(name: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a playbook over the dynamic inventory."""
    return subprocess.Popen(
        [script("ansible-playbook"), f"playbooks/{name}.yml", "-i", "inventories/rehearsal", *arguments],
        cwd=REPOSITORY,
        env=os.environ | on_path() | {"ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def succeed(name: str, *arguments: str) -> float:
    """Run it to its end; how long it took."""
    began = time.monotonic()
    said = (run := start(name, *arguments)).communicate()[0]
    assert run.returncode == 0, f"{name}: {said[-5000:]}"
    return time.monotonic() - began


def kill(name: str, *arguments: str, after: float) -> bool:
    """Whether it was killed before it had ended by itself."""
    run = start(name, *arguments)
    try:
        run.communicate(timeout=after)
    except subprocess.TimeoutExpired:
        kill_all(run.pid)
        run.communicate()
        return True
    return False


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_a_playbook_that_is_killed_anywhere_is_finished_by_the_next_run(name: str) -> None:
    arguments = PLAYBOOKS[name]
    whole = succeed(name, *arguments)
    chance = random.Random(f"{SEED} {name}")
    moments = sorted(chance.uniform(0.5, whole * 0.95) for _ in range(KILLS))
    killed, slowest = 0, 0.0
    for moment in moments:
        killed += kill(name, *arguments, after=moment)
        try:
            slowest = max(slowest, succeed(name, *arguments, "-e", "wait=2m"))
        except AssertionError as error:
            raise AssertionError(f"killed after {moment:.1f} of {whole:.1f} s: {error}") from None
    if name == "maintenance":
        succeed(name, "-e", "on=false")
    succeed("verify")
    span = f"{moments[0]:.0f} to {moments[-1]:.0f} s"
    print(f"{name}: {whole:.0f} s; killed {killed} times after {span}, the next run took at most {slowest:.0f} s")
    assert killed >= KILLS * 0.8
