"""Additions to moto: the identity of this server, a clean account on demand, and a log of every API request."""

from __future__ import annotations

import datetime
import html
import io
import json
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from .operations import Call, Request, identify
from .rates import Rates
from .rights.account import Verdict, authorize
from .rights.policies import UnknownConditionError
from .state import IDENTITY_PATH, RESET_PATH, TOKEN_HEADER

StartResponse = Callable[..., Any]

_NOBODY = Verdict()


class RequestLog:
    """WSGI middleware; serves one request at a time.

    moto's backends are plain dictionaries that other threads iterate: without the lock, parallel clients see
    `dictionary changed size during iteration` and PutParameter without overwrite is not atomic.
    """

    def __init__(
        self,
        application: Callable[[dict[str, Any], StartResponse], Iterable[bytes]],
        path: Path,
        *,
        token: str,
        reset: Callable[[bool], None],
    ):
        self._application = application
        self._token = token
        self._reset = reset
        self._lock = threading.Lock()
        self._rates = Rates()
        #: answers of what was created with a client token: asked again with the same one, AWS creates nothing
        self._made: dict[tuple[str, ...], tuple[tuple[str, list[tuple[str, str]]], list[bytes]]] = {}
        # Appending: clear() may truncate underneath. Unbuffered: a client that has its answer finds its line.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._log = os.fdopen(descriptor, "ab", buffering=0)

    def clear(self) -> None:
        """Empty the log."""
        os.truncate(self._log.fileno(), 0)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer our own paths; pass everything else to moto and log it."""
        path = environ.get("PATH_INFO", "")
        if path == IDENTITY_PATH:
            return _answer(start_response, "200 OK", {"token": self._token, "pid": os.getpid()})
        body = _read_body(environ)
        if path == RESET_PATH:
            return self._answer_reset(environ, body, start_response)
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ.pop("wsgi.input_terminated", None)
        started = time.time()
        status, head = "500", ("500", list[tuple[str, str]]())

        def remember(line: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            nonlocal status, head
            status, head = line.split(" ", 1)[0], (line, headers)
            return start_response(line, headers, *rest)

        chunks: Iterable[bytes]
        with self._lock:
            headers = _headers(environ)
            call = _identify(environ, headers, body)
            if not self._rates.allow(call.service):
                chunks = _refuse(call, "400 Bad Request", "Throttling", "Rate exceeded", remember)
                self._write(call, started, int(status))
                return chunks
            try:
                verdict = authorize(call, headers, environ.get("QUERY_STRING", ""))
            except UnknownConditionError as error:
                text = f"The local AWS does not evaluate {error}; see rehearsal/aws/rights"
                verdict = Verdict(principal="?", code="NotImplemented", text=text)
            if verdict.code:
                chunks = _refuse(call, "403 Forbidden", verdict.code, verdict.text, remember)
                self._write(call, started, int(status), verdict)
                return chunks if environ["REQUEST_METHOD"] != "HEAD" else []
            if again := self._made.get(_token(call)):
                self._write(call, started, 200, verdict)
                start_response(*again[0])
                return again[1]
            try:
                answer = self._application(environ, remember)
                # moto works while its answer is read: keep the lock until it is complete.
                chunks = list(answer)
                close = getattr(answer, "close", None)
                if close:
                    close()
            except Exception as error:
                # werkzeug would answer with a page of HTML and status 500, which clients repeat, slowly, and then
                # fail to parse. 501 is not repeated and says what is missing.
                traceback.print_exc()
                text = (
                    f"The local AWS (moto) failed at {call.service} {call.operation}: {type(error).__name__}: {error}"
                )
                chunks = _refuse(call, "501 Not Implemented", "NotImplemented", text, remember)
            self._write(call, started, int(status), verdict)
            if status == "200" and _token(call):
                self._made[_token(call)] = (head, list(chunks))
        return chunks

    def _answer_reset(self, environ: dict[str, Any], body: bytes, start_response: StartResponse) -> Iterable[bytes]:
        header = "HTTP_" + TOKEN_HEADER.upper().replace("-", "_")
        if environ["REQUEST_METHOD"] != "POST" or not self._token or environ.get(header) != self._token:
            return _answer(start_response, "403 Forbidden", {"error": "this is not your local AWS"})
        wanted = json.loads(body or b"{}")
        with self._lock:
            self._made.clear()
            self._reset(bool(wanted.get("empty")))
            self._rates = Rates(wanted.get("rates"))
            self.clear()
        return _answer(start_response, "200 OK", {})

    def _write(self, call: Call, started: float, status: int, verdict: Verdict = _NOBODY) -> None:
        line = {
            "time": datetime.datetime.fromtimestamp(started, datetime.UTC).isoformat(timespec="milliseconds"),
            "service": call.service,
            "region": call.region,
            "operation": call.operation,
            "write": call.write,
            "status": status,
            "milliseconds": round((time.time() - started) * 1000, 1),
            "params": call.params,
        }
        if verdict.principal:
            line |= {"principal": verdict.principal, "asked": verdict.asked}
        self._log.write(json.dumps(line, ensure_ascii=False, default=str).encode() + b"\n")


def _token(call: Call) -> tuple[str, ...]:
    """What tells a repetition of a call of EC2 from another call; empty when nothing does. moto ignores it."""
    token = str(call.params.get("ClientToken", ""))
    return (call.region, call.operation, token) if call.service == "ec2" and token else ()


def _headers(environ: dict[str, Any]) -> dict[str, str]:
    headers = {name[5:].lower().replace("_", "-"): str(value) for name, value in environ.items() if name[:5] == "HTTP_"}
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    return headers


def _identify(environ: dict[str, Any], headers: dict[str, str], body: bytes) -> Call:
    return identify(
        Request(
            method=environ["REQUEST_METHOD"],
            path=environ.get("PATH_INFO", ""),
            query=environ.get("QUERY_STRING", ""),
            headers=headers,
            body=body,
        )
    )


def _refuse(call: Call, status: str, code: str, text: str, start_response: StartResponse) -> Iterable[bytes]:
    """An error that every AWS client understands, in the protocol of the service."""
    if call.protocol == "json":
        return _answer(start_response, status, {"__type": code, "message": text})
    if call.protocol == "cbor":
        content = b"\xa2" + b"".join(_cbor_text(item) for item in ("__type", code, "message", text))
        head = [("Content-Type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")]
        start_response(status, [*head, ("Content-Length", str(len(content)))])
        return [content]
    error_element = f"<Error><Code>{code}</Code><Message>{html.escape(text)}</Message></Error>"
    body = {
        "ec2": f"<Response><Errors>{error_element}</Errors><RequestID>0</RequestID></Response>",
        "s3": error_element,
    }.get(call.service, f"<ErrorResponse>{error_element}<RequestId>0</RequestId></ErrorResponse>").encode()
    start_response(status, [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))])
    return [body]


def _cbor_text(text: str) -> bytes:
    """A text as CBOR (RFC 8949) writes it, with its length in two bytes."""
    encoded = text.encode()
    return b"\x79" + len(encoded).to_bytes(2) + encoded


def _read_body(environ: dict[str, Any]) -> bytes:
    """The whole body, whether it came with a length or in chunks (werkzeug decodes those)."""
    if environ.get("wsgi.input_terminated"):
        return bytes(environ["wsgi.input"].read())
    return bytes(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))


def _answer(start_response: StartResponse, status: str, data: dict[str, Any]) -> Iterable[bytes]:
    body = json.dumps(data).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
