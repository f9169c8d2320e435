"""The module host_files through Ansible, on this machine's own files."""

from __future__ import annotations

import grp
import json
import os
import pwd
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
USER = pwd.getpwuid(os.getuid()).pw_name
GROUP = grp.getgrgid(os.getgid()).gr_name


def play(folder: Path, files: dict[str, Any], *options: str, **extra: Any) -> tuple[int, dict[str, Any]]:
    """Run the module on this machine through Ansible; the exit status and its result."""
    defaults = {"owner": USER, "group": GROUP}
    wanted = {str(folder / name): {**defaults, **entry} for name, entry in files.items()}
    task = {"name": "Write", "host_files": {"files": wanted, **extra}, "register": "result", "ignore_errors": True}
    note: dict[str, Any] = {
        "name": "Note",
        "ansible.builtin.copy": {"content": "{{ result | to_json }}", "dest": f"{folder}.json"},
    }
    note["check_mode"] = False
    head = {"name": "Test", "hosts": "localhost", "connection": "local", "gather_facts": False}
    playbook = folder.parent / "playbook.yml"
    playbook.write_text(json.dumps([{**head, "tasks": [task, note]}]))
    (folder.parent / "templates").mkdir(exist_ok=True)
    (folder.parent / "templates/word.j2").write_text("{{ word }}\n")
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "-i", "localhost,", *options, str(playbook)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        # As on a hardened host: modes are those that are asked for all the same.
        umask=0o077,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.returncode, json.loads(Path(f"{folder}.json").read_text())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    path.mkdir()
    return path


def test_a_set_of_files_is_written_once(folder: Path) -> None:
    (folder / "old").write_text("x")
    (folder / "only.d").mkdir()
    (folder / "only.d/stranger").write_text("x")
    files = {
        "deep/word": {"template": "word.j2", "vars": {"word": "hello"}},
        "only.d/mine": {"content": "y", "mode": "0600"},
        "old": {"state": "absent"},
        "folder": {"state": "directory", "mode": "0750"},
        "link": {"link": "deep/word"},
    }
    _, first = play(folder, files, only=[str(folder / "only.d")])
    assert first["changed"]
    assert len(first["changed_files"]) == len(files) + 1
    assert (folder / "link").read_text() == "hello\n"
    assert [path.name for path in (folder / "only.d").iterdir()] == ["mine"]
    assert stat.S_IMODE((folder / "only.d/mine").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "deep").stat().st_mode) == 0o755
    assert not (folder / "old").exists()
    _, second = play(folder, files, only=[str(folder / "only.d")])
    assert (second["changed"], second["changed_files"]) == (False, [])


def test_one_invalid_file_keeps_all_as_they_were(folder: Path) -> None:
    (folder / "a").write_text("before")
    files = {"a": {"content": "after"}, "b": {"content": "x", "validate": "grep valid %s"}}
    _, result = play(folder, files)
    assert result["failed"]
    assert f"{folder}/b is not valid, nothing was written" in result["msg"]
    assert (folder / "a").read_text() == "before"
    assert [path.name for path in folder.iterdir()] == ["a"]


def test_a_directory_behind_a_link(folder: Path) -> None:
    (folder / "there").mkdir(mode=0o700)
    (folder / "link").symlink_to("there")
    (folder / "dangling").symlink_to("deep/new")
    entry = {"state": "directory", "owner": "", "mode": "2755"}
    _, first = play(folder, {"link": entry, "dangling": entry})
    assert len(first["changed_files"]) == 2
    for name in ("there", "deep/new"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o2755
    assert (folder / "link").is_symlink()
    _, second = play(folder, {"link": entry, "dangling": entry})
    assert not second["changed"]


def test_check_mode_writes_nothing_and_says_what_it_would(folder: Path) -> None:
    _, result = play(folder, {"a": {"content": "x"}}, "--check")
    assert result["changed_files"] == [f"{folder}/a"]
    assert list(folder.iterdir()) == []


def test_differences_do_not_show_secrets(folder: Path) -> None:
    _, result = play(folder, {"a": {"content": "hunter2", "secret": True}, "b": {"content": "open"}}, "--diff")
    assert "hunter2" not in json.dumps(result["diff"])
    assert "open" in json.dumps(result["diff"])


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, "has none of template, content, link, state; give one"),
        ({"content": "x", "state": "absent"}, "has content and state of"),
        ({"content": "x", "mode": 644}, "write it in quotes"),
        ({"content": "x", "colour": "red"}, "unknown colour"),
        ({"template": "missing.j2"}, "missing.j2"),
        ({"content": "x", "owner": "nobody-of-that-name"}, "package installed"),
    ],
)
def test_mistakes_are_named(folder: Path, entry: dict[str, Any], message: str) -> None:
    _, result = play(folder, {"a": entry})
    assert message in result["msg"]
