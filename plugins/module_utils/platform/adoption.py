"""Adoption: makes the files of the declaration follow the account. Reads the account, writes files, needs no lock.

What is written has been checked before: the changed files are laid out beside the others in a folder of their own, the
whole declaration is checked there as by playbooks/check.yml, and the plan that follows from it has to be empty for
everything that is adopted.
"""

from __future__ import annotations

import difflib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from yaml.nodes import ScalarNode

from . import sources
from .declared_hosts import filled
from .engine.adopt import ABSENT, Edit, Look, Seen, Target, besides, chosen, declaration_in, follow, left, strays
from .engine.context import Context
from .engine.errors import PlatformError, Problem, UndeclarableError
from .engine.model import Action
from .engine.observe import account, observe
from .engine.plan import plan_in
from .engine.schema import Specs
from .engine.session import Clients
from .engine.workflow import check_account
from .input_check import InputCheck, grouped
from .kinds import KINDS
from .origin import repository
from .yaml_edit import REMOVED, RefusedError, edited, template_in

#: the folders with the files of the declaration
_FOLDERS = ("group_vars", "inventories")


@dataclass(frozen=True)
class Adoption:
    """What was adopted, or would be.

    texts: path of a file below the repository -> before and after. refused: what cannot be adopted, and why.
    besides: what the next plan wants of other resources because of it.
    """

    targets: tuple[Target, ...] = ()
    texts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    besides: tuple[Action, ...] = ()

    def diff(self) -> str:
        """The change of the files, as git shows it."""
        lines: list[str] = []
        for path, (before, after) in self.texts.items():
            old = before.splitlines(keepends=True)
            new = after.splitlines(keepends=True)
            source = f"a/{path}" if before else "/dev/null"
            lines += difflib.unified_diff(old, new, source, f"b/{path}")
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


