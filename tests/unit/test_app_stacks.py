"""When role app says that a stack runs, and what it says when it does not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.files import load_file

MODULE = load_file("roles/app/library/app_stacks.py")
IMAGE = {"Image": "koin/api:1"}


class Engine:
    """An engine with one service, whose state and tasks change with every look."""

    def __init__(self, *looks: tuple[str, bool]) -> None:
        self.looks = list(looks)
        self.state, self.runs = looks[0]

    def services(self, stack: str) -> dict[str, dict[str, Any]]:
        """The service as the next look finds it; the last one stays."""
        self.state, self.runs = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        spec = {
            "Name": f"{stack}_api",
            "Mode": {"Replicated": {"Replicas": 1}},
            "TaskTemplate": {"ContainerSpec": IMAGE},
        }
        service: dict[str, Any] = {"ID": "s1", "Spec": spec}
        if self.state:
            service["UpdateStatus"] = {"State": self.state, "Message": "task t1 failed"}
        return {stack: {"api": service}}

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        """The one task."""
        return [{"ID": "t1", "Node": "koin-stage", "CurrentState": "Running 1 second ago", "Error": ""}]

    def inspect(self, kind: str, ids: list[str]) -> list[dict[str, Any]]:
        """The one task in full."""
        state = "running" if self.runs else "starting"
        # And the version that was rolled back, with the task that would have replaced it.
        failed = {
            "ID": "t2",
            "CreatedAt": "2",
            "Status": {"State": "failed"},
            "Spec": {"ContainerSpec": {"Image": "2"}},
        }
        return [
            {"ID": "t1", "CreatedAt": "1", "Status": {"State": state}, "Spec": {"ContainerSpec": IMAGE}},
            failed,
            failed | {"ID": "t3", "CreatedAt": "3", "Status": {"State": "shutdown"}},
        ]

    def logs(self, *arguments: str) -> str:
        """What the task wrote."""
        return "no table `users`\n" if arguments[-1] == "t2" else ""


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time that passes only while one sleeps."""
    now = [0.0]
    monkeypatch.setattr(MODULE.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(MODULE.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


def test_an_update_that_the_engine_has_watched_is_not_watched_again(clock: list[float]) -> None:
    MODULE.wait(Engine(("updating", False), ("completed", True)), "koin", 60)
    assert clock == [1]


def test_a_new_service_is_watched_for_a_while(clock: list[float]) -> None:
    MODULE.wait(Engine(("", False), ("", True), ("", False), ("", True)), "koin", 60)
    assert clock == [3 + MODULE.STABLE_SECONDS]


def test_a_rollback_is_told_when_the_former_version_runs(clock: list[float]) -> None:
    looks = ("updating", True), ("rollback_started", False), ("rollback_completed", False), ("rollback_completed", True)
    with pytest.raises(
        MODULE.DeployError, match=r"koin_api was rolled back .* former version runs, nothing is lost"
    ) as told:
        MODULE.wait(Engine(*looks), "koin", 60)
    assert "Its last lines:\nno table `users`\n" in str(told.value)
    assert clock == [3 + MODULE.STABLE_SECONDS]


def test_a_rollback_to_what_does_not_run_is_told(clock: list[float]) -> None:
    with pytest.raises(MODULE.DeployError, match=r"was rolled back .*, and its former version does not run after 60 s"):
        MODULE.wait(Engine(("rollback_completed", False)), "koin", 60)
    assert clock == [61]


def test_a_rollback_that_runs_at_the_last_moment_is_watched_to_the_end() -> None:
    looks = [("rollback_started", False)] * 59 + [("rollback_completed", True)]
    with pytest.raises(MODULE.DeployError, match="its former version runs, nothing is lost"):
        MODULE.wait(Engine(*looks), "koin", 60)


def test_what_does_not_start_is_told_after_the_time_given() -> None:
    with pytest.raises(MODULE.DeployError, match=r"koin_api does not run after 60 s[.] Its tasks say"):
        MODULE.wait(Engine(("", False)), "koin", 60)


def test_an_update_that_has_stopped_is_told_at_once(clock: list[float]) -> None:
    with pytest.raises(MODULE.DeployError, match=r"has stopped its update \(rollback_paused: task t1 failed\)"):
        MODULE.wait(Engine(("rollback_paused", False)), "koin", 60)
    assert clock == [0]
