"""One run at a time writes: two at once, waiting, unlocking, a dead holder, lost answers, races for the lock."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible import constants
from ansible.module_utils.platform import holding, lock, lock_keeper, locking
from ansible.module_utils.platform.engine.errors import PlatformError
from ansible.module_utils.platform.engine.session import Clients
from ansible.module_utils.platform.holding import Holding, Seen
from ansible.module_utils.platform.lock import Lock
from ansible.module_utils.platform.processes import State, clock

from rehearsal.aws.operations import Call
from tests.faults.proxy import Proxy
from tests.support import races
from tests.support.inventory import inventory
from tests.support.local_aws import LocalAws
from tests.support.platform import Platform, fields, lock_bucket
from tests.support.processes import kill_all

BUCKET = lock_bucket()
RACES = range(8)
#: half a second to beat, two to take over
TIMES = races.Times(beat=0.1, held=2.0, free=4.0)
#: takes the lock and waits until the file exists; then another playbook of it looks again
HOLD = """
- import_playbook: {playbooks}/lock/take.yml
- hosts: localhost
  gather_facts: false
  tasks:
    - file: {{path: {folder}/begun, state: touch}}
    - wait_for: {{path: {folder}/go, timeout: 240, sleep: 1}}
- import_playbook: {playbooks}/lock/take.yml
- hosts: localhost
  gather_facts: false
  tasks:
    - file: {{path: {folder}/written, state: touch}}
- import_playbook: {playbooks}/lock/drop.yml
  vars: {{lock_of: hold}}
