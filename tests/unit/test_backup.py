"""What a restore takes, what a run of the backup stores, and what operators are told (role backup)."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from roles.backup.files.koin_backup import __main__ as main
from roles.backup.files.koin_backup import choice, logs, metrics, restore, sums
from roles.backup.files.koin_backup.__main__ import bring_back
from roles.backup.files.koin_backup.choice import Snapshot
from roles.backup.files.koin_backup.database import Database
from roles.backup.files.koin_backup.drill import Drill, drill
from roles.backup.files.koin_backup.logs import Progress
from roles.backup.files.koin_backup.repository import Repository
from roles.backup.files.koin_backup.scratch import Scratch
from roles.backup.files.koin_backup.settings import BackupError, Settings, load
from roles.backup.files.koin_backup.sums import Sum, Sums
from tests.support.exchange import swapped

#: before a test replaces it
STORE = logs.store
NIGHT = datetime(2026, 11, 26, 19, 10, tzinfo=UTC)


def minutes(count: float) -> datetime:
    """A moment after the backup of the night."""
    return NIGHT + timedelta(minutes=count)


def full(name: str, ended: datetime, series: str = "a") -> Snapshot:
    """A physical backup."""
    return Snapshot(name, choice.FULL, series, ended - timedelta(minutes=1), ended, size=1000)


def stored(name: str, until: float, first: int, last: int, series: str = "a") -> Snapshot:
    """Binary logs of one run."""
    files = tuple(f"binlog.{number:06}" for number in range(first, last + 1))
    return Snapshot(
        name, choice.LOGS, series, minutes(until), minutes(until), 1, minutes(until), files, "/var/lib/mysql"
    )


def settings(folder: Path) -> Settings:
    """Settings whose files are in a folder."""
    paths: dict[str, Any] = {
        name: str(folder / name) for name in ("password_file", "socket", "datadir", "state", "cache", "run")
    }
    (folder / "state").mkdir()
    return Settings("koin-db", "http://127.0.0.1:9", "ap-northeast-2", "koin-backup", metrics=str(folder), **paths)


# --- Moments ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-27 03:15:20 KST",
        "2026-11-27 03:15:20 kst",
        "2026-11-26 18:15:20 UTC",
        "2026-11-26T18:15:20Z",
        "2026-11-27 03:15:20 +0900",
        "2026-11-27T03:15:20+09:00",
        "2026-11-27 03:15:20 Asia/Seoul",
        " 2026-11-26 19:15:20 Europe/Berlin ",
    ],
)
def test_a_moment_names_its_zone(text: str) -> None:
    assert choice.moment(text) == datetime(2026, 11, 26, 18, 15, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-27",
        "2026-11-27 03:15 KST",
        "2026-11-27 03:15:20",
        "2026-02-30 03:15:20 KST",
        "2026-11-27 03:15:20 XYZ",
    ],
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BackupError, match=r"write it like '2026-11-27 03:15:20 KST'"):
        choice.moment(text)


def test_a_moment_is_shown_as_it_is_asked_for() -> None:
    assert choice.moment(choice.shown(NIGHT)) == NIGHT


# --- Which backup ----------------------------------------------------------------------------------------------------


def test_snapshots_are_read_as_restic_lists_them() -> None:
    summary = {"backup_end": "2026-11-27T04:10:09.123456789+09:00", "total_bytes_processed": 7}
    raw: list[dict[str, Any]] = [
        {
            "id": "b",
            "time": "2026-11-27T04:11:00+09:00",
            "tags": ["logs", "series=s", f"until={NIGHT.timestamp():.0f}"],
            "paths": ["/var/lib/mysql/binlog.000001", "/var/lib/mysql/binlog.000002"],
        },
        {"id": "a", "time": "2026-11-27T04:10:00.1+09:00", "tags": ["full", "series=s"], "summary": summary},
        {"id": "of somebody else", "time": "2026-11-27T04:10:00+09:00"},
    ]
    first, second = choice.read(raw)
    assert (first.id, first.kind, first.series, first.size) == ("a", "full", "s", 7)
    assert first.ended == datetime(2026, 11, 26, 19, 10, 9, 123456, tzinfo=UTC)
    assert (second.until, second.folder) == (NIGHT, "/var/lib/mysql")
    assert second.files == ("binlog.000001", "binlog.000002")


def test_the_newest_backup_that_was_complete_is_taken() -> None:
    known = [full("old", minutes(-1440)), full("new", NIGHT)]
    assert choice.full_before(known, NIGHT).id == "new"
    # It was not complete a second before: it may hold what was committed later.
    assert choice.full_before(known, NIGHT - timedelta(seconds=1)).id == "old"
    assert choice.full_before(known, None).id == "new"


def test_before_the_oldest_backup_nothing_can_be_restored() -> None:
    with pytest.raises(BackupError, match=r"The oldest is of 2026-11-27 04:10:00 KST"):
        choice.full_before([full("new", NIGHT)], minutes(-1))
    with pytest.raises(BackupError, match="no backup of MariaDB yet"):
        choice.full_before([stored("x", 1, 1, 1)], None)


# --- Which binary logs -----------------------------------------------------------------------------------------------

#: a run every minute; a group is full after the log 4
RUNS = [stored("1", 1, 2, 2), stored("2", 2, 2, 3), stored("3", 3, 2, 4), stored("4", 4, 5, 5), stored("5", 5, 5, 6)]


def taken(known: Sequence[Snapshot], first: str, to: datetime | None) -> list[tuple[str, str]]:
    """Numbers of logs, each with the snapshot that it comes from."""
    found = choice.logs_between(known, full("f", NIGHT), first, to)
    return [(part.snapshot.id, " ".join(str(choice.number(name)) for name in part.files)) for part in found.parts]


@pytest.mark.parametrize(
    ("first", "to", "expected"),
    [
        ("binlog.000002", 0.5, [("1", "2")]),
        ("binlog.000002", 1, [("1", "2")]),
        ("binlog.000003", 2.5, [("3", "3 4")]),
        ("binlog.000002", 4.5, [("3", "2 3 4"), ("5", "5 6")]),
        ("binlog.000006", None, [("5", "6")]),
        ("binlog.000002", None, [("3", "2 3 4"), ("5", "5 6")]),
        # Nothing was written between the backup and the moment.
        ("binlog.000003", 1, []),
    ],
)
def test_logs_up_to_the_moment_come_from_few_snapshots(
    first: str, to: float | None, expected: list[tuple[str, str]]
) -> None:
    assert taken(RUNS, first, None if to is None else minutes(to)) == expected


def test_all_logs_of_the_run_that_reaches_the_moment_are_taken() -> None:
    """After an outage one run stores many logs, of which each may have the last transaction before the moment."""
    outage = [stored("1", 1, 2, 2), stored("2", 90, 2, 61), stored("3", 90, 62, 70)]
    assert [part[0] for part in taken(outage, "binlog.000002", minutes(5))] == ["2", "3"]


def test_logs_of_another_data_directory_are_not_taken() -> None:
    known = [*RUNS, stored("other", 9, 2, 9, series="b")]
    assert taken(known, "binlog.000002", None) == [("3", "2 3 4"), ("5", "5 6")]
    with pytest.raises(BackupError, match=r"reach to 2026-11-27 04:15:00 KST. Ask for that moment, or for `latest`"):
        taken(known, "binlog.000002", minutes(6))


def test_a_missing_log_is_named() -> None:
    with pytest.raises(BackupError, match=r"binlog.000005 is missing"):
        taken([stored("1", 1, 2, 4), stored("2", 2, 6, 6)], "binlog.000002", None)
    with pytest.raises(BackupError, match=r"binlog.000001 is missing"):
        taken(RUNS, "binlog.000001", None)


def test_a_clock_that_was_set_back_makes_moments_ambiguous() -> None:
    """Minutes 3 and 4 were there twice: in the log 4, whose host was two minutes ahead, and in the log 5."""
    ahead = [stored("1", 1, 2, 2), stored("2", 2, 3, 3), stored("3", 5, 4, 4), stored("4", 3.5, 5, 5)]
    ahead += [stored("5", 6, 6, 6)]
    with pytest.raises(BackupError, match=r"binlog.000004 was stored at .*04:15:00 KST, and binlog.000005, which is"):
        taken(ahead, "binlog.000002", minutes(4))
    # Before it, long after it, and for everything there is no doubt.
    assert taken(ahead, "binlog.000002", minutes(1.5)) == [("1", "2"), ("2", "3")]
    assert taken(ahead, "binlog.000005", minutes(5.5)) == [("4", "5"), ("5", "6")]
    everything = [("1", "2"), ("2", "3"), ("3", "4"), ("4", "5"), ("5", "6")]
    assert taken(ahead, "binlog.000002", None) == everything


def test_a_backup_without_logs_says_so() -> None:
    with pytest.raises(BackupError, match="are not there yet"):
        taken([], "binlog.000001", minutes(1))


# --- What a run stores -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "head", "same"),
    [
        (["binlog.000007", "binlog.000008"], "x", True),
        # RESET MASTER, and as many logs since.
        (["binlog.000001", "binlog.000007"], "y", False),
        # Deleted after it was stored.
        (["binlog.000009"], "", True),
        # Another data directory.
        (["binlog.000001"], "", False),
        ([], "", False),
    ],
)
def test_a_new_sequence_of_logs_is_noticed(names: list[str], head: str, same: bool) -> None:
    assert logs.goes_on(Progress("a", last="binlog.000007", head="x"), names, head) is same


def test_a_host_that_stored_nothing_yet_begins_with_all() -> None:
    assert logs.goes_on(Progress("a"), [], "")
    assert logs.waiting(Progress("a"), ["binlog.000001", "binlog.000002"]) == ["binlog.000001", "binlog.000002"]


def test_only_what_came_since_is_new() -> None:
    assert logs.waiting(Progress("a", last="binlog.000007"), ["binlog.000007", "binlog.000010"]) == ["binlog.000010"]


def test_a_group_is_filled_before_another_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "GROUP", 3)
    assert logs.groups(Progress("a", group=("1", "2")), ["3", "4"]) == [("1", "2", "3"), ("4",)]
    assert logs.groups(Progress("a", group=("1", "2", "3")), ["4"]) == [("4",)]


class Kept(Repository):
    """A repository that keeps the tags and the files of each snapshot, and fails when it is told to."""

    def __init__(self, own: Settings, fails_at: int) -> None:
        super().__init__(own)
        self.fails_at = fails_at
        self.snapshots_of: list[tuple[tuple[str, ...], int]] = []

    def backup(self, words: Sequence[str], tags: Sequence[str], what: str = "") -> dict[str, Any]:
        """Keep it."""
        if len(self.snapshots_of) == self.fails_at:
            raise BackupError("S3 is down")
        files = tuple(Path(word).name for word in words if not word.startswith("--"))
        until = next(int(tag.partition("=")[2]) for tag in tags if tag.startswith("until="))
        self.snapshots_of.append((files, until))
        return {"total_bytes_processed": 1, "data_added": 1}


def test_what_a_broken_run_has_not_stored_is_not_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two groups are to be stored, and S3 breaks between them: the first reaches to its own last log."""
    own = settings(tmp_path)
    data = Path(own.datadir)
    data.mkdir()
    closed = {f"binlog.{number:06}": NIGHT + timedelta(minutes=number) for number in range(1, 6)}
    for name, when in closed.items():
        (data / name).write_text(name)
        os.utime(data / name, (when.timestamp(), when.timestamp()))
    (data / "binlog.index").write_text("".join(f"./{name}\n" for name in closed))
    monkeypatch.setattr(logs, "GROUP", 3)
    monkeypatch.setattr(Database, "stopped", lambda self: True)
    monkeypatch.setattr(time, "time", lambda: minutes(9).timestamp())
    repository = Kept(own, fails_at=1)
    with pytest.raises(BackupError, match="S3 is down"):
        logs.store(own, repository)
    repository.fails_at = -1
    logs.store(own, repository)
    (first, until), (rest, end) = repository.snapshots_of
    assert (len(first), until) == (3, minutes(3).timestamp())
    assert (len(rest), end) == (2, minutes(9).timestamp())
    found = [
        Snapshot(str(end), choice.LOGS, "a", NIGHT, NIGHT, 1, datetime.fromtimestamp(end, UTC), files, "/d")
        for files, end in repository.snapshots_of
    ]
    # A second in which only later logs were written.
    assert choice.logs_between(found, full("f", NIGHT), "binlog.000001", minutes(4.5)).files == tuple(closed)


