"""The platform's authority: what it may sign, who accepts that, and how another takes its place."""

from __future__ import annotations

import ipaddress
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.platform import authority as module
from ansible.module_utils.platform.authority import Authority, new_certificate, new_key, permits, refused
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.support.files import load_file

REPOSITORY = Path(__file__).resolve().parents[2]
NAMES, ADDRESSES = ["koin-db", "koin-prod"], ["172.31.0.0/16"]
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


class KilledError(Exception):
    """The run ended here."""


class Memory:
    """Parameters in memory; the run is killed instead of a certain write."""

    def __init__(self, values: dict[str, str] | None = None) -> None:
        self.values = dict(values or {})
        self.writes_left = 1000

    def _write(self) -> None:
        if not self.writes_left:
            raise KilledError
        self.writes_left -= 1

    def put(self, path: str, value: str, *, secret: bool = True, overwrite: bool = False) -> None:
        self._write()
        assert secret == path.endswith("key")
        if overwrite or path not in self.values:
            self.values[path] = value

    def delete(self, paths: Sequence[str]) -> None:
        for path in [path for path in paths if path in self.values]:
            self._write()
            del self.values[path]


def authority(store: Memory, names: Sequence[str] = NAMES, addresses: Sequence[str] = ADDRESSES) -> Authority:
    return Authority(store, "/a", names, addresses)


def settled(store: Memory, **declared: Any) -> Authority:
    found = authority(store, **declared)
    found.settle()
    assert found.problem() == ""
    return found


# --- What it may sign ------------------------------------------------------------------------------------------------


def test_the_constraints_are_critical_and_as_declared() -> None:
    certificate = x509.load_pem_x509_certificate(new_certificate(new_key(), NAMES, ADDRESSES).encode())
    found = certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert found.critical
    assert found.value.excluded_subtrees is None
    assert found.value.permitted_subtrees == [
        x509.DNSName("koin-db"),
        x509.DNSName("koin-prod"),
        x509.IPAddress(ipaddress.ip_network("172.31.0.0/16")),
    ]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (["koin-db", "172.31.0.20"], []),
        (["api.koin-db", "172.31.4.0/24"], []),
        (["google.com"], ["google.com"]),
        (["my-koin-db", "koin"], ["my-koin-db", "koin"]),
        (["172.32.0.1", "10.0.0.0/8", "2001:db8::1"], ["172.32.0.1", "10.0.0.0/8", "2001:db8::1"]),
        (["127.0.0.1.koin-db"], []),
    ],
)
def test_what_is_permitted(wanted: list[str], expected: list[str]) -> None:
    assert refused(wanted, [*NAMES, *ADDRESSES]) == expected
    assert refused(wanted, []) == []


def signed(folder: Path, key: str, certificate: str, names: Sequence[str], usage: x509.ObjectIdentifier) -> Path:
    """A certificate for a service, as the role tls asks for one; the authority lies beside it."""
    own, issuer = ec.generate_private_key(ec.SECP256R1()), x509.load_pem_x509_certificate(certificate.encode())
    private: Any = serialization.load_pem_private_key(key.encode(), None)
    now = datetime.now(UTC)
    known: list[x509.GeneralName] = []
    for name in names:
        try:
            known.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            known.append(x509.DNSName(name))
    leaf = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node-exporter")]))
        .issuer_name(issuer.subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName(known), critical=False)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .sign(private, hashes.SHA256())
    )
    (folder / "ca.pem").write_text(certificate)
    path = folder / "cert.pem"
    path.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    return path


def openssl_says(leaf: Path, purpose: str = "sslserver") -> str:
    """Nothing when OpenSSL accepts a certificate for the purpose."""
    command = ["openssl", "verify", "-purpose", purpose, "-CAfile", str(leaf.parent / "ca.pem"), str(leaf)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["koin-db", "172.31.32.20"], ""),
        (["172.31.32.20"], ""),
        (["google.com"], "permitted subtree violation"),
        (["koin-db", "google.com"], "permitted subtree violation"),
        (["koin-db", "8.8.8.8"], "permitted subtree violation"),
    ],
)
def test_openssl_accepts_the_platforms_names_only(tmp_path: Path, names: list[str], says: str) -> None:
    key = new_key()
    found = openssl_says(signed(tmp_path, key, new_certificate(key, NAMES, ADDRESSES), names, SERVER))
    assert says in found
    assert bool(says) == bool(found)


