"""What users of the server log in with. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any


def password_hash(password: str) -> str:
    """What a file of users has of a password."""
    return "#" + hashlib.sha256(password.encode()).hexdigest()


def login_hashes(passwords: Mapping[str, str], present: str) -> dict[str, list[str]]:
    """By user, what it logs in with: the declared password, then those that it had before.

    passwords: by user. present: the server's file of users; empty to let the former ones go.
    """
    before: dict[str, list[str]] = {}
    for words in (line.split() for line in present.splitlines()):
        if words[:1] == ["user"]:
            before[words[1]] = [word for word in words[2:] if word.startswith("#")]
    return {
        user: list(dict.fromkeys([password_hash(password), *before.get(user, [])]))
        for user, password in passwords.items()
    }


class FilterModule:
    """The filters of the role."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"login_hashes": login_hashes}
