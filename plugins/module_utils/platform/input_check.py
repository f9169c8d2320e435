"""One check of everything declared: the aws_* variables, and for every declared host every role that it gets.

Runs on the controller, asks nobody: neither AWS nor a host.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ansible.parsing.dataloader import DataLoader

from . import sources
from .declared_hosts import DeclaredHosts, Playbooks, TemplateFailedError, filled, needs_a_host
from .engine.errors import DeclarationError, Problem
from .engine.schema import Specs
from .engine.workflow import declaration_of
from .inputs import check_role, inputs, owner, platform_problems, specs_of, unknown_variables
from .inputs.rules import Platform
from .kinds import KINDS
from .plain_secrets import literal_secrets

_REPOSITORY = Path(__file__).resolve().parents[3]


class Found(NamedTuple):
    """A problem and the hosts that have it; none for what concerns the account."""

    problem: Problem
    hosts: tuple[str, ...]


class InputCheck:
    """The check for one inventory."""

    def __init__(self, inventory: Sequence[str], loader: DataLoader, specs: Specs) -> None:
        self.specs = specs
        self.hosts = DeclaredHosts(inventory, loader)
        self._found: dict[Problem, list[str]] = {}
        self._files: sources.Sources | None = None

    def problems(self) -> list[Problem]:
        """Every problem, those of the account first, each once, with the hosts that share it and its file and line."""
        aws = self._account()
        self._hosts(aws)
        found: dict[tuple[str, str, str], Problem] = {}
        for problem, hosts in self._found.items():
            located = self._located(problem, hosts)
            # What an alias repeats stands in one line, and is said once.
            found.setdefault((located.source or located.where, located.what, located.fix), located)
        return list(found.values())

    def _add(self, problem: Problem, host: str = "") -> None:
        hosts = self._found.setdefault(problem, [])
        if host and host not in hosts:
            hosts.append(host)

    def _account(self) -> dict[str, Any]:
        """Check the aws_* variables; they, typed, when nothing is wrong with them."""
        raw = self.hosts.raw()
        templar = self.hosts.templar("localhost")
        values = {}
        for name in (name for name in raw if name.startswith("aws_")):
            try:
                values[name] = filled(templar, name, raw[name])
            except TemplateFailedError as error:
                self._add(Problem(error.where, f"its template does not work: {error.reason}", "correct it"))
        instances, defaults = (values.get(f"aws_compute_instance{end}") for end in ("s", "_defaults"))
        if isinstance(instances, Mapping):
            self.hosts.add(instances, defaults if isinstance(defaults, Mapping) else {})
        for problem in literal_secrets(raw, {}):
            self._add(problem)
        if self._found:
            return {}
        try:
            declaration = declaration_of(values, self.specs, KINDS)
        except DeclarationError as error:
            for problem in error.problems:
                self._add(problem)
            return {}
        return {name: declaration.value(name) for name in values}

    def _hosts(self, aws: Mapping[str, Any]) -> None:
        self.hosts.keep_secrets(self._parameters())
        gets: dict[str, dict[str, dict[str, Any]]] = {host: {"secrets": {}} for host in self.hosts.instances}
        for pattern, handed in Playbooks(_REPOSITORY / "playbooks/configure.yml").plays:
            for host in self.hosts.members(pattern):
                gets[host] |= {role: variables for role, variables in handed.items() if role in inputs()}
        typed = {host: self._host(host, roles) for host, roles in gets.items()}
        platform = Platform(hosts=typed, aws=aws, instances=self.hosts.instances)
        for problem, hosts in platform_problems(platform).items():
            for host in hosts:
                self._add(problem, host)

    def _parameters(self) -> Mapping[str, Any]:
        for host in self.hosts.instances:
            declared = self.hosts.raw(host).get("secrets_parameters", {})
            return declared if isinstance(declared, Mapping) else {}
        return {}

    def _host(self, host: str, roles: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """Check every role of a host; its values by role, for what is asked across hosts.

        roles: the variables that plays hand over, by role.
        """
        defaults: dict[str, Any] = {}
        for role in roles:
            defaults |= role_defaults(role)
        raw = self.hosts.raw(host, defaults)
        for problem in unknown_variables(raw):
            self._add(problem, host)
        for problem in literal_secrets(
            raw, {name: option for role in roles for name, option in secret_paths(role).items()}
        ):
            self._add(problem, host)
        templar = self.hosts.templar(host, defaults)
        typed = {}
        for role in roles:
            values: dict[str, Any] = dict(roles[role])
            skipped = False
            for name in specs_of(role)["main"]:
                if name not in raw:
                    continue
                try:
                    values[name] = filled(templar, name, raw[name])
                except TemplateFailedError as error:
                    if needs_a_host(raw[name]):
                        skipped = True
                        continue
                    self._add(Problem(error.where, f"its template does not work: {error.reason}", "correct it"), host)
                    skipped = True
            content, problems = check_role(role, values)
            for problem in problems:
                self._add(problem, host)
            if not problems and not skipped:
                typed[role] = content
        return typed

    def _located(self, problem: Problem, hosts: Sequence[str]) -> Problem:
        if self._files is None:
            self._files = sources.Sources(
                [file for folder in self.hosts.folders for file in sources.read(folder).files]
            )
        groups = self.hosts.groups(hosts[0]) if hosts else []
        place = self._files.line_of(problem.where, hosts[0] if hosts else "localhost", groups) or ""
        return problem._replace(source=place, hosts=tuple(hosts))


@cache
def role_defaults(role: str) -> dict[str, Any]:
    """defaults/main.yml of a role, as templates. Read once a process."""
    path = _REPOSITORY / "roles" / role / "defaults/main.yml"
    if not path.exists():
        return {}
    loaded: dict[str, Any] = DataLoader().load_from_file(str(path), trusted_as_template=True) or {}
    return loaded


@cache
def secret_paths(role: str) -> dict[str, re.Pattern[str]]:
    """Patterns of the role's secrets, by path: options with no_log, and what the role declares."""
    found = set(inputs()[role].secrets)
    points = {"main": "", **{point: f"{pattern}.*." for pattern, point in inputs()[role].entries.items()}}
    for point, prefix in points.items():
        found |= {f"{prefix}{name}" for name, option in specs_of(role)[point].items() if option.get("no_log")}
    return {path: re.compile(re.escape(path).replace(r"\*", r"[^.]+")) for path in found}


def grouped(problems: Sequence[Problem]) -> Iterator[tuple[str, list[Problem]]]:
    """Problems by what they are about: the account, or a role."""
    by_title: dict[str, list[Problem]] = {}
    for problem in problems:
        variable = problem.where.partition(".")[0]
        title = (
            "Account"
            if variable.startswith("aws_")
            else f"Role {owner(variable)}"
            if owner(variable)
            else "Other variables"
        )
        by_title.setdefault(title, []).append(problem)
    yield from by_title.items()
