#!/usr/bin/python3
"""Connects to the server's services all the time, by new connections and by one that stays open.

Usage: load.py ADDRESS   until /run/load/stop exists; the counts are in /run/load/counts.json
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pymysql

ADDRESS = sys.argv[1]
FOLDER = Path("/run/load")
PASSWORD = "throwaway-load-0123456789"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
COUNTS: Counter[str] = Counter()
ERRORS: list[str] = []
LOCK = threading.Lock()


def context(certificate: str = "") -> ssl.SSLContext:
    """What a client of the host trusts; read again for each connection."""
    found = ssl.create_default_context()
    if certificate:
        found.load_cert_chain(f"/etc/koin/tls/{certificate}/cert.pem", f"/etc/koin/tls/{certificate}/key.pem")
    return found


def mariadb() -> Callable[[], None]:
    connection = pymysql.connect(
        host=ADDRESS,
        user="load",
        password=PASSWORD,
        ssl_ca=BUNDLE,
        ssl_verify_cert=True,
        ssl_verify_identity=True,
        connect_timeout=5,
        read_timeout=5,
    )

    def ask() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchone() == (1,)

    return ask


def valkey() -> Callable[[], None]:
    raw = socket.create_connection((ADDRESS, 6379), timeout=5)
    stream = context().wrap_socket(raw, server_hostname=ADDRESS)
    stream.sendall(f"AUTH load {PASSWORD}\r\n".encode())
    assert stream.recv(64) == b"+OK\r\n"

    def ask() -> None:
        stream.sendall(b"PING\r\n")
        assert stream.recv(64) == b"+PONG\r\n"

    return ask


def exporter() -> Callable[[], None]:
    connection = http.client.HTTPSConnection(ADDRESS, 9100, timeout=10, context=context("caller"))
    connection.connect()

    def ask() -> None:
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200

    return ask


def edge() -> Callable[[], None]:
    raw = socket.create_connection((ADDRESS, 443), timeout=5)
    stream = context().wrap_socket(raw, server_hostname="site.example")

    def ask() -> None:
        stream.sendall(b"HEAD / HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n")
        assert stream.recv(512).startswith(b"HTTP/1.1 301")

    return ask


def count(name: str, error: BaseException | None) -> None:
    """Count an answer or a failure."""
    with LOCK:
        COUNTS[f"{name} {'failed' if error else 'answered'}"] += 1
        if error and len(ERRORS) < 50:
            ERRORS.append(f"{time.strftime('%T')} {name}: {error!r}")
        (FOLDER / "counts.new").write_text(json.dumps({"counts": COUNTS, "errors": ERRORS}))
        (FOLDER / "counts.new").replace(FOLDER / "counts.json")


def stopped() -> bool:
    return (FOLDER / "stop").exists()


def keep_connecting(name: str, connect: Callable[[], Callable[[], None]]) -> None:
    """A new connection for each request."""
    while not stopped():
        try:
            connect()()
            count(f"new {name}", None)
        except Exception as error:  # whatever it is, it is counted
            count(f"new {name}", error)
        time.sleep(0.15)


def stay_connected(name: str, connect: Callable[[], Callable[[], None]]) -> None:
    """One connection; it counts as broken once, and is made again."""
    ask: Callable[[], None] | None = None
    while not stopped():
        try:
            ask = ask or connect()
            ask()
            count(f"open {name}", None)
        except Exception as error:  # whatever it is, it is counted
            ask = None
            count(f"open {name}", error)
        time.sleep(0.5)


def main() -> None:
    """Run until told to stop."""
    FOLDER.mkdir(exist_ok=True)
    services = {"mariadb": mariadb, "valkey": valkey, "exporter": exporter, "edge": edge}
    threads = [threading.Thread(target=keep_connecting, args=pair) for pair in services.items()]
    # nginx ends idle connections when it reloads, as HTTP allows, so only the others stay open.
    threads += [threading.Thread(target=stay_connected, args=pair) for pair in services.items() if pair[0] != "edge"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
