"""The administrators of a host: who stays, who goes, whose key is whose. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: the group of the administrators; its members use sudo
GROUP = "admins"
#: accounts below belong to the system
FIRST_UID = 1000
_KEY_TYPE = re.compile(r"(sk-)?(ssh-(ed25519|rsa|dss)|ecdsa-sha2-nistp(256|384|521))(-cert-v01)?(@openssh\.com)?")
_ACCEPTED = re.compile(r"Accepted publickey for (\S+) from \S+ port \d+ ssh2: \S+ (SHA256:\S+)")
#: a process of a container may have the number of a user of the host by chance
_CONTAINER = re.compile(r"/(docker|containerd|cri-containerd|libpod|kubepods)[-/]")


@dataclass(frozen=True)
class Account:
    """A line of /etc/passwd."""

    name: str
    uid: int
    gid: int
    home: str


@dataclass(frozen=True)
class Process:
    """A process: its parent, its users (real, effective, saved, file system), control group, and who logged in."""

    pid: int
    parent: int
    uids: frozenset[int]
    cgroup: str
    login: int


@dataclass(frozen=True)
class Login:
    """How somebody came in."""

    user: str
    fingerprint: str


def accounts(passwd: str) -> dict[str, Account]:
    """Every account, by name."""
    rows = (line.split(":") for line in passwd.splitlines() if line.count(":") >= 6)
    return {row[0]: Account(row[0], int(row[2]), int(row[3]), row[5]) for row in rows}


def members(groups: str) -> set[str]:
    """Whom /etc/group has in the administrators' group."""
    rows = (line.split(":") for line in groups.splitlines() if line.startswith(f"{GROUP}:"))
    return {member for row in rows for member in row[3].split(",") if member}


def first_members(groups: str, known: Mapping[str, Account]) -> set[str]:
    """Whose first group it is: they are in it all the same."""
    numbers = {int(line.split(":")[2]) for line in groups.splitlines() if line.startswith(f"{GROUP}:")}
    return {account.name for account in known.values() if account.gid in numbers}


def present(admins: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """The keys of those who are declared to be administrators."""
    return {
        name: list(entry.get("keys") or ())
        for name, entry in admins.items()
        if entry.get("state", "present") == "present"
    }


def leavers(
    admins: Mapping[str, Mapping[str, Any]], managed: Iterable[str], known: Mapping[str, Account], login: str
) -> list[Account]:
    """Whose access goes: of the managed and of those declared absent, everybody who is not declared present."""
    asked = {*managed, *admins} - set(present(admins)) - {login, "root"}
    return [known[name] for name in sorted(asked) if name in known]


def key(line: str) -> str:
    """A line of authorized_keys without its comment: options, type and key; "" when it holds no key."""
    words = line.split()
    start = next((number for number, word in enumerate(words) if _KEY_TYPE.fullmatch(word)), None)
    if line.lstrip().startswith("#") or start is None or len(words) < start + 2:
        return ""
    return " ".join(words[: start + 2])


def keys(text: str) -> list[str]:
    """The keys of an authorized_keys file, sorted."""
    return sorted({found for line in text.splitlines() if (found := key(line))})


def same_keys(text: str, declared: Iterable[str]) -> bool:
    """Whether a file has the declared keys and no others."""
    return keys(text) == keys("\n".join(declared))


def content(declared: Iterable[str]) -> str:
    """An authorized_keys file of the declared keys."""
    return "".join(f"{line.strip()}\n" for line in declared)


def fingerprint(line: str) -> str:
    """The fingerprint of a key as sshd writes it."""
    try:
        blob = base64.b64decode(key(line).split()[-1], validate=True)
    except (IndexError, binascii.Error):
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def came_in(journal: str) -> Login | None:
    """Who logged in with which key, by what sshd wrote last."""
    found = _ACCEPTED.findall(journal)
    return Login(*found[-1]) if found else None


def locked_out(
    came: Login, admins: Mapping[str, Mapping[str, Any]], login: str, login_keys: Sequence[str], gone: Collection[str]
) -> str:
    """Why the next run could not log in as this one did; "" when it could."""
    if came.user in gone:
        return (
            f"this run logged in as {came.user}, whose access it would take. Log in as somebody who stays, or declare "
            f"{came.user} in base_admins"
        )
    declared = {**present(admins), **({login: list(login_keys)} if login_keys else {})}
    if came.user not in declared or came.fingerprint in map(fingerprint, declared[came.user]):
        return ""
    where = "base_login_keys" if came.user == login else f"base_admins.{came.user}.keys"
    return (
        f"this run logged in as {came.user} with the key {came.fingerprint}, which is not in {where}: the next one "
        "could not log in. Declare this key and the new one, configure, log in with the new one, and take this one out "
        "of the declaration then"
    )


def belonging(processes: Iterable[Process], uid: int, spared: Collection[int] = ()) -> set[int]:
    """The processes of a user: their own, those of their sessions, what sudo started, and what descends from these."""
    table = {process.pid: process for process in processes if not _CONTAINER.search(process.cgroup)}
    found = {
        process.pid
        for process in table.values()
        if uid in process.uids or uid == process.login or f"/user-{uid}.slice/" in process.cgroup
    }
    while more := {process.pid for process in table.values() if process.parent in found} - found:
        found |= more
    return found - {0, 1, *spared}
