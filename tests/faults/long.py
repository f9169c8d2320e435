"""The same with every seed, every create and every fault; hours. `make faults` runs it, the gate does not."""

from __future__ import annotations

import pytest

from rehearsal.aws.operations import Call
from tests.faults.checks import CREATES, TROUBLES, converged, doubled
from tests.faults.proxy import Proxy, nothing, nth, some
from tests.support import live_account
from tests.support.inventory import inventory
from tests.support.killed import provision_and_kill, whole
from tests.support.local_aws import LocalAws
from tests.support.platform import Platform, fields

SEEDS = range(1, 31)
#: all processes are killed when so many writes have been made
POINTS = range(1, 145, 4)


@pytest.mark.parametrize("fault", ["cut", "500", "empty"])
def test_the_first_answer_of_every_create_is_lost(platform: Platform, proxy: Proxy, fault: str) -> None:
    def rule(call: Call, count: int) -> str | None:
        return fault if count == 0 and f"{call.service}:{call.operation}" in CREATES else None

    proxy.use(rule)
    platform.provision()
    assert {name for name, _ in proxy.faults} == set(CREATES)
    converged(platform, proxy)


@pytest.mark.parametrize("name", CREATES)
def test_the_answer_of_one_create_is_lost(platform: Platform, proxy: Proxy, name: str) -> None:
    service, _, operation = name.partition(":")
    proxy.use(nth(service, operation, "reset after"))
    platform.provision()
    assert len(proxy.faults) == 1
    converged(platform, proxy)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_fifth_of_all_calls_fails(platform: Platform, proxy: Proxy, seed: int) -> None:
    proxy.use(some(seed, 0.2, (*TROUBLES, "hang")), hang=25)
    platform.provision()
    assert len(proxy.faults) > 50
    converged(platform, proxy)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_fifth_of_all_calls_fails_while_an_account_is_adopted(
    local_aws: LocalAws, platform: Platform, proxy: Proxy, seed: int
) -> None:
    local_aws.reset()
    live_account.build(local_aws)
    before = inventory(local_aws)
    proxy.use(some(seed, 0.2, (*TROUBLES, "hang")), hang=25)
    platform.provision()
    proxy.use(nothing)
    assert {item for item in fields(platform.plan()) if item[0] != "replace"} == set()
    assert doubled(platform, before) == set()


@pytest.mark.parametrize("after", POINTS)
def test_all_processes_are_killed(local_aws: LocalAws, after: int) -> None:
    local_aws.reset(empty=True)
    local_aws.mark()
    assert provision_and_kill(local_aws, after, everything=True)
    whole(local_aws)
