"""The programs that local hosts need: installs them if possible, otherwise prints the command to run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .command import as_root, attempt, may_be_root, run, say
from .errors import LocalHostsError

#: program and Debian package
PROGRAMS = {
    "podman": "podman",
    "netavark": "netavark",
    "aardvark-dns": "aardvark-dns",
    # crun, podman's first choice, refuses machines with hybrid cgroups.
    "runc": "runc",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "ip": "iproute2",
    "conntrack": "conntrack",
    # netavark calls it, and does not say so when it is missing.
    "iptables": "iptables",
    "ssh": "openssh-client",
}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
#: folders with programs that a user's PATH may lack
_FOLDERS = ("/usr/sbin", "/sbin", "/usr/lib/podman", "/usr/libexec/podman", "/usr/local/libexec/podman")
_INSTALL_SECONDS = 600.0


def missing() -> list[str]:
    """The Debian packages of missing programs."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_FOLDERS])
    packages = [package for program, package in PROGRAMS.items() if not shutil.which(program, path=path)]
    return packages + ([] if KEYRING.exists() else ["debian-archive-keyring"])


def ensure() -> None:
    """Install what is missing."""
    if os.uname().sysname != "Linux":
        raise LocalHostsError("local hosts need Linux: podman's machines on other systems hide their networks")
    packages = missing()
    if packages:
        install = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
        if not shutil.which("apt-get"):
            raise LocalHostsError(f"missing on this machine: {' '.join(packages)} (Debian's names). Install them")
        if not may_be_root():
            raise LocalHostsError(f"missing on this machine. Run: sudo {' '.join(install)}")
        say(f"installing {' '.join(packages)} …")
        run(["apt-get", "update", "--quiet"], seconds=_INSTALL_SECONDS)
        run(["env", "DEBIAN_FRONTEND=noninteractive", *install], seconds=_INSTALL_SECONDS)
        if left := missing():
            raise LocalHostsError(f"still missing after the installation: {' '.join(left)}")
    if not may_be_root():
        raise LocalHostsError("local hosts need root for their networks: run as root, or with passwordless sudo")
    backend = attempt(["podman", "info", "--format", "{{.Host.NetworkBackend}}"]).stdout.strip()
    if backend != "netavark":
        command = " ".join([*as_root(), "podman info"])
        raise LocalHostsError(
            f"podman uses the network backend {backend or '(none)'} and not netavark (`{command}`): set "
            'network_backend = "netavark" under [network] in /etc/containers/containers.conf'
        )