def test_a_server_is_no_client_and_a_client_no_server(tmp_path: Path) -> None:
    key = new_key()
    certificate = new_certificate(key, NAMES, ADDRESSES)
    server = signed(tmp_path, key, certificate, ["koin-db"], SERVER)
    assert openssl_says(server, "sslserver") == ""
    assert "unsuitable certificate purpose" in openssl_says(server, "sslclient")
    client = signed(tmp_path, key, certificate, ["koin-db"], CLIENT)
    assert openssl_says(client, "sslclient") == ""
    assert "unsuitable certificate purpose" in openssl_says(client, "sslserver")


# --- What hosts prove ------------------------------------------------------------------------------------------------

PROOF = (REPOSITORY / "roles/tls/files/proof.sh").read_text()


def proof(folder: Path, step: str, *certificates: str) -> list[str]:
    """What a host whose files lie in a folder still lacks."""
    lines = [certificate.strip().replace("\n", "~") for certificate in certificates]
    done = subprocess.run(
        ["sh", "-euc", PROOF.replace("/etc/", f"{folder}/"), step],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.removeprefix(f"{folder}/") for line in done.stdout.splitlines()]


def test_a_host_is_through_when_no_file_is_behind(tmp_path: Path) -> None:
    def put(path: str, content: str) -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)

    former, following, foreign = (new_certificate(new_key()) for _ in range(3))
    files = ("ssl/certs/ca-certificates.crt", "koin/tls/ca.pem", "koin/tls/a/ca.pem", "docker/certs.d/r:5000/ca.crt")
    for path in files:
        put(path, foreign * 2 + former)
    put("docker/certs.d/elsewhere/ca.crt", foreign)
    lacks = [f"{path} lacks the next authority" for path in files]
    assert sorted(proof(tmp_path, "spread", following, former, following)) == sorted(lacks)
    for path in files:
        put(path, foreign + former + following)
    assert proof(tmp_path, "spread", following, former, following) == []
    put("koin/tls/a/cert.pem", former)
    says = ["koin/tls/a/cert.pem is not by the new authority"]
    assert proof(tmp_path, "issue", following, following, former) == says
    put("koin/tls/a/cert.pem", following)
    assert proof(tmp_path, "issue", following, following, former) == []


def test_who_was_not_asked_is_behind() -> None:
    hostvars: dict[str, Any] = {"a": {"tls_behind": []}, "b": {}, "c": {"tls_behind": ["x is not"]}}
    behind = load_file("plugins/filter/authority.py").hosts_behind
    assert behind(["a", "b", "c"], hostvars) == ["b: was not asked", "c: x is not"]
    assert behind(["a"], hostvars) == []


def test_the_next_one_signs_only_what_the_present_one_may_not() -> None:
    signer = load_file("plugins/filter/authority.py").signing_authority
    following = {"certificate": "C2", "key": "K2"}

    def who(names: list[str], permits: list[str], following: dict[str, str]) -> tuple[str, list[str]]:
        found = signer(names, "K1", "C1", permits, following)
        assert found["key"] == found["certificate"].replace("C", "K")
        return found["certificate"], found["refused"]

    assert who(["DNS:koin-db", "IP:172.31.0.9"], [*NAMES, *ADDRESSES], following) == ("C1", [])
    assert who(["DNS:koin-batch", "IP:172.31.0.9"], [*NAMES, *ADDRESSES], following) == ("C2", [])
    assert who(["DNS:koin-batch"], [], following) == ("C1", [])
    assert who(["DNS:koin-batch"], NAMES, {}) == ("C1", ["koin-batch"])


# --- How another takes its place -------------------------------------------------------------------------------------


def test_a_fresh_one_needs_no_replacement() -> None:
    found = settled(Memory())
    assert sorted(found.store.values) == ["/a/certificate", "/a/key"]
    assert (found.step, found.reasons()) == ("", [])
    result = found.result()
    assert result["trusted"] == [result["certificate"]]
    assert (result["next"], sorted(result["permits"])) == ({}, sorted([*NAMES, *ADDRESSES]))


