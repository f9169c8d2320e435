"""A move, where it is tried from, and the control that shows that it is no typo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Origin(StrEnum):
    """Who tries. Scripts of a container are Python, since it has no shell tools; a role calls AWS."""

    CONTAINER = "container on stage"
    ROOT = "root on stage"
    PYTHON = "root on stage (Python)"
    ROLE = "role of stage"
    # Only in controls: where the same is allowed.
    PROD = "root on koin-prod"
    DB = "root on koin-db"
    BUILD = "root on bcsd-build"
    INTERNAL = "root on bcsdlab-internal"
    PROD_CONTAINER = "container on production"
    DB_PYTHON = "root on koin-db (Python)"
    BUILD_PYTHON = "root on bcsd-build (Python)"
    INTERNAL_PYTHON = "root on bcsdlab-internal (Python)"
    CONTROLLER = "an administrator's machine"
    OPERATOR = "operator"


#: hosts of those that are root there, and the interpreter of what they run
SHELLS: Mapping[Origin, tuple[str, str]] = {
    Origin.ROOT: ("koin-stage", "bash"),
    Origin.PYTHON: ("koin-stage", "python3"),
    Origin.PROD: ("koin-prod", "bash"),
    Origin.DB: ("koin-db", "bash"),
    Origin.BUILD: ("bcsd-build", "bash"),
    Origin.INTERNAL: ("bcsdlab-internal", "bash"),
    Origin.DB_PYTHON: ("koin-db", "python3"),
    Origin.BUILD_PYTHON: ("bcsd-build", "python3"),
    Origin.INTERNAL_PYTHON: ("bcsdlab-internal", "python3"),
}
CONTAINERS: Mapping[Origin, tuple[str, str]] = {
    Origin.CONTAINER: ("koin-stage", "koin-stage_api"),
    Origin.PROD_CONTAINER: ("koin-prod", "koin-prod_api"),
}
CALLERS: Mapping[Origin, str] = {Origin.ROLE: "koin-stage", Origin.OPERATOR: ""}
#: whose scripts are Python
PYTHON = {*CONTAINERS, *(origin for origin, (_, program) in SHELLS.items() if program == "python3")}


@dataclass(frozen=True)
class Control:
    """The same move where it is allowed: from elsewhere, or with other values. It has to succeed.

    watched: where its packet is to arrive, if not where that of the move is.
    """

    origin: Origin
    values: Mapping[str, str] = field(default_factory=dict)
    watched: str = ""


@dataclass(frozen=True)
class Move:
    """Something that an attacker tries.

    command: a script with places for values, as @name@; `service operation {arguments}` for a role. The script's exit
    status is printed last, as rc=N. won: what its output looks like when it has succeeded (regular expression).
    watched: the host at whose network interface a packet is to be seen, with @mark@ in it.
    """

    name: str
    origin: Origin
    command: str
    control: Control
    values: Mapping[str, str] = field(default_factory=dict)
    won: str = r"^rc=0$"
    watched: str = ""
