"""Samples of what the page is made of: KOIN's declaration, and an account of a test's own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from ansible.module_utils.platform.engine.context import Context
from ansible.module_utils.platform.engine.errors import Problem
from ansible.module_utils.platform.engine.plan import plan_in
from ansible.module_utils.platform.engine.workflow import declaration_of
from ansible.module_utils.platform.kinds import KINDS
from ansible.module_utils.platform.planning import prices_for
from ansible.module_utils.platform.reach.declared import declared as after
from ansible.module_utils.platform.reach.observed import observed as before
from ansible.module_utils.platform.records import Record
from ansible.module_utils.platform.report import page as pages
from ansible.module_utils.platform.report.facts import Found, facts
from ansible.module_utils.platform.report.picture import draw
from ansible.module_utils.platform.report.reach import reach_facts
from ansible.module_utils.platform.status import Seen, seen

from . import status
from .platform import declared, specs

NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
HOSTILE = """<script>alert(1)</script>"'><img src=x onerror=alert(2)> {{ 7 * 7 }} {% raw %} &amp;"""
SITES = {"KOIN_PROD": {"koin-api": {"names": ["api.koreatech.in"], "service": "koin-prod/api"}}}
OFFERS = {"ssh": {"port": 22222, "function": "platform"}, "https": {"port": 443, "function": "edge"}}
STACKS = {"koin-prod": {"swarm": "production", "services": {"api": {"build": "sample", "database": "koin_prod"}}}}


def instance(name: str, number: int, **more: Any) -> dict[str, Any]:
    """A running host as EC2 has it."""
    return {
        "InstanceId": f"i-{number}",
        "InstanceType": "t3a.small",
        "Architecture": "x86_64",
        "State": {"Name": "running"},
        "PrivateIpAddress": f"172.31.0.{number}",
        "Placement": {"AvailabilityZone": "ap-northeast-2a"},
        "Tags": [{"Key": "Name", "Value": name}],
        **more,
    }


def run(what: str, hours: int, result: str = "ok", **more: Any) -> Record:
    """A run that began so many hours ago."""
    begin = NOW - timedelta(hours=hours)
    end = {"end": f"{begin + timedelta(minutes=2):%Y-%m-%dT%H:%M:%SZ}"} if result else {}
    return Record("t", "kim@laptop:1", what, f"{begin:%Y-%m-%dT%H:%M:%SZ}", "abcdef0123", result=result, **end, **more)


@cache
def koin() -> dict[str, Any]:
    """KOIN's declaration, with what runs on it."""
    running: dict[str, Any] = {
        "platform_swarms": {"production": {}, "stage": {}},
        "platform_databases": {"koin_prod": {}},
    }
    return {**declared(), **running, "platform_stacks": STACKS, "platform_sites": SITES}


def found(**observed: Any) -> Found:
    """KOIN's declaration, and an account with nothing in it but this."""
    variables = koin()
    raw = {name: value for name, value in variables.items() if name.startswith("aws_")}
    declaration = declaration_of(raw, specs(), KINDS)
    declaration.account = "123456789012"
    context = Context(declaration, KINDS.empty() | observed)
    plan = plan_in(context, KINDS)
    here = before(context)
    broken = [Problem("platform_reach.must_not.x", "internet → KOIN_DB", "close it", "group_vars/all/reach.yml:1")]
    reach = reach_facts(here, after(context, here), {"KOIN_PROD": OFFERS}, broken, lambda where: (where, "a file:1"))
    return Found(
        plan, context, prices_for("ap-northeast-2"), variables, NOW, "abc", inventory="rehearsal", runs=[], reach=reach
    )


def asked(**hosts: Any) -> Seen:
    """KOIN's hosts, asked half a minute ago; some as they are given (koin_db: koin-db), None for one that is silent."""
    now = NOW.timestamp() - 30
    own = {"now": now, "certificates": {"/etc/koin/tls/host/cert.pem": 61}}
    backups = {"mariadb": now - 6 * 3600, "mariadb-logs": now - 240}
    api = status.service(since="2026-11-24T01:00:00.5Z")
    answers = {
        "bcsdlab-internal": status.host(**own, alerts=[], uptime=3.2e6),
        "bcsd-build": status.host(**own, jobs={"mariadb-drill": now - 5 * 3600}, disk=71),
        "koin-db": status.host(**own, jobs=backups, memory=82),
        "koin-prod": status.host(
            **own | {"certificates": {"/etc/letsencrypt/live/api/fullchain.pem": 40}}, services=[api]
        ),
        "koin-stage": status.host(**own, uptime=3000),
    }
    expected = {
        "mariadb": {"host": "koin-db"},
        "mariadb-logs": {"host": "koin-db", "max_age_hours": 1},
        "mariadb-drill": {"host": "bcsd-build", "max_age_hours": 50},
    }
    answers |= {name.replace("_", "-"): answer for name, answer in hosts.items()}
    silent = {"msg": "Failed to connect to the host via ssh: ssh: connect to host 172.31.0.20 port 22222: timed out"}
    told = {
        host: {"asked": now, **(silent if answer is None else {"status": answer})} for host, answer in answers.items()
    }
    return seen(told, backups=expected, alarms=[])


def unwell() -> Seen:
    """The same hosts on a bad day."""
    now = NOW.timestamp() - 30
    broken = [
        status.service(running=0),
        status.service(name="koin-prod_batch", state="rollback_completed", image="bcsd-build:5000/koin/batch:2.0.1"),
    ]
    firing = [
        {"alertname": "DiskFull", "severity": "critical", "host": "koin-prod", "summary": "/ on koin-prod is full"},
        {"alertname": "BackupTooOld", "severity": "warning", "host": "koin-db", "summary": ""},
    ]
    return asked(
        bcsdlab_internal=status.host(now=now, alerts=firing),
        koin_db=status.host(now=now, jobs={"mariadb": now - 50 * 3600}, memory=97),
        koin_prod=status.host(
            now=now,
            services=broken,
            disk=93,
            disk_path="/var/lib/docker",
            failed=["nginx.service", "certbot.service"],
            certificates={"/etc/koin/tls/host/cert.pem": -2, "/etc/letsencrypt/live/api/fullchain.pem": 9},
        ),
        koin_stage=None,
    )


def html(source: Found) -> str:
    """The page."""
    return pages.page(facts(source), draw(source.variables))


def hostile() -> Found:
    """An account, and runs, with names that want to be more than text."""
    strays = [instance(HOSTILE, 77, PublicIpAddress="3.3.3.3"), instance("KOIN_PROD", 20, InstanceType=HOSTILE)]
    failed = run("provision", 1, "failed", failed={"task": HOSTILE, "host": "x"})
    evil = status.service(name=HOSTILE, stack="", image=HOSTILE)
    firing = [{"alertname": HOSTILE, "severity": HOSTILE, "host": HOSTILE, "summary": HOSTILE}]
    told = asked(
        koin_prod=status.host(
            services=[evil], failed=[HOSTILE], disk_path=HOSTILE, certificates={HOSTILE: 1}, alerts=firing
        ),
        koin_stage=None,
    )
    silent = {**told.unreachable, "koin-stage": HOSTILE}
    return replace(
        found(instances=strays, key_pairs=[{"KeyName": HOSTILE, "KeyPairId": "key-1"}], buckets={HOSTILE: None}),
        runs=[run("backup", 9), replace(failed, who=HOSTILE, commit=HOSTILE)],
        inventory=HOSTILE,
        seen=replace(told, unreachable=silent, alarms=[HOSTILE]),
    )
