"""References to another resource's id, ARN and the like, which may be unknown until that resource is created.

A declaration refers by name. Where AWS needs an id inside a value (an ARN in a policy, an alias target) the desired
value holds a token ``${kind:name:attribute}``. It is resolved from the registry while planning where the resource
exists, and again while applying, when the resources that the same run has created are known.

The first part of a token has to be a kind: a shell script in user data has its own ``${name:offset:length}``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from .model import Registry

_TOKEN = re.compile(r"\$\{(\w+):([^:}]+):(\w+)\}")


def ref(kind: str, name: str, attribute: str = "id") -> str:
    """The token for an attribute of a declared resource."""
    return f"${{{kind}:{name}:{attribute}}}"


def resolve(value: Any, registry: Registry) -> Any:
    """``value`` with every token replaced that the registry knows; unknown ones stay."""
    if isinstance(value, str):
        return _TOKEN.sub(lambda m: str(registry.get(m[1], {}).get(m[2], {}).get(m[3], m[0])), value)
    if isinstance(value, dict):
        return {resolve(key, registry): resolve(item, registry) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [resolve(item, registry) for item in value]
    return value


def tokens(value: Any, kinds: Collection[str]) -> list[tuple[str, str, str]]:
    """Kind, name and attribute of each token of these kinds in ``value``."""
    if isinstance(value, str):
        found = _TOKEN.findall(value) if "${" in value else ()
        return [(kind, name, attribute) for kind, name, attribute in found if kind in kinds]
    if isinstance(value, dict):
        return [token for pair in value.items() for part in pair for token in tokens(part, kinds)]
    if isinstance(value, (list, tuple)):
        return [token for item in value for token in tokens(item, kinds)]
    return []


def unresolved(value: Any, kinds: Collection[str]) -> list[str]:
    """The tokens of these kinds still in ``value``, as ``kind name attribute``."""
    return [" ".join(token) for token in tokens(value, kinds)]


def readable(text: str, kinds: Collection[str]) -> str:
    """Text for people: a token of these kinds reads ``(instance KOIN_PROD id, known after apply)``."""
    return _TOKEN.sub(lambda m: f"({m[1]} {m[2]} {m[3]}, known after apply)" if m[1] in kinds else m[0], text)
