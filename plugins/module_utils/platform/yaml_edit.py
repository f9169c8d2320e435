"""Changes single values in the text of a YAML file and leaves every other character as it is. Pure: text in, text out.

A parser that writes the whole file back moves comments and breaks lines that nobody touched. Here the marks of the
parser say where a value stands, and only that part of the text is replaced. What cannot be changed without changing
something else (a template, an alias, a part that ``<<`` brings) is refused with its line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from .readable import LOADER

#: as yamllint has it
WIDTH = 120
#: what a value is set to in order to take its key away
REMOVED = object()
_STEP = 2
#: texts that are the same in YAML and in the eyes of a reader
_PLAIN = re.compile(r"[A-Za-z0-9_./$][A-Za-z0-9_./*@$+=~ ()%-]*")
_TEMPLATE = re.compile(r"\{\{|\{%|\{#")


class RefusedError(Exception):
    """A change that would change more than it should. line: counted from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason


def edited(text: str, path: Sequence[str], value: Any) -> str:
    """The text with the value at a path of keys replaced, added, or taken away (``REMOVED``)."""
    for steps, part in list(_changes(_composed(text), tuple(path), value)):
        text = _edited(text, steps, part)
    return text


def template_in(node: Node | None) -> ScalarNode | None:
    """The first text below a node that Ansible fills in."""
    if isinstance(node, ScalarNode):
        return node if _TEMPLATE.search(node.value) else None
    parts = (
        [part for pair in node.value for part in pair] if isinstance(node, MappingNode) else getattr(node, "value", [])
    )
    return next((found for part in parts if (found := template_in(part))), None)


def _composed(text: str) -> Node:
    return yaml.compose(text, Loader=LOADER) or yaml.compose("{}", Loader=LOADER)


def _loaded(node: Node) -> Any:
    return yaml.SafeLoader("").construct_document(node) if node is not None else None


def _own(node: Node, name: str) -> tuple[ScalarNode, Node] | None:
    """Key and value of a mapping as they are written in it."""
    pairs = node.value if isinstance(node, MappingNode) else ()
    return next(((key, value) for key, value in pairs if isinstance(key, ScalarNode) and key.value == name), None)


