"""What the roles have written for these programs, and how they fail."""

from __future__ import annotations

import json
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import ClassVar

CONFIGURATION = Path("/etc/koin/backup/settings.json")
CONFIGURATION_OF_DATA = Path("/etc/koin/backup-data/settings.json")


class BackupError(Exception):
    """Something the operator has to know; the message says what, where and what to do."""


@dataclass(frozen=True)
class Store:
    """Where a repository is, and where the program that uses it keeps its own files.

    host: the name under which backups are stored. endpoint: URL of S3. path: of the repository in the bucket; empty for
    the top. environment: credentials, where no instance role provides them. read_only: the host may read the
    repository and change nothing in it, not even leave a lock. program, playbook, password: what messages name.
    """

    program: ClassVar[str] = "koin-backup"
    playbook: ClassVar[str] = "playbooks/configure/database.yml"
    password: ClassVar[str] = "backup_password"

    host: str
    endpoint: str
    region: str
    bucket: str
    password_file: str
    _: KW_ONLY
    metrics: str
    path: str = ""
    path_style: bool = False
    read_only: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    state: str = "/var/lib/koin-backup"
    cache: str = "/var/cache/koin-backup"
    run: str = "/run/koin-backup"


@dataclass(frozen=True)
class Settings(Store):
    """Of the database's backups."""

    _: KW_ONLY
    socket: str
    datadir: str
    scratch: str = "/var/lib/koin-restore"


@dataclass(frozen=True)
class DataSettings(Store):
    """Of what a host has besides the database.

    volumes: full names of Docker volumes. swarm: whether to store the names of the Swarm's secrets and configs.
    valkey: whether to store the cache. scratch: where the cache is restored to.
    """

    program: ClassVar[str] = "koin-backup-data"
    playbook: ClassVar[str] = "playbooks/configure/backups.yml"
    password: ClassVar[str] = "backup_data_password"

    _: KW_ONLY
    volumes: list[str] = field(default_factory=list)
    swarm: bool = False
    valkey: bool = False
    docker: str = "/var/lib/docker/volumes"
    cached: str = "/var/lib/valkey"
    scratch: str = "/var/lib/koin-backup-data/restored"


def load(path: Path = CONFIGURATION) -> Settings:
    """Read the settings of the database's backups."""
    return _read(Settings, path)


def load_data(path: Path = CONFIGURATION_OF_DATA) -> DataSettings:
    """Read the settings of the other backups."""
    return _read(DataSettings, path)


def _read[Kind: Store](kind: type[Kind], path: Path) -> Kind:
    try:
        return kind(**json.loads(path.read_text()))
    except OSError as error:
        raise BackupError(f"{path}: {error.strerror}. Run as root, on a host that has its role.") from error
    except (TypeError, ValueError) as error:
        raise BackupError(f"{path} cannot be read ({error}). Run {kind.playbook} again.") from error
