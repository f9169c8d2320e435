"""arm64 programs on another architecture: an interpreter is registered with the kernel (binfmt_misc), and removed.

The registration is the machine's, for every rehearsal, scenario and image build on it. It carries a name of our own and
goes when no emulated host is left; one that somebody else has made is used and left alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import architecture, qemu
from .command import attempt, run, say
from .errors import LocalHostsError
from .machine_apt import MachineApt

#: The label of every emulated container, whoever owns it; its value is the architecture.
LABEL = "koin.emulated"
NAME = "koin-aarch64"
FOLDER = Path("/proc/sys/fs/binfmt_misc")
#: The mount's source where we have mounted it.
_SOURCE = "koin-rehearsal"
#: The start of a program: ELF, 64 bits, little-endian, version 1, any ABI up to 7 padding bytes, EXEC or DYN, aarch64.
MAGIC = bytes.fromhex("7f454c460201010000000000000000000200b700")
MASK = bytes.fromhex("ffffffffffffff00fffffffffffffffffeffffff")
#: Open the program for the interpreter, use the program's credentials (sudo), fix the interpreter now: it is on this
#: machine and not in the hosts. P keeps argv[0], by which a shell knows that it is a login shell.
FLAGS = "POCF"
#: Interpreters before this one lack system calls that Debian 13's systemd needs.
_LEAST = 10


@dataclass(frozen=True)
class Entry:
    """A registration as the kernel shows it."""

    name: str
    enabled: bool
    interpreter: str
    flags: str
    offset: int = 0
    magic: bytes = b""
    mask: bytes = b""

    @property
    def handles(self) -> bool:
        """Whether arm64 programs, of both kinds, go to it."""
        mask = self.mask or b"\xff" * len(self.magic)
        end = self.offset + len(self.magic)
        starts = [(MAGIC[:16] + kind + MAGIC[18:])[self.offset : end] for kind in (b"\x02\x00", b"\x03\x00")]
        return (
            self.enabled
            and bool(self.magic)
            and end <= len(MAGIC)
            and all(
                (have ^ want) & bits == 0
                for start in starts
                for have, want, bits in zip(start, self.magic, mask, strict=True)
            )
        )


def parse(name: str, text: str) -> Entry:
    """Read what /proc/sys/fs/binfmt_misc/NAME says."""
    words = {key.rstrip(":"): value for key, _, value in (line.partition(" ") for line in text.splitlines())}
    return Entry(
        name,
        "enabled" in words,
        words.get("interpreter", ""),
        words.get("flags", ""),
        int(words.get("offset", "0")),
        bytes.fromhex(words.get("magic", "")),
        bytes.fromhex(words.get("mask", "")),
    )


def registration(interpreter: str) -> str:
    """The line that registers an interpreter."""
    magic, mask = ("".join(f"\\x{byte:02x}" for byte in value) for value in (MAGIC, MASK))
    return f":{NAME}:M::{magic}:{mask}:{interpreter}:{FLAGS}"


def choose(entries: Iterable[Entry]) -> Entry | None:
    """The registration to use, None when one has to be made; refuse one that does not work inside a host."""
    handling = [entry for entry in entries if entry.handles]
    for entry in handling:
        if "F" not in entry.flags:
            raise LocalHostsError(
                f"binfmt_misc gives {architecture.ARM} programs to {entry.interpreter} ({FOLDER / entry.name}) without "
                "the flag F: inside a host that interpreter is not found. Register it with F, or remove it, and "
                f"the rehearsal registers its own: echo -1 | sudo tee {FOLDER / entry.name}"
            )
    return handling[0] if handling else None


@contextlib.contextmanager
def registered(apt: MachineApt) -> Iterator[None]:
    """While this is held, arm64 programs run here; afterwards as long as there are emulated hosts."""
    with _lock(fcntl.LOCK_SH):
        _mount()
        entry = choose(_entries())
        if entry is None:
            interpreter = qemu.ensure(apt)
            # One write; the kernel opens the interpreter now.
            done = attempt(["tee", str(FOLDER / "register")], stdin=registration(str(interpreter)).encode())
            # Somebody else may have been quicker.
            if done.returncode and choose(_entries()) is None:
                raise LocalHostsError(f"binfmt_misc does not accept {interpreter}: {done.stderr.strip()}")
            say(f"{architecture.ARM} programs will be emulated on this machine ({FOLDER / NAME})")
        elif entry.name != NAME:
            _check_version(entry)
        yield


def release() -> bool:
    """Remove our registration unless an emulated host exists, or is being made; whether it was removed."""
    if not (FOLDER / NAME).exists():
        return False
    with contextlib.suppress(BlockingIOError), _lock(fcntl.LOCK_EX | fcntl.LOCK_NB):
        if run(["podman", "ps", "--all", "--quiet", "--filter", f"label={LABEL}"]).strip():
            return False
        run(["tee", str(FOLDER / NAME)], stdin=b"-1")
        if _mounted() == _SOURCE and not _entries():
            attempt(["umount", str(FOLDER)])
        return True
    return False


def _check_version(entry: Entry) -> None:
    if not Path(entry.interpreter).exists():
        return
    version = qemu.version(attempt([entry.interpreter, "--version"]).stdout)
    if version is not None and version < _LEAST:
        say(
            f"{architecture.ARM} programs go to {entry.interpreter} {version} here, registered by somebody else; "
            f"Debian 13 needs {_LEAST} or later. `echo -1 | sudo tee {FOLDER / entry.name}` "
            "removes it, and the rehearsal uses its own"
        )


def _entries() -> list[Entry]:
    """What is registered."""
    paths = [path for path in sorted(FOLDER.iterdir()) if path.name not in ("register", "status")]
    return [parse(path.name, path.read_text()) for path in paths]


def _mounted() -> str:
    """The source of the mount; "" if it is not mounted."""
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    return next((words[0] for words in mounts if words[1] == str(FOLDER) and words[2] == "binfmt_misc"), "")


def _mount() -> None:
    """Make the kernel's registrations visible. Where systemd mounts them on demand, looking is enough."""
    with contextlib.suppress(OSError):
        list(FOLDER.iterdir())
    if not _mounted():
        # The kernel loads binfmt_misc if it is a module.
        done = attempt(["mount", "-t", "binfmt_misc", _SOURCE, str(FOLDER)])
        if done.returncode:
            raise LocalHostsError(
                f"this kernel runs no foreign programs ({done.stderr.strip() or 'no binfmt_misc'}): rehearse without "
                f"{architecture.VARIABLE}, on a kernel with CONFIG_BINFMT_MISC or on an {architecture.ARM} machine"
            )
    if (FOLDER / "status").read_text().strip() != "enabled":
        raise LocalHostsError(f"binfmt_misc is switched off on this machine: echo 1 | sudo tee {FOLDER / 'status'}")


@contextlib.contextmanager
def _lock(kind: int) -> Iterator[None]:
    """The machine's lock: shared by those who use the registration, exclusive for removing it."""
    if not qemu.FOLDER.is_dir():
        run(["install", "--directory", "--mode=0755", str(qemu.FOLDER)])
    descriptor = os.open(qemu.FOLDER, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)
