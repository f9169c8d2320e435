"""CloudFront: policies of response headers, which moto lacks."""

from __future__ import annotations

import copy
from typing import Any

from moto.cloudfront import models, responses, urls
from moto.cloudfront.exceptions import CloudFrontException
from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow

_PATH = "{0}/2020-05-31/response-headers-policy"


class HeadersPolicy:
    """A policy as it was given, with its version."""

    def __init__(self, config: dict[str, Any]):
        self.id = models.random_id(uppercase=False, length=36)
        self.write(config)

    def write(self, config: dict[str, Any]) -> None:
        """Take another configuration; the version changes."""
        self.config = copy.deepcopy(config)
        self.etag = models.random_id()
        self.modified = utcnow()

    def answer(self) -> dict[str, Any]:
        """As every answer shows it."""
        return {"Id": self.id, "LastModifiedTime": self.modified, "ResponseHeadersPolicyConfig": self.config}


def held(backend: models.CloudFrontBackend) -> dict[str, HeadersPolicy]:
    """The account's policies by id; a reset makes a new backend without them."""
    found: dict[str, HeadersPolicy] = backend.__dict__.setdefault("response_headers_policies", {})
    return found


def _found(response: responses.CloudFrontResponse) -> HeadersPolicy:
    policy = held(response.backend).get(response._get_param("Id"))
    if policy is None:
        raise CloudFrontException("NoSuchResponseHeadersPolicy", "The response headers policy does not exist.")
    return policy


def _matching(response: responses.CloudFrontResponse) -> HeadersPolicy:
    policy, version = _found(response), response._get_param("IfMatch")
    if not version:
        raise CloudFrontException("InvalidIfMatchVersion", "The If-Match version is missing or not valid.")
    if version != policy.etag:
        raise CloudFrontException("PreconditionFailed", "The request failed because it didn't meet the preconditions.")
    return policy


def _given(response: responses.CloudFrontResponse, own: str = "") -> dict[str, Any]:
    """The configuration of the request; AWS lets no two policies have one name."""
    config: dict[str, Any] = response._get_param("ResponseHeadersPolicyConfig", {})
    if any(other.config["Name"] == config["Name"] and other.id != own for other in held(response.backend).values()):
        raise CloudFrontException(
            "ResponseHeadersPolicyAlreadyExists", "A response headers policy with this name already exists."
        )
    return config


def _shown(policy: HeadersPolicy) -> ActionResult:
    return ActionResult({"ResponseHeadersPolicy": policy.answer(), "ETag": policy.etag})


def create(self: responses.CloudFrontResponse) -> ActionResult:
    """CreateResponseHeadersPolicy."""
    policy = HeadersPolicy(_given(self))
    held(self.backend)[policy.id] = policy
    return _shown(policy)


def get(self: responses.CloudFrontResponse) -> ActionResult:
    """GetResponseHeadersPolicy."""
    return _shown(_found(self))


def listed(self: responses.CloudFrontResponse) -> ActionResult:
    """ListResponseHeadersPolicies; AWS's own policies are not asked for here."""
    items = [{"Type": "custom", "ResponseHeadersPolicy": item.answer()} for item in held(self.backend).values()]
    return ActionResult(
        {"ResponseHeadersPolicyList": {"MaxItems": 100, "Quantity": len(items), "Items": items or None}}
    )


def update(self: responses.CloudFrontResponse) -> ActionResult:
    """UpdateResponseHeadersPolicy, which writes the configuration as a whole."""
    policy = _matching(self)
    policy.write(_given(self, policy.id))
    return _shown(policy)


def delete(self: responses.CloudFrontResponse) -> EmptyResult:
    """DeleteResponseHeadersPolicy, unless a distribution uses it."""
    policy = _matching(self)
    for distribution in self.backend.distributions.values():
        config: Any = distribution.distribution_config
        if config["DefaultCacheBehavior"].get("ResponseHeadersPolicyId") == policy.id:
            raise CloudFrontException(
                "ResponseHeadersPolicyInUse", f"{policy.id} is used by {distribution.distribution_id}."
            )
    del held(self.backend)[policy.id]
    return EmptyResult()


def apply() -> None:
    """Let CloudFront answer these operations."""
    for path in (f"{_PATH}$", f"{_PATH}/(?P<policy_id>[^/]+)$"):
        urls.url_paths[path] = responses.CloudFrontResponse.dispatch
    for name, function in (
        ("create_response_headers_policy", create),
        ("get_response_headers_policy", get),
        ("list_response_headers_policies", listed),
        ("update_response_headers_policy", update),
        ("delete_response_headers_policy", delete),
    ):
        setattr(responses.CloudFrontResponse, name, function)
