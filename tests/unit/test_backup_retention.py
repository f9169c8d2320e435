"""Removal of old backups from the controller, with a restic that only notes how it was called."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.run_module import ModuleError, load, run_module

ARGUMENTS = {
    "region": "ap-northeast-2",
    "bucket": "koin-backup",
    "endpoint": "http://127.0.0.1:9",
    "password": "hidden-password",
    "host": "koin-db",
    "keep": {"daily": 14, "monthly": 12},
    "logs_days": 15,
}
NOW = datetime.now(UTC)
RESTIC = """#!/bin/sh
if [ "$*" = version ]; then echo "restic 0.18.0 compiled with go1.24.4 on linux/amd64"; exit; fi
echo "$@" >> {folder}/calls
case "$*" in
  *"forget"*) echo '[{{"keep": [{{}}, {{}}], "remove": {remove}}}]' ;;
  *"snapshots"*) echo '{snapshots}' ;;
  *"prune"*) env >> {folder}/environment ;;
esac
exit {status}
"""


def prune(
    folder: Path,
    *,
    check: bool = False,
    time: str = "",
    remove: str = "[{}]",
    status: int = 0,
    arguments: dict[str, Any] | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """Run the module; its result, and how restic was called."""
    snapshots = json.dumps([{"short_id": "abc", "time": time or (NOW - timedelta(days=1)).isoformat()}])
    program = folder / "restic"
    program.write_text(RESTIC.format(folder=folder, snapshots=snapshots, remove=remove, status=status))
    program.chmod(0o755)
    environ = {"PATH": f"{folder}:/usr/bin:/bin", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "hidden-key"}
    result = run_module("backup_retention", arguments or ARGUMENTS, environ=environ, check=check)
    return result, (folder / "calls").read_text().splitlines()


def test_old_backups_are_removed_and_their_data_too(tmp_path: Path) -> None:
    result, calls = prune(tmp_path)
    assert result["changed"]
    assert (result["removed"], result["kept"]) == ({"full": 1, "logs": 1}, {"full": 2, "logs": 2})
    begin = "--retry-lock 15m -o s3.region=ap-northeast-2 "
    group = "--host koin-db --tag {} --group-by host"
    assert calls == [
        f"{begin}snapshots --json --no-lock",
        f"{begin}forget --json {group.format('full')} --keep-daily 14 --keep-monthly 12",
        f"{begin}forget --json {group.format('sums')} --keep-daily 14 --keep-monthly 12",
        f"{begin}forget --json {group.format('logs')} --keep-within 15d",
        f"{begin}prune",
    ]
    environment = (tmp_path / "environment").read_text()
    assert "RESTIC_REPOSITORY=s3:http://127.0.0.1:9/koin-backup\n" in environment
    assert "RESTIC_PASSWORD=hidden-password\n" in environment
    assert "hidden" not in " ".join(calls)


def test_of_other_data_each_path_keeps_its_own_number(tmp_path: Path) -> None:
    arguments = {name: value for name, value in ARGUMENTS.items() if name != "logs_days"}
    result, calls = prune(tmp_path, arguments={**arguments, "path": "hosts/koin-prod"})
    assert (result["removed"], result["kept"]) == ({"data": 1}, {"data": 2})
    begin = "--retry-lock 15m -o s3.region=ap-northeast-2 "
    assert calls[1:] == [
        f"{begin}forget --json --host koin-db --group-by host,paths --keep-daily 14 --keep-monthly 12",
        f"{begin}prune",
    ]
    environment = (tmp_path / "environment").read_text()
    assert "RESTIC_REPOSITORY=s3:http://127.0.0.1:9/koin-backup/hosts/koin-prod\n" in environment


def test_check_mode_removes_nothing(tmp_path: Path) -> None:
    result, calls = prune(tmp_path, check=True)
    assert result["changed"]
    assert [call for call in calls if "forget" in call and "--dry-run" not in call] == []
    assert [call for call in calls if "prune" in call] == []


def test_nothing_old_changes_nothing(tmp_path: Path) -> None:
    result, calls = prune(tmp_path, remove="null")
    assert not result["changed"]
    assert [call for call in calls if "prune" in call] == []


def test_a_backup_from_the_future_stops_everything(tmp_path: Path) -> None:
    with pytest.raises(ModuleError, match=r"abc of 2999-.*was the host taken over"):
        prune(tmp_path, time="2999-01-01T00:00:00.123456789+09:00")
    assert "forget" not in (tmp_path / "calls").read_text()


def test_times_of_restic_are_compared_with_their_zone() -> None:
    future = load("backup_retention").in_the_future
    now = datetime(2026, 11, 27, 0, 0, tzinfo=UTC)
    times = ("2026-11-27T09:05:00.123456789+09:00", "2026-11-27T00:05:00Z", "2026-11-27T00:11:00Z")
    found = [{"short_id": str(number), "time": time} for number, time in enumerate(times)]
    assert future(found, now) == ["2 of 2026-11-27T00:11:00Z"]


def test_what_restic_refuses_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModuleError, match=r"`restic snapshots` failed for the bucket koin-backup at http:"):
        prune(tmp_path, status=1)


@pytest.mark.parametrize(
    ("said", "unfit"),
    [
        (
            "restic 0.14.0 compiled with go1.19.8 on linux/amd64\n",
            "restic 0.14 on this machine is too old",
        ),
        ("restic 0.16.4 compiled with go1.21", "too old"),
        ("restic 0.17.0 compiled with go1.22", ""),
        ("restic 0.18.0-dev (v0.18.0-12-gabc) compiled with go1.24", ""),
        ("restic 1.2.0", ""),
        # Somebody's own build.
        ("restic (devel)", ""),
    ],
)
def test_a_restic_that_is_too_old_is_refused_by_its_version(said: str, unfit: str) -> None:
    found = load("backup_retention").unfit_for(said)
    assert (unfit in found) if unfit else found == ""


def test_without_restic_it_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ModuleError, match=r"restic is not on this machine: install 0\.17 or newer"):
        run_module("backup_retention", ARGUMENTS, environ={"PATH": str(tmp_path)})
