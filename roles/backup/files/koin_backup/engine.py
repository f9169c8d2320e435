"""The container engine of this host."""

from __future__ import annotations

import subprocess

from .settings import BackupError


def docker(*words: str) -> list[str]:
    """Lines that the engine's client prints."""
    try:
        done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise BackupError("There is no container engine on this host (role docker).") from error
    if done.returncode:
        said = " | ".join(done.stderr.strip().splitlines()[-3:])
        raise BackupError(f"`docker {' '.join(words[:2])}` failed: {said}")
    return [line for line in done.stdout.splitlines() if line]
