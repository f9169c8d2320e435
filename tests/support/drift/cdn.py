"""Certificates and distributions, changed and deleted behind the platform's back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .model import Account, Drift

SITE = "static"


def _distribution(change: Callable[[dict[str, Any]], object]) -> Callable[[Account], None]:
    def make(a: Account) -> None:
        client, site = a.aws.client("cloudfront"), a.id("distribution", SITE)
        answer = client.get_distribution_config(Id=site)
        change(answer["DistributionConfig"])
        client.update_distribution(Id=site, IfMatch=answer["ETag"], DistributionConfig=answer["DistributionConfig"])

    return make


def _set(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(config: dict[str, Any]) -> None:
        inner: Any = config
        for step in path[:-1]:
            inner = inner[int(step)] if step.isdigit() else inner[step]
        inner[path[-1]] = value

    return change


def _other_certificate(a: Account) -> None:
    # Validated by the record that is published already: a wildcard shares the one of its apex.
    acm = a.aws.client("acm", "us-east-1")
    other = acm.request_certificate(DomainName="*.koreatech.in", ValidationMethod="DNS")["CertificateArn"]
    _distribution(_set("ViewerCertificate", "ACMCertificateArn", value=other))(a)


def _headers(change: Callable[[dict[str, Any]], object]) -> Callable[[Account], None]:
    def make(a: Account) -> None:
        client, policy = a.aws.client("cloudfront"), a.id("headers_policy", "uploads")
        answer = client.get_response_headers_policy(Id=policy)
        config = answer["ResponseHeadersPolicy"]["ResponseHeadersPolicyConfig"]
        change(config)
        client.update_response_headers_policy(Id=policy, IfMatch=answer["ETag"], ResponseHeadersPolicyConfig=config)

    return make


def _header(field: str, *path: str, value: Any) -> Drift:
    change = _headers(_set("SecurityHeadersConfig", *path, value=value))
    return Drift("headers_policy", "uploads", field, change)


def _signing(**changed: str) -> Callable[[Account], None]:
    def make(a: Account) -> None:
        client, control = a.aws.client("cloudfront"), a.id("origin_access_control", SITE)
        answer = client.get_origin_access_control(Id=control)
        config = answer["OriginAccessControl"]["OriginAccessControlConfig"] | changed
        client.update_origin_access_control(Id=control, IfMatch=answer["ETag"], OriginAccessControlConfig=config)

    return make


def _forwarded(config: dict[str, Any]) -> None:
    behavior = config["DefaultCacheBehavior"]
    del behavior["CachePolicyId"]
    behavior |= {"ForwardedValues": {"QueryString": True, "Cookies": {"Forward": "all"}}, "MinTTL": 7}


#: one for each field that is declared
DRIFTS = [
    Drift("origin_access_control", SITE, "signing_behavior", _signing(SigningBehavior="never")),
    # AWS knows only sigv4; the local AWS does not mind.
    Drift("origin_access_control", SITE, "signing_protocol", _signing(SigningProtocol="sigv4a")),
    Drift("headers_policy", "uploads", "description", _headers(_set("Comment", value="changed by hand"))),
    _header("strict_transport_security", "StrictTransportSecurity", "AccessControlMaxAgeSec", value=60),
    _header("content_type_options", "ContentTypeOptions", "Override", value=False),
    _header("frame_options", "FrameOptions", "FrameOption", value="SAMEORIGIN"),
    _header("referrer_policy", "ReferrerPolicy", "ReferrerPolicy", value="unsafe-url"),
    _header("content_security_policy", "ContentSecurityPolicy", "ContentSecurityPolicy", value="default-src *"),
    Drift(
        "distribution",
        SITE,
        "headers_policy",
        _distribution(_set("DefaultCacheBehavior", "ResponseHeadersPolicyId", value="")),
    ),
    Drift("distribution", SITE, "enabled", _distribution(_set("Enabled", value=False))),
    Drift("distribution", SITE, "ipv6", _distribution(_set("IsIPV6Enabled", value=False))),
    Drift("distribution", SITE, "http_version", _distribution(_set("HttpVersion", value="http2"))),
    Drift(
        "distribution",
        SITE,
        "minimum_tls",
        _distribution(_set("ViewerCertificate", "MinimumProtocolVersion", value="TLSv1.1_2016")),
    ),
    Drift("distribution", SITE, "price_class", _distribution(_set("PriceClass", value="PriceClass_100"))),
    Drift("distribution", SITE, "default_root_object", _distribution(_set("DefaultRootObject", value="old.html"))),
    Drift(
        "distribution",
        SITE,
        "viewer_protocol",
        _distribution(_set("DefaultCacheBehavior", "ViewerProtocolPolicy", value="allow-all")),
    ),
    Drift("distribution", SITE, "compress", _distribution(_set("DefaultCacheBehavior", "Compress", value=False))),
    Drift(
        "distribution",
        SITE,
        "cache_policy",
        # Managed-CachingDisabled
        _distribution(_set("DefaultCacheBehavior", "CachePolicyId", value="4135ea2d-6df8-44a3-9df3-4b5a84be39ad")),
    ),
    Drift("distribution", SITE, "cache_settings", _distribution(_forwarded)),
    Drift(
        "distribution",
        SITE,
        "aliases",
        _distribution(
            _set("Aliases", value={"Quantity": 2, "Items": ["static.koreatech.in", "old-static.koreatech.in"]})
        ),
    ),
    Drift(
        "distribution",
        SITE,
        "origin_domain",
        _distribution(_set("Origins", "Items", "0", "DomainName", value="kap-test.s3.ap-northeast-2.amazonaws.com")),
    ),
    Drift(
        "distribution",
        SITE,
        "origin_access_control",
        _distribution(_set("Origins", "Items", "0", "OriginAccessControlId", value="")),
    ),
    Drift(
        "distribution",
        SITE,
        "origin_config",
        _distribution(
            _set(
                "Origins",
                "Items",
                "0",
                "S3OriginConfig",
                "OriginAccessIdentity",
                value="origin-access-identity/cloudfront/E2AAAAAAAAAAAA",
            )
        ),
    ),
    Drift("distribution", SITE, "certificate", _other_certificate),
]


def _delete_distribution(a: Account) -> None:
    client, site = a.aws.client("cloudfront"), a.id("distribution", "image")
    answer = client.get_distribution_config(Id=site)
    config = answer["DistributionConfig"] | {"Enabled": False}
    tag = client.update_distribution(Id=site, IfMatch=answer["ETag"], DistributionConfig=config)["ETag"]
    client.delete_distribution(Id=site, IfMatch=tag)


def _delete_access_control(a: Account) -> None:
    client = a.aws.client("cloudfront")
    site = a.id("origin_access_control", "image")
    client.delete_origin_access_control(Id=site, IfMatch=client.get_origin_access_control(Id=site)["ETag"])


#: kind and name -> how to delete it
DELETIONS: dict[tuple[str, str], Callable[[Account], object]] = {
    # In this order: AWS keeps an access control that a distribution uses.
    ("distribution", "image"): _delete_distribution,
    ("origin_access_control", "image"): _delete_access_control,
}
