"""The lock: the protocol on an S3 in memory, what follows from its document, and the processes of a run."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.platform import lock_keeper, locking, processes
from ansible.module_utils.platform.engine.errors import PlatformError
from ansible.module_utils.platform.holding import FREE, HELD, Holding, LostError, Seen, Watch, free, refusal, seconds
from ansible.module_utils.platform.lock import KEY, Lock
from ansible.module_utils.platform.locking import Note, check, confirm, release, renew, take, unlock
from ansible.module_utils.platform.platform_input import bucket_problems
from ansible.module_utils.platform.processes import Run, State

from tests.support.memory_s3 import MemoryS3
from tests.support.memory_s3 import refusal as refused

REPOSITORY = Path(__file__).resolve().parents[2]
ELSEWHERE = Run(4711, "17", "another machine", 1000)


def holding(token: str) -> Holding:
    """The document of a run on another machine."""
    return Holding(token, "kim", "laptop", "configure --limit koin-prod", "2026-11-28 14:03:07 KST", ELSEWHERE)


def unknown(run: Run) -> State:
    """What one machine knows of a run on another one."""
    return State.UNKNOWN


@pytest.fixture
def s3() -> MemoryS3:
    """The bucket, without a lock."""
    return MemoryS3()


@pytest.fixture
def lock(s3: MemoryS3) -> Lock:
    """The lock in it."""
    return Lock(s3, "koin-platform")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing sleeps."""
    monkeypatch.setattr(locking.time, "sleep", lambda seconds: None)


def holder(s3: MemoryS3) -> str:
    """Whose token is in the bucket."""
    return Holding.parsed(s3.text).token if s3.text else ""


# --- The document ----------------------------------------------------------------------------------------------------


def test_a_document_is_read_as_it_was_written() -> None:
    own = replace(holding("a"), run=replace(ELSEWHERE, pipes=("pipe:[1]", "pipe:[2]")))
    assert Holding.parsed(own.text()) == own
    assert Holding.parsed(own.beaten().text()).beat == 1


@pytest.mark.parametrize("text", ["", "[]", "7", "<html>", '{"token": "a"}', '{"run": {}}', '{"run": 7}'])
def test_what_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Holding.parsed(text)


@pytest.mark.parametrize(
    ("age", "state", "expected"),
    [
        (0, State.UNKNOWN, False),
        (FREE, State.UNKNOWN, False),
        (FREE + 1, State.UNKNOWN, True),
        (FREE + 1, State.RUNNING, True),
        (0, State.RUNNING, False),
        (HELD, State.FINISHING, False),
        (FREE + 1, State.FINISHING, True),
        (0, State.ENDED, True),
    ],
)
def test_when_others_may_take_over(age: float, state: State, expected: bool) -> None:
    assert free(age, state) is expected


def test_a_dead_holder_frees_it_within_two_minutes_and_a_living_one_knows_before_others_do() -> None:
    assert FREE + locking.POLL < 120
    # S3 tells whole seconds, and a request may be under way for as long as a client waits for its answer.
    assert FREE - HELD > 2 + 20
    assert lock_keeper.BEAT * 2 < HELD


def test_a_document_that_does_not_change_gets_old_without_a_clock_of_s3() -> None:
    watch, seen = Watch(), Seen(holding("a"), "e", 0.0)
    assert watch.age(seen, 1000.0) == 0
    assert watch.age(seen, 1040.0) == 40
    assert watch.age(replace(seen, age=50.0), 1041.0) == 50
    assert watch.age(replace(seen, etag="f"), 1042.0) == 0


@pytest.mark.parametrize(("text", "expected"), [(0, 0), ("90", 90), ("90s", 90), ("15m", 900), (" 1.5 h ", 5400)])
def test_a_time_to_wait(text: object, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "-1", "1d", True, "1m30"])
def test_what_is_no_time_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"wait: .* Write seconds or, e\.g\., 15m"):
        seconds(text)


