"""Where a loaded value or key was declared, as ansible-core remembers it.

ansible-core 2.19 and later tag what they load from YAML with its origin. The names are private: without them, or for a
value that a template made, there is no answer. ``sources.Sources.line_of`` needs no private name; prefer it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

try:
    from ansible._internal._datatag._tags import Origin
except ImportError:  # ansible-core keeps it elsewhere
    Origin = None

#: the file that marks the top of the repository
_TOP = "ansible.cfg"


def repository(path: Path) -> Path | None:
    """The repository that a file or folder belongs to: the nearest folder above it with an ``ansible.cfg``."""
    return next((folder for folder in (path, *path.parents) if (folder / _TOP).is_file()), None)


def shown(path: Path) -> str:
    """A path as operators read it: links resolved, relative to the repository."""
    if path.is_symlink():
        path = path.resolve()
    return str(_shown_folder(path.parent) / path.name)


@cache
def _shown_folder(folder: Path) -> Path:
    real = folder.resolve()
    top = repository(real)
    return real.relative_to(top) if top else real


def locate(value: Any) -> str | None:
    """File and line of a loaded value or key, as ``group_vars/all/aws_dns.yml:21``; None when nobody knows."""
    try:
        origin = Origin.get_tag(value)
        path, line = origin.path, origin.line_num
    except AttributeError:  # no tag, or private names that have moved
        return None
    if not path:
        return None
    return f"{shown(Path(path))}:{line}" if line else shown(Path(path))
