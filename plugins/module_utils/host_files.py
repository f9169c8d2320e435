"""Files as they are declared and as they are found; for the module host_files."""

from __future__ import annotations

import grp
import pwd
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """A file as it should be."""

    content: str | None = None
    #: "" leaves the owner of a directory as it is
    owner: str = "root"
    group: str = "root"
    #: octal
    mode: str = "0644"
    validate: str | None = None
    #: "" for a file or a link, else directory or absent
    state: str = ""
    #: where a symbolic link leads
    link: str | None = None
    secret: bool = False


@dataclass(frozen=True)
class Found:
    """A file as it is."""

    exists: bool = False
    directory: bool = False
    content: bytes | None = None
    link: str | None = None
    owner: str = ""
    group: str = ""
    #: octal, four digits
    mode: str = ""


def _name(database: type[pwd.struct_passwd] | type[grp.struct_group], number: int) -> str:
    """Of a user or a group; the number where there is no name."""
    try:
        if database is pwd.struct_passwd:
            return pwd.getpwuid(number).pw_name
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def find(path: str, follow: bool = False) -> Found:
    """Look at a path; a link is followed to a directory only, for what stands there else should be a file."""
    try:
        status = Path(path).stat(follow_symlinks=follow)
    except FileNotFoundError:
        return Found()
    content = None
    if stat.S_ISREG(status.st_mode):
        content = Path(path).read_bytes()
    link = str(Path(path).readlink()) if stat.S_ISLNK(status.st_mode) else None
    return Found(
        exists=True,
        directory=stat.S_ISDIR(status.st_mode),
        content=content,
        link=link,
        owner=_name(pwd.struct_passwd, status.st_uid),
        group=_name(grp.struct_group, status.st_gid),
        mode=f"{stat.S_IMODE(status.st_mode):04o}",
    )


def differs(entry: Entry, found: Found) -> bool:
    """Whether there is anything to do."""
    if entry.state == "absent":
        return found.exists
    if entry.link is not None:
        return found.link != entry.link
    owner = entry.owner or found.owner
    if (owner, entry.group, int(entry.mode, 8)) != (found.owner, found.group, int(found.mode or "0", 8)):
        return True
    if entry.state == "directory":
        return not found.directory
    return found.content != (entry.content or "").encode()


def changes(entries: Mapping[str, Entry], found: Mapping[str, Found]) -> dict[str, Entry]:
    """The entries that differ, in their order."""
    return {path: entry for path, entry in entries.items() if differs(entry, found[path])}
