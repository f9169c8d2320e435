"""Run inside a network namespace: answers on ports, and tries which ports of others answer.

Usage: packet_agent.py ADDRESS TCP,PORTS UDP,PORTS. Reads one JSON list of probes a line, [address, protocol, port],
with the seconds to wait in front, and writes the list of those that were answered. Standard library alone, no imports
of this repository: it runs as the machine's Python.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import struct
import sys
import threading
import time

ESP = 50
Probe = tuple[str, str, int]


def serve(address: str, tcp: list[int], udp: list[int]) -> None:
    """Answer for ever: one byte to a connection, what came to a datagram, and to a packet of ESP."""
    ready = selectors.DefaultSelector()
    for kind, ports in ((socket.SOCK_STREAM, tcp), (socket.SOCK_DGRAM, udp)):
        for port in ports:
            listener = socket.socket(socket.AF_INET, kind)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            listener.setblocking(False)
            if kind == socket.SOCK_STREAM:
                listener.listen(64)
            ready.register(listener, selectors.EVENT_READ, kind)
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, ESP)
    ready.register(raw, selectors.EVENT_READ, ESP)
    print("ready", flush=True)
    while True:
        for key, _ in ready.select():
            assert isinstance(key.fileobj, socket.socket)
            one = key.fileobj
            try:
                if key.data == socket.SOCK_STREAM:
                    connection, _ = one.accept()
                    connection.close()
                elif key.data == socket.SOCK_DGRAM:
                    data, peer = one.recvfrom(100)
                    one.sendto(data, peer)
                else:
                    packet, peer = one.recvfrom(200)
                    if packet[20:21] == b"Q":
                        one.sendto(b"A" + packet[21:], (peer[0], 0))
            except OSError:
                continue


def checksum(data: bytes) -> int:
    """Of an ICMP packet (RFC 1071)."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Tries:
    """A list of probes, all at a time."""

    def __init__(self, address: str, probes: list[Probe]) -> None:
        self._address = address
        self._ready = selectors.DefaultSelector()
        self.answered: list[Probe] = []
        self._left = 0
        raws = {"esp": ESP, "icmp": socket.IPPROTO_ICMP}
        for probe in probes:
            address, protocol, port = probe
            try:
                if protocol in raws:
                    self._raw(probe, raws[protocol])
                else:
                    self._ports(address, protocol, port, probe)
                self._left += 1
            except OSError:
                continue

    def _ports(self, address: str, protocol: str, port: int, probe: Probe) -> None:
        stream = protocol == "tcp"
        one = socket.socket(socket.AF_INET, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)
        one.setblocking(False)
        one.bind((self._address, 0))
        if one.connect_ex((address, port)) not in (0, 115):
            one.close()
            return
        if not stream:
            one.send(b"Q")
        self._ready.register(one, selectors.EVENT_WRITE if stream else selectors.EVENT_READ, probe)

    def _raw(self, probe: Probe, number: int) -> None:
        one = socket.socket(socket.AF_INET, socket.SOCK_RAW, number)
        one.setblocking(False)
        one.bind((self._address, 0))
        token = os.urandom(8)
        if number == ESP:
            one.sendto(b"Q" + token, (probe[0], 0))
        else:
            head = struct.pack("!BBHHH", 8, 0, 0, 1, 1)
            head = struct.pack("!BBHHH", 8, 0, checksum(head + token), 1, 1)
            one.sendto(head + token, (probe[0], 0))
        self._ready.register(one, selectors.EVENT_READ, (probe, token))

    def run(self, seconds: float) -> list[Probe]:
        """Those that were answered within this time."""
        end = time.monotonic() + seconds
        while self._left > 0 and (left := end - time.monotonic()) > 0:
            for key, _ in self._ready.select(left):
                self._one(key)
        for key in list(self._ready.get_map().values()):
            self._ready.unregister(key.fileobj)
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        return self.answered

    def _one(self, key: selectors.SelectorKey) -> None:
        one = key.fileobj
        assert isinstance(one, socket.socket)
        probe = key.data
        try:
            if probe[1] == "tcp":
                good = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
            elif probe[1] == "udp":
                good = one.recv(100) == b"Q"
            else:
                probe, token = key.data
                packet = one.recv(200)
                # Of ICMP the answer, type 0; of ESP what the other end has sent back.
                if token not in packet or packet[20:21] not in (b"A", b"\0"):
                    return
                good = True
        except OSError:
            good = False
        self._ready.unregister(one)
        one.close()
        self._left -= 1
        if good:
            self.answered.append(probe)


def main() -> None:
    """Serve, and try what is asked for."""
    address, tcp, udp = sys.argv[1:]
    ports = [[int(port) for port in text.split(",") if port] for text in (tcp, udp)]
    threading.Thread(target=serve, args=(address, *ports), daemon=True).start()
    for line in sys.stdin:
        seconds, *probes = json.loads(line)
        found = Tries(address, [(str(one), str(two), int(three)) for one, two, three in probes]).run(seconds)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
