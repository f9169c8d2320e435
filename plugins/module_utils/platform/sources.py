"""The files of the declaration as they are written: where each variable is declared, and what is wrong with the files.

Works on text and on the marks of PyYAML, so it does not need Ansible, and knows lines that a loaded value no longer
has. ``read`` is the only part that opens files.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, TemplateSyntaxError, nodes
from yaml import compose
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from . import readable
from .engine.errors import Problem
from .origin import repository, shown

#: what a template may name without its being declared: Ansible's own variables, those of the dynamic inventory, and
#: what a role reads at its start
_GIVEN = re.compile(
    r"(ansible|ec2)_\w+|groups|group_names|hostvars|inventory_\w+|playbook_dir|play_hosts|role_\w+|omit|vars|item|loop"
    r"|lookup|query|q|now|undef|range|dict|namespace|cycler|joiner|lipsum|secrets_values"
)
#: groups that Ansible and the dynamic inventory make
_GROUPS = frozenset({"all", "ungrouped", "aws_ec2", "platform"})
#: files beside inventory sources that Ansible ignores, and that nobody takes for one
_NO_SOURCE = (".md", ".orig", ".bak", ".swp", ".retry")
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


def pairs(node: Node | None) -> Iterator[tuple[ScalarNode, Node]]:
    """Keys and values of a mapping as they are written; nothing for any other node."""
    if isinstance(node, MappingNode):
        yield from ((key, value) for key, value in node.value if isinstance(key, ScalarNode))


def child(node: Node | None, name: str) -> Node | None:
    """The value of a key of a mapping."""
    return next((value for key, value in pairs(node) if key.value == name), None)


class Sources:
    """The declaration as one inventory sees it."""

    def __init__(
        self,
        files: Iterable[Source],
        roles: Iterable[str] = (),
        unread: Iterable[Problem] = (),
        functions: Iterable[str] = (),
    ) -> None:
        """``roles``: the roles of the repository, whose names begin their variables. ``unread``: see ``read``.

        ``functions``: what a host can be declared for.
        """
        self._functions = frozenset(functions)
        self.files = tuple(files)
        self._roles = tuple(roles)
        self._unread = tuple(unread)

    @cached_property
    def _checked(self) -> dict[str, tuple[Node | None, list[Problem]]]:
        """The nodes of every file, if it can be read, and what is wrong with it."""
        return {file.path: readable.check(file.path, file.content) for file in self.files}

    @cached_property
    def problems(self) -> list[Problem]:
        """Everything that is wrong with the files. Their contents are looked at together once each can be read."""
        found = [*self._unread, *(problem for _, problems in self._checked.values() for problem in problems)]
        return found or [*self._twice(), *self._strangers(), *self._undeclared()]

    def _twice(self) -> Iterator[Problem]:
        """Of two files of one group, the later in the alphabet would win."""
        for name, places in self.variables.items():
            seen: dict[str, Place] = {}
            for place in places:
                first = seen.setdefault(place.scope, place)
                if first.path != place.path and not place.path.startswith("inventories/"):
                    what = f"`{name}` is declared in {first.path}:{first.line} already"
                    yield Problem(f"{place.path}:{place.line}", what, "keep it in one of the two files")

    def _strangers(self) -> Iterator[Problem]:
        """Folders of variables that no host would get."""
        instances = self._entries("aws_compute_instances")
        if not instances:
            return
        # A role or a function that no host has is still a group; a misspelt one is reported where it is declared.
        groups, hosts = {*_GROUPS, *self._functions}, {"localhost"}
        for place in self.variables.get("aws_compute_roles", []):
            items = place.value.value if isinstance(place.value, SequenceNode) else []
            groups |= {item.value for item in items if isinstance(item, ScalarNode)}
        for name, entry in instances.items():
            hosts.add(name.lower().replace("_", "-"))
            for field in ("role", "functions"):
                value = child(entry, field)
                items = value.value if isinstance(value, SequenceNode) else [value]
                groups |= {item.value for item in items if isinstance(item, ScalarNode)}
        for file in self.files:
            if not file.scope:
                groups |= set(_inventory_groups(self._checked[file.path][0]))
        seen: set[str] = set()
        for file in self.files:
            kind, known = ("host", hosts) if file.scope.startswith("host ") else ("group", groups)
            name = file.scope.removeprefix("host ")
            if not name or name in known or file.scope in seen or name.startswith("arch_"):
                continue
            seen.add(file.scope)
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
            fix = f"rename it to `{near[0]}`" if near else f"name it as one of {', '.join(sorted(known))}"
            if file.path.endswith(f"group_vars/{name}.yml"):
                fix += ", or move it to group_vars/all/"
            yield Problem(file.path, f"`{name}` is not a {kind}, so no host reads this file", fix)

    def _entries(self, variable: str) -> dict[str, Node]:
        return {key.value: value for place in self.variables.get(variable, []) for key, value in pairs(place.value)}

    def _undeclared(self) -> Iterator[Problem]:
        """Variables that templates use and no file declares."""
        missing: dict[str, str] = {}
        for places in list(self.variables.values()):
            for place in places:
                for node in _templates(place.value):
                    where = f"{place.path}:{node.start_mark.line + 1}"
                    try:
                        names = _names(node.value)
                    except TemplateSyntaxError as error:
                        yield Problem(
                            where, f"the template cannot be read: {error.message}", "correct what is in {{ }}"
                        )
                        continue
                    for name in names - self.variables.keys():
                        if not _GIVEN.fullmatch(name):
                            missing.setdefault(name, where)
        for name, where in missing.items():
            role = max((role for role in self._roles if name.startswith(f"{role}_")), key=len, default="")
            near = difflib.get_close_matches(name, self.variables, n=1, cutoff=0.85)
            if not role:  # `aws` holds what the roles aws_* share
                first = name.partition("_")[0]
                role = first if any(other.startswith(f"{first}_") for other in self._roles) else ""
            home = f"group_vars/all/{role}.yml" if role else "group_vars"
            fix = f"declare it in {home}" + (" (is the file deleted, or empty?)" if role else "")
            if near:
                fix = f"write `{near[0]}`, or {fix}"
            yield Problem(where, f"uses `{name}`, which is declared nowhere", fix)

    @cached_property
    def variables(self) -> dict[str, list[Place]]:
        """Every declared variable, and each place that declares it."""
        found: dict[str, list[Place]] = {}
        for file in self.files:
            node = self._checked[file.path][0]
            for scope, holder in [(file.scope, node)] if file.scope else _inventory_variables(node):
                for key, value in pairs(holder):
                    found.setdefault(key.value, []).append(Place(scope, file.path, key, value))
        return found

    def line_of(self, where: str, host: str = "localhost", groups: Sequence[str] = ()) -> str | None:
        """Where a variable, or what is inside it, is declared: ``group_vars/all/aws_compute.yml:57``.

        ``where``: as in ``aws_compute_instances.KOIN_PROD.subnet`` or ``edge_sites.koin.names[0]``. Where the last part
        is not declared, the nearest part above it that is. None when the variable is declared nowhere.
        ``host``, ``groups``: for whom, when a variable has several values. The last of ``groups`` wins.
        """
        # Names of keys may have dots; names of variables do not.
        variable, _, rest = where.partition(".")
        variable, bracket, index = variable.partition("[")
        inside = bracket + index + ("." if index and rest else "") + rest
        place = self.place_of(variable, host, groups)
        if place is None:
            return None
        # A variable that is made of others often keeps their shape: the value is then declared in one of those.
        made_of = (self.place_of(name, host, groups) for name in names_in(place.value))
        for source in [place, *(found for found in made_of if found is not None)]:
            if line := _line_inside(source.value, inside):
                return f"{source.path}:{line}"
        return f"{place.path}:{place.line}"

    def written_at(self, where: str) -> tuple[str, str]:
        """The path that somebody wrote of a value of localhost, with its file and line, which may be empty.

        A template inside a variable may take a part from another one by its name: then that is the path.
        """
        variable, _, rest = where.partition(".")
        place = self.place_of(variable)
        node = place.value if place else None
        while node is not None and (step := next(_steps(node, rest), None)):
            _, node, rest = step
        key = rest.partition(".")[0]
        for name in names_in(node) if node is not None and key else ():
            source = self.place_of(name)
            for inner, _ in pairs(source.value) if source else ():
                if source and inner.value == key:
                    return f"{name}.{key}", f"{source.path}:{inner.start_mark.line + 1}"
        return where, self.line_of(where) or ""

    def steps_to(self, place: Place) -> tuple[str, ...]:
        """The keys that lead to a variable from the top of its file, e.g. ``all``, ``hosts``, ``localhost``, itself."""
        return next(_steps_to(self._checked[place.path][0], place.key))

    def place_of(self, variable: str, host: str = "localhost", groups: Sequence[str] = ()) -> Place | None:
        """Where the value that applies to this host is declared."""
        order = [f"host {host}", *reversed(groups), "all"]
        known = self.variables.get(variable, [])
        places = [place for scope in order for place in reversed(known) if place.scope == scope] or known
        return places[0] if places else None


def _steps_to(node: Node | None, wanted: Node) -> Iterator[tuple[str, ...]]:
    for key, value in pairs(node):
        if key is wanted:
            yield (key.value,)
        yield from ((key.value, *rest) for rest in _steps_to(value, wanted))


def names_in(node: Node) -> list[str]:
    """Words of a template that may be names of variables, in their order."""
    is_template = isinstance(node, ScalarNode) and "{{" in node.value
    return re.findall(r"[a-z_][a-z0-9_]*", node.value) if is_template else []


def _line_inside(node: Node, rest: str) -> int | None:
    """The line of the deepest part of a path that exists under a node."""
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


def _inventory_groups(node: Node | None) -> Iterator[str]:
    """The groups of a static inventory, or those that a plugin's configuration makes."""
    if child(node, "plugin") is not None:
        yield from (key.value for key, _ in pairs(child(node, "groups")))
        return
    for group, body in pairs(node):
        yield group.value
        yield from _inventory_groups(child(body, "children"))


