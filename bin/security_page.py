"""The tables of docs/security.md: our answers to security standards, from checks/security/*.yml.

An answer is `met` (`by`: the files that meet it), `not_applicable` (`reason`) or `open` (`reason`, and the `area` that
it belongs to). `sections` says how many controls a section of the standard has, or their last numbers where they do not
begin with 1; so a number that is left out, or that does not exist, is noticed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDER = REPOSITORY / "checks/security"

#: which keys an answer has, by its status
KEYS: dict[str, tuple[set[str], set[str]]] = {
    "met": ({"by"}, {"note"}),
    "not_applicable": ({"reason"}, set()),
    "open": ({"reason", "area"}, set()),
}
SHOWN = {"met": "met", "not_applicable": "not applicable", "open": "**open**"}


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice: a control would be answered two ways, and the first be lost."""


def _unique(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    if twice := [key for key, count in Counter(keys).items() if count > 1]:
        raise ValueError(f"{twice[0]} is there twice{node.start_mark}")
    return {key: loader.construct_object(value, deep=True) for key, (_, value) in zip(keys, node.value, strict=True)}


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique)


def load(folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """Every standard by the name of its file."""
    return {path.stem: yaml.load(path.read_bytes(), Loader=_Loader) for path in sorted(folder.glob("*.yml"))}


def numbers(sections: Mapping[str, int | list[int]]) -> set[str]:
    """Every number of a standard."""
    return {
        f"{section}.{last}"
        for section, lasts in sections.items()
        for last in (range(1, lasts + 1) if isinstance(lasts, int) else lasts)
    }


def problems(name: str, standard: Mapping[str, Any], root: Path = REPOSITORY) -> Iterator[str]:
    """What is wrong with a standard's answers."""
    controls = standard["controls"]
    if standard["sections"]:
        known = numbers(standard["sections"])
        yield from (f"{name}: {number} has no answer" for number in sorted(known - set(controls)))
        yield from (f"{name}: {number} is no number of the standard" for number in sorted(set(controls) - known))
    for number, answer in controls.items():
        if answer.get("status") not in KEYS:
            yield f"{name} {number}: status is one of {', '.join(KEYS)}"
            continue
        required, optional = KEYS[answer["status"]]
        keys = set(answer) - {"title", "korean", "status"}
        if not required <= keys <= required | optional:
            wanted = f"{', '.join(sorted(required))}; it has {', '.join(sorted(keys)) or 'nothing'}"
            yield f"{name} {number}: `{answer['status']}` takes {wanted}"
        yield from (f"{name} {number}: no file {path}" for path in answer.get("by", []) if not (root / path).is_file())


def _cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def _answer(answer: Mapping[str, Any]) -> str:
    """How a control is met, or why not."""
    if answer["status"] == "met":
        files = ", ".join(f"[{path}](../{path})" for path in answer["by"])
        return files + (f". {_cell(answer['note'])}" if "note" in answer else "")
    area = f" ({_cell(answer['area'])})" if "area" in answer else ""
    return _cell(answer["reason"]) + area


def table(standard: Mapping[str, Any]) -> str:
    """The controls of a standard."""
    lines = ["| Control | In our words | Answer | By, or why |", "| --- | --- | --- | --- |"]
    for number, answer in standard["controls"].items():
        title = _cell(answer["title"]) + (f"<br>{_cell(answer['korean'])}" if "korean" in answer else "")
        lines.append(f"| {number} | {title} | {SHOWN[answer['status']]} | {_answer(answer)} |")
    edition = f"Edition: {standard['edition']}; {len(standard['controls'])} controls. {standard['numbers']}"
    return "\n".join([edition, "", *lines])


def summary(standards: Mapping[str, Mapping[str, Any]]) -> str:
    """How many controls of each standard are met."""
    lines = ["| Standard | Edition | Controls | Met | Not applicable | Open |", "| --- | --- | --- | --- | --- | --- |"]
    for standard in standards.values():
        found = Counter(answer["status"] for answer in standard["controls"].values())
        counts = " | ".join(str(found[status]) for status in KEYS)
        lines.append(f"| {standard['standard']} | {standard['edition']} | {len(standard['controls'])} | {counts} |")
    return "\n".join(lines)


def sections(standards: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, str]:
    """The generated parts of docs/security.md; an answer that is wrong ends the program."""
    found = load() if standards is None else standards
    if wrong := [line for name, standard in found.items() for line in problems(name, standard)]:
        raise SystemExit("checks/security: " + "\n  ".join(wrong))
    return {"summary": summary(found)} | {name: table(standard) for name, standard in found.items()}
