"""The subset of cloud-init that a local host honours, and what goes into a host before its first start."""

from __future__ import annotations

import io
import tarfile
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
import yaml

from rehearsal.hosts import seed, userdata
from rehearsal.hosts.errors import LocalHostsError
from rehearsal.hosts.fleet import Fleet, Host
from rehearsal.hosts.userdata import File, UserData

REPOSITORY = Path(__file__).resolve().parents[2]
HOST = Host("i-1", "KOIN_PROD", IPv4Address("172.31.0.20"), "subnet-a", "x86_64")
FLEET = Fleet(IPv4Network("172.31.0.0/16"), (), (HOST,))


def cloud(body: str) -> UserData:
    """What is made of a #cloud-config."""
    return userdata.parse(f"#cloud-config\n{body}")


def test_files_with_mode_and_encoding() -> None:
    found = cloud(
        "write_files:\n"
        "  - {path: /etc/a, content: one}\n"
        "  - {path: /etc/b, content: dHdv, encoding: b64, permissions: '0600', owner: 'root:root'}\n"
    )
    assert found == UserData((File("/etc/a", b"one", 0o644), File("/etc/b", b"two", 0o600)), ())


def test_the_declared_user_data_opens_the_declared_port_and_needs_nothing_else() -> None:
    declared = yaml.safe_load((REPOSITORY / "group_vars/all/aws_compute.yml").read_text())
    text = declared["aws_compute_instance_defaults"]["user_data"].replace("{{ aws_security_ssh_port }}", "22222")
    assert userdata.parse(text) == UserData((File("/etc/ssh/sshd_config.d/10-port.conf", b"Port 22222\n"),), ())


def test_what_is_left_out_is_named() -> None:
    found = cloud("packages: [nginx]\nruncmd:\n  - [systemctl, restart, ssh]\n  - [reboot]\n  - echo a b\n")
    assert found.ignored == ("packages", "runcmd 'reboot'", "runcmd 'echo a b'")
    assert userdata.parse("#!/bin/sh\nreboot\n").ignored == ("user data that does not begin with #cloud-config",)


@pytest.mark.parametrize("text", ["", "\n", "#cloud-config\n"])
def test_no_user_data_is_nothing(text: str) -> None:
    assert userdata.parse(text) == UserData((), ())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("write_files: [", "not valid #cloud-config"),
        ("[a]", "a mapping is expected"),
        ("write_files: [{path: etc/a}]", "etc/a is not an absolute path"),
        ("write_files: [{path: /etc/../a}]", "not an absolute path"),
        ("write_files: [{path: /a, owner: admin}]", "owner can only be root"),
        ("write_files: [{path: /a, encoding: gz}]", "encoding gz is not supported"),
        ("write_files: [{path: /a, append: true}]", "append is not supported"),
        ("write_files: [{content: x}]", "'path'"),
    ],
)
def test_what_cannot_be_honoured_is_refused(body: str, message: str) -> None:
    with pytest.raises(LocalHostsError, match=message):
        cloud(body)


def members(content: list[File]) -> dict[str, tarfile.TarInfo]:
    """The archive's members by name."""
    with tarfile.open(fileobj=io.BytesIO(seed.archive(content))) as tar:
        return {member.name: member for member in tar.getmembers()}


def test_the_key_belongs_to_the_user_that_logs_in() -> None:
    files = seed.files(HOST, FLEET, "ssh-ed25519 AAAA me\n", UserData((), ()), {})
    found = members(files)
    folder, key = found["home/admin/.ssh"], found["home/admin/.ssh/authorized_keys"]
    assert folder.isdir()
    assert (folder.mode, folder.uid, key.mode, key.uid, key.gid) == (0o700, 1000, 0o600, 1000, 1000)
    assert found["etc/hostname"].uid == 0
    assert "etc/environment" not in found


def test_user_data_has_the_last_word() -> None:
    files = seed.files(HOST, FLEET, "key", UserData((File("/etc/hosts", b"mine"),), ()), {})
    assert [file.content for file in files if file.path == "/etc/hosts"][-1] == b"mine"


def test_the_vpc_is_reached_without_the_proxy() -> None:
    text = seed.environment(
        {"http_proxy": "http://proxy.example:3128", "no_proxy": "intern.example"}, seed.direct(FLEET)
    )
    direct = "localhost,127.0.0.1,172.31.0.0/16,172.31.255.1,172.31.0.20,intern.example"
    assert text.splitlines() == [
        'http_proxy="http://proxy.example:3128"',
        'HTTP_PROXY="http://proxy.example:3128"',
        f'no_proxy="{direct}"',
        f'NO_PROXY="{direct}"',
    ]
