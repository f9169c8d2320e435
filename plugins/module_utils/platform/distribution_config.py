"""CloudFront ``DistributionConfig`` as flat fields, and flat fields as a ``DistributionConfig``.

Pure: no AWS calls, no boto3, no Ansible. The planner and the ``cloudfront_s3_distribution`` module share it, so what a
plan announces is what the module writes. Field names are the module's option names.
"""

from __future__ import annotations

import copy
from typing import Any

# Every field, in the order in which a difference is shown.
FIELDS: tuple[str, ...] = (
    "enabled",
    "comment",
    "aliases",
    "origin_domain",
    "origin_access_control_id",
    "certificate_arn",
    "minimum_tls",
    "ipv6",
    "http_version",
    "price_class",
    "default_root_object",
    "viewer_protocol",
    "compress",
    "cache_policy",
    "response_headers_policy_id",
)

# Only for a new distribution; on an existing one an unset field is left as it is.
CREATION_DEFAULTS: dict[str, Any] = {
    "enabled": True,
    "aliases": [],
    "origin_access_control_id": "",
    "certificate_arn": "",
    "minimum_tls": "TLSv1.2_2021",
    "ipv6": True,
    "http_version": "http2",
    "price_class": "PriceClass_All",
    "default_root_object": "",
    "viewer_protocol": "redirect-to-https",
    "compress": True,
    "cache_policy": "658327ea-f89d-4fab-a63d-7e88639e58f6",  # Managed-CachingOptimized
    "response_headers_policy_id": "",
}

# What CloudFront reports, whatever was asked for, while a distribution uses its own *.cloudfront.net certificate.
DEFAULT_CERTIFICATE_TLS = "TLSv1"

# A cache policy replaces these; CloudFront refuses a behaviour that carries both.
LEGACY_CACHE_KEYS: tuple[str, ...] = ("ForwardedValues", "MinTTL", "DefaultTTL", "MaxTTL")


