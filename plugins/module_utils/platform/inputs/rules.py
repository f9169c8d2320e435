"""Rules for the input of host roles that argument specs cannot express: across fields, ranges, formats. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from ..engine.errors import Problem
from ..engine.options import nearest, shown

#: what a rule gets: the role's variables by name, with types and the defaults of entries applied
Values = Mapping[str, Any]
#: gives another variable of the role on this host, with its template filled in
Look = Callable[[str], Any]

#: a host name in full, as in DNS
HOST_NAME = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])")
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
ACCOUNT = re.compile(r"[A-Za-z0-9_.-]+")
DURATION = re.compile(r"(\d+(ms|[smhdwy]))+")
SIZE = re.compile(r"[1-9]\d*[KMGT]")


@dataclass(frozen=True)
class Platform:
    """Everything declared, for rules about how hosts fit together.

    hosts: by host and role, the values of each role that the host gets.
    aws: the aws_* variables; empty when something is wrong with them.
    instances: by host, its key in aws_compute_instances.
    """

    hosts: Mapping[str, Mapping[str, Values]]
    aws: Mapping[str, Any] = field(default_factory=dict)
    instances: Mapping[str, str] = field(default_factory=dict)

    def values(self, host: str, role: str) -> Values:
        """The variables of a role on a host; empty when the host does not get it."""
        return self.hosts.get(host, {}).get(role, {})


class RoleInput:
    """The input of one role. A role without rules of its own needs no class.

    entries: what is keyed by name -> the entry point that describes one, e.g. ``app_stacks.*.services``.
    records: variables that hold one mapping, or {} for none -> the entry point that describes it.
    secrets: paths of secrets that the specs cannot mark with ``no_log``, ``*`` for any key.
    needs: roles whose values ``across`` compares with; it is not called while those have problems.
    """

    entries: ClassVar[Mapping[str, str]] = {}
    records: ClassVar[Mapping[str, str]] = {}
    secrets: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, folder: Path) -> None:
        """folder: the role's, for rules about files that it ships."""
        self.folder = folder

    def problems(self, values: Values) -> Iterator[Problem]:
        """What is wrong with these values by themselves."""
        yield from ()

    def across(self, host: str, values: Values, platform: Platform) -> Iterator[Problem]:
        """What does not fit the rest of the platform."""
        yield from ()

    def on_host(self, values: Values, facts: Mapping[str, Any], look: Look) -> Iterator[Problem]:
        """What only the running host shows: its release, its memory."""
        yield from ()

    def listens(self, values: Values) -> Iterator[tuple[int, str, str]]:
        """(port, address, variable) of what listens beyond loopback."""
        yield from ()


# --- Helpers for rules -----------------------------------------------------------------------------------------------


def in_range(where: str, value: Any, low: float, high: float | None = None, unit: str = "") -> Iterator[Problem]:
    """A number lies between two others."""
    if not isinstance(value, int | float):
        return
    if value < low or (high is not None and value > high):
        span = f"from {low} to {high}" if high is not None else f"of {low} or more"
        yield Problem(where, f"{value} is out of range", f"write a number {span}{unit and ' ' + unit}")


def ranges(values: Values, **limits: tuple[float, float | None]) -> Iterator[Problem]:
    """Several variables at once: ``ranges(values, app_timeout_seconds=(1, 3600))``."""
    for name, (low, high) in limits.items():
        yield from in_range(name, values.get(name), low, high)


def port(where: str, value: Any, *, none: bool = False) -> Iterator[Problem]:
    """A TCP port; none: whether 0 means none."""
    if isinstance(value, int) and not (1 <= value <= 65535 or (none and value == 0)):
        yield Problem(
            where, f"{value} is not a port", "write one from 1 to 65535" + (", or 0 for none" if none else "")
        )


def ports(values: Values, *names: str) -> Iterator[Problem]:
    """Variables that hold a port."""
    for name in names:
        yield from port(name, values.get(name))


def address(where: str, value: Any) -> Iterator[Problem]:
    """An IP address."""
    try:
        ipaddress.ip_address(str(value))
    except ValueError:
        yield Problem(where, f"{shown(value)} is not an IP address", "write one like 172.31.0.10")


def network(where: str, value: Any, *, bare: bool = True) -> Iterator[Problem]:
    """A range of addresses; bare: whether an address without a prefix length is allowed."""
    text = str(value)
    if not bare and "/" not in text:
        yield Problem(
            where, f"{shown(value)} is not a range of addresses", f"write the prefix length too, e.g. {text}/24"
        )
        return
    try:
        ipaddress.ip_network(text)
    except ValueError:
        try:
            fix = f"write {ipaddress.ip_network(text, strict=False)}, or one address as {text.partition('/')[0]}/32"
        except ValueError:
            fix = "write one like 203.0.113.0/24; the length is at most 32"
        yield Problem(where, f"{shown(value)} is not a range of addresses", fix)


def networks(where: str, values: Iterable[Any]) -> Iterator[Problem]:
    """Every item of a list is a range."""
    for number, value in enumerate(values or ()):
        yield from network(f"{where}.{number}", value)


def spelled(where: str, value: Any, pattern: re.Pattern[str], what: str, fix: str) -> Iterator[Problem]:
    """A text matches the pattern as a whole."""
    if not pattern.fullmatch(str(value)):
        yield Problem(where, f"{shown(value)} is not {what}", fix)


def keys_spelled(
    where: str, mapping: Mapping[str, Any], pattern: re.Pattern[str], what: str, fix: str
) -> Iterator[Problem]:
    """Every key of a mapping matches the pattern; a problem is reported at its key."""
    for key in mapping:
        yield from spelled(f"{where}.{key}", key, pattern, what, fix)


def one_of(where: str, value: str, known: Iterable[str], what: str, *, declare: str = "") -> Iterator[Problem]:
    """A name that has to be a known one; the message lists those."""
    names = sorted(map(str, known))
    if value in names:
        return
    near = nearest(value, names)
    listed = f"known here: {', '.join(names)}" if names else "there is none yet"
    fix = f"write `{near}`" if near else declare or "write a known one"
    yield Problem(
        where, f"{shown(value)} is not {what}; {listed}", fix + (f", or {declare}" if near and declare else "")
    )


def host_port(where: str, value: Any, example: str = "127.0.0.1:8080") -> Iterator[Problem]:
    """``address:port``."""
    match = re.fullmatch(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):(\d+)", str(value))
    if not match:
        yield Problem(where, f"{shown(value)} is not address:port", f"write both, e.g. {example}")
    else:
        yield from port(where, int(match[2]))


def long_enough(where: str, value: Any, at_least: int, at_most: int | None = None) -> Iterator[Problem]:
    """A password of some length. It is not shown."""
    length = len(str(value or ""))
    if length < at_least or (at_most and length > at_most):
        span = f"{at_least} to {at_most}" if at_most else f"at least {at_least}"
        what = "is empty" if not length else f"has {length} characters"
        yield Problem(where, f"the password {what}", f"use one of {span} characters, from secrets_parameters")


def debian_only(role: str, facts: Mapping[str, Any]) -> Iterator[Problem]:
    """The host is one that the role can set up."""
    if facts.get("os_family") != "Debian":
        what = f"the host runs {facts.get('distribution')}; role {role} is for Debian and Ubuntu"
        yield Problem(role, what, "use another image, or remove the role from the host")
