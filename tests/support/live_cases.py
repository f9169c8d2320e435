"""Small accounts that people made by hand: built with boto3, planned, provisioned, planned again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.platform.engine.errors import PlatformError
from ansible.module_utils.platform.engine.render import render
from ansible.module_utils.platform.kinds import KINDS

from .local_aws import LocalAws
from .plan_calls import mismatches
from .platform import Platform, declared, lock_bucket

#: what a case's account is built into: names and ids that its later steps need
Made = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One account.

    report: the public report that it follows. build: makes the account; what it returns is handed to ``after``.
    declare: variables that differ from a declaration that declares nothing; may use what ``build`` returned.
    says: texts that the plan prints. silent: texts that it does not print. refused: texts of the error that stops it.
    after: asserts what the account holds when it has been provisioned. converges: whether nothing is left to do then.
    """

    name: str
    report: str
    build: Callable[[LocalAws], Made]
    declare: Callable[[Made], Mapping[str, Any]]
    says: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    after: Callable[[LocalAws, Made], None] = field(default=lambda aws, made: None)
    converges: bool = True

    def __str__(self) -> str:
        return self.name


def nothing() -> dict[str, Any]:
    """A declaration without any entry."""
    empty: dict[str, Any] = {variable: {} for variable in KINDS.entries() if "*" not in variable}
    # Neither may the defaults of entries name an entry.
    for kind in KINDS:
        if kind.defaults:
            named = {field for field in kind.refers if "." not in field}
            empty[kind.defaults] = {key: value for key, value in declared()[kind.defaults].items() if key not in named}
    return empty


def run(case: Case, aws: LocalAws) -> None:
    """Go through one case from an empty account."""
    aws.reset(empty=True)
    made, platform = case.build(aws), Platform(aws)
    variables = {**nothing(), **case.declare(made)}
    if variables["aws_storage_buckets"]:
        # Whoever declares buckets declares that of the lock.
        variables["aws_storage_buckets"] = {**variables["aws_storage_buckets"], lock_bucket(): {}}
    filled = {text: text.format(**made) for text in (*case.says, *case.silent, *case.refused)}
    if case.refused:
        aws.mark()
        try:
            plan = platform.plan(**variables)
        except PlatformError as error:
            missing = [filled[text] for text in case.refused if filled[text] not in str(error)]
            assert not missing, f"{missing} not in:\n{error}"
            assert not aws.writes()
            return
        raise AssertionError(f"not refused:\n{render(plan)}")
    plan = platform.plan(**variables)
    text = render(plan)
    missing = [filled[part] for part in case.says if filled[part] not in text]
    assert not missing, f"{missing} not in:\n{text}"
    extra = [filled[part] for part in case.silent if filled[part] in text]
    assert not extra, f"{extra} in:\n{text}"
    if not variables["aws_storage_buckets"]:
        # The lock's bucket is there: no plan would announce it.
        where = {"LocationConstraint": declared()["aws_region"]}
        aws.client("s3").create_bucket(Bucket=lock_bucket(), CreateBucketConfiguration=where)
    aws.mark()
    # What hosts offer, and who has to reach it, are of KOIN alone.
    platform.provision(**variables, platform_offers={}, platform_reach={})
    writes, again = aws.writes(), platform.plan(**variables)
    assert mismatches(plan.writes, writes, again.registry) == []
    assert not case.converges or not again.writes, render(again)
    case.after(aws, made)
