"""CloudFront: distributions keep what AWS keeps, and AWS's refusals that protect the platform."""

from __future__ import annotations

import copy
import re
from typing import Any

from moto.acm.models import acm_backends
from moto.cloudfront import models, responses
from moto.cloudfront.exceptions import CloudFrontException, DomainNameNotAnS3Bucket, OriginDoesNotExist
from moto.core.responses import ActionResult
from moto.core.utils import utcnow

from .certificates import covers

# A caller reference in the form of a distribution's id becomes the id. AWS chooses ids; this lets a test build
# an account whose distributions have the ids that the declaration names.
_ID = re.compile(r"E[0-9A-Z]{12,13}")


class StoredConfig(dict[str, Any]):
    """A distribution's configuration as it was given, with the defaults that AWS adds.

    moto rebuilds it from classes that know only some keys: OriginAccessControlId, CachePolicyId beside
    ForwardedValues, Staging and more are dropped or invented.
    """

    def __init__(self, config: dict[str, Any]):
        super().__init__(_with_defaults(copy.deepcopy(config)))
        origins = {origin["Id"] for origin in self["Origins"]["Items"]}
        if self["DefaultCacheBehavior"]["TargetOriginId"] not in origins:
            raise OriginDoesNotExist

    def __getattr__(self, name: str) -> Any:
        """moto reads summaries attribute by attribute."""
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def caller_reference(self) -> str:
        """The one key that moto's backend itself looks at."""
        return str(self["CallerReference"])

    @property
    def aliases(self) -> list[str]:
        """The alternate domain names."""
        return [str(alias) for alias in self["Aliases"].get("Items", [])]

    @property
    def certificate(self) -> str:
        """The ACM certificate, or nothing."""
        return str(self["ViewerCertificate"].get("ACMCertificateArn", ""))

    @property
    def origin_access_controls(self) -> set[str]:
        """Every origin access control that an origin uses."""
        return {origin["OriginAccessControlId"] for origin in self["Origins"]["Items"]} - {""}


def _listed(value: dict[str, Any] | None) -> dict[str, Any]:
    """AWS counts the items itself and leaves `Items` out when there are none."""
    items = (value or {}).get("Items") or []
    return {"Quantity": len(items), "Items": items} if items else {"Quantity": 0}


def _with_defaults(config: dict[str, Any]) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "DefaultRootObject": "",
        "Comment": "",
        "PriceClass": "PriceClass_All",
        "WebACLId": "",
        "HttpVersion": "http2",
        "IsIPV6Enabled": False,
        "ContinuousDeploymentPolicyId": "",
        "Staging": False,
        "Logging": {"Enabled": False, "IncludeCookies": False, "Bucket": "", "Prefix": ""},
        "Restrictions": {"GeoRestriction": {"RestrictionType": "none", "Quantity": 0}},
    }
    config = defaults | config
    for name in ("Aliases", "OriginGroups", "CacheBehaviors", "CustomErrorResponses"):
        config[name] = _listed(config.get(name))
    config["Origins"] = _listed({"Items": [_origin(origin) for origin in config["Origins"]["Items"]]})
    config["DefaultCacheBehavior"] = _behavior(config["DefaultCacheBehavior"])
    if config["CacheBehaviors"]["Quantity"]:
        config["CacheBehaviors"]["Items"] = [_behavior(item) for item in config["CacheBehaviors"]["Items"]]
    config["ViewerCertificate"] = _viewer_certificate(config.get("ViewerCertificate") or {})
    return config


def _origin(origin: dict[str, Any]) -> dict[str, Any]:
    if "S3OriginConfig" in origin and not origin["DomainName"].endswith("amazonaws.com"):
        raise DomainNameNotAnS3Bucket
    defaults: dict[str, Any] = {
        "OriginPath": "",
        "ConnectionAttempts": 3,
        "ConnectionTimeout": 10,
        "OriginShield": {"Enabled": False},
        "OriginAccessControlId": "",
    }
    origin = defaults | {name: value for name, value in origin.items() if value is not None}
    origin["CustomHeaders"] = _listed(origin.get("CustomHeaders"))
    if "CustomOriginConfig" in origin:
        custom = {"OriginKeepaliveTimeout": 5, "OriginReadTimeout": 30} | origin["CustomOriginConfig"]
        custom["OriginSslProtocols"] = _listed(custom.get("OriginSslProtocols") or {"Items": ["TLSv1", "SSLv3"]})
        origin["CustomOriginConfig"] = custom
    else:
        origin["S3OriginConfig"] = {"OriginAccessIdentity": ""} | (origin.get("S3OriginConfig") or {})
    return origin


