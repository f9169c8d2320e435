"""Who stays and who goes on a host, by what it tells of itself."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from ansible.module_utils.host_admins import (
    Login,
    Process,
    accounts,
    belonging,
    came_in,
    fingerprint,
    first_members,
    keys,
    leavers,
    locked_out,
    members,
    present,
    same_keys,
)

PASSWD = """\
root:x:0:0:root:/root:/bin/bash
games:x:5:60:games:/usr/games:/usr/sbin/nologin
admin:x:1000:1000:Debian:/home/admin:/bin/bash
minsu:x:1001:1001::/home/minsu:/bin/bash
jihye:x:1002:998::/home/jihye:/bin/bash
guest:x:1003:1003::/home/guest:/bin/bash
broken line
"""
GROUPS = "root:x:0:\nadmins:x:998:minsu,games\nadminsother:x:997:guest\n"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHJlaGVhcnNhbC1rZXktb2YtdGhlLXRlc3RzLW9ubHkh"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHJlaGVhcnNhbC1rZXktb2YtdGhlLXRlc3RzLW90aGVy"
PRINT = fingerprint(KEY)
KNOWN = accounts(PASSWD)


def test_members_of_the_group_are_those_of_both_kinds() -> None:
    assert members(GROUPS) == {"minsu", "games"}
    assert first_members(GROUPS, KNOWN) == {"jihye"}


@pytest.mark.parametrize(
    ("admins", "managed", "gone"),
    [
        ({"minsu": {"keys": [KEY]}}, {"minsu"}, []),
        # The entry was deleted.
        ({}, {"minsu", "jihye"}, ["jihye", "minsu"]),
        ({"minsu": {"state": "absent"}}, set(), ["minsu"]),
        # Whoever is already gone, the image's own user, and root.
        ({"nobodyhere": {"state": "absent"}}, {"earlier", "admin", "root"}, []),
        # Accounts that were never ours.
        ({"minsu": {"keys": [KEY], "state": "present"}}, set(), []),
    ],
)
def test_who_is_not_declared_leaves(admins: dict[str, Any], managed: set[str], gone: list[str]) -> None:
    assert [account.name for account in leavers(admins, managed, KNOWN, "admin")] == gone


def test_keys_are_compared_without_their_comments() -> None:
    text = f'# a comment\n\n{KEY} minsu@laptop\nfrom="10.0.0.1" {OTHER}\nno key\n'
    assert keys(text) == sorted([KEY, f'from="10.0.0.1" {OTHER}'])
    assert same_keys(text, [f'from="10.0.0.1" {OTHER} x', KEY])
    assert not same_keys(text, [KEY, OTHER])
    assert not same_keys(text, [KEY])
    assert present({"a": {"keys": [KEY]}, "b": {"state": "absent", "keys": [KEY]}}) == {"a": [KEY]}


def test_a_fingerprint_is_the_one_that_ssh_shows() -> None:
    shown = subprocess.run(["ssh-keygen", "-lf", "-"], input=KEY, capture_output=True, text=True, check=True).stdout
    assert PRINT in shown.split()
    assert fingerprint(f'from="10.0.0.1" {KEY} minsu') == PRINT
    assert fingerprint("no key") == ""


def test_who_came_in_is_what_sshd_said_last() -> None:
    said = (
        "Connection from 10.1.1.1 port 5 on 10.1.1.2 port 22\n"
        "Accepted publickey for root from 10.1.1.1 port 4 ssh2: RSA SHA256:old\n"
        "Accepted publickey for admin from 10.1.1.1 port 5 ssh2: ED25519 SHA256:new\n"
        "pam_unix(sshd:session): session opened for user admin\n"
    )
    assert came_in(said) == Login("admin", "SHA256:new")
    assert came_in("") is None


@pytest.mark.parametrize(
    ("came", "said"),
    [
        (Login("admin", PRINT), ""),
        (Login("admin", fingerprint(OTHER)), "which is not in base_login_keys"),
        (Login("minsu", fingerprint(OTHER)), ""),
        (Login("minsu", PRINT), "which is not in base_admins.minsu.keys"),
        (Login("jihye", PRINT), "whose access it would take"),
        # Somebody whom nothing here concerns.
        (Login("guest", PRINT), ""),
    ],
)
def test_who_would_be_locked_out_is_told_what_to_do(came: Login, said: str) -> None:
    why = locked_out(came, {"minsu": {"keys": [OTHER]}}, "admin", [f"{KEY} koin"], ["jihye"])
    assert (said in why) if said else not why


def test_keys_of_the_images_user_that_nobody_declares_lock_nobody_out() -> None:
    assert locked_out(Login("admin", PRINT), {}, "admin", [], []) == ""


def process(
    pid: int, parent: int, uid: int, cgroup: str = "0::/system.slice/ssh.service", login: int = 4294967295
) -> Process:
    """A process."""
    return Process(pid, parent, frozenset({uid}), cgroup, login)


def test_processes_of_a_leaver_are_found_wherever_they_went() -> None:
    container = f"0::/system.slice/docker-{'a' * 64}.scope"
    table = [
        process(1, 0, 0, "0::/init.scope"),
        process(10, 1, 0),
        # sshd's own part of the session, root's; the shell; what sudo started, and what that started.
        process(20, 10, 0, "0::/user.slice/user-1001.slice/session-4.scope"),
        process(21, 20, 1001, "0::/user.slice/user-1001.slice/session-4.scope"),
        process(22, 21, 0, "0::/user.slice/user-1001.slice/session-4.scope"),
        process(23, 22, 0),
        # In the background, its parent is gone.
        process(30, 1, 1001),
        # The same by sudo.
        process(31, 1, 0, login=1001),
        process(32, 1, 0, login=1002),
        # A container's user with the same number, and others.
        process(40, 1, 1001, container),
        process(41, 40, 1001, container),
        process(50, 1, 1002, "0::/user.slice/user-10010.slice/session-5.scope"),
    ]
    assert belonging(table, 1001) == {20, 21, 22, 23, 30, 31}
    assert belonging(table, 1001, spared=[21]) == {20, 22, 23, 30, 31}
    assert belonging(table, 1003) == set()
