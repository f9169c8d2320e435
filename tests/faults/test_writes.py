"""Provisioning while answers get lost: in one run, and nothing is made twice."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from rehearsal.aws.operations import Call
from tests.faults.proxy import Proxy, nothing, nth, some
from tests.support import live_account
from tests.support.behind import Behind
from tests.support.inventory import inventory
from tests.support.local_aws import LocalAws
from tests.support.platform import Platform, fields

#: `make faults`: every seed, every create
LONG = os.environ.get("FAULTS") == "long"
#: what happens to a fifth of all calls; waiting for one that hangs takes its time
TROUBLES = ("throttled", "500", "503", "reset before", "reset after", *(["hang"] if LONG else []))
#: every operation that brings something into being while an empty account is built
CREATES = (
    "ec2:CreateVpc",
    "ec2:CreateInternetGateway",
    "ec2:CreateSubnet",
    "ec2:CreateRouteTable",
    "ec2:CreateNetworkAcl",
    "ec2:CreateSecurityGroup",
    "ec2:CreateFlowLogs",
    "ec2:ImportKeyPair",
    "ec2:RunInstances",
    "ec2:AllocateAddress",
    "route53:CreateHostedZone",
    "acm:RequestCertificate",
    "cloudfront:CreateOriginAccessControl",
    "cloudfront:CreateResponseHeadersPolicy",
    "cloudfront:CreateDistribution",
    "s3:CreateBucket",
    "cloudtrail:CreateTrail",
    "iam:CreateRole",
    "iam:CreateInstanceProfile",
    "sns:CreateTopic",
)


@pytest.fixture(scope="module")
def proxy(local_aws_process: LocalAws) -> Iterator[Proxy]:
    """A proxy before an account."""
    with Proxy(local_aws_process.endpoint) as running:
        yield running


@pytest.fixture
def platform(local_aws: LocalAws, proxy: Proxy) -> Platform:
    """The playbooks behind it; the account is empty."""
    local_aws.reset(empty=True)
    return Platform(Behind(local_aws, proxy), timeout=1200)  # type: ignore[arg-type]


def _converged(platform: Platform, proxy: Proxy) -> None:
    """Nothing is left to do, nothing is there twice or beside what is declared."""
    proxy.use(nothing)
    plan = platform.plan()
    assert fields(plan) == set()
    assert [action.name for action in plan.of("unmanaged")] == []
    doubled = {
        kind: name for kind, counts in inventory(platform.aws).items() for name, number in counts.items() if number > 1
    }
    assert doubled == {}


@pytest.mark.parametrize("fault", ["reset after", "cut", "500", "empty"] if LONG else ["reset after"])
def test_the_first_answer_of_every_create_is_lost(platform: Platform, proxy: Proxy, fault: str) -> None:
    def rule(call: Call, count: int) -> str | None:
        return fault if count == 0 and f"{call.service}:{call.operation}" in CREATES else None

    proxy.use(rule)
    run = platform.provision()
    assert {name for name, _ in proxy.faults} == set(CREATES)
    assert "the answer was lost; it is " in run.output
    _converged(platform, proxy)


@pytest.mark.skipif(not LONG, reason="`make faults` runs it")
@pytest.mark.parametrize("name", CREATES)
def test_the_answer_of_one_create_is_lost(platform: Platform, proxy: Proxy, name: str) -> None:
    service, _, operation = name.partition(":")
    proxy.use(nth(service, operation, "reset after"))
    platform.provision()
    assert len(proxy.faults) == 1
    _converged(platform, proxy)


@pytest.mark.parametrize("seed", range(1, 31) if LONG else [1])
def test_a_fifth_of_all_calls_fails(platform: Platform, proxy: Proxy, seed: int) -> None:
    proxy.use(some(seed, 0.2, TROUBLES), hang=25)
    platform.provision()
    assert len(proxy.faults) > 50
    _converged(platform, proxy)


@pytest.mark.skipif(not LONG, reason="`make faults` runs it")
@pytest.mark.parametrize("seed", range(1, 31))
def test_a_fifth_of_all_calls_fails_while_an_account_is_adopted(
    local_aws: LocalAws, platform: Platform, proxy: Proxy, seed: int
) -> None:
    local_aws.reset()
    live_account.build(local_aws)
    before = inventory(local_aws)
    proxy.use(some(seed, 0.2, TROUBLES), hang=25)
    platform.provision()
    proxy.use(nothing)
    assert fields(platform.plan()) - {item for item in fields(platform.plan()) if item[0] == "replace"} == set()
    doubled = {
        (kind, name)
        for kind, counts in inventory(local_aws).items()
        for name, number in counts.items()
        if number > max(1, before[kind][name])
    }
    assert doubled == set()


def test_what_is_created_is_seen_three_seconds_later(platform: Platform, proxy: Proxy) -> None:
    proxy.use(nothing, lag=3)
    platform.provision()
    _converged(platform, proxy)
