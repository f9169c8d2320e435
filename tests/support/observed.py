"""The planner on literals: a declaration and answers of AWS in, a plan out."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.platform.engine.declaration import Declaration
from ansible.module_utils.platform.engine.errors import Problem
from ansible.module_utils.platform.engine.model import Plan
from ansible.module_utils.platform.engine.plan import plan
from ansible.module_utils.platform.kinds import KINDS

ACCOUNT = "123456789012"


def declaration_of(declared: dict[str, Any]) -> Declaration:
    """A declaration that is taken as it is."""
    return Declaration({"aws_region": "ap-northeast-2", **declared}, account=ACCOUNT)


def plan_of(declared: dict[str, Any], **observed: Any) -> Plan:
    """The plan. observed: subjects of the snapshot; the others are empty."""
    return plan(declaration_of(declared), KINDS.empty() | observed, KINDS)


def changes_of(result: Plan, kind: str) -> dict[str, tuple[Any, Any]]:
    """What changes in resources of a kind: before and after by field."""
    return {
        change.field: (change.before, change.after)
        for action in result.of("change", "replace")
        if action.kind == kind
        for change in action.changes
    }


def refusals(declared: dict[str, Any], **observed: Any) -> list[Problem]:
    """What the account rules out, before anything is written."""
    return list(KINDS.check_account(declaration_of(declared), KINDS.empty() | observed))
