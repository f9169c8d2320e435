"""This machine's Debian mirror, proxies and certificates, for the hosts to use as well.

Nothing here is written into the repository: all of it is read when an image is built.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from .command import attempt
from .errors import LocalHostsError

#: A Debian mirror for a machine whose own apt knows none; with it, a second one for security updates.
MIRROR_VARIABLE = "REHEARSAL_DEBIAN_MIRROR"
SECURITY_VARIABLE = "REHEARSAL_DEBIAN_SECURITY_MIRROR"

_PROXIES = ("http_proxy", "https_proxy", "no_proxy")
#: settings of apt that say how to reach a mirror
_SETTING = re.compile(
    r'^(Acquire::(?:https?::|Retries|ForceIPv4|Check-Valid-Until|Check-Date|Max-ValidTime)\S*) "(.+)";$'
)
#: a program, or a file that holds a secret or lies on this machine alone
_NOT_PORTABLE = re.compile(r"Proxy-Auto-Detect|::SslKey|::SslCert|::CaInfo|::CaPath|::User-Agent", re.IGNORECASE)
_LOCAL_CERTIFICATES = Path("/usr/local/share/ca-certificates")


@dataclass(frozen=True)
class MachineApt:
    """What a Debian on this machine needs to install packages."""

    mirror: str
    security: str
    settings: tuple[str, ...]
    #: lower-case names
    proxies: tuple[tuple[str, str], ...]
    #: file name and content of certificate authorities added to this machine
    certificates: tuple[tuple[str, bytes], ...]

    def sources(self, release: str) -> str:
        """The lines of sources.list for a release."""
        lines = [f"deb {self.mirror} {release} main", f"deb {self.mirror} {release}-updates main"]
        if self.security:
            lines.append(f"deb {self.security} {release}-security main")
        return "\n".join(lines) + "\n"

    def apt_conf(self) -> str:
        """The lines of apt.conf; a proxy in apt's own settings overrides one in the environment."""
        lines = list(self.settings)
        for name, value in self.proxies:
            key = f"Acquire::{name.removesuffix('_proxy')}::Proxy"
            if name != "no_proxy" and not any(line.startswith(f"{key} ") for line in lines):
                lines.append(f'{key} "{value}";')
        return "".join(f"{line}\n" for line in lines)


def read(environ: Mapping[str, str] | None = None) -> MachineApt:
    """What this machine's files and environment say."""
    environ = os.environ if environ is None else environ
    texts = {path: path.read_text(errors="replace") for path in _source_files()}
    mirror, security = mirrors(texts.items(), environ)
    dump = attempt(["apt-config", "dump"])
    certificates = sorted(_LOCAL_CERTIFICATES.rglob("*.crt")) if _LOCAL_CERTIFICATES.is_dir() else []
    return MachineApt(
        mirror,
        security,
        tuple(settings(dump.stdout)),
        tuple(proxies(environ).items()),
        tuple((path.name, path.read_bytes()) for path in certificates),
    )


def _source_files() -> list[Path]:
    folder = Path("/etc/apt")
    files = [folder / "sources.list", *(folder / "sources.list.d").glob("*.list")]
    return [path for path in [*files, *(folder / "sources.list.d").glob("*.sources")] if path.is_file()]


def mirrors(files: Iterable[tuple[Path, str]], environ: Mapping[str, str]) -> tuple[str, str]:
    """The mirror of Debian and that of its security updates, "" if there is no mirror of the updates."""
    if given := environ.get(MIRROR_VARIABLE):
        return given, environ.get(SECURITY_VARIABLE, "")
    main = security = ""
    for path, text in files:
        for uri, suite in _deb822(text) if path.suffix == ".sources" else _one_line(text):
            # Debian's archives, as every mirror names them; not a vendor's, not Ubuntu's.
            end = urlsplit(uri).path.rstrip("/").rpartition("/")[2]
            if suite.rstrip("/").endswith(("-security", "/updates")) and end in ("debian-security", "debian"):
                security = security or uri
            elif end == "debian":
                main = main or uri
    if not main:
        raise LocalHostsError(
            f"this machine's apt has no Debian mirror: set {MIRROR_VARIABLE} to the URL of one "
            f"(and {SECURITY_VARIABLE} to that of security updates)"
        )
    return main, security


def _one_line(text: str) -> Iterator[tuple[str, str]]:
    """URI and suite of `deb [options] URI suite component …`."""
    for line in text.splitlines():
        if found := re.match(r"\s*deb\s+(?:\[[^]]*]\s+)?(\S+)\s+(\S+)", line):
            yield found[1], found[2]


def _deb822(text: str) -> Iterator[tuple[str, str]]:
    """URI and suite of each stanza that is enabled."""
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", plain):
        # A line that begins with white space continues the field before it.
        pairs = re.findall(r"^([\w-]+):(.*(?:\n[ \t].*)*)", stanza, flags=re.MULTILINE)
        fields = {key.lower(): value.split() for key, value in pairs}
        if "deb" not in fields.get("types", []) or fields.get("enabled") == ["no"]:
            continue
        yield from ((uri, suite) for uri in fields.get("uris", []) for suite in fields.get("suites", []))


def settings(dump: str) -> Iterator[str]:
    """Those lines of `apt-config dump` that say how to reach a mirror and that mean the same inside a host."""
    for line in dump.splitlines():
        found = _SETTING.match(line)
        if found and not _NOT_PORTABLE.search(found[1]):
            yield line


def proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """The proxies of the environment. One on loopback cannot be reached from a host."""
    found = {}
    for name in _PROXIES:
        value = environ.get(name) or environ.get(name.upper())
        if not value:
            continue
        if name != "no_proxy" and _on_loopback(value):
            raise LocalHostsError(
                f"{name} is {urlsplit(value).hostname}, this machine's loopback, which a host cannot reach: give the "
                "proxy's address in the network, or unset it where the machine does not need it"
            )
        found[name] = value
    return found


def _on_loopback(url: str) -> bool:
    host = urlsplit(url if "//" in url else f"//{url}").hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
