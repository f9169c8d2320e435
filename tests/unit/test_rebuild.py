"""What is said of a disaster that was rehearsed."""

from __future__ import annotations

import pytest

from rehearsal.rebuild import Kept, Ledger, verdict


@pytest.mark.parametrize(
    ("after", "good", "says"),
    [
        (
            Ledger(900, 900, 1060.0),
            True,
            "1000 transactions were committed, 900 came back, none before them is missing",
        ),
        (Ledger(900, 900, 1060.0), True, "The last 40 s were not stored yet"),
        (Ledger(1010, 1010, 1101.0), True, "The last 0 s"),
        (Ledger(899, 900, 1060.0), False, "1 BEFORE THEM ARE MISSING"),
        (Ledger(90, 90, 900.0), False, "The last 200 s"),
        (Ledger(0, 0, 0.0), False, "0 came back"),
    ],
)
def test_every_row_is_accounted_for(after: Ledger, good: bool, says: str) -> None:
    found, text = verdict(Ledger(1000, 1000, 1100.0), after, 600)
    assert found is good
    assert says in text


def test_passwords_are_not_shown() -> None:
    assert "hidden" not in repr(Kept({}, {"/koin/backup/koin-prod": "hidden"}))
