"""The policy of KOIN holds; a declaration that breaks it is refused with variable, file and line, path and rule."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.reach_policy import Edit, edited, refused

SECURITY, NETWORK, COMPUTE, OFFERS = (
    f"group_vars/all/{name}.yml" for name in ("aws_security", "aws_network", "aws_compute", "offers")
)


def test_the_declaration_keeps_the_policy(tmp_path: Path) -> None:
    assert refused(edited(tmp_path / "top", [])) == []


# what is wrong, edits, where it is told, and what is told: path and rule
BAD: dict[str, tuple[list[Edit], str, str]] = {
    "the database from the internet": (
        [Edit(OFFERS, "mysql: {function: database, port: 3306, groups: [DB], clients: *swarms}",
              "mysql: {function: database, port: 3307, groups: [DB], clients: internet}")],
        "platform_offers.mysql",
        r"internet → KOIN_DB tcp/3307 must not pass \(platform_reach.must_not.database-from-internet\) and does, "
        r"by security group DB: tcp 3307 from 0.0.0.0/0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_bad_declaration_is_refused(what: str, tmp_path: Path) -> None:
    edits, where, told = BAD[what]
    problems = refused(edited(tmp_path / "top", edits))
    found = [problem for problem in problems if problem.where == where and re.search(told, problem.what)]
    assert found, [str(problem) for problem in problems]
    file, _, line = found[0].source.partition(":")
    edit = next(edit for edit in edits if edit.file == file)
    text = (tmp_path / "top" / file).read_text().splitlines()
    assert text[int(line) - 1].strip() in edit.after or edit.after.splitlines()[0] in text[int(line) - 1]
