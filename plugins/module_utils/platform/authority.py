"""The platform's certificate authority: its certificate, and how one takes the place of another.

A replacement has three steps, and each run of ``configure.yml`` over all hosts takes one of them:

spread  Beside the authority there is the next one. Hosts trust both; the authority still signs.
issue   The next one has become the authority and signs. Hosts trust the former one as well, for certificates that it
        signed may still be in use.
(rest)  Nobody needs the former one, and hosts stop trusting it.

The parameters themselves tell the step. They cannot be written all at once, so the order of the writes lets a later run
tell how far a killed one came.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

#: how long an authority is valid, and how long before its end another takes its place
DAYS, RENEW_DAYS = 3650, 365


class Store(Protocol):
    """Where the parameters are."""

    values: dict[str, str]

    def put(self, path: str, value: str, *, secret: bool = True, overwrite: bool = False) -> None:
        """Store a value; without overwriting, what somebody else stored a moment ago wins."""

    def delete(self, paths: Sequence[str]) -> None:
        """Remove those that exist."""


def new_key() -> str:
    """A P-256 key, PEM."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


def new_certificate(key: str, names: Iterable[str] = (), addresses: Iterable[str] = ()) -> str:
    """A root certificate for the key, PEM. Its name tells one authority from the next.

    names, addresses: the DNS names (and what is below them) and ranges that its certificates may be for. Without any,
    they may be for anything.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import NameOID

    private: Any = serialization.load_pem_private_key(key.encode(), None)
    public = private.public_key()
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    common = f"KOIN platform {identifier.digest.hex()[:8]}"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(identifier, critical=False)
    )
    permitted: list[x509.GeneralName] = [x509.DNSName(item) for item in sorted(set(names))]
    permitted += [x509.IPAddress(ipaddress.ip_network(item)) for item in sorted(set(addresses))]
    if permitted:
        builder = builder.add_extension(x509.NameConstraints(permitted, None), critical=True)
    return builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def permits(certificate: str) -> list[str]:
    """The names and ranges that a certificate permits; none when it permits anything."""
    from cryptography import x509

    extensions = x509.load_pem_x509_certificate(certificate.encode()).extensions
    try:
        found = extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return []
    return [str(item.value) for item in found.permitted_subtrees or ()]


def _range(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def _covers(permitted: str, wanted: str) -> bool:
    inner, outer = _range(wanted), _range(permitted)
    if inner is None or outer is None:
        return inner is outer and (wanted == permitted or wanted.endswith(f".{permitted}"))
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def refused(wanted: Iterable[str], permitted: Sequence[str]) -> list[str]:
    """Of names, addresses and ranges those that are not permitted."""
    return [item for item in wanted if permitted and not any(_covers(one, item) for one in permitted)]


def _matching(key: str, certificate: str) -> bool:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    private: Any = serialization.load_pem_private_key(key.encode(), None)
    return bool(private.public_key() == x509.load_pem_x509_certificate(certificate.encode()).public_key())


def _days_left(certificate: str) -> int:
    from cryptography import x509

    return (x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc - datetime.now(UTC)).days


class Authority:
    """The authority below a path, and its replacement."""

    def __init__(self, store: Store, path: str, names: Iterable[str] = (), addresses: Iterable[str] = ()) -> None:
        self.store = store
        self.names, self.addresses = list(names), list(addresses)
        self.key, self.certificate = f"{path}/key", f"{path}/certificate"
        self.next_key, self.next_certificate = f"{path}/next/key", f"{path}/next/certificate"
        self.former = f"{path}/former/certificate"

    @property
    def required(self) -> list[str]:
        """The parameters that it always has, in the order in which they are made."""
        return [self.key, self.certificate]

    @property
    def paths(self) -> list[str]:
        """All parameters that it may have."""
        return [*self.required, self.next_key, self.next_certificate, self.former]

    @property
    def step(self) -> str:
        """Which step of a replacement comes next; empty when there is none."""
        values = self.store.values
        if self.next_key in values:
            return "spread"
        return "issue" if self.former in values else ""

    def settle(self) -> None:
        """Make what is missing, and finish the writes of a run that was killed between two of them."""
        values = self.store.values
        if self.key not in values:
            self.store.put(self.key, new_key())
        if values.get(self.next_key) == values[self.key]:
            # The next one signs already: certificate and removal follow the key.
            if self.next_certificate in values and values.get(self.certificate) != values[self.next_certificate]:
                self.store.put(self.certificate, values[self.next_certificate], secret=False, overwrite=True)
            self.store.delete([self.next_key, self.next_certificate])
        elif self.next_key in values and self.next_certificate not in values:
            self._certify(self.next_key, self.next_certificate)
        elif self.next_key not in values and self.next_certificate in values:
            self.store.delete([self.next_certificate])
        if self.certificate not in values:
            self._certify(self.key, self.certificate)
        if self.next_key not in values and values.get(self.former) == values[self.certificate]:
            self.store.delete([self.former])

    def _certify(self, key: str, certificate: str) -> None:
        self.store.put(certificate, new_certificate(self.store.values[key], self.names, self.addresses), secret=False)

    def problem(self) -> str:
        """Why it cannot sign; empty when it can."""
        values = self.store.values
        if _matching(values[self.key], values[self.certificate]):
            return ""
        return f"{self.key} is not the key of {self.certificate}; put one of the two back from its history"

    def reasons(self) -> list[str]:
        """Why another has to take its place."""
        certificate, wanted = self.store.values[self.certificate], [*self.names, *self.addresses]
        permitted = permits(certificate)
        found = []
        if wanted and not permitted:
            found.append("may sign for any name")
        if missing := refused(wanted, permitted):
            found.append(f"does not permit {', '.join(missing)}")
        if (left := _days_left(certificate)) < RENEW_DAYS:
            found.append(f"expires in {left} days")
        return found

    def begin(self) -> None:
        """Make the next one."""
        self.store.put(self.next_key, new_key())
        self._certify(self.next_key, self.next_certificate)

    def advance(self, step: str, certificate: str) -> str:
        """Take the next step: hosts have proven to be through with this one, about this certificate.

        Returns what was done; empty when somebody else was faster.
        """
        values = self.store.values
        if step != self.step or not step:
            return ""
        if step == "spread" and values[self.next_certificate].strip() == certificate.strip():
            self.store.put(self.former, values[self.certificate], secret=False, overwrite=True)
            self.store.put(self.key, values[self.next_key], overwrite=True)
            self.store.put(self.certificate, values[self.next_certificate], secret=False, overwrite=True)
            self.store.delete([self.next_key, self.next_certificate])
            return "every host trusts the next authority, which signs from now on; run configure.yml again"
        if step == "issue" and values[self.certificate].strip() == certificate.strip():
            self.store.delete([self.former])
            return "every certificate is signed by the new authority; the next run removes the former one from hosts"
        return ""

    def result(self) -> dict[str, Any]:
        """What hosts and the role tls have to know."""
        values = self.store.values
        certificate = values[self.certificate]
        following = {}
        if self.step == "spread":
            following = {"certificate": values[self.next_certificate], "key": values[self.next_key]}
        others = [following.get("certificate", ""), values.get(self.former, "")]
        return {
            "certificate": certificate,
            "key": values[self.key],
            "next": following,
            "permits": permits(certificate),
            "trusted": list(dict.fromkeys([certificate, *(item for item in others if item)])),
            "step": self.step,
        }
