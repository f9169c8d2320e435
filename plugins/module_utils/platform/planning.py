"""The plan of a play's variables, and the lock of its account, for the action plugins that need them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible import constants

from .engine.common import account_problems
from .engine.context import Context
from .engine.cost import Prices, read_prices
from .engine.declaration import Declaration
from .engine.errors import DeclarationError, PlatformError
from .engine.model import Plan
from .engine.observe import account
from .engine.session import Clients
from .engine.specs import role_specs
from .engine.workflow import check_account, plan_for
from .kinds import KINDS
from .lock import Lock
from .locking import NOTE, confirm
from .reach.declared import declared
from .reach.model import Network
from .reach.observed import KINDS as NETWORK_KINDS
from .reach.observed import observed
from .record_store import RecordStore
from .recording import JOURNAL, Journal
from .reviewing import reviewer

#: what AWS asks for what is billed; bin/prices writes it
PRICES = Path(__file__).parent / "prices.yml"
#: whose argument specs say what the declaration may hold
ROLES = Path(__file__).parents[3] / "roles"


def planned(
    templar: Any,
    variables: Mapping[str, Any],
    *,
    only: Collection[str] = (),
    with_looked: bool = False,
    with_seen: bool = False,
    review: bool = False,
) -> Plan:
    """Observe the account and plan. Raises PlatformError.

    templar: of an action plugin. review: whether to say what the plan opens and closes, and to refuse what the policy
    forbids. Others: see ``plan_for``.
    """
    names = (name for name in variables if name.startswith("aws_"))
    raw = {name: templar.template(variables[name]) for name in names}
    environment = environment_of(templar, variables)
    specs = role_specs(ROLES)
    return plan_for(
        raw,
        specs,
        environment,
        KINDS,
        only=only,
        with_looked=with_looked,
        with_seen=with_seen,
        review=reviewer(variables, templar.template) if review else None,
    )


@dataclass(frozen=True)
class Networks:
    """The network as the account has it, and as the declaration will make it. instances: the declared ones."""

    before: Network
    after: Network
    instances: Mapping[str, Mapping[str, Any]]


def networks_of(templar: Any, variables: Mapping[str, Any]) -> Networks:
    """Observe the account. Raises PlatformError."""
    names = (name for name in variables if name.startswith("aws_"))
    raw = {name: templar.template(variables[name]) for name in names}
    found: list[Context] = []

    def keep(context: Context, plan: Plan) -> Plan:
        found.append(context)
        return plan

    plan_for(raw, role_specs(ROLES), environment_of(templar, variables), KINDS, only=NETWORK_KINDS, review=keep)
    before = observed(found[0])
    return Networks(before, declared(found[0], before), found[0].declaration.entries("aws_compute_instances"))


def prices_for(region: str, path: Path = PRICES) -> Prices:
    """The known prices of a region. Raises PlatformError when the file is not as it has to be."""
    where = f"prices ({path.name})"
    try:
        content = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, yaml.YAMLError) as error:
        raise PlatformError(f"{where}: cannot be read: {error}") from error
    return read_prices(content, region, where)


def lock_note() -> Path:
    """Where this run notes that it holds the lock: a folder that Ansible makes for it, and that its workers know."""
    return Path(constants.DEFAULT_LOCAL_TMP) / NOTE


def of_localhost(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of the play, with what only localhost has: with --limit no task runs there."""
    local = (variables.get("hostvars") or {}).get("localhost", {})
    names = ("aws_region", "aws_environment", "aws_account_id", "platform_bucket")
    return {**variables, **{name: local[name] for name in names if name in local}}


def clients_in(templar: Any, variables: Mapping[str, Any]) -> Clients:
    """Clients of the declared account and region."""
    return Clients(str(templar.template(variables["aws_region"])), environment_of(templar, variables))


def run_journal() -> Journal:
    """What this run notes for its record; it is there while this run holds the lock."""
    return Journal(Path(constants.DEFAULT_LOCAL_TMP) / JOURNAL)


@dataclass(frozen=True)
class PlatformBucket:
    """The platform's bucket, and what is in it. settings: what ``lock_keeper`` needs to reach it."""

    settings: Mapping[str, Any]
    lock: Lock
    records: RecordStore


def bucket_in(templar: Any, variables: Mapping[str, Any], *, checked: bool = True) -> PlatformBucket:
    """The platform's bucket in the declared account. Raises PlatformError.

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
    s3, settings = clients["s3"], {"region": region, "environment": environment, "bucket": bucket}
    return PlatformBucket(settings, Lock(s3, bucket), RecordStore(s3, bucket))


def confirm_lock(templar: Any, variables: Mapping[str, Any]) -> None:
    """Go on only while this run holds the lock. Raises PlatformError when it does not."""
    confirm(lock_note(), lambda: bucket_in(templar, variables, checked=False).lock)


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
