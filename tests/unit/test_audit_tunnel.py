"""Ports of a host, asked through its SSH: ssh is a program here that forwards as told, or does not."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.audit import tunnel

#: forwards like ssh, and writes what it was called with into the file that its last word names
SSH = """\
import asyncio, sys
async def main():
    open(sys.argv[-1], "w").write(" ".join(sys.argv[1:]))
    for word in sys.argv:
        if word.startswith("-L"):
            here, port, there, to = word[2:].split(":")
            async def pump(reader, writer):
                while data := await reader.read(999):
                    writer.write(data)
                writer.close()
            async def relay(reader, writer, there=there, to=to):
                up, down = await asyncio.open_connection(there, int(to))
                await asyncio.gather(pump(reader, down), pump(up, writer))
            await asyncio.start_server(relay, here, int(port))
    await asyncio.sleep(60)
asyncio.run(main())
"""
ASK = "import socket; print('asked', 'host:{%d}', socket.create_connection(('127.0.0.1', {%d})).recv(9).decode())"


@contextlib.contextmanager
def says(word: str) -> Iterator[int]:
    """A server on loopback that says a word; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    link, _ = listening.accept()
                    with link:
                        link.sendall(word.encode())

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]


@pytest.fixture
def ssh(tmp_path: Path) -> list[str]:
    """A command that forwards; its log is `called`."""
    program = tmp_path / "ssh"
    program.write_text(f"#!{sys.executable}\n{SSH}")
    program.chmod(0o700)
    return [str(program), "-p", "22", "admin@host", str(tmp_path / "called")]


def test_each_port_is_reached_and_called_by_its_own_number(
    ssh: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with says("one") as first, says("two") as second:
        for port, word in ((first, "one"), (second, "two")):
            ask = [sys.executable, "-c", ASK % (port, port)]
            assert tunnel.main(["127.0.0.1", f"{first},{second}", *ssh, "--", *ask]) == 0
            assert capfd.readouterr().out == f"asked host:{port} {word}\n"
    called = (tmp_path / "called").read_text().split()
    assert called[0] == "-N"
    assert called[-4:-1] == ["-p", "22", "admin@host"]
    assert "-oControlPath=none" in called


def test_the_commands_own_exit_code_and_braces_are_kept(ssh: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    with says("x") as port:
        command = [sys.executable, "-c", "import sys; print(sys.argv[1]); sys.exit(3)", f"name:{{{port}}}{{127.0.0.1}}"]
        assert tunnel.main(["127.0.0.1", str(port), *ssh, "--", *command]) == 3
    assert capfd.readouterr().out == f"name:{port}{{127.0.0.1}}\n"


def test_no_way_is_said_and_nothing_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "ssh"
    program.write_text("#!/bin/sh\necho 'admin@host: Permission denied (publickey).' >&2\nexit 255\n")
    program.chmod(0o700)
    ran = tmp_path / "ran"
    assert tunnel.main(["192.0.2.1", "443", str(program), "admin@host", "--", "touch", str(ran)]) == 255
    assert capfd.readouterr().err == "192.0.2.1: admin@host: Permission denied (publickey).\n"
    assert not ran.exists()
