"""What runs beside the hosts: a small TCP forwarder to the local AWS, which listens on loopback only, and the guard.

It listens on the controller's address, accepts connections from the VPC only, and passes bytes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from ipaddress import IPv4Network, ip_address
from typing import Any

from rehearsal import COMMAND, REPOSITORY
from rehearsal.aws.control import end_with_owner, start_time
from rehearsal.aws.state import HOST, State

from . import guard
from .command import wait
from .errors import LocalHostsError
from .state import HostsState, write

_START_SECONDS = 10.0
_CHUNK = 1 << 16


def ensure(state: HostsState, address: str, vpc: IPv4Network) -> str:
    """Start it: from this address, to the current local AWS."""
    wanted = {"address": address, "port": state.aws.port, "vpc": str(vpc)}
    record = _record(state)
    if record and _alive(record) and {key: record.get(key) for key in wanted} == wanted:
        return f"http://{address}:{state.aws.port}"
    stop(state)
    with state.forwarder_log.open("wb") as log:
        child = subprocess.Popen(
            [*COMMAND, "hosts", "forward", address, str(state.aws.port), str(vpc)],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    assert child.stdout is not None
    write(state.forwarder_file, {**wanted, "pid": child.pid, "started": start_time(child.pid)})
    # One line when it listens, none when it cannot.
    if child.stdout.readline() != b"listening\n":
        child.wait()
        state.forwarder_file.unlink(missing_ok=True)
        lines = state.forwarder_log.read_text(errors="replace").strip().splitlines() or ["no message"]
        raise LocalHostsError(f"the forwarder to the local AWS did not start: {lines[-1]}")
    child.stdout.close()
    return f"http://{address}:{state.aws.port}"


def stop(state: HostsState) -> None:
    """End it if it is ours."""
    record = _record(state)
    if record and _alive(record):
        with contextlib.suppress(ProcessLookupError):
            os.kill(record["pid"], signal.SIGTERM)
        wait("the forwarder's end", lambda: not _alive(record), _START_SECONDS)
    state.forwarder_file.unlink(missing_ok=True)


def running(state: HostsState) -> str:
    """Its URL; "" when it does not run."""
    record = _record(state)
    return f"http://{record['address']}:{record['port']}" if record and _alive(record) else ""


def _record(state: HostsState) -> dict[str, Any] | None:
    try:
        record = json.loads(state.forwarder_file.read_text())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and {"pid", "started", "address", "port"} <= record.keys() else None


def _alive(record: dict[str, Any]) -> bool:
    return record["started"] is not None and start_time(record["pid"]) == record["started"]


def serve(address: str, port: int, vpc: str) -> int:
    """Forward until terminated."""
    end_with_owner()
    try:
        asyncio.run(_serve(address, port, IPv4Network(vpc), HostsState.load(State.from_environ())))
    except OSError as error:
        print(f"cannot listen on {address}:{port}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def handler(
    port: int, vpc: IPv4Network
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]:
    """What happens to a connection: forwarded to the port on loopback, or closed when it comes from elsewhere."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if ip_address(writer.get_extra_info("peername")[0]) in vpc:
                await _forward(reader, writer, port)
        finally:
            writer.close()

    return connected


async def _serve(address: str, port: int, vpc: IPv4Network, state: HostsState) -> None:
    server = await asyncio.start_server(handler(port, vpc), address, port)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, lambda: os._exit(0))
    print("listening", flush=True)
    # The process that started us has stopped reading.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    async with server:
        await asyncio.gather(server.serve_forever(), guard.follow(state))


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    try:
        far_reader, far_writer = await asyncio.open_connection(HOST, port)
    except OSError:
        # The local AWS is not there now: the client sees the connection end.
        return
    try:
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
    finally:
        far_writer.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Copy until the source ends, then close the target."""
    with contextlib.suppress(OSError):
        while chunk := await source.read(_CHUNK):
            target.write(chunk)
            await target.drain()
        target.write_eof()
