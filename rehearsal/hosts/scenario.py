"""Hosts of a test scenario (molecule): the machines of the rehearsal, without instances and without an AWS."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import json
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import architecture, binfmt, condition, image, login, machine_apt, owner, seed, tools
from .command import attempt, run, say, wait
from .condition import Condition
from .containers import MACHINE, emulation
from .errors import LocalHostsError
from .networks import attachment
from .userdata import File

LABEL = "koin.scenario"
_FIRST_ADDRESS = 10
_DELETE_SECONDS = 60.0
_LISTS_SECONDS = 300.0


def _identity(directory: Path) -> str:
    return hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:8]


def platforms(words: Iterable[str]) -> dict[str, str]:
    """Hosts and the architecture of each, "" for the machine's, of the command line's NAME or NAME:ARCHITECTURE."""
    found: dict[str, str] = {}
    for word in words:
        name, _, wanted = word.partition(":")
        if name in found:
            raise LocalHostsError(f"two hosts of the scenario are called {name}")
        found[name] = wanted
    return found


def up(directory: Path, hosts: Mapping[str, str]) -> list[dict[str, str | int]]:
    """Start the hosts and wait until all let Ansible in.

    directory: the scenario's own; keys are kept there.
    hosts: names, and the architecture that each is to have; "" is this machine's.
    Returns molecule's instance configuration, one entry for each host.
    """
    machine = architecture.machine()
    # "" for those that run as the machine does.
    emulated = {name: wanted if architecture.emulated(wanted, machine) else "" for name, wanted in hosts.items()}
    emulates = any(emulated.values())
    names = list(hosts)
    tools.ensure()
    owner.remove_abandoned()
    began = time.monotonic()
    apt = machine_apt.read()
    with binfmt.registered(apt) if emulates else contextlib.nullcontext():
        images = {kind: image.ensure(apt, kind) for kind in sorted(set(emulated.values()))}
        identity = _identity(directory)
        down(directory)
        key = _key(directory)
        _authority(directory)
        network = f"koin-scenario-{identity}"
        # podman finds a range that nothing on this machine uses.
        own = ["--label", f"{LABEL}={identity}", *owner.labels()]
        run(["podman", "network", "create", "--disable-dns", *own, network])
        created = json.loads(run(["podman", "network", "inspect", network]))[0]
        subnet = ipaddress.ip_network(created["subnets"][0]["subnet"])
        addresses = {name: str(subnet.network_address + _FIRST_ADDRESS + index) for index, name in enumerate(names)}
        containers = {name: f"{network}-{name}" for name in names}

        def start(name: str) -> None:
            options = [
                f"--network={attachment(network, ipaddress.IPv4Address(addresses[name]))}",
                *emulation(emulated[name]),
            ]
            files = _seed(name, addresses, key, dict(apt.proxies), emulated=bool(emulated[name]))
            _start(identity, containers[name], name, options, images[emulated[name]], files)

        with ThreadPoolExecutor(max_workers=4) as pool:
            list(pool.map(start, names))
    conditions = _wait_ready(containers, condition.boot_seconds(emulates=emulates))
    # The package lists are the image's and may be old; check mode uses them as they are.
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(_fetch_old_lists, containers.values()))
    known = login.known_hosts((addresses[name], conditions[containers[name]]) for name in names)
    login.write_known_hosts(directory / "known_hosts", known)
    say(f"{len(names)} scenario hosts are up ({time.monotonic() - began:.1f} s)")
    return [
        {
            "instance": name,
            "address": addresses[name],
            "port": 22,
            "user": login.USER,
            "identity_file": str(key),
        }
        for name in names
    ]


def _key(directory: Path) -> Path:
    key = directory / "id_ed25519"
    if not key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "scenario", "-f", str(key)], check=True)
    return key


def _authority(directory: Path) -> None:
    """A certificate authority that lives as long as the scenario."""
    names = ["-keyout", str(directory / "ca-key.pem"), "-out", str(directory / "ca.pem")]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    extensions = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    command = ["openssl", "req", "-x509", *kind, "-subj", "/CN=scenario CA", *extensions, *names]
    subprocess.run(command, check=True, capture_output=True)


def _start(identity: str, container: str, name: str, options: Sequence[str], reference: str, files: bytes) -> None:
    volume = f"{container}-docker"
    own = ["--label", f"{LABEL}={identity}", *owner.labels()]
    run(["podman", "volume", "create", *own, volume])
    run(
        [
            *("podman", "create", "--name", container, "--hostname", name, *MACHINE),
            *(*own, f"--volume={volume}:/var/lib/docker", *options),
            reference,
        ]
    )
    run(["podman", "cp", "--archive=false", "-", f"{container}:/"], stdin=files)
    run(["podman", "start", container])


def _fetch_old_lists(container: str) -> None:
    fetch = "find /var/lib/apt/lists -maxdepth 0 -mtime -1 | grep -q . || apt-get --quiet --quiet update"
    run(["podman", "exec", container, "sh", "-c", fetch], seconds=_LISTS_SECONDS)


def _seed(name: str, addresses: Mapping[str, str], key: Path, proxies: Mapping[str, str], *, emulated: bool) -> bytes:
    admin = seed.ADMIN
    hosts = f"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n{addresses[name]} {name}\n"
    files = [
        File("/home/admin/.ssh", b"", 0o700, admin, admin, folder=True),
        File("/home/admin/.ssh/authorized_keys", key.with_suffix(".pub").read_bytes(), 0o600, admin, admin),
        File("/etc/hostname", f"{name}\n".encode()),
        File("/etc/hosts", hosts.encode()),
    ]
    if proxies:
        files.append(File("/etc/environment", seed.environment(proxies, addresses.values()).encode()))
    return seed.archive([*files, *(seed.emulated() if emulated else [])])


def _wait_ready(containers: Mapping[str, str], seconds: float) -> dict[str, Condition]:
    found: dict[str, Condition] = {}

    def ready() -> bool:
        late = [item for item in containers.values() if not found.get(item, Condition()).ready]
        found.update(condition.ask(late))
        return all(item.ready for item in found.values())

    def why_not() -> str:
        late = [name for name, item in containers.items() if not found[item].ready]
        return f"{', '.join(late)}; see `podman logs {containers[late[0]]}`"

    wait("boot", ready, seconds, why_not)
    return found


def down(directory: Path) -> int:
    """Remove the hosts of the scenario, their disks and their network; how many hosts there were."""
    chosen = ["--quiet", "--filter", f"label={LABEL}={_identity(directory)}"]
    names = run(["podman", "ps", "--all", *chosen]).split()
    if names:
        run(["podman", "rm", "--force", "--volumes", "--time", "0", *names], seconds=_DELETE_SECONDS)
    for kind in ("volume", "network"):
        if found := run(["podman", kind, "ls", *chosen]).split():
            attempt(["podman", kind, "rm", "--force", *found], seconds=_DELETE_SECONDS)
    binfmt.release()
    return len(names)


def write_config(path: Path, entries: Sequence[Mapping[str, str | int]]) -> None:
    """Molecule's instance configuration; JSON is YAML."""
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(list(entries), indent=2) + "\n")
    temporary.replace(path)
