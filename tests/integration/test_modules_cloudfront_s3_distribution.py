"""cloudfront_s3_distribution against the local AWS."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils.platform.distribution_config import flatten
from tests.support.run_module import ModuleFailed, aws_error, intercepted, run_module, written

MODULE = "cloudfront_s3_distribution"
BUCKET = "kap-test.s3.ap-northeast-2.amazonaws.com"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/11111111-1111-1111-1111-111111111111"
DECLARED: dict[str, Any] = {
    "name": "stage-static",
    "aliases": ["stage-static.koreatech.in"],
    "origin_domain": BUCKET,
    "origin_access_control_id": "E327GJI25M56DG",
    "certificate_arn": CERTIFICATE,
    "minimum_tls": "TLSv1.2_2021",
    "ipv6": True,
    "http_version": "http2and3",
    "price_class": "PriceClass_200",
    "default_root_object": "index.html",
    "viewer_protocol": "redirect-to-https",
    "compress": True,
    "cache_policy": "658327ea-f89d-4fab-a63d-7e88639e58f6",
    "enabled": True,
}
# The declaration as the module reports it.
FIELDS = {key: value for key, value in DECLARED.items() if key != "name"} | {"comment": "stage-static"}
# A distribution as it was made by hand, long ago.
LEGACY: dict[str, Any] = {
    "CallerReference": "1588888888888",
    "Aliases": {"Quantity": 1, "Items": ["stage-static.koreatech.in"]},
    "DefaultRootObject": "",
    "Origins": {
        "Quantity": 2,
        "Items": [
            {
                "Id": "api",
                "DomainName": "api.koreatech.in",
                "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "https-only"},
            },
            {
                "Id": "S3-kap-test",
                "DomainName": "kap-test.s3.amazonaws.com",
                "OriginPath": "/public",
                "S3OriginConfig": {"OriginAccessIdentity": "origin-access-identity/cloudfront/E2AAAAAAAAAAAA"},
            },
        ],
    },
    "DefaultCacheBehavior": {
        "TargetOriginId": "S3-kap-test",
        "ViewerProtocolPolicy": "allow-all",
        "ResponseHeadersPolicyId": "60669652-455b-4ae9-85a4-c4c02393f86c",
        "ForwardedValues": {"QueryString": False, "Cookies": {"Forward": "none"}},
        "MinTTL": 0,
    },
    "CustomErrorResponses": {
        "Quantity": 1,
        "Items": [{"ErrorCode": 403, "ResponsePagePath": "/404.html", "ResponseCode": "404", "ErrorCachingMinTTL": 10}],
    },
    "Comment": "made by hand",
    "Logging": {"Enabled": True, "IncludeCookies": False, "Bucket": "logs.s3.amazonaws.com", "Prefix": "cdn/"},
    "PriceClass": "PriceClass_All",
    "Enabled": True,
    "Restrictions": {"GeoRestriction": {"RestrictionType": "whitelist", "Quantity": 1, "Items": ["KR"]}},
}
KEPT = ("CallerReference", "CustomErrorResponses", "Logging", "Restrictions", "WebACLId", "CacheBehaviors")


def run(local_aws: Any, check: bool = False, **args: Any) -> dict[str, Any]:
    local_aws.mark()
    return run_module(MODULE, args, environ=local_aws.environ, check=check)


def cloudfront(local_aws: Any) -> Any:
    return local_aws.client("cloudfront", "us-east-1")


def create(local_aws: Any, **changes: Any) -> str:
    config = copy.deepcopy(LEGACY) | changes
    return cloudfront(local_aws).create_distribution(DistributionConfig=config)["Distribution"]["Id"]


def config_of(local_aws: Any, distribution_id: str) -> dict[str, Any]:
    return cloudfront(local_aws).get_distribution_config(Id=distribution_id)["DistributionConfig"]


def ids(local_aws: Any) -> list[str]:
    listed = cloudfront(local_aws).list_distributions()["DistributionList"]
    return [item["Id"] for item in listed.get("Items") or []]


@pytest.fixture
def declared(local_aws: Any) -> dict[str, Any]:
    """The result of a run that made the distribution as declared."""
    return run(local_aws, **DECLARED)


def test_check_of_a_new_one_announces_it_and_writes_nothing(local_aws: Any) -> None:
    result = run(local_aws, check=True, **DECLARED)
    assert (result["changed"], result["id"], result["arn"], result["domain_name"]) == (True, "", "", "")
    assert result["diff"] == {"before": {}, "after": FIELDS}
    assert written(local_aws) == []
    assert ids(local_aws) == []


def test_a_new_one_is_created(local_aws: Any) -> None:
    result = run(local_aws, **DECLARED)
    assert result["changed"]
    assert written(local_aws) == ["CreateDistribution"]
    assert ids(local_aws) == [result["id"]]
    live = cloudfront(local_aws).get_distribution(Id=result["id"])["Distribution"]
    assert flatten(live["DistributionConfig"]) == FIELDS
    assert live["DistributionConfig"]["CallerReference"] == "stage-static"
    assert (result["arn"], result["domain_name"]) == (live["ARN"], live["DomainName"])


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("found_by", ["id", "alias", "an id that is gone, then alias"])
def test_one_that_is_as_declared_is_left_alone(
    local_aws: Any, declared: dict[str, Any], check: bool, found_by: str
) -> None:
    names = {"id": {"id": declared["id"]}, "alias": {}}.get(found_by, {"id": "EGONE00000000"})
    result = run(local_aws, check=check, **DECLARED, **names)
    assert (result["changed"], result["id"]) == (False, declared["id"])
    assert result["diff"] == {"before": FIELDS, "after": FIELDS}
    assert written(local_aws) == []


@pytest.mark.parametrize("check", [True, False])
def test_a_legacy_one_is_changed_in_place_and_keeps_the_rest(local_aws: Any, check: bool) -> None:
    distribution_id = create(local_aws)
    before = config_of(local_aws, distribution_id)
    result = run(local_aws, check=check, **DECLARED)
    assert (result["changed"], result["id"]) == (True, distribution_id)
    assert result["diff"] == {"before": flatten(before), "after": FIELDS}
    after = config_of(local_aws, distribution_id)
    if check:
        assert written(local_aws) == []
        assert after == before
        return
    assert written(local_aws) == ["UpdateDistribution"]
    assert ids(local_aws) == [distribution_id]
    assert flatten(after) == FIELDS
    assert {key: after[key] for key in KEPT} == {key: before[key] for key in KEPT}
    origins = {item["Id"]: item for item in after["Origins"]["Items"]}
    assert origins.keys() == {"api", "S3-kap-test"}
    assert origins["S3-kap-test"]["OriginPath"] == "/public"
    assert origins["S3-kap-test"]["S3OriginConfig"]["OriginAccessIdentity"] == ""
    policy = before["DefaultCacheBehavior"]["ResponseHeadersPolicyId"]
    assert after["DefaultCacheBehavior"]["ResponseHeadersPolicyId"] == policy
    assert not run(local_aws, **DECLARED)["changed"]


def test_one_option_changes_one_thing(local_aws: Any, declared: dict[str, Any]) -> None:
    result = run(local_aws, name="stage-static", id=declared["id"], enabled=False)
    assert result["diff"] == {"before": FIELDS, "after": FIELDS | {"enabled": False}}
    assert flatten(config_of(local_aws, declared["id"])) == FIELDS | {"enabled": False}


def stale(times: int, meanwhile: Callable[[], None]) -> Callable[..., Any]:
    """Refuse the first updates, as CloudFront does when somebody else has written in between."""
    refusals = iter(range(times))

    def answer(send: Callable[[], Any], parameters: dict[str, Any]) -> Any:
        if next(refusals, None) is None:
            return send()
        meanwhile()
        raise aws_error("PreconditionFailed", "UpdateDistribution", 412)

    return answer


def test_a_change_by_somebody_else_meanwhile_survives(local_aws: Any) -> None:
    distribution_id = create(local_aws)
    logging = {"Enabled": True, "IncludeCookies": True, "Bucket": "other.s3.amazonaws.com", "Prefix": "new/"}

    def meanwhile() -> None:
        # Not through the SDK's interception: straight into the next read.
        fresh["DistributionConfig"]["Logging"] = logging

    fresh = cloudfront(local_aws).get_distribution_config(Id=distribution_id)
    fresh["ETag"] = "EFRESH"
    reads: list[str] = []

    def read(send: Callable[[], Any], parameters: dict[str, Any]) -> Any:
        reads.append(parameters["Id"])
        return send() if len(reads) == 1 else fresh

    with (
        intercepted("GetDistributionConfig", read),
        intercepted("UpdateDistribution", stale(1, meanwhile)) as updates,
    ):
        result = run(local_aws, **DECLARED)
    assert result["changed"]
    assert [call["IfMatch"] for call in updates][1:] == ["EFRESH"]
    after = config_of(local_aws, distribution_id)
    assert after["Logging"] == logging
    assert flatten(after) == FIELDS


def test_a_distribution_that_never_stands_still_is_an_error(local_aws: Any) -> None:
    distribution_id = create(local_aws)
    with (
        intercepted("UpdateDistribution", stale(9, lambda: None)) as updates,
        pytest.raises(ModuleFailed, match=rf"Cannot update the distribution stage-static \({distribution_id}\)"),
    ):
        run(local_aws, **DECLARED)
    assert len(updates) == 2


def test_two_distributions_with_the_aliases_are_refused(local_aws: Any) -> None:
    first = create(local_aws)
    second = create(local_aws, CallerReference="2", Aliases={"Quantity": 1, "Items": ["stage.koreatech.in"]})
    aliases = ["stage-static.koreatech.in", "stage.koreatech.in"]
    message = rf"more than one distribution: {first} has stage-static.koreatech.in; {second} has stage.koreatech.in"
    with pytest.raises(ModuleFailed, match=message):
        run(local_aws, **DECLARED | {"aliases": aliases})
    with pytest.raises(ModuleFailed, match=rf"is {first}, but other distributions hold its aliases: {second} has"):
        run(local_aws, **DECLARED | {"aliases": aliases}, id=first)
    assert written(local_aws) == []


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"name": "static"}, "give its id, or at least one of its aliases"),
        ({"name": "static", "aliases": []}, "give its id, or at least one of its aliases"),
        ({"name": "static", "id": "EGONE00000000"}, "cannot be built: a new distribution needs an origin_domain"),
        ({**DECLARED, "wait_delay": 0}, "wait_delay is 0"),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_what_is_missing_is_named(local_aws: Any, check: bool, args: dict[str, Any], message: str) -> None:
    with pytest.raises(ModuleFailed, match=message):
        run(local_aws, check=check, **args)
    assert written(local_aws) == []


def test_a_name_that_was_used_before_is_refused(local_aws: Any, declared: dict[str, Any]) -> None:
    with pytest.raises(ModuleFailed, match=r"created as stage-static before, and none has the aliases other\.koreatech"):
        run(local_aws, **DECLARED | {"aliases": ["other.koreatech.in"]})
    assert ids(local_aws) == [declared["id"]]


def progress(*statuses: str) -> Callable[..., Any]:
    """Deploy step by step."""
    steps = iter(statuses)

    def answer(send: Callable[[], Any], parameters: dict[str, Any]) -> Any:
        response = send()
        response["Distribution"]["Status"] = next(steps, statuses[-1])
        return response

    return answer


def test_waiting_ends_when_it_is_deployed(local_aws: Any) -> None:
    with intercepted("GetDistribution", progress("InProgress", "Deployed")) as looks:
        result = run(local_aws, **DECLARED, wait=True, wait_delay=1)
    assert result["status"] == "Deployed"
    assert len(looks) == 3  # two by the waiter, one for the result


def test_waiting_has_an_end(local_aws: Any) -> None:
    with (
        intercepted("GetDistribution", progress("InProgress")),
        pytest.raises(ModuleFailed, match="is written, but not deployed everywhere after 0 s"),
    ):
        run(local_aws, **DECLARED, wait=True, wait_timeout=0)


def test_nothing_is_waited_for_by_default(local_aws: Any) -> None:
    with intercepted("GetDistribution", progress("InProgress")) as looks:
        run(local_aws, **DECLARED)
    assert looks == []
