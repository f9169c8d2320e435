"""A small part of cloud-init: `write_files` of a #cloud-config. Pure.

A launched instance runs all of its user data; a local host has no cloud-init. Its files are written before the host
starts, so commands that only make a service read them again have nothing left to do. Everything else is reported.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from .errors import LocalHostsError

_HEADER = "#cloud-config"
#: commands whose effect a first start has anyway
_NEEDLESS = {("systemctl", "restart"), ("systemctl", "reload"), ("systemctl", "daemon-reload")}
_KEYS = {"path", "content", "permissions", "encoding", "owner"}


@dataclass(frozen=True)
class File:
    """A file of a host."""

    path: str
    content: bytes
    mode: int = 0o644
    #: numbers, since nobody resolves names before the host runs
    owner: int = 0
    group: int = 0
    folder: bool = False


@dataclass(frozen=True)
class UserData:
    """What a host gets from user data, and what it does not."""

    files: tuple[File, ...]
    ignored: tuple[str, ...]


def parse(text: str) -> UserData:
    """The files that user data asks for, and the names of what is left out."""
    if not text.strip():
        return UserData((), ())
    if text.split("\n", 1)[0].strip() != _HEADER:
        return UserData((), (f"user data that does not begin with {_HEADER}",))
    import yaml

    try:
        content = yaml.safe_load(text) or {}
        if not isinstance(content, dict):
            raise ValueError("a mapping is expected")
        files = tuple(_file(entry) for entry in content.get("write_files") or [])
    except (yaml.YAMLError, ValueError, KeyError, TypeError) as error:
        raise LocalHostsError(f"user data is not valid {_HEADER}: {error}") from None
    ignored = [key for key in content if key not in ("write_files", "runcmd")]
    ignored += [f"runcmd {_words(command)!r}" for command in content.get("runcmd") or [] if not _needless(command)]
    return UserData(files, tuple(ignored))


def _file(entry: dict[str, Any]) -> File:
    if unknown := sorted(set(entry) - _KEYS):
        raise ValueError(f"write_files: {', '.join(unknown)} is not supported here")
    path = PurePosixPath(entry["path"])
    if not path.is_absolute() or ".." in path.parts:
        raise ValueError(f"write_files: {path} is not an absolute path")
    if entry.get("owner", "root:root") not in ("root", "root:root"):
        raise ValueError(f"write_files: {path}: the owner can only be root here")
    encoding = entry.get("encoding", "text/plain")
    content = str(entry.get("content", "")).encode()
    if encoding in ("b64", "base64"):
        try:
            content = base64.b64decode(content, validate=False)
        except binascii.Error as error:
            raise ValueError(f"write_files: {path}: {error}") from None
    elif encoding != "text/plain":
        raise ValueError(f"write_files: {path}: encoding {encoding} is not supported here")
    return File(str(path), content, int(str(entry.get("permissions", "0644")), 8))


def _needless(command: Any) -> bool:
    return isinstance(command, list) and tuple(command[:2]) in _NEEDLESS


def _words(command: Any) -> str:
    return " ".join(str(word) for word in command) if isinstance(command, list) else str(command)