def test_the_refusal_says_who_for_what_since_when_and_what_to_do() -> None:
    text = refusal(holding("a"), 8.4, State.UNKNOWN)
    assert "locked by kim@laptop:4711 (configure --limit koin-prod) since 2026-11-28 14:03:07 KST" in text
    assert "8 s old" in text
    assert "`-e wait=15m`" in text
    assert "free in 82 s at the latest; `make unlock`" in text
    assert "That run was killed" in refusal(holding("a"), 8.4, State.FINISHING)


# --- The protocol ----------------------------------------------------------------------------------------------------


def test_one_of_two_takes_it_and_the_other_says_who_has_it(s3: MemoryS3, lock: Lock) -> None:
    take(lock, holding("a"))
    with pytest.raises(PlatformError, match=r"locked by kim@laptop:4711"):
        take(lock, holding("b"), look=unknown)
    assert holder(s3) == "a"
    release(lock, "a")
    take(lock, holding("b"))
    assert holder(s3) == "b"


def test_the_bucket_is_made_when_it_is_missing() -> None:
    s3 = MemoryS3(bucket=False)
    take(Lock(s3, "koin-platform"), holding("a"))
    assert holder(s3) == "a"


def test_the_bucket_may_be_made_by_two_at_once() -> None:
    s3 = MemoryS3(bucket=False)

    def other_is_faster(operation: str) -> None:
        s3.bucket = s3.bucket or operation == "create_bucket"

    s3.between = other_is_faster
    take(Lock(s3, "koin-platform"), holding("a"))
    assert holder(s3) == "a"


def test_a_bucket_of_somebody_else_is_named(s3: MemoryS3, lock: Lock) -> None:
    s3.bucket = False

    def taken(operation: str) -> None:
        if operation == "create_bucket":
            raise refused("BucketAlreadyExists", "CreateBucket")

    s3.between = taken
    with pytest.raises(PlatformError, match=r"koin-platform belongs to another account.*platform_bucket"):
        take(lock, holding("a"))


@pytest.mark.parametrize("operation", ["put_object", "create_bucket"])
def test_a_lost_answer_leaves_the_lock_with_who_has_taken_it(operation: str) -> None:
    s3 = MemoryS3(bucket=operation == "put_object")
    s3.lost = [operation]
    take(Lock(s3, "koin-platform"), holding("a"))
    assert holder(s3) == "a"


def test_lost_answers_of_later_writes(s3: MemoryS3, lock: Lock) -> None:
    take(lock, holding("a"))
    s3.lost = ["put_object"]
    renew(lock, holding("a"))
    assert Holding.parsed(s3.text).beat == 2
    s3.now, s3.lost = FREE + 1, ["put_object"]
    take(lock, holding("b"), look=unknown)
    assert holder(s3) == "b"
    s3.lost = ["delete_object"]
    release(lock, "b")
    assert holder(s3) == ""


def test_a_right_that_is_missing_is_named(s3: MemoryS3, lock: Lock) -> None:
    def denied(operation: str) -> None:
        raise refused("AccessDenied", operation)

    s3.between = denied
    with pytest.raises(PlatformError, match="may not s3:PutObject"):
        lock.create(holding("a"))
    with pytest.raises(PlatformError, match="may not s3:GetObject"):
        lock.read()
    with pytest.raises(PlatformError, match="may not s3:DeleteObject"):
        lock.remove("e")


def test_an_object_of_somebody_else_is_left_alone(s3: MemoryS3, lock: Lock) -> None:
    s3.put_object(Body=b"something else")
    with pytest.raises(PlatformError, match=f"s3://koin-platform/{KEY} is not the platform's lock"):
        take(lock, holding("a"))
    assert s3.text == "something else"


def test_only_the_own_lock_is_released(s3: MemoryS3, lock: Lock) -> None:
    take(lock, holding("a"))
    release(lock, "b")
    assert holder(s3) == "a"


