#!/usr/bin/python
"""A host's administrators, as they are declared and no others."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_admins
short_description: Bring the administrators of a host to the declared ones
description:
  - Whoever is in group C(admins), or was made by this module, and is not declared loses access. So does whoever is
    declared V(absent).
  - Access goes first, for all of them - account locked and expired, no group, no keys, no lingering, no jobs of cron
    and at. No running process can prevent it. Then their sessions and processes end, then the account is removed.
  - The home is kept unless O(admins.remove_home) says otherwise, and belongs to root then, because the next account may
    get the number of the old one.
  - Removing is noted in C(/var/lib/koin/administrators) first, so that the next run finishes what a killed one began.
  - The keys of O(login_user) are replaced as a whole. The previous file is restored after O(patience) unless the caller
    removes it (RV(login_former)) and stops the timer C(koin-login-former), once it has logged in again.
  - Fails before anything is written if the key or the user with which this run has logged in would not be accepted
    any more. sshd's journal tells them.
  - Accounts below 1000 lose group C(admins) and keep the rest.
options:
  admins:
    description: Administrators by login name.
    type: dict
    required: true
    suboptions:
      keys:
        description: Public keys that may log in, and no others.
        type: list
        elements: str
      state:
        description: Whether the account exists.
        type: str
        choices: [present, absent]
        default: present
      remove_home:
        description: With V(absent), whether the home is removed, too, be it one that was kept earlier.
        type: bool
        default: false
  login_user:
    description: The image's own user; never removed.
    type: str
    default: ""
  login_keys:
    description: Public keys of O(login_user), and no others. While this is empty its keys are left alone.
    type: list
    elements: str
    default: []
  patience:
    description: Seconds after which the previous keys of O(login_user) are restored.
    type: int
    default: 300
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
author: BCSDLab
"""

EXAMPLES = r"""
- name: Set up the administrators
  host_admins:
    admins:
      minsu: {keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHJlaGVhcnNhbC1rZXktb2YtdGhlLXRlc3RzLW9ubHkh minsu]}
      jihye: {state: absent}
    login_user: admin
    login_keys: ["{{ aws_compute_public_key }}"]
"""

RETURN = r"""
actions:
  description: What was done, or would be, one line each.
  returned: success
  type: list
  elements: str
login_former:
  description: The previous authorized_keys of O(login_user), if its keys were changed and nobody has logged in since.
  returned: success
  type: str
"""

import os
import shutil
import signal
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.host_admins import (
    FIRST_UID,
    GROUP,
    Account,
    Login,
    Process,
    accounts,
    belonging,
    came_in,
    content,
    first_members,
    leavers,
    locked_out,
    members,
    present,
    same_keys,
)

RECORD = Path("/var/lib/koin/administrators")
TIMER = "koin-login-former"
#: how long processes may take to die; one that waits for a disk takes its time
SECONDS = 20
JOBS = (Path("/var/spool/cron/atjobs"), Path("/var/spool/cron/atspool"), Path("/var/spool/at"))
TEMPORARY = (Path("/tmp"), Path("/tmp/user"), Path("/var/tmp"), Path("/dev/shm"), Path("/run/sudo/ts"))


