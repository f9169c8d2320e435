"""Every read of the planner, with every answer that is not one: nothing is planned from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pytest
from ansible.module_utils.platform import guard
from ansible.module_utils.platform.engine import observe
from ansible.module_utils.platform.engine.access import Arguments, Call
from ansible.module_utils.platform.engine.errors import PlatformError
from ansible.module_utils.platform.engine.observe import ask
from ansible.module_utils.platform.kinds import KINDS

from rehearsal.aws.operations import Call as AnyCall
from tests.faults.proxy import ENDLESS, LIES, REFUSALS, Proxy, always, nothing, nth, paged, some
from tests.support import live_account
from tests.support.behind import Behind
from tests.support.local_aws import LocalAws
from tests.support.platform import Platform, declared, fields


@pytest.fixture(scope="module")
def proxy(local_aws_process: LocalAws) -> Iterator[Proxy]:
    """A proxy before an account with something of every kind."""
    local_aws_process.reset()
    live_account.build(local_aws_process)
    _what_it_lacks(local_aws_process)
    with Proxy(local_aws_process.endpoint) as running:
        yield running


def _what_it_lacks(aws: LocalAws) -> None:
    """What nobody had made in that account, but the planner asks about where it is declared."""
    declaration = declared()
    for certificate in declared()["aws_cdn_certificates"].values():
        names = certificate.get("alternative_names") or []
        more = {"SubjectAlternativeNames": names} if names else {}
        aws.client("acm", "us-east-1").request_certificate(
            DomainName=certificate["domain"], ValidationMethod="DNS", **more
        )
    for name, trail in declaration["aws_account_trails"].items():
        s3 = aws.client("s3")
        s3.create_bucket(
            Bucket=trail["bucket"], CreateBucketConfiguration={"LocationConstraint": declaration["aws_region"]}
        )
        aws.client("cloudtrail").create_trail(Name=name, S3BucketName=trail["bucket"])
    for name in declaration["aws_monitoring_topics"]:
        topic = aws.client("sns").create_topic(Name=name)["TopicArn"]
        aws.client("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint="someone@example.com")


@pytest.fixture(scope="module")
def platform(local_aws_process: LocalAws, proxy: Proxy) -> Platform:
    """The planner behind it."""
    return Platform(Behind(local_aws_process, proxy))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Asked:
    """A call that planning made."""

    client: Any
    call: Call
    arguments: Arguments

    @property
    def service(self) -> str:
        """What the proxy calls the service."""
        return {"cloudwatch": "monitoring"}.get(self.call.service, self.call.service)

    @property
    def operation(self) -> str:
        """What the API calls it."""
        return str(self.client.meta.method_to_api_mapping[self.call.operation])

    def again(self) -> Any:
        """What the planner would keep of its answer now."""
        return ask(self.client, self.call, self.arguments)


@pytest.fixture(scope="module")
def reads(platform: Platform, proxy: Proxy) -> list[Asked]:
    """Every operation that planning this account calls, once."""
    found: dict[tuple[str, str], Asked] = {}

    def remember(client: Any, call: Call, arguments: Arguments) -> Any:
        answer = ask(client, call, arguments)
        # Where something is absent, the answer is an error, which does not lie.
        if answer or (call.service, call.operation) not in found:
            found[call.service, call.operation] = Asked(client, call, arguments)
        return answer

    proxy.use(nothing)
    with mock.patch.object(observe, "ask", remember), mock.patch.object(guard, "ATTEMPTS", 3):
        platform.plan()
    return list(found.values())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits between two attempts, nor has tried too often already."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    monkeypatch.setattr("botocore.retries.quota.RetryQuota.acquire", lambda *_: True)
    monkeypatch.setattr("botocore.retries.bucket.TokenBucket.acquire", lambda *_, **__: True)


#: asked only when the declaration wants something that this account does not lack
_NOT_ASKED = {
    ("ec2", "describe_instance_types"),
    ("ec2", "describe_managed_prefix_lists"),
    ("ec2", "describe_network_interfaces"),
    ("ec2", "get_managed_prefix_list_entries"),
    ("s3", "get_bucket_replication"),
    ("s3", "get_object_lock_configuration"),
    ("service-quotas", "get_service_quota"),
}


#: what AWS itself answers: of a bucket that was never versioned; of one in us-east-1; of another account's, for which
#: the plan is refused
_TRUTHS = {("GetBucketVersioning", "document"), ("GetBucketLocation", "document"), ("GetBucketLocation", "denied")}


def test_the_account_makes_the_planner_use_its_reads(reads: list[Asked]) -> None:
    known = {(call.service, call.operation) for call in KINDS.calls()} | {("sts", "get_caller_identity")}
    assert known - {(asked.call.service, asked.call.operation) for asked in reads} <= _NOT_ASKED


@pytest.mark.parametrize("fault", [*LIES, *REFUSALS, "reset before"])
def test_no_answer_that_lies_is_believed(proxy: Proxy, reads: list[Asked], fault: str) -> None:
    believed = []
    for asked in reads:
        if (asked.operation, fault) in _TRUTHS:
            continue
        proxy.use(always(asked.service, asked.operation, fault))
        try:
            answer = asked.again()
        except PlatformError as error:
            names = {asked.operation, asked.call.action or asked.operation}
            assert fault == "expired" or any(name in str(error) for name in names), f"{asked.operation}: {error}"
        else:
            believed.append((asked.operation, answer))
    assert believed == []


@pytest.mark.parametrize("fault", [*LIES, "throttled", "500", "503", "reset before", "reset after"])
def test_one_answer_that_lies_is_asked_for_again(proxy: Proxy, reads: list[Asked], fault: str) -> None:
    for asked in reads:
        if (asked.operation, fault) in _TRUTHS:
            continue
        proxy.use(nth(asked.service, asked.operation, fault))
        asked.again()
        assert len(proxy.faults) == 1
        assert sum(proxy.calls.values()) > 1


def test_the_second_page_is_looked_at_like_the_first(proxy: Proxy, reads: list[Asked]) -> None:
    for asked in _lists(reads):

        def rule(call: AnyCall, count: int) -> str:
            return ENDLESS if count == 0 else "document"

        proxy.use(rule)
        with pytest.raises(PlatformError):
            asked.again()
        assert sum(proxy.calls.values()) > 2


def test_pages_end(proxy: Proxy, reads: list[Asked]) -> None:
    for asked in _lists(reads):
        proxy.use(always(asked.service, asked.operation, ENDLESS))
        with pytest.raises(PlatformError, match=f"{asked.operation}|{asked.call.action or asked.operation}") as raised:
            asked.again()
        assert "do not end" in str(raised.value)
        assert sum(proxy.calls.values()) < 10


def _lists(reads: list[Asked]) -> list[Asked]:
    found = [asked for asked in reads if asked.call.paged and paged(asked.service, asked.operation)]
    assert len(found) > 15
    return found


@pytest.mark.parametrize("fault", ["document", "html"])
def test_a_plan_is_refused_with_one_message(platform: Platform, proxy: Proxy, fault: str) -> None:
    proxy.use(always("ec2", "DescribeVpcs", fault))
    with pytest.raises(PlatformError, match=r"ec2:DescribeVpcs failed: MalformedAnswer: .* malformed"):
        platform.plan()


def test_a_plan_after_one_fault_of_each_kind_is_the_same(platform: Platform, proxy: Proxy) -> None:
    proxy.use(nothing)
    before = fields(platform.plan())
    proxy.use(some(1, 0.2, (*LIES, "throttled", "500", "503", "reset before", "reset after")))
    assert fields(platform.plan()) == before
    assert len(proxy.faults) > 5
