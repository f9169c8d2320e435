"""What hosts say of themselves, as plain data: judged by ``status``, said by the page. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from .. import moments
from ..plain_secrets import masked
from ..status import CALM, Seen, Thing, alerts, lasted, service_age, service_name, services, things, version

Data = dict[str, Any]

#: characters of a reason that a host does not answer
_REASON = 300


def health(seen: Seen, running: Collection[str]) -> Data:
    """The section of the page. running: hosts that are declared, and that the account runs."""
    found = things(seen)
    told: Data = masked(
        {
            "asked": bool(seen.hosts),
            "when": moments.told(_moment(seen.asked)) if seen.asked else "",
            "some_run": bool(running),
            "silent": [host for host, status in seen.hosts.items() if status is None],
            "things": [{"what": thing.what, "say": dict(thing.values)} for thing in found],
            "hosts": list(_hosts(seen, found, running)),
            "services": list(_services(seen, found)),
            "certificates": list(_certificates(seen, found)),
            "backups": list(_backups(seen, found)),
            "alerts": _alerts(seen),
            "alarms": seen.alarms,
        }
    )
    return told


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _wrong(found: Iterable[Thing], **about: Any) -> list[str]:
    """What is wrong with something."""
    return [thing.what for thing in found if about.items() <= thing.values.items()]


def _hosts(seen: Seen, found: list[Thing], running: Iterable[str]) -> Iterator[Data]:
    """Those that were asked, and why there is nothing of the others."""
    if not seen.hosts:
        return
    for host in sorted({*seen.hosts, *seen.missing, *running}):
        status = seen.hosts.get(host)
        if status is None:
            answer = "missing" if host in seen.missing else "silent" if host in seen.hosts else "not_asked"
            yield {"name": host, "answer": answer, "why": seen.unreachable.get(host, "")[:_REASON]}
            continue
        yield {
            "name": host,
            "answer": "yes",
            "up": lasted(status["uptime"]),
            "load": f"{status['load'] / status['cpus']:.2f}",
            "memory": status["memory"],
            "disk": status["disk"],
            "disk_path": status["disk_path"],
            "failed": status["failed"],
            "wrong": _wrong(found, host=host),
        }


def _services(seen: Seen, found: list[Thing]) -> Iterator[Data]:
    for service in services(seen):
        name = service_name(service)
        yield {
            "name": name,
            "version": version(service["image"]),
            "age": lasted(service_age(seen, service)),
            "running": service["running"],
            "wanted": service["wanted"],
            "wrong": _wrong(found, service=name),
        }


def _certificates(seen: Seen, found: list[Thing]) -> Iterator[Data]:
    """The one that ends first comes first."""
    known = [
        (days, host, path)
        for host, status in seen.hosts.items()
        if status
        for path, days in status["certificates"].items()
    ]
    for days, host, path in sorted(known):
        yield {"host": host, "path": path, "days": days, "wrong": bool(_wrong(found, host=host, path=path))}


def _backups(seen: Seen, found: list[Thing]) -> Iterator[Data]:
    """What jobs have noted, and what is expected of them; of a host that does not answer nothing is known."""
    expected = {(entry["host"], name): entry for name, entry in seen.backups.items()}
    noted = {
        (host, name): (last, status["now"] - last)
        for host, status in seen.hosts.items()
        if status
        for name, last in status["jobs"].items()
    }
    for host, name in sorted({*expected, *noted}):
        last, age = noted.get((host, name), (None, None))
        yield {
            "host": host,
            "name": name,
            "known": seen.hosts.get(host) is not None,
            "when": "" if last is None else moments.told(_moment(last), zone=False)[:16],
            "age": None if age is None else lasted(age),
            "wrong": bool(_wrong(found, host=host, backup=name)),
        }


def _alerts(seen: Seen) -> list[Mapping[str, Any]] | None:
    known = alerts(seen)
    return None if known is None else [{**alert, "wrong": alert["severity"] not in CALM} for alert in known]
