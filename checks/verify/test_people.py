"""Who can log in, with which keys, and who can become root: the declared people and no others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://platform"]

#: members of these are root, or nearly
POWERFUL = ("root", "sudo", "admin", "wheel", "admins", "docker", "lxd", "libvirt", "disk", "shadow", "adm")
#: files of containers and of the kernel belong to numbers that are nobody's here
ELSEWHERE = ("/proc", "/sys", "/run", "/var/lib/docker", "/var/lib/containerd")
LISTED = 20

_KEYS = (
    "getent passwd | while IFS=: read -r name x uid gid gecos home shell; do"
    ' for file in "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2"; do'
    ' if [ -s "$file" ]; then sed "s/^/$name /" "$file"; fi; done; done'
)
_SUDO = (
    "cut -d: -f1 /etc/passwd | while read -r name; do"
    ' if LC_ALL=C sudo -l -U "$name" </dev/null 2>/dev/null | grep -q "may run the following";'
    ' then echo "$name"; fi; done'
)
_NAMED_BY_SUDO = "cat /etc/sudoers /etc/sudoers.d/* 2>/dev/null"


def key(line: str) -> str:
    """A key without its comment."""
    found = re.match(r".*?\bAAAA\S+", line.strip())
    return found[0] if found else line.strip()


def holders(shown: str) -> dict[str, set[str]]:
    """Keys by account."""
    found: dict[str, set[str]] = {}
    for line in shown.splitlines():
        name, _, rest = line.partition(" ")
        if rest.strip() and not rest.lstrip().startswith("#"):
            found.setdefault(name, set()).add(key(rest))
    return found


def allowed(settings: str) -> set[str] | None:
    """Whom sshd lets in; None for everybody."""
    names = [line.split(" ", 1)[1] for line in settings.splitlines() if line.startswith("allowusers ")]
    return {name for line in names for name in line.split()} if names else None


def let_in(host: Host) -> dict[str, set[str]]:
    """Keys by account that sshd accepts."""
    names = allowed(host.check_output("sshd -T"))
    found = holders(host.check_output(_KEYS))
    return {name: keys for name, keys in found.items() if names is None or name in names}


def differing(found: Mapping[str, set[str]], declared: Mapping[str, Sequence[str]]) -> list[str]:
    """What is not as declared, one line each. Whose declared keys are none keeps theirs."""
    wrong = [f"{name} can log in and is not declared" for name in found if name not in declared]
    for name, keys in declared.items():
        wanted, have = {key(line) for line in keys}, found.get(name, set())
        if not have:
            wrong.append(f"{name} is declared and cannot log in")
        elif wanted:
            wrong += [f"{name} can log in with a key that is not declared: …{line[-24:]}" for line in have - wanted]
            wrong += [f"{name} cannot log in with a declared key: …{line[-24:]}" for line in wanted - have]
    return sorted(wrong)


def rules_for(sudoers: str) -> set[str]:
    """Whom sudo's files name, be there an account or not: it would be theirs who gets the name next."""
    found = re.findall(r"^([a-z_][a-z0-9_-]*)[ \t]+\S.*=", sudoers, flags=re.MULTILINE)
    return set(found)


def in_groups(groups: str) -> set[str]:
    """Whose groups make them root."""
    rows = (line.split(":") for line in groups.splitlines())
    return {name for row in rows if row[0] in POWERFUL for name in row[3].split(",") if name}


def lines(host: Host, command: str) -> set[str]:
    """What a command prints."""
    return set(host.check_output(command).split())


def strangers(names: Iterable[str], declared: Iterable[str]) -> list[str]:
    """Those who are not declared."""
    return sorted(set(names) - set(declared) - {"root"})


def test_who_can_log_in_is_who_is_declared(host: Host, variables: dict[str, Any]) -> None:
    wrong = differing(let_in(host), variables["verify_people"])
    assert not wrong, "\n".join(wrong)


def test_who_can_become_root_is_who_is_declared(host: Host, variables: dict[str, Any]) -> None:
    declared = variables["verify_people"]
    assert lines(host, _SUDO) == {"root", *declared}
    assert strangers(rules_for(host.check_output(_NAMED_BY_SUDO)), declared) == []
    assert strangers(in_groups(host.check_output("getent group")), declared) == []
    assert lines(host, "awk -F: '$3 == 0 { print $1 }' /etc/passwd") == {"root"}


def test_nobody_has_a_password(host: Host) -> None:
    assert lines(host, "awk -F: '$2 !~ /^[!*]/ { print $1 }' /etc/shadow") == set()


@pytest.mark.parametrize(
    "command",
    [
        "ls /var/spool/cron/crontabs 2>/dev/null || true",
        "ls /var/lib/systemd/linger 2>/dev/null || true",
        "find /var/spool/cron/atjobs /var/spool/at -type f -printf '%u\\n' 2>/dev/null || true",
        "loginctl list-users --no-legend 2>/dev/null | awk '{ print $2 }'",
    ],
)
def test_nothing_runs_for_those_who_are_gone(host: Host, variables: dict[str, Any], command: str) -> None:
    assert strangers(lines(host, command), variables["verify_people"]) == []


def test_no_file_belongs_to_somebody_who_is_gone(host: Host) -> None:
    # Whoever gets the number next would own them: `chown root` what should stay, remove the rest.
    pruned = " -o ".join(f"-path {path}" for path in ELSEWHERE)
    shown = host.check_output(
        rf"find / -xdev \( {pruned} \) -prune -o \( -nouser -o -nogroup \) -printf '%U:%G %p\n' | head -n {LISTED}"
    )
    assert shown == ""
