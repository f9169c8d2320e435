"""Rules of role base: time zone, administrators and their keys, kernel settings."""

from __future__ import annotations

import base64
import binascii
import re
import struct
import zoneinfo
from collections.abc import Iterator, Mapping
from typing import Any

from ..engine.errors import Problem
from ..engine.options import nearest
from .rules import LABEL, Look, RoleInput, Values, address, debian_only, keys_spelled, ranges, spelled

#: as useradd of Debian takes it
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
#: OpenSSH's name of a type of key
_KEY_TYPE = re.compile(r"(sk-)?(ssh-(ed25519|rsa|dss)|ecdsa-sha2-nistp(256|384|521))(@openssh\.com)?")


class Input(RoleInput):
    """base_*."""

    entries = {"base_admins": "admin"}

    def problems(self, values: Values) -> Iterator[Problem]:
        yield from ranges(values, base_journal_days=(1, 3650), base_swap_mib=(0, 65536))
        yield from _timezone(values.get("base_timezone"))
        fix = "write lower-case letters, digits and hyphens, at most 63"
        yield from spelled("base_hostname", values.get("base_hostname"), LABEL, "the name of a host", fix)
        for name, value in values.get("base_hosts", {}).items():
            yield from address(f"base_hosts.{name}", value)
        fix = "write an address or a host name, as 169.254.169.123"
        for number, server in enumerate(values.get("base_ntp_servers", ())):
            yield from spelled(f"base_ntp_servers.{number}", server, _TIME_SERVER, "a time server", fix)
        for number, package in enumerate(values.get("base_packages", ())):
            fix = "write the name as `apt list` shows it"
            yield from spelled(f"base_packages.{number}", package, _PACKAGE, "the name of a package", fix)
        size = values.get("base_journal_max")
        yield from spelled("base_journal_max", size, _SIZE, "a size", "write a number with K, M, G or T, as 200M")
        fix = "write it as sysctl does, as net.core.somaxconn"
        yield from keys_spelled("base_sysctl", values.get("base_sysctl", {}), _SETTING, "a kernel setting", fix)
        for name, admin in values.get("base_admins", {}).items():
            yield from _admin(f"base_admins.{name}", name, admin)

    def on_host(self, values: Values, facts: Mapping[str, Any], look: Look) -> Iterator[Problem]:
        yield from debian_only("base", facts)


def _timezone(value: Any) -> Iterator[Problem]:
    try:
        zoneinfo.ZoneInfo(str(value))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        # Names are compared only when they are needed: listing them takes a while.
        known = zoneinfo.available_timezones()
        near = nearest(str(value), known)
        fix = f"write {near}" if near else "write a zone of the tz database, as Asia/Seoul"
        yield Problem("base_timezone", f"`{value}` is not a time zone", fix)


def _admin(where: str, name: str, admin: Values) -> Iterator[Problem]:
    if not _LOGIN.fullmatch(name):
        fix = f"write `{name.lower()}`" if _LOGIN.fullmatch(name.lower()) else "write one as minsu, in ASCII"
        what = f"`{name}` is not a login name: lower-case letters, digits, `_` and `-`, at most 32"
        yield Problem(where, what, fix)
    elif name in _SYSTEM:
        yield Problem(where, f"`{name}` is an account of the system", "give the person a name of their own")
    if admin.get("state") != "absent" and not admin.get("keys"):
        yield Problem(f"{where}.keys", "has no keys: nobody could log in", "give some, or state: absent")
    for number, key in enumerate(admin.get("keys") or ()):
        if wrong := wrong_key(str(key)):
            yield Problem(f"{where}.keys.{number}", *wrong)


def wrong_key(line: str) -> tuple[str, str] | None:
    """What is wrong with an OpenSSH public key, and what to write; None when nothing is."""
    fix = "write the line of the .pub file: ssh-ed25519 AAAA… name"
    if "PRIVATE KEY" in line:
        return "is a PRIVATE key", "take it out at once, make a new pair (ssh-keygen -t ed25519), " + fix
    words = line.split()
    start = next((number for number, word in enumerate(words) if _KEY_TYPE.fullmatch(word)), None)
    if "\n" in line.strip():
        return "has more than one line", "write each key as an item of its own"
    if start is None or len(words) < start + 2:
        return "is not an OpenSSH public key", fix
    kind = words[start]
    try:
        blob = base64.b64decode(words[start + 1], validate=True)
        parts = _parts(blob)
    except (binascii.Error, struct.error, ValueError):
        return f"is not a whole {kind} key; part of it is missing or damaged", fix
    if not parts or parts[0].decode(errors="replace") != kind:
        return f"says {kind}, but holds another type of key or none", fix
    if kind == "ssh-dss":
        return "is a DSA key, which OpenSSH refuses", "make a new one: ssh-keygen -t ed25519"
    if kind == "ssh-ed25519" and [len(part) for part in parts[1:]] != [32]:
        return f"is not a whole {kind} key; part of it is missing or damaged", fix
    if kind == "ssh-rsa":
        if len(parts) != 3:
            return f"is not a whole {kind} key; part of it is missing or damaged", fix
        bits = int.from_bytes(parts[2]).bit_length()
        if bits < 2048:
            return f"is an RSA key of {bits} bits, fewer than 2048", "make a new one: ssh-keygen -t ed25519"
    return None


def _parts(blob: bytes) -> list[bytes]:
    """The strings of an SSH key, each with its length in front. Raises ValueError when one is cut off."""
    parts, at = [], 0
    while at < len(blob):
        (length,) = struct.unpack_from(">I", blob, at)
        at += 4 + length
        if at > len(blob):
            raise ValueError("cut off")
        parts.append(blob[at - length : at])
    return parts