class Adopter:
    """The declaration of one inventory, and the account that it is about."""

    def __init__(
        self,
        inventory: Sequence[str],
        specs: Specs,
        environment: Mapping[str, str],
        basedir: str = "",
        look: Look | None = None,
    ) -> None:
        """basedir: of the playbook. look: how to observe; by default as ``environment`` says."""
        self._inventory = [Path(source).resolve() for source in inventory]
        top = repository(self._inventory[0])
        if top is None or any(not source.is_relative_to(top) for source in self._inventory):
            raise PlatformError(f"The inventory {inventory[0]} is not in a repository with an ansible.cfg.")
        self._top, self._specs, self._environment, self._basedir = top, specs, environment, basedir
        self._look = look or self._observe
        self._clients: Clients | None = None
        self._account = ""

    # -- the account ----------------------------------------------------------------------------------------------

    def _observe(self, raw: Mapping[str, Any]) -> Seen:
        if self._clients is None:
            self._clients = Clients(str(raw["aws_region"]), self._environment)
            self._account = account(self._clients)
            check_account(str(raw.get("aws_account_id") or ""), self._account)
        declaration = declaration_in(raw, self._specs, KINDS, self._account)
        context = Context(declaration, observe(self._clients, declaration, KINDS))
        return Seen(declaration, plan_in(context, KINDS), context)

    # -- the files ------------------------------------------------------------------------------------------------

    def _sources(self, top: Path) -> list[Path]:
        return [top / source.relative_to(self._top) for source in self._inventory]

    def _values(self, top: Path) -> tuple[dict[str, Any], list[Problem]]:
        """Every aws_* variable of the declaration below a folder, templates filled in, and what is wrong with it."""
        loader = DataLoader()
        loader.set_basedir(self._basedir or str(self._top / "playbooks"))
        found = self._sources(top)
        folders = dict.fromkeys(path if path.is_dir() else path.parent for path in found)
        problems = [problem for folder in folders for problem in sources.read(folder).problems]
        if problems:
            return {}, problems
        check = InputCheck([str(path) for path in found], loader, self._specs)
        if problems := check.problems():
            return {}, problems
        templar, raw = check.hosts.templar("localhost"), check.hosts.raw()
        return {name: filled(templar, name, raw[name]) for name in raw if name.startswith("aws_")}, []

    @contextmanager
    def _beside(self, texts: Mapping[str, tuple[str, str]]) -> Iterator[Path]:
        """A folder that looks like the repository with these files in place of its own."""
        with tempfile.TemporaryDirectory(prefix="koin-adopt-") as name:
            top = Path(name)
            for path in self._top.iterdir():
                if path.name in _FOLDERS:
                    shutil.copytree(path, top / path.name, symlinks=True)
                else:
                    (top / path.name).symlink_to(path)
            for path_, (_, after) in texts.items():
                (top / path_).parent.mkdir(parents=True, exist_ok=True)
                (top / path_).write_text(after)
            yield top

    def _texts(self, edits: Sequence[Edit], raw: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
        folders = dict.fromkeys(path if path.is_dir() else path.parent for path in self._inventory)
        files = [sources.read(folder) for folder in folders]
        texts: dict[str, tuple[str, str]] = {}
        for edit in edits:
            if template := _template(edit.value):
                raise PlatformError(
                    f"The account has `{template}` in {'.'.join(edit.path)}, which Ansible would take for a template "
                    "of yours and run. Declare it by hand, with `!unsafe` in front of the text."
                )
            path, steps = self._home(edit, raw, files)
            before = texts[path][0] if path in texts else self._read(path)
            try:
                after = edited(
                    texts[path][1] if path in texts else before, steps, REMOVED if edit.value is ABSENT else edit.value
                )
            except RefusedError as error:
                raise PlatformError(
                    f"{'.'.join(edit.path)} stands at {path}:{error.line}, and {error.reason}.\n"
                    f"Nothing was written. Change it there by hand: the account has {_shown(edit.value)}."
                ) from error
            texts[path] = (before, after)
        return {path: both for path, both in texts.items() if both[0] != both[1]}

    def _read(self, path: str) -> str:
        file = self._top / path
        return file.read_text() if file.exists() else "---\n"

    def _home(
        self, edit: Edit, raw: Mapping[str, Any], files: Sequence[sources.Sources]
    ) -> tuple[str, tuple[str, ...]]:
        """The file, and the keys from its top, where a value stands or has to be added."""
        variable, *inner = edit.path
        known = [(found, place) for found in files if (place := found.place_of(variable, groups=("all",)))]
        kind = next(kind for kind in KINDS if variable in (kind.variable, kind.settings))
        if not known:
            return f"group_vars/all/{kind.role}.yml", edit.path
        found, place = known[0]
        template = template_in(place.value) if isinstance(place.value, ScalarNode) else None
        if template is None:
            return place.path, (*found.steps_to(place), *inner)
        new = not isinstance(raw.get(variable), Mapping) or inner[0] not in raw[variable]
        for name in [kind.additions, *sources.names_in(place.value)]:
            part = found.place_of(name, groups=("all",)) if name else None
            if part and (sources.child(part.value, inner[0]) is not None or (new and name == kind.additions)):
                return part.path, (*found.steps_to(part), *inner)
        line = found.line_of(".".join(edit.path)) or f"{place.path}:{place.line}"
        raise PlatformError(
            f"{'.'.join(edit.path)} is computed by a template at {place.path}:{template.start_mark.line + 1} "
            f"(from {line}).\n"
            f"Nothing was written. Change what it is made of by hand: the account has {_shown(edit.value)}."
        )

    # -- the verb -------------------------------------------------------------------------------------------------

    def adopt(self, what: str, *, keep_live: bool = False) -> Adoption:
        """Work out what to write; write nothing. what: a resource as the plan names it, or ``all``.

        keep_live: whether a declared resource that differs is followed as well. Raises PlatformError.
        """
        raw, problems = self._values(self._top)
        if problems:
            raise PlatformError(_listed("The declaration is not valid as it is.", problems))
        before = self._look(raw)
        if what == "all":
            targets = [*strays(before, KINDS), *(_drifted(before) if keep_live else ())]
        else:
            targets = [chosen(what, before, KINDS)]
            self._refuse(targets[0], before, keep_live)
        refused: dict[str, str] = {}
        while targets:
            try:
                return replace(self._adopted(raw, before, targets), refused=refused)
            except _TargetError as error:
                if what != "all":
                    raise PlatformError(error.reason) from error
                for target in error.targets:
                    refused[target.text] = error.reason
                targets = [target for target in targets if target not in error.targets]
        return Adoption(refused=refused)

    @staticmethod
    def _refuse(target: Target, before: Seen, keep_live: bool) -> None:
        declared = before.context.knows(target.kind.name, target.live.id)
        if declared and not target.changes:
            raise PlatformError(f"{target.text} is as declared; there is nothing to adopt.")
        if declared and not keep_live:
            fields = ", ".join(change.field for change in target.changes)
            raise PlatformError(
                f"{target.text} is declared, and differs in {fields}.\n"
                "-e keep=live makes the declaration follow the account; provisioning makes the account follow it."
            )

    def _adopted(self, raw: Mapping[str, Any], before: Seen, targets: Sequence[Target]) -> Adoption:
        try:
            edits = follow(raw, targets, self._look, KINDS, self._specs)
        except UndeclarableError as error:
            name = str(error).partition(": ")[0]
            raise _TargetError([item for item in targets if item.text == name] or targets, str(error)) from error
        texts = self._each_text(edits, raw, targets, before)
        with self._beside(texts) as top:
            values, problems = self._values(top)
        if problems:
            about = [item for item in targets if any(_is_about(one, _where(item, before)) for one in problems)]
            text = _listed("The declaration would not be valid with it, so nothing was written.", problems)
            raise _TargetError(about or targets, text)
        after = self._look(values)
        before_it = KINDS.check_account(before.declaration, before.context.observation)
        found = KINDS.check_account(after.declaration, after.context.observation)
        if found := [problem for problem in found if problem not in before_it]:
            raise _TargetError(targets, _listed("The account rules it out, so nothing was written.", found))
        if rest := left(after.plan, targets):
            about = [
                item
                for item in targets
                if any(
                    action.kind == item.kind.name and (action.name == item.name or action.id == item.live.id)
                    for action in rest
                )
            ]
            lines = [f"  {action.action} {action.kind} {action.name}: {_fields(action)}" for action in rest]
            raise _TargetError(
                about or targets,
                "\n".join(
                    ["Nothing was written: with everything declared that can be, the plan would still say", *lines]
                ),
            )
        return Adoption(tuple(targets), texts, {}, tuple(besides(before.plan, after.plan, targets)))

    def _each_text(
        self, edits: Sequence[Edit], raw: Mapping[str, Any], targets: Sequence[Target], before: Seen
    ) -> dict[str, tuple[str, str]]:
        try:
            return self._texts(edits, raw)
        except PlatformError as error:
            about = []
            for target in targets:
                try:
                    where = _where(target, before)
                    self._texts([edit for edit in edits if edit.path[: len(where)] == where], raw)
                except PlatformError:
                    about.append(target)
            raise _TargetError(about or targets, str(error)) from error

    def write(self, adoption: Adoption) -> None:
        """Write the files, each at once. A file that has changed since is not touched, nor any other."""
        for path, (before, _) in adoption.texts.items():
            if self._read(path) != before:
                raise PlatformError(
                    f"{path} was changed while the account was read. Nothing was written; run it again."
                )
        parts = []
        try:
            for path, (_, after) in adoption.texts.items():
                file = (self._top / path).resolve()
                with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=f".{file.name}.", delete=False) as part:
                    parts.append((Path(part.name), file))
                    part.write(after)
                    part.flush()
                    os.fsync(part.fileno())
                shutil.copymode(file, part.name) if file.exists() else Path(part.name).chmod(0o644)
            for new, file in parts:
                new.replace(file)
        finally:
            for new, _ in parts:
                new.unlink(missing_ok=True)

    def undo(self, adoption: Adoption) -> str:
        """How to take it back: with git, and without losing what else was changed in those files."""
        paths = list(adoption.texts)
        result = subprocess.run(
            ["git", "-C", str(self._top), "status", "--porcelain", "--", *paths],
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            return "The files are in no git repository: the lines above are what to take back."
        changed = [line[3:] for line in result.stdout.splitlines()]
        if not changed:
            return f"To undo: git restore {' '.join(paths)}"
        patch = self._top / ".cache/adopt.patch"
        patch.parent.mkdir(exist_ok=True)
        patch.write_text(adoption.diff())
        return (
            f"{', '.join(changed)} had changes that are not committed; they are kept. To undo only what was adopted: "
            "git apply --reverse .cache/adopt.patch"
        )


class _TargetError(Exception):
    """Why some of the targets cannot be adopted."""

    def __init__(self, targets: Sequence[Target], reason: str) -> None:
        super().__init__(reason)
        self.targets = list(targets)
        self.reason = reason


def _where(target: Target, seen: Seen) -> tuple[str, ...]:
    return target.kind.declared_at(target.name, target.live, seen.context)


def _is_about(problem: Problem, where: tuple[str, ...]) -> bool:
    path = ".".join(where)
    return problem.where == path or problem.where.startswith(f"{path}.")


def _drifted(seen: Seen) -> list[Target]:
    names = dict.fromkeys((action.kind, action.name) for action in seen.plan.of("change", "replace"))
    return [chosen(f"{kind} {name}", seen, KINDS) for kind, name in names]


def _fields(action: Action) -> str:
    return "; ".join(f"{item.field} {item.before!r} -> {item.after!r}" for item in action.changes) or "not recognised"


def _listed(title: str, problems: Sequence[Problem]) -> str:
    lines = [title]
    for name, found in grouped(problems):
        lines += ["", name, *(f"  {problem}" for problem in found)]
    return "\n".join(lines)


def _shown(value: Any) -> str:
    return "nothing there" if value in (ABSENT, None) else repr(value)


def _template(value: Any) -> str:
    """The first text of a value that Ansible would take for a template."""
    if isinstance(value, str):
        return value if any(mark in value for mark in ("{{", "{%", "{#")) else ""
    parts = [*value, *value.values()] if isinstance(value, Mapping) else value if isinstance(value, list) else []
    return next((found for part in parts if (found := _template(part))), "")