def _behavior(behavior: dict[str, Any]) -> dict[str, Any]:
    behavior = {name: value for name, value in behavior.items() if value is not None}
    for name in ("TrustedSigners", "TrustedKeyGroups"):
        behavior[name] = {"Enabled": False} | (behavior.get(name) or {}) | _listed(behavior.get(name))
    for name in ("LambdaFunctionAssociations", "FunctionAssociations"):
        behavior[name] = _listed(behavior.get(name))
    methods = behavior.get("AllowedMethods") or {}
    behavior["AllowedMethods"] = _listed({"Items": methods.get("Items") or ["HEAD", "GET"]}) | {
        "CachedMethods": _listed(methods.get("CachedMethods") or {"Items": ["HEAD", "GET"]})
    }
    behavior = {"SmoothStreaming": False, "Compress": False, "FieldLevelEncryptionId": ""} | behavior
    if not behavior.get("CachePolicyId"):
        behavior = {"MinTTL": 0, "DefaultTTL": 86400, "MaxTTL": 31536000} | behavior
        values = {"QueryString": False, "Cookies": {"Forward": "none"}} | (behavior.get("ForwardedValues") or {})
        for name in ("Headers", "QueryStringCacheKeys"):
            values[name] = _listed(values.get(name))
        behavior["ForwardedValues"] = values
    return behavior


def _viewer_certificate(viewer: dict[str, Any]) -> dict[str, Any]:
    if viewer.get("ACMCertificateArn"):
        # Certificate and CertificateSource are deprecated, and still in every answer.
        return (
            {"MinimumProtocolVersion": "TLSv1", "CloudFrontDefaultCertificate": False}
            | viewer
            | {
                "Certificate": viewer["ACMCertificateArn"],
                "CertificateSource": "acm",
            }
        )
    if viewer.get("IAMCertificateId"):
        return {"MinimumProtocolVersion": "TLSv1", "CloudFrontDefaultCertificate": False} | viewer
    return {
        "CloudFrontDefaultCertificate": True,
        "SSLSupportMethod": "vip",
        "MinimumProtocolVersion": "TLSv1",
        "CertificateSource": "cloudfront",
    }


def check(backend: models.CloudFrontBackend, config: StoredConfig, own_id: str | None) -> None:
    """Refuse what AWS refuses and moto accepts."""
    for distribution in backend.distributions.values():
        if distribution.distribution_id == own_id:
            continue
        held: Any = distribution.distribution_config
        if set(held.aliases) & set(config.aliases):
            raise CloudFrontException(
                "CNAMEAlreadyExists",
                "One or more of the CNAMEs you provided are already associated with a different resource.",
            )
    unknown = config.origin_access_controls - backend.origin_access_controls.keys()
    if unknown:
        raise CloudFrontException(
            "InvalidOriginAccessControl", f"The origin access control {', '.join(unknown)} does not exist."
        )
    if config.aliases:
        _check_certificate(backend, config)


def _check_certificate(backend: models.CloudFrontBackend, config: StoredConfig) -> None:
    if config["ViewerCertificate"].get("IAMCertificateId"):
        return
    bundle = acm_backends[backend.account_id]["us-east-1"]._certificates.get(config.certificate)
    if bundle:
        bundle.check()
    names = [bundle.common_name, *bundle.sans] if bundle else []
    if not bundle or bundle.status != "ISSUED":
        message = "The specified SSL certificate doesn't exist, isn't in us-east-1 region, or isn't valid."
    elif not all(any(covers(name, alias) for name in names) for alias in config.aliases):
        message = "The certificate that is attached to your distribution doesn't cover the alternate domain name."
    else:
        return
    raise CloudFrontException("InvalidViewerCertificate", message)


