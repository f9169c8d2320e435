"""Who reaches whom before and after a plan: what it opens and closes, and whether the policy allows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import sources
from .engine.context import Context
from .engine.errors import DeclarationError, Problem
from .engine.model import Plan
from .reach.declared import declared
from .reach.listening import findings
from .reach.matrix import Matrix
from .reach.observed import KINDS, observed
from .reach.policy import VARIABLE, Facts, policy_problems
from .reach.show import changes, unknown


@dataclass(frozen=True)
class Reviewer:
    """Looks at finished plans. policy, offers: the variables. located: says where problems are declared."""

    policy: Mapping[str, Any]
    offers: Mapping[str, Any]
    located: Callable[[Sequence[Problem]], list[Problem]] = list

    def __call__(self, context: Context, plan: Plan) -> Plan:
        """The plan with what it opens and closes. Raises DeclarationError when the policy forbids what comes out."""
        before = observed(context)
        after = Matrix(declared(context, before))
        problems = self.problems(context.declaration.entries("aws_compute_instances"), after)
        if problems:
            raise DeclarationError(self.located(problems))
        strangers = self.strangers(context.declaration.entries("aws_compute_instances"), after)
        found = (*plan.warnings, *unknown(after.network), *strangers)
        touched = any(action.kind in KINDS for action in plan.writes)
        paths = tuple(changes(Matrix(before), after)) if touched else plan.paths
        return replace(plan, paths=paths, warnings=found)

    def facts(self, context: Context) -> Facts:
        """What the words of the policy mean."""
        return Facts(context.declaration.entries("aws_compute_instances"), self.offers)

    def problems(self, instances: Mapping[str, Mapping[str, Any]], matrix: Matrix) -> list[Problem]:
        """What a network breaks of the policy. instances: the declared ones."""
        return policy_problems(self.policy, Facts(instances, self.offers), matrix)

    def strangers(self, instances: Mapping[str, Mapping[str, Any]], matrix: Matrix) -> list[str]:
        """What hosts that nobody declares reach and must not: no declaration is wrong, so no plan is refused."""
        found = policy_problems(self.policy, Facts(instances, self.offers), matrix, strangers=True)
        return [
            f"{problem.what}; nobody declares that host or interface: take it out of its groups, or declare it"
            for problem in found
        ]

    def listening(self, instances: Mapping[str, Mapping[str, Any]], matrix: Matrix) -> list[str]:
        """What is open without a listener, and what listens behind a closed door."""
        return findings(Facts(instances, self.offers), matrix)


def reviewer(variables: Mapping[str, Any], template: Callable[[Any], Any]) -> Reviewer:
    """The reviewer of a play. variables: of the play, templates as they are written."""
    policy, offers = (template(variables.get(name) or {}) for name in (VARIABLE, "platform_offers"))
    inventory = variables.get("ansible_inventory_sources") or ()
    return Reviewer(policy, offers, lambda problems: located(problems, inventory))


def read_sources(inventory: Sequence[str]) -> sources.Sources:
    """The declaration's files, of the folders of an inventory."""
    paths = [Path(source) for source in inventory]
    folders = dict.fromkeys(path if path.is_dir() else path.parent for path in paths if path.exists())
    return sources.Sources([file for folder in folders for file in sources.read(folder).files])


def located(problems: Sequence[Problem], inventory: Sequence[str]) -> list[Problem]:
    """Problems with file and line, and the path that somebody wrote."""
    files = read_sources(inventory)
    found = []
    for problem in problems:
        where, place = files.written_at(problem.where)
        found.append(problem._replace(where=where, source=place))
    return found
