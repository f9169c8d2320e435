"""Answers to security standards: each number once, each file there, nothing open without a reason."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from tests.support.files import load_file

PAGE = load_file("bin/security_page.py")
STANDARDS: dict[str, dict[str, Any]] = PAGE.load()
#: controls of each standard, as its publisher counts them; Mozilla counts nothing
COUNTS = {"cis-aws-foundations": 63, "isms-p": 64, "cis-docker": 117}


@pytest.mark.parametrize("name", STANDARDS)
def test_every_control_has_a_sound_answer(name: str) -> None:
    assert list(PAGE.problems(name, STANDARDS[name])) == []


@pytest.mark.parametrize("name", COUNTS)
def test_no_number_of_the_standard_is_missing(name: str) -> None:
    assert len(PAGE.numbers(STANDARDS[name]["sections"])) == COUNTS[name]
    assert set(STANDARDS[name]["controls"]) == PAGE.numbers(STANDARDS[name]["sections"])


def test_sections_that_do_not_begin_with_one() -> None:
    assert PAGE.numbers({"6": [2, 3], "6.1": 2}) == {"6.2", "6.3", "6.1.1", "6.1.2"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"1.1": None}, "x: 1.1 has no answer"),
        ({"1.3": {"status": "met", "by": ["README.md"]}}, "x: 1.3 is no number of the standard"),
        ({"1.1": {"status": "met", "by": ["no/such.yml"]}}, "x 1.1: no file no/such.yml"),
        ({"1.1": {"status": "met"}}, "x 1.1: `met` takes by; it has nothing"),
        ({"1.1": {"status": "open", "reason": "later"}}, "x 1.1: `open` takes area, reason; it has reason"),
        ({"1.1": {"status": "done"}}, "x 1.1: status is one of met, not_applicable, open"),
    ],
)
def test_an_answer_that_is_wrong_is_named(changed: dict[str, Any], said: str) -> None:
    good = {"title": "a", "status": "not_applicable", "reason": "none here"}
    controls = {"1.1": good, "1.2": good} | changed
    standard = {"sections": {"1": 2}, "controls": {key: value for key, value in controls.items() if value}}
    assert list(PAGE.problems("x", standard)) == [said]


def test_a_control_that_is_answered_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.yml").write_text("controls:\n  '1.1': {status: met}\n  '1.1': {status: open}\n")
    with pytest.raises(ValueError, match=r"1\.1 is there twice"):
        PAGE.load(tmp_path)


def test_a_wrong_answer_stops_the_page() -> None:
    wrong = copy.deepcopy(STANDARDS)
    wrong["cis-docker"]["controls"]["1.1.1"]["status"] = "perhaps"
    with pytest.raises(SystemExit, match=r"cis-docker 1\.1\.1: status"):
        PAGE.sections(wrong)


def test_the_page_shows_files_reasons_and_areas() -> None:
    standard = {
        "standard": "A standard",
        "edition": "1",
        "numbers": "Ours.",
        "controls": {
            "1": {"title": "a | b", "status": "met", "by": ["README.md", "Makefile"], "note": "both"},
            "2": {"title": "c", "korean": "다", "status": "open", "reason": "not yet", "area": "issue 1"},
        },
    }
    assert PAGE.table(standard).splitlines()[-2:] == [
        "| 1 | a \\| b | met | [README.md](../README.md), [Makefile](../Makefile). both |",
        "| 2 | c<br>다 | **open** | not yet (issue 1) |",
    ]
    assert PAGE.summary({"a": standard}).splitlines()[-1] == "| A standard | 1 | 2 | 1 | 0 | 1 |"
