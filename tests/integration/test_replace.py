"""The account's part of a replacement: playbooks/replace.yml against the local AWS, killed after every call."""

from __future__ import annotations

import copy
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible.module_utils.platform.kinds.succession import HANDED_OVER

from tests.support.checkout import Checkout
from tests.support.local_aws import Keys, LocalAws
from tests.support.platform import Platform, Run, declared, fields, koin_account
from tests.support.processes import kill_all
from tests.support.rights import DESTROY, OPERATOR

COMPUTE = "group_vars/all/aws_compute.yml"
FORMER = "KOIN_PROD-old"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A repository whose declaration gives KOIN_PROD and KOIN_DB other addresses, and KOIN_PROD another subnet."""
    made = Checkout(tmp_path_factory.mktemp("checkout"))
    made.replace(COMPUTE, "private_ip: 172.31.0.20", "private_ip: 172.31.32.21")
    made.replace(COMPUTE, "swarm: production\n    subnet: BCSDLab-a", "swarm: production\n    subnet: BCSDLab-c")
    made.replace(COMPUTE, "private_ip: 172.31.32.20", "private_ip: 172.31.32.22")
    return made


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A local AWS with KOIN's platform on it, as it is declared in the repository."""
    with koin_account(tmp_path_factory.mktemp("replace")) as started:
        yield started


@pytest.fixture(scope="module")
def keys(aws: LocalAws) -> Keys:
    """An operator."""
    return aws.user("operator", OPERATOR)


def _run(aws: LocalAws, top: Checkout, keys: Keys | None, *arguments: str, **variables: str) -> Run:
    aws.mark()
    given = {"host": "koin-prod", "confirm": "KOIN_PROD", "wait": "3m"} | variables
    return Platform(aws, top=top.top, keys=keys).playbook("replace", *arguments, **given)


def _text(run: Run) -> str:
    return " ".join(run.output.split())


def _instances(aws: LocalAws) -> dict[str, list[dict[str, Any]]]:
    """Live instances by Name."""
    found: dict[str, list[dict[str, Any]]] = {}
    for group in aws.client("ec2").describe_instances()["Reservations"]:
        for raw in group["Instances"]:
            if raw["State"]["Name"] != "terminated":
                name = next(tag["Value"] for tag in raw["Tags"] if tag["Key"] == "Name")
                found.setdefault(name, []).append(raw)
    return found


def _holder(aws: LocalAws, name: str) -> str:
    """The instance at the elastic IP of a host."""
    filters = [{"Name": "tag:Name", "Values": [name]}]
    (address,) = aws.client("ec2").describe_addresses(Filters=filters)["Addresses"]
    return str(address["InstanceId"])


def _calls(aws: LocalAws) -> list[str]:
    return [call["operation"] for call in aws.writes() if call["service"] == "ec2"]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"host": "koin-prdo"}, "`koin-prdo` is not declared. Write one of"),
        ({"host": ""}, "Say which host: -e host=koin-prod."),
        ({"confirm": "KOIN_DB"}, "`KOIN_DB` was typed, and KOIN_PROD is to be replaced. Nothing was done."),
        ({"confirm": ""}, "The name of the host was not typed, so nothing was done."),
        ({"host": "koin-stage", "confirm": ""}, "is in Swarm stage with BCSDLAB_INTERNAL"),
        ({"host": "koin-db", "confirm": "KOIN_DB"}, "add -e without=cache. No backup of its databases was proved"),
        ({"terminate": FORMER}, "There is no instance KOIN_PROD-old."),
        ({"terminate": "KOIN_PROD"}, "`KOIN_PROD` is not KOIN_PROD-old, the former instance"),
    ],
)
def test_what_is_refused_writes_nothing(
    aws: LocalAws, checkout: Checkout, keys: Keys, variables: dict[str, str], message: str
) -> None:
    run = _run(aws, checkout, keys, **variables)
    assert message in _text(run), run.output
    assert aws.writes() == []


def test_an_address_that_the_host_holds_is_refused_with_a_free_one(aws: LocalAws, keys: Keys) -> None:
    run = Platform(aws, keys=keys).playbook("replace", host="koin-prod", confirm="KOIN_PROD")
    assert run.status == 2
    assert "172.31.0.20 is held by KOIN_PROD" in _text(run)
    assert "(172.31.0.21 is free)" in _text(run)


def test_the_check_says_what_would_be_done_and_writes_nothing(aws: LocalAws, checkout: Checkout, keys: Keys) -> None:
    run = _run(aws, checkout, keys, "--check")
    assert run.status == 0, run.output
    assert "KOIN_PROD becomes KOIN_PROD-old, goes on serving and keeps its address" in _text(run)
    assert aws.writes() == []


def test_what_else_differs_comes_first(aws: LocalAws, checkout: Checkout, keys: Keys) -> None:
    aws.client("s3").delete_bucket_tagging(Bucket="koin-platform")
    run = _run(aws, checkout, keys)
    assert run.status == 2
    assert "Provisioning would also do this: bucket koin-platform. Do that first" in _text(run)
    assert aws.writes() == []
    Platform(aws).provision()


