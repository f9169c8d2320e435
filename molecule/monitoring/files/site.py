"""A site with a certificate of the scenario's authority. Answers 200, and on /broken 502."""

from __future__ import annotations

import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(502 if self.path == "/broken" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()


server = ThreadingHTTPServer((sys.argv[1], 443), Site)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/etc/koin/tls/site/cert.pem", "/etc/koin/tls/site/key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
