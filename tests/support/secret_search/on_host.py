"""Search one machine: files, processes, logs, what the container engine tells. Standard library only: it runs there.

As a program it reads a job (JSON) from standard input and prints what it has found: secrets are in no argument and in
no file. Its own process is left out.
"""

from __future__ import annotations

import fnmatch
import grp
import json
import os
import pwd
import re
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

#: not files, or seen elsewhere: `merged` is the sum of layers that are searched one by one
_NO_FILES = ("proc", "sys", "dev")
_ELSEWHERE = ("merged",)
_PACKED_FOLDERS = ("/var/log", "/var/lib/docker-registry", "/var/cache")
_PACKED = ("/var/log/*.gz", "/var/log/*/*.gz", "/var/lib/docker-registry/*/data", "/var/cache/*.gz")
MARKER = "PRIVATE KEY-----"
#: what the engine tells; the second half is asked for each line of the first one's answer
_ENGINE = {
    "images": ("docker image ls --all --quiet", "docker image inspect"),
    "history": ("docker image ls --all --quiet", "docker image history --no-trunc --format {{.CreatedBy}}"),
    "containers": ("docker ps --all --quiet", "docker inspect"),
    "container logs": ("docker ps --all --quiet", "docker logs"),
    "services": ("docker service ls --quiet", "docker service inspect"),
    "swarm secrets": ("docker secret ls --quiet", "docker secret inspect"),
    "swarm configs": ("docker config ls --quiet", "docker config inspect"),
    "networks": ("docker network ls --quiet", "docker network inspect"),
}
_STREAMS = {
    "journal": "journalctl --no-pager --all --output=export",
    "kernel log": "dmesg",
    "environment of units": "systemctl show --all --property=Environment,ExecStart *",
}

Patterns = Mapping[str, Iterable[str]]


def _memory_file(patterns: Patterns) -> int:
    """A file without a name, with one pattern a line, for grep."""
    descriptor = os.memfd_create("patterns")
    os.write(descriptor, "\n".join(form for forms in patterns.values() for form in forms).encode())
    return descriptor


def names_in(content: bytes, patterns: Patterns) -> list[str]:
    """Which secrets are in it."""
    return sorted(name for name, forms in patterns.items() if any(form.encode() in content for form in forms))


def _grep(arguments: list[str], patterns: Patterns, content: bytes | None = None) -> bytes:
    descriptor = _memory_file(patterns)
    try:
        return subprocess.run(
            ["grep", "--fixed-strings", "--text", f"--file=/proc/self/fd/{descriptor}", *arguments],
            input=content,
            stdin=subprocess.DEVNULL if content is None else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
            pass_fds=[descriptor],
            check=False,
        ).stdout
    finally:
        os.close(descriptor)


def files_with(roots: list[str], patterns: Patterns) -> list[str]:
    """Files below some folders in which one of the patterns is."""
    present = [root for root in roots if Path(root).exists()]
    if not present:
        return []
    options = ["--recursive", "--files-with-matches", "--null", "--devices=skip"]
    options += [f"--exclude-dir={name}" for name in _ELSEWHERE]
    found = _grep([*options, "--", *present], patterns)
    return [name.decode(errors="surrogateescape") for name in found.split(b"\0") if name]


def _name(database: Any, number: int) -> str:
    try:
        return str(database(number)[0])
    except KeyError:
        return str(number)


def open_to_all(path: str) -> bool:
    """Whether any account may read it: it itself, and every folder above."""
    if not Path(path).stat().st_mode & stat.S_IROTH:
        return False
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in Path(path).absolute().parents)


def described(path: str, secrets: list[str], shown: str = "") -> dict[str, Any]:
    """A file as it is compared with the declared places."""
    status = Path(path).stat()
    return {
        "path": shown or path,
        "mode": f"{stat.S_IMODE(status.st_mode):04o}",
        "owner": f"{_name(pwd.getpwuid, status.st_uid)}:{_name(grp.getgrgid, status.st_gid)}",
        "open": open_to_all(path),
        "secrets": secrets,
    }


