"""Nothing in a test session may reach anything but this machine; a test that tries is named.

Two wires: sockets of this process are patched, and subprocesses (Ansible, the AWS SDK, curl) inherit a proxy on
loopback that writes down and refuses every request. E2e tests may need the rehearsal's hosts: name their networks
in TRIPWIRE_ALLOW, separated by commas.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import socketserver
import threading
from types import TracebackType
from typing import Any, Self
from unittest import mock

_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
_DIRECT = "127.0.0.1,localhost,::1"

# The innermost one is told; a test that trips on purpose hangs up its own.
_active: list[Tripwire] = []
_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex
_sendto = socket.socket.sendto
_getaddrinfo = socket.getaddrinfo


class NotLoopbackError(OSError):
    """A connection that the tripwire refused."""


class _Refuse(socketserver.StreamRequestHandler):
    timeout = 5

    def handle(self) -> None:
        """Write the request line down, refuse, close."""
        line = self.rfile.readline(4096).decode("latin-1").strip()
        self.server.wire.records.append(f"proxy: {line}")  # type: ignore[attr-defined]
        self.wfile.write(
            b"HTTP/1.1 403 Refused by the tests' tripwire\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class Tripwire:
    """Open for a session or, as a context manager, for a few lines."""

    def __init__(self) -> None:
        self.records: list[str] = []
        self._server = _Server(("127.0.0.1", 0), _Refuse)
        self._server.wire = self  # type: ignore[attr-defined]
        self._environ: Any = None

    @property
    def url(self) -> str:
        """The address of the refusing proxy."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def open(self) -> Self:
        """Hang it up: in this process and in the environment of every subprocess."""
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        proxies = dict.fromkeys(_PROXY_VARIABLES, self.url) | {"NO_PROXY": _DIRECT, "no_proxy": _DIRECT}
        self._environ = mock.patch.dict(os.environ, proxies)
        self._environ.start()
        _active.append(self)
        if len(_active) == 1:
            socket.socket.connect = _guarded_connect  # type: ignore[method-assign, assignment]
            socket.socket.connect_ex = _guarded_connect_ex  # type: ignore[method-assign, assignment]
            socket.socket.sendto = _guarded_sendto  # type: ignore[method-assign, assignment]
            socket.getaddrinfo = _guarded_getaddrinfo
        return self

    def close(self) -> None:
        """Take it down and put everything back."""
        _active.remove(self)
        if not _active:
            socket.socket.connect = _connect  # type: ignore[method-assign]
            socket.socket.connect_ex = _connect_ex  # type: ignore[method-assign]
            socket.socket.sendto = _sendto  # type: ignore[method-assign]
            socket.getaddrinfo = _getaddrinfo
        self._environ.stop()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def allowed(host: str) -> bool:
    """Whether a host is this machine or a network that was allowed by name."""
    if host in ("", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    networks = [network for network in os.environ.get("TRIPWIRE_ALLOW", "").split(",") if network]
    return address.is_loopback or any(address in ipaddress.ip_network(network) for network in networks)


def _check(kind: str, address: Any) -> None:
    if not isinstance(address, tuple) or allowed(str(address[0])):
        return
    _active[-1].records.append(f"{kind}: {address[0]}:{address[1]}")
    raise NotLoopbackError(f"the tests' tripwire refused {kind} to {address[0]}:{address[1]}")


def _guarded_connect(self: socket.socket, address: Any) -> None:
    _check("connect", address)
    _connect(self, address)


def _guarded_connect_ex(self: socket.socket, address: Any) -> int:
    _check("connect", address)
    return _connect_ex(self, address)


def _guarded_sendto(self: socket.socket, data: Any, *arguments: Any) -> int:
    _check("sendto", arguments[-1])
    return _sendto(self, data, *arguments)


def _guarded_getaddrinfo(host: Any, port: Any, *arguments: Any, **named: Any) -> Any:
    """Asking a name server for a foreign name already leaves this machine."""
    name = host.decode() if isinstance(host, bytes) else host or ""
    if not allowed(name) and name != socket.gethostname() and not _is_address(name):
        _check("look-up", (name, port))
    return _getaddrinfo(host, port, *arguments, **named)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
