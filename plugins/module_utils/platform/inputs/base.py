"""Rules of role base: time zone, administrators and their keys, kernel settings."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator, Mapping
from typing import Any

from ..engine.errors import Problem
from ..engine.options import nearest
from ..engine.public_key import wrong_key
from .rules import LABEL, Look, Platform, RoleInput, Values, address, debian_only, keys_spelled, ranges, spelled

#: as Debian's useradd accepts it
_LOGIN = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
#: accounts of the system and of what the roles install
_SYSTEM = frozenset(
    (
        "root",
        "daemon",
        "bin",
        "sys",
        "sync",
        "games",
        "man",
        "lp",
        "mail",
        "news",
        "uucp",
        "proxy",
        "www-data",
        "backup",
        "list",
        "irc",
        "_apt",
        "nobody",
        "messagebus",
        "sshd",
        "mysql",
        "prometheus",
        "valkey",
        "redis",
        "docker",
        "docker-registry",
        "systemd-network",
        "systemd-timesync",
        "_chrony",
        "ssl-cert",
        "sudo",
        "adm",
        "nogroup",
    )
)
_SETTING = re.compile(r"[a-z0-9_*-]+([./][A-Za-z0-9_*-]+)+")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_TIME_SERVER = re.compile(r"[A-Za-z0-9.:-]+")
_SIZE = re.compile(r"[1-9]\d*[KMGT]?")


class Input(RoleInput):
    """base_*."""

    entries = {"base_admins": "admin"}

    def problems(self, values: Values) -> Iterator[Problem]:
        yield from ranges(values, base_journal_days=(1, 3650), base_swap_mib=(0, 65536), base_idle_minutes=(0, 1440))
        yield from _timezone(values.get("base_timezone"))
        fix = "write lower-case letters, digits and hyphens, at most 63"
        yield from spelled("base_hostname", values.get("base_hostname"), LABEL, "the name of a host", fix)
        for name, value in values.get("base_hosts", {}).items():
            yield from address(f"base_hosts.{name}", value)
        fix = "write an address or a host name, e.g. 169.254.169.123"
        for number, server in enumerate(values.get("base_ntp_servers", ())):
            yield from spelled(f"base_ntp_servers.{number}", server, _TIME_SERVER, "a time server", fix)
        for number, package in enumerate(values.get("base_packages", ())):
            fix = "write the name as `apt list` shows it"
            yield from spelled(f"base_packages.{number}", package, _PACKAGE, "the name of a package", fix)
        size = values.get("base_journal_max")
        yield from spelled("base_journal_max", size, _SIZE, "a size", "write a number with K, M, G or T, e.g. 200M")
        fix = "write it as sysctl does, e.g. net.core.somaxconn"
        yield from keys_spelled("base_sysctl", values.get("base_sysctl", {}), _SETTING, "a kernel setting", fix)
        for name, admin in values.get("base_admins", {}).items():
            yield from _admin(f"base_admins.{name}", name, admin)
        login = values.get("base_login_user")
        if login and login in values.get("base_admins", {}):
            fix = "declare its keys in base_login_keys, and the people by names of their own"
            yield Problem(f"base_admins.{login}", "is the image's own user (base_login_user)", fix)
        if values.get("base_login_keys") and not login:
            yield Problem("base_login_user", "is empty, so base_login_keys belong to nobody", "write the image's user")

    def across(self, host: str, values: Values, platform: Platform) -> Iterator[Problem]:
        # One that aws_compute_public_key holds is reported there.
        there = str(platform.aws.get("aws_compute_public_key", ""))
        for number, key in enumerate(values.get("base_login_keys") or () if platform.aws else ()):
            if str(key) != there and (wrong := wrong_key(str(key))):
                yield Problem(f"base_login_keys.{number}", *wrong)

    def on_host(self, values: Values, facts: Mapping[str, Any], look: Look) -> Iterator[Problem]:
        yield from debian_only("base", facts)


def _timezone(value: Any) -> Iterator[Problem]:
    try:
        zoneinfo.ZoneInfo(str(value))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        # Names are compared only when they are needed: listing them takes a while.
        known = zoneinfo.available_timezones()
        near = nearest(str(value), known)
        fix = f"write {near}" if near else "write a zone of the tz database, e.g. Asia/Seoul"
        yield Problem("base_timezone", f"`{value}` is not a time zone", fix)


def _admin(where: str, name: str, admin: Values) -> Iterator[Problem]:
    if not _LOGIN.fullmatch(name):
        fix = f"write `{name.lower()}`" if _LOGIN.fullmatch(name.lower()) else "write one like minsu, in ASCII"
        what = f"`{name}` is not a login name: lower-case letters, digits, `_` and `-`, at most 32"
        yield Problem(where, what, fix)
    elif name in _SYSTEM:
        yield Problem(where, f"`{name}` is an account of the system", "choose another name")
    if admin.get("state") != "absent" and not admin.get("keys"):
        yield Problem(f"{where}.keys", "has no keys: nobody could log in", "give some, or state: absent")
    for number, key in enumerate(admin.get("keys") or ()):
        if wrong := wrong_key(str(key)):
            yield Problem(f"{where}.keys.{number}", *wrong)
