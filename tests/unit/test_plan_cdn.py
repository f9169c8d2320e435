"""Certificates and distributions on literals: recognition, what a change shows, what it takes from others."""

from __future__ import annotations

from typing import Any

import jmespath
import pytest
from ansible.module_utils.platform.engine.errors import PlatformError

from tests.support.files import load_file
from tests.support.observed import changes_of, plan_of, refusals

POLICY = "658327ea-f89d-4fab-a63d-7e88639e58f6"
DECLARED: dict[str, Any] = {
    "aws_dns_zones": {"koreatech.in": {}},
    "aws_storage_buckets": {"b": {}},
    "aws_cdn_certificates": {"koreatech.in": {"domain": "koreatech.in", "alternative_names": ["*.koreatech.in"]}},
    "aws_cdn_distributions": {
        "static": {
            "aliases": ["static.koreatech.in"],
            "bucket": "b",
            "certificate": "koreatech.in",
            "cache_policy": POLICY,
        }
    },
}


def _certificate(*names: str) -> dict[str, Any]:
    return {"CertificateArn": "arn:c", "Status": "ISSUED", "DomainName": names[0], "SubjectAlternativeNames": names}


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["*.koreatech.in", "koreatech.in"], True),
        (["Koreatech.in", "*.koreatech.in"], True),
        (["koreatech.in"], False),
        (["*.koreatech.in", "koreatech.in", "jjbaksa.com"], False),
    ],
)
def test_a_certificate_is_the_set_of_its_names(names: list[str], found: bool) -> None:
    result = plan_of(DECLARED, certificates=[_certificate(*names)])
    assert ("certificate" in result.registry) is found


@pytest.mark.parametrize(
    ("live", "found"),
    [
        ({"Type": "IMPORTED", "Status": "ISSUED"}, True),
        ({"Type": "AMAZON_ISSUED", "Status": "PENDING_VALIDATION"}, True),
        # CloudFront takes none of a private authority.
        ({"Type": "PRIVATE", "Status": "ISSUED"}, False),
        ({"Type": "IMPORTED", "Status": "EXPIRED"}, False),
        ({"Type": "AMAZON_ISSUED", "Status": "FAILED"}, False),
        ({"Type": "AMAZON_ISSUED", "Status": "VALIDATION_TIMED_OUT"}, False),
        ({"Type": "AMAZON_ISSUED", "Status": "REVOKED"}, False),
    ],
)
def test_a_certificate_that_cloudfront_cannot_use_is_none(live: dict[str, Any], found: bool) -> None:
    certificate = _certificate("koreatech.in", "*.koreatech.in") | live
    assert ("certificate" in plan_of(DECLARED, certificates=[certificate]).registry) is found


def test_a_certificate_of_ones_own_goes_before_an_imported_one() -> None:
    names = ("koreatech.in", "*.koreatech.in")
    imported = _certificate(*names) | {"CertificateArn": "arn:i", "Type": "IMPORTED", "NotAfter": "2036-01-01"}
    own = _certificate(*names) | {"Type": "AMAZON_ISSUED", "NotAfter": "2027-01-01"}
    private = _certificate(*names) | {"CertificateArn": "arn:p", "Type": "PRIVATE", "NotAfter": "2040-01-01"}
    found = plan_of(DECLARED, certificates=[private, imported, own]).registry["certificate"]
    assert found["koreatech.in"]["arn"] == "arn:c"


@pytest.mark.parametrize(
    ("option", "shown"),
    [
        ({"ValidationMethod": "DNS"}, {"records": ("missing: a record that ACM has not named yet", "published")}),
        ({"ValidationMethod": "EMAIL"}, {}),
        ({"ValidationMethod": "HTTP", "HttpRedirect": {"RedirectFrom": "http://koreatech.in/.well-known"}}, {}),
        ({}, {"records": ("missing: a record that ACM has not named yet", "published")}),
    ],
)
def test_only_what_is_validated_by_dns_has_records(option: dict[str, Any], shown: dict[str, Any]) -> None:
    options = [{"DomainName": "koreatech.in", **option}]
    certificate = _certificate("koreatech.in", "*.koreatech.in") | {"DomainValidationOptions": options}
    assert changes_of(plan_of(DECLARED, certificates=[certificate]), "certificate_validation") == shown