def flatten(config: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a distribution, read from its ``DistributionConfig`` (or ``DistributionSummary``).

    The origin is the one behind the default cache behaviour, whatever other origins there are.
    """
    behavior = config.get("DefaultCacheBehavior") or {}
    origin = _default_origin(config) or {}
    certificate = config.get("ViewerCertificate") or {}
    arn = _certificate_arn(certificate)
    return {
        "enabled": bool(config.get("Enabled", False)),
        "comment": config.get("Comment") or "",
        "aliases": _aliases((config.get("Aliases") or {}).get("Items")),
        "origin_domain": origin.get("DomainName") or "",
        "origin_access_control_id": origin.get("OriginAccessControlId") or "",
        "certificate_arn": arn,
        "minimum_tls": certificate.get("MinimumProtocolVersion") or DEFAULT_CERTIFICATE_TLS,
        "ipv6": bool(config.get("IsIPV6Enabled", False)),
        "http_version": (config.get("HttpVersion") or "http2").lower(),
        "price_class": config.get("PriceClass") or "PriceClass_All",
        "default_root_object": config.get("DefaultRootObject") or "",
        "viewer_protocol": behavior.get("ViewerProtocolPolicy") or "allow-all",
        "compress": bool(behavior.get("Compress", False)),
        "cache_policy": behavior.get("CachePolicyId") or "",
        "response_headers_policy_id": behavior.get("ResponseHeadersPolicyId") or "",
    }


def merge(config: dict[str, Any] | None, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the full ``DistributionConfig`` that has these fields.

    ``config`` is the live one, of which everything without a field is kept; ``None`` builds a new distribution, whose
    ``CallerReference`` and comment are ``fields["name"]`` (else the comment). A live one keeps its comment. A field
    that is missing or ``None`` is left alone. The given ``config`` is not modified, and a config that has the fields
    already is returned equal to itself.

    Raises ``ValueError`` for an unknown field, and for a new distribution without a name or an origin domain.
    """
    unknown = sorted(set(fields) - set(FIELDS) - {"name"})
    if unknown:
        raise ValueError(f"unknown distribution field(s): {', '.join(unknown)}; known are: {', '.join(FIELDS)}")
    wanted = {key: value for key, value in fields.items() if value is not None}
    name = wanted.pop("name", None)

    if config is None:
        if name is not None:
            wanted.setdefault("comment", name)
        wanted = {**CREATION_DEFAULTS, **wanted}
        result = _skeleton(name or wanted.get("comment") or "", wanted.get("origin_domain") or "")
    else:
        result = copy.deepcopy(config)

    before = flatten(result)
    for field, key in (
        ("enabled", "Enabled"),
        ("comment", "Comment"),
        ("ipv6", "IsIPV6Enabled"),
        ("price_class", "PriceClass"),
        ("default_root_object", "DefaultRootObject"),
    ):
        if field in wanted and (wanted[field] != before[field] or config is None):
            result[key] = wanted[field]
    if "http_version" in wanted and (wanted["http_version"].lower() != before["http_version"] or config is None):
        result["HttpVersion"] = wanted["http_version"].lower()
    if "aliases" in wanted and _aliases(wanted["aliases"]) != before["aliases"]:
        result["Aliases"] = _quantity(_aliases(wanted["aliases"]))
    _merge_origin(result, wanted)
    _merge_behavior(result, wanted)
    _merge_certificate(result, wanted)
    return result


def superseded(config: dict[str, Any]) -> dict[str, Any]:
    """What ``merge`` takes out to make room, in CloudFront's own terms; None where there is nothing.

    origin_config: what an origin access control replaces. cache_settings: what a cache policy replaces.
    """
    origin = _default_origin(config) or {}
    behavior = config.get("DefaultCacheBehavior") or {}
    taken = {key: origin[key] for key in ("CustomOriginConfig", "VpcOriginConfig") if origin.get(key)}
    if identity := (origin.get("S3OriginConfig") or {}).get("OriginAccessIdentity"):
        taken["OriginAccessIdentity"] = identity
    cache = {key: behavior[key] for key in LEGACY_CACHE_KEYS if key in behavior}
    if behavior.get("CachePolicyId"):
        cache = {}
    return {"origin_config": taken or None, "cache_settings": cache or None}


def carried(config: dict[str, Any]) -> dict[str, Any]:
    """Settings of the default origin that stay when it moves to another bucket. Values of headers may be secrets."""
    origin = _default_origin(config) or {}
    found: dict[str, Any] = {}
    if origin.get("OriginPath"):
        found["path"] = origin["OriginPath"]
    if headers := (origin.get("CustomHeaders") or {}).get("Items"):
        found["headers"] = ", ".join(sorted(item["HeaderName"] for item in headers))
    if (origin.get("OriginShield") or {}).get("Enabled"):
        found["origin shield"] = origin["OriginShield"].get("OriginShieldRegion", "")
    return found


def sharing(config: dict[str, Any]) -> list[str]:
    """Cache behaviours and origin groups that use the default origin as well, so that they move with it."""
    origin = (_default_origin(config) or {}).get("Id")
    groups = {
        group["Id"]: [item["OriginId"] for item in (group.get("Members") or {}).get("Items") or []]
        for group in (config.get("OriginGroups") or {}).get("Items") or []
    }
    default = (config.get("DefaultCacheBehavior") or {}).get("TargetOriginId")
    users = {origin, *(name for name, members in groups.items() if origin in members)}
    behaviors = (config.get("CacheBehaviors") or {}).get("Items") or []
    found = [item["PathPattern"] for item in behaviors if item.get("TargetOriginId") in users]
    return [*found, *(f"origin group {name}" for name in sorted(users & set(groups)) if name != default)]


def _merge_origin(config: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Point the default origin at the bucket, and close it with the origin access control."""
    origin = _default_origin(config)
    if origin is None:
        raise ValueError("the distribution's default cache behaviour targets no known origin")
    if "origin_domain" in wanted and wanted["origin_domain"] != origin.get("DomainName"):
        # The Id stays: cache behaviours refer to it.
        origin["DomainName"] = wanted["origin_domain"]
    if "origin_access_control_id" in wanted:
        control = wanted["origin_access_control_id"]
        if control != (origin.get("OriginAccessControlId") or ""):
            origin["OriginAccessControlId"] = control
        if control:
            # CloudFront accepts an access control only on an S3 origin whose old access identity is empty.
            origin.pop("CustomOriginConfig", None)
            origin.pop("VpcOriginConfig", None)
            origin.setdefault("S3OriginConfig", {})["OriginAccessIdentity"] = ""


def _merge_behavior(config: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Set the default cache behaviour's own fields; functions and the other policies stay."""
    behavior = config.setdefault("DefaultCacheBehavior", {})
    if "viewer_protocol" in wanted:
        behavior["ViewerProtocolPolicy"] = wanted["viewer_protocol"]
    if "compress" in wanted and bool(behavior.get("Compress", False)) != wanted["compress"]:
        behavior["Compress"] = wanted["compress"]
    policy = wanted.get("response_headers_policy_id")
    if policy is not None and policy != (behavior.get("ResponseHeadersPolicyId") or ""):
        behavior["ResponseHeadersPolicyId"] = policy
    if wanted.get("cache_policy"):
        behavior["CachePolicyId"] = wanted["cache_policy"]
        for key in LEGACY_CACHE_KEYS:
            behavior.pop(key, None)


def _merge_certificate(config: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Set the viewer certificate and its lowest TLS version."""
    live = config.get("ViewerCertificate") or {}
    before_arn = _certificate_arn(live)
    arn = wanted.get("certificate_arn", before_arn)
    if arn != before_arn:
        if not arn:
            config["ViewerCertificate"] = {"CloudFrontDefaultCertificate": True}
            return
        # CloudFront reports "vip" and TLSv1 for its own certificate. Carried over to ours, the one would order
        # dedicated addresses at a monthly charge and the other allow TLS 1.0. Only what belonged to a certificate
        # of ours stays.
        own = live if before_arn or live.get("IAMCertificateId") else {}
        # Rebuilt, because the deprecated Certificate/CertificateSource pair still names the old one.
        live = {
            "CloudFrontDefaultCertificate": False,
            "ACMCertificateArn": arn,
            "SSLSupportMethod": own.get("SSLSupportMethod") or "sni-only",
            "MinimumProtocolVersion": own.get("MinimumProtocolVersion") or CREATION_DEFAULTS["minimum_tls"],
        }
        config["ViewerCertificate"] = live
    # Without a certificate of ours CloudFront ignores the TLS version: declaring it would be a change in every plan.
    minimum = wanted.get("minimum_tls")
    if (arn or live.get("IAMCertificateId")) and minimum and minimum != live.get("MinimumProtocolVersion"):
        live["MinimumProtocolVersion"] = minimum


def _certificate_arn(certificate: dict[str, Any]) -> str:
    """The ACM certificate in use; empty for CloudFront's own or one kept in IAM."""
    if certificate.get("CloudFrontDefaultCertificate"):
        return ""
    return certificate.get("ACMCertificateArn") or ""


def _default_origin(config: dict[str, Any]) -> dict[str, Any] | None:
    """The origin that the default cache behaviour targets, through an origin group to its primary member."""
    origins = {item.get("Id"): item for item in (config.get("Origins") or {}).get("Items") or []}
    target = (config.get("DefaultCacheBehavior") or {}).get("TargetOriginId")
    for group in (config.get("OriginGroups") or {}).get("Items") or []:
        members = (group.get("Members") or {}).get("Items") or []
        if group.get("Id") == target and members:
            target = members[0].get("OriginId")
    return origins.get(target)


def _aliases(names: list[str] | None) -> list[str]:
    """Alternate domain names as CloudFront compares them: lower case, each once."""
    return sorted({name.lower().rstrip(".") for name in names or []})


def _quantity(items: list[Any]) -> dict[str, Any]:
    """A list in CloudFront's form, which leaves ``Items`` out when it is empty."""
    return {"Quantity": len(items), "Items": items} if items else {"Quantity": 0}


def _skeleton(caller_reference: str, origin_domain: str) -> dict[str, Any]:
    """A new distribution's config before its fields are merged in."""
    if not caller_reference:
        raise ValueError("a new distribution needs a name")
    if not origin_domain:
        raise ValueError("a new distribution needs an origin_domain")
    methods = ["GET", "HEAD"]
    return {
        "CallerReference": caller_reference,
        "Aliases": _quantity([]),
        "Origins": _quantity(
            [
                {
                    "Id": origin_domain,
                    "DomainName": origin_domain,
                    "OriginPath": "",
                    "CustomHeaders": _quantity([]),
                    "S3OriginConfig": {"OriginAccessIdentity": ""},
                }
            ]
        ),
        "DefaultCacheBehavior": {
            "TargetOriginId": origin_domain,
            "AllowedMethods": {**_quantity(methods), "CachedMethods": _quantity(list(methods))},
            "SmoothStreaming": False,
            "FieldLevelEncryptionId": "",
        },
        "CacheBehaviors": _quantity([]),
        "CustomErrorResponses": _quantity([]),
        "Logging": {"Enabled": False, "IncludeCookies": False, "Bucket": "", "Prefix": ""},
        "ViewerCertificate": {"CloudFrontDefaultCertificate": True},
        "Restrictions": {"GeoRestriction": {"RestrictionType": "none", **_quantity([])}},
        "WebACLId": "",
    }