def test_an_authority_of_yesterday_is_to_be_replaced() -> None:
    yesterday = settled(Memory(), names=[], addresses=[])
    assert (yesterday.reasons(), permits(yesterday.result()["certificate"])) == ([], [])
    assert authority(Memory(yesterday.store.values)).reasons() == ["may sign for any name"]


def test_a_new_host_is_a_reason_and_one_that_is_gone_is_none() -> None:
    store = Memory(settled(Memory()).store.values)
    more = authority(store, names=[*NAMES, "koin-batch"])
    assert more.reasons() == ["does not permit koin-batch"]
    assert authority(store, names=["koin-db"]).reasons() == []


def test_one_that_ends_within_a_year_is_to_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DAYS", 300)
    assert settled(Memory()).reasons() in (["expires in 299 days"], ["expires in 300 days"])


def test_hosts_trust_two_until_the_last_step() -> None:
    found = settled(Memory())
    first = found.result()["certificate"]
    found.begin()
    spread = found.result()
    second = spread["next"]["certificate"]
    assert (spread["step"], spread["certificate"], spread["trusted"]) == ("spread", first, [first, second])
    assert "signs from now on" in found.advance("spread", second)
    issue = found.result()
    assert (issue["step"], issue["certificate"], issue["trusted"]) == ("issue", second, [second, first])
    assert (issue["key"], issue["next"]) == (spread["next"]["key"], {})
    assert "removes the former one" in found.advance("issue", second)
    rest = found.result()
    assert (rest["step"], rest["certificate"], rest["trusted"]) == ("", second, [second])
    assert sorted(found.store.values) == ["/a/certificate", "/a/key"]


def test_what_was_proven_of_another_certificate_leads_to_nothing() -> None:
    found = settled(Memory())
    found.begin()
    following = found.result()["next"]["certificate"]
    assert found.advance("spread", found.result()["certificate"]) == ""
    assert found.advance("issue", following) == ""
    assert found.advance("spread", following) != ""
    # Another run has proven the same, and comes second.
    assert found.advance("spread", following) == ""
    assert found.advance("issue", found.result()["trusted"][1]) == ""
    assert found.step == "issue"


def trust_of(values: dict[str, str]) -> tuple[str, list[str]]:
    """Who signs, and whom hosts trust, after whatever was left was settled."""
    result = settled(Memory(values)).result()
    return result["certificate"], result["trusted"]


def test_killed_between_any_two_writes_it_goes_on() -> None:
    fresh = settled(Memory()).store.values
    first = fresh["/a/certificate"]
    begun = settled(Memory(fresh))
    begun.begin()
    second = begun.result()["next"]["certificate"]
    for writes in range(20):
        store = Memory(begun.store.values)
        store.writes_left = writes
        try:
            authority(store).advance("spread", second)
        except KilledError:
            signer, trusted = trust_of(store.values)
            # Whoever signs is trusted, and so is whoever has signed until now.
            assert signer in (first, second)
            assert {first, second} == set(trusted)
            # The next run comes to the same end.
            again = settled(Memory(store.values))
            again.advance("spread", second)
            assert (again.step, again.result()["certificate"]) == ("issue", second)
            continue
        break
    assert writes == 5
    for path in ("/a/next/key", "/a/next/certificate"):
        # A key without its certificate is completed.
        left = {key: value for key, value in begun.store.values.items() if key != path}
        signer, trusted = trust_of(left)
        assert signer == first
        assert len(trusted) == (1 if path.endswith("key") else 2)


def test_a_killed_beginning_is_completed() -> None:
    fresh = settled(Memory()).store.values
    store = Memory(fresh)
    store.writes_left = 1
    with pytest.raises(KilledError):
        authority(store).begin()
    found = settled(Memory(store.values))
    assert (found.step, len(found.result()["trusted"])) == ("spread", 2)


def test_a_key_of_another_is_told_before_anything_is_signed() -> None:
    store = Memory({"/a/key": new_key(), "/a/certificate": new_certificate(new_key())})
    found = authority(store)
    found.settle()
    assert found.problem().startswith("/a/key is not the key of /a/certificate")
