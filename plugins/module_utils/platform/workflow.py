"""From variables to a plan: check, observe, check against the account, plan. Reads AWS, writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .declaration import Declaration
from .errors import DeclarationError, Problem
from .model import Plan
from .observe import account, observe
from .plan import plan
from .schema import Specs, check
from .scope import scope_of
from .session import Clients
from .validate import against_account, validate, wrong_account


def declaration_of(raw: Mapping[str, Any], specs: Specs) -> Declaration:
    """The declaration with types and defaults applied. Raises DeclarationError with every problem in it."""
    typed, problems = check(raw, specs)
    declaration = Declaration(typed)
    # Whether the parts fit each other can be asked only of parts that are what they should be.
    problems = problems or validate(declaration)
    if problems:
        raise DeclarationError(problems)
    return declaration


def plan_for(raw: Mapping[str, Any], specs: Specs, environment: Mapping[str, str]) -> Plan:
    """The plan for the account that ``environment`` (AWS_* variables) opens. Raises PlatformError.

    raw: every variable whose name begins with ``aws_``. specs: by role, see ``schema.Specs``.
    """
    declaration = declaration_of(raw, specs)
    clients = Clients(declaration.region, environment)
    declaration.account = account(clients)
    _stop_at(wrong_account(declaration.value("aws_account_id", ""), declaration.account))
    observation = observe(clients, scope_of(declaration))
    _stop_at(against_account(declaration, observation))
    return plan(declaration, observation)


def _stop_at(problems: Sequence[Problem]) -> None:
    if problems:
        raise DeclarationError(problems)