def apply() -> None:
    """Store configurations whole; check aliases, certificates, versions and what is in use."""
    backend = models.CloudFrontBackend
    models.DistributionConfig = StoredConfig  # type: ignore[misc, assignment]

    create = backend.create_distribution_with_tags

    def create_distribution_with_tags(
        self: models.CloudFrontBackend, distribution_config: dict[str, Any], tags: list[dict[str, str]]
    ) -> Any:
        check(self, StoredConfig(distribution_config), None)
        distribution, _, etag = create(self, distribution_config, tags)
        distribution.last_modified_time = utcnow()  # type: ignore[assignment]
        wanted = distribution.distribution_config.caller_reference
        if _ID.fullmatch(wanted) and wanted not in self.distributions:
            self.distributions[wanted] = self.distributions.pop(distribution.distribution_id)
            distribution.arn = distribution.arn.replace(distribution.distribution_id, wanted)
            distribution.id = distribution.distribution_id = wanted
            self.tagger.tag_resource(distribution.arn, tags)
        return distribution, distribution.location, etag

    update = backend.update_distribution

    def update_distribution(
        self: models.CloudFrontBackend, dist_config: dict[str, Any], _id: str, if_match: Any
    ) -> Any:
        # moto accepts any If-Match and never changes the ETag: a lost update would go unseen.
        distribution = _matching(self.distributions.get(_id), if_match)
        check(self, StoredConfig(dist_config), _id)
        answer = update(self, dist_config, _id, if_match)
        distribution.etag = models.random_id()
        distribution.last_modified_time = utcnow()
        return answer[0], answer[1], distribution.etag

    delete = backend.delete_distribution

    def delete_distribution(self: models.CloudFrontBackend, distribution_id: str, if_match: Any) -> None:
        distribution = _matching(self.distributions.get(distribution_id), if_match)
        if distribution.distribution_config["Enabled"]:
            raise CloudFrontException(
                "DistributionNotDisabled", "The distribution you are trying to delete has not been disabled."
            )
        delete(self, distribution_id, if_match)

    create_control = backend.create_origin_access_control

    def create_origin_access_control(self: models.CloudFrontBackend, config_dict: dict[str, str]) -> Any:
        if any(control.name == config_dict.get("Name") for control in self.origin_access_controls.values()):
            raise CloudFrontException(
                "OriginAccessControlAlreadyExists", "An origin access control with this name already exists."
            )
        return create_control(self, config_dict)

    delete_control = backend.delete_origin_access_control

    def delete_origin_access_control(self: models.CloudFrontBackend, control_id: str) -> None:
        self.get_origin_access_control(control_id)
        for distribution in self.distributions.values():
            config: Any = distribution.distribution_config
            if control_id in config.origin_access_controls:
                raise CloudFrontException(
                    "OriginAccessControlInUse", f"{control_id} is used by {distribution.distribution_id}."
                )
        delete_control(self, control_id)

    backend.create_distribution_with_tags = create_distribution_with_tags  # type: ignore[method-assign]
    backend.update_distribution = update_distribution  # type: ignore[method-assign]
    backend.delete_distribution = delete_distribution  # type: ignore[method-assign]
    backend.create_origin_access_control = create_origin_access_control  # type: ignore[method-assign]
    backend.delete_origin_access_control = delete_origin_access_control  # type: ignore[method-assign]
    # moto names the attribute origin_type, so the field is missing in every answer.
    models.OriginAccessControl.origin_access_control_origin_type = property(  # type: ignore[attr-defined]
        lambda self: self.origin_type
    )
    responses.CloudFrontResponse.list_origin_access_controls = list_origin_access_controls  # type: ignore[method-assign]


def list_origin_access_controls(self: responses.CloudFrontResponse) -> Any:
    """The page that was asked for; moto reads Marker and MaxItems, and drops them."""
    marker = self._get_param("Marker")
    size = self._get_int_param("MaxItems")
    controls, following = self.backend.list_origin_access_controls(marker=marker, max_items=size)
    return ActionResult(
        {
            "OriginAccessControlList": {
                "Marker": marker or "",
                "NextMarker": following,
                "MaxItems": size or 100,
                "IsTruncated": following is not None,
                "Quantity": len(controls),
                "Items": controls or None,
            }
        }
    )


def _matching(distribution: Any, if_match: Any) -> Any:
    if distribution is None:
        raise CloudFrontException("NoSuchDistribution", "The specified distribution does not exist.")
    if not if_match:
        raise CloudFrontException(
            "InvalidIfMatchVersion", "The If-Match version is missing or not valid for the resource."
        )
    if if_match != distribution.etag:
        raise CloudFrontException(
            "PreconditionFailed", "The request failed because it didn't meet the preconditions in one or more fields."
        )
    return distribution
