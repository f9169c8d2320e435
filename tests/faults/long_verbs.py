"""`adopt` and `destroy`, killed with all of their processes at seeded moments, and run again; `make faults` runs it.

The verbs that ask hosts are killed by tests/e2e/long_kills.py. KILLS moments (10) of SEED (1).
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path
from typing import Any

import yaml

from tests.support import strays
from tests.support.checkout import Checkout
from tests.support.inventory import inventory
from tests.support.local_aws import LocalAws
from tests.support.platform import Platform, Run
from tests.support.processes import kill_all

KILLS, SEED = int(os.environ.get("KILLS", "10")), int(os.environ.get("SEED", "1"))
COMPUTE = "group_vars/all/aws_compute.yml"


class Kills:
    """Kills of a verb at seeded moments of its run, whose length is known better after each that ended by itself."""

    def __init__(self, platform: Platform, verb: str, whole: float, /, **variables: Any) -> None:
        self.platform, self.verb, self.variables = platform, verb, variables
        self.whole, self.killed = whole, 0
        chance = random.Random(f"{SEED} {verb}")
        self.moments = sorted(chance.uniform(0.05, 0.9) for _ in range(KILLS))

    def at(self, moment: float) -> None:
        """Kill it at a moment, a share of its run."""
        began = time.monotonic()
        run = self.platform.start(self.verb, **self.variables)
        try:
            run.communicate(timeout=moment * self.whole)
        except subprocess.TimeoutExpired:
            kill_all(run.pid)
            run.communicate()
            self.killed += 1
        else:
            self.whole = time.monotonic() - began


def _timed(platform: Platform, verb: str, /, **variables: Any) -> tuple[Run, float]:
    began = time.monotonic()
    run = platform.playbook(verb, **variables)
    assert run.status == 0, run.output
    return run, time.monotonic() - began


def _declaration(checkout: Checkout) -> dict[str, str]:
    return {path.name: path.read_text() for path in (checkout.top / "group_vars/all").iterdir()}


def test_adopt_writes_a_file_whole_or_not_at_all(local_aws: LocalAws, tmp_path: Path) -> None:
    local_aws.reset(empty=True)
    checkout = Checkout(tmp_path)
    platform = Platform(local_aws, top=checkout.top)
    platform.bound()
    platform.provision()
    strays.group(local_aws, "Legacy")
    strays.record(local_aws, "koreatech.in", "old.koreatech.in", "A", "13.125.7.44")
    where = {"LocationConstraint": "ap-northeast-2"}
    local_aws.client("s3").create_bucket(Bucket="koin-archive", CreateBucketConfiguration=where)
    before = _declaration(checkout)
    _, whole = _timed(platform, "adopt", what="all")
    adopted = _declaration(checkout)
    assert len({name for name in before if before[name] != adopted[name]}) == 3
    kills, slowest = Kills(platform, "adopt", whole, what="all"), 0.0
    for moment in kills.moments:
        checkout.git("checkout", "--quiet", ".")
        kills.at(moment)
        half = _declaration(checkout)
        assert half.keys() == before.keys(), moment
        for name, text in half.items():
            yaml.safe_load(text)
            assert text in (before[name], adopted[name]), (moment, name)
        _, took = _timed(platform, "adopt", what="all")
        slowest = max(slowest, took)
        assert _declaration(checkout) == adopted, moment
    print(f"adopt: {kills.whole:.0f} s; killed {kills.killed} times, the next run took at most {slowest:.0f} s")
    assert kills.killed >= KILLS * 0.8


def test_destroy_takes_the_rest_and_nothing_else(local_aws: LocalAws, tmp_path: Path) -> None:
    local_aws.reset(empty=True)
    checkout = Checkout(tmp_path)
    checkout.replace(COMPUTE, "aws_compute_kept_roles: [PROD, DB]", "aws_compute_kept_roles: []")
    text = checkout.text(COMPUTE).replace("    termination_protection: true\n", "    termination_protection: false\n")
    (checkout.top / COMPUTE).write_text(text)
    platform = Platform(local_aws, top=checkout.top)

    def build() -> None:
        platform.bound()
        platform.provision()
        # Else the database's host stays, as a host whose data nobody has.
        local_aws.client("s3").put_object(Bucket="koin-backup", Key="verified/now", Body=b"")

    build()
    strays.group(local_aws, "Legacy")
    _, whole = _timed(platform, "destroy", confirm="koin")
    left = inventory(local_aws)
    assert left["groups"]["Legacy"] == 1
    kills, slowest = Kills(platform, "destroy", whole, confirm="koin"), 0.0
    for moment in kills.moments:
        build()
        kills.at(moment)
        _, took = _timed(platform, "destroy", confirm="koin", wait="3m")
        slowest = max(slowest, took)
        assert inventory(local_aws) == left, moment
    print(f"destroy: {kills.whole:.0f} s; killed {kills.killed} times, the next run took at most {slowest:.0f} s")
    assert kills.killed >= KILLS * 0.8
