"""How the platform is, and what of it needs attention: judged here, shown on one screen, and on the page. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .report.words import words

#: columns of a terminal
WIDTH = 80
#: used percent of a disk, and of memory, from which somebody should look
_DISK, _MEMORY = 85, 95
#: days that a certificate should be valid for, as the alerts have it
_CERTIFICATE = 14
#: how Ansible begins what it says of a host that does not answer
_OVER_SSH = "Failed to connect to the host via ssh: "
#: states of an update that ended another way -> what is said of them
_WRONG = {"paused": "paused", "rollback_paused": "rollback_paused", "rollback_completed": "rolled_back"}
#: what module host_status says of a host: the types of its parts
_NUMBER = (int, float)
#: no number of a host is larger, in seconds a few thousand years
_LARGEST = 1e11
_SHAPE: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("now", "uptime", "load", "memory", "disk"), _NUMBER),
    "cpus": int,
    "disk_path": str,
    "failed": list,
    "certificates": dict,
    "jobs": dict,
    "services": list,
    "alerts": (list, type(None)),
}
_SERVICE: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("stack", "name", "image", "state", "since"), str),
    **dict.fromkeys(("running", "wanted"), int),
}
_ALERT: Mapping[str, type | tuple[type, ...]] = dict.fromkeys(("alertname", "severity", "host", "summary"), str)


@dataclass(frozen=True)
class Seen:
    """What was read.

    hosts: by name, from module host_status; None when one did not answer, with the reason in unreachable. missing:
    declared hosts that the account does not run. backups: that are expected, see monitoring_backups. alarms: of
    CloudWatch, by name, those that are in alarm; None when they could not be read, with the reason in alarms_problem.
    monitored: whether there is a Prometheus. asked: when the last host was asked, if any was. credits: of
    CPUs, by host; None where they are unknown, with the reason in credits_problem.
    """

    hosts: Mapping[str, Mapping[str, Any] | None]
    unreachable: Mapping[str, str] = field(default_factory=dict)
    missing: Sequence[str] = ()
    backups: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    alarms: Sequence[str] | None = None
    monitored: bool = True
    alarms_problem: str = ""
    asked: float | None = None
    credits: Mapping[str, float | None] = field(default_factory=dict)
    credits_problem: str = ""


def seen(answers: Mapping[str, Mapping[str, Any]], **other: Any) -> Seen:
    """What the hosts have answered. answers: results of action host_status, by host. other: parts of ``Seen``."""
    hosts = {host: _status(answer) for host, answer in sorted(answers.items())}
    return Seen(
        hosts=hosts,
        unreachable={host: _reason(answers[host]) for host, status in hosts.items() if status is None},
        asked=max((float(answer["asked"]) for answer in answers.values() if "asked" in answer), default=None),
        **other,
    )


def _status(answer: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The status in an answer; None when there is none, or another thing: a host may have been taken over."""
    status = answer.get("status")
    if not isinstance(status, Mapping) or not _has(status, _SHAPE) or status["cpus"] < 1:
        return None
    parts = [(service, _SERVICE) for service in status["services"]]
    parts += [(alert, _ALERT) for alert in status["alerts"] or ()]
    right = all(isinstance(part, Mapping) and _has(part, shape) for part, shape in parts)
    right = right and all(map(_number, (*status["certificates"].values(), *status["jobs"].values())))
    right = right and all(last >= 0 for last in status["jobs"].values())
    right = right and all(isinstance(unit, str) for unit in status["failed"])
    return status if right and all(_moment(service["since"]) for service in status["services"]) else None


def _number(value: object) -> bool:
    """Whether it is a number that can be shown; not a number is none."""
    return isinstance(value, _NUMBER) and abs(value) < _LARGEST


def _has(part: Mapping[str, Any], shape: Mapping[str, type | tuple[type, ...]]) -> bool:
    values = ((part.get(key, ...), kind) for key, kind in shape.items())
    return all(_number(value) if kind is _NUMBER else isinstance(value, kind) for value, kind in values)


def _reason(answer: Mapping[str, Any]) -> str:
    """Why there is no status, on one line."""
    if "status" in answer:
        return "its answer is not that of host_status"
    return " ".join(str(answer.get("msg", "")).split()).removeprefix(_OVER_SSH)


