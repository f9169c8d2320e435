"""Finds secrets in plain text, and takes them out of what is kept. Pure.

The check is of values whose templates are not filled in.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .engine.errors import Problem

#: keys that hold a secret, going by their name
_SECRET_KEY = re.compile(r"(^|_)(pass|passwd|password|passphrase|secret|token|(private|api|access|secret)_key)$", re.I)
#: keys that only look like one: a public half, the name of a key
_NO_SECRET = re.compile(r"(^|_)(public_key|key_pair|access_key_id)$", re.I)
#: what is a secret wherever it appears
_SECRET_VALUE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bA(KI|SI)A[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}"
    r"|\bxox[abprs]-[0-9A-Za-z-]{10,}"
    r"|https://hooks\.slack\.com/services/\S+|https://(?:\w+\.)?discord(?:app)?\.com/api/webhooks/\S+"
)
#: not a secret: a value that says so itself (such as the local AWS's password), and the path of a parameter or file
_NONE = re.compile(r"not-a-secret\b.*|(/[A-Za-z0-9_.-]+){2,}", re.DOTALL)
_FIX = 'declare it in secrets_parameters, write "{{ platform_secrets.… }}", and change it: the old one is exposed'


def literal_secrets(variables: Mapping[str, Any], paths: Mapping[str, re.Pattern[str]]) -> Iterator[Problem]:
    """Secrets in plain text among raw variables.

    paths: patterns of paths that hold a secret, whatever they are called.
    """
    for name, value in variables.items():
        if not name.startswith("ansible_") and name not in ("hostvars", "groups", "secrets_values", "vars"):
            yield from _walk(name, value, list(paths.values()))


def _walk(where: str, value: Any, paths: list[re.Pattern[str]]) -> Iterator[Problem]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _walk(f"{where}.{key}", item, paths)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _walk(f"{where}.{number}", item, paths)
    elif isinstance(value, str) and "{{" not in value and not _NONE.fullmatch(value):
        key = where.rpartition(".")[2]
        named = bool(_SECRET_KEY.search(key)) and not _NO_SECRET.search(key)
        if value and (named or _SECRET_VALUE.search(value) or any(path.fullmatch(where) for path in paths)):
            yield Problem(where, "is a secret in plain text", _FIX)


def masked(value: Any, key: str = "") -> Any:
    """The value as it may be kept: each secret in it is a digest, by which one only sees whether it has changed."""
    if isinstance(value, Mapping):
        # A change names the field whose values it has.
        field = str(value["field"]) if "field" in value else ""
        return {name: masked(item, field if name in ("before", "after") else str(name)) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked(item, key) for item in value]
    if isinstance(value, str) and value and not _NONE.fullmatch(value):
        last = key.rpartition(".")[2]
        if (_SECRET_KEY.search(last) and not _NO_SECRET.search(last)) or _SECRET_VALUE.search(value):
            return f"(secret {hashlib.sha256(value.encode()).hexdigest()[:8]})"
    return value
