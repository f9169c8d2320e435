"""cloudfront_s3_distribution against the local AWS."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils.platform.distribution_config import flatten

from tests.support.certificates import issue
from tests.support.local_aws import LocalAws
from tests.support.run_module import ModuleError, aws_error, intercepted, run_module, written

MODULE = "cloudfront_s3_distribution"
BUCKET = "kap-test.s3.ap-northeast-2.amazonaws.com"
# Without the origin access control and the certificate, which are made for each test.
DECLARED: dict[str, Any] = {
    "name": "stage-static",
    "aliases": ["stage-static.koreatech.in"],
    "origin_domain": BUCKET,
    "minimum_tls": "TLSv1.2_2021",
    "ipv6": True,
    "http_version": "http2and3",
    "price_class": "PriceClass_200",
    "default_root_object": "index.html",
    "viewer_protocol": "redirect-to-https",
    "compress": True,
    "cache_policy": "658327ea-f89d-4fab-a63d-7e88639e58f6",
    "response_headers_policy_id": "60669652-455b-4ae9-85a4-c4c02393f86c",
    "enabled": True,
}
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


def run(local_aws: LocalAws, check: bool = False, **args: Any) -> dict[str, Any]:
    local_aws.mark()
    return run_module(MODULE, args, environ=local_aws.environ, check=check)


def cloudfront(local_aws: LocalAws) -> Any:
    return local_aws.client("cloudfront", "us-east-1")


@pytest.fixture
def declared(local_aws: LocalAws) -> dict[str, Any]:
    """The declaration, with what it needs in place."""
    control = cloudfront(local_aws).create_origin_access_control(
        OriginAccessControlConfig={
            "Name": "koin-s3",
            "SigningProtocol": "sigv4",
            "SigningBehavior": "always",
            "OriginAccessControlOriginType": "s3",
        }
    )
    return DECLARED | {
        "origin_access_control_id": control["OriginAccessControl"]["Id"],
        "certificate_arn": issue(local_aws),
    }


def reported(declared: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The declaration as the module reports it."""
    return {key: value for key, value in declared.items() if key != "name"} | {"comment": "stage-static"} | changes


def create(local_aws: LocalAws, declared: dict[str, Any], **changes: Any) -> str:
    """A legacy distribution; returns its id."""
    certificate = {
        "ACMCertificateArn": declared["certificate_arn"],
        "SSLSupportMethod": "sni-only",
        "MinimumProtocolVersion": "TLSv1.1_2016",
    }
    config = copy.deepcopy(LEGACY) | {"ViewerCertificate": certificate} | changes
    return cloudfront(local_aws).create_distribution(DistributionConfig=config)["Distribution"]["Id"]


def config_of(local_aws: LocalAws, distribution_id: str) -> dict[str, Any]:
    return cloudfront(local_aws).get_distribution_config(Id=distribution_id)["DistributionConfig"]


def ids(local_aws: LocalAws) -> list[str]:
    listed = cloudfront(local_aws).list_distributions()["DistributionList"]
    return [item["Id"] for item in listed.get("Items") or []]


@pytest.fixture
def made(local_aws: LocalAws, declared: dict[str, Any]) -> str:
    """The id of the distribution as declared, made by the module."""
    return run(local_aws, **declared)["id"]


def test_check_of_a_new_one_announces_it_and_writes_nothing(local_aws: LocalAws, declared: dict[str, Any]) -> None:
    result = run(local_aws, check=True, **declared)
    assert (result["changed"], result["id"], result["arn"], result["domain_name"]) == (True, "", "", "")
    assert result["diff"] == {"before": {}, "after": reported(declared)}
    assert written(local_aws) == []
    assert ids(local_aws) == []