def test_killed_after_every_call_and_run_again_nothing_is_doubled(
    aws: LocalAws, checkout: Checkout, keys: Keys
) -> None:
    (before,) = _instances(aws)["KOIN_PROD"]
    for last in ("CreateTags", "RunInstances"):
        _killed_after(aws, checkout, keys, last)
        (former,) = _instances(aws)[FORMER]
        assert former["InstanceId"] == before["InstanceId"]
    run = _run(aws, checkout, keys)
    assert run.status == 0, run.output
    assert "KOIN_PROD is launched, and KOIN_PROD-old serves." in _text(run)
    found = _instances(aws)
    (new,) = found["KOIN_PROD"]
    (former,) = found[FORMER]
    assert (former["InstanceId"], former["State"]["Name"]) == (before["InstanceId"], "running")
    assert (new["PrivateIpAddress"], new["SubnetId"]) != (before["PrivateIpAddress"], before["SubnetId"])
    assert new["PrivateIpAddress"] == "172.31.32.21"
    assert {name: len(raws) for name, raws in found.items()} == dict.fromkeys(
        [*declared()["aws_compute_instances"], FORMER], 1
    )
    assert _holder(aws, "KOIN_PROD") == before["InstanceId"]
    # Done is done.
    run = _run(aws, checkout, keys)
    assert run.status == 0
    assert aws.writes() == []


def _killed_after(aws: LocalAws, checkout: Checkout, keys: Keys, operation: str) -> None:
    """Run it, and kill it with all of its workers as soon as it has made this call."""
    aws.mark()
    running = Platform(aws, top=checkout.top, keys=keys).start(
        "replace", host="koin-prod", confirm="KOIN_PROD", wait="3m"
    )
    while running.poll() is None and operation not in _calls(aws):
        time.sleep(0.02)
    _kill(running)
    assert operation in _calls(aws)


def _kill(running: subprocess.Popen[str]) -> None:
    kill_all(running.pid)
    running.kill()
    running.communicate()


def test_whoever_provisions_meanwhile_leaves_the_address_with_the_former(
    aws: LocalAws, checkout: Checkout, keys: Keys
) -> None:
    (former,) = _instances(aws)[FORMER]
    run = Platform(aws, top=checkout.top, keys=keys).provision(wait="3m")
    assert f"stays with instance KOIN_PROD-old ({former['InstanceId']}), which serves" in _text(run)
    assert _holder(aws, "KOIN_PROD") == former["InstanceId"]


def test_a_former_instance_that_serves_is_neither_stopped_nor_deleted(
    aws: LocalAws, checkout: Checkout, keys: Keys
) -> None:
    run = _run(aws, checkout, keys, terminate=FORMER)
    assert run.status == 2
    assert "KOIN_PROD-old is running. Only a former instance that has handed over and is stopped" in _text(run)
    assert aws.writes() == []


def test_the_hand_over_moves_address_and_alarms_then_stops_and_keeps_the_former(
    aws: LocalAws, checkout: Checkout, keys: Keys
) -> None:
    """The calls of playbooks/hand_over.yml, without its hosts."""
    found = _instances(aws)
    (new,), (former,) = found["KOIN_PROD"], found[FORMER]
    early = _step(aws, checkout, keys, "stopped")
    assert "still serves, so it was not stopped" in _text(early)
    assert aws.writes() == []
    for _ in range(2):
        done = _step(aws, checkout, keys, "handed_over")
        assert done.status == 0, done.output
        assert _holder(aws, "KOIN_PROD") == new["InstanceId"]
    Platform(aws, top=checkout.top, keys=keys).provision(wait="3m")
    for _ in range(2):
        done = _step(aws, checkout, keys, "stopped")
        assert done.status == 0, done.output
    assert _calls(aws) == []
    (former,) = _instances(aws)[FORMER]
    assert former["State"]["Name"] == "stopped"
    assert HANDED_OVER in {tag["Key"] for tag in former["Tags"]}
    changed = copy.deepcopy(declared()["aws_compute_instances"])
    changed["KOIN_PROD"] |= {"subnet": "BCSDLab-c", "private_ip": "172.31.32.21"}
    assert fields(Platform(aws).plan(aws_compute_instances=changed)) == set()


def _step(aws: LocalAws, checkout: Checkout, keys: Keys, state: str) -> Run:
    """One call of the module, with the lock."""
    (checkout.top / "playbooks/step.yml").write_text(_STEP)
    aws.mark()
    run = Platform(aws, top=checkout.top, keys=keys).playbook("step", state=state, wait="3m")
    (checkout.top / "playbooks/step.yml").unlink()
    return run


_STEP = """
- import_playbook: lock/take.yml
- hosts: localhost
  gather_facts: false
  tasks:
    - platform_replace: {host: koin-prod, state: "{{ state }}"}
- import_playbook: lock/drop.yml
  vars: {lock_of: step}
"""


def test_a_former_instance_is_deleted_only_by_name_without_protection_and_with_the_right(
    aws: LocalAws, checkout: Checkout, keys: Keys
) -> None:
    (former,) = _instances(aws)[FORMER]
    run = _run(aws, checkout, keys, terminate=FORMER)
    assert run.status == 2
    assert "KOIN_PROD-old is protected against termination, so it stays." in _text(run)
    ec2 = aws.client("ec2")
    ec2.modify_instance_attribute(InstanceId=former["InstanceId"], DisableApiTermination={"Value": False})
    run = _run(aws, checkout, keys, terminate=FORMER)
    assert run.status == 2
    assert "may not ec2:TerminateInstances" in _text(run)
    assert "docs/iam-policy-destroy.json" in _text(run)
    assert FORMER in _instances(aws)
    run = _run(aws, checkout, aws.user("destroyer", OPERATOR, DESTROY), terminate=FORMER)
    assert run.status == 0, run.output
    assert FORMER not in _instances(aws)
    assert len(_instances(aws)["KOIN_PROD"]) == 1
