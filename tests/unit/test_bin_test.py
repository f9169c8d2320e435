"""bin/test: what runs beside what, and what a failure does to the rest."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.files import load_file

MODULE = load_file("bin/test")


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Logs of parts, where no run of the gate keeps its own; and parts that heed an interrupt."""
    monkeypatch.setattr(MODULE, "LOGS", tmp_path)
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


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
def test_a_failure_stops_what_runs_beside_it(aside: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    begun = f"import pathlib, time; begun = pathlib.Path({str(tmp_path / 'begun')!r})"
    long = part("long", f"{begun}; begun.touch(); time.sleep(60)")
    # A busy machine may start it before the other: it waits, for twenty seconds at most.
    wait = "for _ in range(200): begun.exists() or time.sleep(0.1)"
    bad = part("bad", f"{begun}\n{wait}\nraise SystemExit(1)")
    run = MODULE.Run()
    began = time.monotonic()
    run.side_by_side([bad] if aside else [long, bad], [long, bad] if aside else [bad])
    assert time.monotonic() - began < 30
    assert run.failed
    # What was stopped is not said to have failed, but where its output is.
    assert [name for name, _ in run.times] == ["bad"]
    assert "== long: stopped" in capfd.readouterr().out


@pytest.mark.parametrize("aside", [True, False])
def test_a_program_that_is_missing_is_a_failure(aside: bool, capfd: pytest.CaptureFixture[str]) -> None:
    missing = MODULE.Part("missing", ("no-such-program",))
    run = MODULE.Run()
    run.side_by_side([missing] if aside else [], [part("unit", "")] if aside else [missing])
    assert run.failed
    assert "== missing: FAILED (does not start: " in capfd.readouterr().out


def test_what_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "PATIENCE", 1)
    deaf = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    bad = "import time; time.sleep(1); raise SystemExit(1)"
    run = MODULE.Run()
    began = time.monotonic()
    run.side_by_side([part("deaf", deaf)], [part("bad", bad)])
    assert time.monotonic() - began < 30


def test_after_an_interrupt_everything_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cleaned = tmp_path / "cleaned"
    program = (
        f"import time\ntry:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    open({str(cleaned)!r}, 'w').close()"
    )

    def stopped(run: Any, *, hosts: bool) -> None:
        threading.Timer(1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        run.side_by_side([part("aside", program)], [part("long", "import time; time.sleep(60)")])

    monkeypatch.setattr(MODULE, "run_all", stopped)
    monkeypatch.setenv("HOSTS", "no")
    former = signal.getsignal(signal.SIGTERM)
    try:
        assert MODULE.main() == 130
    finally:
        signal.signal(signal.SIGTERM, former)
    assert cleaned.exists()


def test_the_last_part_has_the_last_word(capfd: pytest.CaptureFixture[str]) -> None:
    MODULE.Run().parts([MODULE.Part("e2e", (sys.executable, "-c", "print('7 passed')"), last=True)])
    assert capfd.readouterr().out.endswith("7 passed\n")


def test_the_shared_platform_is_tested_by_all_of_its_files() -> None:
    e2e = {path.stem for path in (MODULE.REPOSITORY / "tests/e2e").glob("test_*.py")}
    assert {*MODULE.SHARED, "test_local_hosts", "test_packets"} == e2e
