"""What to look for: a secret as it is, and in the ways in which it is usually written down. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

_BLOCK = re.compile(
    r"-----BEGIN ([A-Z ]*)PRIVATE KEY-----(?:\s*[A-Za-z-]+: [^\n]*\n)*"
    r"[\s\\]+[A-Za-z0-9+/=\s\\]+?-----END \1PRIVATE KEY-----"
)
#: a line of a PEM's head, as Swarm writes it
_HEAD = re.compile(r"^[A-Za-z-]+: .*\n|^\n", re.MULTILINE)
#: shorter ones are found by chance
_SHORTEST = 16
#: bytes of a key's secret half in a line of PEM that tell it from any other key
_TELLING = 8


def base64_forms(secret: bytes) -> Iterator[str]:
    """What is common to every base64 of a text that contains it: one form for each of the three places to begin."""
    for before in range(3):
        text = base64.b64encode(bytes(before) + secret).decode().rstrip("=")
        # Characters that also depend on what stands before or behind it.
        begin = -(-before * 8 // 6)
        end = len(text) - (1 if (before + len(secret)) % 3 else 0)
        yield text[begin:end]


def forms(secret: bytes) -> set[str]:
    """A secret as itself (where it is text), in base64, and in hexadecimal digits."""
    found = {*base64_forms(secret), secret.hex()}
    if secret.isascii() and secret.decode().isprintable():
        found.add(secret.decode())
    return {form for form in found if len(form) >= _SHORTEST}


def blocks(text: str) -> list[str]:
    """The private keys (PEM) in a text."""
    return [_HEAD.sub("", match[0].replace("\\n", "\n")) for match in _BLOCK.finditer(text)]


def load(pem: str) -> Any:
    """A private key; None for what only looks like one, or asks for a password."""
    kind = serialization.load_ssh_private_key if "OPENSSH" in pem else serialization.load_pem_private_key
    try:
        return kind(pem.encode(), None)
    except (ValueError, TypeError):
        return None


def secret_halves(key: Any) -> list[bytes]:
    """The numbers of a private key that nobody else may know."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return [key.private_numbers().private_value.to_bytes(-(-key.curve.key_size // 8))]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return [key.private_bytes_raw()]
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        return [number.to_bytes(-(-number.bit_length() // 8)) for number in (numbers.d, numbers.p, numbers.q)]
    raise TypeError(f"a {type(key).__name__} is not known here: say what of it is secret")


def public_half(key: Any) -> str:
    """What tells a key from others and may be shown."""
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.DER, kind).hex()


def telling_lines(pem: str, halves: Iterable[bytes]) -> set[str]:
    """The lines of a PEM that hold part of the secret half.

    The others are the same in every key of the kind, or hold the public half, as certificates and known_hosts do.
    """
    lines = [line for line in pem.splitlines() if line and not line.startswith("-----")]
    whole = base64.b64decode("".join(lines))
    found: set[str] = set()
    for half in halves:
        at = whole.find(half)
        while at >= 0:
            begin = 0
            for line in lines:
                # A line of 70 characters, as OpenSSH writes them, does not end at a byte: count bits.
                first, last = begin * 6 / 8, (begin + len(line)) * 6 / 8
                if min(last, at + len(half)) - max(first, at) >= _TELLING:
                    found.add(line)
                begin += len(line)
            at = whole.find(half, at + 1)
    return {line for line in found if len(line) >= _SHORTEST}


def key_forms(pem: str) -> set[str]:
    """What tells that a private key is there, however its text is wrapped; empty for what is no key."""
    key = load(pem)
    if key is None:
        return set()
    halves = secret_halves(key)
    found = telling_lines(pem, halves)
    for half in halves:
        found |= forms(half)
    return found


def value_forms(value: str) -> set[str]:
    """What to look for of a value in Parameter Store: a password, or a text with private keys."""
    if keys := blocks(value):
        return set().union(*(key_forms(key) for key in keys))
    return set().union(*(forms(line.encode()) for line in value.splitlines() if len(line) >= _SHORTEST))
