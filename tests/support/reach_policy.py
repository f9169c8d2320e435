"""The network of a declaration in files, and what of the policy it breaks, without an account."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ansible.module_utils.platform.engine.context import Context
from ansible.module_utils.platform.engine.declaration import Declaration
from ansible.module_utils.platform.engine.errors import DeclarationError, Problem
from ansible.module_utils.platform.engine.plan import plan_in
from ansible.module_utils.platform.engine.workflow import declaration_of
from ansible.module_utils.platform.kinds import KINDS
from ansible.module_utils.platform.reach.observed import KINDS as NETWORK
from ansible.module_utils.platform.reviewing import reviewer

from .input_check import REPOSITORY, input_check, rehearsal_folder
from .platform import specs


class Edit(NamedTuple):
    """One change of a file of the declaration: a text, and what replaces it."""

    file: str
    before: str
    after: str


def edited(folder: Path, edits: Sequence[Edit]) -> Path:
    """A copy of the declaration with the edits."""
    shutil.copytree(REPOSITORY / "group_vars", folder / "group_vars")
    shutil.copytree(REPOSITORY / "inventories", folder / "inventories", symlinks=True)
    # The top of a repository, so that paths are relative to it.
    (folder / "ansible.cfg").touch()
    for file, before, after in edits:
        path = folder / file
        text = path.read_text()
        assert text.count(before) >= 1, f"{file} has no {before!r}"
        path.write_text(text.replace(before, after, 1))
    return folder


def declaration_of_raw(raw: Mapping[str, Any]) -> Declaration:
    """The declaration of an account. raw: the aws_* variables."""
    declaration = declaration_of(raw, specs(), KINDS)
    declaration.account = "123456789012"
    return declaration


def refused(folder: Path) -> list[Problem]:
    """What plan refuses of the declaration below a folder for an empty account: by the check, else by the policy."""
    with rehearsal_folder():
        check = input_check(folder)
        raw, templar = check.hosts.raw(), check.hosts.templar("localhost")
        names = [name for name in raw if name.startswith("aws_")]
        variables = raw | {"ansible_inventory_sources": [str(folder / "inventories/rehearsal/hosts.yml")]}
        if found := check.account_problems():
            return found
        declaration = declaration_of_raw({name: templar.template(raw[name]) for name in names})
        context = Context(declaration, KINDS.empty())
        plan = plan_in(context, KINDS.only(NETWORK))
        try:
            reviewer(variables, templar.template)(context, plan)
        except DeclarationError as error:
            return error.problems
    return []
