"""What a backup and a restore say about how far they are; against a restic that says what the real one says."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rehearsal import REPOSITORY
from roles.backup.files.koin_backup import jobs, restore, stage
from roles.backup.files.koin_backup.jobs import alone
from roles.backup.files.koin_backup.repository import Repository, _plain
from roles.backup.files.koin_backup.settings import BackupError, Settings


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Everything that is told, in its order."""
    texts: list[str] = []
    monkeypatch.setattr(stage, "_file", None)
    stage.begin(str(tmp_path / "run"))
    monkeypatch.setattr(stage, "_EVERY", 0.0)
    plain = Path.write_text

    def write(path: Path, text: str) -> int:
        if path.name == stage.FILE:
            texts.append(text)
        return plain(path, text)

    monkeypatch.setattr(Path, "write_text", write)
    yield texts
    monkeypatch.undo()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Of a host."""
    paths: dict[str, Any] = {name: str(tmp_path / name) for name in ("state", "cache", "run", "metrics", "datadir")}
    return Repository(Settings("koin-db", "http://127.0.0.1:9", "x", "b", "/p", socket="/s", **paths))


def restic(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a program of this name first."""
    (folder / "restic").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "restic").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_a_backup_tells_how_much_it_has_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Repository, told: list[str]
) -> None:
    restic(
        tmp_path,
        monkeypatch,
        """echo '{"message_type":"status","percent_done":0,"total_bytes":0,"bytes_done":1048576}'
           echo 'a line for people'
           echo '{"message_type":"status","percent_done":0.5,"total_bytes":5368709120,"bytes_done":2684354560}'
           echo '{"message_type":"summary","snapshot_id":"abc","total_bytes_processed":7}'""",
    )
    assert repository.backup(["/x"], ["full"], "storing the databases")["snapshot_id"] == "abc"
    assert told == [
        "storing the databases",
        "storing the databases: 1 MiB",
        "storing the databases: 2.5 GiB of 5.0 GiB",
    ]


def test_a_restore_tells_how_much_it_has_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Repository, told: list[str]
) -> None:
    restic(
        tmp_path,
        monkeypatch,
        """echo '{"message_type":"status","percent_done":0.1,"total_bytes":2048,"bytes_restored":100}'""",
    )
    repository.restore("restoring volume a_b", "abc", "--target", "/x")
    assert told == ["restoring volume a_b", "restoring volume a_b: 100 B of 2 KiB"]


@pytest.mark.parametrize(
    ("code", "said", "problem"),
    [
        (1, "Fatal: unable to save snapshot", "Fatal: unable to save snapshot"),
        (1, '{"message_type":"exit_error","code":1,"message":"Fatal: no room"}', "Fatal: no room"),
        (
            3,
            '{"message_type":"error","error":{"message":"permission denied"},"during":"archival","item":"/x/y"}\n'
            '{"message_type":"exit_error","code":3,"message":"Warning: at least one source file could not be read"}',
            "got only part of the files. restic: /x/y: permission denied | Warning: at least one source file could not",
        ),
        (1, '{"message_type":"exit_error","code":1,"message":"Fatal: There were 1 errors\\n"}', "There were 1 errors"),
        (12, '{"message_type":"exit_error","code":12,"message":"wrong password"}', "does not accept the password"),
    ],
)
def test_a_failure_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Repository, code: int, said: str, problem: str
) -> None:
    restic(tmp_path, monkeypatch, f"printf '%s\\n' '{said}' >&2; exit {code}")
    with pytest.raises(BackupError, match=re.escape(problem)) as caught:
        repository.backup(["/x"], [], "storing")
    assert "{" not in str(caught.value)


def test_what_goes_from_one_program_to_another_is_counted_and_whole(tmp_path: Path, told: list[str]) -> None:
    size = 3 << 20
    write = [sys.executable, "-c", f"import sys; sys.stdout.buffer.write(bytes(range(256)) * {size // 256})"]
    copy = ["sh", "-c", f"cat > {tmp_path / 'copy'}"]
    restore._pipe(write, copy, "unpacking", os.environ, size)
    assert (tmp_path / "copy").read_bytes() == bytes(range(256)) * (size // 256)
    assert told[0] == "unpacking"
    assert told[-1] == "unpacking: 3 MiB of 3 MiB"


@pytest.mark.parametrize(
    ("source", "target", "problem"),
    [
        # The reader's reason, not that the writer had nowhere to write to.
        ("yes", "echo it is full >&2; exit 1", "unpacking: sh: it is full"),
        ("echo part; echo no answer >&2; exit 1", "cat > /dev/null", "unpacking: sh: no answer"),
        # A reader that has read enough has not failed, and the writer may say so.
        ("echo all", "head -c 1 > /dev/null", ""),
    ],
)
def test_either_program_may_fail(source: str, target: str, problem: str) -> None:
    if not problem:
        restore._pipe(["sh", "-c", source], ["sh", "-c", target], "unpacking", os.environ)
        return
    with pytest.raises(BackupError, match=problem):
        restore._pipe(["sh", "-c", source], ["sh", "-c", target], "unpacking", os.environ)


@pytest.mark.parametrize("role", ["backup", "backup_data"])
def test_the_roles_read_the_file_that_the_program_writes(role: str) -> None:
    found = yaml.safe_load((REPOSITORY / f"roles/{role}/vars/main.yml").read_text())
    assert found[f"__{role}_stage"] == f"{{{{ __{role}_run }}}}/{stage.FILE}"


@pytest.mark.parametrize("line", ['{"message_type":"error","error":{},"item":"/a"}', "[1]", "plain"])
def test_what_cannot_be_put_in_words_stays_as_it_is(line: str) -> None:
    assert _plain(line) == line


def test_only_a_job_that_people_wait_for_tells_and_only_while_it_runs(
    tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "_file", None)
    monkeypatch.setattr(jobs, "_WAIT", 0)
    own = repository._settings
    path = tmp_path / "run" / stage.FILE
    with alone(own, "mariadb-logs"):
        stage.tell("storing binary logs")
    assert not path.exists()
    with alone(own, "mariadb"):
        stage.tell("storing")
        # One that is refused says nothing.
        with pytest.raises(BackupError), alone(own, "mariadb"):
            pass
        assert path.read_text() == "storing"
        with alone(own, "mariadb-logs"):
            stage.tell("storing binary logs")
        assert path.read_text() == "storing binary logs"
    assert path.read_text() == ""


def test_a_full_disk_keeps_nothing_from_being_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").write_text("not a folder")
    monkeypatch.setattr(stage, "_file", None)
    stage.begin(str(tmp_path / "run"))
    stage.Meter("storing", 5).add(3)


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (2048, "2 KiB"), (5 << 20, "5 MiB"), (5 << 30, "5.0 GiB")])
def test_bytes_are_said_as_people_say_them(size: int, text: str) -> None:
    assert stage.amount(size) == text
