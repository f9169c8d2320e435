"""A hundred races for the lock, and a holder whose machine is gone: minutes. Only `make faults` runs it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible.module_utils.platform import holding, locking
from ansible.module_utils.platform.lock import Lock
from ansible.module_utils.platform.processes import State

from tests.faults.test_lock import TIMES, Held, connect, held, its, kill_keeper, platform
from tests.support import races
from tests.support.local_aws import LocalAws
from tests.support.platform import Platform
from tests.support.processes import kill_all

__all__ = ["connect", "held", "its", "platform"]


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_hundred_races(
    local_aws: LocalAws, connect: Callable[[], Lock], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "FREE", holding.FREE)
    outcomes = []
    for seed in range(1000, 1100):
        local_aws.reset(empty=True)
        outcomes.append(races.race(connect, tmp_path, seed, TIMES))
        assert set(outcomes[-1].ended) <= {races.DONE, races.LOST}, (seed, outcomes[-1])
        assert races.freed(connect(), TIMES), (seed, outcomes[-1])
    killed, inside = (sum(getattr(one, name) for one in outcomes) for name in ("killed", "inside"))
    done, lost = (sum(one.count(status) for one in outcomes) for status in (races.DONE, races.LOST))
    print(f"100 races: {done} racers done, {lost} too slow, {killed} killed, {inside} of them while they held the lock")
    assert inside > 10


def test_a_holder_whose_machine_is_gone_frees_it_in_two_minutes(platform: Platform, held: Held, its: Lock) -> None:
    kill_keeper(held.run.pid)
    kill_all(held.run.pid)
    held.run.wait()
    began = time.monotonic()
    own = locking.holding_of(os.getpid(), "test", "now")
    locking.take(its, own, 120, look=lambda run: State.UNKNOWN)
    took = time.monotonic() - began
    print(f"free {took:.0f} s after everything of the run was killed")
    assert took < 120