def files(roots: list[str], patterns: Patterns, prefix: str = "", cut: str = "") -> Iterator[dict[str, Any]]:
    """Files that hold a secret. prefix and cut: how a container's path is shown."""
    for path in files_with(roots, patterns):
        try:
            found = names_in(Path(path).read_bytes(), patterns)
            if found:
                yield described(path, found, prefix + path.removeprefix(cut))
        except FileNotFoundError:
            continue


def packed(patterns: Patterns) -> Iterator[dict[str, Any]]:
    """Compressed files: old logs, and the layers in the registry."""
    for folder in _PACKED_FOLDERS:
        for path in Path(folder).rglob("*"):
            if path.is_file() and any(fnmatch.fnmatch(str(path), pattern) for pattern in _PACKED):
                with subprocess.Popen(["zcat", "--force", str(path)], stdout=subprocess.PIPE) as unpacked:
                    assert unpacked.stdout is not None
                    content = unpacked.stdout.read()
                if found := names_in(content, patterns):
                    yield described(str(path), found)


def processes(patterns: Patterns) -> Iterator[dict[str, Any]]:
    """Arguments and environments of everything that runs."""
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) in (os.getpid(), os.getppid()):
            continue
        for part in ("cmdline", "environ"):
            try:
                content = (folder / part).read_bytes()
            except OSError:
                continue
            if found := names_in(content, patterns):
                program = (folder / "comm").read_text().strip() if (folder / "comm").exists() else "?"
                yield {"where": f"{part} of {program}", "secrets": found}


def _said(command: list[str]) -> bytes:
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        ).stdout
    except FileNotFoundError:
        return b""


def streams() -> Iterator[tuple[str, bytes]]:
    """What programs tell, by name."""
    for name, command in _STREAMS.items():
        yield name, _said(command.split(" "))
    for name, (listing, asked) in _ENGINE.items():
        ids = sorted({line for line in _said(listing.split()).decode().split() if re.fullmatch(r"[0-9a-z]{10,}", line)})
        yield name, b"".join(_said([*asked.split(" "), one]) for one in ids)


def container_folders() -> Iterator[tuple[str, str]]:
    """Name and root of each running container, as /proc has it: /tmp and /run of it are in no layer."""
    for line in _said(["docker", "ps", "--quiet", "--no-trunc"]).decode().split():
        told = _said(["docker", "inspect", "--format", "{{.State.Pid}} {{.Name}}", line]).decode().split()
        if len(told) == 2 and told[0].isdigit():
            yield re.sub(r"\.\d+\.[0-9a-z]+$", "", told[1].lstrip("/")), f"/proc/{told[0]}/root"


def search(patterns: Patterns, roots: list[str] | None = None) -> dict[str, Any]:
    """Everything on this machine."""
    top = roots or [str(path) for path in sorted(Path("/").iterdir()) if path.name not in _NO_FILES]
    found = list(files(top, patterns))
    for name, root in container_folders():
        found += files([f"{root}/tmp", f"{root}/run"], patterns, f"container {name}:", root)
    told = dict(streams())
    found_in = {name: names_in(text, patterns) for name, text in told.items()}
    return {
        "files": [*found, *packed(patterns)],
        "processes": list(processes(patterns)),
        "streams": [{"where": name, "secrets": names} for name, names in found_in.items() if names],
        "read": {name: len(text) for name, text in told.items()},
    }


def keys(roots: list[str] | None = None) -> dict[str, str]:
    """The text of each file in which a private key may be, by path."""
    top = roots or [str(path) for path in sorted(Path("/").iterdir()) if path.name not in _NO_FILES]
    found = {}
    for path in files_with(top, {"a key": [MARKER]}):
        # A key is small; libraries and archives that know how one begins are not.
        if Path(path).is_file() and Path(path).stat().st_size < 1 << 20:
            found[path] = Path(path).read_text(errors="replace")
    return found


def main(job: Mapping[str, Any]) -> Any:
    """Do what the job asks for."""
    return keys(job.get("roots")) if job["do"] == "keys" else search(job["patterns"], job.get("roots"))


if __name__ == "__main__":
    print(json.dumps(main(json.load(sys.stdin))))