def test_a_lock_without_heartbeat_is_taken_over_by_the_clock_of_s3(s3: MemoryS3, lock: Lock) -> None:
    take(lock, holding("a"))
    s3.now = FREE
    with pytest.raises(PlatformError, match="90 s old"):
        take(lock, holding("b"), look=unknown)
    s3.now = FREE + 1
    take(lock, holding("b"), look=unknown)
    with pytest.raises(LostError, match="held by kim@laptop:4711"):
        renew(lock, holding("a"))
    with pytest.raises(LostError, match="held by kim@laptop:4711"):
        check(lock, "a")


def test_whoever_waits_takes_it_over_without_a_clock_of_s3(
    s3: MemoryS3, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.tells_time = False
    take(lock, holding("a"))
    ticks = itertools.count(0, 5)
    monkeypatch.setattr(locking, "clock", lambda: float(next(ticks)))
    told = list[str]()
    take(lock, holding("b"), 3600, told.append, unknown)
    assert holder(s3) == "b"
    assert told == ["Waiting for kim@laptop:4711 (configure --limit koin-prod) since 2026-11-28 14:03:07 KST"]


def test_waiting_ends_when_its_time_is_over(lock: Lock, monkeypatch: pytest.MonkeyPatch) -> None:
    take(lock, holding("a"))
    ticks = itertools.count()
    monkeypatch.setattr(locking, "clock", lambda: float(next(ticks)))
    with pytest.raises(PlatformError, match="locked by"):
        take(lock, holding("b"), 30, look=unknown)
    assert 30 < next(ticks) < 50


def test_whoever_waits_begins_when_the_other_has_ended(s3: MemoryS3, lock: Lock) -> None:
    take(lock, holding("a"))

    def ends(operation: str) -> None:
        if len(s3.requests) > 8 and holder(s3) == "a":
            s3.between = lambda operation: None
            release(lock, "a")

    s3.between = ends
    take(lock, holding("b"), 3600, look=unknown)
    assert holder(s3) == "b"


def test_a_run_that_was_killed_on_this_machine_is_waited_for_and_then_taken_over(s3: MemoryS3, lock: Lock) -> None:
    take(lock, holding("a"))
    states = iter([State.FINISHING, State.FINISHING, State.ENDED])
    take(lock, holding("b"), look=lambda run: next(states))
    assert holder(s3) == "b"


#: what another run does between any two requests of ours
MEANWHILE: dict[str, Callable[[Lock], object]] = {
    "takes": lambda lock: take(lock, holding("c"), look=unknown),
    "takes and frees": lambda lock: (take(lock, holding("c"), look=unknown), release(lock, "c")),
    "renews": lambda lock: renew(lock, holding("b")),
    "frees": lambda lock: release(lock, "b"),
}


@pytest.mark.parametrize("moment", range(5))
@pytest.mark.parametrize("what", MEANWHILE)
@pytest.mark.parametrize("before", ["nobody", "somebody", "somebody who died"])
def test_there_is_one_holder_whenever_others_come_between(before: str, what: str, moment: int) -> None:
    """`a` takes the lock; right before one of its requests, others do something."""
    s3 = MemoryS3()
    lock, theirs = Lock(s3, "koin-platform"), set[str]()
    if before != "nobody":
        take(lock, holding("b"))
        s3.now = FREE + 1 if before == "somebody who died" else 0.0

    def others(operation: str) -> None:
        if len(s3.requests) == first + moment:
            s3.between = lambda operation: None
            try:
                MEANWHILE[what](lock)
                theirs.add(holder(s3))
            except (PlatformError, LostError):
                pass

    first, s3.between = len(s3.requests), others
    try:
        take(lock, holding("a"), look=unknown)
        assert holder(s3) == "a"
        mine = True
    except PlatformError as error:
        assert "locked by" in str(error)
        mine = False
        assert holder(s3) in ("b", "c")
    # Nobody who believes that the lock is theirs is wrong.
    assert not (mine and theirs & {"b", "c"})


def test_unlocking_names_the_holder(s3: MemoryS3, lock: Lock) -> None:
    assert unlock(lock, "kim@laptop:4711") == "Nobody holds the lock."
    take(lock, holding("a"))
    with pytest.raises(
        PlatformError, match=r"not held by kim@laptop:1, but by kim@laptop:4711.*HOLDER=kim@laptop:4711"
    ):
        unlock(lock, "kim@laptop:1")
    assert holder(s3) == "a"
    assert "The lock of kim@laptop:4711" in unlock(lock, "kim@laptop:4711")
    assert holder(s3) == ""
    with pytest.raises(LostError, match="unlocked"):
        renew(lock, holding("a"))


def test_unlocking_leaves_the_next_run_alone(s3: MemoryS3, lock: Lock) -> None:
    take(lock, holding("a"))

    def next_run(operation: str) -> None:
        if operation == "delete_object":
            s3.between = lambda operation: None
            release(lock, "a")
            take(lock, holding("b"))

    s3.between = next_run
    assert "is free" in unlock(lock, "kim@laptop:4711")
    assert holder(s3) == "b"


# --- Whoever is about to write ---------------------------------------------------------------------------------------


@pytest.fixture
def note(tmp_path: Path, lock: Lock) -> Path:
    """The note of a run that has just taken the lock."""
    path = tmp_path / locking.NOTE
    Note(holding("a"), take(lock, holding("a")), keeper=(7, "now")).write(path)
    return path


def unreachable() -> Lock:
    """For what must not ask S3."""
    raise PlatformError("AWS does not answer")


def test_a_fresh_note_needs_no_request(note: Path) -> None:
    confirm(note, unreachable)
    found = Note.read(note)
    assert found is not None
    assert found.keeper == (7, "now")


def test_a_run_without_a_lock_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"has not taken the lock.*playbooks/lock/take.yml"):
        confirm(tmp_path / "none", unreachable)


