"""Rules of role backup."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..engine.errors import Problem
from .rules import ACCOUNT, Look, RoleInput, Values, debian_only, in_range, long_enough, one_of, ranges, spelled

ENDPOINT = re.compile(r"https?://[A-Za-z0-9.-]+(:\d+)?")
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
#: of `restic forget --keep-…`
_KEPT = ("daily", "weekly", "monthly")
CALENDAR = re.compile(r"\S.*\d\d?:\d\d.*")


class Input(RoleInput):
    """backup_*."""

    records = {"backup_access_key": "access_key"}

    def problems(self, values: Values) -> Iterator[Problem]:
        # Each run makes the server begin another binary log.
        yield from ranges(values, backup_logs_seconds=(10, 3600), backup_keep_logs_days=(1, 3650))
        yield from kept("backup_keep", values.get("backup_keep", {}))
        if values.get("backup_keep_logs_days", 0) > values.get("backup_keep", {}).get("daily", 0) + 1:
            what = "binary logs are kept longer than the daily backups that they continue"
            yield Problem("backup_keep_logs_days", what, "raise backup_keep.daily, or lower it")
        yield from long_enough("backup_password", values.get("backup_password"), 16)
        fix = "write a URL without a path, e.g. https://s3.ap-northeast-2.amazonaws.com"
        yield from spelled("backup_endpoint", values.get("backup_endpoint"), ENDPOINT, "the address of S3", fix)
        fix = "write the name of a bucket, without a path"
        yield from spelled("backup_bucket", values.get("backup_bucket"), BUCKET, "a bucket", fix)
        fix = "write letters, digits, `_`, `.` and `-` only"
        yield from spelled("backup_host", values.get("backup_host"), ACCOUNT, "a name that restic keeps as it is", fix)
        fix = "write it as systemd does, e.g. *-*-* 04:10:00 Asia/Seoul"
        for name in ("backup_full_at", "backup_drill_at"):
            yield from spelled(name, values.get(name), CALENDAR, "a time of every day", fix)
        jobs = set(values.get("backup_jobs", ()))
        if len({"full", "logs"} & jobs) == 1:
            what = "a physical backup and the binary logs after it are worth something together only"
            yield Problem("backup_jobs", what, "write [full, logs]")
        if not jobs:
            yield Problem("backup_jobs", "the host would do nothing", "write [full, logs], or [drill]")

    def on_host(self, values: Values, facts: Mapping[str, Any], look: Look) -> Iterator[Problem]:
        yield from debian_only("backup", facts)


def kept(where: str, spans: Mapping[str, Any]) -> Iterator[Problem]:
    """How many backups are kept, by span."""
    for unit, count in spans.items():
        yield from one_of(f"{where}.{unit}", str(unit), _KEPT, "a span of restic", declare="use one of these")
        yield from in_range(f"{where}.{unit}", count, 1, 1000)