def test_the_module_finds_the_certificates_that_the_plan_finds() -> None:
    module = load_file("plugins/modules/acm_certificate_request.py")
    assert module.is_usable({"Status": "ISSUED", "Type": "IMPORTED"})
    assert not module.is_usable({"Status": "ISSUED", "Type": "PRIVATE"})
    acceptors = module.CertificateWaiters()._waiter_model_data["records_known"]["acceptors"]
    known = jmespath.compile(acceptors[1]["argument"])
    record = {"Name": "_x", "Type": "CNAME", "Value": "_y"}
    for options, expected in (
        ([{"ValidationMethod": "DNS"}], False),
        ([{"ValidationMethod": "DNS", "ResourceRecord": record}], True),
        # Nothing to wait for.
        ([{"ValidationMethod": "HTTP"}], True),
        ([{"ValidationMethod": "EMAIL"}], True),
        ([], False),
    ):
        assert known.search({"Certificate": {"DomainValidationOptions": options}}) is expected, options


def _access_control(**config: Any) -> list[dict[str, Any]]:
    return [
        {
            "Id": "O1",
            "Name": "static",
            "SigningBehavior": "always",
            "SigningProtocol": "sigv4",
            "OriginAccessControlOriginType": "s3",
            **config,
        }
    ]


def test_an_access_control_that_never_signs_is_a_difference() -> None:
    user = {
        "Id": "E9",
        "DomainName": "d9.cloudfront.net",
        "ARN": "arn:9",
        "Origins": {"Items": [{"OriginAccessControlId": "O1"}]},
    }
    found = plan_of(DECLARED, access_controls=_access_control(SigningBehavior="never"), distributions=[user])
    assert changes_of(found, "origin_access_control") == {"signing_behavior": ("never", "always")}
    assert any("E9 will sign all requests" in warning for warning in found.warnings)
    assert changes_of(plan_of(DECLARED, access_controls=_access_control()), "origin_access_control") == {}


def test_an_access_control_for_other_origins_is_refused() -> None:
    (problem,) = refusals(DECLARED, access_controls=_access_control(OriginAccessControlOriginType="mediastore"))
    assert "is for origins of type mediastore, not s3" in problem.what


def _site(**config: Any) -> dict[str, Any]:
    summary = {
        "Id": "E1",
        "ARN": "arn:1",
        "DomainName": "d1.cloudfront.net",
        "Aliases": {"Items": ["static.koreatech.in"]},
    }
    origin = {"Id": "o", "DomainName": "b.s3.ap-northeast-2.amazonaws.com", **config.pop("origin", {})}
    behavior = {"TargetOriginId": "o", "CachePolicyId": POLICY, **config.pop("behavior", {})}
    whole = {**summary, "Origins": {"Items": [origin]}, "DefaultCacheBehavior": behavior, **config}
    return {"distributions": [summary], "distribution_configs": {"E1": whole}}


def test_settings_that_a_cache_policy_replaces_are_shown() -> None:
    old = {"CachePolicyId": "", "MinTTL": 5, "ForwardedValues": {"QueryString": True}}
    changes = changes_of(plan_of(DECLARED, **_site(behavior=old)), "distribution")
    assert changes["cache_settings"] == ({"MinTTL": 5, "ForwardedValues": {"QueryString": True}}, None)
    assert changes["cache_policy"] == ("", POLICY)
    assert "cache_settings" not in changes_of(plan_of(DECLARED, **_site(behavior={"MinTTL": 0})), "distribution")


@pytest.mark.parametrize(
    ("origin", "before"),
    [
        ({"CustomOriginConfig": {"HTTPPort": 8080}}, {"CustomOriginConfig": {"HTTPPort": 8080}}),
        (
            {"S3OriginConfig": {"OriginAccessIdentity": "origin-access-identity/cloudfront/E2"}},
            {"OriginAccessIdentity": "origin-access-identity/cloudfront/E2"},
        ),
    ],
)
def test_settings_that_an_access_control_replaces_are_shown(origin: dict[str, Any], before: dict[str, Any]) -> None:
    changes = changes_of(plan_of(DECLARED, **_site(origin=origin)), "distribution")
    assert changes["origin_config"] == (before, None)