# -- templates ----------------------------------------------------------------------------------------------------

_JINJA = Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"], autoescape=False)


#: a variable alone, or an attribute of one: most templates
_SIMPLE = re.compile(r"\{\{ ([A-Za-z_]\w*)(?:\.[A-Za-z_]\w*)* \}\}")


def _templates(node: Node) -> Iterator[ScalarNode]:
    """Every text below a node that holds a template."""
    if isinstance(node, ScalarNode):
        if "{{" in node.value or "{%" in node.value:
            yield node
    elif isinstance(node, MappingNode):
        for key, value in node.value:
            yield from (*_templates(key), *_templates(value))
    elif isinstance(node, SequenceNode):
        for item in node.value:
            yield from _templates(item)


def _names(text: str) -> set[str]:
    """The variables that a template cannot do without."""
    if simple := _SIMPLE.fullmatch(text):
        return {simple[1]}
    tree = _JINJA.parse(text)
    own = {name.name for name in tree.find_all(nodes.Name) if name.ctx in ("store", "param")}
    return set(_needed(tree)) - own


def _needed(node: nodes.Node) -> Iterator[str]:
    if isinstance(node, nodes.Filter) and node.name in ("default", "d"):
        # Its first input may be undefined; what it falls back on may not.
        for argument in (*node.args, *node.kwargs):
            yield from _needed(argument)
    elif isinstance(node, nodes.Test) and node.name in ("defined", "undefined"):
        return
    elif isinstance(node, nodes.Name):
        if node.ctx == "load":
            yield node.name
    else:
        for inner in node.iter_child_nodes():
            yield from _needed(inner)


