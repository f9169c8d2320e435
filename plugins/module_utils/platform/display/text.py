"""Text for a terminal: how wide it is, cut and folded to a width; counts and durations as people say them. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

_CUT = "…"
#: between the parts of a line
GAP = "   "


def _wide(character: str) -> int:
    # Marks and jamo that complete a syllable take no column of their own.
    if unicodedata.combining(character) or 0x1160 <= ord(character) <= 0x11FF:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def width(text: str) -> int:
    """Columns that the text takes: two for a Hangul syllable."""
    return sum(_wide(character) for character in text)


def cut(text: str, columns: int) -> str:
    """The text in at most so many columns."""
    if width(text) <= columns:
        return text
    kept, used = "", width(_CUT)
    for character in text:
        used += _wide(character)
        if used > columns:
            break
        kept += character
    return f"{kept.rstrip()}{_CUT}" if columns > 0 else ""


def fold(text: str, columns: int, indent: str = "", more: str = "") -> list[str]:
    """Lines of at most so many columns where words allow it. more: further indentation of all lines but the first.

    columns: 0 for as long as it gets.
    """
    if not columns:
        return [f"{indent}{text}"]
    lines, line = [], indent
    for word in text.split(" "):
        if line.strip() and width(line) + 1 + width(word) > columns:
            lines.append(line.rstrip())
            line = indent + more
        line += f" {word}" if line.strip() else word
    return [*lines, line.rstrip()]


def line(parts: Sequence[str], columns: int = 0) -> str:
    """The parts as one line. What does not fit into the columns is cut off the first part, which is the longest."""
    rest = "".join(f"{GAP}{part}" for part in parts[1:] if part)
    return (cut(parts[0], max(columns - width(rest), 0)) if columns else parts[0]) + rest


def printable(text: str) -> str:
    """The text without control characters, which come from hosts; line ends and tabs stay."""
    return "".join(one for one in text if one in "\n\t" or unicodedata.category(one) != "Cc")


def seconds(value: float) -> str:
    """``1.3 s``, ``41 s``, ``2 min 5 s``."""
    if round(value, 1) < 10:
        return f"{value:.1f} s"
    whole = round(value)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


def count(number: int, thing: str) -> str:
    """``1 host``, ``2 hosts``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def together(by_host: Iterable[tuple[str, tuple[str, ...]]]) -> list[tuple[list[str], tuple[str, ...]]]:
    """Hosts of which the same is to be said, in the order in which they came."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for host, what in by_host:
        groups.setdefault(what, []).append(host)
    return [(hosts, what) for what, hosts in groups.items()]


def title(group: str, name: str) -> str:
    """``edge · Write the configuration``: role or play, and the task without the prefix that repeats it."""
    parts = printable(name).replace("\n", " ").split(" | ")
    if len(parts) > 1 and _same(parts[0], group):
        parts = parts[1:]
    return " · ".join(parts if parts == [group] else [group, *parts])


def _same(one: str, other: str) -> bool:
    return one.lower().replace(" ", "_") == other.lower()
