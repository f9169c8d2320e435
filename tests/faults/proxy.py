"""A proxy between the tools and the local AWS that answers badly: seeded, and the same every time.

Which call gets which fault is decided by a rule from the call and from how many of its operation came before, so that
the order in which parallel calls arrive does not matter.
"""

from __future__ import annotations

import hashlib
import html
import http.client
import json
import re
import socket
import struct
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit
from xml.etree import ElementTree

import botocore.session

from rehearsal.aws.operations import Call, Request, identify

#: the fault of a call, by the call and how many of its operation came before; None: none
Rule = Callable[[Call, int], str | None]

#: answers that say no
REFUSALS = {
    "denied": (403, "AccessDenied", "UnauthorizedOperation"),
    "expired": (400, "ExpiredToken", "RequestExpired"),
    "throttled": (400, "Throttling", "RequestLimitExceeded"),
    "500": (500, "InternalError", "InternalError"),
    "503": (503, "ServiceUnavailable", "Unavailable"),
}
#: answers that lie: status 200, and not what was asked for
LIES = ("empty", "document", "html", "cut", "cut unnoticed")
#: an answer without end
ENDLESS = "alternating"

_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in to the network.</body></html>"
#: seconds after which a hanging call is closed: longer than any client waits here
_HANG = 60
#: element of an id, by the element of the list
_OWN = {"securityGroupInfo": "groupId", "addressesSet": "allocationId", "keySet": "keyPairId"}


def nothing(_call: Call, _count: int) -> str | None:
    """No fault."""
    return None


def some(seed: int, share: float, faults: tuple[str, ...]) -> Rule:
    """A share of all calls fails, in one of these ways."""

    def rule(call: Call, count: int) -> str | None:
        digest = hashlib.sha256(f"{seed} {call.service} {call.operation} {count}".encode()).digest()
        number = int.from_bytes(digest[:8]) / 2**64
        return faults[digest[8] % len(faults)] if number < share else None

    return rule


def always(service: str, operation: str, fault: str) -> Rule:
    """Each call of an operation fails in this way."""
    return lambda call, count: fault if (call.service, call.operation) == (service, operation) else None


def nth(service: str, operation: str, fault: str, number: int = 0) -> Rule:
    """One call of an operation fails in this way."""
    return lambda call, count: fault if (call.service, call.operation, count) == (service, operation, number) else None


