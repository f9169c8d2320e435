"""Reads what the page is made of: the plan with what it follows from, and the records of runs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from . import command
from .credits import Balances, balances
from .engine.context import Context
from .engine.errors import PlatformError
from .engine.model import Plan
from .engine.session import Clients
from .engine.specs import role_specs
from .engine.workflow import plan_for
from .kinds import KINDS
from .kinds.base import called
from .kinds.compute import burstable
from .kinds.iam import appended_buckets
from .kinds.storage import VERIFIED
from .planning import ROLES, bucket_in, clients_in, environment_of, prices_for
from .reach.declared import declared
from .reach.matrix import Matrix
from .reach.observed import observed
from .report.facts import Found
from .report.reach import reach_facts
from .reviewing import read_sources, reviewer

#: variables beside aws_* that say what runs
_RUNNING = ("platform_swarms", "platform_stacks", "platform_sites", "platform_databases", "platform_cache_users")
#: records that are read: the newest ones
_RUNS = 60


def looked_at(raw: Mapping[str, Any], environment: Mapping[str, str]) -> tuple[Plan, Context]:
    """The plan, and what is known of the account. Raises PlatformError. raw, environment: see ``plan_for``."""
    seen: list[Context] = []

    def keep(context: Context, plan: Plan) -> Plan:
        seen.append(context)
        return plan

    plan = plan_for(raw, role_specs(ROLES), environment, KINDS, review=keep)
    return plan, seen[0]


def found(templar: Any, variables: Mapping[str, Any], now: datetime, inventory: str) -> Found:
    """Everything for the page. Raises PlatformError; records that cannot be read are said to be unknown."""
    names = [name for name in variables if name.startswith("aws_")] + [one for one in _RUNNING if one in variables]
    values = {name: templar.template(variables[name]) for name in names}
    raw = {name: value for name, value in values.items() if name.startswith("aws_")}
    plan, context = looked_at(raw, environment_of(templar, variables))
    commit, dirty = command.commit()
    known = Found(plan, context, prices_for(plan.region), values, now, commit, dirty, inventory)
    clients = clients_in(templar, variables)
    known = replace(known, credits=_credits(clients, context, now), drills=_drills(clients, context))
    known = replace(known, reach=_reach(templar, variables, context))
    try:
        bucket = bucket_in(templar, variables, checked=False)
        runs = bucket.records.read(bucket.records.listed()[-_RUNS:])
        seen = bucket.lock.read()
    except (PlatformError, BotoCoreError, ClientError) as error:
        return replace(known, runs_problem=" ".join(str(error).split()))
    return replace(known, runs=runs, holder=seen.holding.token if seen else "")


def _credits(clients: Clients, context: Context, now: datetime) -> Balances:
    """The balances of all burstable instances, by id."""
    burst = [live for live in context.live["instance"] if burstable(live.raw.get("InstanceType", ""))]
    if not burst:
        return Balances()
    # A reason names them as people do; of several with one name each has its id.
    names = {live.id: called(live.raw) for live in burst}
    several = Counter(names.values())
    ids = {(name if name and several[name] == 1 else instance): instance for instance, name in names.items()}
    told = balances(clients["cloudwatch"], ids, now)
    return replace(told, known={ids[name]: balance for name, balance in told.known.items()})


def _drills(clients: Clients, context: Context) -> dict[str, datetime] | None:
    """When drills have last restored a backup, by host, as noted beside the backups; None when they cannot be read."""
    roles = context.declaration.entries("aws_iam_roles").values()
    buckets = {name for entry in roles for name in appended_buckets(entry)} & {
        item.id for item in context.live["bucket"]
    }
    found: dict[str, datetime] = {}
    try:
        pages = clients["s3"].get_paginator("list_objects_v2")
        for bucket in sorted(buckets):
            for page in pages.paginate(Bucket=bucket, Prefix=VERIFIED):
                for item in page.get("Contents", ()):
                    host = str(item["Key"]).removeprefix(VERIFIED)
                    found[host] = max(item["LastModified"], found.get(host, item["LastModified"]))
    except (BotoCoreError, ClientError):
        return None
    return found


def _reach(templar: Any, variables: Mapping[str, Any], context: Context) -> dict[str, Any] | None:
    """Who reaches whom, and what the policy says of the account as it is."""
    reviewing = reviewer(variables, templar.template)
    before = observed(context)
    words = reviewing.facts(context)
    offered = {
        host: {name: offer for name, offer in reviewing.offers.items() if host in words.hosts([offer["function"]])}
        for host in words.instances
    }
    matrix = Matrix(before)
    broken = reviewing.problems(words.instances, matrix) if before.hosts else []
    useless = reviewing.listening(words.instances, matrix) if before.hosts else []
    files = read_sources(variables.get("ansible_inventory_sources") or ())
    located = reviewing.located(broken) if broken else []
    found = reach_facts(before, declared(context, before), offered, located, cache(files.written_at))
    return {**found, "listening": useless} if found else None


def write(path: Path, text: str) -> None:
    """At once, readable for its owner only: it tells of the whole account. Raises PlatformError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with suppress(FileNotFoundError):
            draft.unlink()
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise PlatformError(
            f"file: the page cannot be written to {path}: {error.strerror}. Name a file in a folder that exists and "
            "that you may write to."
        ) from error
