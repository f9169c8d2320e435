"""A receiver for tests: writes every message that is sent to it by POST as a line of the file."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with Path(sys.argv[1]).open("a") as file:
            file.write(json.dumps({"path": self.path, "message": message}) + "\n")
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        # What Slack says; its senders try again when they hear anything else.
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Nothing: the path is a secret."""


ThreadingHTTPServer(("127.0.0.1", 9999), Hook).serve_forever()