def test_a_run_that_has_lost_its_lock_writes_nothing(note: Path) -> None:
    found = Note.read(note)
    assert found is not None
    replace(found, lost="somebody has unlocked it").write(note)
    with pytest.raises(PlatformError, match="The lock was lost: somebody has unlocked it"):
        confirm(note, unreachable)


def _old(path: Path) -> None:
    found = Note.read(path)
    assert found is not None
    replace(found, until=processes.clock() - 1, trouble="no network").write(path)


def test_an_old_note_renews_the_lock(s3: MemoryS3, lock: Lock, note: Path) -> None:
    _old(note)
    confirm(note, lambda: lock)
    assert Holding.parsed(s3.text).beat == 1
    confirm(note, unreachable)


def test_an_old_note_of_a_lock_that_others_have_stops_the_run(s3: MemoryS3, lock: Lock, note: Path) -> None:
    _old(note)
    s3.now = FREE + 1
    take(lock, holding("b"), look=unknown)
    with pytest.raises(PlatformError, match="The lock was lost: it is held by"):
        confirm(note, lambda: lock)


def test_an_old_note_stops_the_run_when_s3_does_not_answer(note: Path) -> None:
    _old(note)
    with pytest.raises(PlatformError, match=r"not known.*does not answer.*no network"):
        confirm(note, unreachable)


