"""The base image of the hosts: a Debian made by mmdebstrap, kept for every rehearsal until its recipe changes."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from pathlib import Path

from .command import attempt, run, say
from .errors import LocalHostsError
from .machine_apt import MachineApt

NAME = "localhost/koin-rehearsal-base"
RELEASE = "trixie"
INIT = "/usr/local/sbin/rehearsal-init"
RECIPE = Path(__file__).parent / "base"
#: dpkg need not survive a power failure in here: it unpacks several times faster without syncing
_DPKG_OPTIONS = ("force-unsafe-io", "path-exclude=/usr/share/man/*", "path-exclude=/usr/share/locale/*")
_BUILD_SECONDS = 900.0


def digest(apt: MachineApt, architecture: str, recipe: Path = RECIPE) -> str:
    """A name for everything that the image is made of."""
    parts = [RELEASE, architecture, apt.sources(RELEASE), apt.apt_conf(), *_DPKG_OPTIONS]
    parts += [f"{path.name}\n{path.read_text()}" for path in sorted(recipe.iterdir()) if path.is_file()]
    parts += [f"{name}\n{hashlib.sha256(content).hexdigest()}" for name, content in apt.certificates]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def ensure(apt: MachineApt, architecture: str = "") -> str:
    """The reference of the image, built now unless it is there.

    architecture: Debian's name of it; "" is the machine's own, and the only one yet.
    """
    if architecture:
        raise LocalHostsError(f"images for {architecture} are not built yet: hosts run as this machine does")
    reference = f"{NAME}:{digest(apt, architecture)}"
    if attempt(["podman", "image", "exists", reference]).returncode == 0:
        return reference
    began = time.monotonic()
    say(f"building the base image (Debian {RELEASE}), once, in less than a minute with a near mirror …")
    with tempfile.TemporaryDirectory(prefix="koin-rehearsal-") as folder:
        archive = _bootstrap(apt, Path(folder))
        run(
            ["podman", "import", "--quiet", "--change", f'CMD ["{INIT}"]', str(archive), reference],
            seconds=_BUILD_SECONDS,
        )
    say(f"base image {reference} built in {time.monotonic() - began:.0f} s")
    return reference


def _bootstrap(apt: MachineApt, folder: Path) -> Path:
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
    archive = folder / "root.tar"
    packages = ",".join((RECIPE / "packages").read_text().split())
    run(
        [
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            f"--include={packages}",
            f"--aptopt={folder / 'base/apt.conf'}",
            *(f"--dpkgopt={option}" for option in _DPKG_OPTIONS),
            f'--customize-hook={folder / "base/customize"} "$1"',
            RELEASE,
            str(archive),
            str(folder / "sources.list"),
        ],
        seconds=_BUILD_SECONDS,
    )
    return archive
