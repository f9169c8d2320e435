"""S3: bucket policies, regions, ownership, lifecycles, and who pays for requests."""

from __future__ import annotations

import copy
import json
from typing import Any

from moto.core.responses import ActionResult
from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeBucket, S3Backend
from moto.s3.responses import S3Response

_PAYER = (
    '<RequestPaymentConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Payer>BucketOwner</Payer>'
    "</RequestPaymentConfiguration>"
)


def _speaks_of_plain_http(statement: dict[str, Any]) -> bool:
    condition = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
    return str(condition).lower() == "false"


def apply() -> None:
    """Apply this module's corrections."""
    _policies()
    _regions()
    _ownership()
    _lifecycles()
    _payer()


#: elements that S3's XML repeats -> what the API calls the list
_LISTS = {"Transition": "Transitions", "NoncurrentVersionTransition": "NoncurrentVersionTransitions", "Tag": "Tags"}
_NUMBERS = (
    "Days",
    "DaysAfterInitiation",
    "NewerNoncurrentVersions",
    "NoncurrentDays",
    "ObjectSizeGreaterThan",
    "ObjectSizeLessThan",
)


def _answer(value: Any, inside: str = "") -> Any:
    """Parsed XML of a lifecycle rule in the terms of the API."""
    if not isinstance(value, dict):
        return int(value) if inside in _NUMBERS else value
    found: dict[str, Any] = {}
    for key, part in value.items():
        if key in _LISTS and not (key == "Tag" and inside == "Filter"):
            parts = part if isinstance(part, list) else [part]
            found[_LISTS[key]] = [_answer(item) for item in parts]
        elif key == "ExpiredObjectDeleteMarker":
            found[key] = str(part).lower() == "true"
        elif key == "Prefix":
            found[key] = part or ""
        else:
            found[key] = _answer({} if part is None else part, key)
    return found


def _lifecycles() -> None:
    """moto forgets sizes, newer versions and the smallest size of a transition; here rules stay as they were given."""
    put, get, write = S3Response._bucket_response_put, S3Response.get_bucket_lifecycle, FakeBucket.set_lifecycle

    def set_lifecycle(self: FakeBucket, rules: list[dict[str, Any]]) -> None:
        given = copy.deepcopy(rules)
        if {"Filter" in rule for rule in given} == {True, False}:
            raise S3ClientError("InvalidRequest", "Rules with Filter and rules with Prefix cannot be mixed.")
        write(self, rules)
        for stored, rule in zip(self.rules, given, strict=True):
            rule.setdefault("ID", stored.id)
        self.rules_as_given = [_answer(rule) for rule in given]  # type: ignore[attr-defined]

    def bucket_response_put(self: S3Response, request: Any, bucket_name: str, querystring: dict[str, Any]) -> Any:
        answer = put(self, request, bucket_name, querystring)
        if "lifecycle" in querystring:
            # Whoever does not name it gets AWS's default.
            size = request.headers.get("x-amz-transition-default-minimum-object-size", "all_storage_classes_128K")
            self.backend.get_bucket(bucket_name).smallest_transition = size  # type: ignore[attr-defined]
        return answer

    def get_bucket_lifecycle(self: S3Response) -> Any:
        answer = get(self)
        bucket: Any = self.backend.get_bucket(self.bucket_name)
        result = {
            "Rules": bucket.rules_as_given,
            "TransitionDefaultMinimumObjectSize": getattr(bucket, "smallest_transition", "all_storage_classes_128K"),
        }
        return self.serialized(ActionResult(result)) if answer else answer

    FakeBucket.set_lifecycle = set_lifecycle  # type: ignore[method-assign]
    S3Response._bucket_response_put = bucket_response_put  # type: ignore[method-assign]
    S3Response.get_bucket_lifecycle = get_bucket_lifecycle  # type: ignore[method-assign]


def _ownership() -> None:
    """moto lets a bucket have BucketOwnerEnforced and an ACL that grants something to others; AWS refuses both."""
    control, grant = S3Backend.put_bucket_ownership_controls, S3Backend.put_bucket_acl

    def put_bucket_ownership_controls(self: S3Backend, bucket_name: str, ownership: Any) -> None:
        acl = self.get_bucket_acl(bucket_name)
        if "BucketOwnerEnforced" in str(ownership) and acl and len(acl.grants) > 1:
            raise S3ClientError(
                "InvalidBucketAclWithObjectOwnership", "Bucket cannot have ACLs set with ObjectOwnership's setting."
            )
        control(self, bucket_name, ownership)

    def put_bucket_acl(self: S3Backend, bucket_name: str, acl: Any) -> None:
        if "BucketOwnerEnforced" in str(self.get_bucket(bucket_name).ownership_rule) and acl and len(acl.grants) > 1:
            raise S3ClientError("AccessControlListNotSupported", "The bucket does not allow ACLs")
        grant(self, bucket_name, acl)

    S3Backend.put_bucket_ownership_controls = put_bucket_ownership_controls  # type: ignore[method-assign]
    S3Backend.put_bucket_acl = put_bucket_acl  # type: ignore[method-assign]


def _regions() -> None:
    """moto does not tell the regions of buckets; S3 does when the request asks for pages."""

    def all_buckets(self: S3Response) -> Any:
        self.data["Action"] = "ListAllMyBuckets"
        self._authenticate_and_authorize_s3_action()
        size = self._get_param("max-buckets")
        found = self.backend.list_buckets(self._get_param("prefix"), self._get_param("bucket-region"), size)
        buckets = [
            {"Name": bucket.name, "CreationDate": bucket.creation_date_ISO8601}
            | ({"BucketRegion": bucket.region_name} if size else {})
            for bucket in found
        ]
        self.data["Action"] = "ListBuckets"
        owner = {"ID": "bcaf1ffd86f41161ca5fb16fd081034f", "DisplayName": "webfile"}
        return self.serialized(ActionResult({"Owner": owner, "Buckets": buckets}))

    S3Response.all_buckets = all_buckets  # type: ignore[method-assign]


def _payer() -> None:
    """moto does not know GetBucketRequestPayment, and lists the objects instead."""
    list_objects = S3Response.list_objects

    def payer_or_objects(self: S3Response) -> Any:
        if "requestPayment" in self._get_querystring(self.request, self.uri):
            return 200, {"Content-Type": "application/xml"}, _PAYER
        return list_objects(self)

    S3Response.list_objects = payer_or_objects  # type: ignore[method-assign]


def _policies() -> None:
    """moto ignores conditions, so a statement that refuses plain HTTP refuses every request. Here loopback is TLS."""
    judge = FakeBucket.get_permission

    def get_permission(self: FakeBucket, action: str, resource: str) -> Any:
        if self.policy is None:
            return judge(self, action, resource)
        whole = self.policy
        document = json.loads(whole)
        statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
        document["Statement"] = [item for item in statements if not _speaks_of_plain_http(item)]
        try:
            self.policy = json.dumps(document).encode()
            return judge(self, action, resource)
        finally:
            self.policy = whole

    FakeBucket.get_permission = get_permission  # type: ignore[method-assign]
