"""Every run leaves a record, however it ends; the history says who changed what, and what was nobody of us."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.platform.engine.session import Clients
from ansible.module_utils.platform.lock import Lock
from ansible.module_utils.platform.record_store import RecordStore
from ansible.module_utils.platform.records import Record

from tests.support.killed import provision_and_kill
from tests.support.local_aws import LocalAws
from tests.support.platform import Platform, lock_bucket
from tests.support.rights import ADMINISTRATOR, OPERATOR, denied

BUCKET = "kap-test"
#: takes the lock, does something, and drops it
SHORT = """
- import_playbook: {playbooks}/lock/take.yml
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Do something
      assert: {{that: "{that}", fail_msg: horse-battery-staple}}
- import_playbook: {playbooks}/lock/drop.yml
  vars: {{lock_of: {name}}}
"""

#: as playbooks/revoke.yml: one host fails, the others go on
PARTLY = """
- import_playbook: {playbooks}/lock/take.yml
- hosts: localhost
  gather_facts: false
  tasks:
    - add_host: {{name: other, ansible_connection: local}}
- hosts: localhost:other
  gather_facts: false
  tasks:
    - assert: {{that: inventory_hostname == 'localhost'}}
- import_playbook: {playbooks}/lock/drop.yml
  vars: {{lock_of: partly}}
"""


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """An account of this module's own."""
    with LocalAws(tmp_path_factory.mktemp("history")) as started:
        yield started.reset(empty=True)


@pytest.fixture(scope="module")
def platform(aws: LocalAws) -> Platform:
    """The platform, built by an administrator and an operator with exactly their rights."""
    Platform(aws, keys=aws.user("administrator", ADMINISTRATOR)).bound()
    operator = Platform(aws, keys=aws.user("operator", OPERATOR))
    operator.provision()
    return operator


@pytest.fixture
def records(aws: LocalAws) -> Callable[[], list[Record]]:
    """All records, by time, once the keeper of the last run has written the end and freed the lock."""
    client = Clients("ap-northeast-2", aws.environ)["s3"]
    store, lock = RecordStore(client, lock_bucket()), Lock(client, lock_bucket())

    def read() -> list[Record]:
        until = time.monotonic() + 120
        while lock.read() is not None and time.monotonic() < until:
            time.sleep(0.2)
        return store.read(store.listed())

    return read


def short(platform: Platform, folder: Path, name: str, that: str = "true") -> Any:
    """Run a playbook that takes the lock and does next to nothing."""
    playbooks = Path(__file__).resolve().parents[2] / "playbooks"
    (folder / f"{name}.yml").write_text(SHORT.format(playbooks=playbooks, name=name, that=that))
    return platform.playbook(os.path.relpath(folder / name, playbooks))


def history(platform: Platform, status: int = 0, **variables: Any) -> str:
    """What playbooks/history.yml prints."""
    platform.aws.mark()
    run = platform.playbook("history", **variables)
    assert run.status == status, run.output
    assert platform.aws.writes() == []
    return run.output


def versioning(aws: LocalAws, status: str) -> None:
    """Set it by hand."""
    aws.client("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": status})


def test_runs_leave_records(platform: Platform, records: Callable[[], list[Record]]) -> None:
    boundary, provision = records()
    assert (boundary.what, boundary.result, boundary.writes) == ("boundary", "ok", 1)
    assert (provision.what, provision.result) == ("provision", "ok")
    assert re.fullmatch(r"[0-9a-f]{40}", provision.commit)
    assert provision.writes >= 90
    # Of what it has seen: before it wrote anything, and afterwards.
    assert len({one["digest"] for one in provision.observations}) == 2
    assert len(provision.text()) < 100_000
    text = history(platform)
    assert re.search(r"20\d\d-\d\d-\d\d \d\d:\d\d \S+ +boundary +ok ", text)
    assert re.search(r" provision +ok +\S+ +9\d ", text)
    assert "Nothing changed in the account." not in text


def test_a_change_by_hand_is_outside_and_the_repair_is_ours(platform: Platform, aws: LocalAws) -> None:
    versioning(aws, "Suspended")
    text = history(platform, 2, since="1h")
    built, _, outside = text.partition("outside, between ")
    assert "+ bucket kap-test" in built
    assert "~ bucket kap-test\n      versioning: true -> false" in outside
    assert "1 change from outside" in text
    platform.provision()
    repair = history(platform, 2, since="1h").partition("outside, between ")[2]
    assert re.search(r"\(provision\):\n  ~ bucket kap-test\n      versioning: false -> true", repair)


def test_a_killed_run_is_killed_and_what_it_did_is_its_own(
    platform: Platform, aws: LocalAws, records: Callable[[], list[Record]]
) -> None:
    known = len(records())
    versioning(aws, "Suspended")
    aws.mark()
    assert provision_and_kill(aws, after=1, everything=True)
    assert records()[known].result == "killed"
    assert records()[known].plan
    platform.provision()
    text = history(platform, 2, since="1h")
    assert re.search(r" provision +killed ", text)
    # It had set it before it was killed.
    last = [run for run in records() if run.what == "provision"][-2:]
    assert [run.result for run in last] == ["killed", "ok"]
    assert f"{last[0].who} (provision):\n  ~ bucket kap-test\n      versioning: false -> true" in text


def test_a_run_that_failed_on_some_hosts_only_has_failed(
    platform: Platform, tmp_path: Path, records: Callable[[], list[Record]]
) -> None:
    """As revoke.yml does: what can be done is done, and the lock is dropped at the end."""
    playbooks = Path(__file__).resolve().parents[2] / "playbooks"
    (tmp_path / "partly.yml").write_text(PARTLY.format(playbooks=playbooks))
    assert platform.playbook(os.path.relpath(tmp_path / "partly", playbooks)).status == 2
    failed = records()[-1]
    assert (failed.what, failed.result) == ("partly", "failed")


def test_a_failed_run_names_task_and_host_and_no_more(
    platform: Platform, tmp_path: Path, records: Callable[[], list[Record]]
) -> None:
    assert short(platform, tmp_path, "broken", "false").status == 2
    failed = records()[-1]
    assert (failed.what, failed.result) == ("broken", "failed")
    assert failed.failed == {"task": "Do something", "host": "localhost"}
    assert "horse" not in failed.text()
    assert "failed at Do something, on localhost" in history(platform)


def test_a_record_that_cannot_be_written_fails_no_run(
    platform: Platform, aws: LocalAws, tmp_path: Path, records: Callable[[], list[Record]]
) -> None:
    refused = denied("s3:PutObject")
    refused["Statement"][0]["Resource"] = f"arn:aws:s3:::{lock_bucket()}/runs/*"
    before = len(records())
    run = short(Platform(aws, keys=aws.user("recordless", OPERATOR, refused)), tmp_path, "recordless")
    assert run.status == 0, run.output
    assert "record of this run could not be written" in " ".join(run.output.split())
    assert len(records()) == before


def test_no_bucket_and_no_moment(platform: Platform, tmp_path: Path) -> None:
    assert "since: `yesterday` is no moment" in history(platform, 2, since="yesterday")
    with LocalAws(tmp_path) as other:
        text = history(Platform(other.reset(empty=True)))
    assert "when" in text