def read(path: Path) -> str:
    """A text file; "" when there is none."""
    try:
        return path.read_text(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return ""


def processes() -> Iterator[Process]:
    """Every process of the host."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            status = (folder / "status").read_text(errors="replace")
            cgroup = (folder / "cgroup").read_text(errors="replace")
            # Kept through sudo, and when the parent ends. Services have none.
            login = int(read(folder / "loginuid") or -1)
        except OSError:
            continue
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        if not fields.get("State", "").startswith("Z"):
            uids = frozenset(map(int, fields["Uid"].split()))
            yield Process(int(folder.name), int(fields["PPid"]), uids, cgroup, login)


def ancestors() -> list[int]:
    """This process and those that it descends from, up to init."""
    parents = {process.pid: process.parent for process in processes()}
    found = [os.getpid()]
    while (parent := parents.get(found[-1], 0)) > 1:
        found.append(parent)
    return found


class Host:
    """The host, read once, and what is to be done there."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.admins: dict[str, dict[str, Any]] = module.params["admins"]
        self.login: str = module.params["login_user"]
        self.login_keys: list[str] = module.params["login_keys"]
        self.present = present(self.admins)
        self.actions: list[str] = []
        self.failures: list[str] = []
        self.known = accounts(read(Path("/etc/passwd")))
        groups = read(Path("/etc/group"))
        self.first_members = first_members(groups, self.known)
        self.members = members(groups) | self.first_members
        self.recorded = set(read(RECORD).split())
        self.leavers = leavers(self.admins, self.members | self.recorded, self.known, self.login)

    # --- The host's commands -----------------------------------------------------------------------------------------

    def run(self, *command: str, might_fail: bool = False) -> str:
        """Run a command; a failure is kept for the end, when all the others have been run."""
        for _ in range(10):
            code, out, err = self.module.run_command(list(command), environ_update={"LC_ALL": "C"})
            # Another program holds the lock of /etc/passwd for a moment.
            if not code or "cannot lock" not in err:
                break
            time.sleep(1)
        if code and not might_fail:
            self.failures.append(f"`{' '.join(command)}`: {(err or out).strip()}")
        return str(out)

    def attempt(self, what: str, step: Callable[..., None], *arguments: Any) -> None:
        """Do a step; a failure is kept for the end."""
        try:
            step(*arguments)
        except OSError as error:
            self.failures.append(f"{what}: {error}")

    def do(self, action: str) -> bool:
        """Note an action; whether it is to be done."""
        self.actions.append(action)
        return not self.module.check_mode

    # --- Before anything is written ----------------------------------------------------------------------------------

    def came(self) -> Login | None:
        """How this run logged in; None when sshd has not said so, or it did not come through sshd."""
        arguments = [f"_PID={pid}" for pid in ancestors()]
        return came_in(self.run("journalctl", "--boot", "--output=cat", "--no-pager", *arguments, might_fail=True))

    def refuse(self) -> None:
        """Stop if the declaration cannot work here."""
        for name in self.present:
            account = self.known.get(name)
            if account and account.uid < FIRST_UID:
                self.module.fail_json(
                    msg=f"base_admins.{name} is an account of this system (number {account.uid}): choose another name. "
                    "Nothing was changed."
                )
        if self.login_keys and self.login not in self.known:
            self.module.fail_json(
                msg=f"base_login_user: there is no account {self.login}: write the image's user. Nothing was changed."
            )
        changing = [name for name, keys in self.present.items() if name in self.known and not self.keyed(name, keys)]
        if not self.leavers and not changing and not self.login_pending():
            return
        came = self.came()
        if came and (why := locked_out(came, self.admins, self.login, self.login_keys, [a.name for a in self.leavers])):
            self.module.fail_json(msg=f"{why}. Nothing was changed.")

    # --- Leaving -----------------------------------------------------------------------------------------------------

    def record(self, names: set[str]) -> None:
        """Note whose accounts are ours."""
        wanted = "".join(f"{name}\n" for name in sorted(names))
        if read(RECORD) == wanted or self.module.check_mode:
            return
        RECORD.parent.mkdir(parents=True, exist_ok=True)
        new = RECORD.with_suffix(".new")
        new.write_text(wanted)
        new.chmod(0o600)
        new.replace(RECORD)

    def revoke(self, account: Account) -> None:
        """Take the ways in; running processes cannot prevent it."""
        name = account.name
        if account.uid < FIRST_UID:
            self.run("gpasswd", "--delete", name, GROUP, might_fail=True)
            return
        first = ["--gid", "nogroup"] if name in self.first_members else []
        self.run("usermod", "--lock", "--expiredate", "1", "--groups", "", *first, "--shell", "/usr/sbin/nologin", name)
        self.attempt(f"keys of {name}", remove_keys, account)
        self.run("loginctl", "disable-linger", name, might_fail=True)
        for path in (Path("/var/lib/systemd/linger") / name, Path("/var/spool/cron/crontabs") / name):
            self.attempt(str(path), unlink, path)
        for folder in JOBS:
            for path in entries(folder, account.uid):
                self.attempt(str(path), unlink, path)

    def end_sessions(self, account: Account) -> None:
        """End what they run: sessions, what these have left behind, and what they became root for."""
        if account.uid < FIRST_UID:
            return
        spared = ancestors()
        deadline = time.monotonic() + SECONDS
        # Those that sudo started are known by their parents, so these must still be there.
        while found := belonging(processes(), account.uid, spared):
            # Stopped first: nothing starts another process while its parent is being killed.
            for what in (signal.SIGSTOP, signal.SIGKILL):
                for pid in found:
                    try:
                        os.kill(pid, what)
                    except ProcessLookupError:
                        continue
            if time.monotonic() > deadline:
                self.failures.append(f"{account.name}: processes {sorted(found)} do not end")
                break
            time.sleep(0.1)
        self.run("loginctl", "terminate-user", account.name, might_fail=True)

    def remove(self, account: Account) -> None:
        """Remove the account; its number may be somebody else's tomorrow, so nothing stays behind under it."""
        if account.uid < FIRST_UID:
            return
        for folder in TEMPORARY:
            for path in entries(folder, account.uid):
                self.attempt(str(path), remove_tree, path)
        self.attempt(f"sudo's memory of {account.name}", remove_tree, Path("/run/sudo/ts") / account.name)
        shared = [other for other in self.known.values() if other.home == account.home and other != account]
        home = Path(account.home)
        if home.is_dir() and not home.is_symlink() and home.lstat().st_uid == account.uid and not shared:
            if self.admins.get(account.name, {}).get("remove_home"):
                self.attempt(str(home), remove_tree, home)
            else:
                self.attempt(str(home), hand_over, home, account.uid, 0, 0)
        self.attempt("mailbox", hand_over, Path("/var/mail") / account.name, account.uid, 0, 0)
        # A process that waits for a dead disk, or one of a container with the same number, keeps no account.
        self.run("userdel", "--force", account.name)

    def leave(self) -> None:
        """All leavers, step by step: nobody keeps access because of what another one runs."""
        # An account of the system has nothing else from us.
        gone = [account for account in self.leavers if account.uid >= FIRST_UID or account.name in self.members]
        for account in gone:
            self.actions.append(f"{account.name}: " + ("removed" if account.uid >= FIRST_UID else f"not in {GROUP}"))
        if gone and not self.module.check_mode:
            for step in (self.revoke, self.end_sessions, self.remove):
                for account in gone:
                    step(account)
        for name, entry in self.admins.items():
            home, asked = Path("/home") / name, entry.get("state") == "absent" and entry.get("remove_home")
            if asked and name not in self.known and home.is_dir() and self.do(f"{name}: home removed"):
                self.attempt(str(home), remove_tree, home)

    # --- Staying -----------------------------------------------------------------------------------------------------

    def keyed(self, name: str, keys: list[str]) -> bool:
        """Whether somebody has the declared keys and no others."""
        folder = Path(self.known[name].home) / ".ssh"
        if folder.is_symlink() or (folder / "authorized_keys2").exists():
            return False
        return same_keys(read(folder / "authorized_keys"), keys)

    def join(self, name: str, keys: list[str]) -> None:
        """Make the account what is declared."""
        account = self.known.get(name)
        if account is None:
            if not self.do(f"{name}: created"):
                return
            self.run("useradd", "--create-home", "--shell", "/bin/bash", "--password", "*", "--groups", GROUP,
                     "--key", "HOME_MODE=0700", name)  # fmt: skip
            self.known = accounts(read(Path("/etc/passwd")))
            if name not in self.known:
                return
            account = self.known[name]
            # Somebody who comes back finds their home, which is root's since they left.
            if Path(account.home).lstat().st_uid == 0:
                self.attempt(account.home, hand_over, Path(account.home), 0, account.uid, account.gid)
        else:
            shadow = next((line for line in read(Path("/etc/shadow")).splitlines() if line.startswith(f"{name}:")), "")
            fields = shadow.split(":")
            if len(fields) > 7 and fields[7] and self.do(f"{name}: allowed in again"):
                self.run("usermod", "--expiredate", "", "--shell", "/bin/bash", name)
                self.run("usermod", "--password", "*", name)
            if name not in self.members and self.do(f"{name}: put into group {GROUP}"):
                self.run("usermod", "--append", "--groups", GROUP, name)
        if not self.keyed(name, keys) and (account is None or self.do(f"{name}: keys changed")):
            self.attempt(f"keys of {name}", write_keys, self.known[name], keys)

    def stay(self) -> None:
        """Everybody who is declared."""
        if self.present and f"\n{GROUP}:" not in f"\n{read(Path('/etc/group'))}" and self.do(f"group {GROUP} created"):
            self.run("groupadd", "--system", GROUP)
        for name, keys in self.present.items():
            self.join(name, keys)

    # --- The image's own user ----------------------------------------------------------------------------------------

    @property
    def former(self) -> Path:
        """Where the previous keys wait until somebody has logged in with the new ones."""
        return Path(self.known[self.login].home) / ".ssh/authorized_keys.former"

    def login_pending(self) -> bool:
        """Whether the keys of the image's user are to be changed, or were, and nobody has logged in since."""
        return bool(self.login_keys) and (self.former.exists() or not self.keyed(self.login, self.login_keys))

    def log_in(self) -> str:
        """Change the keys of the image's user; the way back is prepared first. The former file, or ""."""
        if not self.login_pending() or not self.do(f"{self.login}: keys changed"):
            return ""
        file = self.former.with_name("authorized_keys")
        if file.exists() and not self.former.exists():
            shutil.copy2(file, self.former)
            os.chown(self.former, self.known[self.login].uid, self.known[self.login].gid)
        self.run("systemctl", "stop", f"{TIMER}.timer", might_fail=True)
        back = f"mv {self.former} {file}"
        self.run(
            "systemd-run",
            "--quiet",
            "--collect",
            f"--on-active={self.module.params['patience']}",
            f"--unit={TIMER}",
            "sh",
            "-c",
            back,
        )
        if not self.failures:
            self.attempt(f"keys of {self.login}", write_keys, self.known[self.login], self.login_keys)
        return str(self.former)


def entries(folder: Path, uid: int) -> list[Path]:
    """What a user owns directly in a folder."""
    try:
        return [path for path in folder.iterdir() if path.lstat().st_uid == uid]
    except OSError:
        return []


def unlink(path: Path) -> None:
    """Remove a file if it exists."""
    path.unlink(missing_ok=True)


def remove_tree(path: Path) -> None:
    """Remove whatever exists there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def hand_over(path: Path, former: int, uid: int, gid: int) -> None:
    """Give what an account owned there to another one. Links are not followed, nor other disks entered."""
    try:
        top = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISDIR(top.st_mode):
        for _, folders, files, at in os.fwalk(path, follow_symlinks=False):
            folders[:] = [name for name in folders if os.lstat(name, dir_fd=at).st_dev == top.st_dev]
            for name in [*folders, *files]:
                if os.lstat(name, dir_fd=at).st_uid == former:
                    os.chown(name, uid, gid, dir_fd=at, follow_symlinks=False)
        path.chmod(0o700)
    if top.st_uid == former:
        os.chown(path, uid, gid, follow_symlinks=False)


def ssh_folder(account: Account) -> Path:
    """Where keys are; something else in its place could lead to the keys of others."""
    folder = Path(account.home) / ".ssh"
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        folder.unlink()
    return folder


def remove_keys(account: Account) -> None:
    """Nobody logs in with a key any more."""
    for name in ("authorized_keys", "authorized_keys2"):
        unlink(ssh_folder(account) / name)


def write_keys(account: Account, keys: list[str]) -> None:
    """Write the keys, readable by their owner alone."""
    folder = ssh_folder(account)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chown(folder, account.uid, account.gid)
    folder.chmod(0o700)
    unlink(folder / "authorized_keys2")
    new = folder / ".authorized_keys.new"
    unlink(new)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content(keys))
        os.fchown(file.fileno(), account.uid, account.gid)
    new.replace(folder / "authorized_keys")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "admins": {"type": "dict", "required": True},
            "login_user": {"type": "str", "default": ""},
            "login_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "patience": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    host = Host(module)
    host.refuse()
    # Whoever loses the group is still known by this when a killed run is started again.
    host.record({account.name for account in host.leavers} | set(host.present))
    host.leave()
    host.stay()
    former = host.log_in()
    now = accounts(read(Path("/etc/passwd")))
    host.record({account.name for account in host.leavers if account.name in now} | set(host.present))
    if host.failures:
        module.fail_json(msg="; ".join(host.failures), actions=host.actions, login_former=former)
    module.exit_json(changed=bool(host.actions), actions=host.actions, login_former=former)


if __name__ == "__main__":
    main()
