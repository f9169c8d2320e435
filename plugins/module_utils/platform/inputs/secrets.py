"""Rules of role secrets: parameters in SSM Parameter Store."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..engine.errors import Problem
from .rules import RoleInput, Values, in_range, one_of, spelled

_PATH = re.compile(r"(/[A-Za-z0-9_.-]+)+")


class Input(RoleInput):
    """secrets_*."""

    entries = {"secrets_parameters": "parameter"}

    def problems(self, values: Values) -> Iterator[Problem]:
        taken: dict[str, str] = {}
        parameters = values.get("secrets_parameters", {})
        for name, parameter in parameters.items():
            where, path = f"secrets_parameters.{name}", parameter.get("path", "")
            fix = "write one with a slash in front, e.g. /koin/prod/mariadb/password"
            yield from spelled(f"{where}.path", path, _PATH, "a path of SSM", fix)
            if path.startswith(("/aws", "/ssm")):
                yield Problem(f"{where}.path", "AWS reserves paths that begin with /aws or /ssm", "begin with /koin/")
            if taken.setdefault(path, name) != name:
                yield Problem(f"{where}.path", f"{path} is already used by {taken[path]}", "give each its own")
            yield from in_range(f"{where}.length", parameter.get("length"), 16, 128, "(characters)")
        for number, name in enumerate(values.get("secrets_rotate", ())):
            where = f"secrets_rotate.{number}"
            yield from one_of(where, name, parameters, "in secrets_parameters")
            if parameters.get(name, {}).get("kept"):
                fix = "leave it: what has been encrypted or agreed on with it needs that value"
                yield Problem(where, f"secrets_parameters.{name} is declared as kept", fix)
        if values.get("secrets_account"):
            fix = 'write its 12 digits in quotes, e.g. "123456789012"'
            pattern = re.compile(r"\d{12}")
            yield from spelled("secrets_account", values["secrets_account"], pattern, "the number of an account", fix)