def test_a_new_one_is_created(local_aws: LocalAws, declared: dict[str, Any]) -> None:
    result = run(local_aws, **declared)
    assert result["changed"]
    assert written(local_aws) == ["CreateDistribution"]
    assert ids(local_aws) == [result["id"]]
    live = cloudfront(local_aws).get_distribution(Id=result["id"])["Distribution"]
    assert flatten(live["DistributionConfig"]) == reported(declared)
    assert live["DistributionConfig"]["CallerReference"] == "stage-static"
    assert (result["arn"], result["domain_name"]) == (live["ARN"], live["DomainName"])


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("found_by", ["id", "alias", "alias, for the id is gone"])
def test_one_that_is_as_declared_is_left_alone(
    local_aws: LocalAws, declared: dict[str, Any], made: str, check: bool, found_by: str
) -> None:
    names = {"id": {"id": made}, "alias": {}}.get(found_by, {"id": "EGONE00000000"})
    result = run(local_aws, check=check, **declared, **names)
    assert (result["changed"], result["id"]) == (False, made)
    assert result["diff"] == {"before": reported(declared), "after": reported(declared)}
    assert written(local_aws) == []


@pytest.mark.parametrize("check", [True, False])
def test_a_legacy_one_is_changed_in_place_and_keeps_the_rest(
    local_aws: LocalAws, declared: dict[str, Any], check: bool
) -> None:
    distribution_id = create(local_aws, declared)
    before = config_of(local_aws, distribution_id)
    result = run(local_aws, check=check, **declared)
    assert (result["changed"], result["id"]) == (True, distribution_id)
    assert result["diff"] == {"before": flatten(before), "after": reported(declared, comment="made by hand")}
    after = config_of(local_aws, distribution_id)
    if check:
        assert written(local_aws) == []
        assert after == before
        return
    assert written(local_aws) == ["UpdateDistribution"]
    assert ids(local_aws) == [distribution_id]
    assert flatten(after) == reported(declared, comment="made by hand")
    assert {key: after[key] for key in KEPT} == {key: before[key] for key in KEPT}
    origins = {item["Id"]: item for item in after["Origins"]["Items"]}
    assert origins.keys() == {"api", "S3-kap-test"}
    assert origins["S3-kap-test"]["OriginPath"] == "/public"
    assert origins["S3-kap-test"]["S3OriginConfig"]["OriginAccessIdentity"] == ""
    behavior = after["DefaultCacheBehavior"]
    assert behavior["ResponseHeadersPolicyId"] == LEGACY["DefaultCacheBehavior"]["ResponseHeadersPolicyId"]
    assert not behavior.keys() & {"ForwardedValues", "MinTTL", "DefaultTTL", "MaxTTL"}
    assert not run(local_aws, **declared)["changed"]


def test_one_option_changes_one_thing(local_aws: LocalAws, declared: dict[str, Any], made: str) -> None:
    result = run(local_aws, name="stage-static", id=made, enabled=False)
    assert result["diff"] == {"before": reported(declared), "after": reported(declared, enabled=False)}
    assert flatten(config_of(local_aws, made)) == reported(declared, enabled=False)


def overtaken(local_aws: LocalAws) -> Callable[..., Any]:
    """Let somebody else write the distribution right before the first update arrives."""
    waiting = True

    def answer(send: Callable[[], Any], parameters: dict[str, Any]) -> Any:
        nonlocal waiting
        if waiting:
            waiting = False
            live = cloudfront(local_aws).get_distribution_config(Id=parameters["Id"])
            theirs = copy.deepcopy(live["DistributionConfig"])
            theirs["Logging"]["Prefix"] = "theirs/"
            cloudfront(local_aws).update_distribution(
                Id=parameters["Id"], IfMatch=live["ETag"], DistributionConfig=theirs
            )
        return send()

    return answer


def test_a_change_by_somebody_else_meanwhile_survives(local_aws: LocalAws, declared: dict[str, Any]) -> None:
    distribution_id = create(local_aws, declared)
    with intercepted("UpdateDistribution", overtaken(local_aws)) as updates:
        result = run(local_aws, **declared)
    assert result["changed"]
    assert len(updates) == 3  # ours, theirs in between, ours again
    after = config_of(local_aws, distribution_id)
    assert after["Logging"]["Prefix"] == "theirs/"
    assert flatten(after) == reported(declared, comment="made by hand")


