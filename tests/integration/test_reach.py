"""Who reaches whom: `reach.yml` on an account, and what plan and provision say and refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.platform.engine.context import Context
from ansible.module_utils.platform.engine.model import Plan
from ansible.module_utils.platform.engine.workflow import plan_for
from ansible.module_utils.platform.kinds import KINDS
from ansible.module_utils.platform.reach.declared import declared
from ansible.module_utils.platform.reach.matrix import as_data
from ansible.module_utils.platform.reach.model import Network
from ansible.module_utils.platform.reach.observed import KINDS as PARTS
from ansible.module_utils.platform.reach.observed import observed

from tests.support import platform
from tests.support.checkout import Checkout
from tests.support.local_aws import LocalAws
from tests.support.platform import Platform, specs
from tests.support.rights import ADMINISTRATOR, OPERATOR


class Built:
    """The platform, provisioned into an empty account, and what was foretold."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        self.platform = Platform(aws, keys=aws.user("operator", OPERATOR))
        Platform(aws, keys=aws.user("administrator", ADMINISTRATOR)).bound()
        self.planned = self.platform.playbook("plan")
        self.foretold = declared(self.context())
        self.provisioned = self.platform.provision()
        self.seen = observed(self.context())

    def context(self) -> Context:
        """What planning knows of the account now."""
        found: list[Context] = []

        def keep(context: Context, plan: Plan) -> Plan:
            found.append(context)
            return plan

        raw = platform.declared() | {"aws_compute_public_key": platform.PUBLIC_KEY}
        environment = raw["aws_environment"] | self.aws.environ
        plan_for(raw, specs(), environment, KINDS, only=PARTS, review=keep)
        return found[0]


def _cells(network: Network) -> list[dict[str, Any]]:
    """Who reaches whom; the rules behind it have other names once they exist."""
    return [{key: value for key, value in cell.items() if key != "why"} for cell in as_data(network)["cells"]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """The platform in an account of its own."""
    with LocalAws(tmp_path_factory.mktemp("reach")) as aws:
        aws.reset()
        yield Built(aws)


def test_after_is_what_is_observed_after_provisioning(built: Built) -> None:
    foretold, seen = (_cells(network) for network in (built.foretold, built.seen))
    assert foretold == seen
    assert len(seen) > 20


def test_a_plan_says_what_it_opens(built: Built) -> None:
    assert built.planned.status == 0
    assert "opens: internet → BCSD_Build, BCSDLAB_INTERNAL, KOIN_STAGE, KOIN_PROD tcp/80, 443" in built.planned.output


def test_reach_shows_who_reaches_whom(built: Built) -> None:
    run = built.platform.playbook("reach")
    assert run.status == 0
    assert re.search(r"→ KOIN_DB\n +administrators +tcp/22222\n", run.output)
    assert "provision.yml would change" not in run.output


def test_reach_explains_one_path(built: Built) -> None:
    run = built.platform.playbook("reach", **{"from": "KOIN_STAGE"}, to="koin-db", port=3306)
    assert run.status == 0
    assert "KOIN_STAGE → KOIN_DB tcp/3306: passes" in run.output
    assert re.search(r"platform_offers\.mysql \(group_vars/all/offers\.yml:\d+\)", run.output)


def test_a_closed_path_ends_with_another_status(built: Built) -> None:
    run = built.platform.playbook("reach", **{"from": "internet"}, to="KOIN_DB", port=3306)
    assert run.status == 2
    assert "DENY  security groups, ingress: no rule of DB, SSH allows it" in run.output
    assert (
        built.platform.playbook("reach", **{"from": "internet"}, to="KOIN_DB", port=3306, expect="closed").status == 0
    )


def test_a_broken_policy_stops_before_anything_is_written(built: Built, tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    security = "group_vars/all/aws_security.yml"
    partner = "{'protocol': 'tcp', 'port': 3306, 'cidrs': ['198.51.100.0/24']}"
    before = "offered_rules('DB', aws_security_admin_cidrs) }}"
    after = f"offered_rules('DB', aws_security_admin_cidrs) | combine({{'partner': {partner}}}) }}}}"
    checkout.replace(security, before, after)
    line = checkout.text(security).partition("offered_rules('DB'")[0].count("\n") + 1
    platform = Platform(built.aws, top=checkout.top)
    for verb in ("plan", "provision"):
        built.aws.mark()
        run = platform.playbook(verb)
        assert run.status == 2
        assert f"aws_security_groups.DB.ingress.partner.cidrs.0 ({security}:{line}): internet → KOIN_DB" in run.output
        assert "tcp 3306 from 198.51.100.0/24" in run.output
        assert platform.writes() == {}
