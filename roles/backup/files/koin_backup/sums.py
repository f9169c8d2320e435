"""Rows and checksums of all tables at one moment of the server, so that a restore can be compared with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .choice import SUMS
from .database import Database
from .repository import Repository
from .settings import BackupError, Settings
from .stage import tell

_OWN_DATABASES = "'information_schema', 'mysql', 'performance_schema', 'sys'"
_FILE = "sums.json"


@dataclass(frozen=True)
class Sum:
    """Of one table. transactional: it belongs to the moment; of others only the existence can be compared."""

    rows: int
    checksum: str
    transactional: bool = True


@dataclass(frozen=True)
class Sums:
    """Of all tables, by name, as of a position in the binary logs. The scratch server has no logs."""

    log: str
    position: int
    tables: Mapping[str, Sum] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Of all tables together."""
        return sum(table.rows for table in self.tables.values())

    def dump(self) -> str:
        """As JSON."""
        tables = {name: [item.rows, item.checksum, item.transactional] for name, item in self.tables.items()}
        return json.dumps({"log": self.log, "position": self.position, "tables": tables}) + "\n"

    @classmethod
    def load(cls, text: str) -> Sums:
        """From JSON."""
        try:
            raw = json.loads(text)
            return cls(raw["log"], raw["position"], {name: Sum(*item) for name, item in raw["tables"].items()})
        except (ValueError, KeyError, TypeError) as error:
            raise BackupError(f"The recorded checksums cannot be read: {error}. Make another backup.") from error


def names(database: Database) -> list[list[str]]:
    """Every table and its engine, also those that cannot be read."""
    return database.ask(
        "SELECT CONCAT('`', REPLACE(TABLE_SCHEMA, '`', '``'), '`.`', REPLACE(TABLE_NAME, '`', '``'), '`'), ENGINE"
        " FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE'"
        f" AND TABLE_SCHEMA NOT IN ({_OWN_DATABASES}) ORDER BY 1"
    )


def count(database: Database) -> Sums:
    """Everything that is in a server, in one transaction, so that writers neither wait nor show."""
    tables = names(database)
    tell(f"counting the rows of {len(tables)} tables")
    script = [
        "START TRANSACTION WITH CONSISTENT SNAPSHOT",
        "SHOW STATUS WHERE Variable_name IN ('Binlog_snapshot_file', 'Binlog_snapshot_position')",
        # The number before what belongs to it: a table that was dropped meanwhile has no lines.
        *(f"SELECT {number}, COUNT(*) FROM {name}; CHECKSUM TABLE {name}" for number, (name, _) in enumerate(tables)),
        "ROLLBACK",
    ]
    return _read(database.ask(";\n".join(script) + ";\n", go_on=True), tables)


def _read(lines: list[list[str]], known: list[list[str]]) -> Sums:
    """What the server has said."""
    status = {name.lower(): value for name, value in lines[:2] if name.lower().startswith("binlog_snapshot")}
    tables, rows = {}, iter(lines[len(status) :])
    pending: tuple[int, int] | None = None
    for first, second in rows:
        if first.isdigit():
            pending = int(first), int(second)
        elif pending and second != "NULL":
            name, engine = known[pending[0]]
            tables[name.replace("`", "")] = Sum(pending[1], second, engine == "InnoDB")
            pending = None
    return Sums(status.get("binlog_snapshot_file", ""), int(status.get("binlog_snapshot_position") or 0), tables)


def store(settings: Settings, repository: Repository, full: str, series: str) -> Sums:
    """Count the live server, and keep it beside a physical backup."""
    found = count(Database(settings))
    path = Path(settings.state, _FILE)
    path.write_text(found.dump())
    path.chmod(0o600)
    repository.backup([str(path), "--force"], [SUMS, f"series={series}", f"of={full}"], "storing the sums")
    return found


def load(settings: Settings, repository: Repository, snapshot: str) -> Sums:
    """What was kept."""
    return Sums.load(repository.text(snapshot, f"{settings.state}/{_FILE}"))


def differences(recorded: Sums, restored: Sums) -> list[str]:
    """What a restore lacks, has too much of, or has otherwise; a line for each table."""
    found = []
    for name in sorted({*recorded.tables, *restored.tables}):
        before, after = recorded.tables.get(name), restored.tables.get(name)
        if before is None:
            found.append(f"{name}: was not there")
        elif after is None:
            found.append(f"{name}: is missing, {before.rows} rows")
        elif before.transactional and (before.rows, before.checksum) != (after.rows, after.checksum):
            found.append(
                f"{name}: {before.rows} rows, checksum {before.checksum}; restored: {after.rows}, {after.checksum}"
            )
    return found
