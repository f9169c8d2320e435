"""What the node exporter tells Prometheus about the jobs of this host."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from .settings import Store

HELP = {
    "koin_backup_last_success_timestamp_seconds": "When the backup was last complete.",
    "koin_backup_last_run_timestamp_seconds": "When the last run ended, whether it succeeded or not.",
    "koin_backup_last_run_success": "1 when the last run succeeded.",
    "koin_backup_duration_seconds": "How long the last successful run took.",
    "koin_backup_size_bytes": "What the last successful run read.",
    "koin_backup_stored_bytes": "What the last successful run added to the repository, compressed and encrypted.",
    "koin_backup_drill_recovery_seconds": "How long the drill took from nothing to a server with everything.",
    "koin_backup_drill_lost_seconds": "From the last stored binary log to the begin of the drill.",
    "koin_backup_drill_tables": "Tables that the drill compared with what was counted at the backup.",
    "koin_backup_drill_rows": "Rows in them.",
}


@dataclass(frozen=True)
class Result:
    """The last run of a job, and the last that succeeded."""

    last_run: float = 0
    success: bool = False
    last_success: float = 0
    seconds: float = 0
    size: int = 0
    stored: int = 0
    more: Mapping[str, float] = field(default_factory=dict)


def text(name: str, result: Result) -> str:
    """The file that the node exporter reads. A job that never succeeded has no success to tell of."""
    values = {
        "koin_backup_last_run_timestamp_seconds": result.last_run,
        "koin_backup_last_run_success": float(result.success),
    }
    if result.last_success:
        values |= {
            "koin_backup_last_success_timestamp_seconds": result.last_success,
            "koin_backup_duration_seconds": result.seconds,
            "koin_backup_size_bytes": float(result.size),
            "koin_backup_stored_bytes": float(result.stored),
            **{name: float(value) for name, value in result.more.items()},
        }
    lines = [
        f'# HELP {metric} {HELP[metric]}\n# TYPE {metric} gauge\n{metric}{{name="{name}"}} {value!r}\n'
        for metric, value in sorted(values.items())
    ]
    return "".join(lines)


def _write(path: Path, content: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(content)
    temporary.chmod(0o644)
    temporary.replace(path)


def load(settings: Store, name: str) -> Result:
    """What is known of a job."""
    try:
        return Result(**json.loads(Path(settings.state, f"{name}.json").read_text()))
    except (OSError, ValueError, TypeError):
        return Result()


def succeeded(
    settings: Store, name: str, began: float, size: int = 0, stored: int = 0, more: Mapping[str, float] | None = None
) -> Result:
    """Note a success."""
    now = time.time()
    result = Result(now, True, now, now - began, size, stored, dict(more or {}))
    return _note(settings, name, result)


def failed(settings: Store, name: str) -> Result:
    """Note a failure; the last success stays what it was."""
    before = load(settings, name)
    result = replace(before, last_run=time.time(), success=False)
    return _note(settings, name, result)


def _note(settings: Store, name: str, result: Result) -> Result:
    _write(Path(settings.state, f"{name}.json"), json.dumps(asdict(result)) + "\n")
    _write(Path(settings.metrics, f"backup-{name}.prom"), text(name, result))
    return result
