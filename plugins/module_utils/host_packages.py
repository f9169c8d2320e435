"""The state of a host's packages according to dpkg, and what apt would do; for the task host_packages."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: what the task takes, for its two sides
ARGUMENTS: dict[str, dict[str, Any]] = {
    "present": {"type": "list", "elements": "str", "default": []},
    "absent": {"type": "list", "elements": "str", "default": []},
    "start_services": {"type": "bool", "default": True},
}
#: how old the package lists may be before a package is installed, in seconds
LISTS_LAST = 24 * 60 * 60

#: fields of a stanza of dpkg's status file
_FIELD = re.compile(r"^(Package|Status|Version): (.*)$", re.MULTILINE)
#: a step of `apt-get --simulate`
_STEP = re.compile(r"^(Inst|Remv|Purg) (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Change:
    """What apt has to be asked for."""

    install: list[str] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.install or self.remove)


@dataclass(frozen=True)
class Outcome:
    """Packages that came and went, or would."""

    installed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def result(self, check: bool) -> dict[str, Any]:
        """As a task returns it."""
        return {
            "changed": bool(self.installed or self.removed),
            "installed": self.installed,
            "removed": self.removed,
            "pending": check and bool(self.installed),
        }


def installed(status: str) -> dict[str, str]:
    """Versions by name of the packages that are installed completely, from the text of dpkg's status file."""
    stanzas = (dict(_FIELD.findall(stanza)) for stanza in status.split("\n\n"))
    return {
        fields["Package"]: fields["Version"]
        for fields in stanzas
        # What is wanted (install, hold), whether it is broken, and how far dpkg has come.
        if fields.get("Status", "").split()[1:] == ["ok", "installed"]
    }


def needed(present: Iterable[str], absent: Iterable[str], have: Collection[str]) -> Change:
    """What has to be installed and removed; a version, or a name that only apt understands, is left to apt."""
    return Change(
        install=[name for name in dict.fromkeys(present) if name not in have],
        remove=[name for name in dict.fromkeys(absent) if name in have],
    )


def simulated(output: str) -> Outcome:
    """What `apt-get --simulate` announces. An upgrade is an installation and no removal."""
    steps = _STEP.findall(output)
    return Outcome(
        installed=sorted({name for step, name in steps if step == "Inst"}),
        removed=sorted({name for step, name in steps if step != "Inst"}),
    )


def happened(before: Mapping[str, str], after: Mapping[str, str]) -> Outcome:
    """What differs between the packages of two moments; another version is an installation."""
    return Outcome(
        installed=sorted(name for name, version in after.items() if before.get(name) != version),
        removed=sorted(set(before) - set(after)),
    )


def stale(now: float, fetched: float | None, there: bool) -> bool:
    """Whether the lists of packages have to be fetched before something is installed."""
    return not there or fetched is None or now - fetched > LISTS_LAST


def known(facts: Mapping[str, Any]) -> list[str] | None:
    """The installed packages as an earlier task of this run has found them."""
    found = facts.get("installed_packages")
    return found if isinstance(found, list) else None
