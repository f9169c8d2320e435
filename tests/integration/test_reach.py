"""Who reaches whom: `reach.yml` on an account, and what plan and provision say and refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.module_utils.platform.reach.declared import declared
from ansible.module_utils.platform.reach.observed import observed

from tests.support.checkout import Checkout
from tests.support.local_aws import LocalAws
from tests.support.platform import Platform
from tests.support.reach_networks import cells
from tests.support.rights import ADMINISTRATOR, OPERATOR


class Built:
    """The platform, provisioned into an empty account, and what was foretold."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        self.platform = Platform(aws, keys=aws.user("operator", OPERATOR))
        Platform(aws, keys=aws.user("administrator", ADMINISTRATOR)).bound()
        self.planned = self.platform.playbook("plan")
        self.foretold = declared(self.platform.context())
        self.provisioned = self.platform.provision()
        self.seen = observed(self.platform.context())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """The platform in an account of its own."""
    with LocalAws(tmp_path_factory.mktemp("reach")) as aws:
        aws.reset()
        yield Built(aws)


def test_after_is_what_is_observed_after_provisioning(built: Built) -> None:
    foretold, seen = (cells(network) for network in (built.foretold, built.seen))
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


def test_a_play_gets_the_open_ports_without_the_table(built: Built, tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    expect = """        expect: "{{ expect | default('') }}"\n"""
    told = """    - name: Tell\n      platform_tell:\n        text: "open: {{ found.open.KOIN_DB.tcp }}"\n"""
    checkout.replace("playbooks/reach.yml", expect, f"        show: false\n      register: found\n{told}")
    run = Platform(built.aws, top=checkout.top).playbook("reach")
    assert run.status == 0, run.output
    assert "open: [[3306, 3306], [6379, 6379], [9100, 9100], [9104, 9104], [9121, 9121], [22222, 22222]]" in run.output
    assert "→" not in run.output


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


def test_a_prefix_list_stands_for_its_ranges(built: Built) -> None:
    ec2 = built.aws.client("ec2")
    entries = [{"Cidr": "198.51.100.0/24", "Description": "office"}]
    made = ec2.create_managed_prefix_list(PrefixListName="p", MaxEntries=1, AddressFamily="IPv4", Entries=entries)
    groups = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["DB"]}])["SecurityGroups"]
    peer = [{"PrefixListId": made["PrefixList"]["PrefixListId"]}]
    permission = {"IpProtocol": "tcp", "FromPort": 8888, "ToPort": 8888, "PrefixListIds": peer}
    ec2.authorize_security_group_ingress(GroupId=groups[0]["GroupId"], IpPermissions=[permission])
    asked = {"to": "KOIN_DB", "port": 8888}
    inside = built.platform.playbook("reach", **{"from": "198.51.100.9"}, **asked)
    assert inside.status == 0, inside.output
    assert f"tcp 8888 from {peer[0]['PrefixListId']}" in inside.output
    assert built.platform.playbook("reach", **{"from": "198.51.101.9"}, **asked, expect="closed").status == 0
