"""A plan that was saved is carried out as it was reviewed, or not at all."""

from __future__ import annotations

import copy
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.platform.lock import KEY

from tests.support.local_aws import LocalAws
from tests.support.plan_calls import mismatches
from tests.support.platform import Platform, Run, declared, fields

BUCKET = "kap-test"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """An empty account of this module's own."""
    with LocalAws(tmp_path_factory.mktemp("saved")) as aws:
        yield Platform(aws.reset(empty=True))


@pytest.fixture(scope="module")
def first(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plan that builds it, saved."""
    file = tmp_path_factory.mktemp("plans") / "first.plan"
    run = platform.playbook("plan", save=str(file))
    assert run.status == 0, run.output
    return file


@pytest.fixture(scope="module")
def built(platform: Platform, first: Path) -> tuple[Platform, list[str]]:
    """The account after that, and how the calls differ from the file."""
    planned = platform.plan()
    platform.aws.mark()
    platform.provision(plan=str(first))
    return platform, mismatches(planned.writes, platform.aws.writes(), platform.plan().registry)


def _buckets(**more: Any) -> dict[str, Any]:
    found = copy.deepcopy(declared()["aws_storage_buckets"])
    found[BUCKET] |= more
    return found


def _refused(platform: Platform, file: Path, playbook: str = "provision", *arguments: str, **more: Any) -> Run:
    """A run with a saved plan that writes nothing."""
    platform.aws.mark()
    run = platform.playbook(playbook, *arguments, plan=str(file), **more)
    assert run.status != 0, run.output
    assert platform.writes() == {}, run.output
    return run


@pytest.fixture
def versions(built: tuple[Platform, list[str]], tmp_path: Path) -> Path:
    """A saved plan of one change: somebody has switched the versions of a bucket off."""
    versioning(built[0], "Suspended")
    file = tmp_path / "versions.plan"
    run = built[0].playbook("plan", save=str(file))
    assert "~ bucket kap-test" in run.output
    return file


def versioning(platform: Platform, status: str) -> None:
    """Set it by hand."""
    platform.aws.client("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": status})


def test_the_file_is_for_its_owner_and_names_every_resource(first: Path) -> None:
    content = json.loads(first.read_text())
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert [path.name for path in first.parent.iterdir()] == [first.name]
    assert content["counts"]["create"] == len([item for item in content["actions"] if item["action"] == "create"]) >= 90


def test_a_saved_plan_builds_an_empty_account(built: tuple[Platform, list[str]]) -> None:
    """The lock has made its bucket before the plan is looked at, which the plan creates."""
    assert built[1] == []
    assert fields(built[0].plan()) == set()


def test_a_plan_that_was_carried_out_is_refused(built: tuple[Platform, list[str]], first: Path) -> None:
    assert "has been carried out already" in _refused(built[0], first).output


def test_a_plan_holds_until_something_changes(built: tuple[Platform, list[str]], versions: Path) -> None:
    platform, s3 = built[0], built[0].aws.client("s3")
    tagged = _refused(platform, versions, aws_storage_buckets=_buckets(tags={"Owner": "koin"}))
    assert "declared now: bucket kap-test tags.Owner: (none) -> koin" in tagged.output
    ownership = s3.get_bucket_ownership_controls(Bucket=BUCKET)["OwnershipControls"]
    s3.put_bucket_ownership_controls(Bucket=BUCKET, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    changed = _refused(platform, versions)
    assert "in the account now: bucket kap-test ownership: BucketOwnerEnforced -> ObjectWriter" in changed.output
    assert f"ansible-playbook playbooks/plan.yml -e save={versions}" in changed.output
    s3.put_bucket_ownership_controls(Bucket=BUCKET, OwnershipControls=ownership)
    platform.aws.mark()
    platform.provision(plan=str(versions))
    assert platform.writes() == {"s3:PutBucketVersioning": 1}


def test_what_cannot_be_carried_out_is_refused_before_the_lock(
    built: tuple[Platform, list[str]], first: Path, tmp_path: Path
) -> None:
    """A part of a plan, a plan where none is carried out, and a file that was edited."""
    platform, edited = built[0], tmp_path / "edited.plan"
    start = platform.aws.mark()
    edited.write_text(first.read_text().replace("koin", "kion", 1))
    runs = (
        _refused(platform, edited),
        _refused(platform, first, "provision", "--tags", "dns"),
        _refused(platform, first, "boundary"),
    )
    for run, told in zip(
        runs,
        ("it is damaged, or was edited", "leave out --tags dns", "is for provision.yml, site.yml; leave it out"),
        strict=True,
    ):
        assert told in run.output
    assert not [call for call in platform.aws.requests(start) if call["params"].get("Key") == KEY]
