"""The declaration follows the account: playbooks/adopt.yml on the provisioned platform."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.platform.engine.adopt import (
    ABSENT,
    Edit,
    Seen,
    Target,
    applied,
    besides,
    declaration_in,
    follow,
    left,
)
from ansible.module_utils.platform.engine.context import Context
from ansible.module_utils.platform.engine.errors import UndeclarableError
from ansible.module_utils.platform.engine.observe import account, observe
from ansible.module_utils.platform.engine.plan import plan_in
from ansible.module_utils.platform.engine.session import Clients
from ansible.module_utils.platform.kinds import KINDS

from tests.support import strays
from tests.support.checkout import Checkout
from tests.support.local_aws import LocalAws
from tests.support.platform import Platform, Run, declared, koin_account, specs

#: kinds of which nothing is adopted by itself, and what to adopt instead
FOLLOW = {
    "certificate_validation": "its certificate",
    "iam_boundary": "the roles that name it",
    "origin_access_control": "the distribution of its name",
}
#: records that distributions declare
OF_DISTRIBUTIONS = {"static.koreatech.in", "stage-static.koreatech.in", "image.bcsdlab.com"}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A local AWS with KOIN's platform on it."""
    with koin_account(tmp_path_factory.mktemp("adopt")) as started:
        yield started


@pytest.fixture(scope="module")
def provisioned(aws: LocalAws) -> tuple[dict[str, Any], dict[str, Any]]:
    """The declaration, and the account as it is after provisioning."""
    raw = declared()
    raw["aws_compute_key_pairs"] = {"koin": {"public_key": (aws.directory / "ssh/id_ed25519.pub").read_text().strip()}}
    clients = Clients("ap-northeast-2", raw["aws_environment"] | aws.environ)
    return raw, observe(clients, declaration_in(raw, specs(), KINDS, account(clients)), KINDS)