# --- The keeper ------------------------------------------------------------------------------------------------------


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that pass without anybody waiting for them; the run ends when they are used up."""
    left = [5.0, *[3.0] * 20]
    now = [0.0]

    def wait(run: Run, seconds: float) -> bool:
        if not left:
            return True
        now[0] += left.pop(0)
        return False

    monkeypatch.setattr(lock_keeper, "wait", wait)
    for module in (lock_keeper, locking):
        monkeypatch.setattr(module, "clock", lambda: now[0])
    monkeypatch.setattr(lock_keeper, "state", lambda run: State.ENDED)
    monkeypatch.setattr(lock_keeper.signal, "alarm", lambda seconds: None)
    return left


def keep(path: Path, lock: Lock) -> None:
    """What the keeper does from when the lock was taken."""
    found = Note.read(path)
    assert found is not None
    lock_keeper.keep(found, path, lambda: lock)


def test_the_keeper_frees_the_lock_of_a_run_that_has_ended_before_it_begins(
    s3: MemoryS3, lock: Lock, note: Path, moments: list[float]
) -> None:
    moments.clear()
    found = Note.read(note)
    assert found is not None
    # Ansible removes its folder.
    note.unlink()
    lock_keeper.keep(found, note, lambda: lock)
    assert holder(s3) == ""


def test_the_keeper_renews_the_lock_and_frees_it_at_the_end(
    s3: MemoryS3, lock: Lock, note: Path, moments: list[float]
) -> None:
    beats = list[int]()
    s3.between = lambda operation: beats.append(Holding.parsed(s3.text).beat) if s3.text else None
    keep(note, lock)
    # A minute.
    assert max(beats) == 3
    assert holder(s3) == ""


def test_the_keeper_writes_down_that_the_lock_is_lost(
    s3: MemoryS3, lock: Lock, note: Path, moments: list[float]
) -> None:
    release(lock, "a")
    take(lock, holding("b"))
    keep(note, lock)
    with pytest.raises(PlatformError, match="The lock was lost: it is held by"):
        confirm(note, unreachable)
    assert holder(s3) == "b"


def test_the_keeper_goes_on_when_s3_does_not_answer_for_a_while(
    s3: MemoryS3, lock: Lock, note: Path, moments: list[float]
) -> None:
    troubles = iter([True] * 4)

    def fails(operation: str) -> None:
        if next(troubles, False):
            raise refused("InternalError", operation)

    s3.between = fails
    keep(note, lock)
    assert holder(s3) == ""


def test_the_keeper_leaves_the_lock_while_a_worker_is_busy(
    s3: MemoryS3, lock: Lock, note: Path, moments: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    moments.clear()
    monkeypatch.setattr(lock_keeper, "state", lambda run: State.FINISHING)
    found = Note.read(note)
    assert found is not None
    replace(found, until=-1.0).write(note)
    keep(note, lock)
    assert holder(s3) == "a"


class Told:
    """In place of a recorder: when it was called, and who held the lock then."""

    def __init__(self, s3: MemoryS3) -> None:
        self._s3 = s3
        self.looks = 0
        self.ends: list[str] = []

    def look(self) -> None:
        """The run is under way."""
        self.looks += 1

    def end(self) -> None:
        """The run has ended."""
        self.ends.append(holder(self._s3))


@pytest.mark.parametrize("lost", [False, True])
def test_the_keeper_writes_the_end_of_a_run_before_it_frees_the_lock(
    s3: MemoryS3, lock: Lock, note: Path, moments: list[float], lost: bool
) -> None:
    """Else a run that has ended would count as killed for a moment. Also of a run that has lost the lock meanwhile."""
    if lost:
        release(lock, "a")
        take(lock, holding("b"))
    told, found = Told(s3), Note.read(note)
    assert found is not None
    lock_keeper.keep(found, note, lambda: lock, lambda: told)
    assert told.ends == ["b" if lost else "a"]
    assert told.looks > 0 or lost
    assert moments == []
    assert holder(s3) == ("b" if lost else "")


# --- Processes -------------------------------------------------------------------------------------------------------

#: makes a pipe and a worker that outlives it; prints the worker's number
_PARENT = """
import os, sys, time
os.pipe()
worker = os.fork()
if worker == 0:
    os.setsid()
    time.sleep(60)
    os._exit(0)
