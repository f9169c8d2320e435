"""The search for secrets: what it looks for, what it finds, what it may find where."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.platform.authority import new_certificate, new_key
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.support.process_watch import ProcessWatch
from tests.support.secret_search import needles, on_host, places

PKCS8 = serialization.PrivateFormat.PKCS8
SEC1 = serialization.PrivateFormat.TraditionalOpenSSL
OPENSSH = serialization.PrivateFormat.OpenSSH


def pem(key: Any, form: Any) -> str:
    text: bytes = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return text.decode()


def public(key: Any) -> str:
    """A public key as certificates and OpenSSH write it, in all three places where base64 may begin."""
    der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    ssh = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return "\n".join([ssh.decode(), *(base64.b64encode(bytes(n) + der).decode() for n in range(3))])


# --- What it looks for ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["", "u", "us", "user:"])
@pytest.mark.parametrize("after", ["", ":", "::", ":::"])
def test_a_password_is_found_in_base64_wherever_it_begins(before: str, after: str) -> None:
    secret = "Abcdefgh1234567890Zyxwvut0987654"
    written = base64.b64encode(f"{before}{secret}{after}".encode())
    assert on_host.names_in(b'{"auth": "' + written + b'"}', {"it": needles.value_forms(secret)}) == ["it"]


@pytest.mark.parametrize(
    ("key", "form"),
    [
        (ec.generate_private_key(ec.SECP256R1()), PKCS8),
        (ec.generate_private_key(ec.SECP256R1()), SEC1),
        (ec.generate_private_key(ec.SECP384R1()), PKCS8),
        (ec.generate_private_key(ec.SECP256R1()), OPENSSH),
        (ed25519.Ed25519PrivateKey.generate(), PKCS8),
        (ed25519.Ed25519PrivateKey.generate(), OPENSSH),
        (rsa.generate_private_key(65537, 2048), PKCS8),
        (rsa.generate_private_key(65537, 2048), OPENSSH),
    ],
)
def test_a_key_is_found_and_its_public_half_is_not(key: Any, form: Any) -> None:
    text = pem(key, form)
    patterns = {"it": needles.key_forms(text)}
    lines = text.splitlines()[1:-1]
    assert on_host.names_in(text.encode(), patterns) == ["it"]
    assert on_host.names_in(json.dumps(text).encode(), patterns) == ["it"]
    # Written in one line, as a value of another file.
    assert on_host.names_in("".join(lines).encode(), patterns) == ["it"]
    assert on_host.names_in(public(key).encode(), patterns) == []
    # Nor is what every key of the kind begins with.
    other = pem(ed25519.Ed25519PrivateKey.generate(), form) if isinstance(key, ed25519.Ed25519PrivateKey) else ""
    assert on_host.names_in(other.encode(), patterns) == []


def test_the_last_line_of_a_key_is_its_public_half() -> None:
    """The trap: it is equal to a line of a certificate, where the lengths so fall."""
    key = ec.generate_private_key(ec.SECP256R1())
    lines = pem(key, PKCS8).splitlines()[1:-1]
    telling = needles.telling_lines(pem(key, PKCS8), needles.secret_halves(key))
    assert telling == set(lines[:2])


def test_a_certificate_of_the_platform_tells_nothing() -> None:
    key = new_key()
    certificate = new_certificate(key)
    assert x509.load_pem_x509_certificate(certificate.encode())
    assert on_host.names_in(certificate.encode(), {"it": needles.value_forms(key)}) == []
    assert on_host.names_in(key.encode(), {"it": needles.value_forms(key)}) == ["it"]


def test_a_key_with_a_head_is_a_key() -> None:
    """As Swarm writes the key of a node."""
    plain = pem(ec.generate_private_key(ec.SECP256R1()), PKCS8)
    headed = plain.replace("-----\nMI", "-----\nkek-version: 0\nraft-dek: EiA4gB6h\n\nMI")
    assert headed != plain
    assert needles.blocks(headed) == [plain.strip()]
    assert on_host.names_in(headed.encode(), {"it": needles.key_forms(needles.blocks(headed)[0])}) == ["it"]


def test_what_only_looks_like_a_key_is_none() -> None:
    text = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    assert needles.blocks(text) == [text.strip()]
    assert needles.load(text) is None
    assert needles.key_forms(text) == set()


def test_a_short_text_is_not_looked_for() -> None:
    assert needles.value_forms("admin") == set()


# --- What it finds ----------------------------------------------------------------------------------------------------

SECRET = "planted-in-a-place-0123456789"
PATTERNS = {"planted": [SECRET], "other": ["never-written-anywhere-9876543210"]}


def test_files_are_told_with_mode_owner_and_whether_all_may_read_them(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "closed").mkdir(mode=0o700)
    for name in ("open", "closed/inside", "innocent"):
        (tmp_path / name).write_text("nothing" if name == "innocent" else f"\0binary {SECRET}\n")
        (tmp_path / name).chmod(0o644)
    (tmp_path / "loop").symlink_to(tmp_path)
    found = {Path(item["path"]).name: item for item in on_host.files([str(tmp_path)], PATTERNS)}
    assert set(found) == {"open", "inside"}
    assert found["open"]["secrets"] == ["planted"]
    assert found["open"]["mode"] == "0644"
    assert found["inside"]["open"] is False


def test_folders_that_are_missing_are_no_files() -> None:
    assert on_host.files_with(["/no/such/folder"], PATTERNS) == []


def test_a_process_is_told_by_its_program() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()", SECRET], stdin=subprocess.PIPE) as process:
        found = list(on_host.processes(PATTERNS))
        with ProcessWatch() as watch:
            time.sleep(0.1)
        process.communicate(b"\n")
    assert [item["secrets"] for item in found] == [["planted"]]
    assert found[0]["where"].startswith("cmdline of ")
    assert any(SECRET.encode() in content for content in watch.seen["cmdline"])


def test_it_runs_as_a_program_and_reads_its_job_from_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text(pem(ec.generate_private_key(ec.SECP256R1()), PKCS8))
    (tmp_path / "text").write_text("no key")
    program = Path(on_host.__file__).read_text()
    job = json.dumps({"do": "keys", "roots": [str(tmp_path)]})
    done = subprocess.run([sys.executable, "-c", program], input=job, capture_output=True, text=True, check=True)
    assert list(json.loads(done.stdout)) == [str(tmp_path / "key.pem")]


def test_packed_files_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "old.gz"
    path.write_bytes(gzip.compress(SECRET.encode()))
    assert list(on_host.files([str(tmp_path)], PATTERNS)) == []
    monkeypatch.setattr(on_host, "_PACKED_FOLDERS", (str(tmp_path),))
    monkeypatch.setattr(on_host, "_PACKED", (f"{tmp_path}/*.gz",))
    assert [item["path"] for item in on_host.packed(PATTERNS)] == [str(path)]


# --- What it may find where -------------------------------------------------------------------------------------------

PLACE = places.Place("/etc/service/*", "0640", "root:service", ("/koin/prod/*",), ("koin-prod",))
FILE = {"path": "/etc/service/password", "mode": "0640", "owner": "root:service", "open": False}


@pytest.mark.parametrize(
    ("host", "changed", "secret", "good"),
    [
        ("koin-prod", {}, "/koin/prod/a", True),
        ("koin-stage", {}, "/koin/prod/a", False),
        ("koin-prod", {}, "/koin/stage/a", False),
        ("koin-prod", {"mode": "0644"}, "/koin/prod/a", False),
        ("koin-prod", {"owner": "root:root"}, "/koin/prod/a", False),
        ("koin-prod", {"path": "/etc/other"}, "/koin/prod/a", False),
        ("koin-prod", {"open": True}, "/koin/prod/a", False),
    ],
)
def test_a_secret_is_allowed_in_its_place_only(host: str, changed: dict[str, Any], secret: str, good: bool) -> None:
    result = {"files": [FILE | changed | {"secrets": [secret]}], "processes": [], "streams": []}
    assert (places.leaks(host, result, [PLACE]) == []) is good


def test_a_key_is_allowed_where_it_was_made_and_nowhere_else() -> None:
    found = {"path": "/etc/koin/tls/mariadb/key.pem", "mode": "0640", "owner": "root:mysql", "open": False}
    assert places.allowed("koin-db", found, "key koin-db:/etc/koin/tls/mariadb/key.pem")
    assert not places.allowed("koin-db", found, "key koin-prod:/etc/koin/tls/mariadb/key.pem")
    assert not places.allowed("koin-db", found, "/koin/platform/authority/key")


def test_processes_and_logs_have_no_place() -> None:
    found = [{"where": "journal", "secrets": ["/koin/prod/a"]}]
    assert places.leaks("koin-prod", {"files": [], "processes": found, "streams": found}, [PLACE]) == [
        "koin-prod: journal: /koin/prod/a",
        "koin-prod: journal: /koin/prod/a",
    ]