"""


@pytest.fixture
def platform(local_aws: LocalAws) -> Platform:
    """The playbooks on an empty account."""
    local_aws.reset(empty=True)
    return Platform(local_aws)


@pytest.fixture
def connect(local_aws: LocalAws) -> Callable[[], Lock]:
    """Makes the lock of the account, with a connection of its own."""
    return lambda: Lock(Clients("ap-northeast-2", local_aws.environ)["s3"], BUCKET)


@pytest.fixture
def its(connect: Callable[[], Lock]) -> Lock:
    """The lock of the account."""
    return connect()


class Held:
    """A run that holds the lock until it is told to go on."""

    def __init__(self, platform: Platform, folder: Path, its: Lock) -> None:
        self._its, self.folder = its, folder
        playbooks = Path(__file__).resolve().parents[2] / "playbooks"
        (folder / "hold.yml").write_text(HOLD.format(playbooks=playbooks, folder=folder))
        self.run = platform.start(os.path.relpath(folder / "hold", playbooks))
        until = time.monotonic() + 120
        while not (folder / "begun").exists():
            assert self.run.poll() is None, self.run.communicate()[0]
            assert time.monotonic() < until
            time.sleep(0.1)
        # It is in the task that waits.
        time.sleep(2)

    def seen(self) -> Seen | None:
        """The lock now."""
        return self._its.read()

    @property
    def document(self) -> Holding:
        """What it says of itself."""
        seen = self.seen()
        assert seen is not None
        return seen.holding

    def end(self) -> str:
        """Go on, to the end."""
        (self.folder / "go").touch()
        return self.run.communicate(timeout=300)[0]


@pytest.fixture
def held(platform: Platform, tmp_path: Path, its: Lock) -> Iterator[Held]:
    """A run with the lock, whatever becomes of it."""
    running = Held(platform, tmp_path, its)
    yield running
    if running.run.poll() is None:
        kill_all(running.run.pid)
    running.run.wait()
    kill_keeper(running.run.pid)


def keepers(run: int) -> list[int]:
    """The keeper of a run, by the note in its temporary folder."""
    folders = Path(constants.DEFAULT_LOCAL_TMP).parent.glob(f"ansible-local-{run}*")
    notes = [locking.Note.read(folder / locking.NOTE) for folder in folders]
    return [note.keeper[0] for note in notes if note and note.holding.run.process == run]


def kill_keeper(run: int) -> None:
    """SIGKILL for it, if it lives."""
    for keeper in keepers(run):
        with contextlib.suppress(ProcessLookupError):
            os.kill(keeper, signal.SIGKILL)


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Whether something comes true in time."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


# First, while this process has no proxy: racers are forks of it.
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("seed", RACES)
def test_races(
    connect: Callable[[], Lock], its: Lock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(holding, "FREE", holding.FREE)
    outcome = races.race(connect, tmp_path, seed, TIMES)
    assert set(outcome.ended) <= {races.DONE, races.LOST}, outcome
    assert races.freed(its, TIMES), outcome


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_races_notice_two_holders_and_a_lock_that_stays(
    connect: Callable[[], Lock], its: Lock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "FREE", holding.FREE)
    with monkeypatch.context() as without:
        without.setattr(Lock, "create", lambda self, own: True)
        without.setattr(locking, "renew", lambda lock, own: (own, clock() + 1))
        met = [races.race(connect, tmp_path, seed, TIMES).count(races.MET) for seed in range(3)]
    assert sum(met) > 0
    locking.take(its, locking.holding_of(os.getpid(), "test", "now"))
    assert not races.freed(its, races.Times(beat=1, held=60, free=60), patience=-59)


def test_one_of_two_provisions_builds(platform: Platform, its: Lock) -> None:
    first, second = platform.start("provision"), platform.start("provision")
    texts = {run.communicate(timeout=600)[0]: run.returncode for run in (first, second)}
    refused, built = sorted(texts, key=lambda text: "is locked by" not in text)
    assert texts[built] == 0, built
    assert texts[refused] == 2, refused
    assert "The platform is locked by " in refused
    assert "(provision) since 20" in refused
    assert fields(platform.plan()) == set()
    doubled = {kind: name for kind, counts in inventory(platform.aws).items() for name, n in counts.items() if n > 1}
    assert doubled == {}
    assert its.read() is None


def test_reading_needs_no_lock_and_writing_waits_when_asked(platform: Platform, held: Held) -> None:
    assert platform.playbook("plan").status == 0
    assert platform.playbook("provision", "--check").status == 0
    refused = platform.playbook("provision")
    assert refused.status == 2
    assert f"locked by {held.document.name} (hold)" in refused.output
    assert not [call for call in platform.aws.writes() if call["operation"] != "CreateBucket"]
    waiting = platform.start("provision", wait="5m")
    line = waiting.stdout and next(line for line in waiting.stdout if "Waiting for" in line)
    assert held.document.name in str(line)
    held.end()
    assert held.run.returncode == 0
    output = waiting.communicate(timeout=600)[0]
    assert waiting.returncode == 0, output
    assert held.seen() is None


def test_a_run_that_was_unlocked_stops_before_its_next_change(platform: Platform, held: Held) -> None:
    name = held.document.name
    asked = platform.playbook("unlock")
    assert asked.status == 0
    assert f"held by {name} (hold) since" in asked.output
    wrong = platform.playbook("unlock", holder="kim@laptop:4711")
    assert wrong.status == 2
    assert held.document.name == name
    freed = platform.playbook("unlock", holder=name)
    assert freed.status == 0, freed.output
    assert held.seen() is None
    time.sleep(lock_keeper.FIRST + lock_keeper.LOOK + 2)
    text = held.end()
    assert "The lock was lost: somebody has unlocked it" in text
    assert held.run.returncode == 2
    assert not (held.folder / "written").exists()


def test_a_run_that_is_killed_frees_it(platform: Platform, held: Held, its: Lock) -> None:
    """Its keeper survives SIGKILL of the run and all that it has started; its workers are gone with it."""
    kill_all(held.run.pid)
    held.run.wait()
    began = time.monotonic()
    assert within(60, lambda: held.seen() is None)
    print(f"free {time.monotonic() - began:.1f} s after all of the run was killed")


def test_a_worker_that_outlives_its_run_keeps_it_for_a_while(platform: Platform, held: Held, its: Lock) -> None:
    token = held.document.token
    held.run.kill()
    held.run.wait()
    # The worker still waits for the file.
    time.sleep(2)
    assert held.document.token == token
    (held.folder / "go").touch()
    assert within(60, lambda: held.seen() is None)
    assert not (held.folder / "written").exists()


def test_a_run_whose_keeper_was_killed_as_well_is_taken_over(platform: Platform, held: Held, its: Lock) -> None:
    kill_keeper(held.run.pid)
    kill_all(held.run.pid)
    held.run.wait()
    own = locking.holding_of(os.getpid(), "test", "now")
    # From another machine: not before its time.
    with pytest.raises(PlatformError, match=r"is locked by .*free in \d+ s at the latest"):
        locking.take(its, own, look=lambda run: State.UNKNOWN)
    # On this one: at once.
    locking.take(its, own)
    assert held.document.token == own.token
    locking.release(its, own.token)


@pytest.mark.parametrize("operation", ["PutObject", "CreateBucket", "DeleteObject", "GetObject"])
@pytest.mark.parametrize("fault", ["reset after", "500", "html", "cut"])
def test_an_answer_that_is_lost_leaves_one_holder(
    local_aws: LocalAws, proxy: Proxy, its: Lock, operation: str, fault: str
) -> None:
    local_aws.reset(empty=True)
    environment = local_aws.environ | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}"}
    behind = Lock(Clients("ap-northeast-2", environment)["s3"], BUCKET)

    def rule(call: Call, count: int) -> str | None:
        return fault if (call.operation, count) == (operation, 0) else None

    proxy.use(rule)
    own, other = (locking.holding_of(os.getpid(), name, "now") for name in ("own", "other"))
    locking.take(behind, own)
    with pytest.raises(PlatformError, match=r"is locked by .* \(own\)"):
        locking.take(its, other)
    locking.renew(behind, own)
    locking.check(behind, own.token)
    locking.release(behind, own.token)
    assert its.read() is None
    assert [name for name, _ in proxy.faults] == [f"s3:{operation}"]
    locking.take(its, other)


def test_the_document_says_who_and_what(held: Held, its: Lock, local_aws: LocalAws) -> None:
    content = json.loads(local_aws.client("s3").get_object(Bucket=BUCKET, Key=lock.KEY)["Body"].read())
    assert content["what"] == "hold"
    assert content["run"]["process"] == held.run.pid
    assert content["since"].startswith("20")
    assert {"who", "host", "beat", "token"} <= content.keys()