# -- files --------------------------------------------------------------------------------------------------------


def read(folder: Path) -> Sources:
    """The declaration that an inventory loads: the files of its folder, and its group_vars/ and host_vars/."""
    top = repository(folder.resolve())
    roles = [path.name for path in _sorted(top / "roles")] if top else []
    files = [Source(shown(path), scope, path.read_bytes()) for path, scope in _files(folder)]
    return Sources(files, roles, _unread(folder), _functions(top) if top else ())


def _functions(top: Path) -> list[str]:
    """What a host can be declared for, as the role's argument specs list it."""
    path = top / "roles/aws_compute/meta/argument_specs.yml"
    node = compose(path.read_text(), Loader=readable.LOADER) if path.exists() else None
    for step in ("argument_specs", "instance", "options", "functions", "choices"):
        node = child(node, step)
    return [item.value for item in node.value] if isinstance(node, SequenceNode) else []


def signature(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Changes whenever a file does that ``read`` reads."""
    found = []
    for path, _ in _files(folder):
        stat = path.stat()
        found.append((str(path), stat.st_mtime_ns, stat.st_size))
    return tuple(found)


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file that Ansible reads for an inventory, and whose variables it holds."""
    for path in _sorted(folder):
        if path.is_file() and path.suffix == ".yml":
            yield path, ""
    for kind, prefix in (("group_vars", ""), ("host_vars", "host ")):
        for path in _sorted(folder / kind):
            scope = prefix + (path.name if path.is_dir() else path.stem)
            yield from ((file, scope) for file in _below(path) if file.suffix == ".yml")


def _unread(folder: Path) -> Iterator[Problem]:
    """Files that Ansible silently ignores, or reads although they are not named like ours."""
    if not (folder / "group_vars").is_dir():
        fix = f"ln -s ../../group_vars {shown(folder)}/group_vars"
        yield Problem(f"{shown(folder)}/group_vars", "is missing: Ansible would load no declaration", fix)
    for path in _sorted(folder):
        if path.is_file() and path.suffix != ".yml" and path.suffix not in _NO_SOURCE:
            yield _misnamed(path, "is not an inventory")
    for kind in ("group_vars", "host_vars"):
        for path in _sorted(folder / kind):
            if path.is_file() and (folder / kind / path.stem).is_dir():
                fix = f"move it to {shown(path.with_suffix(''))}/"
                yield Problem(shown(path), "is not read: a folder has the same name", fix)
            for file in _below(path):
                if file.suffix not in (".yml", ".md"):
                    yield _misnamed(file, "is not read" if file.suffix not in (".yaml", ".json", "") else "is misnamed")


def _misnamed(path: Path, what: str) -> Problem:
    name = path.name.split(".")[0] + ".yml"
    taken = (path.parent / name).exists()
    fix = "delete it, or move it elsewhere" if taken else f"name it {name}, or move it elsewhere"
    return Problem(shown(path), f"{what}: variables are in files that end in .yml", fix)


def _below(path: Path) -> Iterator[Path]:
    if path.is_dir():
        for inner in _sorted(path):
            yield from _below(inner)
    else:
        yield path


def _sorted(folder: Path) -> list[Path]:
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in found if not path.name.startswith(".") and not path.name.endswith("~"))