def test_progress_survives(tmp_path: Path) -> None:
    own = settings(tmp_path)
    begun = Progress("a", "binlog.000007", "x", "0-1-9", ("binlog.000007",))
    logs.save(own, begun)
    assert logs.load(own) == begun
    logs.forget(own)
    assert logs.load(own).series != "a"
    assert not logs.load(own).last


# --- What is compared ------------------------------------------------------------------------------------------------


COUNTED = Sums(
    "binlog.000007",
    400,
    {"koin.a": Sum(3, "11"), "koin.b": Sum(5, "22"), "koin.log": Sum(9, "33", transactional=False)},
)


def test_sums_survive() -> None:
    assert Sums.load(COUNTED.dump()) == COUNTED
    assert COUNTED.rows == 17
    with pytest.raises(BackupError, match="Make another backup"):
        Sums.load("{}")


def test_a_restore_that_differs_is_told_table_by_table() -> None:
    restored = Sums("", 0, {"koin.a": Sum(3, "12"), "koin.c": Sum(1, "1"), "koin.log": Sum(8, "34", False)})
    assert sums.differences(COUNTED, COUNTED) == []
    # Nobody can tell as of when a table without transactions was counted.
    assert sums.differences(COUNTED, restored) == [
        "koin.a: 3 rows, checksum 11; restored: 3, 12",
        "koin.b: is missing, 5 rows",
        "koin.c: was not there",
    ]


