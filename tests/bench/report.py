"""The table."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from tests.bench import scale
from tests.bench.measure import Series

#: measurement -> side -> runs
Results = dict[str, dict[str, Series]]

_HEADS = ("", "side", "median s", "min-max s", "cpu s", "peak MiB", "ours/theirs")
_WIDTHS = (41, 9, 8, 15, 7, 8, 11)


def _colour() -> bool:
    return sys.stdout.isatty()


def _line(cells: tuple[str, ...], bold: bool = False) -> str:
    text = "  ".join(
        cell.ljust(width) if number < 2 else cell.rjust(width)
        for number, (cell, width) in enumerate(zip(cells, _WIDTHS, strict=True))
    ).rstrip()
    return f"\033[1m{text}\033[0m" if bold and _colour() else text


def table(results: Results) -> str:
    """Every measurement, a line for each side."""
    lines = [_line(_HEADS, bold=True)]
    for what, sides in results.items():
        for number, (side, series) in enumerate(sides.items()):
            low, high = series.spread
            memory = "-" if series.memory is None else f"{series.memory:.0f}"
            ratio = ""
            if number and "ours" in sides:
                ratio = f"{sides['ours'].median / series.median:.2f}"
            cells = ("" if number else what, side, f"{series.median:.2f}", f"{low:.2f}-{high:.2f}")
            lines.append(_line((*cells, f"{series.cpu:.2f}", memory, ratio)))
    return "\n".join(lines)


def growth(results: Results) -> list[str]:
    """How the plan grows with the number of instances, a line for each side."""
    times: dict[str, dict[int, float]] = {}
    for what, sides in results.items():
        if what.startswith("plan, ") and what.endswith(" instances"):
            for side, series in sides.items():
                times.setdefault(side, {})[int(what.split()[1])] = series.median
    return [_growth_line(side, found) for side, found in times.items() if len(found) > 1]


def _growth_line(side: str, times: Mapping[int, float]) -> str:
    ratio = scale.bend(times)
    text = f"{side}: {scale.slope(times):.2f} s for every 100 instances"
    return text + (f"; slope 200→500 over slope 50→200: {ratio:.2f} (1 = linear)" if ratio is not None else "")
