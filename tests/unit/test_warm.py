"""Modules in forks: results, failures, crashes, order, environment; no process is left behind."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import botocore.session
import pytest
from ansible.module_utils import basic
from ansible.module_utils.platform import guard
from ansible.module_utils.platform.engine import warm
from ansible.module_utils.platform.engine.errors import PlatformError

from tests.support.files import load_file


def _arguments() -> dict[str, Any]:
    assert basic._ANSIBLE_ARGS is not None
    content: dict[str, Any] = json.loads(basic._ANSIBLE_ARGS)["ANSIBLE_MODULE_ARGS"]
    return content


def _echo() -> None:
    print(json.dumps({"changed": True, "pid": os.getpid(), "n": _arguments()["n"], "region": os.environ["AWS_REGION"]}))
    sys.exit(0)


def _noisy() -> None:
    print("a line that a library printed")
    print(json.dumps({"changed": False}))


def _fail() -> None:
    if _arguments()["n"] == 0:
        print(json.dumps({"failed": True, "msg": "no"}))
        sys.exit(1)
    # Longer than the failure of the first one takes to be seen.
    time.sleep(0.3)
    print(json.dumps({"changed": True}))


def _crash() -> None:
    raise RuntimeError("out of paper")


def _die() -> None:
    os._exit(9)


def _module(main: Callable[[], None]) -> ModuleType:
    module = ModuleType("a_module")
    module.main = main  # type: ignore[attr-defined]
    return module


def _run(main: Callable[[], None], count: int = 3, parallel: int = 2) -> list[tuple[int, int, dict[str, Any]]]:
    ended: list[tuple[int, int, dict[str, Any]]] = []

    def done(index: int, status: int, output: str) -> bool:
        answer = warm.parse(output)
        ended.append((index, status, answer))
        return not answer.get("failed")

    calls = [warm.Call({"n": n}) for n in range(count)]
    warm.run_all(_module(main), calls, warm.Setting({"AWS_REGION": "r"}), parallel, done)
    return ended


@pytest.fixture(autouse=True)
def no_child_is_left() -> Any:
    """Every fork has been waited for."""
    yield
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_each_call_has_its_own_process_arguments_and_result() -> None:
    ended = _run(_echo)
    assert {index: answer["n"] for index, _, answer in ended} == {0: 0, 1: 1, 2: 2}
    pids = {answer["pid"] for _, _, answer in ended}
    assert len(pids) == 3
    assert os.getpid() not in pids
    assert {answer["region"] for _, _, answer in ended} == {"r"}
    assert os.environ.get("AWS_REGION") != "r"


def test_what_a_library_prints_is_not_the_result() -> None:
    assert _run(_noisy, count=1) == [(0, 0, {"changed": False})]


def test_nothing_is_started_after_a_failure() -> None:
    ended = _run(_fail, count=5, parallel=1)
    assert [index for index, _, _ in ended] == [0]


def test_what_is_under_way_at_a_failure_is_waited_for() -> None:
    assert {index for index, _, _ in _run(_fail, count=5, parallel=2)} == {0, 1}


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (basic, "_ANSIBLE_ARGS"),
        (basic, "_ANSIBLE_PROFILE"),
        (warm.profiles, "Direction"),
        (warm.profiles, "get_module_decoder"),
        (warm.profiles, "get_module_encoder"),
    ],
)
def test_an_ansible_core_without_one_of_the_names_is_noticed(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str
) -> None:
    assert warm.usable()
    monkeypatch.delattr(module, name)
    assert not warm.usable()


def test_sessions_share_what_they_have_read() -> None:
    """Should botocore stop calling ``create_loader``, this would only cost time, and nobody would notice."""
    before = botocore.session.create_loader
    try:
        warm.share_api_descriptions(("sns",))
        loaders = {id(botocore.session.get_session().get_component("data_loader")) for _ in range(3)}
        assert len(loaders) == 1
    finally:
        botocore.session.create_loader = before


def test_a_crash_is_a_failure_with_its_cause() -> None:
    [(_, status, answer)] = _run(_crash, count=1)
    assert status == 1
    assert answer["failed"]
    assert "out of paper" in answer["msg"]


def test_a_module_that_dies_is_a_failure() -> None:
    [(_, status, answer)] = _run(_die, count=1)
    assert status == 9
    assert answer == {"failed": True, "msg": "the module ended without a result"}


class _Called(Exception):  # noqa: N818 - not an error
    """The modules were about to run in forks."""


def _action(monkeypatch: pytest.MonkeyPatch, answers: list[dict[str, Any]], *, locked: bool = True) -> Any:
    """The action, with what Ansible would answer when it runs a module the ordinary way. locked: the run may write."""
    plugin = load_file("plugins/action/platform_each.py")
    action = object.__new__(plugin.ActionModule)
    action._task = SimpleNamespace(args={"arguments": "x"}, environment=[])
    action._templar, action._parent = None, os.getppid()
    if locked:
        monkeypatch.setattr(plugin, "confirm_lock", lambda templar, variables: None)

    def forks(*arguments: Any) -> None:
        raise _Called

    monkeypatch.setattr(action, "_run_warm", forks)
    monkeypatch.setattr(action, "_arguments", lambda name, item, known, variables: {"n": ITEMS.index(item)})
    monkeypatch.setattr(action, "_execute_module", lambda **arguments: answers[arguments["module_args"]["n"]])
    return action


ITEMS = [{"kind": "topic", "name": name, "action": "create", "entry": {}} for name in "abc"]


def test_modules_run_in_forks_where_they_can(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(_Called):
        _action(monkeypatch, [])._call("a_module", ITEMS, {}, {})


def test_no_module_runs_in_a_run_without_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PlatformError, match="has not taken the lock"):
        _action(monkeypatch, [], locked=False)._call("a_module", ITEMS, {}, {})


def test_nothing_more_begins_when_the_run_was_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    action = _action(monkeypatch, [{"changed": True}] * 3)
    action._parent = -1
    monkeypatch.delattr(basic, "_ANSIBLE_ARGS")
    results, failures = action._call("a_module", ITEMS, {}, {})
    assert results == [{"changed": True}, {}, {}]
    assert failures == []


def test_without_the_names_modules_run_the_ordinary_way(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[dict[str, Any]] = [{"changed": True}, {"failed": True, "msg": "no"}, {"changed": True}]
    action = _action(monkeypatch, answers)
    monkeypatch.delattr(basic, "_ANSIBLE_ARGS")
    # Nothing is started after a failure.
    results, failures = action._call("a_module", ITEMS, {}, {})
    assert results == [*answers[:2], {}]
    assert [(failure.name, failure.text, failure.unsure) for failure in failures] == [
        ("b", "create topic b: no", False)
    ]


def _interrupted() -> None:
    guard.state.lost.append("a:Write")
    sys.exit(1)


def _half_made() -> None:
    guard.state.made.append("CreateThing")
    raise RuntimeError("out of paper")


@pytest.mark.parametrize(("main", "status"), [(_interrupted, warm.LOST), (_half_made, warm.MADE)])
def test_the_exit_status_says_what_has_to_be_looked_for(main: Callable[[], None], status: int) -> None:
    assert [ended[1] for ended in _run(main, 1)] == [status]