def test_what_stays_of_an_origin_that_moves_is_said() -> None:
    headers = {"Items": [{"HeaderName": "X-Key", "HeaderValue": "s3cret"}]}
    origin = {"DomainName": "old.s3.amazonaws.com", "OriginPath": "/public", "CustomHeaders": headers}
    warnings = " ".join(plan_of(DECLARED, **_site(origin=origin)).warnings)
    assert "of the old origin stays: path /public; headers X-Key" in warnings
    assert "s3cret" not in warnings


FAILOVER = {"Id": "both", "Members": {"Items": [{"OriginId": "o"}, {"OriginId": "spare"}]}}


@pytest.mark.parametrize(
    ("config", "also"),
    [
        ({}, ""),
        ({"CacheBehaviors": {"Items": [{"PathPattern": "/api/*", "TargetOriginId": "o"}]}}, ", also for /api/*"),
        ({"CacheBehaviors": {"Items": [{"PathPattern": "/api/*", "TargetOriginId": "elb"}]}}, ""),
        ({"OriginGroups": {"Items": [FAILOVER]}}, ", also for origin group both"),
        (
            {
                "OriginGroups": {"Items": [FAILOVER]},
                "CacheBehaviors": {"Items": [{"PathPattern": "*.jpg", "TargetOriginId": "both"}]},
            },
            ", also for *.jpg, origin group both",
        ),
        ({"OriginGroups": {"Items": [FAILOVER]}, "behavior": {"TargetOriginId": "both"}}, ""),
    ],
)
def test_what_moves_with_the_origin_is_named(config: dict[str, Any], also: str) -> None:
    origin = {"DomainName": "lb-1.elb.amazonaws.com", "CustomOriginConfig": {"HTTPPort": 80}}
    (line,) = (text for text in plan_of(DECLARED, **_site(origin=origin, **config)).warnings if "moves from" in text)
    expected = "its origin moves from lb-1.elb.amazonaws.com to b.s3.ap-northeast-2.amazonaws.com"
    assert line == f"distribution static: {expected}{also}"


def test_aliases_are_recognised_in_any_case() -> None:
    site = _site(Aliases={"Items": ["Static.Koreatech.in"]})
    site["distributions"][0]["Aliases"] = {"Items": ["Static.Koreatech.in"]}
    found = plan_of(DECLARED, **site)
    assert "aliases" not in changes_of(found, "distribution")
    assert found.registry["distribution"]["static"]["id"] == "E1"


@pytest.mark.parametrize(
    ("version", "policy", "refused"), [("http2and3", "p", True), ("http2", "p", False), ("http2and3", "", False)]
)
def test_http_3_beside_a_continuous_deployment_is_refused(version: str, policy: str, refused: bool) -> None:
    site = DECLARED["aws_cdn_distributions"]["static"] | {"http_version": version}
    declared = DECLARED | {"aws_cdn_distributions": {"static": site}}
    live = _site(ContinuousDeploymentPolicyId=policy)
    assert [problem.where for problem in refusals(declared, **live)] == (
        ["aws_cdn_distributions.static.http_version"] if refused else []
    )
    staged = [text for text in plan_of(declared, **live).warnings if "a part of its visitors" in text]
    assert len(staged) == bool(policy)


def test_one_live_distribution_is_not_two_declared_ones() -> None:
    entry = DECLARED["aws_cdn_distributions"]["static"]
    other = entry | {"aliases": ["image.koreatech.in"]}
    declared = DECLARED | {"aws_cdn_distributions": {"static": entry, "image": other}}
    both = {"Items": ["static.koreatech.in", "image.koreatech.in"]}
    site = _site(Aliases=both)
    site["distributions"][0]["Aliases"] = both
    with pytest.raises(PlatformError, match="static and image are the same live resource"):
        plan_of(declared, **site)


def test_what_the_website_of_a_bucket_did_is_said() -> None:
    origin = {"DomainName": "b.s3-website.ap-northeast-2.amazonaws.com", "CustomOriginConfig": {"HTTPPort": 80}}
    assert any("index documents of folders" in text for text in plan_of(DECLARED, **_site(origin=origin)).warnings)


