"""Finds secrets in plain text. Checks values before their templates are filled in. Pure."""

from __future__ import annotations

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
