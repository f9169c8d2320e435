"""Rules of role monitoring: jobs, probes and receivers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ..engine.errors import Problem
from .rules import DURATION, Platform, RoleInput, Values, host_port, in_range, keys_spelled, one_of, ranges, spelled

#: jobs of the role itself
_OWN_JOBS = ("alertmanager", "blackbox", "certificates", "probe", "prometheus")
#: what a receiver of a type has to have
_NEEDS = {
    "discord": ("url",),
    "email": ("to", "from", "smarthost"),
    "slack": ("url",),
    "webhook": ("url",),
}
_TAKES = {
    "channel": "slack",
    "to": "email",
    "from": "email",
    "smarthost": "email",
    "username": "email",
    "password": "email",
}
_RECEIVER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_JOB = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
#: as Alertmanager's own parser takes it: label, operator, value in quotes or a word
_MATCHER = re.compile(r'\s*[a-zA-Z_:][a-zA-Z0-9_:]*\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|[^\s{}"\'`,=!~\\]+)\s*')
_SIZE = re.compile(r"\d+(\.\d+)?(B|KB|MB|GB|TB|PB|EB)")
_URL = re.compile(r"https?://[^\s/]+(/\S*)?")
_MAIL = re.compile(r"([^<>@]*<)?[^\s<>@]+@([A-Za-z0-9-]+\.)+[A-Za-z]{2,}>?")
_TIMES = (
    "monitoring_interval",
    "monitoring_timeout",
    "monitoring_retention",
    "monitoring_probe_interval",
    "monitoring_group_wait",
    "monitoring_group_interval",
    "monitoring_repeat_interval",
)


class Input(RoleInput):
    """monitoring_*."""

    entries = {
        "monitoring_jobs": "job",
        "monitoring_jobs.*.targets": "target",
        "monitoring_probes": "probe",
        "monitoring_backups": "backup",
        "monitoring_alerts": "alert",
        "monitoring_receivers": "receiver",
    }

    def problems(self, values: Values) -> Iterator[Problem]:
        for service in ("prometheus", "alertmanager", "blackbox"):
            yield from host_port(
                f"monitoring_{service}_address", values.get(f"monitoring_{service}_address"), "127.0.0.1:9090"
            )
        for name in ("monitoring_prometheus_url", "monitoring_alertmanager_url"):
            if values.get(name):
                yield from spelled(name, values[name], _URL, "a URL", "write one like https://internal.bcsdlab.com/")
        for name in _TIMES:
            yield from _time(name, values.get(name))
        if _seconds(values.get("monitoring_timeout")) > _seconds(values.get("monitoring_interval")):
            what = (
                f"{values['monitoring_timeout']} is longer than monitoring_interval ({values['monitoring_interval']})"
            )
            yield Problem("monitoring_timeout", what, "lower it, or raise the interval")
        size = values.get("monitoring_retention_size")
        fix = "write a number with MB, GB or TB, e.g. 2GB"
        yield from spelled("monitoring_retention_size", size, _SIZE, "a size as Prometheus writes it", fix)
        yield from ranges(values, monitoring_memory_mib=(64, 65536))
        labels = values.get("monitoring_external_labels", {})
        yield from keys_spelled(
            "monitoring_external_labels", labels, _LABEL, "a label", "write letters, digits and `_`"
        )
        yield from _jobs(values)
        yield from _probes(values)
        for name, backup in values.get("monitoring_backups", {}).items():
            yield from in_range(f"monitoring_backups.{name}.max_age_hours", backup.get("max_age_hours"), 1, 8760)
        yield from self._alerts(values)
        yield from _receivers(values)

    def _alerts(self, values: Values) -> Iterator[Problem]:
        known = alert_names(self.folder / "files" / "rules")
        for name, change in values.get("monitoring_alerts", {}).items():
            where = f"monitoring_alerts.{name}"
            if name not in known:
                found = next(one_of(where, name, known, "an alert of the role"))
                # Names all of them, although the list is long.
                yield found._replace(what=f"there is no alert {name}; known are {', '.join(sorted(known))}")
            if "for" in change:
                yield from _time(f"{where}.for", change["for"])

    def across(self, host: str, values: Values, platform: Platform) -> Iterator[Problem]:
        for name, backup in values.get("monitoring_backups", {}).items():
            declare = "declare it in aws_compute_instances"
            where = f"monitoring_backups.{name}.host"
            yield from one_of(where, backup.get("host", ""), platform.hosts, "a declared host", declare=declare)

    def listens(self, values: Values) -> Iterator[tuple[int, str, str]]:
        for service in ("prometheus", "alertmanager", "blackbox"):
            variable = f"monitoring_{service}_address"
            address, _, number = str(values.get(variable)).rpartition(":")
            if number.isdigit():
                yield int(number), address, variable


@cache
def alert_names(folder: Path) -> frozenset[str]:
    """Names of the alerts that the role brings along."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    files = [yaml.load(path.read_bytes(), Loader=loader) for path in sorted(folder.glob("*.yml"))]
    rules = [rule for content in files for group in content["groups"] for rule in group["rules"]]
    return frozenset(rule["alert"] for rule in rules if "alert" in rule)


