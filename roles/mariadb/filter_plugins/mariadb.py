"""What statements change the passwords of accounts. No I/O."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

#: Comes with the server, and every client speaks it.
PLUGIN = "mysql_native_password"
#: what the server keeps of a password; anything else is no password, or none at all
_HASH = re.compile(r"\*[0-9A-F]{40}")


def password_hash(password: str) -> str:
    """What the server keeps of a password: ``PASSWORD()`` of it."""
    once = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(once, usedforsecurity=False).hexdigest().upper()


def literal(text: str) -> str:
    """A string of SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _accepted(row: Mapping[str, Any]) -> list[str]:
    """Hashes that an account logs in with, the first one first; in ``others`` its place is an empty object."""
    others = json.loads(row.get("others") or "[]")
    own = [row["hash"], *(item.get("authentication_string") for item in others if item.get("plugin") == PLUGIN)]
    return [item for item in own if _HASH.fullmatch(item or "")]


def password_changes(
    accounts: Iterable[tuple[Mapping[str, Any], str]], live: Iterable[Mapping[str, Any]], keep: bool
) -> list[str]:
    """Statements after which each account logs in with its declared password.

    accounts: pairs of an entry of users (``key``, ``value``) and one of its hosts.
    live: accounts with a password: ``user``, ``host``, ``hash``, and ``others`` (JSON) if it has several.
    keep: whether the passwords that it had before count as well, for as long as programs still log in with them.
    """
    known = {(row["user"], row["host"]): _accepted(row) for row in live}
    return list(_changes(accounts, known, keep))


def _changes(
    accounts: Iterable[tuple[Mapping[str, Any], str]], known: Mapping[tuple[str, str], list[str]], keep: bool
) -> Iterator[str]:
    for entry, host in accounts:
        password, before = entry["value"].get("password"), known.get((entry["key"], host))
        # Others are created, or have no password.
        if password is None or before is None:
            continue
        declared = password_hash(password)
        wanted = [declared, *(item for item in before if keep and item != declared)]
        if wanted != before:
            ways = " OR ".join(f"{PLUGIN} USING {literal(item)}" for item in wanted)
            yield f"ALTER USER {literal(entry['key'])}@{literal(host)} IDENTIFIED VIA {ways}"


class FilterModule:
    """The filters of the role."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"password_changes": password_changes}
