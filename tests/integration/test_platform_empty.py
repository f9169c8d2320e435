"""An empty account gets the whole declared platform; a second run writes nothing: with an operator's rights."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.module_utils.platform.engine.declaration import Declaration
from ansible.module_utils.platform.engine.workflow import declaration_of
from ansible.module_utils.platform.kinds import KINDS

from tests.support.account_state import disturbed, state
from tests.support.drift import DELETIONS, DRIFTS, RENAMED, Account
from tests.support.local_aws import LocalAws
from tests.support.plan_calls import mismatches
from tests.support.platform import Platform, Run, declared, fields, specs
from tests.support.rights import ADMINISTRATOR, OPERATOR
from tests.support.strange import STRANGE


def _everything_declared() -> set[tuple[str, str]]:
    declaration: Declaration = declaration_of(declared(), specs(), KINDS)
    declaration.account = "123456789012"
    return {(kind.name, want.name) for kind in KINDS for want in kind.desired(declaration)}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A local AWS of this module's own: what one test builds the next one uses."""
    with LocalAws(tmp_path_factory.mktemp("empty")) as started:
        started.reset(empty=True)
        yield started


@pytest.fixture(scope="module")
def platform(aws: LocalAws) -> Platform:
    """The platform on it, for an operator who may do what docs/iam-policy.json says, and nothing else."""
    return Platform(aws, keys=aws.user("operator", OPERATOR))


@pytest.fixture(scope="module")
def plan_file(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """The plan for the empty account, as a user gets it."""
    file = tmp_path_factory.mktemp("plan") / "plan.json"
    return platform.playbook("plan", save=str(file)), file


@pytest.fixture(scope="module")
def built(platform: Platform, plan_file: tuple[Run, Path]) -> tuple[Platform, list[str]]:
    """The platform after its first provisioning, and how the calls differ from the plan.

    By an administrator, who may write the boundary and nothing else, and then by the operator.
    """
    planned = platform.plan()
    platform.aws.mark()
    Platform(platform.aws, keys=platform.aws.user("administrator", ADMINISTRATOR)).bound()
    platform.provision()
    writes = [item for item in platform.aws.writes() if item.get("principal")]
    after = platform.plan()
    return platform, mismatches(planned.writes, writes, after.registry)


def test_plan_lists_every_declared_resource_and_writes_nothing(plan_file: tuple[Run, Path], aws: LocalAws) -> None:
    run, file = plan_file
    content = json.loads(file.read_text())
    assert run.status == 0, run.output
    assert {(item["kind"], item["name"]) for item in content["actions"]} == _everything_declared()
    for item in content["actions"]:
        assert item["action"] == ("change" if KINDS.named(item["kind"]).everywhere else "create"), item
    # The root has made the operator; the operator has made nothing.
    assert not [request for request in aws.requests(0) if request["write"] and request.get("principal")]
    for kind, name in _everything_declared():
        assert f"{'~' if KINDS.named(kind).everywhere else '+'} {kind} {name}" in run.output


def test_plan_says_what_everything_costs(plan_file: tuple[Run, Path]) -> None:
    output = plan_file[0].output
    assert "  + elastic_ip KOIN_PROD   + $3.65 a month" in output
    assert "  + bucket koin-backup   price unknown: S3 storage and requests by use" in output
    # On an empty account the plan adds all of it.
    assert re.search(r"Cost a month \(730 hours\): (\$[\d.]+) as declared, \+ \1 by this plan\.", output)


def test_provision_makes_exactly_the_calls_that_the_plan_announced(built: tuple[Platform, list[str]]) -> None:
    assert built[1] == []


def test_second_provision_writes_nothing(built: tuple[Platform, list[str]]) -> None:
    platform = built[0]
    platform.aws.mark()
    run = platform.provision()
    assert platform.writes() == {}
    assert "No changes." in run.output
    assert run.recap["changed"] == 0


def test_plan_afterwards_says_no_changes(built: tuple[Platform, list[str]]) -> None:
    run = built[0].playbook("plan")
    assert run.status == 0
    assert "No changes." in run.output
    plan = built[0].plan()
    assert [action for action in plan.actions if action.action != "unmanaged"] == []
    assert plan.of("unmanaged") == []


def test_every_declared_field_is_in_the_drift_table(built: tuple[Platform, list[str]], platform: Platform) -> None:
    """A field that is added to a kind without a row below would go untested."""
    declaration = declaration_of(declared(), specs(), KINDS)
    wanted = {(kind.name, field) for kind in KINDS for want in kind.desired(declaration) for field in want.fields}
    tried = {(drift.kind, drift.field) for group in DRIFTS.values() for drift in group}
    # What AWS itself cannot change in place: only reported, see test_platform_replace.py.
    fixed = {(kind.name, field) for kind in KINDS for field in kind.replaced_by}
    assert wanted - tried - fixed - RENAMED == set()


@pytest.fixture(scope="module")
def strange(built: tuple[Platform, list[str]]) -> Platform:
    """The platform, of which everything that nobody declares has a value other than AWS's default."""
    platform = Platform(built[0].aws)
    account = Account(platform.aws, platform.plan().registry)
    for change in STRANGE.values():
        change(account)
    return platform


def test_what_nobody_declares_is_no_difference(strange: Platform) -> None:
    assert fields(strange.plan()) == set()


@pytest.mark.parametrize("group", DRIFTS)
def test_what_is_changed_behind_the_back_is_named_and_repaired(strange: Platform, group: str) -> None:
    """Named, repaired, and nothing else is written: the account is again as it was, down to the last setting."""
    platform = strange
    before, declared_state = platform.plan(), state(platform.aws)
    account, named = Account(platform.aws, before.registry), set()
    # One plan for all of them, where they let each other be: 128 plans took four minutes.
    for drift in DRIFTS[group]:
        if drift.overwrites:
            named |= fields(platform.plan())
        drift.make(account)
    planned, drifted = platform.plan(), state(platform.aws)
    expected = {(drift.kind, drift.name, field) for drift in DRIFTS[group] for field in (drift.field, *drift.also)}
    assert {item[1:] for item in (named | fields(planned)) - fields(before)} == expected
    platform.aws.mark()
    platform.provision()
    writes, after = platform.aws.writes(), platform.plan()
    assert fields(after) == set()
    assert mismatches(planned.writes, writes, after.registry) == []
    assert disturbed(declared_state, drifted, state(platform.aws)) == []


def test_what_is_deleted_behind_the_back_is_created_again(built: tuple[Platform, list[str]]) -> None:
    platform = Platform(built[0].aws)
    account = Account(platform.aws, platform.plan().registry)
    for delete in DELETIONS.values():
        delete(account)
    planned = platform.plan()
    created = {(action.kind, action.name) for action in planned.of("create")}
    # What stood in a zone goes with it.
    inside = {("record", "jjbaksa.com A"), ("record", "stage.jjbaksa.com A")}
    # An access list whose subnets went back to the default one is that default one from now on.
    adopted = {("network_acl", "BCSDLab-open")}
    assert created == DELETIONS.keys() - adopted | inside
    assert {(action.kind, action.name) for action in planned.of("change")} >= adopted
    platform.aws.mark()
    platform.provision()
    writes, after = platform.aws.writes(), platform.plan()
    assert fields(after) == set()
    assert mismatches(planned.writes, writes, after.registry) == []
