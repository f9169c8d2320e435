"""Deletion of what is declared: playbooks/destroy.yml against the local AWS, one step after the other."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import strays
from tests.support.checkout import Checkout
from tests.support.inventory import inventory
from tests.support.local_aws import Keys, LocalAws
from tests.support.platform import Platform, Run, koin_account
from tests.support.processes import kill_all
from tests.support.rights import DESTROY, OPERATOR, narrowed

COMPUTE = "group_vars/all/aws_compute.yml"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A local AWS with KOIN's platform on it, and with what somebody made in the console."""
    with koin_account(tmp_path_factory.mktemp("destroy")) as started:
        strays.group(started, "Legacy")
        strays.record(started, "bcsdlab.com", "old.bcsdlab.com", "A", "13.125.7.44")
        started.client("s3").put_object(Bucket="kap-test", Key="upload/cat.jpg", Body=b"cat")
        yield started


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A repository whose declaration the steps change."""
    return Checkout(tmp_path_factory.mktemp("checkout"))


def _destroy(aws: LocalAws, checkout: Checkout, *arguments: str, keys: Keys | None = None, **variables: str) -> Run:
    aws.mark()
    return Platform(aws, top=checkout.top, keys=keys).playbook("destroy", *arguments, **variables)


def _kept(run: Run) -> dict[str, str]:
    """What stays and why, as it was said before anything was deleted."""
    lines = run.output.partition("\nStays:\n")[2].splitlines()
    # The next line that is not indented is of the next task.
    return dict(line.strip().partition(": ")[::2] for line in itertools.takewhile(lambda line: line[:2] == "  ", lines))


def _why(run: Run, kind: str, name: str) -> str:
    return next(why for text, why in _kept(run).items() if text.split(" (")[0] == f"{kind} {name}")


def _doomed(run: Run) -> list[str]:
    lines = run.output.partition("in this order:\n")[2].partition("\n\n")[0].splitlines()
    return [line.strip().removeprefix("- ") for line in lines]


def _lock_is_free(aws: LocalAws) -> None:
    for _ in range(120):
        if "Contents" not in aws.client("s3").list_objects_v2(Bucket="koin-platform", Prefix="lock.json"):
            return
        time.sleep(1)
    pytest.fail("the lock is held")


def test_everything_is_said_before_anything_is_done(aws: LocalAws, checkout: Checkout) -> None:
    run = _destroy(aws, checkout, "--check")
    assert run.status == 0, run.output
    assert aws.writes() == []
    assert "never deleted (aws_compute_kept_roles)" in _why(run, "instance", "KOIN_PROD")
    database = _why(run, "instance", "KOIN_DB")
    assert "hosts of role DB" in database
    assert "no verified backup younger than a day" in database
    assert "protected against termination" in database
    assert "security_group Legacy" in _why(run, "vpc", "BCSDLab")
    assert _why(run, "zone", "bcsdlab.com") == "it has records that stay: old.bcsdlab.com A"
    assert _why(run, "bucket", "kap-test") == "it is not empty: upload/cat.jpg"
    assert "lock.json" in _why(run, "bucket", "koin-platform") or "uses it" in _why(run, "bucket", "koin-platform")
    # What a host that stays needs, and what comes with it.
    assert "KOIN_PROD" in _why(run, "subnet", "BCSDLab-a")
    assert _why(run, "record", "api.koreatech.in A") == "it belongs to instance KOIN_PROD, which stays"
    assert [text for text in _doomed(run) if "Legacy" in text or "old.bcsdlab.com" in text] == []
    # An address and a host go before what they use.
    order = [text.partition(" (")[0] for text in _doomed(run)]
    assert order.index("elastic_ip KOIN_STAGE") < order.index("instance KOIN_STAGE")
    assert order.index("distribution image") < order.index("origin_access_control image")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"confirm": "other"}, "`other` is not the name of this platform. Nothing was deleted."),
        ({}, "The name of the platform was not typed, so nothing was deleted."),
        ({"only": "bucket kap-test", "confirm": "koin"}, "bucket kap-test stays, for the reason above."),
        ({"only": "security_group Legacy", "confirm": "koin"}, "is not both declared and in the account"),
    ],
)
def test_nothing_is_deleted_without_the_name_or_against_a_reason(
    aws: LocalAws, checkout: Checkout, variables: dict[str, Any], message: str
) -> None:
    run = _destroy(aws, checkout, **variables)
    assert run.status == 2, run.output
    assert message in " ".join(run.output.split())
    assert aws.writes() == []


def test_an_operator_may_not_delete_and_is_told_the_action(aws: LocalAws, checkout: Checkout) -> None:
    listing = narrowed(DESTROY, ["s3:ListBucketVersions"])
    keys = aws.user("operator", OPERATOR, listing)
    run = _destroy(aws, checkout, keys=keys, only="trail koin", confirm="koin")
    assert run.status == 2
    assert "may not cloudtrail:DeleteTrail" in run.output
    assert "docs/iam-policy-destroy.json" in run.output
    assert "koin" in {item["Name"] for item in aws.client("cloudtrail").describe_trails()["trailList"]}
    _lock_is_free(aws)


def test_one_thing_is_taken_away_for_good(aws: LocalAws, checkout: Checkout) -> None:
    before = inventory(aws)
    keys = aws.user("destroyer", OPERATOR, DESTROY)
    run = _destroy(aws, checkout, keys=keys, only="trail koin", confirm="koin")
    assert run.status == 0, run.output
    assert "1 deleted; remove its declaration (group_vars/all/aws_account.yml:" in run.output
    assert [(call["service"], call["operation"]) for call in aws.writes() if call.get("principal")] == [
        ("cloudtrail", "DeleteTrail")
    ]
    assert {kind for kind, counts in inventory(aws).items() if counts != before[kind]} <= {"trails", "trail"}


def test_a_killed_run_is_continued_and_only_the_declared_goes(aws: LocalAws, checkout: Checkout) -> None:
    """Everything is allowed now; the run is killed in its middle, and the next one does the rest."""
    checkout.replace(COMPUTE, "aws_compute_kept_roles: [PROD, DB]", "aws_compute_kept_roles: []")
    text = checkout.text(COMPUTE).replace("    termination_protection: true\n", "    termination_protection: false\n")
    (checkout.top / COMPUTE).write_text(text)
    Platform(aws, top=checkout.top).provision()
    aws.client("s3").put_object(Bucket="koin-backup", Key="verified/2026-11-28", Body=b"")
    keys = aws.user("destroyer", OPERATOR, DESTROY)
    aws.mark()
    running = Platform(aws, top=checkout.top, keys=keys).start("destroy", confirm="koin")
    while running.poll() is None and len([call for call in aws.writes() if call.get("principal")]) < 30:
        time.sleep(0.05)
    assert running.poll() is None, running.communicate()[0]
    kill_all(running.pid)
    running.kill()
    running.communicate()
    run = _destroy(aws, checkout, keys=keys, confirm="koin", wait="3m")
    assert run.status == 0, run.output
    kept = {text.split(" (")[0] for text in _kept(run)}
    assert kept == {
        "account_settings account",
        # They are not empty, and the last one holds the lock of the run.
        "bucket kap-test",
        "bucket koin-backup",
        "bucket koin-platform",
        "vpc BCSDLab",
        "zone bcsdlab.com",
    }, _kept(run)
    left = _destroy(aws, checkout, "--check")
    assert _doomed(left) == []
    assert "Nothing was deleted" in left.output
    # What nobody declared is as it was.
    groups = aws.client("ec2").describe_security_groups()["SecurityGroups"]
    assert {group["GroupName"] for group in groups} == {"default", "Legacy"}
    assert aws.client("s3").get_object(Bucket="kap-test", Key="upload/cat.jpg")["Body"].read() == b"cat"
    _lock_is_free(aws)


def test_an_empty_only_does_not_mean_everything(aws: LocalAws, checkout: Checkout) -> None:
    aws.mark()
    run = _destroy(aws, checkout, confirm="koin", only="")
    assert run.status != 0
    assert "`only` is empty. Nothing was deleted." in " ".join(run.output.split())
    assert aws.writes() == []


def test_the_policy_deletes_nothing_but_what_is_declared() -> None:
    text = json.dumps(DESTROY)
    assert "s3:::*" not in text
    objects = [part["Resource"] for part in DESTROY["Statement"] if "s3:DeleteObject" in part["Action"]]
    assert [item for found in objects for item in found if item.endswith("/*")] == []
