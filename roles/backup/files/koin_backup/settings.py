"""What the role has written for this program, and how it fails."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

CONFIGURATION = Path("/etc/koin/backup/settings.json")


class BackupError(Exception):
    """Something the operator has to know; the message says what, where and what to do."""


@dataclass(frozen=True)
class Settings:
    """The content of settings.json.

    host: the name under which backups are stored. endpoint: URL of S3. environment: credentials, where no instance
    role provides them. read_only: the host may read the bucket and change nothing in it, not even leave a lock.
    """

    host: str
    endpoint: str
    region: str
    bucket: str
    password_file: str
    socket: str
    datadir: str
    metrics: str
    path_style: bool = False
    read_only: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    state: str = "/var/lib/koin-backup"
    cache: str = "/var/cache/koin-backup"
    run: str = "/run/koin-backup"
    scratch: str = "/var/lib/koin-restore"


def load(path: Path = CONFIGURATION) -> Settings:
    """Read the settings."""
    try:
        return Settings(**json.loads(path.read_text()))
    except OSError as error:
        raise BackupError(f"{path}: {error.strerror}. Run as root, on a host that has the role backup.") from error
    except (TypeError, ValueError) as error:
        raise BackupError(f"{path} cannot be read ({error}). Run playbooks/configure/database.yml again.") from error
