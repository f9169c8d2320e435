"""What is wrong with the variables that belong to no role: region, account, environment, tags. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .checks import formatted, listed
from .declaration import Declaration
from .errors import Problem
from .formats import tag_key, tag_value
from .options import nearest, shown


def common_problems(declaration: Declaration, regions: Mapping[str, str]) -> Iterator[Problem]:
    """regions: what AWS calls each of its regions, by id; empty when unknown."""
    yield from _region(declaration.region, regions)
    yield from account_problems(declaration)
    for name, value in declaration.value("aws_environment", {}).items():
        if value is not None and not isinstance(value, str):
            what = f"{shown(value)} is not text, as every environment variable is"
            yield Problem(f"aws_environment.{name}", what, f'write "{value}" in quotes')
    yield from formatted({"@": tag_key, "*": tag_value}, declaration.value("aws_tags", {}), "aws_tags")


def _region(region: str, regions: Mapping[str, str]) -> Iterator[Problem]:
    if not regions or region in regions:
        return
    called = {re.sub(r".*\((.*)\)", r"\1", name): id_ for id_, name in regions.items()}
    # `Seoul`, or its zone `ap-northeast-2a`, or a typo.
    same = next((id_ for name, id_ in called.items() if name.lower() == region.strip().lower()), "")
    near = same or (region[:-1] if region[:-1] in regions else nearest(region.lower(), regions))
    city = next((name for name, id_ in called.items() if id_ == near), "")
    here = sorted(regions, key=lambda id_: (id_[:3] != region[:3] if region[2:3] == "-" else id_[:3] != "ap-", id_))
    fix = f"write {near} ({city})" if near else f"write its id, e.g. {listed(here[:12])}"
    yield Problem("aws_region", f"{shown(region)} is not an AWS region", fix)


def account_problems(declaration: Declaration) -> Iterator[Problem]:
    """Without it, everything would be written to whatever account the credentials are for."""
    account = declaration.declared_account
    where = declaration.ACCOUNT
    if account and not re.fullmatch(r"[0-9]{12}", account):
        digits = re.sub(r"[\s-]", "", account)
        fix = 'write its 12 digits in quotes, e.g. "123456789012"'
        if re.fullmatch(r"[0-9]{12}", digits):
            fix = f'write "{digits}"'
        elif account.isdigit() and len(account) < 12:
            fix += "; zeros at the beginning are lost without quotes"
        yield Problem(where, f"{shown(account)} is not an account id", fix)
    elif not account and not stand_in(declaration.value("aws_environment", {})):
        what = "is empty: everything would be written to whatever account the credentials are for"
        fix = 'write aws_account_id: "123456789012" in inventories/production/hosts.yml, with the 12 digits of yours'
        yield Problem(where, what, f"{fix} (`aws sts get-caller-identity` shows them)")


def stand_in(environment: Mapping[str, Any]) -> str:
    """The endpoint that stands in for AWS; empty where AWS itself is asked, as in production."""
    return str(environment.get("AWS_ENDPOINT_URL") or "").strip()
