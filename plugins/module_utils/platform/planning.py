"""The plan of a play's variables, for the action plugins that need it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from .engine.model import Plan
from .engine.session import Clients
from .engine.specs import role_specs
from .engine.workflow import plan_for
from .kinds import KINDS

_ROLES = Path(__file__).parents[3] / "roles"


def planned(
    templar: Any, variables: Mapping[str, Any], *, only: Collection[str] = (), with_looked: bool = False
) -> Plan:
    """Observe the account and plan. Raises PlatformError. templar: of an action plugin. only: see ``plan_for``."""
    names = (name for name in variables if name.startswith("aws_"))
    declared = {name: templar.template(variables[name]) for name in names}
    environment = _environment(templar, variables)
    return plan_for(declared, role_specs(_ROLES), environment, KINDS, only=only, with_looked=with_looked)


def clients_for(templar: Any, variables: Mapping[str, Any]) -> Clients:
    """Clients of the declared account and region."""
    return Clients(str(templar.template(variables["aws_region"])), _environment(templar, variables))


def _environment(templar: Any, variables: Mapping[str, Any]) -> dict[str, str]:
    declared = templar.template(variables.get("aws_environment", {}))
    return {str(key): str(value) for key, value in declared.items()}


def by_kind(actions: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """What is to be done, by kind of resource, in the order of the plan."""
    grouped: dict[str, list[dict[str, Any]]] = {}
    for action in actions:
        if action["action"] in ("create", "change"):
            fields = [change["field"] for change in action["changes"]]
            grouped.setdefault(action["kind"], []).append({**action, "changed": fields})
    return grouped