def lasted(seconds: float) -> tuple[int, str]:
    """How long, as short as it can be said: a number, and one of s, min, h, d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return int(seconds // size), unit
    return max(0, int(seconds)), "s"


def ago(seconds: float) -> str:
    """The same as text: 40 s, 7 min, 3 h, 12 d."""
    return "{} {}".format(*lasted(seconds))


def _moment(text: str) -> float | None:
    """A time as the engine writes it, with nine digits behind the second."""
    try:
        return datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def version(image: str) -> str:
    """The name and tag of an image, without its registry and digest."""
    return image.partition("@")[0].rpartition("/")[2]


# --- What needs attention --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Thing:
    """What somebody should look at. what: it is said by the word attention_<what>, with values filled in.

    A value ``age`` is a number and a unit, see ``lasted``.
    """

    what: str
    values: Mapping[str, Any]


def attention(found: Seen) -> list[str]:
    """What somebody should look at; nothing when all is well."""
    return [_said(thing) for thing in things(found)]


def _said(thing: Thing) -> str:
    age = {"age": "{} {}".format(*thing.values["age"])} if "age" in thing.values else {}
    return words()[f"attention_{thing.what}"]["en"].format(**{**thing.values, **age})


def things(found: Seen) -> list[Thing]:
    """The same as data."""
    hosts = found.hosts.items()
    return [
        *(Thing("missing", {"host": host}) for host in found.missing),
        *(Thing("silent", {"host": host}) for host, status in hosts if status is None),
        *(thing for host, status in hosts if status for thing in _of_host(host, status)),
        *(thing for service in services(found) for thing in _of_service(service)),
        *_of_backups(found),
        *(
            Thing("alert", {"alert": alert_text(alert)})
            for alert in alerts(found) or []
            if alert["severity"] not in CALM
        ),
        *([Thing("no_prometheus", {})] if found.monitored and alerts(found) is None else []),
        *(Thing("alarm", {"name": name}) for name in found.alarms or []),
        *([Thing("alarms_unknown", {"why": found.alarms_problem})] if found.alarms_problem else []),
    ]


def _of_host(host: str, status: Mapping[str, Any]) -> Iterator[Thing]:
    if status["disk"] >= _DISK:
        yield Thing("disk", {"host": host, "path": status["disk_path"], "percent": status["disk"]})
    if status["memory"] >= _MEMORY:
        yield Thing("memory", {"host": host, "percent": status["memory"]})
    if status["failed"]:
        yield Thing("units", {"host": host, "units": ", ".join(status["failed"])})
    for path, days in status["certificates"].items():
        if days < _CERTIFICATE:
            what = "certificate_ends" if days >= 0 else "certificate_ended"
            yield Thing(what, {"host": host, "path": path, "days": days})


def _of_service(service: Mapping[str, Any]) -> Iterator[Thing]:
    name = service_name(service)
    if service["running"] < service["wanted"]:
        yield Thing("tasks", {"service": name, "running": service["running"], "wanted": service["wanted"]})
    if service["state"] in _WRONG:
        yield Thing(_WRONG[service["state"]], {"service": name})


def _of_backups(found: Seen) -> Iterator[Thing]:
    for name, entry in found.backups.items():
        status = found.hosts.get(entry["host"])
        if status is None:
            continue
        of, last = {"backup": name, "host": entry["host"]}, status["jobs"].get(name)
        if last is None:
            yield Thing("no_backup", of)
        elif status["now"] - last > entry.get("max_age_hours", 26) * 3600:
            yield Thing("old_backup", {**of, "age": lasted(status["now"] - last)})


def services(found: Seen) -> list[Mapping[str, Any]]:
    """Each once: every manager of a Swarm tells the same."""
    known = {service["name"]: service for status in found.hosts.values() if status for service in status["services"]}
    return [known[name] for name in sorted(known)]


def service_age(found: Seen, service: Mapping[str, Any]) -> float:
    """Seconds since it runs as it is."""
    now = max((status["now"] for status in found.hosts.values() if status), default=0.0)
    return now - (_moment(service["since"]) or now)


#: severities of alerts that ask nobody for anything; one of `none` fires all the time, so that its absence is noticed
CALM = ("info", "none")


def alerts(found: Seen) -> list[Mapping[str, str]] | None:
    """Those that fire; None when no Prometheus has answered."""
    told = [status["alerts"] for status in found.hosts.values() if status and status["alerts"] is not None]
    return [alert for several in told for alert in several if alert["severity"] != "none"] if told else None


def alert_text(alert: Mapping[str, str]) -> str:
    """An alert as one sentence: its name, and its summary, which says of what; without one, the host."""
    of = f": {alert['summary']}" if alert["summary"] else f" {alert['host']}"
    return f"{alert['alertname']}{of.rstrip()} ({alert['severity'] or 'no severity'})"


def service_name(service: Mapping[str, Any]) -> str:
    """As people call it: stack/service."""
    stack = service["stack"]
    return f"{stack}/{service['name'].removeprefix(f'{stack}_')}" if stack else str(service["name"])


# --- The screen ------------------------------------------------------------------------------------------------------


def screen(found: Seen) -> list[str]:
    """Its lines; none is wider than WIDTH. The last one says what is true."""
    wrong = attention(found)
    lines = [*_hosts(found), "", *_service_lines(found), "", *_rest(found), ""]
    if wrong:
        lines += [*(line for thing in wrong for line in _wrapped("  ", thing)), counted(len(wrong))]
    else:
        lines.append(f"All is well: {len(found.hosts)} hosts, {len(services(found))} services.")
    return [_cut(line, WIDTH).rstrip() for line in lines]


def counted(number: int) -> str:
    """How much needs attention, as a sentence."""
    return "1 thing needs attention." if number == 1 else f"{number} things need attention."


def _wrapped(start: str, text: str) -> list[str]:
    """It on as many lines as it takes, up to a few: a host that was taken over may say anything."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=start,
        subsequent_indent=" " * max(len(start), 4),
        break_on_hyphens=False,
        max_lines=4,
        placeholder=" …",
    )


