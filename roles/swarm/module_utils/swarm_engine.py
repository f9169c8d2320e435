"""The engine's API on its socket, as far as a Swarm needs it. Nothing but the standard library: hosts have no more."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

SOCKET = "/run/docker.sock"
_SECONDS = 60.0


class EngineError(Exception):
    """What the engine answered instead of what was asked for; status 0 when it did not answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Engine:
    """One engine. Tokens and keys travel in bodies, never in an argument list."""

    def __init__(self, path: str = SOCKET) -> None:
        self._path = path

    def call(self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None) -> Any:
        """The answer to a request, None when it is empty."""
        connection = _Connection(self._path)
        try:
            connection.request(
                method,
                f"{path}?{urlencode(query)}" if query else path,
                None if body is None else json.dumps(body),
                {"Content-Type": "application/json"},
            )
            response = connection.getresponse()
            text = response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(0, f"no engine answers on {self._path}: {error}") from error
        finally:
            connection.close()
        if response.status >= 400:
            try:
                message = json.loads(text)["message"]
            except (ValueError, KeyError, TypeError):
                message = text
            raise EngineError(response.status, str(message).strip())
        return json.loads(text) if text.strip() else None

    def get(self, path: str, **query: Any) -> Any:
        """GET."""
        return self.call("GET", path, query=query)

    def post(self, path: str, body: Any = None, **query: Any) -> Any:
        """POST."""
        return self.call("POST", path, {} if body is None else body, query)

    def delete(self, path: str, **query: Any) -> Any:
        """DELETE."""
        return self.call("DELETE", path, query=query)
