"""Replacement of a host: instances and declaration in, the next step and what keeps it from being taken out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.platform.kinds.succession import HANDED_OVER, serves_for
from ansible.module_utils.platform.replacement import Facts, Step, decide, free_address

from tests.support.files import load_file
from tests.support.hosts import DeclaredHosts
from tests.unit.test_live_ec2 import planned

FILTERS = load_file("plugins/filter/declared.py")
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
ENTRIES: dict[str, dict[str, Any]] = {
    "APP": {"private_ip": "10.0.0.11", "functions": ["edge", "swarm_managers"], "swarm": "production"},
    "DB": {"private_ip": "10.0.0.20", "functions": ["database", "cache"]},
    "BUILD": {"functions": ["registry"]},
    "STAGE": {"functions": ["swarm_managers"], "swarm": "stage"},
    "INTERNAL": {"functions": ["swarm_workers", "monitoring"], "swarm": "stage"},
}


def instance(name: str, state: str = "running", address: str = "10.0.0.10", **tags: str) -> dict[str, Any]:
    """An item of describe_instances."""
    pairs = {"Name": name, **tags}
    return {
        "InstanceId": f"i-{name.lower()}",
        "State": {"Name": state},
        "PrivateIpAddress": address,
        "Tags": [{"Key": key, "Value": value} for key, value in pairs.items()],
    }


def facts(name: str, *instances: dict[str, Any], **more: Any) -> Facts:
    """What is known of an account with these instances."""
    held = {raw["PrivateIpAddress"] for raw in instances}
    return replace(Facts(name, ENTRIES, instances, "10.0.0.0/28", held), **more)


@pytest.mark.parametrize(
    ("instances", "step"),
    [
        ([instance("APP")], Step.RENAME),
        # Killed after the name was given away.
        ([instance("APP-old")], Step.LAUNCH),
        ([instance("APP-old"), instance("APP", "terminated")], Step.LAUNCH),
        ([instance("APP-old"), instance("APP", "pending")], Step.HAND_OVER),
        ([instance("APP-old"), instance("APP")], Step.HAND_OVER),
        ([instance("APP-old", **{HANDED_OVER: "true"}), instance("APP")], Step.STOP),
        ([instance("APP-old", "stopping", **{HANDED_OVER: "true"}), instance("APP")], Step.DONE),
        ([instance("APP-old", "stopped", **{HANDED_OVER: "true"}), instance("APP")], Step.DONE),
        ([instance("APP-old", "terminated"), instance("APP")], Step.RENAME),
    ],
)
def test_the_step_follows_from_the_instances(instances: list[dict[str, Any]], step: Step) -> None:
    found = decide(facts("APP", *instances), NOW)
    assert (found.step, found.problems) == (step, ())


@pytest.mark.parametrize(
    ("instances", "message"),
    [
        ([], "no instance APP that could be replaced"),
        ([instance("DB")], "no instance APP that could be replaced"),
        ([instance("APP"), instance("APP")], "Several instances are called APP: i-app, i-app"),
        ([instance("APP-old"), instance("APP-old"), instance("APP")], "Several instances are called APP-old"),
        # Whoever launched another one now would lose what the former one holds.
        ([instance("APP-old", "stopped")], "APP-old (i-app-old) serves no longer, and its successor is gone"),
        ([instance("APP-old", **{HANDED_OVER: "true"})], "serves no longer, and its successor is gone"),
        # Retired by AWS, or resized by somebody: nothing was moved.
        ([instance("APP-old", "stopped"), instance("APP")], "APP-old (i-app-old) is stopped and has not handed over"),
    ],
)
def test_nothing_can_be_done(instances: list[dict[str, Any]], message: str) -> None:
    found = decide(facts("APP", *instances), NOW)
    assert found.step is None
    assert message in " ".join(found.problems)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (facts("STAGE", instance("STAGE")), "is in Swarm stage with INTERNAL"),
        (facts("INTERNAL", instance("INTERNAL"), without={"history"}), "is in Swarm stage with STAGE"),
        (facts("APP", instance("APP", "stopped")), "APP (i-app) is stopped. Start it"),
        (
            facts("APP", instance("APP", address="10.0.0.11")),
            "APP.private_ip: 10.0.0.11 is held by APP (i-app), and AWS gives it to no other instance before that one "
            "is terminated. Write another one (10.0.0.12 is free), or remove it",
        ),
        (
            facts("APP", instance("APP"), instance("other", address="10.0.0.11")),
            "10.0.0.11 is held by something else in the subnet",
        ),
        (facts("BUILD", instance("BUILD")), "images of the registry; declared ones are built again"),
        (facts("DB", instance("DB"), verified=NOW), "what the cache holds. If that is right, add -e without=cache"),
        (facts("DB", instance("DB"), without={"cache"}), "No backup of its databases was proved"),
        (
            facts("DB", instance("DB"), without={"cache"}, verified=NOW - timedelta(hours=25)),
            "No backup of its databases was proved to be restorable within a day",
        ),
        (
            facts("APP", instance("APP") | {"BlockDeviceMappings": [{}, {}]}),
            "what is on its volumes besides the root volume. If that is right, add -e without=volumes",
        ),
        (facts("APP", instance("APP"), others=["bucket b"]), "would also do this: bucket b. Do that first"),
        (
            facts("APP", instance("APP-old"), instance("APP"), others=["record r"]),
            "would also do this: record r. Do that first",
        ),
    ],
)
def test_a_step_is_not_taken(found: Facts, message: str) -> None:
    (problem,) = decide(found, NOW).problems
    assert message in problem


def test_what_was_agreed_to_be_lost_is_no_problem() -> None:
    everything = facts("DB", instance("DB"), without={"cache"}, verified=NOW - timedelta(hours=23))
    assert decide(everything, NOW).problems == ()
    assert decide(facts("BUILD", instance("BUILD"), without={"images"}), NOW).problems == ()


def test_problems_of_a_first_step_are_none_once_it_was_taken() -> None:
    """What is gone on with was agreed to, and its address is the planner's concern."""
    assert decide(facts("DB", instance("DB-old", address="10.0.0.20")), NOW).problems == ()


