"""bin/test: what runs beside what, and what a failure does to the rest."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from tests.support.files import load_file

MODULE = load_file("bin/test")


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs of parts, where no run of the gate keeps its own."""
    monkeypatch.setattr(MODULE, "LOGS", tmp_path)


def part(name: str, program: str) -> object:
    """A part that is a line of Python."""
    return MODULE.Part(name, (sys.executable, "-c", program))


def test_parts_run_in_order_up_to_the_first_that_fails(capfd: pytest.CaptureFixture[str]) -> None:
    run = MODULE.Run()
    run.parts([part("a", "print('one')"), part("b", "raise SystemExit(3)"), part("c", "print('never')")])
    said = capfd.readouterr().out
    assert run.failed
    assert [name for name, _ in run.times] == ["a", "b"]
    assert "== a\none\n== a: 0 s" in said
    assert "== b: FAILED (3) 0 s" in said
    assert "never" not in said


def test_what_runs_beside_is_shown_as_a_whole(capfd: pytest.CaptureFixture[str]) -> None:
    run = MODULE.Run()
    run.side_by_side([part("lint", "print('clean')")], [part("unit", "print('tested')")])
    said = capfd.readouterr().out
    assert not run.failed
    assert "== lint\nclean\n== lint: 0 s" in said
    assert "tested" in said
    assert {name for name, _ in run.times} == {"lint", "unit"}
    assert "lint" in run.table()


@pytest.mark.parametrize("aside", [True, False])
def test_a_failure_stops_what_runs_beside_it(aside: bool, capfd: pytest.CaptureFixture[str]) -> None:
    bad, long = part("bad", "raise SystemExit(1)"), part("long", "import time; time.sleep(60)")
    run = MODULE.Run()
    began = time.monotonic()
    run.side_by_side([bad] if aside else [long, bad], [long, bad] if aside else [bad])
    assert time.monotonic() - began < 30
    assert run.failed
    # What was stopped is not said to have failed.
    assert [name for name, _ in run.times] == ["bad"]
    assert "long: FAILED" not in capfd.readouterr().out


def test_the_last_part_has_the_last_word(capfd: pytest.CaptureFixture[str]) -> None:
    MODULE.Run().parts([MODULE.Part("e2e", (sys.executable, "-c", "print('7 passed')"), last=True)])
    assert capfd.readouterr().out.endswith("7 passed\n")
