"""Start and stop the server process without mistaking another process for it."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rehearsal import COMMAND, REPOSITORY

from .state import HOST, IDENTITY_PATH, LocalAwsError, State

START_SECONDS = 60.0
STOP_SECONDS = 10.0
TOKEN_VARIABLE = "REHEARSAL_AWS_TOKEN"
# The pid of a process: when it ends, so do the server, the local hosts and their forwarder. Set by tests.
OWNER_VARIABLE = "REHEARSAL_OWNER"

# Requests to loopback never use a proxy.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def start(state: State, *, empty: bool = False) -> str:
    """Start the server unless ours already serves; return a line that says what runs now."""
    state.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(state):
        make_ssh_key(state)
        record = _read_record(state)
        if record and _is_ours(state, record):
            return f"local AWS already runs on {state.endpoint} (pid {record['pid']})"
        if record and _alive(record) and record["port"] != state.port:
            raise LocalAwsError(
                f"this rehearsal already runs on port {record['port']} (pid {record['pid']}): "
                f"set REHEARSAL_AWS_PORT={record['port']}, or stop it first"
            )
        if _port_taken(state.port):
            raise LocalAwsError(
                f"port {state.port} is held by {_holder(state.port)}, which this rehearsal did not start: "
                f"nothing was sent to it. Choose another port, for example "
                f"REHEARSAL_AWS_PORT={free_port()}, or stop that process"
            )
        return _spawn(state, empty)


def stop(state: State) -> str:
    """Stop the process that `start` started, and only that one."""
    if not state.process_file.exists():
        return "local AWS is not running"
    with _locked(state):
        record = _read_record(state)
        if not record or not _alive(record):
            state.process_file.unlink(missing_ok=True)
            return "local AWS is not running"
        # The start time already tells a reused pid apart; the token also tells which rehearsal a live listener belongs
        # to.
        answer = _identity(record["port"])
        if answer is not None and answer.get("token") != record["token"]:
            raise LocalAwsError(f"port {record['port']} answers with a foreign identity: nothing was stopped")
        os.kill(record["pid"], signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while _alive(record) and time.monotonic() < deadline:
            time.sleep(0.02)
        if _alive(record):
            os.kill(record["pid"], signal.SIGKILL)
        state.process_file.unlink(missing_ok=True)
        return f"local AWS stopped (pid {record['pid']})"


def status(state: State) -> tuple[bool, str]:
    """Whether ours serves, and a line for the operator."""
    record = _read_record(state)
    if record and _is_ours(state, record):
        return True, f"local AWS runs on {state.endpoint} (pid {record['pid']}, log {state.log_file})"
    if _port_taken(state.port):
        return False, f"local AWS is not running; port {state.port} is held by {_holder(state.port)}"
    return False, "local AWS is not running"


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def make_ssh_key(state: State) -> None:
    """Make the key of the rehearsal's hosts once."""
    if state.ssh_key.exists():
        return
    if not shutil.which("ssh-keygen"):
        raise LocalAwsError("ssh-keygen is missing: install the OpenSSH client (openssh-client)")
    state.ssh_key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "koin-rehearsal", "-f", str(state.ssh_key)],
        check=True,
        stdin=subprocess.DEVNULL,
    )


def start_time(pid: int) -> str | None:
    """When the process started, in whatever unit the system has; None if there is no such process."""
    try:
        # Fields after the command name, which may itself hold spaces and brackets; the 20th is the start time.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
    answer = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def end_with_owner() -> None:
    """End this process when its owner has ended, if it has one: a test run that is killed leaves none behind."""
    if owner := os.environ.get(OWNER_VARIABLE):
        # Read here: an owner that ends before the thread runs would never be seen to have ended.
        threading.Thread(target=_end_with, args=(int(owner), start_time(int(owner))), daemon=True).start()


def _end_with(owner: int, began: str | None) -> None:
    while began and start_time(owner) == began:
        time.sleep(1)
    os._exit(0)


