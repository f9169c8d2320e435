"""Does an answer have the shape that botocore's model of the operation gives it? Pure.

An HTML page of a captive portal, an empty body, a body that was cut short: botocore parses them to an answer without
any member, which reads like "nothing there". AWS always sends the lists of an answer, also empty ones, so an answer
without any of its members comes from something between AWS and us.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from xml.etree import ElementTree

import botocore.parsers

#: how the names of operations begin that change nothing
_READS = re.compile(r"(BatchGet|Describe|Get|Head|List|Lookup|Query|Scan|Search|Select|Simulate|Test)(?=[A-Z]|$)")
#: how those begin that bring something into being
_CREATES = re.compile(r"(Allocate|Copy|Create|Import|Purchase|Register|Request|Run)(?=[A-Z]|$)(?!Tags$)")
#: members that only say how to go on, or that were asked for
_PAGING = re.compile(r"(Next|Page|Continuation).*|.*(Marker|Token)|IsTruncated|Max(Items|Keys|Results)|EncodingType")
#: roots of S3's answers that are empty when nothing was ever configured; the model does not name them
_S3_ROOTS = {
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetBucketLocation": "LocationConstraint",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetBucketVersioning": "VersioningConfiguration",
}
#: what there is instead
HTML = "a page of HTML"
_HTML = re.compile(rb"\s*(<!--.*?-->\s*)?<(!doctype\s+)?html\b", re.IGNORECASE | re.DOTALL)


def reads(operation: str) -> bool:
    """Whether an operation (``DescribeVpcs``) changes nothing."""
    return _READS.match(operation) is not None


def creates(operation: str) -> bool:
    """Whether an operation brings something into being, so that doing it twice makes two."""
    return _CREATES.match(operation) is not None


def fault(operation: Any, status: int, headers: Mapping[str, str], body: Any) -> str:
    """What is wrong with an answer; empty when nothing is.

    operation: botocore's model of it. body: bytes, or a stream, which is not looked at.
    """
    if not isinstance(body, bytes) or operation.http.get("method") == "HEAD" or status == 304:
        return ""
    length = headers.get("content-length", "")
    if length.isdigit() and not headers.get("content-encoding") and len(body) < int(length):
        return f"only {len(body)} of {length} bytes arrived"
    if _HTML.match(body):
        # AWS itself says by one that it is unavailable, which is reported, and repeated, by its status.
        if status >= 500:
            return ""
        return f"{HTML}: something between here and AWS has answered"
    protocol = operation.service_model.resolved_protocol
    check = _PROTOCOLS.get(protocol)
    if check is None or (status >= 500 and not body.strip()):
        # Without a body it is reported by its status.
        return ""
    try:
        return check(operation, status, body)
    except (ValueError, SyntaxError, botocore.parsers.ResponseParserError, EOFError, KeyError, TypeError) as error:
        return f"it cannot be read ({error})"


def _body_members(shape: Any) -> dict[str, str]:
    """The members of a structure that are in the body -> what they are called there."""
    found = {}
    for name, member in shape.members.items():
        how = member.serialization
        if how.get("location") in ("header", "headers", "statusCode", "uri", "querystring"):
            continue
        item = getattr(member, "member", None)
        inner = item.serialization.get("name") if how.get("flattened") and item is not None else None
        found[name] = inner or how.get("name") or name
    return found


def _missing(operation: Any, shape: Any, present: set[str]) -> str:
    """What a structure lacks when it has no member that says anything.

    Members that the model requires are no measure: Route 53 leaves out some of them.
    """
    if not (reads(operation.name) or creates(operation.name)):
        return ""
    members = _body_members(shape)
    # A flattened list has no element of its own: when it is empty, only the members about paging are there.
    flattened = any(member.serialization.get("flattened") for member in shape.members.values())
    telling = {called for name, called in members.items() if flattened or not _PAGING.fullmatch(name)}
    if telling and not present & telling:
        return f"it has none of {', '.join(sorted(telling)[:3])}"
    return ""


def _tag(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _children(element: ElementTree.Element) -> set[str]:
    return {_tag(child) for child in element}


def _query(operation: Any, status: int, body: bytes) -> str:
    root = ElementTree.fromstring(body)
    if status >= 300:
        known = _tag(root) in ("ErrorResponse", "Response", "Error")
        return "" if known else f"its root is <{_tag(root)}>, which is no error of AWS"
    if _tag(root) != f"{operation.name}Response":
        return f"its root is <{_tag(root)}>, not <{operation.name}Response>"
    shape = operation.output_shape
    if shape is None:
        return ""
    wrapper = shape.serialization.get("resultWrapper")
    start = next((child for child in root if _tag(child) == wrapper), None) if wrapper else root
    if start is None:
        return f"it has no {wrapper}"
    return _missing(operation, shape, _children(start))


def _rest_xml(operation: Any, status: int, body: bytes) -> str:
    if status >= 300:
        root = ElementTree.fromstring(body) if body.strip() else None
        known = root is None or _tag(root) in ("ErrorResponse", "Error")
        return "" if known or root is None else f"its root is <{_tag(root)}>, which is no error of AWS"
    shape = operation.output_shape
    payload = shape.serialization.get("payload") if shape is not None else None
    if payload and shape.members[payload].type_name != "structure":
        return _text(operation, shape.members[payload].name, body)
    if shape is None or not _body_members(shape):
        return ""
    root = ElementTree.fromstring(body)
    if _tag(root) == "Error":
        # S3 reports some errors with status 200; botocore knows them.
        return ""
    name = _S3_ROOTS.get(operation.name) if operation.service_model.service_name == "s3" else None
    if name:
        # The local AWS names it after the operation.
        own = f"{operation.name.removesuffix('Configuration')}Response"
        return (
            ""
            if _tag(root) in (name, f"{operation.name}Response", own)
            else f"its root is <{_tag(root)}>, not <{name}>"
        )
    if payload:
        inner = shape.members[payload]
        names = {payload, inner.name, inner.serialization.get("name")}
        if _tag(root) not in names:
            return f"its root is <{_tag(root)}>, not <{payload}>"
        return _missing(operation, inner, _children(root))
    return _missing(operation, shape, _children(root))


def _text(operation: Any, shape: str, body: bytes) -> str:
    """A body that is one value, as a bucket's policy."""
    if reads(operation.name) and not body.strip():
        return "its body is empty"
    if shape == "Policy" and not isinstance(json.loads(body), dict):
        return "it is no policy"
    return ""


def _json(operation: Any, status: int, body: bytes) -> str:
    document = json.loads(body) if body.strip() else None
    return _document(operation, status, document)


def _cbor(operation: Any, status: int, body: bytes) -> str:
    parser = botocore.parsers.RpcV2CBORParser()
    document = parser.parse_data_item(parser.get_peekable_stream_from_bytes(body)) if body else None
    return _document(operation, status, document)


def _document(operation: Any, status: int, document: Any) -> str:
    if document is not None and not isinstance(document, dict):
        return "it is no mapping"
    if status >= 300:
        return ""
    shape = operation.output_shape
    payload = shape.serialization.get("payload") if shape is not None else None
    if shape is None or payload or not _body_members(shape):
        return ""
    if document is None and (reads(operation.name) or creates(operation.name)):
        return "its body is empty"
    return _missing(operation, shape, {name for name, value in (document or {}).items() if value is not None})


_PROTOCOLS: dict[str, Callable[[Any, int, bytes], str]] = {
    "ec2": _query,
    "query": _query,
    "rest-xml": _rest_xml,
    "json": _json,
    "rest-json": _json,
    "smithy-rpc-v2-cbor": _cbor,
}