def _time(where: str, value: Any) -> Iterator[Problem]:
    yield from spelled(
        where, value, DURATION, "a time as Prometheus writes it", "write a number with s, m, h or d, e.g. 30s"
    )


def _seconds(value: Any) -> float:
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)(ms|[smhdwy])", str(value)))


def _jobs(values: Values) -> Iterator[Problem]:
    for name, job in values.get("monitoring_jobs", {}).items():
        where = f"monitoring_jobs.{name}"
        if name in _OWN_JOBS:
            yield Problem(where, f"{name} is a job of the role itself", "choose another name")
        yield from spelled(where, name, _JOB, "the name of a job", "write letters, digits, `_`, `.` and `-`")
        if job.get("interval"):
            yield from _time(f"{where}.interval", job["interval"])
        for instance, target in job.get("targets", {}).items():
            yield from host_port(f"{where}.targets.{instance}.address", target.get("address"), "172.31.0.10:9100")
            labels = target.get("labels") or {}
            yield from keys_spelled(
                f"{where}.targets.{instance}.labels", labels, _LABEL, "a label", "write letters, digits and `_`"
            )


def _probes(values: Values) -> Iterator[Problem]:
    modules = values.get("monitoring_probe_modules", {})
    for name, probe in values.get("monitoring_probes", {}).items():
        where = f"monitoring_probes.{name}"
        if not probe.get("url"):
            yield Problem(f"{where}.url", "is empty", "write the URL to probe, e.g. https://172.31.0.10/")
        declare = "declare it in monitoring_probe_modules"
        yield from one_of(
            f"{where}.module", probe.get("module", "site"), modules, "in monitoring_probe_modules", declare=declare
        )


def _receivers(values: Values) -> Iterator[Problem]:
    for name, receiver in values.get("monitoring_receivers", {}).items():
        where, kind = f"monitoring_receivers.{name}", receiver.get("type", "")
        if not _RECEIVER.fullmatch(name) or name == "nobody":
            fix = "write letters, digits, dots and hyphens, and not `nobody`"
            yield Problem(where, f"`{name}` is not the name of a receiver", fix)
        for key in _NEEDS.get(kind, ()):
            if not receiver.get(key):
                yield Problem(where, f"has no `{key}`, which type {kind} needs", f"add `{key}: …`")
        if kind != "email" and receiver.get("url") and not _URL.fullmatch(str(receiver["url"])):
            yield Problem(
                f"{where}.url", "is not a URL", "write the address of the webhook, which begins with https://"
            )
        for key, owner in _TAKES.items():
            if receiver.get(key) and kind in _NEEDS and kind != owner:
                yield Problem(f"{where}.{key}", f"{key} is for type {owner}, this is {kind}", "remove it")
        if kind == "email":
            for key in ("to", "from"):
                if receiver.get(key):
                    fix = "write one like team@example.com"
                    yield from spelled(f"{where}.{key}", receiver[key], _MAIL, "a mail address", fix)
            if receiver.get("smarthost"):
                yield from host_port(f"{where}.smarthost", receiver["smarthost"], "smtp.example.com:587")
        for number, matcher in enumerate(receiver.get("matchers") or ()):
            at = f"{where}.matchers.{number}"
            match = _MATCHER.fullmatch(str(matcher))
            if not match:
                fix = """write label, =, !=, =~ or !~, and the value in double quotes, e.g. 'severity="critical"'"""
                yield Problem(at, f"`{matcher}` is not a matcher of Alertmanager", fix)
            elif match[1] in ("=~", "!~"):
                try:
                    re.compile(match[2].strip('"'))
                except re.error as error:
                    yield Problem(at, f"`{matcher}` has no valid regular expression: {error}", "correct it")
        if receiver.get("watchdog") and receiver.get("matchers"):
            yield Problem(where, "watchdog and matchers exclude each other", "remove one of them")
        if receiver.get("repeat_interval"):
            yield from _time(f"{where}.repeat_interval", receiver["repeat_interval"])
