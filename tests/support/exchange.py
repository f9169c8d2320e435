"""Two folders that change places, on a machine whose `mv` cannot do it in one step."""

from __future__ import annotations

from pathlib import Path


def swapped(one: Path, other: Path) -> None:
    """As `mv --exchange`."""
    between = one.with_name("between")
    one.rename(between)
    if other.exists():
        other.rename(one)
    between.rename(other)
