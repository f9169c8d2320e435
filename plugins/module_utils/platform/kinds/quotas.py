"""Quotas of the account that a plan could exceed. Read only when it could; one that cannot be read stops nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..engine.access import Detail, Requests
from ..engine.declaration import Declaration
from ..engine.errors import Problem
from .base import Observation

#: answers for a quota that this account may not read, or that does not exist here
_UNREADABLE = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "NoSuchResourceException",
        "TooManyRequestsException",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)

#: elastic IPs, on-demand vCPUs of standard types; VPCs, rules of a group, groups of a network interface
ADDRESSES, VCPUS = ("ec2", "L-0263D0A3"), ("ec2", "L-1216C47A")
VPCS, RULES, GROUPS = ("vpc", "L-F678F1CE"), ("vpc", "L-0EA8095F"), ("vpc", "L-2AFB9258")


def quota(which: tuple[str, str], needed: Callable[[Declaration, Any], bool]) -> Detail:
    """Ask for a quota when ``needed``, given the declaration and the answer that counts what there is, says so."""
    service, code = which

    def each(declaration: Declaration, answer: Any) -> Requests:
        if needed(declaration, answer):
            yield (code,), {"ServiceCode": service, "QuotaCode": code}

    return Detail(
        service="service-quotas",
        operation="get_service_quota",
        action="servicequotas:GetServiceQuota",
        into="quotas",
        absent=_UNREADABLE,
        each=each,
        value=lambda answer: answer.get("Quota", {}).get("Value"),
    )


def exceeded(
    observation: Observation, which: tuple[str, str], where: str, count: int, what: str, otherwise: str
) -> Iterator[Problem]:
    """A problem when there would be more than the quota allows. what: ``6 elastic IPs``. otherwise: another way out."""
    service, code = which
    limit = observation["quotas"].get(code)
    if limit is not None and count > limit:
        fix = f"{otherwise}, or raise the quota first (Service Quotas, {service}, {code})"
        yield Problem(where, f"{what} would exist, and the account's quota is {limit:g}", fix)
