"""The platform's own commands, run against a local AWS, and its planner, run in this process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.inventory.manager import InventoryManager
from ansible.module_utils.platform.engine.context import Context
from ansible.module_utils.platform.engine.model import Plan
from ansible.module_utils.platform.engine.specs import role_specs
from ansible.module_utils.platform.engine.workflow import plan_for
from ansible.module_utils.platform.kinds import KINDS
from ansible.module_utils.platform.reviewing import Reviewer
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.manager import VariableManager

from rehearsal import REPOSITORY

from .local_aws import Keys, LocalAws
from .scripts import on_path, script

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHJlaGVhcnNhbC1rZXktb2YtdGhlLXRlc3RzLW9ubHkh test"


@cache
def specs() -> dict[str, dict[str, Any]]:
    """Argument specs of the aws_* roles."""
    return role_specs(REPOSITORY / "roles")


@cache
def _variables(inventory: str) -> dict[str, Any]:
    loader = DataLoader()
    manager = InventoryManager(loader, sources=[str(REPOSITORY / "inventories" / inventory / "hosts.yml")])
    variables = VariableManager(loader, manager).get_vars(host=manager.get_host("localhost"))
    templar = Templar(loader, variables={**variables, "ansible_playbook_python": sys.executable})
    own = {"aws_compute_public_key": PUBLIC_KEY}
    names = [name for name in variables if name.startswith("aws_") and name not in own]
    templar.available_variables = {**variables, **own}
    return {name: templar.template(variables[name]) for name in names} | own


def declared(inventory: str = "rehearsal") -> dict[str, Any]:
    """Every aws_* variable of an inventory, templated; a copy that a test may change."""
    copy: dict[str, Any] = json.loads(json.dumps(_variables(inventory)))
    return copy


def lock_bucket() -> str:
    """The bucket with the lock of the platform."""
    return str(yaml.safe_load((REPOSITORY / "group_vars/all/aws_storage.yml").read_text())["platform_bucket"])


def fixture() -> dict[str, Any]:
    """A small platform of the tests' own, so that editing KOIN's declaration breaks only tests about that."""
    content: dict[str, Any] = json.loads(_fixture())
    return content


@cache
def _fixture() -> str:
    return json.dumps(yaml.safe_load((REPOSITORY / "tests/fixtures/platform.yml").read_text()))


@dataclass
class Run:
    """A finished ansible-playbook. recap: counts of localhost."""

    status: int
    output: str
    recap: dict[str, int]


class Platform:
    """The declared platform on one local AWS."""

    def __init__(
        self,
        aws: LocalAws,
        timeout: float = 300,
        keys: Keys | None = None,
        top: Path = REPOSITORY,
        inventory: str = "inventories/rehearsal",
    ) -> None:
        """keys: who runs it; the root, if nobody is named. top: the repository, or a copy of it."""
        self._inventory = inventory
        self._top = top
        self.aws = aws
        self._keys = keys
        self._timeout = timeout
        #: counts by host of the last run
        self._recap = aws.directory / "recap.json"
        self._public_key = (aws.directory / "ssh" / "id_ed25519.pub").read_text().strip()

    def plan(self, **changed: Any) -> Plan:
        """Plan in this process (0.3 s rather than 2 s). changed: variables that differ from the declaration."""
        # Who reaches whom is computed for every account that a test makes, without a policy.
        return self._plan(Reviewer({}, {}), changed)

    def context(self, **changed: Any) -> Context:
        """What planning knows of the account now."""
        found: list[Context] = []

        def keep(context: Context, plan: Plan) -> Plan:
            found.append(context)
            return plan

        self._plan(keep, changed)
        return found[0]

    def _plan(self, review: Callable[[Context, Plan], Plan], changed: dict[str, Any]) -> Plan:
        raw = declared() | {"aws_compute_public_key": self._public_key} | changed
        raw["aws_compute_key_pairs"] = changed.get("aws_compute_key_pairs", {"koin": {"public_key": self._public_key}})
        environment = raw["aws_environment"] | self.aws.environ | (self._keys.environ if self._keys else {})
        return plan_for(raw, specs(), environment, KINDS, review=review)

    def start(self, name: str, /, *arguments: str, **variables: Any) -> subprocess.Popen[str]:
        """Start a playbook as a user does, with what it prints in one pipe."""
        extra = ["-e", json.dumps(variables)] if variables else []
        command = [
            script("ansible-playbook"),
            f"playbooks/{name}.yml",
            "-i",
            self._inventory,
            *arguments,
            *extra,
        ]
        environment = self.aws.process_environ | on_path() | {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
        environment["KOIN_RECAP"] = str(self._recap)
        if self._keys:
            environment |= {"REHEARSAL_AWS_KEY": self._keys.id, "REHEARSAL_AWS_SECRET": self._keys.secret}
        return subprocess.Popen(
            command, cwd=self._top, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def playbook(self, name: str, /, *arguments: str, **variables: Any) -> Run:
        """Run a playbook to its end."""
        self._recap.unlink(missing_ok=True)
        running = self.start(name, *arguments, **variables)
        try:
            output, _ = running.communicate(timeout=self._timeout)
        except subprocess.TimeoutExpired:
            running.kill()
            raise
        recap = json.loads(self._recap.read_text()) if self._recap.exists() else {}
        return Run(running.returncode, output, recap.get("localhost", {}))

    def provision(self, **variables: Any) -> Run:
        """Run playbooks/provision.yml; fails the test when it fails."""
        run = self.playbook("provision", **variables)
        assert run.status == 0, run.output
        return run

    def bound(self, **variables: Any) -> Run:
        """Run playbooks/boundary.yml, as an administrator does before operators provision; fails like `provision`."""
        run = self.playbook("boundary", **variables)
        assert run.status == 0, run.output
        return run

    def writes(self) -> Counter[str]:
        """Write calls since the last mark, by service and operation."""
        return Counter(f"{request['service']}:{request['operation']}" for request in self.aws.writes())


@contextmanager
def koin_account(directory: Path) -> Iterator[LocalAws]:
    """A local AWS with KOIN's platform on it, as an administrator and an operator make it."""
    with LocalAws(directory) as started:
        started.reset(empty=True)
        platform = Platform(started)
        platform.bound()
        platform.provision()
        yield started


def fields(plan: Plan) -> set[tuple[str, str, str, str]]:
    """(action, kind, name, field) of everything the plan would do or reports to be replaced."""
    return {
        (action.action, action.kind, action.name, change.field)
        for action in plan.of("create", "change", "replace")
        for change in action.changes
    }
