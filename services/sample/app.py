"""A small service to show that the platform works: counts visits in MariaDB over TLS."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sys
import threading
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pymysql
from pymysql.cursors import DictCursor

PORT = int(os.environ.get("PORT", "8080"))


def connect(role: str = "USER", password: str = "PASSWORD_FILE") -> pymysql.Connection[DictCursor]:
    """A connection whose server has to prove who it is."""
    return pymysql.connect(
        host=os.environ["DATABASE_HOST"],
        port=int(os.environ.get("DATABASE_PORT", "3306")),
        user=os.environ[f"DATABASE_{role}"],
        # Read each time: a file can be replaced.
        password=Path(os.environ[f"DATABASE_{password}"]).read_text().rstrip("\n"),
        database=os.environ["DATABASE_NAME"],
        ssl_ca=os.environ["DATABASE_CA_FILE"],
        ssl_verify_cert=True,
        ssl_verify_identity=True,
        connect_timeout=3,
        read_timeout=5,
        write_timeout=5,
        cursorclass=DictCursor,
        autocommit=True,
    )


@cache
def migrate() -> None:
    """Make the table, once, as the user who may."""
    with connect("OWNER", "OWNER_PASSWORD_FILE") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS visits (host VARCHAR(64) PRIMARY KEY, number BIGINT NOT NULL)")


def visit() -> dict[str, Any]:
    """Count this visit; what the database then says."""
    migrate()
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO visits VALUES (%s, 1) ON DUPLICATE KEY UPDATE number = number + 1", (socket.gethostname(),)
        )
        cursor.execute("SELECT SUM(number) AS visits, DATABASE() AS name FROM visits")
        row = cursor.fetchone() or {}
        cursor.execute("SHOW STATUS LIKE 'Ssl_version'")
        tls = cursor.fetchone() or {}
    return {"visits": int(row["visits"]), "database": row["name"], "tls": tls.get("Value", "")}


class Handler(BaseHTTPRequestHandler):
    """Two pages."""

    server_version = "koin-sample"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        """Answer."""
        path = self.path.partition("?")[0]
        if path == "/health":
            self.answer(200, {"status": "ok"})
        elif path != "/":
            self.answer(404, {"error": "there are / and /health"})
        else:
            try:
                self.answer(200, visit() | self.seen())
            except (KeyError, OSError, pymysql.MySQLError) as error:
                print(f"database: {error!r}", file=sys.stderr, flush=True)
                self.answer(503, {"error": f"the database does not answer: {type(error).__name__}"} | self.seen())

    def seen(self) -> dict[str, Any]:
        """Where this runs, and who the client is."""
        return {
            "host": os.environ.get("NODE_NAME", socket.gethostname()),
            "architecture": os.uname().machine,
            "forwarded_for": self.headers.get("X-Forwarded-For"),
            "stack": os.environ.get("STACK_NAME"),
        }

    def answer(self, status: int, content: dict[str, Any]) -> None:
        """Send it as JSON."""
        body = json.dumps(content).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Leave out what the engine asks."""
        if self.path != "/health":
            super().log_request(code, size)


def healthy() -> bool:
    """What the health check of the container asks."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=3)
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False


def main() -> None:
    """Serve until terminated; requests in progress are finished."""
    server = ThreadingHTTPServer(("", PORT), Handler)
    server.daemon_threads = False

    def stop(*_: object) -> None:
        # Not in this thread: it would wait for itself.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    server.serve_forever(poll_interval=0.2)
    server.server_close()


if __name__ == "__main__":
    if sys.argv[1:] == ["--health"]:
        sys.exit(0 if healthy() else 1)
    main()
