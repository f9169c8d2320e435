"""The base image of the hosts: a Debian made by mmdebstrap, kept for every rehearsal until its recipe changes."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from pathlib import Path

from .command import attempt, run, say
from .machine_apt import MachineApt

NAME = "localhost/koin-rehearsal-base"
RELEASE = "trixie"
INIT = "/usr/local/sbin/rehearsal-init"
RECIPE = Path(__file__).parent / "base"
#: dpkg need not survive a power failure in here: it unpacks several times faster without syncing
_DPKG_OPTIONS = ("force-unsafe-io", "path-exclude=/usr/share/man/*", "path-exclude=/usr/share/locale/*")
#: of mmdebstrap: package lists stay, so that no host fetches them again while they are new
_OPTIONS = ("--quiet", "--variant=minbase", "--skip=cleanup/apt/lists")
_BUILD_SECONDS = 900.0
_EMULATED_BUILD_SECONDS = 3600.0


def digest(apt: MachineApt, architecture: str, recipe: Path = RECIPE) -> str:
    """A name for everything that the image is made of."""
    parts = [RELEASE, architecture, apt.sources(RELEASE), apt.apt_conf(), *_DPKG_OPTIONS, *_OPTIONS]
    parts += [f"{path.name}\n{path.read_text()}" for path in sorted(recipe.iterdir()) if path.is_file()]
    parts += [f"{name}\n{hashlib.sha256(content).hexdigest()}" for name, content in apt.certificates]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def ensure(apt: MachineApt, architecture: str = "") -> str:
    """The reference of the image, built now unless it is there.

    architecture: Debian's name of it, when the machine emulates it already (binfmt); "" is the machine's own.
    """
    reference = f"{NAME}:{digest(apt, architecture)}"
    if attempt(["podman", "image", "exists", reference]).returncode == 0:
        return reference
    began = time.monotonic()
    seconds = _EMULATED_BUILD_SECONDS if architecture else _BUILD_SECONDS
    kind, long = (f"{architecture} ", "5 to 15 minutes") if architecture else ("", "less than a minute")
    say(f"building the {kind}base image (Debian {RELEASE}), once, in {long} with a near mirror …")
    with tempfile.TemporaryDirectory(prefix="koin-rehearsal-") as folder:
        archive = _bootstrap(apt, Path(folder), architecture, seconds)
        own = ["--arch", architecture] if architecture else []
        run(
            ["podman", "import", "--quiet", *own, "--change", f'CMD ["{INIT}"]', str(archive), reference],
            seconds=seconds,
        )
    say(f"{kind}base image {reference} built in {time.monotonic() - began:.0f} s")
    return reference


def _bootstrap(apt: MachineApt, folder: Path, architecture: str, seconds: float) -> Path:
    """Make the file system as an archive."""
    shutil.copytree(RECIPE, folder / "base")
    (folder / "base/apt.conf").write_text(apt.apt_conf())
    (folder / "base/certificates").mkdir()
    for name, content in apt.certificates:
        (folder / "base/certificates" / name).write_bytes(content)
    (folder / "sources.list").write_text(apt.sources(RELEASE))
    # mmdebstrap gives up root for some steps: they have to be able to read here.
    folder.chmod(0o755)
    (folder / "base/customize").chmod(0o755)
    # The machine is known to run these programs; mmdebstrap would need one more program to check.
    foreign = [f"--architectures={architecture}", "--skip=check/qemu"] if architecture else []
    archive = folder / "root.tar"
    packages = ",".join((RECIPE / "packages").read_text().split())
    run(
        [
            "mmdebstrap",
            f"--include={packages}",
            f"--aptopt={folder / 'base/apt.conf'}",
            *(f"--dpkgopt={option}" for option in _DPKG_OPTIONS),
            *_OPTIONS,
            *foreign,
            f'--customize-hook={folder / "base/customize"} "$1"',
            RELEASE,
            str(archive),
            str(folder / "sources.list"),
        ],
        seconds=seconds,
    )
    return archive
