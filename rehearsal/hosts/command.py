"""Run the machine's programs, as root where needed, and report clearly what failed."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from .errors import LocalHostsError

#: longer than any single program here takes, shorter than anybody waits
SECONDS = 120.0
_POLL_SECONDS = 0.3
_TELL_SECONDS = 5.0


def say(text: str) -> None:
    """Progress, on stderr: stdout is for what was asked for."""
    print(f"local hosts: {text}", file=sys.stderr, flush=True)


def as_root() -> list[str]:
    """What to put before a command that needs root: nothing, or sudo that needs no password."""
    return [] if os.geteuid() == 0 else ["sudo", "-n"]


def may_be_root() -> bool:
    """Whether this user is root or becomes it without being asked for a password."""
    if os.geteuid() == 0:
        return True
    return bool(shutil.which("sudo")) and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0


def attempt(
    command: Sequence[str],
    *,
    stdin: bytes = b"",
    seconds: float = SECONDS,
    environ: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command as root and return its output, whatever its status."""
    try:
        done = subprocess.run(
            [*as_root(), *command],
            input=stdin,
            capture_output=True,
            check=False,
            timeout=seconds,
            env=environ,
            # Ctrl-C ends us, and not podman half-way through: what it makes is complete, and the next run continues.
            process_group=0,
        )
    except subprocess.TimeoutExpired:
        raise LocalHostsError(f"`{shlex.join(command)}` did not end within {seconds:.0f} s") from None
    except FileNotFoundError as error:
        raise LocalHostsError(f"{error.filename} is missing on this machine") from None
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    )


def run(
    command: Sequence[str],
    *,
    stdin: bytes = b"",
    seconds: float = SECONDS,
    environ: dict[str, str] | None = None,
) -> str:
    """Run a command as root and return its output; fail with the end of that."""
    done = attempt(command, stdin=stdin, seconds=seconds, environ=environ)
    if done.returncode:
        said = " / ".join((done.stderr or done.stdout).strip().splitlines()[-3:]) or f"exit status {done.returncode}"
        shown = shlex.join(command)
        raise LocalHostsError(f"`{shown if len(shown) < 200 else shown[:200] + ' …'}` failed: {said}")
    return done.stdout


def wait(what: str, ready: Callable[[], bool], seconds: float, why_not: Callable[[], str] = str) -> None:
    """Ask until the answer is yes; report every few seconds that we still wait, and give up in the end."""
    began = told = time.monotonic()
    while not ready():
        now = time.monotonic()
        if now - began > seconds:
            detail = why_not()
            raise LocalHostsError(f"{what}: not within {seconds:.0f} s{f' ({detail})' if detail else ''}")
        if now - told > _TELL_SECONDS:
            say(f"{what}: waiting for {now - began:.0f} s …")
            told = now
        time.sleep(_POLL_SECONDS)