class Proxy:
    """One proxy; rules may be changed while it runs.

    faults: what was done to whom. lag: seconds for which reads of EC2 do not show what was created. hang: seconds.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.rule: Rule = nothing
        self.lag = 0.0
        self.hang: float = _HANG
        self.faults: list[tuple[str, str]] = []
        self.calls: Counter[str] = Counter()
        self._hidden: dict[str, float] = {}
        self._lock = threading.Lock()
        self._pages: dict[str, int] = defaultdict(int)
        self.first: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.closing = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        """Where it listens, on loopback."""
        return int(self._server.server_address[1])

    def use(self, rule: Rule, lag: float = 0.0, hang: float = _HANG) -> None:
        """From now on; counting begins anew."""
        with self._lock:
            self.rule, self.lag, self.hang = rule, lag, hang
            self.faults, self.calls, self._hidden = [], Counter(), {}
            self._pages.clear()
            self.first.clear()

    def fault(self, call: Call) -> str | None:
        """What happens to this call."""
        with self._lock:
            name = f"{call.service}:{call.operation}"
            count = self.calls[name]
            self.calls[name] += 1
            found = self.rule(call, count)
            if found:
                self.faults.append((name, found))
            return found

    def page(self, call: Call) -> int:
        """How many pages of the same list came before."""
        with self._lock:
            self._pages[f"{call.service} {call.operation}"] += 1
            return self._pages[f"{call.service} {call.operation}"] - 1

    def lagging(self, call: Call, status: int, body: bytes) -> tuple[int, bytes]:
        """The answer without what was created less than ``lag`` seconds ago."""
        if not self.lag or call.service != "ec2" or status >= 300:
            return status, body
        now = time.monotonic()
        with self._lock:
            if re.match(r"(Create|Allocate|Run|Import)", call.operation):
                for found in re.findall(rb">([a-z]+-[0-9a-f]{8,17})<", body):
                    self._hidden.setdefault(found.decode(), now + self.lag)
                return status, body
            hidden = {name for name, until in self._hidden.items() if until > now}
        if not call.operation.startswith("Describe") or not hidden:
            return status, body
        asked = {str(value) for key, value in call.params.items() if re.fullmatch(r"[A-Z]\w*Id\.\d+", key)}
        if gone := asked & hidden:
            code = f"Invalid{call.operation.removeprefix('Describe').removesuffix('s')}ID.NotFound"
            return 400, _error(call, code, f"{sorted(gone)} does not exist")
        return status, _without(body, hidden)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128
    proxy: Proxy


def _without(body: bytes, hidden: set[str]) -> bytes:
    root = ElementTree.fromstring(body)
    for group in root:
        name = str(group.tag).rpartition("}")[2]
        own = _OWN.get(name, f"{name.removesuffix('Set')}Id")
        for item in list(group):
            ids = {child.text for child in item if str(child.tag).rpartition("}")[2] == own}
            if ids & hidden:
                group.remove(item)
    return ElementTree.tostring(root)


def _error(call: Call, code: str, text: str) -> bytes:
    """An error in the protocol of the service."""
    if call.protocol == "json":
        return json.dumps({"__type": code, "message": text}).encode()
    element = f"<Error><Code>{code}</Code><Message>{html.escape(text)}</Message></Error>"
    if call.service == "ec2":
        return f"<Response><Errors>{element}</Errors><RequestID>0</RequestID></Response>".encode()
    if call.service in ("s3", "s3control"):
        return element.encode()
    return f"<ErrorResponse>{element}<RequestId>0</RequestId></ErrorResponse>".encode()


def emptied(call: Call, body: bytes) -> bytes:
    """The document without anything in it: ``{}``, or its root alone."""
    if call.protocol == "json":
        return b"{}"
    root = re.search(rb"<([A-Za-z][\w:.-]*)", re.sub(rb"<\?.*?\?>", b"", body))
    return b"<" + (root[1] if root else b"Response") + b"/>"


@cache
def _tokens(service: str, operation: str) -> tuple[tuple[str, ...], str]:
    """Where an answer says which page comes next, and that one does; empty for what has no pages."""
    session = botocore.session.get_session()
    try:
        pages = session.get_paginator_model(service).get_paginator(operation)
    except (ValueError, botocore.exceptions.UnknownServiceError, botocore.exceptions.DataNotFoundError):
        return (), ""
    output = pages["output_token"] if isinstance(pages["output_token"], list) else [pages["output_token"]]
    names = tuple(re.split(r"\W+", text.split("||")[0].strip())[-1] for text in output)
    more = str(pages.get("more_results", "")).rpartition(".")[2]
    return names, more


def paged(service: str, operation: str) -> bool:
    """Whether an operation has pages."""
    return bool(_tokens(service, operation)[0])


def _endless(call: Call, body: bytes, page: int) -> bytes:
    """The same page again, with the tokens A and B in turn."""
    names, more = _tokens(call.service, call.operation)
    token = "AB"[page % 2]
    if call.protocol == "json":
        content = json.loads(body)
        content.update(dict.fromkeys(names, token))
        return json.dumps(content).encode()
    members = [name[0].lower() + name[1:] if call.service == "ec2" else name for name in names]
    values = dict.fromkeys(members, token) | ({more: "true"} if more else {})
    for name in values:
        body = re.sub(rf"<{name}>[^<]*</{name}>|<{name}/>".encode(), b"", body)
    added = "".join(f"<{name}>{value}</{name}>" for name, value in values.items()).encode()
    result = re.search(rb"</\w+Result>", body)
    end = result.start() if result and call.service in ("iam", "sns") else body.rstrip().rfind(b"</")
    return body[:end] + added + body[end:]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def handle_one_request(self) -> None:
        """As the base class, for any method."""
        try:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            self._serve()
            self.wfile.flush()
        except OSError:
            self.close_connection = True

    def _serve(self) -> None:
        proxy = self.server.proxy
        body = self._body()
        url = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        call = identify(Request(self.command, url.path, url.query, headers, body))
        fault = proxy.fault(call)
        if fault == "reset before":
            self._reset()
            return
        if fault == "hang":
            proxy.closing.wait(proxy.hang)
            self._reset()
            return
        if fault in REFUSALS:
            status, code, of_ec2 = REFUSALS[fault]
            self._answer(status, {}, _error(call, of_ec2 if call.service == "ec2" else code, "the proxy says so"))
            return
        status, answered, content = self._forward(body)
        if fault == ENDLESS:
            # The local AWS does not know the tokens.
            status, answered, content = proxy.first.setdefault(call.operation, (status, answered, content))
        status, content = proxy.lagging(call, status, content)
        if fault == "reset after":
            self._reset()
        elif fault == "empty":
            self._answer(200, {}, b"")
        elif fault == "document":
            self._answer(200, answered, emptied(call, content))
        elif fault == "html":
            self._answer(200, {"Content-Type": "text/html"}, _PAGE)
        elif fault == "cut":
            # The length is that of the whole: the connection ends early.
            self._answer(status, answered, content[: len(content) // 2], len(content))
            self.close_connection = True
        elif fault == "cut unnoticed":
            self._answer(status, answered, content[: len(content) // 2])
        elif fault == ENDLESS:
            self._answer(status, answered, _endless(call, content, proxy.page(call)))
        else:
            self._answer(status, answered, content)

    def _body(self) -> bytes:
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.server.proxy.upstream, timeout=60)
        skipped = ("connection", "transfer-encoding", "content-length", "expect")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in skipped}
        connection.request(self.command, self.path, body=body, headers=headers | {"Content-Length": str(len(body))})
        answer = connection.getresponse()
        content = answer.read()
        found = {name: value for name, value in answer.getheaders() if name.lower() not in skipped}
        if self.command == "HEAD" and (length := answer.getheader("Content-Length")):
            found["Content-Length"] = length
        connection.close()
        return answer.status, found, content

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes, length: int | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _reset(self) -> None:
        """Close the connection without a word."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