def test_a_free_address_is_the_next_one_that_aws_gives_out() -> None:
    held = {f"10.0.0.{number}" for number in range(11, 15)}
    assert free_address(facts("APP", held=held)) == "10.0.0.4"
    assert free_address(facts("APP", held={"10.0.0.11"})) == "10.0.0.12"
    assert free_address(facts("APP", held={f"10.0.0.{number}" for number in range(4, 15)})) == ""


# --- Who serves


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (instance("APP-old"), "APP"),
        # It serves nobody, but whoever gets its address has nothing to serve.
        (instance("APP-old", "stopped"), "APP"),
        (instance("APP-old", "terminated"), ""),
        (instance("APP-old", **{HANDED_OVER: "true"}), ""),
        (instance("APP"), ""),
        (instance("OTHER-old"), ""),
    ],
)
def test_a_former_instance_serves_until_it_has_handed_over(raw: dict[str, Any], expected: str) -> None:
    assert serves_for(raw, ENTRIES) == expected
    assert serves_for(raw, {**ENTRIES, "APP-old": {}}) == ""


HOST = {"role": "APP", "type": "t3a.small", "architecture": "x86_64", "subnet": "a", "elastic_ip": "auto"}


@pytest.mark.parametrize(("tags", "moves"), [({}, False), ({HANDED_OVER: "true"}, True)])
def test_the_address_stays_with_the_former_instance_until_it_has_handed_over(tags: dict[str, str], moves: bool) -> None:
    """Whoever provisions in between does not send visitors to a host that is not ready."""
    network = {"VpcId": "vpc-1", "SubnetId": "subnet-a", "InstanceType": "t3a.small", "Architecture": "x86_64"}
    raws = [instance("APP-old", **tags) | network, instance("APP") | network]
    held = {"AllocationId": "eipalloc-1", "PublicIp": "5.5.5.5", "InstanceId": "i-app-old", "AssociationId": "a"}
    held["Tags"] = [{"Key": "Name", "Value": "APP"}]  # type: ignore[assignment]
    result = planned({"aws_compute_instances": {"APP": HOST}}, instances=raws, addresses=[held])
    changed = {field.field for item in result.writes if item.kind == "elastic_ip" for field in item.changes}
    assert ("instance" in changed) is moves
    told = "elastic IP APP: 5.5.5.5 stays with instance APP-old (i-app-old)" in " ".join(result.warnings)
    assert told is not moves


