"""Changes made behind the platform's back, one for each field that is declared. Plain boto3, plain literals.

One file for each file of kinds/. It has ``DRIFTS`` and ``DELETIONS``, and ``RENAMED`` for tags that are not to be
changed.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from ansible.module_utils.platform.kinds import KINDS

from .model import Account, Drift

__all__ = ["DELETIONS", "DRIFTS", "RENAMED", "Account", "Drift"]

_SERVICES = list(dict.fromkeys(type(kind).__module__.rpartition(".")[2] for kind in KINDS))
_TABLES = {name: import_module(f"{__name__}.{name}") for name in _SERVICES}

#: by service, so that one provisioning repairs a group
DRIFTS: dict[str, list[Drift]] = {name: table.DRIFTS for name, table in _TABLES.items()}
#: kind and name -> how to delete it
DELETIONS: dict[tuple[str, str], Callable[[Account], object]] = {
    key: delete for table in _TABLES.values() for key, delete in table.DELETIONS.items()
}
#: kind and field, of tags by which a resource is recognised
RENAMED: set[tuple[str, str]] = {pair for table in _TABLES.values() for pair in getattr(table, "RENAMED", ())}
