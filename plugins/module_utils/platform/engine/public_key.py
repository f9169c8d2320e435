"""Is a line an OpenSSH public key that sshd still accepts? Pure; a private key is never part of an answer."""

from __future__ import annotations

import base64
import binascii
import re
import struct

#: OpenSSH's name of a type of key
_KEY_TYPE = re.compile(r"(sk-)?(ssh-(ed25519|rsa|dss)|ecdsa-sha2-nistp(256|384|521))(@openssh\.com)?")


def wrong_key(line: str) -> tuple[str, str] | None:
    """What is wrong with an OpenSSH public key, and what to write; None when nothing is."""
    fix = "write the line of the .pub file: ssh-ed25519 AAAA… name"
    if "PRIVATE KEY" in line:
        return "is a PRIVATE key", "remove it at once, create a new pair (ssh-keygen -t ed25519), " + fix
    words = line.split()
    start = next((number for number, word in enumerate(words) if _KEY_TYPE.fullmatch(word)), None)
    if "\n" in line.strip():
        return "has more than one line", "write each key as an item of its own"
    if start is None or len(words) < start + 2:
        return "is not an OpenSSH public key", fix
    kind = words[start]
    try:
        blob = base64.b64decode(words[start + 1], validate=True)
        parts = _parts(blob)
    except (binascii.Error, struct.error, ValueError):
        return f"is not a whole {kind} key; part of it is missing or damaged", fix
    if not parts or parts[0].decode(errors="replace") != kind:
        return f"says {kind}, but holds another type of key or none", fix
    if kind == "ssh-dss":
        return "is a DSA key, which OpenSSH refuses", "make a new one: ssh-keygen -t ed25519"
    if kind == "ssh-ed25519" and [len(part) for part in parts[1:]] != [32]:
        return f"is not a whole {kind} key; part of it is missing or damaged", fix
    if len(parts) != 3 and kind.startswith(("ssh-rsa", "ecdsa-")):
        return f"is not a whole {kind} key; part of it is missing or damaged", fix
    if kind == "ssh-rsa":
        bits = int.from_bytes(parts[2]).bit_length()
        if bits < 2048:
            return f"is an RSA key of {bits} bits, fewer than 2048", "make a new one: ssh-keygen -t ed25519"
    return None


def _parts(blob: bytes) -> list[bytes]:
    """The strings of an SSH key, each with its length in front. Raises ValueError when one is cut off."""
    parts, at = [], 0
    while at < len(blob):
        (length,) = struct.unpack_from(">I", blob, at)
        at += 4 + length
        if at > len(blob):
            raise ValueError("cut off")
        parts.append(blob[at - length : at])
    return parts


def wrong_ec2_key(line: str) -> tuple[str, str] | None:
    """The same for a key that EC2 imports: it accepts Ed25519 and RSA, and nothing in front of the type."""
    if wrong := wrong_key(line):
        return wrong
    kind = line.split()[0]
    if kind in ("ssh-ed25519", "ssh-rsa"):
        return None
    what = f"begins with `{kind[:40]}`: EC2 imports keys of type ssh-ed25519 and ssh-rsa"
    return what, "create such a pair (ssh-keygen -t ed25519), and write the line of its .pub file"
