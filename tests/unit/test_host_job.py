"""A command that takes long, and what is shown of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure

from rehearsal import REPOSITORY
from tests.support.display import Playbook
from tests.support.files import load_file

JOB = load_file("plugins/action/host_job.py")


def run(folder: Path, script: str, *options: str, **task: Any) -> Any:
    """A task that runs a script of the shell, which gets the file for its stage as $1; another one tells its result."""
    argv = ["sh", "-c", script, "sh", str(folder / "stage")]
    tasks = [
        {"name": "Long", "host_job": {"argv": argv, "stage": str(folder / "stage")}, "register": "done", **task},
        {"name": "Tell", "debug": {"msg": "{{ done | to_json }}"}},
    ]
    paths = f"{folder / 'actions'}:{REPOSITORY / 'plugins/action'}"
    # A folder of its own for jobs, so that what stays behind is seen.
    environ = {"ANSIBLE_ACTION_PLUGINS": paths, "ANSIBLE_ASYNC_DIR": str(folder / "jobs")}
    return Playbook(folder, tasks).run("--limit", "alpha", *options, **environ)


def test_it_shows_what_the_command_says_and_returns_what_it_prints(tmp_path: Path) -> None:
    # Long enough for a look at each, also on a busy machine.
    script = 'printf "unpacking: 1 of 2 GiB" > "$1"; sleep 5; printf counting > "$1"; sleep 5; echo restored'
    ran = run(tmp_path, script)
    assert ran.status == 0, ran.out + ran.err
    assert ran.lines[:2] == ["  alpha: unpacking: 1 of 2 GiB", "  alpha: counting"]
    assert ran.lines[2].startswith("Play · Long   alpha   1 changed")
    assert '"stdout_lines": ["restored"]' in ran.out
    assert '"rc": 0' in ran.out
    assert "ansible_job_id" not in ran.out
    assert list((tmp_path / "jobs").iterdir()) == []


def test_a_failure_is_that_of_the_command(tmp_path: Path) -> None:
    ran = run(tmp_path, "echo the disk is full >&2; exit 3")
    assert ran.status == 2
    assert "the disk is full" in ran.out + ran.err
    told = run(tmp_path, "echo the disk is full >&2; exit 3", failed_when=False)
    assert told.status == 0
    assert '"rc": 3' in told.out
    assert '"stderr_lines": ["the disk is full"]' in told.out


def test_one_that_was_killed_with_all_that_belongs_to_it_ends_the_task(tmp_path: Path) -> None:
    # Its parents are the module, Ansible's process for it, and that one's watcher.
    family = 'pid=$$; for _ in 1 2 3; do pid=$(cut -d" " -f4 /proc/$pid/stat); set -- $pid "$@"; done'
    ran = run(tmp_path, f"{family}; sleep 1; kill -9 $1 $2 $3 $$")
    assert ran.status == 2
    assert JOB.KILLED in ran.out + ran.err
    told = run(tmp_path, f"{family}; sleep 1; kill -9 $1 $2 $3 $$", failed_when=False)
    assert told.status == 0
    assert '"rc": 1' in told.out
    assert f'"stderr_lines": ["{JOB.KILLED}"]' in told.out


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("koin-stage\n", (True, "")),
        ("koin-stage\r\nunpacking: 1 GiB\r\n", (True, "unpacking: 1 GiB")),
        ("koin-stage\nkoin-gone\nunpacking: 1 GiB", (False, "unpacking: 1 GiB")),
        ("koin-stage\nkoin-gone\n", (False, "")),
        # sudo has something to say, or nobody has.
        ("sudo: unable to resolve host koin-db\r\nkoin-stage\r\ncounting\r\n", (True, "counting")),
        ("sudo: unable to write to log file\n", (True, "")),
        ("", (True, "")),
    ],
)
def test_what_others_print_is_not_taken_for_its_end(said: str, seen: tuple[bool, str]) -> None:
    assert JOB.seen(said) == seen


class Host:
    """A connection that fails as often as it is told, and then has the result of a command."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fails: int) -> None:
        self.resets = 0
        self._fails = fails
        self.job = object.__new__(JOB.ActionModule)
        self.job._task = SimpleNamespace(args={"argv": ["true"], "stage": "/stage"}, async_val=0)
        self.job._connection = SimpleNamespace(reset=self._reset, _shell=SimpleNamespace(quote=str))
        monkeypatch.setattr(JOB.time, "sleep", lambda seconds: None)
        for name, method in {
            "get_shell_option": lambda name, default: default,
            "_remote_expand_user": lambda path: path,
            "_execute_module": self._module,
            "_low_level_execute_command": self._look,
        }.items():
            setattr(self.job, name, method)

    def _reset(self) -> None:
        self.resets += 1

    def _look(self, command: str) -> dict[str, Any]:
        if self._fails:
            self._fails -= 1
            raise AnsibleConnectionFailure("no route to host.")
        return {"stdout": "koin-stage\n"}

    def _module(self, name: str, args: dict[str, Any], **more: Any) -> dict[str, Any]:
        if more.get("wrap_async"):
            return {"ansible_job_id": "j1.2", "started": True}
        if args["mode"] == "cleanup":
            raise AnsibleConnectionFailure("no route to host.")
        return {"finished": True, "rc": 0, "stdout": "restored"}


def test_a_connection_that_is_lost_is_taken_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, fails=3)
    assert host.job._run({}) == {"rc": 0, "stdout": "restored"}
    assert host.resets == 3


def test_one_that_stays_lost_says_that_the_command_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JOB, "PATIENCE", -1.0)
    with pytest.raises(AnsibleConnectionFailure, match=r"no route to host\. What was begun there goes on\."):
        Host(monkeypatch, fails=1).job._run({})


def test_a_check_runs_nothing(tmp_path: Path) -> None:
    ran = run(tmp_path, 'touch "$1"', "--check")
    assert ran.status == 0
    assert '"skipped": true' in ran.out
    assert not (tmp_path / "stage").exists()


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        ([(0, ""), (1, "a"), (2, "a"), (40, "a")], ["a"]),
        ([(0, "x: 1 MiB of 9 GiB"), (3, "x: 20 MiB of 9 GiB"), (16, "x: 1.5 GiB of 9 GiB")], [0, 2]),
        ([(0, "x: 900 B"), (1, "y: 1 KiB"), (2, "x: 3 KiB")], [0, 1, 2]),
    ],
)
def test_numbers_alone_are_shown_from_time_to_time(texts: list[tuple[float, str]], shown: list[Any]) -> None:
    told = JOB.Told()
    worth = [text for now, text in texts if told.worth(text, now)]
    assert worth == [texts[one][1] if isinstance(one, int) else one for one in shown]


def test_people_wait_for_the_last_look_a_short_time_compared_with_the_command() -> None:
    assert JOB.pause(0) == 0.3
    assert JOB.pause(3600) == 3.0
    assert all(JOB.pause(since) <= 0.3 + since / 20 for since in range(100))
