"""cloudfront_origin_access_control against the local AWS."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.local_aws import LocalAws
from tests.support.run_module import ModuleError, run_module, written

MODULE = "cloudfront_origin_access_control"
CONFIG = {
    "Name": "koin-s3",
    "Description": "signs",
    "SigningProtocol": "sigv4",
    "SigningBehavior": "always",
    "OriginAccessControlOriginType": "s3",
}


def run(local_aws: LocalAws, check: bool = False, **args: Any) -> dict[str, Any]:
    local_aws.mark()
    return run_module(MODULE, {"name": "koin-s3", **args}, environ=local_aws.environ, check=check)


def create(local_aws: LocalAws, **changes: str) -> str:
    client = local_aws.client("cloudfront", "us-east-1")
    answer = client.create_origin_access_control(OriginAccessControlConfig=CONFIG | changes)
    return answer["OriginAccessControl"]["Id"]


def live(local_aws: LocalAws) -> list[dict[str, Any]]:
    client = local_aws.client("cloudfront", "us-east-1")
    return client.list_origin_access_controls()["OriginAccessControlList"].get("Items") or []


def test_check_of_a_new_one_announces_it_and_writes_nothing(local_aws: LocalAws) -> None:
    result = run(local_aws, check=True, description="signs")
    assert (result["changed"], result["id"]) == (True, "")
    assert result["diff"] == {
        "before": {},
        "after": {
            "name": "koin-s3",
            "description": "signs",
            "signing_protocol": "sigv4",
            "signing_behavior": "always",
            "origin_type": "s3",
        },
    }
    assert written(local_aws) == []
    assert live(local_aws) == []


def test_a_new_one_is_created(local_aws: LocalAws) -> None:
    result = run(local_aws, description="signs")
    assert result["changed"]
    assert written(local_aws) == ["CreateOriginAccessControl"]
    assert live(local_aws) == [CONFIG | {"Id": result["id"]}]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("args", [{"description": "signs"}, {}], ids=["same text", "text not given"])
def test_one_that_is_as_declared_is_left_alone(local_aws: LocalAws, check: bool, args: dict[str, str]) -> None:
    oac_id = create(local_aws)
    result = run(local_aws, check=check, **args)
    assert (result["changed"], result["id"]) == (False, oac_id)
    assert result["diff"]["before"] == result["diff"]["after"]
    assert written(local_aws) == []


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("changes", "args", "field"),
    [
        ({}, {"description": "other"}, "description"),
        ({}, {"description": ""}, "description"),
        ({"SigningBehavior": "never"}, {}, "signing_behavior"),
    ],
)
def test_one_that_differs_is_changed_in_place(
    local_aws: LocalAws, check: bool, changes: dict[str, str], args: dict[str, str], field: str
) -> None:
    create(local_aws, Name="another")
    oac_id = create(local_aws, **changes)
    before = live(local_aws)
    result = run(local_aws, check=check, **args)
    assert (result["changed"], result["id"]) == (True, oac_id)
    difference = result["diff"]
    assert [key for key in difference["after"] if difference["before"][key] != difference["after"][key]] == [field]
    if check:
        assert written(local_aws) == []
        assert live(local_aws) == before
    else:
        assert written(local_aws) == ["UpdateOriginAccessControl"]
        wanted = CONFIG | {"Id": oac_id, "Description": args.get("description", "signs")}
        assert [item for item in live(local_aws) if item["Name"] == "koin-s3"] == [wanted]


def test_one_for_another_kind_of_origin_is_refused(local_aws: LocalAws) -> None:
    oac_id = create(local_aws, OriginAccessControlOriginType="lambda")
    with pytest.raises(ModuleError, match=rf"koin-s3 \({oac_id}\) serves origins of type lambda.*give another name"):
        run(local_aws)
    assert written(local_aws) == []