def _changes(node: Node, path: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The smallest changes that give a value: those of its keys, where it is a mapping before and after."""
    found: Node | None = node
    for step in path:
        pair = _own(found, step) if found is not None else None
        found = pair[1] if pair else None
    if isinstance(found, MappingNode) and isinstance(value, Mapping) and value and found.value:
        _refuse_shared(found)
        wanted = {str(key): item for key, item in value.items()}
        for key, _ in found.value:
            if key.value not in wanted:
                yield (*path, key.value), REMOVED
        for name, item in wanted.items():
            yield from _changes(node, (*path, name), item)
    elif value is not REMOVED if found is None else value is REMOVED or _differs(found, value):
        yield path, value


def _differs(node: Node, value: Any) -> bool:
    return template_in(node) is not None or _loaded(node) != value


def _refuse_shared(node: MappingNode) -> None:
    for key, _ in node.value:
        if key.value == "<<":
            raise RefusedError(key.start_mark.line + 1, "a part of it comes from `<<`, which others use as well")


def _edited(text: str, path: tuple[str, ...], value: Any) -> str:
    """One change. Every node on the way is written there, and nowhere else."""
    node, key, holder = _composed(text), None, None
    for depth, step in enumerate(path):
        if isinstance(node, ScalarNode) and _TEMPLATE.search(node.value):
            raise RefusedError(node.start_mark.line + 1, "a template computes it")
        if not isinstance(node, MappingNode):
            # A key without a value, or with one that is no mapping.
            nested = _nested(path[depth:], value)
            return text if value is REMOVED else _replaced(text, key, node, nested)
        pair = _own(node, step)
        if pair is None:
            if value is REMOVED:
                return text
            if depth:
                _refuse_shared(node)
            return _inserted(text, key, node, step, _nested(path[depth + 1 :], value))
        parent, holder, (key, node) = node, key, pair
        if _at(text, node.start_mark) < _at(text, key.end_mark):
            raise RefusedError(key.start_mark.line + 1, "its value is an alias of another one")
        if text[_at(text, node.start_mark)] == "&":
            raise RefusedError(key.start_mark.line + 1, "others repeat its value (`&`)")
    if value is REMOVED:
        return _dropped(text, holder, parent, key, node)
    if found := template_in(node):
        raise RefusedError(found.start_mark.line + 1, "a template computes it")
    return _replaced(text, key, node, value)


def _nested(path: Sequence[str], value: Any) -> Any:
    return {path[0]: _nested(path[1:], value)} if path else value


def _at(text: str, mark: Any) -> int:
    """The place of a mark in the text."""
    start = 0
    for _ in range(mark.line):
        start = text.index("\n", start) + 1
    return start + int(mark.column)


def _last_line(node: Node) -> int:
    """The last line of a node, without the comments and empty lines that follow it; from 0."""
    if isinstance(node, ScalarNode):
        if node.style in ("|", ">"):
            lines = node.value.rstrip("\n").count("\n") + 1
            # Folded text has more lines than the value; the mark is at the beginning of what follows.
            return max(node.end_mark.line - 1, node.start_mark.line + lines)
        return int(node.end_mark.line)
    if node.flow_style or not node.value:
        return int(node.end_mark.line)
    last = node.value[-1]
    return _last_line(last[1] if isinstance(node, MappingNode) else last)


def _content_end(text: str, node: Node) -> int:
    """Where the line after a node begins."""
    lines = text.splitlines(keepends=True)
    last = _last_line(node)
    while last > node.start_mark.line and (not lines[last].strip() or lines[last].lstrip().startswith("#")):
        last -= 1
    return sum(map(len, lines[: last + 1]))


def _span(text: str, node: Node) -> tuple[int, int]:
    """Where a value begins and ends, without what follows it on its line."""
    start = _at(text, node.start_mark)
    if isinstance(node, ScalarNode) and node.style in ("|", ">"):
        return start, _content_end(text, node)
    if isinstance(node, ScalarNode) or node.flow_style:
        return start, _at(text, node.end_mark)
    return start, _content_end(text, node)


def _inserted(text: str, holder: ScalarNode | None, node: MappingNode, name: str, value: Any) -> str:
    """A new key at the end of a mapping, in the style of its neighbours."""
    column = holder.start_mark.column + _STEP if holder is not None else 0
    if not node.value:
        return text + "".join(block(name, value, 0)) if holder is None else _replaced(text, holder, node, {name: value})
    if node.flow_style:
        _, last = node.value[-1]
        place = _span(text, last)[1]
        new = f"{_scalar(name)}: {flow(value)}"
        line_start = text.rfind("\n", 0, place) + 1
        line_end = text.find("\n", place)
        fits = (line_end if line_end >= 0 else len(text)) - line_start + len(new) + 2 <= WIDTH
        gap = " " if fits else "\n" + " " * node.value[0][0].start_mark.column
        return f"{text[:place]},{gap}{new}{text[place:]}"
    column = node.value[0][0].start_mark.column
    neighbours = [item for _, item in node.value if isinstance(item, MappingNode) and item.value]
    in_a_line = isinstance(value, Mapping) and bool(neighbours) and all(item.flow_style for item in neighbours)
    place = _content_end(text, node)
    before = text[:place] if text[:place].endswith("\n") else f"{text[:place]}\n"
    return before + "".join(block(name, value, column, in_a_line=in_a_line)) + text[place:]


def _replaced(text: str, key: ScalarNode, node: Node, value: Any) -> str:
    start, end = _span(text, node)
    column = int(key.start_mark.column)
    by_line = isinstance(node, SequenceNode) and not node.flow_style and isinstance(value, list) and bool(value)
    if by_line and all(isinstance(item, ScalarNode) for item in node.value) and not any(map(_is_nested, value)):
        return _items(text, node, value)
    in_a_line = not _is_nested(value) or (isinstance(value, list) and not any(map(_is_nested, value)))
    new = flow(value)
    after_key = _at(text, key.end_mark) + 1
    one_line = column + len(key.value) + len(new) + 4 <= WIDTH
    within = text[after_key:start].strip() == "" and "\n" not in text[after_key:start]
    if (in_a_line and one_line) or not value or not _is_block(text, key):
        gap = "" if within and text[after_key:start] else " "
        ending = "\n" if text[start:end].endswith("\n") else ""
        if within:
            return text[:start] + gap + new + ending + text[end:]
        return text[:after_key] + " " + new + ending + text[end:]
    lines = block(key.value, value, column)
    # What stands behind a value on its line, such as a comment, stays behind the key.
    line_end = text.find("\n", end) if not text[start:end].endswith("\n") else end - 1
    line_end = len(text) if line_end < 0 else line_end
    rest = text[end:line_end] if not text[start:end].endswith("\n") else ""
    body = "".join(lines[1:])
    tail = text[line_end + 1 :]
    return text[:after_key] + rest.rstrip() + "\n" + body + tail


def _is_nested(value: Any) -> bool:
    return isinstance(value, Mapping | list)


def _is_block(text: str, key: ScalarNode) -> bool:
    """Whether a key stands at the beginning of its line."""
    line = text.rfind("\n", 0, _at(text, key.start_mark)) + 1
    return not text[line : _at(text, key.start_mark)].strip()


def _items(text: str, node: SequenceNode, value: list[Any]) -> str:
    """A list with a line for each item: those that stay are not touched."""
    lines = text.splitlines(keepends=True)
    left, kept = list(value), set()
    for item in node.value:
        loaded = _loaded(item)
        if loaded in left:
            left.remove(loaded)
            kept.add(id(item))
    column = int(node.start_mark.column)
    place = _last_line(node)
    new = [f"{' ' * column}- {_scalar(item)}\n" for item in left]
    gone = {number for item in node.value if id(item) not in kept for number in _lines_of(item)}
    result = []
    for number, line in enumerate(lines):
        if number not in gone:
            result.append(line)
        if number == place:
            result += new
    return "".join(result)


def _lines_of(node: Node) -> range:
    return range(node.start_mark.line, _last_line(node) + 1)


def _dropped(text: str, holder: ScalarNode | None, parent: MappingNode, key: ScalarNode, node: Node) -> str:
    """Without a key and its value. holder: the key of the mapping, which is `{}` without its only key."""
    if parent.flow_style:
        number = next(place for place, (other, _) in enumerate(parent.value) if other is key)
        start, end = _at(text, key.start_mark), _span(text, node)[1]
        if number + 1 < len(parent.value):
            end = _at(text, parent.value[number + 1][0].start_mark)
        elif number:
            start = _span(text, parent.value[number - 1][1])[1]
        return text[:start] + text[end:]
    start = text.rfind("\n", 0, _at(text, key.start_mark)) + 1
    end = max(_content_end(text, node), text.find("\n", _at(text, key.end_mark)) + 1)
    if len(parent.value) == 1 and holder is not None:
        colon = _at(text, holder.end_mark) + 1
        return f"{text[:colon]} {{}}{text[colon:start]}{text[end:]}"
    return text[:start] + text[end:]


# -- how new values are written -----------------------------------------------------------------------------------


def block(name: str, value: Any, column: int, *, in_a_line: bool = False) -> list[str]:
    """The lines of a key and its value."""
    indent, start = " " * column, f"{' ' * column}{_scalar(name)}:"
    one = f"{start} {flow(value)}\n"
    if not _is_nested(value) or not value or (in_a_line and len(one) <= WIDTH + 1):
        return [one]
    if isinstance(value, list):
        if not any(map(_is_nested, value)) and len(one) <= WIDTH + 1:
            return [one]
        return [f"{start}\n", *(f"{indent}  - {flow(item)}\n" for item in value)]
    return [f"{start}\n", *(line for key, item in value.items() for line in block(str(key), item, column + _STEP))]


def flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(str(key))}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int | float):
        return str(int(value) if isinstance(value, float) and value.is_integer() else value)
    text = str(value)
    if _PLAIN.fullmatch(text) and not text.endswith((" ", ":")) and " - " not in text and not text.startswith("- "):
        node = yaml.compose(f"[{text}]", Loader=yaml.SafeLoader)
        item = node.value[0]
        if isinstance(item, ScalarNode) and item.tag == "tag:yaml.org,2002:str" and item.value == text:
            return text
    if text.isprintable() and '"' in text and "'" not in text:
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False)
