"""Which API operation a request is, and what it was given."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

import botocore.model
import botocore.session
from botocore.parsers import RpcV2CBORParser

# Signing names that differ from the folder of the service in botocore's data.
_MODEL_NAMES = {"monitoring": "cloudwatch", "elasticloadbalancing": "elbv2", "tagging": "resourcegroupstaggingapi"}

# An operation that begins with one of these words changes nothing.
_READ = re.compile(
    "(?:Describe|Get|List|Head|Lookup|Test|Search|BatchGet|BatchDescribe|Check|Query|Scan|Select|Simulate|Validate"
    "|Estimate|Preview|Decode|View|Count)(?=[A-Z]|$)"
)
# Operations that hand something out but change nothing, whatever their first word says.
_READ_EXACT = {"AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "Decrypt", "Query", "Scan"}

# S3 Control signs as S3 does; its paths begin with the version of its API.
_S3_CONTROL = "/v20180820/"

_BODY_LIMIT = 64 * 1024
_SECRET = "(not logged)"


@dataclass(frozen=True)
class Request:
    """What the log needs of an HTTP request."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Call:
    """One API call."""

    service: str
    region: str
    operation: str
    params: dict[str, Any]
    protocol: str = "xml"

    @property
    def write(self) -> bool:
        """Whether the call would change the account. What is not known to be a read counts as a write."""
        if str(self.params.get("DryRun", "")).lower() == "true":
            return False
        if self.operation.startswith(("GET /", "HEAD /")):
            return False
        return self.operation not in _READ_EXACT and not _READ.match(self.operation)


def identify(request: Request) -> Call:
    """Name the call that a request makes."""
    service, region = _scope(request)
    if service == "s3" and request.path.startswith(_S3_CONTROL):
        service = "s3control"
    query = parse_qsl(request.query, keep_blank_values=True)
    if target := request.headers.get("x-amz-target"):
        return Call(service, region, target.rpartition(".")[2], _hide(_json(request.body)), "json")
    if match := re.search(r"/service/[^/]+/operation/([A-Za-z0-9]+)$", request.path):
        return Call(service, region, match[1], _hide(_cbor(request.body)), "cbor")
    form = dict(query)
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        form |= dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    if "Action" in form and service != "s3":
        operation = form.pop("Action")
        form.pop("Version", None)
        return Call(service, region, operation, _hide(form))
    return _rest(service, region, request, query)


def _scope(request: Request) -> tuple[str, str]:
    """Service and region of the SigV4 credential scope, in the header or in a presigned query."""
    scope = re.search(
        r"Credential=[^/,\s&]+/\d{8}/([^/,\s&]+)/([^/,\s&]+)/aws4_request",
        request.headers.get("authorization", "") or unquote(request.query),
    )
    # Unsigned requests are what moto takes them for: reads of public objects.
    return (scope[2], scope[1]) if scope else ("s3", "us-east-1")


@dataclass(frozen=True)
class _Route:
    operation: str
    method: str
    path: re.Pattern[str]
    query: dict[str, str]
    required_query: frozenset[str]
    required_headers: frozenset[str]

    def score(self, request: Request, query: dict[str, str]) -> tuple[int, ...] | None:
        """How specific this operation is for the request; None if it cannot be."""
        if self.method != request.method:
            return None
        for name, value in self.query.items():
            if name not in query or (value and query[name] != value):
                return None
        if not self.required_query <= query.keys() or not self.required_headers <= request.headers.keys():
            return None
        return (len(self.query), len(self.required_query), len(self.required_headers))


@functools.cache
def _routes(service: str) -> tuple[_Route, ...]:
    """The REST operations of a service, from botocore's own model of it."""
    try:
        model = botocore.session.get_session().get_service_model(_MODEL_NAMES.get(service, service))
    except Exception:  # an unknown service is logged by method and path
        return ()
    operations = [model.operation_model(name) for name in model.operation_names]
    # S3 has old twins under the same path: PutBucketLifecycle and PutBucketLifecycleConfiguration.
    return tuple(_route(operation) for operation in operations if not operation.deprecated)


def _route(operation: botocore.model.OperationModel) -> _Route:
    path, _, static = operation.http["requestUri"].partition("?")
    query, headers = set(), set()
    shape = operation.input_shape
    for name in shape.required_members if shape else ():
        member = shape.members[name]
        if member.serialization.get("location") == "querystring":
            query.add(member.serialization["name"])
        elif member.serialization.get("location") == "header":
            headers.add(member.serialization["name"].lower())
    pattern = ""
    for part in re.split(r"(\{[^}]+\})", path.rstrip("/")):
        if not part.startswith("{"):
            pattern += re.escape(part)
        elif part.endswith("+}"):
            pattern += rf"(?P<{part[1:-2]}>.+)"
        else:
            pattern += rf"(?P<{part[1:-1]}>[^/]+)"
    return _Route(
        operation=operation.name,
        method=operation.http["method"],
        path=re.compile(pattern + "/?"),
        query=dict(parse_qsl(static, keep_blank_values=True)),
        required_query=frozenset(query),
        required_headers=frozenset(headers),
    )


def _rest(service: str, region: str, request: Request, pairs: list[tuple[str, str]]) -> Call:
    query = dict(pairs)
    best: tuple[tuple[int, ...], str, dict[str, str]] | None = None
    for route in _routes(service):
        match = route.path.fullmatch(request.path)
        score = route.score(request, query) if match else None
        if match and score is not None and (best is None or score > best[0]):
            best = (score, route.operation, match.groupdict())
    params: dict[str, Any] = {name: value for name, value in pairs if not name.startswith("X-Amz-")}
    params.pop("x-id", None)
    operation = f"{request.method} {request.path}"
    if best:
        operation = best[1]
        params |= {name: unquote(value) for name, value in best[2].items()}
    if service == "s3" and operation in {"PutObject", "UploadPart", "PostObject"}:
        params["ContentLength"] = len(request.body)
    elif request.body:
        body = _json(request.body) if request.headers.get("content-type", "").startswith("application/json") else {}
        if body:
            params |= body
        else:
            params["Body"] = request.body[:_BODY_LIMIT].decode("utf-8", "replace")
    return Call(service, region, operation, params)


def _json(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body or b"{}")
    except ValueError:
        return {"Body": body[:_BODY_LIMIT].decode("utf-8", "replace")}
    return data if isinstance(data, dict) else {"Body": data}


def _cbor(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    parser = RpcV2CBORParser()
    data = parser.parse_data_item(parser.get_peekable_stream_from_bytes(body))
    return data if isinstance(data, dict) else {"Body": data}


def _hide(params: dict[str, Any]) -> dict[str, Any]:
    """Keep secrets out of the log."""
    if params.get("Type") == "SecureString" and "Value" in params:
        return params | {"Value": _SECRET}
    return params | {"SecretString": _SECRET} if "SecretString" in params else params