# --- What hosts follow from


VARIABLES: dict[str, Any] = {
    "app": {"ec2_tags": {"Name": "APP"}, "ec2_private_ip_address": "10.0.0.11"},
    "app-old": {"ec2_tags": {"Name": "APP-old"}, "ec2_private_ip_address": "10.0.0.10"},
    "db": {"ec2_tags": {"Name": "DB"}, "ec2_private_ip_address": "10.0.0.20"},
}
OWN = {"app": "10.0.0.11", "db": "10.0.0.20"}


def test_others_find_the_former_instance_and_the_new_one_itself() -> None:
    former = FILTERS.former_hosts(ENTRIES, VARIABLES, VARIABLES)
    assert former == {"app": "app-old"}
    assert FILTERS.serving_addresses(OWN, former, VARIABLES, "db") == OWN | {"app": "10.0.0.10"}
    assert FILTERS.serving_addresses(OWN, former, VARIABLES, "app") == OWN


def test_after_the_hand_over_the_new_one_is_found() -> None:
    handed_over = VARIABLES | {"app-old": VARIABLES["app-old"] | {"ec2_tags": {"Name": "APP-old", HANDED_OVER: "true"}}}
    assert FILTERS.former_hosts(ENTRIES, handed_over, handed_over) == {}
    assert FILTERS.former_hosts({"APP-old": {}, **ENTRIES}, VARIABLES, VARIABLES) == {}
    assert FILTERS.former_hosts(ENTRIES, OWN, VARIABLES) == {}
    assert FILTERS.serving_addresses(OWN, {}, VARIABLES, "db") == OWN


def test_the_database_lets_both_instances_in() -> None:
    stacks = {"s": {"swarm": "p", "services": {"api": {"database": "koin"}}}}
    variables = {"app": {"platform_swarm": "p"}, "db": {}}
    serving = OWN | {"app": "10.0.0.10"}
    found = FILTERS.database_clients(stacks, variables, variables, serving, OWN)
    assert found == {"koin": ["10.0.0.10", "10.0.0.11"]}


@pytest.mark.parametrize(("tags", "serves"), [({}, True), ({HANDED_OVER: "true"}, False)])
def test_while_the_former_host_serves_the_others_use_it_and_the_new_one_runs_nothing(
    tmp_path: Path, tags: dict[str, str], serves: bool
) -> None:
    former = {"ec2_tags": {"Name": "KOIN_PROD-old", **tags}, "ec2_private_ip_address": "172.31.0.99"}
    hosts = DeclaredHosts(tmp_path, others={"koin-prod-old": former})
    own = hosts.value("koin-prod", "ec2_private_ip_address")
    assert hosts.value("koin-db", "base_hosts")["koin-prod"] == ("172.31.0.99" if serves else own)
    assert hosts.value("koin-prod", "base_hosts")["koin-prod"] == own
    assert hosts.value("koin-db", "mariadb_users")["koin_prod"]["hosts"] == sorted(
        {own, "172.31.0.99"} if serves else {own}
    )
    assert list(hosts.value("koin-prod", "app_stacks")) == ([] if serves else ["koin-prod"])
    assert list(hosts.value("koin-stage", "app_stacks")) == ["koin-stage"]