def _look(observation: dict[str, Any], raw: Any) -> Seen:
    declaration = declaration_in(raw, specs(), KINDS, "123456789012")
    context = Context(declaration, observation)
    return Seen(declaration, plan_in(context, KINDS), context)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_is_forgotten_is_declared_again(kind: Any, provisioned: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Every declared resource of every kind: without its declaration, adopted, the plan is empty for it."""
    raw, observation = provisioned
    look = partial(_look, observation)
    whole = look(raw)
    assert whole.plan.actions == ()
    names = [want.name for want in kind.desired(whole.declaration)]
    assert names, f"KOIN declares no {kind.name}: declare one, or try it on an account made by hand"
    for name in names:
        live = whole.context.found(kind.name, name)
        assert live is not None
        if kind.name in FOLLOW:
            with pytest.raises(UndeclarableError, match=f"{kind.name} {name}: it follows from {FOLLOW[kind.name]}"):
                follow(raw, [Target(kind, name, live)], look, KINDS, specs())
            continue
        if kind.name == "record" and name.partition(" ")[0] in OF_DISTRIBUTIONS:
            with pytest.raises(UndeclarableError, match="follows from distribution"):
                follow(raw, [Target(kind, name, live)], look, KINDS, specs())
            continue
        where = kind.declared_at(name, live, whole.context)
        forgotten = applied(raw, [Edit((*where, "elastic_ip") if kind.partial else where, ABSENT)])
        target = Target(kind, kind.entry_name(live, look(forgotten).context), live)
        assert target.name == name
        edits = follow(forgotten, [target], look, KINDS, specs())
        after = look(applied(forgotten, edits)).plan
        assert left(after, [target]) == [], name
        assert besides(whole.plan, after, [target]) == [], name
        assert [action for action in after.actions if action.action != "unmanaged"] == []


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A repository of the test's own."""
    return Checkout(tmp_path)


def _adopt(aws: LocalAws, checkout: Checkout, what: str = "", *arguments: str, **variables: str) -> Run:
    """Run the playbook; it writes nothing to AWS and takes no lock."""
    aws.mark()
    run = Platform(aws, top=checkout.top).playbook("adopt", *arguments, **({"what": what} if what else {}), **variables)
    assert aws.writes() == []
    return run


@pytest.fixture(scope="module")
def strayed(aws: LocalAws) -> LocalAws:
    """The account, with what somebody made and changed in the console."""
    strays.record(aws, "koreatech.in", "old.koreatech.in", "A", "13.125.7.44")
    strays.record(aws, "koreatech.in", "koreatech.in", "MX", "1 aspmx.l.google.com.", "5 alt1.aspmx.l.google.com.")
    where = {"LocationConstraint": "ap-northeast-2"}
    aws.client("s3").create_bucket(Bucket="koin-archive", CreateBucketConfiguration=where)
    suspended = {"Status": "Suspended"}
    aws.client("s3").put_bucket_versioning(Bucket="kap-test", VersioningConfiguration=suspended)
    ec2 = aws.client("ec2")
    group = strays.group(aws, "Legacy")
    rule = {"IpProtocol": "tcp", "FromPort": 8000, "ToPort": 8010, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    ec2.allocate_address(Domain="vpc")
    return aws


def _plan(aws: LocalAws, checkout: Checkout, tmp_path: Path) -> list[tuple[str, str, str]]:
    file = tmp_path / "plan.json"
    run = Platform(aws, top=checkout.top).playbook("plan", save=str(file))
    assert run.status == 0, run.output
    return [(item["action"], item["kind"], item["name"]) for item in json.loads(file.read_text())["actions"]]


def test_one_record_is_added_and_nothing_else_changes(
    strayed: LocalAws, checkout: Checkout, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = _plan(strayed, checkout, tmp_path_factory.mktemp("plan"))
    run = _adopt(strayed, checkout, "record old.koreatech.in A")
    assert run.status == 0, run.output
    added = [
        "-platform_records: {}",
        "+platform_records:",
        "+  old.koreatech.in:",
        "+    zone: koreatech.in",
        "+    type: A",
        "+    ttl: 60",
        "+    values: [13.125.7.44]",
    ]
    assert checkout.changed() == added
    assert all(line in run.output for line in added)
    assert "To undo: git restore group_vars/all/aws_dns.yml" in run.output
    assert "record old.koreatech.in A is declared as the account has it: the plan is empty for it." in run.output
    after = _plan(strayed, checkout, tmp_path_factory.mktemp("plan"))
    assert set(before) - set(after) == {("unmanaged", "record", "old.koreatech.in A")}
    assert set(after) - set(before) == set()


def test_everything_that_is_undeclared_is_adopted_at_once(
    strayed: LocalAws, checkout: Checkout, tmp_path_factory: pytest.TempPathFactory
) -> None:
    asked = _adopt(strayed, checkout)
    assert asked.status == 0, asked.output
    assert "Nothing was written. 4 could be adopted" in asked.output
    assert "-e what=all" in asked.output
    assert checkout.changed() == []
    run = _adopt(strayed, checkout, "all")
    assert run.status == 0, run.output
    assert "Not adopted: elastic_ip" in run.output
    assert [line for line in checkout.changed() if line.startswith("-")] == ["-platform_records: {}"]
    left = _plan(strayed, checkout, tmp_path_factory.mktemp("plan"))
    # What differs is not followed unasked; an address that nothing has cannot be declared.
    assert [(action, kind) for action, kind, _ in left] == [("change", "bucket"), ("unmanaged", "elastic_ip")]


def test_what_differs_is_kept_only_when_told_to(
    strayed: LocalAws, checkout: Checkout, tmp_path_factory: pytest.TempPathFactory
) -> None:
    refused = _adopt(strayed, checkout, "bucket kap-test")
    assert refused.status == 2
    assert "bucket kap-test is declared, and differs in versioning." in refused.output
    assert "-e keep=live" in refused.output
    assert checkout.changed() == []
    tried = _adopt(strayed, checkout, "bucket kap-test", "--check", keep="live")
    assert tried.status == 0, tried.output
    assert "Nothing was written (check mode)." in tried.output
    assert checkout.changed() == []
    run = _adopt(strayed, checkout, "bucket kap-test", keep="live")
    assert run.status == 0, run.output
    assert checkout.changed() == ["+    versioning: false"]
    left = _plan(strayed, checkout, tmp_path_factory.mktemp("plan"))
    assert [item for item in left if item[0] != "unmanaged"] == []


def test_changes_that_are_not_committed_are_kept(strayed: LocalAws, checkout: Checkout) -> None:
    path = "group_vars/all/aws_dns.yml"
    checkout.replace(path, "# Seconds.", "# Seconds, at most.")
    run = _adopt(strayed, checkout, "record old.koreatech.in A")
    assert run.status == 0, run.output
    assert {"-# Seconds.", "+# Seconds, at most.", "+  old.koreatech.in:"} <= set(checkout.changed())
    command = next(line for line in run.output.splitlines() if "git apply" in line).rpartition(": ")[2]
    subprocess.run(command.split(), cwd=checkout.top, check=True)
    assert checkout.changed() == ["-# Seconds.", "+# Seconds, at most."]
