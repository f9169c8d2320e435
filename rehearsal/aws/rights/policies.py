"""What policies allow, as IAM evaluates them. Pure."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: condition key, in lower case -> its values
Context = Mapping[str, tuple[str, ...]]
Policy = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """An action on resources, each of which has to be allowed. ``*``: the action knows no resources."""

    action: str
    resources: tuple[str, ...] = ("*",)
    context: Context = field(default_factory=dict)


class UnknownConditionError(Exception):
    """Part of a policy that is not evaluated here: guessing would allow or refuse what AWS does not."""


def refusal(identity: Sequence[Policy], boundary: Sequence[Policy] | None, asked: Asked) -> tuple[str, str] | None:
    """The resource that is refused, and why in AWS's words; None when everything is allowed."""
    for resource in asked.resources:
        for kind, policies in (("identity-based policy", identity), ("permissions boundary", boundary)):
            if policies is not None and _says(policies, "Deny", asked, resource):
                return resource, f"with an explicit deny in {'an' if kind[0] == 'i' else 'a'} {kind}"
        for kind, policies in (("permissions boundary", boundary), ("identity-based policy", identity)):
            if policies is not None and not _says(policies, "Allow", asked, resource):
                return resource, f"because no {kind} allows the {asked.action} action"
    return None


def _says(policies: Iterable[Policy], effect: str, asked: Asked, resource: str) -> bool:
    return any(
        statement["Effect"] == effect and _applies(statement, asked, resource)
        for policy in policies
        for statement in _list(policy["Statement"])
    )


def _applies(statement: Policy, asked: Asked, resource: str) -> bool:
    return (
        _among(statement, "Action", asked.action, {}, ignore_case=True)
        and _among(statement, "Resource", resource, asked.context)
        and all(
            _holds(operator, key.lower(), _list(values), asked.context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _among(statement: Policy, part: str, name: str, context: Context, *, ignore_case: bool = False) -> bool:
    """Whether the statement's Action (or Resource) covers the name, or its NotAction does not."""
    negated = f"Not{part}" in statement
    items = [_filled(item, context) for item in _list(statement[f"Not{part}" if negated else part])]
    return any(_like(name, item, ignore_case) for item in items) is not negated


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


_VARIABLE = re.compile(r"\$\{([^}]*)}")


def _filled(text: str, context: Context) -> str:
    """The text with its policy variables replaced."""

    def value(found: re.Match[str]) -> str:
        known = context.get(found[1].lower(), ())
        if len(known) != 1:
            raise UnknownConditionError(f"the policy variable in {text}")
        return known[0]

    return _VARIABLE.sub(value, text)


@functools.cache
def _pattern(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    text = "".join(parts.get(letter) or re.escape(letter) for letter in pattern)
    return re.compile(text, re.IGNORECASE | re.DOTALL if ignore_case else re.DOTALL)


def _like(text: str, pattern: str, ignore_case: bool = False) -> bool:
    return bool(_pattern(pattern, ignore_case).fullmatch(text))


def _arn_like(text: str, pattern: str) -> bool:
    """Each of the six parts by itself: a `*` does not reach over a colon."""
    own, wanted = text.split(":", 5), pattern.split(":", 5)
    return len(own) == len(wanted) and all(_like(*pair) for pair in zip(own, wanted, strict=True))


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda own, wanted: own == wanted,
    "StringEqualsIgnoreCase": lambda own, wanted: own.lower() == wanted.lower(),
    "StringLike": _like,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": lambda own, wanted: own.lower() == wanted.lower(),
}
_NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}


def _holds(operator: str, key: str, wanted: list[Any], context: Context) -> bool:
    every, _, rest = operator.rpartition(":")
    name = rest.removesuffix("IfExists")
    words = [str(item).lower() if isinstance(item, bool) else _filled(str(item), context) for item in wanted]
    if name == "Null":
        return (key not in context) == (words == ["true"])
    matches = _OPERATORS.get(_NEGATED.get(name, name))
    if matches is None or every not in ("", "ForAllValues", "ForAnyValue"):
        raise UnknownConditionError(f"the condition operator {operator}")
    own = context.get(key)
    if own is None:
        return rest.endswith("IfExists") or every == "ForAllValues" or (not every and name in _NEGATED)
    found = [any(matches(value, word) for word in words) != (name in _NEGATED) for value in own]
    return all(found) if every == "ForAllValues" else any(found)
