#!/usr/bin/env python3
"""What TLS ports agree to, compared with Mozilla's configuration "intermediate" (5.7).

Usage: tls.py ADDRESS PORT[,NAME][,mysql] …      prints JSON: what each port accepts, and what of that is too much

It says hello and reads the first answer, so it needs neither a certificate of its own nor a library that can still do
what is to be refused; it also speaks MySQL's way to begin TLS. Standard library only: it runs on the hosts.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

VERSIONS = {0x0300: "SSLv3", 0x0301: "TLSv1", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}
SUITES = {
    0x1301: "TLS_AES_128_GCM_SHA256",
    0x1302: "TLS_AES_256_GCM_SHA384",
    0x1303: "TLS_CHACHA20_POLY1305_SHA256",
    0xC02B: "ECDHE-ECDSA-AES128-GCM-SHA256",
    0xC02F: "ECDHE-RSA-AES128-GCM-SHA256",
    0xC02C: "ECDHE-ECDSA-AES256-GCM-SHA384",
    0xC030: "ECDHE-RSA-AES256-GCM-SHA384",
    0xCCA9: "ECDHE-ECDSA-CHACHA20-POLY1305",
    0xCCA8: "ECDHE-RSA-CHACHA20-POLY1305",
    0x009E: "DHE-RSA-AES128-GCM-SHA256",
    0x009F: "DHE-RSA-AES256-GCM-SHA384",
    0xCCAA: "DHE-RSA-CHACHA20-POLY1305",
}
#: every number that has ever been a suite up to TLS 1.2, but for those that are signals
OLD_SUITES = (*range(0x0001, 0x00C6), *range(0xC001, 0xC0B0), *range(0xCCA8, 0xCCAF))
NEW_SUITES = (*range(0x1301, 0x1306),)
GROUPS = {
    29: "X25519",
    23: "P-256",
    24: "P-384",
    25: "P-521",
    30: "X448",
    26: "brainpoolP256r1",
    27: "brainpoolP384r1",
    28: "brainpoolP512r1",
    256: "ffdhe2048",
    257: "ffdhe3072",
    258: "ffdhe4096",
    259: "ffdhe6144",
    260: "ffdhe8192",
    4587: "SecP256r1MLKEM768",
    4588: "X25519MLKEM768",
    4589: "SecP384r1MLKEM1024",
}
#: Mozilla's three, and the hybrids that came after 5.7
GOOD_GROUPS = {"X25519", "P-256", "P-384", "X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024"}
_SIGNATURES = (0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0807, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201)
_SECONDS = 10


@dataclass(frozen=True)
class Answer:
    """What a server has chosen; group is 0 where it does not tell."""

    version: int
    suite: int
    group: int


def _vector(content: bytes, size: int) -> bytes:
    return len(content).to_bytes(size) + content


def _numbers(numbers: Iterable[int]) -> bytes:
    return b"".join(number.to_bytes(2) for number in numbers)


def hello(version: int, suites: Iterable[int], groups: Iterable[int], name: str) -> bytes:
    """A ClientHello that offers exactly this."""
    extensions = [
        (10, _vector(_numbers(groups), 2)),
        (11, _vector(b"\0", 1)),
        (13, _vector(_numbers(_SIGNATURES), 2)),
        (23, b""),
    ]
    if name:
        extensions.append((0, _vector(b"\0" + _vector(name.encode(), 2), 2)))
    if version == 0x0304:
        # No share of a key: the server answers with the group that it wants.
        extensions += [(43, _vector(_numbers([version]), 1)), (51, _vector(b"", 2))]
    listed = b"".join(number.to_bytes(2) + _vector(content, 2) for number, content in extensions)
    body = min(version, 0x0303).to_bytes(2) + os.urandom(32) + _vector(os.urandom(32), 1)
    body += _vector(_numbers(suites), 2) + _vector(b"\0", 1)
    body += _vector(listed, 2) if version > 0x0300 else b""
    return b"\x16" + min(version, 0x0301).to_bytes(2) + _vector(b"\x01" + _vector(body, 3), 2)


def chosen(message: bytes) -> Answer:
    """What a ServerHello says."""
    version, at = int.from_bytes(message[4:6]), 38
    at += 1 + message[at]
    suite, at = int.from_bytes(message[at : at + 2]), at + 5
    group = 0
    while at + 4 <= len(message):
        kind, size = int.from_bytes(message[at : at + 2]), int.from_bytes(message[at + 2 : at + 4])
        content = message[at + 4 : at + 4 + size]
        if kind == 43:
            version = int.from_bytes(content)
        elif kind == 51:
            group = int.from_bytes(content[:2])
        at += 4 + size
    return Answer(version, suite, group)


def _exactly(link: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        more = link.recv(size - len(content))
        if not more:
            raise ConnectionResetError("closed")
        content += more
    return content


def _begin_mysql(link: socket.socket) -> None:
    _exactly(link, int.from_bytes(_exactly(link, 4)[:3], "little"))
    capabilities = 0x00000200 | 0x00000800 | 0x00008000 | 0x00080000
    request = capabilities.to_bytes(4, "little") + (1 << 24).to_bytes(4, "little") + bytes([45]) + bytes(23)
    link.sendall(len(request).to_bytes(3, "little") + b"\x01" + request)


@dataclass(frozen=True)
class Port:
    """A port, the name to ask for, and how TLS begins there."""

    address: str
    port: int
    name: str = ""
    mysql: bool = False

    def ask(self, version: int, suites: Iterable[int], groups: Iterable[int] = GROUPS) -> Answer | None:
        """What the server chooses of an offer; None when it refuses."""
        with socket.create_connection((self.address, self.port), _SECONDS) as link:
            try:
                if self.mysql:
                    _begin_mysql(link)
                link.sendall(hello(version, suites, groups, self.name))
                message = b""
                while len(message) < 4 or len(message) < 4 + int.from_bytes(message[1:4]):
                    kind, _, size = (head := _exactly(link, 5))[0], head[1:3], int.from_bytes(head[3:5])
                    content = _exactly(link, size)
                    if kind != 0x16:
                        return None
                    message += content
            except (ConnectionError, TimeoutError):
                return None
        answer = chosen(message[: 4 + int.from_bytes(message[1:4])]) if message[0] == 2 else None
        return answer if answer and answer.version == version else None

    def suites(self, version: int) -> Iterator[int]:
        """Every suite that it accepts, the one that it likes best first."""
        left = list(NEW_SUITES if version == 0x0304 else OLD_SUITES)
        while (answer := self.ask(version, left)) and answer.suite in left:
            yield answer.suite
            left.remove(answer.suite)

    def groups(self) -> Iterator[int]:
        """Every group that it accepts for TLS 1.3."""
        left = list(GROUPS)
        while left and (answer := self.ask(0x0304, NEW_SUITES, left)) and answer.group in left:
            yield answer.group
            left.remove(answer.group)

    def accepts(self) -> dict[str, list[str]]:
        """Suites by version, and groups."""
        found = {
            VERSIONS[version]: [SUITES.get(suite, f"0x{suite:04X}") for suite in self.suites(version)]
            for version in VERSIONS
        }
        return {name: suites for name, suites in found.items() if suites} | {
            "groups": [GROUPS[group] for group in self.groups()]
        }


def too_much(accepted: dict[str, list[str]]) -> list[str]:
    """What Mozilla's configuration does not have; or that there is no TLS at all."""
    versions = [name for name in accepted if name != "groups"]
    if not versions:
        return ["no TLS"]
    lines = [f"version {name}" for name in versions if name not in ("TLSv1.2", "TLSv1.3")]
    for name in versions:
        if name in ("TLSv1.2", "TLSv1.3"):
            lines += [f"suite {suite} ({name})" for suite in accepted[name] if suite not in SUITES.values()]
    return lines + [f"group {group}" for group in accepted["groups"] if group not in GOOD_GROUPS]


def main(argv: Sequence[str]) -> int:
    """Ask every port."""
    address, *ports = argv
    found = {}
    for text in ports:
        number, *words = text.split(",")
        name = next((word for word in words if word not in ("mysql", "")), "")
        try:
            accepted = Port(address, int(number), name, "mysql" in words).accepts()
            found[number] = {"accepts": accepted, "too_much": too_much(accepted)}
        except OSError as error:
            found[number] = {"accepts": {}, "too_much": [f"no answer: {error}"]}
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
