"""Can a file of the declaration be read, and does YAML read what is written there? Pure: bytes in, problems out.

YAML accepts a lot that nobody intends: the second of two equal keys wins, ``22:22`` is 1342, a value left out is null.
Where it refuses, its own words rarely name the mistake. So the usual mistakes are looked for in the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from .engine.errors import Problem

LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_CONFLICT = re.compile(r"(<{7}|\|{7}|>{7})( |$)|={7}$")
#: `key: value`, also as an item of a list; what follows the colon is group 3
_LINE = re.compile(r"^(\s*(?:- +)*)((?:\"[^\"]*\"|'[^']*'|[^\s\"'#{\[&*!|>%@`][^:#]*?)):(?:[ \t]+(.*))?$")
_GLUED = re.compile(r"^\s*(?:- +)*([A-Za-z_][\w.-]*):(?![\s/:])(\S.*)$")
_TEMPLATE = re.compile(r"(?<![\"'\w])\{\{.*?\}\}[^,\]}#]*")
_NUMBER = re.compile(r"[-+]?(?:\d[\d_]*(?::[0-5]?\d)+(?:\.\d*)?|0[xob][\da-fA-F_]+|0\d+|\.\d+|\d[\d_]*\.?[\d_]*"
                     r"(?:[eE][-+]?\d+)?|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)")  # fmt: skip
_NUMERIC = frozenset("+-.0123456789")
#: a number that everybody reads the same way
_PLAIN = re.compile(r"-?(?:0|[1-9]\d*)")
_TAG = "tag:yaml.org,2002:"
#: tags that Ansible knows
_TAGS = frozenset(
    {"!vault", "!unsafe", *(_TAG + name for name in ("str", "int", "float", "bool", "null", "map", "seq"))}
)
_EUROPEAN = {"\u201c": '"', "\u201d": '"', "\u2018": "'", "\u2019": "'", "\u3000": " ", "\u00a0": " "}


class _Lines(NamedTuple):
    path: str
    lines: list[str]

    def text(self, line: int) -> str:
        """A line by its number, counted from 1."""
        return self.lines[line - 1] if 0 < line <= len(self.lines) else ""

    def problem(self, line: int, what: str, fix: str) -> Problem:
        return Problem(f"{self.path}:{line}", what, fix)


def check(path: str, content: bytes) -> tuple[Node | None, list[Problem]]:
    """The nodes of a file, and what is wrong with it. A file that is not YAML has one problem and no nodes."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        return None, [_encoding(path, content, error)]
    file = _Lines(path, re.split(r"\r\n|\n|\r", text))
    for problem in _bad_lines(file):
        return None, [problem]
    try:
        node = yaml.compose(text, Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        return None, [_refused(file, error)]
    except yaml.YAMLError as error:  # of the reader: a character that YAML does not allow
        return None, [_character(file, error)]
    if node is None or (isinstance(node, ScalarNode) and not node.value):
        return None, [file.problem(1, "declares nothing", "declare variables as `name: value`, or delete the file")]
    if not isinstance(node, MappingNode):
        kind = "a list" if isinstance(node, SequenceNode) else "a single value"
        line = node.start_mark.line + 1
        return None, [file.problem(line, f"is {kind} at the top", "write `name: value` lines, each name at column 1")]
    return node, list(_Walk(file).problems(node))


# -- what is seen before YAML looks -------------------------------------------------------------------------------


def _encoding(path: str, content: bytes, error: UnicodeDecodeError) -> Problem:
    line = content[: error.start].count(b"\n") + 1
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        name, line = "UTF-16", 1
    else:
        try:
            content.decode("cp949")
            name = "EUC-KR (CP949)"
        except UnicodeDecodeError:
            name = "not UTF-8"
    what = "is not UTF-8" if name == "not UTF-8" else f"is written in {name}, not in UTF-8"
    source = {"UTF-16": "UTF-16", "EUC-KR (CP949)": "CP949"}.get(name, "ENCODING")
    fix = f"save it as UTF-8 without BOM in your editor, or: iconv -f {source} -t UTF-8 {path}"
    return Problem(f"{path}:{line}", what, fix)


def _bad_lines(file: _Lines) -> Iterator[Problem]:
    for number, line in enumerate(file.lines, 1):
        if _CONFLICT.match(line):
            what = f"`{line[:7]}` is left over from a merge conflict"
            yield file.problem(
                number, what, "keep one of the two versions and delete the lines <<<<<<<, ======= and >>>>>>>"
            )
        if number > 1 and re.match(r"---(\s|$)", line) and any(map(_content, file.lines[: number - 1])):
            yield file.problem(
                number, "a second YAML document begins here", "delete the line `---`; a file is one document"
            )
        if re.match(r"\.\.\.(\s|$)", line) and any(map(_content, file.lines[number:])):
            yield file.problem(number, "`...` ends the document, but more follows", "delete the line `...`")
        if line.isascii():
            continue
        if number == 1 and line.startswith("\ufeff"):
            yield file.problem(1, "begins with a BOM (U+FEFF), which is invisible", "save it as UTF-8 without BOM")
        # Comments may hold anything visible.
        for column, character in enumerate(line, 1):
            if _unseen(character):
                code = f"U+{ord(character):04X} {unicodedata.name(character, '')}".strip()
                what = f"column {column} is an invisible character ({code})"
                yield file.problem(number, what, "delete it, or type a plain space")


def _content(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#") and not re.match(r"(---|%)", line)


def _unseen(character: str) -> bool:
    """Whether a character looks like a space, or is invisible."""
    if character.isascii():
        return False
    return character == "\u3164" or unicodedata.category(character) in ("Zs", "Zl", "Zp", "Cf", "Cc")


def _wide(text: str) -> tuple[str, str] | None:
    """The first full-width (or curly) form of an ASCII character, and that character."""
    if text.isascii():
        return None
    for character in text:
        plain = _EUROPEAN.get(character) or (
            unicodedata.normalize("NFKC", character) if "\uff01" <= character <= "\uff5e" else ""
        )
        if plain:
            return character, plain
    return None


# -- what YAML refuses --------------------------------------------------------------------------------------------


def _character(file: _Lines, error: yaml.YAMLError) -> Problem:
    for number, line in enumerate(file.lines, 1):
        for character in line:
            if unicodedata.category(character) == "Cc" and character != "\t":
                what = f"holds the control character U+{ord(character):04X}"
                return file.problem(number, what, "delete it")
    return file.problem(1, f"is not YAML: {str(error).splitlines()[0]}", "save it as UTF-8 text")


def _refused(file: _Lines, error: yaml.MarkedYAMLError) -> Problem:
    """The mistake behind an error of YAML's: on the line where it noticed, or above."""
    mark = error.problem_mark or error.context_mark
    noticed = min(mark.line + 1, len(file.lines)) if mark else 1
    begun = error.context_mark.line + 1 if error.context_mark else noticed
    # Nearest to where YAML gave up first: it reads on past most mistakes, for a line or for the rest of the file.
    upwards = [noticed, *range(noticed - 1, max(begun - 2, 0), -1)]
    if error.problem and "undefined alias" in error.problem:
        name = file.text(noticed)[mark.column :].lstrip("*")
        name = re.split(r"[\s,\]}]", name)[0]
        fix = f"declare it above as `&{name}`, or put the value in quotes"
        return file.problem(noticed, f"`*{name}` refers to an anchor that this file does not have", fix)
    for line in upwards:
        if problem := _suspect(file, line):
            return problem
    if problem := _open_quote(file, noticed):
        return problem
    flow = (error.context or "").startswith("while parsing a flow")
    if flow and (opened := re.search(r"[\[{]", file.text(begun)[error.context_mark.column :])):
        closing = {"[": "]", "{": "}"}[opened[0]]
        what = f"`{opened[0]}` is not closed, or a comma is missing after it"
        return file.problem(begun, what, f"separate the items by commas and close with `{closing}`")
    if problem := _indentation(file, noticed):
        return problem
    if error.problem and "could not find expected ':'" in error.problem and _content(file.text(begun)):
        return file.problem(
            begun, f"`{file.text(begun).strip()}` has no colon", "write `key: value`, or delete the line"
        )
    what = " ".join(filter(None, (error.context, error.problem)))
    shown = file.text(noticed).strip() or "the end of the file"
    return file.problem(
        noticed,
        f"YAML cannot read `{shown}` ({what})",
        "if a value is text, put it in quotes; else compare with the lines above",
    )


def _suspect(file: _Lines, number: int) -> Problem | None:
    """A mistake that one line shows by itself."""
    line = _uncommented(file.text(number))
    indent = line[: len(line) - len(line.lstrip())]
    if "\t" in line:
        where = "the indentation" if "\t" in indent else "the line"
        return file.problem(number, f"{where} holds a tab", "type spaces instead; two for each level")
    if wide := _wide(_unquoted(line)):
        fix = f"type `{wide[1]}`{' and a space after it' if wide[1] in ':,' else ''}"
        return file.problem(number, f"`{wide[0]}` is a full-width or curly character", fix)
    if template := _TEMPLATE.search(_unquoted(line)):
        text = template[0].strip()
        return file.problem(number, f"the template {text} is not in quotes", f'write "{text}"')
    matched = _LINE.match(line)
    value = (matched[3] if matched else re.sub(r"^\s*(- +)*", "", line)) or ""
    if found := re.match(r"[\[{]?\s*(?:[^\[\]{}\"']*,\s*)?([%@`][^,\]}]*)", value):
        text = found[1].strip()
        return file.problem(number, f"a value cannot begin with `{text[0]}`", f'write it in quotes: "{text}"')
    if found := re.search(r"(?:^|[\[,:]\s*)([*&!](?:[^\w\s,\]}][^,\]}]*|(?=[,\]}\s]|$)))", value):
        text = found[1].strip()
        return file.problem(
            number, f"a value that begins with `{text[0]}` means something else", f'write it in quotes: "{text}"'
        )
    if matched and not value.startswith(("{", "[", '"', "'")) and (colon := re.search(r":(\s|$)", value)):
        text = value.strip()
        what = f"the value holds a colon: `{text[: colon.start() + 1]}`"
        return file.problem(number, what, f'write it in quotes: "{text}"')
    if matched and (tail := re.match(r"(\"[^\"]*\"|'[^']*')\s*([^\s#,].*)", value)):
        return file.problem(
            number, f"`{tail[2].strip()}` follows the closing quote", "put the whole value in one pair of quotes"
        )
    if glued := _GLUED.match(line):
        fix = f"write `{glued[1]}: {glued[2].strip()}`, with a space after the colon"
        return file.problem(number, f"no space after the colon of `{glued[1]}:`", fix)
    if re.match(r"\s*-[A-Za-z\"'{\[]", line):
        return file.problem(number, "no space after the `-` of a list", f"write `- {line.strip()[1:]}`")
    return None


def _uncommented(line: str) -> str:
    """A line without its comment."""
    return re.sub(r"(^|\s)#.*$", "", _blank(line)) and line[: len(re.sub(r"(^|\s)#.*$", "", _blank(line)))]


def _blank(line: str) -> str:
    """A line with quoted text blanked out; columns stay the same."""
    return re.sub(r"\"(?:\\.|[^\"\\])*\"|'[^']*'", lambda found: "\0" * len(found[0]), line)


def _unquoted(line: str) -> str:
    return _blank(line).replace("\0", "")


def _open_quote(file: _Lines, last: int) -> Problem | None:
    for number in range(1, last + 1):
        line = _uncommented(file.text(number))
        found = re.search(r"(?:[:,\[{-]\s+|[\[{]|^\s*)([\"'])[^\"']*$", _blank(line))
        if found and not file.text(number).rstrip().endswith(("\\",)):
            return file.problem(
                number, f"the quote {found[1]} is not closed", f"close it with {found[1]} on the same line"
            )
    return None


def _indentation(file: _Lines, number: int) -> Problem | None:
    line = file.text(number)
    above = next((n for n in range(number - 1, 0, -1) if _content(file.text(n))), None)
    if not above or not _content(line):
        return None
    own, other = _indent(line), _indent(file.text(above))
    key = _LINE.match(_uncommented(file.text(above)))
    if own > other and key and key[3]:
        what = f"is indented by {own} spaces, below `{key[2].strip()}`, which already has a value"
        return file.problem(
            number, what, f"indent it by {other} to put it beside that key, or move it to the mapping it belongs to"
        )
    if own == other and not key and re.match(r"\s*[\w-]", file.text(above)):
        return file.problem(above, f"`{file.text(above).strip()}` has no colon", "write `key: value`")
    levels = sorted({_indent(text) for text in file.lines[: number - 1] if _content(text)})
    near = min(levels, key=lambda level: (abs(level - own), -level))
    if own in levels and own != other:
        # The line above began a level of its own.
        return file.problem(
            number,
            f"is indented by {own} spaces, line {above} by {other}: they do not fit",
            f"begin keys of one mapping in one column: check lines {above} and {number}",
        )
    return file.problem(
        number,
        f"is indented by {own} spaces, line {above} by {other}",
        f"indent it by {near}, as the keys it belongs to" if near != own else "begin keys of one mapping in one column",
    )


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


# -- what YAML accepts --------------------------------------------------------------------------------------------


class _Walk:
    def __init__(self, file: _Lines) -> None:
        self.file = file
        self._seen: set[int] = set()

    def problems(self, node: Node) -> Iterator[Problem]:
        if id(node) in self._seen:  # an alias
            return
        self._seen.add(id(node))
        if node.tag not in _TAGS and not (isinstance(node, ScalarNode) and not node.style and _TAG in node.tag):
            text = self.file.text(_line(node))[node.start_mark.column :].split(" ")[0]
            yield self.file.problem(_line(node), f"`{text}` is read as a YAML tag", "put the value in quotes")
        elif isinstance(node, MappingNode):
            yield from self._mapping(node)
        elif isinstance(node, SequenceNode):
            for item in node.value:
                if _nothing(item):
                    yield self.file.problem(
                        _line(item), "an item of the list is empty", "write a value, or delete the `-`"
                    )
                else:
                    yield from self.problems(item)
        else:
            yield from self._scalar(node, "value")

    def _mapping(self, node: MappingNode) -> Iterator[Problem]:
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = _line(key)
            if not isinstance(key, ScalarNode):
                text = self.file.text(line)[node.start_mark.column :].strip()
                yield self.file.problem(line, f"the template {text} is not in quotes", f'write "{text}"')
                return
            if key.value in lines:
                what = f"`{key.value}` is declared twice: line {lines[key.value]} has it already"
                yield self.file.problem(line, what, "put both into one, or delete one")
            lines.setdefault(key.value, line)
            if key.value != "<<":
                yield from self._scalar(key, "key")
            if _nothing(value):
                yield self._without_value(key)
            else:
                yield from self.problems(value)

    def _without_value(self, key: ScalarNode) -> Problem:
        line, name = _line(key), key.value
        text = self.file.text(line)
        if ":" in name and not key.style:
            first, _, rest = name.partition(":")
            return self.file.problem(line, f"no space after the colon of `{name}`", f"write `{first}: {rest}`")
        if wide := _wide(name):
            return self.file.problem(line, f"`{wide[0]}` is a full-width or curly character", f"type `{wide[1]}`")
        if hidden := re.search(re.escape(name) + r"[\"']?:\s+(#\S.*)$", text):
            what = f"`{name}:` has no value: `#` begins a comment"
            return self.file.problem(line, what, f'if it is the value, write "{hidden[1].strip()}"')
        fix = f"write its value, or indent what belongs to it; for none `{name}: {{}}`, `[]` or `null`, or delete it"
        return self.file.problem(line, f"`{name}:` has no value", fix)

    def _scalar(self, node: ScalarNode, kind: str) -> Iterator[Problem]:
        if node.style:
            yield from self._template(node)
            return
        text, line = node.value, _line(node)
        if node.end_mark.line > node.start_mark.line:
            what = f"the {kind} `{text.split()[0]}` continues on line {node.end_mark.line + 1}"
            fix = f"line {node.end_mark.line + 1} lacks a colon or is indented too far; begin a longer text with >-"
            yield self.file.problem(line, what, fix)
        elif wide := _wide(text):
            fix = f"type `{wide[1]}`; if it is meant, put the {kind} in quotes"
            written = self.file.text(line).strip()
            yield self.file.problem(line, f"`{wide[0]}` in `{written}` is a full-width or curly character", fix)
        elif kind == "key" and (text.startswith("?") or " #" in text):
            yield self.file.problem(line, f"`{text}` is not a key", "put it in quotes")
        elif problem := _read_as(node, kind):
            yield self.file.problem(line, *problem)
        else:
            yield from self._template(node)

    def _template(self, node: ScalarNode) -> Iterator[Problem]:
        text = node.value
        if "{" not in text:
            return
        for opening, closing in (("{{", "}}"), ("{%", "%}")):
            if opening in text and text.count(opening) > text.count(closing):
                yield self.file.problem(_line(node), f"`{opening}` is not closed", f"close it with `{closing}`")
                return
        if re.fullmatch(r"\{\s*[\w.]+\s*\}\}", text):
            yield self.file.problem(_line(node), f"`{text}` is not a template", f'write "{{{text}"')


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _nothing(node: Node) -> bool:
    return isinstance(node, ScalarNode) and not node.style and not node.value and node.tag == _TAG + "null"


def _read_as(node: ScalarNode, kind: str) -> tuple[str, str] | None:
    """(what, fix) when YAML does not read a plain scalar as the text or number that stands there."""
    text, tag = node.value, node.tag.removeprefix(_TAG)
    quoted = f'"{text}"'
    if tag == "bool" and (kind == "key" or text.lower() not in ("true", "false")):
        is_true = text.lower() in ("yes", "on", "true")
        fix = f"write {quoted}" if kind == "key" else f"write {str(is_true).lower()}; for the word itself {quoted}"
        return f"YAML reads the {kind} `{text}` as {str(is_true).lower()}", fix
    if tag == "null" and (kind == "key" or text != "null"):
        return (
            f"YAML reads the {kind} `{text}` as null",
            f"write {quoted}" if kind == "key" else f"write null, or {quoted}",
        )
    if tag == "timestamp":
        return f"YAML reads the {kind} `{text}` as a date", f"write {quoted}"
    if tag in ("value", "merge"):
        return f"`{text}` means something else in YAML", f"write {quoted}"
    if text[:1] not in _NUMERIC or not _NUMBER.fullmatch(text) or (kind == "value" and _PLAIN.fullmatch(text)):
        return None
    meant = _as_number(text, tag)
    if kind == "key" and tag == "float":
        return f"YAML reads the key `{text}` as the number {meant}", f"write {quoted}"
    if meant == text:
        return None
    if tag not in ("int", "float"):
        return (
            f"`{text}` looks like a number, but YAML reads it as text",
            f"write the number in plain digits; for the text {quoted}",
        )
    return (
        f"YAML reads the {kind} `{text}` as {meant}",
        f"write {quoted} if it is text, or {meant} if that is the number",
    )


def _as_number(text: str, tag: str) -> str:
    """The number that YAML reads, in plain digits; the text itself for anything else."""
    if tag not in ("int", "float"):
        # An address or a version is text, and is meant so.
        return "" if re.fullmatch(r"0[xob].*|0\d+|\d[\d_]*(\.\d*)?[eE][-+]?\d+|\d+(_\d+)+", text) else text
    return str(yaml.safe_load(text))