def test_a_certificate_of_iam_is_shown_by_its_id() -> None:
    viewer = {"IAMCertificateId": "ASCA1", "MinimumProtocolVersion": "TLSv1"}
    changes = changes_of(plan_of(DECLARED, **_site(ViewerCertificate=viewer)), "distribution")
    assert changes["certificate"] == ("server certificate ASCA1 of IAM", "koreatech.in")


def test_the_origin_is_where_the_bucket_is() -> None:
    origin = {"DomainName": "b.s3.us-east-1.amazonaws.com"}
    site = _site(origin=origin)
    assert "origin_domain" not in changes_of(plan_of(DECLARED, buckets={"b": "us-east-1"}, **site), "distribution")
    moved = changes_of(plan_of(DECLARED, buckets={"b": "ap-northeast-2"}, **site), "distribution")
    assert moved["origin_domain"] == ("b.s3.us-east-1.amazonaws.com", "b.s3.ap-northeast-2.amazonaws.com")
    (action,) = [item for item in plan_of(DECLARED, buckets={"b": "us-east-1"}).writes if item.kind == "distribution"]
    assert action.entry["origin_domain"] == "b.s3.us-east-1.amazonaws.com"


ZONE = {"Id": "/hostedzone/Z1", "Name": "koreatech.in.", "Config": {"PrivateZone": False}}


@pytest.mark.parametrize(
    ("record", "foreign"),
    [
        ({"Type": "A", "AliasTarget": {"DNSName": "d999.cloudfront.net."}}, True),
        ({"Type": "A", "AliasTarget": {"DNSName": "d1.cloudfront.net."}}, False),
        ({"Type": "A", "ResourceRecords": [{"Value": "1.2.3.4"}]}, False),
        ({"Name": "\\052.koreatech.in.", "Type": "CNAME", "ResourceRecords": [{"Value": "d999.cloudfront.net"}]}, True),
    ],
)
def test_an_alias_that_leads_to_another_account_is_warned_about(record: dict[str, Any], foreign: bool) -> None:
    site = {"Id": "E1", "ARN": "arn:1", "DomainName": "d1.cloudfront.net"}
    records = {"Z1": [{"Name": "static.koreatech.in.", **record}]}
    found = plan_of(DECLARED, zones=[ZONE], records=records, distributions=[site])
    assert any("d999.cloudfront.net, which is not of this account" in text for text in found.warnings) is foreign


@pytest.mark.parametrize("issued", [False, True])
def test_a_name_that_cannot_be_validated_is_refused(issued: bool) -> None:
    entry = {"domain": "koreatech.in", "alternative_names": ["*.dev.koreatech.in"]}
    declared = {"aws_dns_zones": {"koreatech.in": {}}, "aws_cdn_certificates": {"koreatech.in": entry}}
    records = {"Z1": [{"Name": "dev.koreatech.in.", "Type": "NS", "ResourceRecords": [{"Value": "ns1.example.com"}]}]}
    live = [_certificate("koreatech.in", "*.dev.koreatech.in")] if issued else []
    found = refusals(declared, zones=[ZONE], records=records, certificates=live)
    assert [problem.where for problem in found] == ([] if issued else ["aws_cdn_certificates.koreatech.in"])


def test_a_wildcard_that_answered_before_is_named() -> None:
    other = {"Id": "E9", "ARN": "arn:9", "DomainName": "d9.cloudfront.net", "Aliases": {"Items": ["*.koreatech.in"]}}
    found = plan_of(DECLARED, distributions=[other])
    assert "distribution static: it takes static.koreatech.in from E9, which answers for *.koreatech.in" in (
        found.warnings
    )


def test_others_that_use_a_headers_policy_are_named() -> None:
    declared = DECLARED | {"aws_cdn_headers_policies": {"uploads": {"frame_options": "DENY"}}}
    policy = {"Id": "p-1", "ResponseHeadersPolicyConfig": {"Name": "uploads"}}
    other = {
        "Id": "E9",
        "ARN": "arn:9",
        "DomainName": "d9.cloudfront.net",
        "CacheBehaviors": {"Items": [{"ResponseHeadersPolicyId": "p-1"}]},
    }
    found = plan_of(declared, headers_policies=[{"ResponseHeadersPolicy": policy}], distributions=[other])
    assert any("headers policy uploads: the distribution of d9.cloudfront.net (E9)" in text for text in found.warnings)
