"""Provisioning while answers get lost: in one run, and nothing is made twice. long.py has all seeds and faults."""

from __future__ import annotations

from rehearsal.aws.operations import Call
from tests.faults.checks import CREATES, TROUBLES, converged
from tests.faults.proxy import Proxy, nothing, some
from tests.support.platform import Platform


def test_the_first_answer_of_every_create_is_lost(platform: Platform, proxy: Proxy) -> None:
    def rule(call: Call, count: int) -> str | None:
        return "reset after" if count == 0 and f"{call.service}:{call.operation}" in CREATES else None

    proxy.use(rule)
    run = platform.provision()
    assert {name for name, _ in proxy.faults} == set(CREATES)
    assert "the answer was lost; it is " in run.output
    converged(platform, proxy)


def test_a_fifth_of_all_calls_fails(platform: Platform, proxy: Proxy) -> None:
    proxy.use(some(1, 0.2, TROUBLES))
    platform.provision()
    assert len(proxy.faults) > 50
    converged(platform, proxy)


def test_what_is_created_is_seen_three_seconds_later(platform: Platform, proxy: Proxy) -> None:
    proxy.use(nothing, lag=3)
    platform.provision()
    converged(platform, proxy)
