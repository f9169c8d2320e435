"""One screen that says how the platform is, and what of it needs attention. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

#: columns of a terminal
WIDTH = 80
#: used percent of a disk, and of memory, from which somebody should look
_DISK, _MEMORY = 85, 95
#: days that a certificate should be valid for, as the alerts have it
_CERTIFICATE = 14
#: how Ansible begins what it says of a host that does not answer
_OVER_SSH = "Failed to connect to the host via ssh: "
#: states of an update that ended another way
_WRONG = {"paused": "its update has stopped", "rollback_paused": "its rollback has stopped"}
_WRONG_BACK = "was rolled back: the version before runs"


@dataclass(frozen=True)
class Seen:
    """What was read.

    hosts: by name, from module host_status; None when one did not answer, with the reason in unreachable. missing:
    declared hosts that the account does not run. backups: that are expected, see monitoring_backups. alarms: of
    CloudWatch, by name, those that are in alarm; None when they could not be read, with the reason in alarms_problem.
    monitored: whether there is a Prometheus.
    """

    hosts: Mapping[str, Mapping[str, Any] | None]
    unreachable: Mapping[str, str] = field(default_factory=dict)
    missing: Sequence[str] = ()
    backups: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    alarms: Sequence[str] | None = None
    monitored: bool = True
    alarms_problem: str = ""


def ago(seconds: float) -> str:
    """How long, as short as it can be said: 40 s, 7 min, 3 h, 12 d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def _epoch(text: str) -> float:
    """Of a time as the engine writes it, with nine digits behind the second."""
    return datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC).timestamp()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def version(image: str) -> str:
    """The name and tag of an image, without its registry and digest."""
    return image.partition("@")[0].rpartition("/")[2]


# --- What needs attention --------------------------------------------------------------------------------------------


def attention(seen: Seen) -> list[str]:
    """What somebody should look at; nothing when all is well."""
    return [
        *(f"{host}: is declared, and the account does not run it" for host in seen.missing),
        *(f"{host}: does not answer" for host, status in seen.hosts.items() if status is None),
        *(line for host, status in seen.hosts.items() if status for line in _of_host(host, status)),
        *(line for service in _services(seen) for line in _of_service(service)),
        *_of_backups(seen),
        *(f"alert {_alert(alert)}" for alert in _alerts(seen) or [] if alert["severity"] != "info"),
        *(["alerts: Prometheus does not answer"] if seen.monitored and _alerts(seen) is None else []),
        *(f"alarm {name}" for name in seen.alarms or []),
        *([f"alarms: {seen.alarms_problem}"] if seen.alarms_problem else []),
    ]


def _of_host(host: str, status: Mapping[str, Any]) -> Iterator[str]:
    if status["disk"] >= _DISK:
        yield f"{host}: {status['disk_path']} is {status['disk']} % full"
    if status["memory"] >= _MEMORY:
        yield f"{host}: {status['memory']} % of its memory is in use"
    if status["failed"]:
        yield f"{host}: failed: {', '.join(status['failed'])}"
    for path, days in status["certificates"].items():
        if days < _CERTIFICATE:
            yield f"{host}: {path} {'ends in ' + str(days) + ' d' if days >= 0 else 'has ended'}"


def _of_service(service: Mapping[str, Any]) -> Iterator[str]:
    name = _name(service)
    if service["running"] < service["wanted"]:
        yield f"{name}: {service['running']} of {service['wanted']} tasks run"
    if service["state"] in _WRONG:
        yield f"{name}: {_WRONG[service['state']]}"
    elif service["state"] == "rollback_completed":
        yield f"{name}: {_WRONG_BACK}"


def _of_backups(seen: Seen) -> Iterator[str]:
    for name, entry in seen.backups.items():
        status = seen.hosts.get(entry["host"])
        if status is None:
            continue
        last = status["jobs"].get(name)
        if last is None:
            yield f"backup {name} of {entry['host']}: there is none"
        elif status["now"] - last > entry.get("max_age_hours", 26) * 3600:
            yield f"backup {name} of {entry['host']}: the last is {ago(status['now'] - last)} old"


