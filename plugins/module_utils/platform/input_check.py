"""One check of everything declared: the aws_* variables, and for every declared host every role that applies to it.

Runs on the controller; contacts neither AWS nor a host.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader

from . import sources
from .compiled import compiled_once
from .declared_hosts import DeclaredHosts, Playbooks, TemplateFailedError, filled, needs_a_host
from .engine.declaration import Declaration
from .engine.errors import DeclarationError, Problem
from .engine.schema import Specs
from .engine.workflow import declaration_of
from .inputs import check_hosts, inputs, owner, specs_of, unknown_variables
from .kinds import KINDS
from .plain_secrets import literal_secrets
from .platform_input import bucket_problems, offer_problems, site_problems
from .reach.policy import Facts, shape_problems

_REPOSITORY = Path(__file__).resolve().parents[3]


#: what decides which roles a host gets: its name, its role, its functions, its Swarm
_DECIDES_ROLES = re.compile(r"aws_compute_(roles|instances)(\.[^.]*|\..*\.(role|functions|swarm)(\.\d+)?)?")
#: variables that others follow from
_FOLLOWED = ("platform_bucket", "platform_offers", "platform_sites", "platform_reach")
#: how a filter of ours reports a declared variable: where, what is wrong, what to do
_FILTER = re.compile(r"(platform_\w+(?:\.\S+)?): (.+?); ([^;]+)")
_QUOTED = re.compile(r"`([^`]+)`|(?<![\w.])(\d+) is ")


def _template_problem(error: TemplateFailedError) -> Problem:
    """A template that does not work; our own filters say which value is wrong."""
    if known := _FILTER.fullmatch(error.reason):
        return Problem(known[1], known[2], known[3])
    return Problem(error.where, f"its template does not work: {error.reason}", "correct it")


def _is_template(raw: Any, where: str) -> bool:
    """Whether the value at that path is a template."""
    for step in where.split("."):
        raw = raw.get(step) if isinstance(raw, Mapping) else None
    return isinstance(raw, str) and "{{" in raw


def _values(problem: Problem) -> set[str]:
    """The values that a problem is about."""
    return {quoted or number for quoted, number in _QUOTED.findall(problem.what)}


def _follows(problem: Problem, account: Sequence[Problem]) -> bool:
    """Whether a problem of a host is about a value that a problem of the account already names."""
    said = {value for other in account for value in _values(other)}
    return any(problem.what == other.what for other in account) or (bool(values := _values(problem)) and values <= said)


class InputCheck:
    """The check for one inventory."""

    def __init__(self, inventory: Sequence[str], loader: DataLoader, specs: Specs) -> None:
        self.specs = specs
        self.hosts = DeclaredHosts(inventory, loader)
        self._found: dict[Problem, list[str]] = {}
        self._files: sources.Sources | None = None

    def problems(self) -> list[Problem]:
        """Every problem, those of the account first, each once, with the hosts that share it and its file and line."""
        with compiled_once():
            aws = self.account()
            account = list(self._found)
            # These decide which roles a host gets, so further problems may be false ones.
            if any(_DECIDES_ROLES.fullmatch(problem.where) for problem in account):
                return self._all()
            values = self.roles()
        for problem, hosts in check_hosts(values, aws, self.hosts.instances).items():
            for host in hosts:
                self._add(problem, host)
        for problem in [problem for problem in self._found if problem not in account and _follows(problem, account)]:
            del self._found[problem]
        return self._all()

    def account_problems(self) -> list[Problem]:
        """Every problem of the account alone, with file and line."""
        self.account()
        return self._all()

    def _all(self) -> list[Problem]:
        found: dict[tuple[str, str, str], Problem] = {}
        for problem, hosts in self._found.items():
            located = self._located(problem, hosts)
            # A problem that an alias repeats is on one line, and is reported once.
            found.setdefault((located.source or located.where, located.what, located.fix), located)
        return list(found.values())

    def _add(self, problem: Problem, host: str = "") -> None:
        hosts = self._found.setdefault(problem, [])
        if host and host not in hosts:
            hosts.append(host)

    def account(self) -> dict[str, Any]:
        """Check the aws_* variables; returns them, typed, when nothing is wrong with them."""
        raw = self.hosts.raw()
        templar = self.hosts.templar("localhost")
        values, failed = {}, []
        for name in (name for name in raw if name.startswith("aws_") or name in _FOLLOWED):
            try:
                values[name] = filled(templar, name, raw[name])
            except TemplateFailedError as error:
                failed.append(_template_problem(error))
        followed = {name: values.pop(name) for name in _FOLLOWED if name in values}
        for problem in self._followed(followed, {**raw, **values}):
            # What a template returns is reported where it comes from.
            if not _is_template(raw, problem.where):
                self._add(problem)
        wrong = {problem.where.partition(".")[0] for problem in self._found}
        for problem in failed:
            if not any(variable in f"{problem.where} {problem.what}" for variable in wrong):
                self._add(problem)
        instances, defaults = (values.get(f"aws_compute_instance{end}") for end in ("s", "_defaults"))
        if isinstance(instances, Mapping):
            self.hosts.add(instances, defaults if isinstance(defaults, Mapping) else {})
        declaration = None if failed else self._declaration(values)
        wrong = {problem.where for problem in self._found}
        for problem in literal_secrets(raw, {}):
            # A private key in place of a public one is already reported.
            if problem.where not in wrong:
                self._add(problem)
        return {} if self._found or declaration is None else {name: declaration.value(name) for name in values}

    def _declaration(self, values: Mapping[str, Any]) -> Declaration | None:
        """The declaration, when nothing is wrong with it."""
        first = list(self._found)
        try:
            return declaration_of(values, self.specs, KINDS)
        except DeclarationError as error:
            for problem in error.problems:
                if not _follows(problem, first):
                    self._add(problem)
        return None

    def _followed(self, followed: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Problem]:
        """What is wrong with the variables that others follow from."""
        instances, zones, groups, buckets = (
            found if isinstance(found := values.get(name), Mapping) else {}
            for name in ("aws_compute_instances", "aws_dns_zones", "aws_security_groups", "aws_storage_buckets")
        )
        if buckets:
            yield from bucket_problems(followed.get("platform_bucket"), buckets)
        if "platform_offers" in followed and groups:
            functions = self.specs["aws_compute"]["instance"]["functions"]["choices"]
            yield from offer_problems(followed["platform_offers"], groups, functions)
        if "platform_sites" in followed and instances and zones:
            yield from site_problems(followed["platform_sites"], instances, zones)
        offers = followed.get("platform_offers")
        if "platform_reach" in followed and instances and isinstance(offers, Mapping):
            functions = self.specs["aws_compute"]["instance"]["functions"]["choices"]
            entries = {name: entry for name, entry in instances.items() if isinstance(entry, Mapping)}
            yield from shape_problems(followed["platform_reach"], Facts(entries, offers), functions)

    def roles(self) -> dict[str, dict[str, dict[str, Any]]]:
        """By host and role, the variables of the role's specs, templates filled in."""
        self.hosts.keep_secrets(self._parameters())
        gets: dict[str, dict[str, dict[str, Any]]] = {host: {"secrets": {}} for host in self.hosts.instances}
        for pattern, handed in Playbooks(_REPOSITORY / "playbooks/configure.yml").plays:
            for host in self.hosts.members(pattern):
                gets[host] |= {role: variables for role, variables in handed.items() if role in inputs()}
        return {host: self._values(host, roles) for host, roles in gets.items()}

    def _parameters(self) -> Mapping[str, Any]:
        for host in self.hosts.instances:
            try:
                declared = filled(self.hosts.templar(host), "", self.hosts.raw(host).get("secrets_parameters", {}))
            except TemplateFailedError:  # reported where the variables of role secrets are checked
                return {}
            return declared if isinstance(declared, Mapping) else {}
        return {}

    def _values(self, host: str, roles: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """The variables of every role of a host.

        roles: the variables that plays hand over, by role. A role whose variables have to wait for the running host, or
        have a template that does not work, is left out.
        """
        defaults: dict[str, Any] = {}
        secrets: dict[str, re.Pattern[str]] = {}
        for role in roles:
            defaults |= role_defaults(role)
            secrets |= secret_paths(role)
        raw = self.hosts.raw(host, defaults)
        # Variables shared with localhost were checked with the account, except that roles mark secrets among their own.
        shared = self.hosts.raw()
        own = {name: value for name, value in raw.items() if owner(name) or value is not shared.get(name)}
        for problem in (*unknown_variables(raw), *literal_secrets(own, secrets)):
            self._add(problem, host)
        templar = self.hosts.templar(host, defaults)
        found: dict[str, dict[str, Any]] = {}
        for role, handed in roles.items():
            values = {**{name: raw[name] for name in specs_of(role)["main"] if name in raw}, **handed}
            try:
                found[role] = {name: filled(templar, name, value) for name, value in values.items()}
            except TemplateFailedError as error:
                if not needs_a_host(error.part):
                    self._add(_template_problem(error), host)
        return found

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
    """defaults/main.yml of a role, as templates. Read once per process."""
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
            else "Platform"
            if variable in _FOLLOWED
            else "Other variables"
        )
        by_title.setdefault(title, []).append(problem)
    yield from by_title.items()