print(worker, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc").exists(), reason="workers are found in /proc")
def test_a_run_lives_as_long_as_its_last_worker() -> None:
    parent = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent, parent.stdout:
        worker = int(parent.stdout.readline())
        run = processes.run_of(parent.pid)
        assert len(run.pipes) == 1
        assert processes.state(run) is State.RUNNING
        assert processes.wait(run, 0.05) is False
        parent.kill()
        assert processes.wait(run, 10) is True
        assert processes.state(run) is State.FINISHING
        os.kill(worker, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while processes.state(run) is State.FINISHING and time.monotonic() < deadline:
            os.sched_yield()
        assert processes.state(run) is State.ENDED


def test_what_is_known_of_other_runs() -> None:
    own = processes.run_of(os.getpid())
    assert processes.state(own) is State.RUNNING
    # A process with the number of another is not that one.
    assert processes.state(replace(own, began="1", pipes=())) is State.ENDED
    assert processes.state(replace(own, machine="elsewhere", began="1")) is State.UNKNOWN
    assert processes.state(replace(own, user=own.user + 1, began="1")) is State.UNKNOWN
    assert processes.state(replace(own, machine="", began="1")) is State.UNKNOWN


# --- Playbooks and declaration ---------------------------------------------------------------------------------------

#: they only read, or write files of this machine; check.yml reads nothing but files
READING = {
    *("adopt", "check", "history", "logs", "plan", "reach", "releases", "report", "status", "unlock", "verify"),
}


def imported(path: Path) -> list[Path]:
    """The playbooks that a playbook imports, in order, each after those that it imports itself."""
    found = list[Path]()
    for play in yaml.safe_load(path.read_text()):
        if target := play.get("ansible.builtin.import_playbook"):
            inner = (path.parent / target).resolve()
            found += [*imported(inner), inner]
    return found


@pytest.mark.parametrize("path", sorted((REPOSITORY / "playbooks").glob("*.yml")), ids=lambda path: path.stem)
def test_every_playbook_that_writes_takes_the_lock_first_and_drops_it_last(path: Path) -> None:
    names = [inner.relative_to(REPOSITORY / "playbooks").with_suffix("").as_posix() for inner in imported(path)]
    if path.stem in READING:
        assert "lock/take" not in names
        return
    plays = yaml.safe_load(path.read_text())
    allowed = {"check", "lock/take", "configure/begin", "provision"}
    first = names.index("lock/take")
    assert set(names[: first + 1]) <= allowed
    assert "import_playbook" in str(plays[0])
    assert plays[-1]["ansible.builtin.import_playbook"] == "lock/drop.yml"
    assert plays[-1]["vars"] == {"lock_of": path.stem}


@pytest.mark.parametrize("path", sorted((REPOSITORY / "playbooks/configure").glob("*.yml")), ids=lambda path: path.stem)
def test_every_function_takes_the_lock_first(path: Path) -> None:
    last = yaml.safe_load((REPOSITORY / "playbooks/configure/begin.yml").read_text())[-1]
    assert last["ansible.builtin.import_playbook"] == "../lock/take.yml"
    if path.stem != "begin":
        assert yaml.safe_load(path.read_text())[0]["ansible.builtin.import_playbook"] == "begin.yml"


def test_the_bucket_of_the_lock_is_declared() -> None:
    assert list(bucket_problems("koin-platform", {"koin-platform": {}})) == []
    found = next(bucket_problems("koin-platfrom", {"koin-platform": {}}))
    assert found.what == "`koin-platfrom` is not in aws_storage_buckets"
    assert found.fix == "write `koin-platform`, or declare it there"
    assert "declare it" in next(bucket_problems("koin-x", {})).fix
    assert "declare it" in next(bucket_problems(None, {})).fix


def test_the_operator_may_write_the_lock_and_nothing_beside_it() -> None:
    policy = json.loads((REPOSITORY / "docs/iam-policy.json").read_text())
    statement = next(part for part in policy["Statement"] if part["Sid"] == "Lock")
    assert statement["Resource"] == f"arn:aws:s3:::koin-platform/{KEY}"


@pytest.mark.parametrize("records", ["runs", "releases"])
def test_the_operator_may_write_records_and_not_delete_them(records: str) -> None:
    policy = json.loads((REPOSITORY / "docs/iam-policy.json").read_text())
    records = f"arn:aws:s3:::koin-platform/{records}/*"
    allowing = [part for part in policy["Statement"] if records in part["Resource"]]
    actions = {action for part in allowing for action in part["Action"]}
    assert {"s3:GetObject", "s3:PutObject"} <= actions
    assert "s3:DeleteObject" not in actions
