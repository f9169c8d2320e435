"""A mail server that wants TLS and a password, and writes what it gets into a file, one JSON object for each mail."""

from __future__ import annotations

import base64
import json
import socketserver
import ssl
import sys
from pathlib import Path


class Mail(socketserver.StreamRequestHandler):
    def say(self, line: str) -> None:
        """Send a line."""
        self.wfile.write(f"{line}\r\n".encode())
        self.wfile.flush()

    def secure(self) -> None:
        """Go on with TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain("/etc/koin/tls/mail/cert.pem", "/etc/koin/tls/mail/key.pem")
        self.secured = context.wrap_socket(self.request, server_side=True)
        self.rfile = self.secured.makefile("rb")
        self.wfile = self.secured.makefile("wb")

    def handle(self) -> None:
        """Talk SMTP."""
        found: dict[str, str] = {"tls": ""}
        self.say("220 mail.example")
        while line := self.rfile.readline().decode().strip():
            verb = line.split(" ")[0].upper()
            if verb == "EHLO":
                self.say("250-mail.example")
                self.say("250 AUTH PLAIN" if found["tls"] else "250 STARTTLS")
            elif verb == "STARTTLS":
                self.say("220 go on")
                self.secure()
                found["tls"] = "yes"
            elif verb == "AUTH":
                found["login"] = base64.b64decode(line.split(" ")[2]).decode().replace("\0", " ").strip()
                self.say("235 in")
            elif verb == "DATA":
                self.say("354 go on")
                body = []
                while (text := self.rfile.readline().decode()) not in (".\r\n", ""):
                    body.append(text)
                found["body"] = "".join(body)
                with Path(sys.argv[1]).open("a") as file:
                    file.write(json.dumps(found) + "\n")
                self.say("250 taken")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                found[verb.lower()] = line
                self.say("250 fine")


socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("127.0.0.1", 2525), Mail).serve_forever()
