"""Prints a plan for people: one line per action, one per changed field. Pure."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from .cost import Prices, of_actions, total_lines
from .model import Action, FieldChange, Peculiar, Plan
from .refs import readable

_SIGNS = {"create": "+", "change": "~", "replace": "!", "unmanaged": "?"}
_COLOURS = {"create": "32", "change": "33", "replace": "31", "unmanaged": "36"}
#: lines about who reaches whom that a plan prints
_PATHS = 12
_HEADINGS = {
    "replace": "Cannot be changed in place, so it is only reported:",
    "unmanaged": "Not declared, left alone:",
}


def _paint(text: str, colour: str, enabled: bool) -> str:
    return f"\033[{colour}m{text}\033[0m" if enabled else text


def _value(value: Any, kinds: Collection[str]) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, str):
        return readable(value, kinds) if value else '""'
    return readable(json.dumps(value, ensure_ascii=False), kinds)


def change_lines(change: FieldChange, kinds: Collection[str]) -> list[str]:
    if isinstance(change.after, list):
        before = change.before if isinstance(change.before, list) else []
        gone = [f"        - {_value(item, kinds)}" for item in before if item not in change.after]
        new = [f"        + {_value(item, kinds)}" for item in change.after if item not in before]
        return [f"      {change.field}:", *gone, *new]
    return [f"      {change.field}: {_value(change.before, kinds)} -> {_value(change.after, kinds)}"]


def _action_lines(action: Action, kinds: Collection[str], colour: bool, verbose: bool, cost: str = "") -> Iterable[str]:
    head = f"  {_SIGNS[action.action]} {action.kind} {action.name}"
    if action.action in ("change", "replace"):
        head += f" ({action.id})" if action.id and action.id != action.name else ""
    yield _paint(head, _COLOURS[action.action], colour) + (f"   {cost}" if cost else "")
    if action.note:
        yield f"      note: {action.note}"
    if action.action != "create" or verbose:
        for change in action.changes:
            yield from change_lines(change, kinds)


def summary(plan: Plan) -> str:
    """One line: ``No changes`` or how many resources change."""
    counts = plan.as_dict()["counts"]
    parts = [f"{counts['create']} to create", f"{counts['change']} to change"]
    text = "No changes" if not plan.writes else ", ".join(parts)
    if counts["replace"]:
        text += f"; {counts['replace']} to replace (reported only)"
    if counts["unmanaged"]:
        text += f"; {counts['unmanaged']} unmanaged"
    return f"{text}."


def _section(lines: list[str], heading: str) -> list[str]:
    """A heading, with an empty line before it."""
    return ["", heading] if lines[-1] else [heading]


def warnings(plan: Plan, colour: bool = False, verbose: bool = False) -> list[str]:
    """The warnings, followed by an empty line; empty if there are none.

    On a stand-in, what is always true of one is a single line: who has learned to skip many skips the next one, too.
    """
    always, others = list[Peculiar](), list[str]()
    for warning in plan.warnings:
        if isinstance(warning, Peculiar) and plan.stand_in and not verbose:
            always.append(warning)
        else:
            others.append(warning)
    lines = ["Warnings:", *(_paint(f"  * {warning}", "35", colour) for warning in others), ""] if others else []
    counts = [f"{about} ({number})" for about, number in Counter(one.about for one in always).items()]
    return [*lines, f"As always in a rehearsal: {', '.join(counts)}; -v lists them.", ""] if counts else lines


def looked(plan: Plan) -> list[str]:
    """How much of each kind was compared, and what was not; empty unless the plan was asked for it."""
    if not plan.looked:
        return []
    width = max(len(item.kind) for item in plan.looked)
    lines = ["Compared, of the fields that AWS returned:"]
    for item in plan.looked:
        lines.append(f"  {item.kind:{width}}  {len(item.compared):3} of {len(item.returned)}")
        if item.other_parts:
            text = f"not compared: {', '.join(item.other_parts)}"
            lines += textwrap.wrap(text, 110, initial_indent=" " * 6, subsequent_indent=" " * 8, break_on_hyphens=False)
    return [*lines, ""]


def paths(plan: Plan, colour: bool = False, verbose: bool = False) -> list[str]:
    """What opens and closes, followed by an empty line; empty if nothing does. verbose: however much it is."""
    if not plan.paths:
        return []
    cut = not verbose and len(plan.paths) > _PATHS
    lines = plan.paths[: _PATHS - 1] if cut else plan.paths
    more = [f"  and {len(plan.paths) - len(lines)} more; `-v` shows them"] if cut else []
    return ["Who reaches whom:", *(_paint(f"  {line}", "33", colour) for line in lines), *more, ""]


def render(plan: Plan, colour: bool = False, verbose: bool = False, prices: Prices | None = None) -> str:
    """The whole plan.

    verbose: also every field of what is created, and how much was compared. prices: also what it costs.
    """
    lines = [f"Plan for account {plan.account}, {plan.region}", ""]
    costs = of_actions(plan.bills, prices) if prices else {}

    def shown(action: Action) -> Iterable[str]:
        cost = costs.get((action.action, action.kind, action.name), "")
        return _action_lines(action, plan.kinds, colour, verbose, cost)

    for action in plan.writes:
        lines += shown(action)
    for kind, heading in _HEADINGS.items():
        group = plan.of(kind)
        if group:
            lines += _section(lines, heading)
            for action in group:
                lines += shown(action)
    if lines[-1]:
        lines.append("")
    if verbose:
        lines += looked(plan)
    lines += paths(plan, colour, verbose)
    lines += warnings(plan, colour, verbose)
    if prices and (cost := total_lines(plan.bills, prices)):
        lines += [*cost, ""]
    lines.append(_paint(summary(plan), "1", colour))
    return "\n".join(lines)
