"""What a host gets before its first start: key, names, user data. Pure."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from .fleet import Fleet, Host
from .userdata import File, UserData

#: the first user of the image
ADMIN = 1000
#: more files of an emulated host
_EMULATED = Path(__file__).parent / "emulated"


def files(host: Host, fleet: Fleet, public_key: str, user_data: UserData, proxies: Mapping[str, str]) -> list[File]:
    """The files of a host; user data comes last, as cloud-init does on an instance that exists already."""
    hosts = f"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n{host.address} {host.hostname}\n"
    seed = [
        File("/home/admin/.ssh", b"", 0o700, ADMIN, ADMIN, folder=True),
        File("/home/admin/.ssh/authorized_keys", f"{public_key.strip()}\n".encode(), 0o600, ADMIN, ADMIN),
        File("/etc/hostname", f"{host.hostname}\n".encode()),
        File("/etc/hosts", hosts.encode()),
    ]
    if proxies:
        seed.append(File("/etc/environment", environment(proxies, direct(fleet)).encode()))
    return [*seed, *(emulated() if host.emulated else []), *user_data.files]


def emulated() -> list[File]:
    """What keeps systemd from what the emulator cannot do, and the fact that tells roles about it."""
    return [
        File("/etc/systemd/system/service.d/zzz-emulated.conf", (_EMULATED / "zzz-emulated.conf").read_bytes()),
        # ansible_facts['ansible_local']['rehearsal']['emulated']; no other host has it.
        File("/etc/ansible/facts.d/rehearsal.fact", (_EMULATED / "rehearsal.fact").read_bytes()),
    ]


def direct(fleet: Fleet) -> list[str]:
    """What hosts reach without a proxy: the VPC. Not every program understands a range."""
    return [str(fleet.vpc), str(fleet.controller.network_address + 1), *(str(host.address) for host in fleet.hosts)]


def environment(proxies: Mapping[str, str], direct: Iterable[str]) -> str:
    """The machine's proxies for login sessions; direct: addresses that bypass them besides the machine's own."""
    own = {name: value for name, value in proxies.items() if name != "no_proxy"}
    without = ["localhost", "127.0.0.1", *direct, *filter(None, [proxies.get("no_proxy")])]
    own["no_proxy"] = ",".join(without)
    return "".join(f'{spelt}="{value}"\n' for name, value in own.items() for spelt in (name, name.upper()))


def archive(content: Iterable[File]) -> bytes:
    """A tar of the files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for file in content:
            member = tarfile.TarInfo(file.path.lstrip("/"))
            member.mode, member.uid, member.gid = file.mode, file.owner, file.group
            member.size = len(file.content)
            if file.folder:
                member.type = tarfile.DIRTYPE
            tar.addfile(member, io.BytesIO(file.content))
    return buffer.getvalue()
