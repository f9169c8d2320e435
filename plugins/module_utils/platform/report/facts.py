"""Everything that the page shows, as plain data: what is declared, what the account has, what it costs, who ran what.

Pure. What is not known is None or missing, and the page says so; nothing is made up for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from .. import moments, records
from ..credits import Balances
from ..declared_hosts import host_name
from ..engine import cost
from ..engine.context import Context
from ..engine.cost import Bill, Prices
from ..engine.model import Action, FieldChange, Live, Plan
from ..engine.refs import readable
from ..kinds.base import called
from ..kinds.compute import burstable
from ..plain_secrets import masked
from ..records import Record
from ..status import Seen
from .health import health

#: functions of a host -> what the page calls them: a key of its words
_FUNCTIONS = {
    "edge": "edge",
    "registry": "registry",
    "database": "database",
    "cache": "cache",
    "monitoring": "monitoring",
    "drill": "drill",
    "swarm_managers": "manager",
    "swarm_workers": "worker",
    "containers": "engine",
}
_SIGNS = {"create": "+", "change": "~", "replace": "!", "unmanaged": "?"}

Data = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """What the page is made of.

    variables: the declaration, templates filled in. runs: None when the records could not be read, with the reason in
    runs_problem. holder: token of the run that holds the lock.
    """

    plan: Plan
    context: Context
    prices: Prices
    variables: Mapping[str, Any]
    now: datetime
    commit: str = ""
    dirty: bool = False
    inventory: str = ""
    runs: Sequence[Record] | None = None
    runs_problem: str = ""
    holder: str = ""
    #: when drills have last restored a backup, by the host that did; None when that could not be read
    drills: Mapping[str, datetime] | None = None
    #: who reaches whom, see ``reach_facts``; None where there are no hosts
    reach: Mapping[str, Any] | None = None
    #: of burstable instances, by id; what hosts have said
    credits: Balances = field(default_factory=Balances)
    seen: Seen = field(default_factory=lambda: Seen({}, monitored=False))


def facts(found: Found) -> Data:
    """Every section of the page."""
    hosts = _hosts(found)
    return {
        "head": _head(found),
        "plan": _plan(found),
        "hosts": hosts,
        "credits_problem": found.credits.problem,
        "health": _health(found, hosts),
        "runs_on": _runs_on(found),
        "requests": _requests(found, hosts),
        "cost": _cost(found),
        "certificates": _certificates(found),
        "strays": _strays(found),
        "runs": _runs(found),
        "drills": _drills(found),
        "reach": found.reach,
    }


def _head(found: Found) -> Data:
    plan = found.plan
    counts = plan.as_dict()["counts"]
    return {
        "account": plan.account,
        "region": plan.region,
        "when": moments.told(found.now),
        "commit": found.commit[:10],
        "dirty": found.dirty,
        "inventory": found.inventory,
        "stand_in": plan.stand_in,
        "counts": counts,
    }


# --- Cost ------------------------------------------------------------------------------------------------------------


def _money(value: Decimal) -> str:
    return cost.usd(value)


def _amount(amount: cost.Amount) -> Data:
    return {"usd": _money(amount.usd) if amount.usd else "", "unknown": _unknown(amount.unknown)}


def _unknown(items: Iterable[tuple[str, int]]) -> list[Data]:
    return [{"item": item, "count": count} for item, count in items]


def _change(change: cost.Difference) -> Data:
    moved = bool(change.added.usd or change.saved.usd)
    return {
        "usd": f"{'+' if change.usd >= 0 else '−'} {_money(change.usd)}" if moved else "",  # noqa: RUF001 - a minus
        "unknown": _unknown(change.added.unknown),
        "no_longer": _unknown(change.saved.unknown),
    }


def _usages(bill: Bill, prices: Prices) -> list[Data]:
    found = []
    for usage in bill.wanted if bill.declared else bill.now:
        usd = prices.of(usage)
        found.append(
            {
                "item": usage.item,
                "by_use": usage.quantity is None,
                "quantity": usage.quantity,
                "unit": usage.unit,
                "usd": None if usd is None else _money(usd),
            }
        )
    return found


def _cost(found: Found) -> Data:
    prices, bills = found.prices, found.plan.bills
    totals = cost.totals(bills, prices)
    sums = [(cost.amount(bill.wanted if bill.declared else bill.now, prices), bill) for bill in bills]
    rows = [
        {
            "kind": bill.kind,
            "name": bill.name,
            "declared": bill.declared,
            "usages": _usages(bill, prices),
            "total": _amount(total)["usd"],
        }
        for total, bill in sorted(sums, key=lambda pair: -pair[0].usd)
        if total.usd
    ]
    others: dict[tuple[str, bool], list[Bill]] = {}
    for total, bill in sums:
        if not total.usd and total.unknown:
            others.setdefault((bill.kind, bill.declared), []).append(bill)
    return {
        "hours": cost.HOURS,
        "declared": _money(totals.declared.usd),
        "change": _change(totals.change),
        "strays": _amount(totals.strays),
        "unknown": _unknown(totals.unknown),
        "rows": rows,
        # Of those that have no known price at all, one row for a kind.
        "others": [
            {
                "kind": kind,
                "declared": declared,
                "names": [bill.name for bill in same],
                "usages": _usages(same[0], prices),
            }
            for (kind, declared), same in others.items()
        ],
        "prices": [
            {"item": item, "usd": f"{price.usd:f}", "unit": price.unit, "seen": str(price.seen), "source": price.source}
            for item, price in prices.known.items()
        ],
    }


# --- The plan --------------------------------------------------------------------------------------------------------


def _plan(found: Found) -> Data:
    plan = found.plan
    bills = {(bill.kind, bill.name): bill for bill in plan.bills if bill.declared}
    actions = [_action(action, bills, found) for action in plan.of("create", "change", "replace")]
    return {"actions": actions, "warnings": [readable(str(text), plan.kinds) for text in plan.warnings]}


def _action(action: Action, bills: Mapping[tuple[str, str], Bill], found: Found) -> Data:
    bill, kinds = bills.get((action.kind, action.name)), found.plan.kinds
    before, after = (bill.now, bill.planned) if bill else ((), ())
    if bill and action.action == "replace":
        before, after = bill.planned, bill.wanted
    fields = [] if action.action == "create" else masked([change.as_dict() for change in action.changes])
    return {
        "sign": _SIGNS[action.action],
        "action": action.action,
        "kind": action.kind,
        "name": action.name,
        "id": action.id if action.id != action.name else "",
        "note": action.note,
        "cost": _change(cost.difference(before, after, found.prices)),
        "fields": [_field(FieldChange(**change), kinds) for change in fields],
    }


def _field(change: FieldChange, kinds: frozenset[str]) -> Data:
    if isinstance(change.after, list):
        before = change.before if isinstance(change.before, list) else []
        gone = [_text(item, kinds) for item in before if item not in change.after]
        new = [_text(item, kinds) for item in change.after if item not in before]
        return {"field": change.field, "gone": gone, "new": new}
    before_text, after_text = (_text(value, kinds) for value in (change.before, change.after))
    return {"field": change.field, "gone": [before_text], "new": [after_text]}


def _text(value: Any, kinds: frozenset[str]) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "" if value is None else readable(text, kinds)


def _strays(found: Found) -> list[Data]:
    bills = {(bill.kind, bill.name): bill for bill in found.plan.bills if not bill.declared}
    strays = []
    for action in found.plan.of("unmanaged"):
        bill = bills.get((action.kind, action.name))
        amount = cost.amount(bill.now if bill else (), found.prices)
        live = next((item for item in found.context.live[action.kind] if item.id == action.id), None)
        strays.append(
            {
                "kind": action.kind,
                "name": action.name,
                "billed": bill is not None,
                "cost": _amount(amount),
                "exposed": _exposed(action.kind, live, found.reach or {}),
            }
        )
    return strays


def _exposed(kind: str, live: Live | None, reach: Mapping[str, Any]) -> Data | None:
    """How far outsiders can reach it, where that is known; None where the question makes no sense."""
    if live is None:
        return None
    if kind == "instance":
        public = live.raw.get("PublicIpAddress")
        if not public:
            return {"what": "private"}
        name = reach.get("addresses", {}).get(live.raw.get("PrivateIpAddress"))
        if name is None:
            return {"what": "address", "value": public}
        ports = ", ".join(part["text"] for part in reach["from_internet"].get(name, []))
        return {"what": "ports", "value": ports} if ports else {"what": "shut", "value": public}
    if kind == "elastic_ip":
        return {"what": "used" if live.raw.get("AssociationId") else "unused"}
    if kind == "security_group":
        return {"what": "open"} if _open(live.raw) else {"what": "closed"}
    # The settings of buckets that nobody declares are not read.
    return {"what": "unknown"} if kind in ("bucket", "distribution") else None


def _open(raw: Mapping[str, Any]) -> bool:
    """Whether a group lets everybody in."""
    everyone = {"0.0.0.0/0", "::/0"}
    return any(
        item.get("CidrIp", item.get("CidrIpv6")) in everyone
        for permission in raw.get("IpPermissions", [])
        for item in (*permission.get("IpRanges", []), *permission.get("Ipv6Ranges", []))
    )


# --- Hosts, and what runs on them ------------------------------------------------------------------------------------


def _hosts(found: Found) -> list[Data]:
    """The declared ones in their order, then those that nobody declares."""
    context, entries = found.context, found.context.declaration.entries("aws_compute_instances")
    bills = {(bill.kind, bill.name, bill.declared): bill for bill in found.plan.bills}
    hosts = []
    for name, entry in entries.items():
        live = context.found("instance", name)
        parts = [bills[key] for kind in ("instance", "elastic_ip") if (key := (kind, name, True)) in bills]
        amount = cost.amount((usage for bill in parts for usage in bill.wanted), found.prices)
        hosts.append({"name": name, "declared": True, **_host(live, entry, found), "cost": _amount(amount)})
    declared = {host["id"] for host in hosts}
    for live in context.live["instance"]:
        if live.id not in declared and live.listed:
            bill = bills.get(("instance", live.label, False))
            amount = cost.amount(bill.now if bill else (), found.prices)
            name = called(live.raw) or live.id
            hosts.append({"name": name, "declared": False, **_host(live, {}, found), "cost": _amount(amount)})
    return hosts


def _host(live: Live | None, entry: Mapping[str, Any], found: Found) -> Data:
    raw: Mapping[str, Any] = live.raw if live else {}
    subnet = found.context.declaration.entries("aws_network_subnets").get(entry.get("subnet", ""), {})
    kind = raw.get("InstanceType") or entry.get("type", "")
    return {
        "id": live.id if live else "",
        "exists": live is not None,
        "state": raw.get("State", {}).get("Name", ""),
        "type": kind,
        "architecture": raw.get("Architecture") or entry.get("architecture", ""),
        "credits": (raw.get("Credits") or entry.get("cpu_credits", "")) if burstable(kind) else "",
        "balance": f"{found.credits.known[live.id]:.0f}" if live and live.id in found.credits.known else "",
        "private": raw.get("PrivateIpAddress") or entry.get("private_ip", ""),
        "public": raw.get("PublicIpAddress") or entry.get("elastic_ip", ""),
        "zone": raw.get("Placement", {}).get("AvailabilityZone") or subnet.get("zone", ""),
        "functions": [_FUNCTIONS.get(item, item) for item in entry.get("functions", [])],
        "role": entry.get("role", ""),
        "swarm": entry.get("swarm", ""),
    }


def _health(found: Found, hosts: Sequence[Data]) -> Data:
    declared = [host for host in hosts if host["declared"]]
    running = [host_name(host["name"]) for host in declared if host["state"] == "running"]
    return health(found.seen, running)


def _of_function(instances: Mapping[str, Any], function: str) -> list[str]:
    return [name for name, entry in instances.items() if function in entry.get("functions", [])]


def _runs_on(found: Found) -> Data:
    """The declared Swarms with their services, databases, cache, registry, monitoring."""
    instances = found.context.declaration.entries("aws_compute_instances")
    variables = found.variables
    stacks: Mapping[str, Any] = variables.get("platform_stacks") or {}
    swarms = []
    for swarm in variables.get("platform_swarms") or {}:
        members = {name: entry["functions"] for name, entry in instances.items() if entry.get("swarm") == swarm}
        services = [
            {
                "name": f"{stack}/{service}",
                "image": settings.get("image") or settings.get("build", ""),
                "replicas": settings.get("replicas", 1),
                "database": settings.get("database", ""),
            }
            for stack, entry in stacks.items()
            if entry.get("swarm") == swarm
            for service, settings in entry["services"].items()
        ]
        managers = [name for name, functions in members.items() if "swarm_managers" in functions]
        workers = [name for name in members if name not in managers]
        swarms.append({"name": swarm, "managers": managers, "workers": workers, "services": services})
    return {
        "swarms": swarms,
        "databases": {
            "hosts": _of_function(instances, "database"),
            "names": list(variables.get("platform_databases") or {}),
        },
        "cache": {
            "hosts": _of_function(instances, "cache"),
            "names": list(variables.get("platform_cache_users") or {}),
        },
        "registry": _of_function(instances, "registry"),
        "monitoring": _of_function(instances, "monitoring"),
        "drill": _of_function(instances, "drill"),
    }


def _requests(found: Found, hosts: Sequence[Data]) -> list[Data]:
    """The way of a request: public name, where its record leads, what answers there, what that needs."""
    declaration = found.context.declaration
    public = {host["name"]: host["public"] for host in hosts}
    stacks: Mapping[str, Any] = found.variables.get("platform_stacks") or {}
    rows: list[Data] = []
    for alias, site, bucket in (
        (alias, name, entry["bucket"])
        for name, entry in declaration.entries("aws_cdn_distributions").items()
        for alias in entry["aliases"]
    ):
        rows.append({"name": alias, "kind": "cdn", "site": site, "bucket": bucket})
    for instance, sites in (found.variables.get("platform_sites") or {}).items():
        for site in sites.values():
            stack, _, service = str(site.get("service", "")).partition("/")
            settings = stacks.get(stack, {}).get("services", {}).get(service, {})
            rows += [
                {
                    "name": name,
                    "kind": "edge",
                    "host": instance,
                    "address": public.get(instance, ""),
                    "service": site.get("service", ""),
                    "swarm": stacks.get(stack, {}).get("swarm", ""),
                    "database": settings.get("database", ""),
                    "upstreams": [str(item) for item in site.get("upstreams", [])],
                    "files": site.get("root", ""),
                    "elsewhere": bool(site.get("elsewhere")),
                    "login": bool(site.get("users")),
                    "limited": bool(site.get("allow")),
                }
                for name in site["names"]
            ]
    return rows


# --- Certificates, runs ----------------------------------------------------------------------------------------------


def _more_names(raw: Mapping[str, Any]) -> Sequence[str]:
    """The other names of a certificate, as describing or as listing it says them."""
    names: Sequence[str] = raw.get("SubjectAlternativeNames") or raw.get("SubjectAlternativeNameSummaries") or ()
    return names


def _certificates(found: Found) -> list[Data]:
    """Those of ACM; hosts keep theirs to themselves."""
    rows = []
    for live in found.context.live["certificate"]:
        raw, until = live.raw, live.raw.get("NotAfter")
        # An answer may have it as text, or without a zone.
        until = datetime.fromisoformat(until) if isinstance(until, str) else until
        if until is not None and until.tzinfo is None:
            until = until.replace(tzinfo=UTC)
        rows.append(
            {
                "name": raw.get("DomainName", ""),
                "names": sorted({raw.get("DomainName", ""), *_more_names(raw)}),
                "status": raw.get("Status", ""),
                "days": (until - found.now).days if until else None,
                "until": moments.told(until)[:10] if until else "",
                "in_use": bool(raw["InUseBy"]) if "InUseBy" in raw else raw.get("InUse"),
                "declared": found.context.knows("certificate", live.id),
            }
        )
    return sorted(rows, key=lambda row: (row["days"] is None, row["days"] or 0, row["name"]))


def _drills(found: Found) -> list[Data] | None:
    """The last proof that a backup can be restored."""
    if found.drills is None:
        return None
    return [
        {"host": host, "when": moments.told(when, zone=False)[:16], "old": found.now - when > _FRESH}
        for host, when in sorted(found.drills.items(), key=lambda pair: pair[1], reverse=True)
    ]


#: a drill runs every morning
_FRESH = timedelta(hours=50)
#: verbs of which the last one that succeeded is worth knowing
_BACKUPS = ("backup", "drill", "restore", "rebuild")


def _runs(found: Found) -> Data | None:
    if found.runs is None:
        return {"problem": found.runs_problem, "rows": [], "last": []}
    rows = [
        {
            "when": moments.told(run.began, zone=False)[:16],
            "who": run.who.partition(":")[0],
            "what": run.what,
            "result": records.state(run, found.holder),
            "took": moments.lasted((run.ended - run.began).total_seconds()) if run.ended else "",
            "changed": run.writes,
            "commit": run.commit[:7],
            "dirty": run.dirty,
            "failed": dict(run.failed),
        }
        for run in reversed(found.runs)
    ]
    last = [
        next((row for row in rows if row["what"] == verb and row["result"] == records.OK), None) for verb in _BACKUPS
    ]
    return {"problem": "", "rows": rows[:20], "last": [row for row in last if row]}
