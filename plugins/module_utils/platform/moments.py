"""Moments as operators write and read them: in the zone of their machine, unless they name another. Pure."""

from __future__ import annotations

import re
import zoneinfo
from datetime import UTC, datetime, timedelta, timezone

#: abbreviations that people here write
_ZONES = {"KST": timezone(timedelta(hours=9)), "UTC": UTC, "GMT": UTC, "Z": UTC}
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d)?))?(?: ?([A-Za-z][\w/+-]*|[+-]\d\d:?\d\d))?")
_AGO = re.compile(r"(\d+) ?([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str, now: datetime) -> datetime:
    """``2026-11-27 03:15 KST``, ``2026-11-27`` or, before now, ``90m``, ``2h``, ``7d``. Raises ValueError."""
    text = text.strip()
    wrong = ValueError(f"`{text}` is no moment: write it like '2026-11-27 03:15 KST', 2026-11-27, 2h or 7d")
    if ago := _AGO.fullmatch(text):
        try:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        except OverflowError as error:
            raise wrong from error
    found = _MOMENT.fullmatch(text)
    if not found:
        raise wrong
    day, clock, zone = found[1], found[2] or "00:00", found[3] or ""
    try:
        if zone[:1] in ("+", "-"):
            return datetime.fromisoformat(f"{day} {clock}{zone}").astimezone(UTC)
        known = _ZONES.get(zone.upper()) or (zoneinfo.ZoneInfo(zone) if zone else None)
        return datetime.fromisoformat(f"{day} {clock}").replace(tzinfo=known).astimezone(UTC)
    except (ValueError, OverflowError, OSError, zoneinfo.ZoneInfoNotFoundError) as error:
        raise wrong from error


def written(when: datetime) -> str:
    """As it is kept."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read(text: str) -> datetime:
    """What ``written`` has written. Raises ValueError."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def told(when: datetime, *, zone: bool = True) -> str:
    """As an operator reads it, in the zone of this machine."""
    return when.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z" if zone else "%Y-%m-%d %H:%M:%S")


def lasted(seconds: float) -> str:
    """``8s``, ``4m12s``, ``2h05m``."""
    whole = max(0, round(seconds))
    if whole < 100:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole // 60 % 60:02}m"
