"""From variables to a plan: check, observe, check against the account, plan. Reads AWS, writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .catalogue import Catalogue
from .checks import once
from .common import common_problems, stand_in
from .context import Context
from .declaration import COMMON, Declaration
from .errors import DeclarationError, Problem
from .model import Plan
from .observe import account, observe
from .plan import plan_in
from .schema import Specs, check
from .session import Clients, regions


def declaration_of(raw: Mapping[str, Any], specs: Specs, kinds: Catalogue) -> Declaration:
    """The declaration with types and defaults applied. Raises DeclarationError with every problem in it."""
    typed, problems = check(raw, specs, kinds.entries(), kinds.defaults(), COMMON)
    declaration = Declaration(typed)
    if problems:
        # Only parts that are valid by themselves can be checked against each other.
        mistyped = {problem.where for problem in problems}
        problems += [problem for problem in kinds.check_formats(declaration) if problem.where not in mistyped]
        entries = kinds.entries()
        plain = [problem for problem in problems if problem.where.partition(".")[0] not in entries]
        problems = once(plain, [problem for problem in problems if problem not in plain])
    else:
        problems = once(list(common_problems(declaration, regions())), kinds.check(declaration))
    if problems:
        raise DeclarationError(problems)
    return declaration


def plan_for(
    raw: Mapping[str, Any],
    specs: Specs,
    environment: Mapping[str, str],
    kinds: Catalogue,
    *,
    only: Collection[str] = (),
    with_looked: bool = False,
    with_seen: bool = False,
    review: Callable[[Context, Plan], Plan] | None = None,
) -> Plan:
    """The plan for the account that ``environment`` (AWS_* variables) opens. Raises PlatformError.

    raw: every variable of the declaration, as the inventory gives it. specs: by role, see ``schema.Specs``.
    only: names of the kinds to plan; all of them when none is named. with_looked, with_seen: see ``plan``.
    review: looks at the finished plan, with what is known of the account; what it returns is the plan. It may refuse.
    """
    declaration = declaration_of(raw, specs, kinds)
    clients = Clients(declaration.region, environment)
    declaration.account = account(clients)
    check_account(declaration.declared_account, declaration.account)
    planned = kinds.only(only)
    observation = observe(clients, declaration, planned)
    _stop_at(planned.check_account(declaration, observation))
    context = Context(declaration, observation)
    found = plan_in(context, planned, with_looked=with_looked, with_seen=with_seen)
    found = replace(found, stand_in=bool(stand_in(environment)))
    return review(context, found) if review else found


def check_account(declared: str, observed: str) -> None:
    """Raise DeclarationError unless the credentials are for the declared account. declared: empty for a stand-in."""
    if declared and declared != observed:
        where = Declaration.ACCOUNT
        fix = f"use the credentials (AWS_PROFILE) of the declared account, or correct {where}"
        what = f"{declared} is declared, but the credentials are for {observed}"
        raise DeclarationError([Problem(where, what, fix)])


def _stop_at(problems: Sequence[Problem]) -> None:
    if problems:
        raise DeclarationError(problems)