def _hosts(found: Seen) -> Iterator[str]:
    yield f"{'HOST':<24} {'UP':>7} {'LOAD':>6} {'MEMORY':>7} {'DISK':>6} {'CERTIFICATE':>12} {'CREDITS':>8}"
    for host, status in found.hosts.items():
        if status is None:
            yield f"{host:<24} does not answer: {found.unreachable.get(host, '')}"
            continue
        days = min(status["certificates"].values(), default=None)
        left = "-" if days is None else f"{days} d"
        yield (
            f"{_cut(host, 24):<24} {ago(status['uptime']):>7} {status['load'] / status['cpus']:>6.2f} "
            f"{status['memory']:>5} % {status['disk']:>4} % {left:>12} {_credits(found, host):>8}"
        )


def _credits(found: Seen, host: str) -> str:
    if host not in found.credits:
        return "-"
    balance = found.credits[host]
    return "unknown" if balance is None else f"{balance:.0f}"


def _service_lines(found: Seen) -> Iterator[str]:
    yield f"{'SERVICE':<24} {'VERSION':<34} {'AGE':>7} {'TASKS':>7}"
    for service in services(found):
        age = ago(service_age(found, service))
        tasks = f"{service['running']}/{service['wanted']}"
        yield f"{_cut(service_name(service), 24):<24} {_cut(version(service['image']), 34):<34} {age:>7} {tasks:>7}"


def _rest(found: Seen) -> Iterator[str]:
    done = [
        (name, f"{name} {ago(status['now'] - last)} ago")
        for status in found.hosts.values()
        if status
        for name, last in sorted(status["jobs"].items())
    ]
    yield from _wrapped("BACKUP   ", ", ".join(text for _, text in done) or "none is recorded")
    firing = alerts(found)
    told = "not known: no Prometheus has answered" if firing is None else f"{len(firing)} firing"
    yield f"ALERTS   {told}"
    alarms = (
        found.alarms_problem or "not known" if found.alarms is None else f"{len(found.alarms)} (credits, status checks)"
    )
    yield from _wrapped("ALARMS   ", alarms)
    if found.credits_problem:
        yield from _wrapped("CREDITS  ", f"not known: {found.credits_problem}")
