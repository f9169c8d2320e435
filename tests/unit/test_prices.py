"""bin/prices: what it asks AWS, what it makes of the answers, and that it writes all of it or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from ansible.module_utils.platform.planning import PRICES, prices_for
from botocore.stub import Stubber

from tests.support.files import load_file

MODULE = load_file("bin/prices")
TODAY = datetime.now(UTC).date()
SEOUL = "ap-northeast-2"


def product(usd: str, unit: str, usage: str = "APN2-BoxUsage:t3a.small") -> str:
    """A product as the Price List API has it: JSON in a text, with prices of several terms."""
    dimension = {"unit": unit, "beginRange": "0", "endRange": "Inf", "pricePerUnit": {"USD": usd}}
    return json.dumps(
        {
            "product": {"sku": "S", "attributes": {"usagetype": usage, "regionCode": SEOUL}},
            "terms": {
                "OnDemand": {"S.J": {"priceDimensions": {"S.J.6": dimension}}},
                "Reserved": {"S.R": {"priceDimensions": {"S.R.6": {**dimension, "pricePerUnit": {"USD": "0.01"}}}}},
            },
        }
    )


@pytest.fixture
def asked() -> Iterator[tuple[Any, Stubber]]:
    """A client of the price list without a network, and its answers."""
    client = boto3.client("pricing", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        yield client, stub
        stub.assert_no_pending_responses()


def answer(stub: Stubber, texts: Sequence[str], service: str, *filters: tuple[str, str], **more: str) -> None:
    """The answer to a query with exactly these filters."""
    wanted = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in filters]
    token = {"NextToken": more["token"]} if "token" in more else {}
    following = {"NextToken": more["following"]} if "following" in more else {}
    expected = {"ServiceCode": service, "Filters": wanted, **token}
    stub.add_response("get_products", {"PriceList": list(texts), **following}, expected)


LINUX = (("operatingSystem", "Linux"), ("tenancy", "Shared"), ("preInstalledSw", "NA"), ("capacitystatus", "Used"))
HERE = ("regionCode", SEOUL)


def written(tmp_path: Path, *items: str) -> Path:
    """A file with some of the prices of today."""
    path = tmp_path / "prices.yml"
    known = yaml.safe_load(PRICES.read_text())["prices"][SEOUL]
    path.write_text(MODULE.document("---\n# A comment.\n", {SEOUL: {item: known[item] for item in items}, "x": {}}))
    return path


def test_prices_are_written_with_the_day_and_where_they_are_from(
    tmp_path: Path, asked: tuple[Any, Stubber], capsys: pytest.CaptureFixture[str]
) -> None:
    client, stub = asked
    path = written(tmp_path, "t3a.small", "public IPv4 address", "gp3 storage", "CPU surplus of t3a")
    answer(stub, [product("0.0300000000", "Hrs")], "AmazonEC2", HERE, ("instanceType", "t3a.small"), *LINUX)
    # Addresses that are not in use are another product, and so is that of another family.
    addresses = [product("0.005", "Hrs", f"APN2-PublicIPv4:{state}Address") for state in ("Idle", "InUse")]
    answer(stub, addresses[:1], "AmazonVPC", HERE, following="more")
    answer(stub, addresses[1:], "AmazonVPC", HERE, token="more")
    storage = (HERE, ("productFamily", "Storage"), ("volumeApiName", "gp3"))
    answer(stub, [product("0.0912", "GB-Mo", "APN2-EBS:VolumeUsage.gp3")], "AmazonEC2", *storage)
    credits = [product("0.05", "vCPU-Hours", f"APN2-CPUCredits:{kind}") for kind in ("t3", "t3a", "t4g")]
    answer(stub, credits, "AmazonEC2", HERE, ("productFamily", "CPU Credits"))
    answer(stub, [product("0.052", "Hrs")], "AmazonEC2", HERE, ("instanceType", "t3.medium"), *LINUX)
    assert MODULE.main(["t3.medium"], client, path) == 0
    found = prices_for(SEOUL, path)
    assert {item: str(price.usd) for item, price in found.known.items()} == {
        "t3a.small": "0.03",
        "public IPv4 address": "0.005",
        "gp3 storage": "0.0912",
        "CPU surplus of t3a": "0.05",
        "t3.medium": "0.052",
    }
    assert {(price.seen, price.source) for price in found.known.values()} == {(TODAY, "AWS Price List API")}
    assert path.read_text().startswith("---\n# A comment.\nprices:\n")
    assert capsys.readouterr().out.splitlines() == [
        "t3a.small: 0.03, was 0.0234",
        "public IPv4 address: 0.005",
        "gp3 storage: 0.0912",
        "CPU surplus of t3a: 0.05",
        "t3.medium: 0.052, new",
        "5 prices of ap-northeast-2 are in prices.yml.",
    ]


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ([], "t3a.small: AWS has 0 prices, not one"),
        (
            [product("0.1", "Hrs"), product("0.2", "Hrs")],
            "t3a.small: AWS has 2 prices, not one: 0.1 for Hrs, 0.2 for Hrs",
        ),
        ([product("0.0000000000", "Hrs")], "t3a.small: AWS has 0 prices, not one"),
        ([product("0.1", "Quantity")], "t3a.small: AWS's price is for a `Quantity`"),
    ],
)
def test_an_answer_that_is_no_single_price_changes_nothing(
    tmp_path: Path, asked: tuple[Any, Stubber], capsys: pytest.CaptureFixture[str], texts: list[str], why: str
) -> None:
    client, stub = asked
    path = written(tmp_path, "t3a.small", "gp3 storage")
    before = path.read_bytes()
    answer(stub, texts, "AmazonEC2", HERE, ("instanceType", "t3a.small"), *LINUX)
    assert MODULE.main([], client, path) == 1
    said = capsys.readouterr()
    assert why in said.err
    assert said.err.endswith("Nothing was written.\n")
    assert path.read_bytes() == before


def test_a_refusal_names_the_right(tmp_path: Path, asked: tuple[Any, Stubber], capsys: Any) -> None:
    client, stub = asked
    path = written(tmp_path, "t3a.small")
    stub.add_client_error("get_products", "AccessDeniedException")
    assert MODULE.main([], client, path) == 1
    assert "pricing:GetProducts" in capsys.readouterr().err


def test_what_has_no_query_is_kept_if_it_is_known_and_refused_if_it_is_not(
    tmp_path: Path, asked: tuple[Any, Stubber], capsys: pytest.CaptureFixture[str]
) -> None:
    client, _ = asked
    path = written(tmp_path)
    assert MODULE.main(["hosted zone"], client, path) == 1
    assert "hosted zone: there is no query for it; write its price into prices.yml by hand" in capsys.readouterr().err
    entry = {"usd": "0.4", "unit": "month", "seen": TODAY, "source": "a bill"}
    path.write_text(MODULE.document(path.read_text(), {SEOUL: {"hosted zone": entry}}))
    assert MODULE.main([], client, path) == 0
    assert "hosted zone: kept, there is no query for it" in capsys.readouterr().out
    assert str(prices_for(SEOUL, path).known["hosted zone"].usd) == "0.4"


def test_the_file_is_as_the_program_writes_it() -> None:
    text = PRICES.read_text()
    assert MODULE.document(text, yaml.safe_load(text)["prices"]) == text


def test_every_price_that_an_instance_of_ours_needs_can_be_asked_for() -> None:
    assert [item for item in prices_for(SEOUL).known if MODULE.query(item) is None] == []