def test_a_distribution_that_never_stands_still_is_an_error(local_aws: LocalAws, declared: dict[str, Any]) -> None:
    distribution_id = create(local_aws, declared)

    def refuse(send: Callable[[], Any], parameters: dict[str, Any]) -> Any:
        raise aws_error("PreconditionFailed", "UpdateDistribution", 412)

    with (
        intercepted("UpdateDistribution", refuse) as updates,
        pytest.raises(ModuleError, match=rf"Cannot update the distribution stage-static \({distribution_id}\)"),
    ):
        run(local_aws, **declared)
    assert len(updates) == 2


def test_a_certificate_that_is_not_issued_is_named_as_a_cause(local_aws: LocalAws, declared: dict[str, Any]) -> None:
    pending = declared["certificate_arn"][:-12] + "000000000000"
    with pytest.raises(ModuleError, match=r"check .* that the certificate is issued in us-east-1"):
        run(local_aws, **declared | {"certificate_arn": pending})
    assert ids(local_aws) == []


def test_two_distributions_with_the_aliases_are_refused(local_aws: LocalAws, declared: dict[str, Any]) -> None:
    first = create(local_aws, declared)
    second = create(local_aws, declared, CallerReference="2", Aliases={"Quantity": 1, "Items": ["stage.koreatech.in"]})
    args = declared | {"aliases": ["stage-static.koreatech.in", "stage.koreatech.in"]}
    message = r"more than one distribution: .*has stage-static\.koreatech\.in.*An alias can point to one only"
    with pytest.raises(ModuleError, match=message):
        run(local_aws, **args)
    with pytest.raises(ModuleError, match=rf"is {first}, but other distributions hold its aliases: {second} has"):
        run(local_aws, **args, id=first)
    assert written(local_aws) == []


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"name": "static"}, "give its id, or at least one of its aliases"),
        ({"name": "static", "aliases": []}, "give its id, or at least one of its aliases"),
        ({"name": "static", "id": "EGONE00000000"}, "cannot be built: a new distribution needs an origin_domain"),
        (DECLARED | {"wait_delay": 0}, "wait_delay is 0"),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_what_is_missing_is_named(local_aws: LocalAws, check: bool, args: dict[str, Any], message: str) -> None:
    with pytest.raises(ModuleError, match=message):
        run(local_aws, check=check, **args)
    assert written(local_aws) == []


def test_a_name_that_was_used_before_is_refused(local_aws: LocalAws, declared: dict[str, Any], made: str) -> None:
    with pytest.raises(ModuleError, match=r"created as stage-static before, and none has the aliases other\.korea"):
        run(local_aws, **declared | {"aliases": ["other.koreatech.in"]})
    assert ids(local_aws) == [made]


def progress(*statuses: str) -> Callable[..., Any]:
    """Deploy step by step."""
    steps = iter(statuses)

    def answer(send: Callable[[], Any], parameters: dict[str, Any]) -> Any:
        response = send()
        response["Distribution"]["Status"] = next(steps, statuses[-1])
        return response

    return answer


def test_waiting_ends_when_it_is_deployed(local_aws: LocalAws, declared: dict[str, Any]) -> None:
    with intercepted("GetDistribution", progress("InProgress", "Deployed")) as looks:
        result = run(local_aws, **declared, wait=True, wait_delay=1)
    assert result["status"] == "Deployed"
    assert len(looks) == 3  # two by the waiter, one for the result


def test_waiting_has_an_end(local_aws: LocalAws, declared: dict[str, Any]) -> None:
    with (
        intercepted("GetDistribution", progress("InProgress")),
        pytest.raises(ModuleError, match="is written, but not deployed everywhere after 0 s"),
    ):
        run(local_aws, **declared, wait=True, wait_timeout=0)


def test_nothing_is_waited_for_by_default(local_aws: LocalAws, declared: dict[str, Any]) -> None:
    with intercepted("GetDistribution", progress("InProgress")) as looks:
        run(local_aws, **declared)
    assert looks == []