def _spawn(state: State, empty: bool) -> str:
    """Start the child, record it, and wait until it answers with the token it was given."""
    if not importlib.util.find_spec("moto"):
        raise LocalAwsError("moto is not installed for this Python: run `make setup` and use .venv/bin/python")
    began = time.monotonic()
    token = secrets.token_hex(16)
    # The operator's AWS and proxy settings must not reach the server: a profile that does not exist breaks boto3.
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "MOTO_")) and not name.lower().endswith("_proxy")
    }
    environ |= {
        TOKEN_VARIABLE: token,
        "REHEARSAL_DIR": str(state.directory),
        "REHEARSAL_AWS_PORT": str(state.port),
    }
    with state.log_file.open("wb") as log:
        child = subprocess.Popen(
            [*COMMAND, "aws", "serve", *(["--empty"] if empty else [])],
            cwd=REPOSITORY,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    record = {"pid": child.pid, "started": start_time(child.pid), "token": token, "port": state.port}
    _write_record(state, record)
    while time.monotonic() - began < START_SECONDS:
        if child.poll() is not None:
            state.process_file.unlink(missing_ok=True)
            raise LocalAwsError(f"the server ended at once: {_last_line(state.log_file)} (log: {state.log_file})")
        if (_identity(state.port) or {}).get("token") == token:
            took = time.monotonic() - began
            kind = "empty account" if empty else "new account"
            return f"local AWS started on {state.endpoint} ({kind}, pid {child.pid}, {took:.1f} s)"
        time.sleep(0.02)
    child.kill()
    child.wait()
    state.process_file.unlink(missing_ok=True)
    raise LocalAwsError(f"the server did not answer within {START_SECONDS:.0f} s (log: {state.log_file})")


@contextlib.contextmanager
def _locked(state: State) -> Iterator[None]:
    """Two starts at a time would each see a free port."""
    with state.lock_file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read_record(state: State) -> dict[str, Any] | None:
    try:
        record = json.loads(state.process_file.read_text())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and {"pid", "started", "token", "port"} <= record.keys() else None


def _write_record(state: State, record: dict[str, Any]) -> None:
    temporary = state.process_file.with_suffix(".new")
    temporary.write_text(json.dumps(record) + "\n")
    temporary.chmod(0o600)
    temporary.replace(state.process_file)


def _alive(record: dict[str, Any]) -> bool:
    return record["started"] is not None and start_time(record["pid"]) == record["started"]


def _is_ours(state: State, record: dict[str, Any]) -> bool:
    if record["port"] != state.port or not _alive(record):
        return False
    return (_identity(state.port) or {}).get("token") == record["token"]


def _identity(port: int) -> dict[str, Any] | None:
    """What the listener says about itself; None if it says nothing we understand. Reads only."""
    try:
        with _OPENER.open(f"http://{HOST}:{port}{IDENTITY_PATH}", timeout=2) as answer:
            data = json.loads(answer.read(4096))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def _port_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def _holder(port: int) -> str:
    """The process on the port, as far as this user may see it."""
    for command in (["ss", "-Hltnp", f"sport = :{port}"], ["lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc"]):
        if not shutil.which(command[0]):
            continue
        output = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        if found := (ss_holders if command[0] == "ss" else lsof_holders)(output):
            return ", ".join(found)
    return "another process"


def ss_holders(output: str) -> list[str]:
    """The processes of `ss -Hltnp`, each once: one may hold several listeners, and one listener several processes."""
    return list(dict.fromkeys(f"{name} (pid {pid})" for name, pid in re.findall(r'\("([^"]*)",pid=(\d+)', output)))


def lsof_holders(output: str) -> list[str]:
    """The processes of `lsof -Fpc`, each once."""
    return list(dict.fromkeys(f"{name} (pid {pid})" for pid, name in re.findall(r"^p(\d+)\nc(.*)", output, re.M)))


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
    return lines[-1] if lines else "no message"