def _services(seen: Seen) -> list[Mapping[str, Any]]:
    """Each once: every manager of a Swarm tells the same."""
    found = {service["name"]: service for status in seen.hosts.values() if status for service in status["services"]}
    return [found[name] for name in sorted(found)]


def _alerts(seen: Seen) -> list[Mapping[str, str]] | None:
    told = [status["alerts"] for status in seen.hosts.values() if status and status["alerts"] is not None]
    # One of severity `none` fires all the time, so that its absence is noticed.
    return [alert for alerts in told for alert in alerts if alert["severity"] != "none"] if told else None


def _alert(alert: Mapping[str, str]) -> str:
    where = f" {alert['host']}" if alert["host"] else ""
    return f"{alert['alertname']}{where} ({alert['severity'] or 'no severity'})"


def _name(service: Mapping[str, Any]) -> str:
    stack = service["stack"]
    return f"{stack}/{service['name'].removeprefix(f'{stack}_')}" if stack else str(service["name"])


# --- The screen ------------------------------------------------------------------------------------------------------


def screen(seen: Seen) -> list[str]:
    """Its lines; none is wider than WIDTH. The last one says what is true."""
    wrong = attention(seen)
    lines = [*_hosts(seen), "", *_service_lines(seen), "", *_rest(seen), ""]
    if wrong:
        things = "1 thing needs" if len(wrong) == 1 else f"{len(wrong)} things need"
        lines += [*(f"  {line}" for line in wrong), f"{things} attention."]
    else:
        lines.append(f"All is well: {len(seen.hosts)} hosts, {len(_services(seen))} services.")
    return [_cut(line, WIDTH).rstrip() for line in lines]


def _hosts(seen: Seen) -> Iterator[str]:
    yield f"{'HOST':<24} {'UP':>7} {'LOAD':>6} {'MEMORY':>7} {'DISK':>6} {'CERTIFICATE':>12}"
    for host, status in seen.hosts.items():
        if status is None:
            why = " ".join(seen.unreachable.get(host, "").split()).removeprefix(_OVER_SSH)
            yield f"{host:<24} does not answer: {why}"
            continue
        days = min(status["certificates"].values(), default=None)
        left = "-" if days is None else f"{days} d"
        yield (
            f"{_cut(host, 24):<24} {ago(status['uptime']):>7} {status['load'] / status['cpus']:>6.2f} "
            f"{status['memory']:>5} % {status['disk']:>4} % {left:>12}"
        )


def _service_lines(seen: Seen) -> Iterator[str]:
    yield f"{'SERVICE':<24} {'VERSION':<34} {'AGE':>7} {'TASKS':>7}"
    now = max((status["now"] for status in seen.hosts.values() if status), default=0.0)
    for service in _services(seen):
        age = ago(now - _epoch(service["since"]))
        tasks = f"{service['running']}/{service['wanted']}"
        yield f"{_cut(_name(service), 24):<24} {_cut(version(service['image']), 34):<34} {age:>7} {tasks:>7}"


def _rest(seen: Seen) -> Iterator[str]:
    done = [
        (name, f"{name} {ago(status['now'] - last)} ago")
        for status in seen.hosts.values()
        if status
        for name, last in sorted(status["jobs"].items())
    ]
    yield "BACKUP   " + (", ".join(text for _, text in done) or "none is recorded")
    alerts = _alerts(seen)
    told = "not known: no Prometheus has answered" if alerts is None else f"{len(alerts)} firing"
    yield f"ALERTS   {told}"
    alarms = (
        seen.alarms_problem or "not known" if seen.alarms is None else f"{len(seen.alarms)} (credits, status checks)"
    )
    yield f"ALARMS   {alarms}"
