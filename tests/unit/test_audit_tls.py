"""What TLS ports accept: asked of real servers on loopback."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from checks.audit import tls


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of a server."""
    path = tmp_path_factory.mktemp("server") / "server.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(1))
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    text = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(text + made.sign(key, hashes.SHA256()).public_bytes(pem))
    return path


@contextlib.contextmanager
def server(
    context: ssl.SSLContext | None, before: Callable[[socket.socket], None] = lambda link: None
) -> Iterator[int]:
    """A server on loopback; its port. Without a context it closes every connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    link, _ = listening.accept()
                    with contextlib.suppress(OSError), link:
                        before(link)
                        if context:
                            context.wrap_socket(link, server_side=True).close()

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]


def context(certificate: Path, ciphers: str, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.load_cert_chain(certificate)
    found.set_ciphers(ciphers)
    found.maximum_version = newest
    return found


def test_a_port_as_mozilla_wants_it(certificate: Path) -> None:
    with server(context(certificate, "ECDHE+AESGCM:ECDHE+CHACHA20")) as port:
        found = tls.Port("127.0.0.1", port).accepts()
    assert sorted(found) == ["TLSv1.2", "TLSv1.3", "groups"]
    assert set(found["TLSv1.3"]) <= set(tls.SUITES.values())
    assert "X25519" in found["groups"]
    assert [line for line in tls.too_much(found) if not line.startswith("group ")] == []


def test_old_suites_are_named(certificate: Path) -> None:
    with server(context(certificate, "ECDHE+AESGCM:ECDHE+AES+SHA", ssl.TLSVersion.TLSv1_2)) as port:
        found = tls.Port("127.0.0.1", port).accepts()
    assert "TLSv1.3" not in found
    assert "suite 0xC009 (TLSv1.2)" in tls.too_much(found)


def test_a_client_certificate_is_not_needed_to_know(certificate: Path) -> None:
    strict = context(certificate, "ECDHE+AESGCM")
    strict.verify_mode = ssl.CERT_REQUIRED
    strict.load_verify_locations(certificate)
    with server(strict) as port:
        assert "TLSv1.3" in tls.Port("127.0.0.1", port).accepts()


def test_mysql_begins_in_the_clear(certificate: Path) -> None:
    def greet(link: socket.socket) -> None:
        link.sendall(b"\x05\x00\x00\x00hello")
        asked = link.recv(36)
        assert len(asked) == 36
        assert int.from_bytes(asked[4:8], "little") & 0x800

    with server(context(certificate, "ECDHE+AESGCM"), greet) as port:
        assert "TLSv1.2" in tls.Port("127.0.0.1", port, mysql=True).accepts()


def test_a_name_is_asked_for(certificate: Path) -> None:
    asked: list[str | None] = []
    named = context(certificate, "ECDHE+AESGCM")
    named.set_servername_callback(lambda link, name, found: asked.append(name))
    with server(named) as port:
        tls.Port("127.0.0.1", port, "koreatech.in").ask(0x0303, tls.OLD_SUITES)
    assert asked == ["koreatech.in"]


def test_old_versions_and_no_tls_are_too_much() -> None:
    assert tls.too_much({"TLSv1": ["0x0035"], "groups": ["P-521"]}) == ["version TLSv1", "group P-521"]
    with server(None) as port:
        assert tls.too_much(tls.Port("127.0.0.1", port).accepts()) == ["no TLS"]


def test_every_port_has_a_line(certificate: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as closed, server(context(certificate, "ECDHE+AESGCM")) as port:
        closed.bind(("127.0.0.1", 0))
        silent = closed.getsockname()[1]
        assert tls.main(["127.0.0.1", f"{port},localhost", str(silent)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "TLSv1.3" in found[str(port)]["accepts"]
    assert found[str(silent)]["too_much"][0].startswith("no answer")
