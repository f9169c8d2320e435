"""The files of the declaration as they are written: where each variable stands.

Works on text and on the marks of PyYAML, so it needs nothing of Ansible and knows lines that a loaded value no longer
has. ``read`` is the only part that opens files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from .origin import shown

_Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: endings that Ansible reads in group_vars/ and host_vars/
_READ = ("", ".yml", ".yaml", ".json")
_INDEX = re.compile(r"\[?(\d+)\]?(?:\.|(?=\[)|$)")


class Source(NamedTuple):
    """One file of the declaration.

    path: relative to the repository.
    scope: whose variables it holds: a group (``PROD``), a host (``host koin-db``), or "" for an inventory source.
    """

    path: str
    scope: str
    content: bytes


class Place(NamedTuple):
    """A variable as it is declared: by whom, in which file, its key and its value."""

    scope: str
    path: str
    key: Node
    value: Node

    @property
    def line(self) -> int:
        """The line of the key, counted from 1."""
        return int(self.key.start_mark.line) + 1


def compose(text: str) -> Node | None:
    """The nodes of a YAML text with their marks; None for an empty one. Raises ``yaml.YAMLError``."""
    node: Node | None = yaml.compose(text, Loader=_Loader)
    return node


def pairs(node: Node | None) -> Iterator[tuple[ScalarNode, Node]]:
    """Keys and values of a mapping as they are written; nothing for any other node."""
    if isinstance(node, MappingNode):
        yield from ((key, value) for key, value in node.value if isinstance(key, ScalarNode))


def child(node: Node | None, name: str) -> Node | None:
    """The value of a key of a mapping."""
    return next((value for key, value in pairs(node) if key.value == name), None)


class Sources:
    """The declaration as one inventory sees it."""

    def __init__(self, files: Iterable[Source]) -> None:
        self.files = tuple(files)

    @cached_property
    def _nodes(self) -> dict[str, Node | None]:
        """Every file that can be read, by path."""
        nodes: dict[str, Node | None] = {}
        for file in self.files:
            try:
                nodes[file.path] = compose(file.content.decode("utf-8-sig"))
            except (yaml.YAMLError, UnicodeDecodeError):
                nodes[file.path] = None
        return nodes

    @cached_property
    def variables(self) -> dict[str, list[Place]]:
        """Every declared variable, and each place that declares it."""
        found: dict[str, list[Place]] = {}
        for file in self.files:
            node = self._nodes[file.path]
            for scope, holder in [(file.scope, node)] if file.scope else _inventory_variables(node):
                for key, value in pairs(holder):
                    found.setdefault(key.value, []).append(Place(scope, file.path, key, value))
        return found

    def line_of(self, where: str, host: str = "localhost", groups: Sequence[str] = ()) -> str | None:
        """Where a variable, or what is inside it, is declared: ``group_vars/all/aws_compute.yml:57``.

        ``where``: as in ``aws_compute_instances.KOIN_PROD.subnet`` or ``edge_sites.koin.names[0]``. Where the last part
        is not declared, the nearest part above it that is. None when the variable is declared nowhere.
        ``host``, ``groups``: for whom, when a variable has several values. What stands last in ``groups`` wins.
        """
        # Names of keys may have dots; names of variables do not.
        variable, _, rest = where.partition(".")
        variable, bracket, index = variable.partition("[")
        order = [f"host {host}", *reversed(groups), "all"]
        known = self.variables.get(variable, [])
        places = [place for scope in order for place in reversed(known) if place.scope == scope] or known
        if not places:
            return None
        inside = bracket + index + ("." if index and rest else "") + rest
        line = _line_inside(places[0].value, inside) or places[0].line
        return f"{places[0].path}:{line}"


def _line_inside(node: Node, rest: str) -> int | None:
    """The line of the deepest part of a path that there is under a node."""
    for key, value, left in _steps(node, rest):
        return _line_inside(value, left) or int(key.start_mark.line) + 1
    return None


def _steps(node: Node, rest: str) -> Iterator[tuple[Node, Node, str]]:
    """The one step down a path: the key (or the item), what it holds, and the rest of the path."""
    if isinstance(node, SequenceNode) and (index := _INDEX.match(rest)) and int(index[1]) < len(node.value):
        item = node.value[int(index[1])]
        yield item, item, rest[index.end() :]
    # A key may hold dots, so the longest one that fits is meant.
    fitting = [(key, value) for key, value in _merged(node) if (rest + ".").startswith(f"{key.value}.")]
    fitting += [(key, value) for key, value in _merged(node) if rest.startswith(f"{key.value}[")]
    if fitting:
        key, value = max(fitting, key=lambda pair: len(pair[0].value))
        yield key, value, rest[len(key.value) :].removeprefix(".")


def _merged(node: Node) -> Iterator[tuple[ScalarNode, Node]]:
    """Keys and values of a mapping, its own before those that `<<` brings."""
    own = list(pairs(node))
    yield from ((key, value) for key, value in own if key.value != "<<")
    for key, value in own:
        if key.value == "<<":
            for other in value.value if isinstance(value, SequenceNode) else [value]:
                yield from _merged(other)


def _inventory_variables(node: Node | None) -> Iterator[tuple[str, Node]]:
    """(scope, mapping of variables) of a static inventory; configuration of an inventory plugin has none."""
    if child(node, "plugin") is not None:
        return
    for group, body in pairs(node):
        if variables := child(body, "vars"):
            yield group.value, variables
        for host, own in pairs(child(body, "hosts")):
            yield f"host {host.value}", own
        if children := child(body, "children"):
            yield from _inventory_variables(children)


def read(folder: Path) -> Sources:
    """The declaration that an inventory loads: the files of its folder, and its group_vars/ and host_vars/."""
    return Sources(Source(shown(path), scope, path.read_bytes()) for path, scope in _files(folder))


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file that Ansible reads for an inventory, and whose variables it holds."""
    for path in _sorted(folder):
        if path.is_file() and path.suffix in (".yml", ".yaml"):
            yield path, ""
    for kind, prefix in (("group_vars", ""), ("host_vars", "host ")):
        for path in _sorted(folder / kind):
            scope = prefix + (path.name if path.is_dir() else path.stem)
            yield from ((file, scope) for file in _below(path))


def _below(path: Path) -> Iterator[Path]:
    if path.is_dir():
        for inner in _sorted(path):
            yield from _below(inner)
    elif path.suffix in _READ:
        yield path


def _sorted(folder: Path) -> list[Path]:
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in found if not path.name.startswith(".") and not path.name.endswith("~"))
