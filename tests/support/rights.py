"""The operator's policy, and what was asked of IAM."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from ansible.module_utils.platform.engine.errors import PlatformError

from rehearsal import REPOSITORY

from .local_aws import LocalAws
from .platform import Platform


def document(name: str) -> dict[str, Any]:
    """A policy of docs/ by the name of its file."""
    content: dict[str, Any] = json.loads((REPOSITORY / f"docs/{name}.json").read_text())
    return content


#: docs/iam-policy-read.json
READER = document("iam-policy-read")
#: that and docs/iam-policy.json
OPERATOR = READER | {"Statement": READER["Statement"] + document("iam-policy")["Statement"]}
#: docs/iam-policy-administrator.json
ADMINISTRATOR = document("iam-policy-administrator")
#: docs/iam-policy-destroy.json, which is attached beside the operator's
DESTROY = document("iam-policy-destroy")


def listed(value: Any) -> list[Any]:
    """One or several values of a policy, as a list."""
    return value if isinstance(value, list) else [value]


def granted(policy: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Sid and action (or pattern) of everything that a policy allows."""
    allowing = [part for part in policy["Statement"] if part["Effect"] == "Allow"]
    return [(part["Sid"], action) for part in allowing for action in listed(part["Action"])]


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


def explained() -> set[str]:
    """The actions that docs/iam.md says nobody misses in a rehearsal."""
    text = (REPOSITORY / "docs/iam.md").read_text().partition("## Rights that a rehearsal does not miss")[2]
    rows = re.findall(r"^\| (`.*?) \|", text.partition("\n## ")[0], flags=re.MULTILINE)
    return {action for row in rows for action in re.findall(r"`([^`]+)`", row)}


#: how a message of ours names an action that is missing
_NAMED = re.compile(r"(?:may not|Grant|you lack) ([a-z0-9]+:[A-Za-z0-9]+\*?)(?![\w*])")


def named(text: str) -> set[str]:
    """The actions that a message tells the operator to ask for."""
    return set(_NAMED.findall(text))


def narrowed(policy: Mapping[str, Any], actions: Iterable[str]) -> dict[str, Any]:
    """The policy with these actions alone, each where and as it is allowed there; what it denies stays denied."""
    wanted, statements = sorted(actions), []
    for part in policy["Statement"]:
        if part["Effect"] == "Deny":
            statements.append(part)
            continue
        kept = [name for name in wanted if any(fnmatchcase(name, item) for item in listed(part["Action"]))]
        if kept:
            statements.append({**part, "Action": kept})
    return {"Version": policy["Version"], "Statement": statements}


def granted_one_by_one(
    aws: LocalAws, start: Iterable[str], until: Iterable[str] = (), attempts: int = 200
) -> list[str]:
    """Provision again and again, each time with the rights that the last run's message asked for, until it succeeds.

    Returns what was asked for, in this order. start: what is allowed from the beginning. until: what ends it earlier,
    when all of it has been asked for. An administrator has been there before.
    """
    Platform(aws, keys=aws.user("administrator", ADMINISTRATOR)).bound()
    have, missed, enough = set(start), list[str](), set(until)
    for _ in range(attempts):
        platform = Platform(aws, keys=aws.user("operator", narrowed(OPERATOR, have)))
        aws.mark()
        try:
            platform.plan()
        except PlatformError as error:
            text = str(error)
        else:
            run = platform.playbook("provision")
            if run.status == 0:
                return missed
            text = run.output
        found = named(text) - have
        assert found, f"with {sorted(have)}, no message names what is missing: {text}"
        assert found <= refused(aws), f"named, but not refused: {sorted(found - refused(aws))}"
        have |= found
        missed += sorted(found)
        if enough and enough <= have:
            return missed
    raise AssertionError(f"still not done after {missed}")
