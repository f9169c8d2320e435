"""The operator's policy, and what was asked of IAM."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from rehearsal import REPOSITORY

from .local_aws import LocalAws

#: docs/iam-policy.json
OPERATOR: dict[str, Any] = json.loads((REPOSITORY / "docs/iam-policy.json").read_text())


def listed(value: Any) -> list[Any]:
    """One or several values of a policy, as a list."""
    return value if isinstance(value, list) else [value]


def granted(policy: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Sid and action (or pattern) of everything that a policy allows."""
    return [(part["Sid"], action) for part in policy["Statement"] for action in listed(part["Action"])]


def denied(*actions: str) -> dict[str, Any]:
    """A policy that takes actions away, whatever others allow."""
    statement = {"Sid": "Taken", "Effect": "Deny", "Action": list(actions), "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def used(requests: Iterable[Mapping[str, Any]]) -> set[str]:
    """The actions that IAM was asked for and allowed."""
    return {one["action"] for request in requests for one in request.get("asked", ()) if one["allowed"]}


def refused(aws: LocalAws) -> set[str]:
    """The actions that IAM was asked for and refused, since the last mark."""
    return {one["action"] for request in aws.requests() for one in request.get("asked", ()) if not one["allowed"]}


def unused(policy: Mapping[str, Any], asked: Iterable[str]) -> set[tuple[str, str]]:
    """Sid and action of what a policy allows and nobody asked for."""
    names = set(asked)
    return {(sid, action) for sid, action in granted(policy) if not any(fnmatchcase(name, action) for name in names)}
