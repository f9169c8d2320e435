"""Rules of role backup_data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..engine.errors import Problem
from .backup import BUCKET, CALENDAR, ENDPOINT, kept
from .rules import ACCOUNT, Look, Platform, RoleInput, Values, debian_only, long_enough, spelled

#: as the engine accepts it
_VOLUME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]+")


class Input(RoleInput):
    """backup_data_*."""

    records = {"backup_data_access_key": "access_key"}

    def problems(self, values: Values) -> Iterator[Problem]:
        volumes = values.get("backup_data_volumes", ())
        for number, volume in enumerate(volumes):
            where, fix = f"backup_data_volumes.{number}", "write it as `docker volume ls` does, e.g. koin-prod_uploads"
            yield from spelled(where, volume, _VOLUME, "the name of a volume", fix)
        yield from kept("backup_data_keep", values.get("backup_data_keep", {}))
        fix = "write letters, digits, `_`, `.` and `-` only"
        yield from spelled("backup_data_host", values.get("backup_data_host"), ACCOUNT, "a name that restic keeps", fix)
        fix = "write it as systemd does, e.g. *-*-* 04:40:00 Asia/Seoul"
        yield from spelled("backup_data_at", values.get("backup_data_at"), CALENDAR, "a time of every day", fix)
        fix = "write a URL without a path, e.g. https://s3.ap-northeast-2.amazonaws.com"
        yield from spelled(
            "backup_data_endpoint", values.get("backup_data_endpoint"), ENDPOINT, "the address of S3", fix
        )
        if not (volumes or values.get("backup_data_swarm") or values.get("backup_data_valkey")):
            return
        if not values.get("backup_data_bucket") or not values.get("backup_data_path"):
            what = "the host has data to back up, and no repository"
            fix = "give the IAM role of the host `repositories`, e.g. {koin-backup: hosts/koin-prod} (aws_iam_roles)"
            yield Problem("backup_data_bucket", what, fix)
            return
        fix = "write the name of a bucket, without a path"
        yield from spelled("backup_data_bucket", values["backup_data_bucket"], BUCKET, "a bucket", fix)
        yield from long_enough("backup_data_password", values.get("backup_data_password"), 16)

    def across(self, host: str, values: Values, platform: Platform) -> Iterator[Problem]:
        """A volume is one of its node: where a service may run on several, each has another content."""
        for number, volume in enumerate(values.get("backup_data_volumes", ())):
            others = [
                other
                for other in sorted(platform.hosts)
                if other != host and volume in platform.values(other, "backup_data").get("backup_data_volumes", ())
            ]
            if others:
                what = (
                    f"{volume} is backed up, and its service may run on {', '.join(sorted([host, *others]))}, each with"
                )
                fix = "let the `placement` of its service (platform_stacks) allow one node"
                yield Problem(f"backup_data_volumes.{number}", f"{what} a volume of its own", fix)

    def on_host(self, values: Values, facts: Mapping[str, Any], look: Look) -> Iterator[Problem]:
        yield from debian_only("backup_data", facts)