def repository_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counted: Sums) -> tuple[Settings, Repository]:
    """A repository whose newest backup, of that night, holds what was counted."""
    monkeypatch.setattr("time.time", lambda: NIGHT.timestamp() + 3600)
    own = settings(tmp_path)
    kept = Snapshot("sums", choice.SUMS, "a", NIGHT, NIGHT, of="f")
    monkeypatch.setattr(Repository, "snapshots", lambda self: [full("f", NIGHT), kept])
    monkeypatch.setattr(Repository, "text", lambda self, snapshot, path: counted.dump())
    return own, Repository(own)


def test_an_empty_backup_proves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a server that stayed empty overnight, during a rebuild."""
    own, repository = repository_with(tmp_path, monkeypatch, Sums("binlog.000001", 4, {}))
    monkeypatch.setattr(Scratch, "stop", lambda self: None)
    with pytest.raises(BackupError, match="holds no tables, so it proves nothing"):
        drill(replace(own, scratch=str(tmp_path / "scratch")), repository, Scratch(own))


@pytest.mark.parametrize("restored", [[], [["`koin`.`a`", "InnoDB"]]])
def test_what_comes_to_no_tables_is_not_brought_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restored: list[list[str]]
) -> None:
    """The first backup of a server is empty; what counts is where the logs lead from it."""
    own, repository = repository_with(tmp_path, monkeypatch, Sums("binlog.000001", 4, {}))
    own = replace(own, scratch=str(tmp_path / "scratch"))
    done = list[str]()
    monkeypatch.setattr(
        sums, "names", lambda database: restored if f"--socket={Scratch(own).socket}" in database.client else []
    )
    monkeypatch.setattr(restore, "restore", lambda *arguments: done.append("restored"))
    monkeypatch.setattr(main, "take_over", lambda *arguments: done.append("taken over"))
    monkeypatch.setattr(Scratch, "discard", lambda self: done.append("discarded"))
    monkeypatch.setattr(Repository, "working", lambda self, job: contextlib.nullcontext())
    if restored:
        bring_back(own, repository)
    else:
        with pytest.raises(BackupError, match="holds no tables, so it is not what is to come back"):
            bring_back(own, repository)
    assert done == ["restored", "taken over" if restored else "discarded"]


def test_an_old_backup_proves_nothing_of_today(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, repository = repository_with(tmp_path, monkeypatch, COUNTED)
    monkeypatch.setattr("time.time", lambda: NIGHT.timestamp() + 30 * 3600)
    with pytest.raises(BackupError, match="The newest backup is 30 hours old"):
        drill(own, repository, Scratch(own))


def test_what_cannot_be_removed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = Scratch(replace(settings(tmp_path), scratch=str(tmp_path / "scratch")))
    monkeypatch.setattr(Scratch, "stop", lambda self: None)
    (tmp_path / "scratch/data").mkdir(parents=True)
    monkeypatch.setattr("shutil.rmtree", lambda path, ignore_errors: None)
    with pytest.raises(BackupError, match="scratch/data could not be removed, and holds a copy"):
        scratch.discard()


# --- Taking over -----------------------------------------------------------------------------------------------------


class Server:
    """A host with a live server and a restored one; fails: the command at which it is killed, or S3."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings = replace(settings(folder), scratch=str(folder / "scratch"))
        self.repository, self.scratch = Repository(self.settings), Scratch(self.settings)
        self.live = Path(self.settings.datadir)
        self.calls: list[str] = []
        self.fails = ""
        self.live.mkdir()
        (self.live / "rows").write_text("live")
        monkeypatch.setattr(subprocess, "run", self._run)
        monkeypatch.setattr(restore, "exchange", self._exchange)
        monkeypatch.setattr(logs, "store", self._store)
        monkeypatch.setattr(restore, "restore", self._restore)

    def _step(self, name: str) -> None:
        self.calls.append(name)
        if self.fails == name:
            self.fails = ""
            raise BackupError(f"{name}: it broke.")

    def _run(self, words: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        if words[-1] == "mariadb":
            self._step(words[1])
        return subprocess.CompletedProcess(words, 0, "", "")

    def _exchange(self, one: Path, other: Path) -> None:
        swapped(one, other)
        self._step("exchange")

    def _store(self, *_: object) -> str:
        self._step("store")
        return "no new binary logs"

    def _restore(self, own: Settings, repository: Repository, scratch: Scratch, to: str) -> None:
        self.calls.append(f"restore {to}")
        scratch.prepare()
        (scratch.data / "rows").write_text(to)
        (scratch.data / "koin-restored").write_text(f"{to}\n")
        scratch.record.write_text("{}")

    def fill(self, to: str, *, in_place: bool = True) -> None:
        """As `koin-backup restore` does it."""
        main.fill(self.settings, self.repository, to, in_place=in_place)

    def take_over(self, *, damaged: bool = False) -> None:
        """As `koin-backup take-over` does it."""
        restore.take_over(self.settings, self.repository, self.scratch, damaged=damaged)

    @property
    def rows(self) -> str:
        """What is live."""
        return (self.live / "rows").read_text()

    @property
    def former(self) -> list[str]:
        """What was live before, oldest first."""
        return [(folder / "rows").read_text() for folder in sorted(self.scratch.folder.glob("replaced-*"))]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Such a host."""
    count = itertools.count(1)
    monkeypatch.setattr(time, "strftime", lambda *_: f"replaced-{next(count)}")
    monkeypatch.setattr(Repository, "working", lambda *_: contextlib.nullcontext())
    return Server(tmp_path, monkeypatch)


def test_a_take_over_exchanges_the_databases(server: Server) -> None:
    server.fill("noon")
    server.take_over()
    assert (server.rows, server.former) == ("noon", ["live"])
    assert server.calls == ["restore noon", "stop", "store", "exchange", "start"]
    assert not (server.live / "koin-restored").exists()
    with pytest.raises(BackupError, match="Restore one first"):
        server.take_over()


def test_a_take_over_that_was_killed_is_ended_by_the_next_run(server: Server) -> None:
    server.fill("noon")
    server.fails = "start"
    with pytest.raises(BackupError, match="it broke"):
        server.take_over()
    with pytest.raises(BackupError, match="that has not ended"):
        STORE(server.settings, server.repository)
    server.fill("noon")
    assert server.calls.count("restore noon") == 1
    server.take_over()
    assert (server.rows, server.former) == ("noon", ["live"])


def test_another_restore_after_a_killed_take_over_loses_nothing(server: Server) -> None:
    server.fill("noon")
    server.fails = "start"
    with pytest.raises(BackupError, match="it broke"):
        server.take_over()
    server.fill("dawn")
    assert (server.rows, server.former) == ("noon", ["live"])
    server.take_over()
    assert (server.rows, server.former) == ("dawn", ["live", "noon"])


@pytest.mark.parametrize("emptied", [False, True], ids=["killed", "without power"])
def test_databases_that_were_live_are_not_discarded(server: Server, emptied: bool) -> None:
    server.fill("noon")
    # Killed between the two places of the exchange and everything else.
    swapped(server.scratch.data, server.live)
    if emptied:
        (server.live / "koin-restored").write_text("")
    with pytest.raises(BackupError, match="that has not ended"):
        server.scratch.discard()
    server.fill("noon", in_place=False)
    assert (server.rows, server.former) == ("noon", ["live"])


def test_a_take_over_that_fails_leaves_a_server_that_serves(server: Server) -> None:
    server.fill("noon")
    server.fails = "store"
    with pytest.raises(BackupError, match=r"store: it broke\. If they are damaged, -e damaged=true.*serve again\."):
        server.take_over()
    assert (server.rows, server.calls[-1]) == ("live", "start")
    # What was restored is still there.
    server.take_over()
    assert (server.rows, server.former) == ("noon", ["live"])


def test_an_index_of_logs_that_cannot_be_read_is_damage(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.fill("noon")
    (server.live / "binlog.index").write_bytes(b"\xff\xfe\x80")
    monkeypatch.setattr(logs, "store", STORE)
    monkeypatch.setattr(Database, "stopped", lambda self: True)
    with pytest.raises(BackupError, match="-e damaged=true"):
        server.take_over()
    server.take_over(damaged=True)
    assert server.rows == "noon"


def test_damaged_databases_are_replaced_when_told_to(server: Server) -> None:
    server.fill("noon")
    server.fails = "store"
    server.live.rename(server.live.with_name("gone"))
    server.take_over(damaged=True)
    assert (server.rows, server.calls[-1]) == ("noon", "start")


def test_the_sums_of_a_backup_are_found() -> None:
    other = Snapshot("x", choice.SUMS, "a", NIGHT, NIGHT, of="other")
    own = Snapshot("y", choice.SUMS, "a", NIGHT, NIGHT, of="f")
    assert choice.sums_of([other, own], full("f", NIGHT)) == own
    assert choice.sums_of([other], full("f", NIGHT)) is None


def test_a_drill_is_measured(tmp_path: Path) -> None:
    own = settings(tmp_path)
    how = Drill(size=7, recovery=12.5, lost=30.0, tables=2, rows=8)
    metrics.succeeded(own, "mariadb-drill", began=0, size=how.size, more=how.metrics)
    assert (
        'koin_backup_drill_recovery_seconds{name="mariadb-drill"} 12.5\n'
        in (tmp_path / "backup-mariadb-drill.prom").read_text()
    )
    # A failure keeps what the last success has measured.
    assert metrics.failed(own, "mariadb-drill").more == how.metrics


def test_a_host_that_may_only_read_leaves_no_lock(tmp_path: Path) -> None:
    own = replace(settings(tmp_path), read_only=True)
    assert "--no-lock" in Repository(own).command("dump")
    assert "--no-lock" not in Repository(replace(own, read_only=False)).command("dump")


# --- What is told ----------------------------------------------------------------------------------------------------


def test_a_failure_keeps_the_last_success(tmp_path: Path) -> None:
    own = settings(tmp_path)
    assert "last_success" not in metrics.text("mariadb", metrics.failed(own, "mariadb"))
    good = metrics.succeeded(own, "mariadb", began=0, size=7, stored=5)
    bad = metrics.failed(own, "mariadb")
    assert (bad.success, bad.last_success, bad.size) == (False, good.last_success, 7)
    content = (tmp_path / "backup-mariadb.prom").read_text()
    assert 'koin_backup_last_run_success{name="mariadb"} 0.0\n' in content
    assert f'koin_backup_last_success_timestamp_seconds{{name="mariadb"}} {good.last_success!r}\n' in content


@pytest.mark.parametrize(
    ("code", "told"),
    [(12, "get-parameter-history"), (10, "playbooks/configure/database.yml"), (11, "koin-backup unlock"), (1, "a | b")],
)
def test_what_restic_refuses_is_said_with_what_to_do(tmp_path: Path, code: int, told: str) -> None:
    text = str(Repository(settings(tmp_path)).failure("backup", code, "a\n\nb\n"))
    assert told in text
    assert "koin-backup at http://127.0.0.1:9" in text


def test_s3_that_does_not_answer_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=r"S3 does not answer at http://127.0.0.1:9: .*refused"):
        Repository(settings(tmp_path)).check_reachable()


def test_the_lock_of_any_killed_run_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository, unlocked = Repository(settings(tmp_path)), []
    monkeypatch.setattr(Repository, "check_reachable", lambda _: None)
    monkeypatch.setattr(Repository, "unlock", lambda _: unlocked.append(1))
    state = tmp_path / "state"
    (state / "mariadb.running").write_text(str(os.getpid()))
    with repository.working("mariadb-logs"):
        assert (state / "mariadb-logs.running").exists()
    assert not unlocked
    (state / "restore.running").write_text("4194305")
    with pytest.raises(ZeroDivisionError), repository.working("mariadb-logs"):
        1 / 0  # noqa: B018 - whatever fails
    assert unlocked == [1]
    assert [path.name for path in state.iterdir()] == ["mariadb.running"]


def test_no_secret_is_on_a_command_line(tmp_path: Path) -> None:
    own = Settings(**{**vars(settings(tmp_path)), "environment": {"AWS_SECRET_ACCESS_KEY": "hidden"}})
    repository = Repository(own)
    assert "hidden" not in " ".join(repository.command("backup"))
    assert repository.environment()["AWS_SECRET_ACCESS_KEY"] == "hidden"


def test_settings_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="Run as root"):
        load(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text('{"host": "x", "colour": "red"}')
    with pytest.raises(BackupError, match=r"bad.json cannot be read .*playbooks/configure/database.yml"):
        load(tmp_path / "bad.json")


def test_tables_are_shown_in_columns() -> None:
    assert restore.report([("koin.a", 12, "3"), ("koin.long", 1, "456")]) == (
        "table      rows  checksum\nkoin.a       12         3\nkoin.long     1       456"
    )


def test_a_pipe_fails_with_the_program_that_failed() -> None:
    restore._pipe(["echo", "x"], ["cat"], "copying", {})
    with pytest.raises(BackupError, match=r"copying: cat: .*no-such"):
        restore._pipe(["yes"], ["cat", "/no-such"], "copying", {})
    with pytest.raises(BackupError, match="copying: sh: broken"):
        restore._pipe(["sh", "-c", "echo broken >&2; exit 3"], ["cat"], "copying", {"PATH": "/bin"})
