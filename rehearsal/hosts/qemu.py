"""The emulator: Debian's qemu-user of the hosts' release, extracted from its package but not installed."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from .command import run, say
from .errors import LocalHostsError
from .image import RELEASE
from .machine_apt import MachineApt
from .tools import KEYRING

#: Root's, since programs of root run in it. After a registration it is needed only for the next one.
FOLDER = Path("/var/cache/koin-rehearsal")
PROGRAM = "qemu-aarch64"
#: programs of it need no libraries of the machine
PACKAGE = "qemu-user"
_DOWNLOAD_SECONDS = 600.0


def ensure(apt: MachineApt) -> Path:
    """The emulator's path; fetched now unless it is there."""
    path = FOLDER / f"{PROGRAM}-{RELEASE}"
    if path.exists():
        return path
    say(f"fetching {PACKAGE} of Debian {RELEASE} (70 MB), once …")
    with tempfile.TemporaryDirectory(prefix="koin-rehearsal-") as name:
        folder = Path(name)
        for part in ("lists/partial", "archives/partial"):
            (folder / part).mkdir(parents=True)
        (folder / "sources.list").write_text(sources(apt))
        (folder / "apt.conf").write_text(configuration(folder) + apt.apt_conf())
        settings = ["-qq", "--config-file", str(folder / "apt.conf")]
        run(["apt-get", *settings, "update"], seconds=_DOWNLOAD_SECONDS)
        run(["env", "--chdir", name, "apt-get", *settings, "download", PACKAGE], seconds=_DOWNLOAD_SECONDS)
        packages = list(folder.glob(f"{PACKAGE}_*.deb"))
        if len(packages) != 1:
            raise LocalHostsError(f"Debian {RELEASE} has {len(packages)} packages {PACKAGE}; one was expected")
        script = (
            'dpkg-deb --fsys-tarfile "$1" | tar --extract --to-stdout "./usr/bin/$2" >"$3.$$"; '
            # One that does not even start is not kept.
            'chmod 0755 "$3.$$"; "$3.$$" --version; mv "$3.$$" "$3"'
        )
        run(["sh", "-eu", "-c", script, "sh", str(packages[0]), PROGRAM, str(path)], seconds=_DOWNLOAD_SECONDS)
    return path


def version(answer: str) -> int | None:
    """The major version in what an emulator answers to --version."""
    found = re.search(r"version (\d+)\.", answer)
    return int(found[1]) if found else None


def sources(apt: MachineApt) -> str:
    """Where the emulator comes from. The machine's own apt need not trust Debian, as Ubuntu's does not."""
    return apt.sources(RELEASE).replace("deb ", f"deb [signed-by={KEYRING}] ")


def configuration(folder: Path) -> str:
    """An apt that knows the hosts' release only, and leaves the machine's own lists and packages alone."""
    return f"""\
#clear APT::Default-Release;
Dir::Etc::SourceList "{folder}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State::Lists "{folder}/lists";
Dir::Cache "{folder}";
APT::Sandbox::User "root";
"""
