"""The forwarder passes bytes on for addresses it knows."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from ipaddress import IPv4Network

import pytest

from rehearsal import COMMAND, REPOSITORY
from rehearsal.aws.control import OWNER_VARIABLE
from rehearsal.hosts import forwarder


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer when the client has said all: so the end of its half arrives, too."""
    writer.write((await reader.read()).upper())
    writer.close()


async def _ask(vpc: str, *, listening: bool) -> bytes:
    """What a client on loopback gets through the forwarder."""
    far = await asyncio.start_server(_echo, "127.0.0.1", 0)
    port = far.sockets[0].getsockname()[1]
    if not listening:
        far.close()
        await far.wait_closed()
    near = await asyncio.start_server(forwarder.handler(port, IPv4Network(vpc)), "127.0.0.1", 0)
    async with near:
        reader, writer = await asyncio.open_connection(*near.sockets[0].getsockname())
        writer.write(b"a" * 300_000)
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
    far.close()
    return answer


def test_bytes_go_there_and_back() -> None:
    assert asyncio.run(_ask("127.0.0.0/8", listening=True)) == b"A" * 300_000


def test_whoever_is_not_of_the_vpc_gets_nothing() -> None:
    with pytest.raises((ConnectionError, AssertionError)):
        assert asyncio.run(_ask("172.31.0.0/16", listening=True)) != b""


def test_while_the_local_aws_is_away_the_connection_ends() -> None:
    with pytest.raises((ConnectionError, AssertionError)):
        assert asyncio.run(_ask("127.0.0.0/8", listening=False)) != b""


def test_it_ends_with_its_owner() -> None:
    owner = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    child = subprocess.Popen(
        [*COMMAND, "hosts", "forward", "127.0.0.1", "0", "127.0.0.0/8"],
        cwd=REPOSITORY,
        env={**os.environ, OWNER_VARIABLE: str(owner.pid)},
        stdout=subprocess.PIPE,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"listening\n"
        owner.kill()
        owner.wait()
        assert child.wait(20) == 0
    finally:
        child.kill()
        child.communicate()
        owner.communicate()
