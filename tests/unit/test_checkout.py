"""The copy of the repository that a test may change."""

from __future__ import annotations

from pathlib import Path

from tests.support.checkout import Checkout


def test_nothing_that_is_written_there_appears_in_the_repository(tmp_path: Path) -> None:
    # The linters list the repository's playbooks while other tests run: one that came and went failed them.
    top = Checkout(tmp_path).top
    outside = [
        path.relative_to(top)
        for path in top.rglob("*")
        if not path.resolve().is_relative_to(top) and path.relative_to(top).parts[0] != ".venv"
    ]
    assert outside == []
    assert (top / "playbooks/plan.yml").is_file()
