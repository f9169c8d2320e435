"""The plan of a play's variables, and the lock of its account, for the action plugins that need them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible import constants

from .engine.common import account_problems
from .engine.declaration import Declaration
from .engine.errors import DeclarationError
from .engine.model import Plan
from .engine.observe import account
from .engine.session import Clients
from .engine.specs import role_specs
from .engine.workflow import check_account, plan_for
from .kinds import KINDS
from .lock import Lock
from .locking import NOTE, confirm

_ROLES = Path(__file__).parents[3] / "roles"


def planned(
    templar: Any, variables: Mapping[str, Any], *, only: Collection[str] = (), with_looked: bool = False
) -> Plan:
    """Observe the account and plan. Raises PlatformError. templar: of an action plugin. only: see ``plan_for``."""
    names = (name for name in variables if name.startswith("aws_"))
    declared = {name: templar.template(variables[name]) for name in names}
    environment = environment_of(templar, variables)
    return plan_for(declared, role_specs(_ROLES), environment, KINDS, only=only, with_looked=with_looked)


def lock_note() -> Path:
    """Where this run notes that it holds the lock: a folder that Ansible makes for it, and that its workers know."""
    return Path(constants.DEFAULT_LOCAL_TMP) / NOTE


def lock_in(templar: Any, variables: Mapping[str, Any], *, checked: bool = True) -> tuple[dict[str, Any], Lock]:
    """The lock of the declared account, and what ``lock_keeper`` needs to reach it. Raises PlatformError.

    checked: whether to ask first if the credentials are for that account, which has to be done once.
    """
    region, bucket = (str(templar.template(variables[name])) for name in ("aws_region", "platform_bucket"))
    environment = environment_of(templar, variables)
    clients = Clients(region, environment)
    if checked:
        declared = str(templar.template(variables.get(Declaration.ACCOUNT, "")))
        problems = list(account_problems(Declaration({Declaration.ACCOUNT: declared, "aws_environment": environment})))
        if problems:
            raise DeclarationError(problems)
        check_account(declared, account(clients))
    return {"region": region, "environment": environment, "bucket": bucket}, Lock(clients["s3"], bucket)


def confirm_lock(templar: Any, variables: Mapping[str, Any]) -> None:
    """Go on only while this run holds the lock. Raises PlatformError when it does not."""
    confirm(lock_note(), lambda: lock_in(templar, variables, checked=False)[1])


def environment_of(templar: Any, variables: Mapping[str, Any]) -> dict[str, str]:
    """The AWS_* variables of a play."""
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
