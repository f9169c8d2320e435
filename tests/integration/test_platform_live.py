"""The account that people made by hand is adopted: nothing is made twice, nothing undeclared is touched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from ansible.module_utils.platform.engine.cost import amount
from ansible.module_utils.platform.engine.cost import costs as costs_of
from ansible.module_utils.platform.engine.model import Plan
from ansible.module_utils.platform.planning import prices_for
from ansible.module_utils.platform.reach.declared import declared as paths_after
from ansible.module_utils.platform.reach.observed import observed

from tests.support import live_account
from tests.support.inventory import inventory
from tests.support.local_aws import LocalAws
from tests.support.plan_calls import mismatches
from tests.support.platform import Platform
from tests.support.reach_networks import cells
from tests.support.rights import ADMINISTRATOR, OPERATOR


def _records(aws: LocalAws) -> dict[tuple[str, str], Any]:
    route53 = aws.client("route53")
    return {
        (record["Name"], record["Type"]): record
        for zone in route53.list_hosted_zones()["HostedZones"]
        for record in route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
    }


class Adopted:
    """One adoption, with what there was before and after."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        self.made = live_account.build(aws)
        self.platform = Platform(aws, keys=aws.user("operator", OPERATOR))
        Platform(aws, keys=aws.user("administrator", ADMINISTRATOR)).bound()
        self.before, self.records_before = inventory(aws), _records(aws)
        self.planned: Plan = self.platform.plan()
        self.foretold = paths_after(self.platform.context())
        aws.mark()
        self.run = self.platform.provision()
        self.writes = aws.writes()
        self.after, self.records_after = inventory(aws), _records(aws)
        self.plan_after: Plan = self.platform.plan()
        self.seen = observed(self.platform.context())


@pytest.fixture(scope="module")
def adopted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adopted]:
    """The live account after one provisioning."""
    with LocalAws(tmp_path_factory.mktemp("live")) as aws:
        aws.reset()
        yield Adopted(aws)


def test_nothing_is_made_twice(adopted: Adopted) -> None:
    more = {kind: adopted.after[kind].total() - counts.total() for kind, counts in adopted.before.items()}
    # The groups that the account did not have, the certificates for whole domains, and the buckets of logs.
    logs = Counter(action.name for action in adopted.planned.of("create") if action.kind == "bucket")
    expected = {"groups": 4, "certificates": 2, "buckets": logs.total()}
    assert {kind: count for kind, count in more.items() if count} == {kind: n for kind, n in expected.items() if n}
    assert adopted.after["buckets"] - adopted.before["buckets"] == logs
    assert adopted.after["groups"] - adopted.before["groups"] == Counter(["DB", "Monitoring", "Registry", "StageSwarm"])
    for kind in ("vpcs", "subnets", "instances", "distributions", "zones"):
        assert adopted.after[kind] == adopted.before[kind]


def test_provision_makes_exactly_the_calls_that_the_plan_announced(adopted: Adopted) -> None:
    assert mismatches(adopted.planned.writes, adopted.writes, adopted.plan_after.registry) == []


def test_who_reaches_whom_is_what_the_plan_foretold(adopted: Adopted) -> None:
    assert cells(adopted.foretold) == cells(adopted.seen)
    # A host that nobody declares stays as open as it was.
    (stray,) = [cell for cell in cells(adopted.seen) if "test-kim" in cell["targets"] and "internet" in cell["sources"]]
    assert stray["passes"] == [[8080, 8080]]


def test_every_undeclared_record_is_kept_as_it_was(adopted: Adopted) -> None:
    planned = {action.name for action in adopted.planned.writes if action.kind == "record"}
    for (name, kind), record in adopted.records_before.items():
        if f"{name.rstrip('.')} {kind}" not in planned:
            assert adopted.records_after[(name, kind)] == record


def test_plan_is_empty_afterwards(adopted: Adopted) -> None:
    assert adopted.plan_after.writes == []
    # Only what AWS cannot change in place stays to be reported.
    kept = {(action.kind, change.field) for action in adopted.plan_after.of("replace") for change in action.changes}
    assert kept == {("instance", "root_volume.encrypted")}


def test_unmanaged_lists_the_strays(adopted: Adopted) -> None:
    listed = {(action.kind, action.name.split(" (")[0]) for action in adopted.plan_after.of("unmanaged")}
    assert listed == {
        ("security_group", "launch-wizard-1"),
        ("security_group", "launch-wizard-2"),
        ("certificate", "image.bcsdlab.com"),
        ("certificate", "stage-static.koreatech.in"),
        ("certificate", "static.koreatech.in"),
        ("bucket", "bcsdlab-backup-2019"),
        ("key_pair", "kim-laptop"),
        ("key_pair", "koin-old"),
        ("instance", "test-kim"),
        ("elastic_ip", "3.35.27.61"),
        *{
            ("record", f"{name.rstrip('.')} {kind}")
            for name, kind in adopted.records_before
            if kind in ("MX", "TXT") or name == "old.koreatech.in."
        },
    }


def test_unmanaged_says_what_the_strays_cost(adopted: Adopted) -> None:
    strays = {bill.name.split(" (")[0]: bill.now for bill in adopted.plan_after.bills if not bill.declared}
    costs = {name: costs_of(amount(usages, prices_for("ap-northeast-2"))) for name, usages in strays.items()}
    # A t3a.small with a public address of its own, and an address that nothing uses.
    assert costs["test-kim"] == "$20.73 a month; price unknown: gp2 storage"
    assert costs["3.35.27.61"] == "$3.65 a month"
    assert costs["bcsdlab-backup-2019"] == "price unknown: S3 storage and requests by use"


def test_second_provision_writes_nothing(adopted: Adopted) -> None:
    adopted.aws.mark()
    run = adopted.platform.provision()
    assert adopted.platform.writes() == {}
    assert "No changes" in run.output


def test_registered_domains_point_to_their_zones(adopted: Adopted) -> None:
    assert not [warning for warning in adopted.plan_after.warnings if warning.startswith("zone ")]


def test_a_domain_that_points_elsewhere_is_warned_about(adopted: Adopted) -> None:
    adopted.aws.client("route53domains", "us-east-1").update_domain_nameservers(
        DomainName="koreatech.in", Nameservers=[{"Name": "ns1.example.com"}, {"Name": "ns2.example.com"}]
    )
    warning = next(item for item in adopted.platform.plan().warnings if item.startswith("zone koreatech.in"))
    assert "ns1.example.com, ns2.example.com" in warning


def test_a_bucket_lets_both_ways_in_while_its_distribution_changes(adopted: Adopted) -> None:
    """Edges learn of the new way over minutes: until then the old one, here a public policy, has to hold."""
    about = [
        (item["operation"], "PublicRead" in str(item["params"]))
        for item in adopted.writes
        if item["operation"] in ("PutBucketPolicy", "UpdateDistribution")
        and any(name in str(item["params"]) for name in ("team-kap-koin-storage", "static.koreatech.in"))
        and "stage-static" not in str(item["params"])
    ]
    assert about == [("PutBucketPolicy", True), ("UpdateDistribution", False), ("PutBucketPolicy", False)]
