"""An upstream that answers with what it was asked, as JSON; a WebSocket handshake as far as the 101."""

from __future__ import annotations

import http.server
import json
import socketserver
import sys


class Echo(http.server.BaseHTTPRequestHandler):
    """Says what it got."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        """One answer for every method."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Upgrade") == "websocket":
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            self.close_connection = True
            return
        status = int(self.path.removeprefix("/status/")) if self.path.startswith("/status/") else 200
        said = {"path": self.path, "headers": [[name.lower(), value] for name, value in self.headers.items()]}
        body = json.dumps(said | {"fill": "x" * 2000}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Powered-By", "echo")
        self.send_header("X-Frame-Options", "DENY")
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Keeps connections open, many at a time."""


Server(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
