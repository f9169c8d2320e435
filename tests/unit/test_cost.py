"""What a plan costs: what each resource is billed for, at prices that are known, and what has none is named."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.platform.engine import cost
from ansible.module_utils.platform.engine.cost import Bill, Price, Prices, Usage
from ansible.module_utils.platform.engine.errors import PlatformError
from ansible.module_utils.platform.engine.model import Action, Plan
from ansible.module_utils.platform.engine.plan import plan
from ansible.module_utils.platform.engine.render import render
from ansible.module_utils.platform.engine.workflow import declaration_of
from ansible.module_utils.platform.kinds import KINDS
from ansible.module_utils.platform.planning import PRICES, prices_for

from rehearsal import REPOSITORY
from tests.support.observed import plan_of
from tests.support.platform import declared, specs

SEOUL = prices_for("ap-northeast-2")
ADDRESS = Usage("public IPv4 address", "hour")
BUCKET = Usage("S3 storage and requests", quantity=None)


def prices(**usd: str) -> Prices:
    """Prices an hour by item."""
    known = {
        item: Price(Decimal(value), "hour", SEOUL.known["t3a.small"].seen, "a test") for item, value in usd.items()
    }
    return Prices("here", "a file", known)


# --- A price, and none -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        (Usage("t3a.small", "hour"), "17.0820"),
        (Usage("t4g.small", "hour"), "15.1840"),
        (Usage("gp3 storage", "GB-month", 20), "1.8240"),
        (Usage("public IPv4 address", "hour", 5), "18.250"),
        # No price, another unit, or a quantity that only use shows.
        (Usage("t3.medium", "hour"), None),
        (Usage("t3a.small", "month"), None),
        (Usage("gp3 storage", "GB-month", None), None),
    ],
)
def test_a_month_has_730_hours_and_nothing_is_guessed(usage: Usage, usd: str | None) -> None:
    assert SEOUL.of(usage) == (None if usd is None else Decimal(usd))


def test_another_region_has_no_prices() -> None:
    assert prices_for("eu-west-1").known == {}
    assert cost.costs(cost.amount([ADDRESS], prices_for("eu-west-1"))) == "price unknown: public IPv4 address"


def test_every_price_of_the_file_has_a_day_and_a_source() -> None:
    assert {"t3a.small", "t4g.small", "public IPv4 address", "gp3 storage"} <= set(SEOUL.known)
    assert all(price.source and price.usd > 0 for price in SEOUL.known.values())


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({"usd": "0.1", "unit": "hour", "seen": "2026-11-27"}, "source"),
        ({"usd": "much", "unit": "hour", "seen": "2026-11-27", "source": "x"}, "InvalidOperation"),
        ({"usd": "-1", "unit": "hour", "seen": "2026-11-27", "source": "x"}, "`-1` for a `hour` is no price"),
        ({"usd": "NaN", "unit": "hour", "seen": "2026-11-27", "source": "x"}, "`NaN` for a `hour` is no price"),
        ({"usd": "0.1", "unit": "day", "seen": "2026-11-27", "source": "x"}, "for a `day` is no price"),
        ({"usd": "0.1", "unit": "hour", "seen": "yesterday", "source": "x"}, "yesterday"),
        (None, "`usd`, `unit`, `seen` (a day) and `source`"),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_place(entry: Any, named: str) -> None:
    with pytest.raises(PlatformError) as refused:
        cost.read_prices({"prices": {"here": {"thing": entry}}}, "here", "a file")
    assert str(refused.value).startswith("a file: here, thing: ")
    assert named in str(refused.value)


@pytest.mark.parametrize("text", ["", "prices: []\n", "prices: {a: {b"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prices.yml"
    path.write_text(text)
    with pytest.raises(PlatformError, match=r"prices\.yml"):
        prices_for("here", path)
    with pytest.raises(PlatformError, match="cannot be read"):
        prices_for("here", tmp_path / "none.yml")


# --- What is said ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ([], [replace(ADDRESS, quantity=5)], "+ $18.25 a month"),
        ([ADDRESS], [], "- $3.65 a month"),
        ([ADDRESS], [ADDRESS], ""),
        ([Usage("t4g.small", "hour")], [Usage("t3a.small", "hour")], "+ $1.90 a month"),
        ([], [BUCKET], "price unknown: S3 storage and requests by use"),
        ([BUCKET], [BUCKET], ""),
        ([], [Usage("t3.large", "hour"), ADDRESS], "+ $3.65 a month; price unknown: t3.large"),
        ([Usage("t3.large", "hour")], [], "no longer billed, price unknown: t3.large"),
        ([], [BUCKET, BUCKET], "price unknown: S3 storage and requests by use (2)"),
    ],
)
def test_what_a_change_adds_or_saves(before: list[Usage], after: list[Usage], text: str) -> None:
    assert cost.told(cost.difference(before, after, SEOUL)) == text


def test_what_costs_the_same_as_before_says_so() -> None:
    same = prices(old="1", new="1")
    assert cost.told(cost.difference([Usage("old", "hour")], [Usage("new", "hour")], same)) == "+ $0.00 a month"


HOST = Usage("t3a.small", "hour")
BILLED = Plan(
    "123456789012",
    "ap-northeast-2",
    (
        Action("create", "instance", "aws_compute", "A"),
        Action("change", "instance", "aws_compute", "B", "i-1"),
        Action("replace", "instance", "aws_compute", "C", "i-2"),
        Action("unmanaged", "elastic_ip", "aws_compute", "1.2.3.4", "eipalloc-1"),
        Action("unmanaged", "bucket", "aws_storage", "old", "old"),
    ),
    {},
    bills=(
        Bill("instance", "A", True, (), (HOST,), (HOST,)),
        Bill("instance", "B", True, (HOST, ADDRESS), (HOST,), (HOST,)),
        Bill("instance", "C", True, (HOST,), (HOST,), (Usage("t3.large", "hour"),)),
        Bill("elastic_ip", "1.2.3.4", False, (ADDRESS,), (ADDRESS,), (ADDRESS,)),
        Bill("bucket", "old", False, (BUCKET,), (BUCKET,), (BUCKET,)),
    ),
)


def test_a_plan_says_what_each_change_costs_and_what_all_of_it_does() -> None:
    lines = render(BILLED, prices=SEOUL).splitlines()
    assert lines[2:4] == ["  + instance A   + $17.08 a month", "  ~ instance B (i-1)   - $3.65 a month"]
    assert "  ! instance C (i-2)   - $17.08 a month; price unknown: t3.large" in lines
    assert "  ? elastic_ip 1.2.3.4   $3.65 a month" in lines
    assert "  ? bucket old   price unknown: S3 storage and requests by use" in lines
    assert lines[-4:] == [
        "Cost a month (730 hours): $34.16 as declared, + $13.43 by this plan, $3.65 not declared. "
        "Prices of 2026-11-27, ap-northeast-2.",
        "  Not counted: price unknown: t3.large, S3 storage and requests by use; traffic, CPU surplus, domains, taxes.",
        "",
        "1 to create, 1 to change; 1 to replace (reported only); 2 unmanaged.",
    ]


def test_without_prices_a_plan_says_nothing_of_cost() -> None:
    assert "$" not in render(BILLED)


def test_a_plan_of_what_is_free_has_no_line_about_cost() -> None:
    assert "Cost" not in render(replace(BILLED, bills=()), prices=SEOUL)


# --- KOIN ------------------------------------------------------------------------------------------------------------


def koin() -> Plan:
    """The plan of the declared platform for an account that is empty."""
    declaration = declaration_of(declared(), specs(), KINDS)
    declaration.account = "123456789012"
    return plan(declaration, KINDS.empty(), KINDS)


def test_the_readme_says_what_the_declaration_costs() -> None:
    found = cost.totals(koin().bills, SEOUL)
    for page in ("README.md", "README.ko.md"):
        shown = re.findall(r"\| \*\*([\d.]+)\*\* \|", (REPOSITORY / page).read_text())
        assert shown == [cost.usd(found.declared.usd).removeprefix("$")]
    # All of it is new.
    assert found.change.usd == found.declared.usd
    assert found.strays.nothing


def test_every_instance_of_koin_has_a_price() -> None:
    lines = [line for line in render(koin(), prices=SEOUL).splitlines() if line.startswith("  + instance ")]
    assert lines
    assert [line for line in lines if not re.search(r"   \+ \$\d+\.\d\d a month$", line)] == []


# --- What a resource is billed for -----------------------------------------------------------------------------------

ENTRY: dict[str, Any] = {
    "role": "PROD",
    "type": "t3a.small",
    "architecture": "x86_64",
    "subnet": "a",
    "functions": [],
    "state": "running",
    "root_volume": {"type": "gp3", "size": 20},
}
RAW: dict[str, Any] = {
    "InstanceId": "i-1",
    "InstanceType": "t3a.small",
    "Architecture": "x86_64",
    "State": {"Name": "running"},
    "RootDeviceName": "/dev/xvda",
    "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeId": "vol-1"}}],
    "PlatformDetails": "Linux/UNIX",
    "Placement": {"Tenancy": "default"},
    "Tags": [{"Key": "Name", "Value": "A"}],
}
ROOT = {"VolumeId": "vol-1", "VolumeType": "gp3", "Size": 20, "Iops": 3000, "Throughput": 125}
GP3 = Usage("gp3 storage", "GB-month", 20)


def bill(declared: dict[str, Any], kind: str = "instance", **observed: Any) -> Bill:
    """Of the only one of a kind."""
    [found] = [item for item in plan_of(declared, **observed).bills if item.kind == kind]
    return found


def now(raw: dict[str, Any], root: dict[str, Any] | None = None, **observed: Any) -> tuple[Usage, ...]:
    """What a host that nobody declares is billed for."""
    return bill({}, instances=[{**RAW, **raw}], volumes=[{**ROOT, **(root or {})}], **observed).now


@pytest.mark.parametrize(
    ("raw", "root", "usages"),
    [
        ({}, {}, (HOST, GP3)),
        ({"State": {"Name": "stopped"}}, {}, (GP3,)),
        ({"PublicIpAddress": "3.3.3.3"}, {}, (HOST, ADDRESS, GP3)),
        ({"InstanceLifecycle": "spot"}, {}, (Usage("t3a.small (spot)", "hour"), GP3)),
        ({"Placement": {"Tenancy": "dedicated"}}, {}, (Usage("t3a.small (dedicated)", "hour"), GP3)),
        ({"PlatformDetails": "Windows"}, {}, (Usage("t3a.small (Windows)", "hour"), GP3)),
        ({}, {"VolumeType": "gp2", "Size": 8}, (HOST, Usage("gp2 storage", "GB-month", 8))),
        ({}, {"Iops": 4000}, (HOST, GP3, Usage("gp3 IOPS above 3000", quantity=1000))),
        ({}, {"VolumeType": "io2"}, (HOST, Usage("io2 storage", "GB-month", 20), Usage("io2 IOPS", quantity=3000))),
    ],
)
def test_a_host_is_billed_for_what_it_is(raw: dict[str, Any], root: dict[str, Any], usages: Any) -> None:
    assert now(raw, root) == usages


def test_an_elastic_ip_is_billed_once() -> None:
    held = {"AllocationId": "e-1", "PublicIp": "3.3.3.3", "InstanceId": "i-1"}
    observed = {"instances": [{**RAW, "PublicIpAddress": "3.3.3.3"}], "volumes": [ROOT], "addresses": [held]}
    found = plan_of({}, **observed).bills
    assert [usage for item in found for usage in item.now].count(ADDRESS) == 1


def test_more_volumes_of_a_host_are_billed() -> None:
    more = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeId": "vol-2"}}
    raw = {**RAW, "BlockDeviceMappings": [*RAW["BlockDeviceMappings"], more]}
    data = {"VolumeId": "vol-2", "VolumeType": "gp3", "Size": 100}
    found = bill({}, instances=[raw], volumes=[ROOT, data]).now
    assert found == (HOST, GP3, Usage("gp3 storage", "GB-month", 100))


@pytest.mark.parametrize(
    ("changed", "planned", "wanted"),
    [
        ({}, (HOST, GP3), (HOST, GP3)),
        ({"state": "stopped"}, (GP3,), (GP3,)),
        ({"root_volume": {"type": "gp3", "size": 30}}, (HOST, replace(GP3, quantity=30)), None),
        # EC2 does not make a volume smaller, so the plan saves nothing yet.
        ({"root_volume": {"type": "gp3", "size": 8}}, (HOST, GP3), (HOST, replace(GP3, quantity=8))),
        ({"type": "t3.large"}, (Usage("t3.large", "hour"), GP3), None),
    ],
)
def test_what_cannot_be_changed_in_place_is_not_counted_as_changed(changed: Any, planned: Any, wanted: Any) -> None:
    found = bill({"aws_compute_instances": {"A": {**ENTRY, **changed}}}, instances=[RAW], volumes=[ROOT])
    assert (found.now, found.planned, found.wanted) == ((HOST, GP3), planned, wanted or planned)


def test_an_elastic_ip_takes_the_place_of_the_address_that_a_host_got_at_its_launch() -> None:
    declared = {"aws_compute_instances": {"A": {**ENTRY, "elastic_ip": "auto"}}}
    observed = {"instances": [{**RAW, "PublicIpAddress": "3.3.3.3"}], "volumes": [ROOT]}
    assert bill(declared, "elastic_ip", **observed).now == (ADDRESS,)
    assert bill(declared, "elastic_ip", **observed).planned == (ADDRESS,)
    assert cost.totals(plan_of(declared, **observed).bills, SEOUL).change.usd == 0


@pytest.mark.parametrize(("public", "usages"), [(True, (HOST, ADDRESS, GP3)), (False, (HOST, GP3))])
def test_a_new_host_gets_an_address_where_its_subnet_gives_one(public: bool, usages: Any) -> None:
    subnet = {"vpc": "v", "cidr": "10.0.0.0/24", "zone": "ap-northeast-2a", "map_public_ip": public}
    declared = {
        "aws_network_vpcs": {"v": {"cidr": "10.0.0.0/16"}},
        "aws_network_subnets": {"a": subnet},
        "aws_compute_instances": {"A": ENTRY},
    }
    assert bill(declared).planned == usages


def test_what_depends_on_use_has_no_price_even_in_the_file() -> None:
    free = Prices("here", "x", {BUCKET.item: Price(Decimal(1), "month", SEOUL.known["t3a.small"].seen, "y")})
    assert free.of(BUCKET) is None


def test_the_file_of_prices_is_beside_the_planner() -> None:
    assert PRICES.is_relative_to(REPOSITORY)
