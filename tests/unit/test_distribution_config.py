"""DistributionConfig → fields → DistributionConfig, as tables of literals."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible.module_utils.platform.distribution_config import (
    CREATION_DEFAULTS,
    FIELDS,
    LEGACY_CACHE_KEYS,
    flatten,
    merge,
)

OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
BUCKET = "team-kap-koin-storage.s3.ap-northeast-2.amazonaws.com"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/11111111-1111-1111-1111-111111111111"
RENEWED = "arn:aws:acm:us-east-1:123456789012:certificate/22222222-2222-2222-2222-222222222222"

# What GetDistributionConfig answers for a distribution made by hand in the console of 2020.
LEGACY: dict[str, Any] = {
    "CallerReference": "1588888888888",
    "Aliases": {"Quantity": 2, "Items": ["static.koreatech.in", "old.koreatech.in"]},
    "DefaultRootObject": "",
    "Origins": {
        "Quantity": 2,
        "Items": [
            {
                "Id": "api",
                "DomainName": "api.koreatech.in",
                "OriginPath": "",
                "CustomHeaders": {"Quantity": 0},
                "CustomOriginConfig": {
                    "HTTPPort": 80,
                    "HTTPSPort": 443,
                    "OriginProtocolPolicy": "https-only",
                    "OriginSslProtocols": {"Quantity": 1, "Items": ["TLSv1.2"]},
                    "OriginReadTimeout": 30,
                    "OriginKeepaliveTimeout": 5,
                },
                "ConnectionAttempts": 3,
                "ConnectionTimeout": 10,
                "OriginShield": {"Enabled": False},
                "OriginAccessControlId": "",
            },
            {
                "Id": "S3-team-kap-koin-storage",
                "DomainName": "team-kap-koin-storage.s3.amazonaws.com",
                "OriginPath": "/public",
                "CustomHeaders": {"Quantity": 1, "Items": [{"HeaderName": "X-From", "HeaderValue": "cdn"}]},
                "S3OriginConfig": {"OriginAccessIdentity": "origin-access-identity/cloudfront/E2AAAAAAAAAAAA"},
                "ConnectionAttempts": 2,
                "ConnectionTimeout": 5,
                "OriginShield": {"Enabled": True, "OriginShieldRegion": "ap-northeast-2"},
                "OriginAccessControlId": "",
            },
        ],
    },
    "OriginGroups": {"Quantity": 0},
    "DefaultCacheBehavior": {
        "TargetOriginId": "S3-team-kap-koin-storage",
        "TrustedSigners": {"Enabled": False, "Quantity": 0},
        "TrustedKeyGroups": {"Enabled": False, "Quantity": 0},
        "ViewerProtocolPolicy": "allow-all",
        "AllowedMethods": {
            "Quantity": 3,
            "Items": ["HEAD", "GET", "OPTIONS"],
            "CachedMethods": {"Quantity": 2, "Items": ["HEAD", "GET"]},
        },
        "SmoothStreaming": False,
        "Compress": False,
        "LambdaFunctionAssociations": {"Quantity": 0},
        "FunctionAssociations": {
            "Quantity": 1,
            "Items": [
                {"FunctionARN": "arn:aws:cloudfront::123456789012:function/index", "EventType": "viewer-request"}
            ],
        },
        "FieldLevelEncryptionId": "",
        "ResponseHeadersPolicyId": "60669652-455b-4ae9-85a4-c4c02393f86c",
        "ForwardedValues": {
            "QueryString": False,
            "Cookies": {"Forward": "none"},
            "Headers": {"Quantity": 1, "Items": ["Origin"]},
            "QueryStringCacheKeys": {"Quantity": 0},
        },
        "MinTTL": 0,
        "DefaultTTL": 86400,
        "MaxTTL": 31536000,
    },
    "CacheBehaviors": {
        "Quantity": 1,
        "Items": [
            {
                "PathPattern": "/api/*",
                "TargetOriginId": "api",
                "ViewerProtocolPolicy": "https-only",
                "ForwardedValues": {"QueryString": True, "Cookies": {"Forward": "all"}},
                "MinTTL": 0,
                "DefaultTTL": 0,
                "MaxTTL": 0,
            }
        ],
    },
    "CustomErrorResponses": {
        "Quantity": 1,
        "Items": [{"ErrorCode": 403, "ResponsePagePath": "/404.html", "ResponseCode": "404", "ErrorCachingMinTTL": 10}],
    },
    "Comment": "made by hand",
    "Logging": {"Enabled": True, "IncludeCookies": False, "Bucket": "logs.s3.amazonaws.com", "Prefix": "cdn/"},
    "PriceClass": "PriceClass_All",
    "Enabled": True,
    "ViewerCertificate": {
        "CloudFrontDefaultCertificate": False,
        "ACMCertificateArn": CERTIFICATE,
        "SSLSupportMethod": "sni-only",
        "MinimumProtocolVersion": "TLSv1.1_2016",
        "Certificate": CERTIFICATE,
        "CertificateSource": "acm",
    },
    "Restrictions": {"GeoRestriction": {"RestrictionType": "whitelist", "Quantity": 1, "Items": ["KR"]}},
    "WebACLId": "arn:aws:wafv2:us-east-1:123456789012:global/webacl/koin/1",
    "HttpVersion": "HTTP2",
    "IsIPV6Enabled": False,
    "ContinuousDeploymentPolicyId": "",
    "Staging": False,
}

LEGACY_FIELDS: dict[str, Any] = {
    "enabled": True,
    "comment": "made by hand",
    "aliases": ["old.koreatech.in", "static.koreatech.in"],
    "origin_domain": "team-kap-koin-storage.s3.amazonaws.com",
    "origin_access_control_id": "",
    "certificate_arn": CERTIFICATE,
    "minimum_tls": "TLSv1.1_2016",
    "ipv6": False,
    "http_version": "http2",
    "price_class": "PriceClass_All",
    "default_root_object": "",
    "viewer_protocol": "allow-all",
    "compress": False,
    "cache_policy": "",
    "response_headers_policy_id": "60669652-455b-4ae9-85a4-c4c02393f86c",
}

DECLARED: dict[str, Any] = {
    "enabled": True,
    "comment": "static",
    "aliases": ["static.koreatech.in"],
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
    "cache_policy": OPTIMIZED,
    "response_headers_policy_id": "60669652-455b-4ae9-85a4-c4c02393f86c",
}

# What GetDistributionConfig answers as ViewerCertificate when a distribution has none of its own.
DEFAULT_CERTIFICATE = {
    "CloudFrontDefaultCertificate": True,
    "SSLSupportMethod": "vip",
    "MinimumProtocolVersion": "TLSv1",
    "CertificateSource": "cloudfront",
}


def live(**changes: Any) -> dict[str, Any]:
    """The legacy config with some top-level keys replaced."""
    return copy.deepcopy(LEGACY) | changes


def test_a_legacy_distribution_as_fields() -> None:
    assert flatten(LEGACY) == LEGACY_FIELDS
    assert tuple(flatten(LEGACY)) == FIELDS


def test_an_empty_config_has_every_field() -> None:
    assert tuple(flatten({})) == FIELDS


def test_the_declaration_is_what_is_read_back() -> None:
    assert flatten(merge(LEGACY, DECLARED)) == DECLARED
    assert flatten(merge(None, DECLARED)) == DECLARED


def test_moving_a_legacy_distribution_keeps_all_that_is_not_declared() -> None:
    before = copy.deepcopy(LEGACY)
    after = merge(LEGACY, DECLARED)

    assert before == LEGACY, "the given config must not be modified"
    behavior = copy.deepcopy(LEGACY["DefaultCacheBehavior"])
    for key in LEGACY_CACHE_KEYS:
        del behavior[key]
    behavior |= {"ViewerProtocolPolicy": "redirect-to-https", "Compress": True, "CachePolicyId": OPTIMIZED}
    origin = copy.deepcopy(LEGACY["Origins"]["Items"][1])
    origin |= {
        "DomainName": BUCKET,
        "OriginAccessControlId": "E327GJI25M56DG",
        "S3OriginConfig": {"OriginAccessIdentity": ""},
    }
    assert after == LEGACY | {
        "Aliases": {"Quantity": 1, "Items": ["static.koreatech.in"]},
        "DefaultRootObject": "index.html",
        "Origins": {"Quantity": 2, "Items": [LEGACY["Origins"]["Items"][0], origin]},
        "DefaultCacheBehavior": behavior,
        "Comment": "static",
        "PriceClass": "PriceClass_200",
        "ViewerCertificate": LEGACY["ViewerCertificate"] | {"MinimumProtocolVersion": "TLSv1.2_2021"},
        "HttpVersion": "http2and3",
        "IsIPV6Enabled": True,
    }


@pytest.mark.parametrize(
    ("config", "fields"),
    [
        pytest.param(LEGACY, {}, id="nothing declared"),
        pytest.param(LEGACY, dict.fromkeys(FIELDS), id="everything unset"),
        pytest.param(LEGACY, LEGACY_FIELDS, id="declared as it is"),
        pytest.param(
            LEGACY,
            {"aliases": ["Static.koreatech.in.", "OLD.koreatech.in", "old.koreatech.in"]},
            id="aliases respelled",
        ),
        pytest.param(merge(LEGACY, DECLARED), DECLARED, id="moved before"),
        pytest.param(merge(None, DECLARED), DECLARED, id="created before"),
        pytest.param(
            live(ViewerCertificate=DEFAULT_CERTIFICATE), {"minimum_tls": "TLSv1.2_2021"}, id="tls without a certificate"
        ),
    ],
)
def test_what_is_as_declared_stays_untouched(config: dict[str, Any], fields: dict[str, Any]) -> None:
    assert merge(config, fields) == config


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_alone_changes_itself_alone(field: str) -> None:
    after = flatten(merge(LEGACY, {field: DECLARED[field]}))
    assert after == LEGACY_FIELDS | {field: DECLARED[field]}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"enabled": False}, {"enabled": False}),
        ({"ipv6": False}, {"ipv6": False}),
        ({"compress": False}, {"compress": False}),
        ({"default_root_object": ""}, {"default_root_object": ""}),
        ({"aliases": []}, {"aliases": []}),
        ({"http_version": "HTTP3"}, {"http_version": "http3"}),
        ({"name": "renamed"}, {}),
        ({"name": "renamed", "comment": "said"}, {"comment": "said"}),
        ({"certificate_arn": ""}, {"certificate_arn": "", "minimum_tls": "TLSv1"}),
        ({"certificate_arn": RENEWED}, {"certificate_arn": RENEWED}),
        ({"origin_access_control_id": ""}, {"origin_access_control_id": ""}),
    ],
)
def test_empty_and_false_are_values(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    config = merge(LEGACY, DECLARED)
    assert flatten(merge(config, fields)) == DECLARED | expected


@pytest.mark.parametrize(
    ("config", "fields", "certificate"),
    [
        pytest.param(
            live(ViewerCertificate=DEFAULT_CERTIFICATE),
            {"certificate_arn": RENEWED},
            ("sni-only", "TLSv1.2_2021"),
            id="neither dedicated addresses nor TLS 1.0 come along from the default certificate",
        ),
        pytest.param(
            live(ViewerCertificate=DEFAULT_CERTIFICATE),
            {"certificate_arn": RENEWED, "minimum_tls": "TLSv1.2_2019"},
            ("sni-only", "TLSv1.2_2019"),
            id="the declared TLS wins",
        ),
        pytest.param(
            LEGACY, {"certificate_arn": RENEWED}, ("sni-only", "TLSv1.1_2016"), id="another certificate, nothing else"
        ),
        pytest.param(
            live(ViewerCertificate=LEGACY["ViewerCertificate"] | {"SSLSupportMethod": "vip"}),
            {"certificate_arn": RENEWED},
            ("vip", "TLSv1.1_2016"),
            id="dedicated addresses that are in use stay",
        ),
    ],
)
def test_another_certificate(config: dict[str, Any], fields: dict[str, Any], certificate: tuple[str, str]) -> None:
    method, minimum = certificate
    assert merge(config, fields)["ViewerCertificate"] == {
        "CloudFrontDefaultCertificate": False,
        "ACMCertificateArn": RENEWED,
        "SSLSupportMethod": method,
        "MinimumProtocolVersion": minimum,
    }


def test_a_certificate_kept_in_iam_is_left_alone() -> None:
    kept = {"CloudFrontDefaultCertificate": False, "IAMCertificateId": "ASCA", "SSLSupportMethod": "sni-only"}
    config = live(ViewerCertificate={**kept, "MinimumProtocolVersion": "TLSv1"})
    assert merge(config, flatten(config)) == config
    raised = merge(config, {"minimum_tls": "TLSv1.2_2021"})
    assert raised["ViewerCertificate"] == {**kept, "MinimumProtocolVersion": "TLSv1.2_2021"}


def test_a_website_endpoint_becomes_a_closed_bucket() -> None:
    config = live()
    website = config["Origins"]["Items"][1]
    del website["S3OriginConfig"]
    website["CustomOriginConfig"] = {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"}
    origin = merge(config, DECLARED)["Origins"]["Items"][1]
    assert "CustomOriginConfig" not in origin
    assert origin["S3OriginConfig"] == {"OriginAccessIdentity": ""}


def test_other_settings_of_the_s3_origin_stay() -> None:
    config = live()
    config["Origins"]["Items"][1]["S3OriginConfig"]["OriginReadTimeout"] = 60
    origin = merge(config, DECLARED)["Origins"]["Items"][1]
    assert origin["S3OriginConfig"] == {"OriginAccessIdentity": "", "OriginReadTimeout": 60}


def test_behind_an_origin_group_the_primary_member_is_the_origin() -> None:
    config = live(
        OriginGroups={
            "Quantity": 1,
            "Items": [
                {
                    "Id": "group",
                    "Members": {
                        "Quantity": 2,
                        "Items": [{"OriginId": "S3-team-kap-koin-storage"}, {"OriginId": "api"}],
                    },
                }
            ],
        }
    )
    config["DefaultCacheBehavior"]["TargetOriginId"] = "group"
    assert flatten(config) == LEGACY_FIELDS
    assert merge(config, DECLARED)["Origins"]["Items"][1]["DomainName"] == BUCKET


def test_a_new_distribution_in_full() -> None:
    assert merge(None, DECLARED | {"name": "static"}) == {
        "CallerReference": "static",
        "Comment": "static",
        "Enabled": True,
        "Aliases": {"Quantity": 1, "Items": ["static.koreatech.in"]},
        "DefaultRootObject": "index.html",
        "Origins": {
            "Quantity": 1,
            "Items": [
                {
                    "Id": BUCKET,
                    "DomainName": BUCKET,
                    "OriginPath": "",
                    "CustomHeaders": {"Quantity": 0},
                    "S3OriginConfig": {"OriginAccessIdentity": ""},
                    "OriginAccessControlId": "E327GJI25M56DG",
                }
            ],
        },
        "DefaultCacheBehavior": {
            "TargetOriginId": BUCKET,
            "ViewerProtocolPolicy": "redirect-to-https",
            "AllowedMethods": {
                "Quantity": 2,
                "Items": ["GET", "HEAD"],
                "CachedMethods": {"Quantity": 2, "Items": ["GET", "HEAD"]},
            },
            "SmoothStreaming": False,
            "Compress": True,
            "FieldLevelEncryptionId": "",
            "CachePolicyId": OPTIMIZED,
            "ResponseHeadersPolicyId": "60669652-455b-4ae9-85a4-c4c02393f86c",
        },
        "CacheBehaviors": {"Quantity": 0},
        "CustomErrorResponses": {"Quantity": 0},
        "Logging": {"Enabled": False, "IncludeCookies": False, "Bucket": "", "Prefix": ""},
        "PriceClass": "PriceClass_200",
        "ViewerCertificate": {
            "CloudFrontDefaultCertificate": False,
            "ACMCertificateArn": CERTIFICATE,
            "SSLSupportMethod": "sni-only",
            "MinimumProtocolVersion": "TLSv1.2_2021",
        },
        "Restrictions": {"GeoRestriction": {"RestrictionType": "none", "Quantity": 0}},
        "WebACLId": "",
        "HttpVersion": "http2and3",
        "IsIPV6Enabled": True,
    }


def test_a_new_distribution_of_which_little_is_said() -> None:
    fields = flatten(merge(None, {"name": "static", "origin_domain": BUCKET, "aliases": None}))
    # Without a certificate of its own it is CloudFront that decides on TLS.
    assert fields == CREATION_DEFAULTS | {"origin_domain": BUCKET, "comment": "static", "minimum_tls": "TLSv1"}


@pytest.mark.parametrize(
    ("config", "fields", "message"),
    [
        (None, {"name": "static"}, "needs an origin_domain"),
        (None, {"origin_domain": BUCKET}, "needs a name"),
        (LEGACY, {"price_clas": "PriceClass_200"}, "unknown distribution field.*price_clas"),
        (live(Origins={"Quantity": 0}), {"origin_domain": BUCKET}, "no known origin"),
    ],
)
def test_what_cannot_be_built_is_refused(config: dict[str, Any] | None, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        merge(config, fields)
