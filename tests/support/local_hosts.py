"""The local hosts of one local AWS, for e2e tests; and what of it stands on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from rehearsal import COMMAND, REPOSITORY

from .local_aws import LocalAws
from .scripts import on_path, script

_ROOT = () if os.geteuid() == 0 else ("sudo", "-n")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def machine_environ() -> dict[str, str]:
    """The proxies of this process as it was started: the tripwire's must not be built into hosts."""
    entries = Path("/proc/self/environ").read_bytes().decode(errors="replace").split("\0")
    pairs = (entry.partition("=") for entry in entries)
    return {name: value for name, _, value in pairs if name.lower() in _PROXIES}


class LocalHosts:
    """`rehearsal hosts` with the state directory of a local AWS.

    owner: pid of the process that they do not outlive for long; this one, unless told.
    """

    def __init__(self, aws: LocalAws, owner: int | None = None) -> None:
        self.aws = aws
        #: what each run of Ansible has printed
        self.printed: list[str] = []
        self._owner = owner or os.getpid()

    def launcher(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `rehearsal hosts`."""
        return subprocess.run(
            [*COMMAND, "hosts", *arguments],
            cwd=REPOSITORY,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=1200,
        )

    @property
    def _environ(self) -> dict[str, str]:
        own = {name: value for name, value in self.aws.process_environ.items() if name.lower() not in _PROXIES}
        return own | machine_environ() | {"REHEARSAL_OWNER": str(self._owner)}

    def killed(self, *arguments: str, after: float) -> None:
        """Run `rehearsal hosts` and kill it; what it has just called goes on to its own end."""
        command = [*COMMAND, "hosts", *arguments]
        with subprocess.Popen(
            command, cwd=REPOSITORY, env=self._environ, stderr=subprocess.DEVNULL, start_new_session=True
        ) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(after)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def ok(self, *arguments: str) -> str:
        """Run `rehearsal hosts` and expect success; its output."""
        done = self.launcher(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def on(self, host: str, command: str) -> str:
        """Run a command on a host over SSH; its output."""
        done = self.launcher("shell", host, command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def ansible(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ansible over the dynamic inventory, as a user does."""
        return self._run("ansible", *arguments)

    def playbook(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a playbook over the dynamic inventory, as a user does."""
        return self._run("ansible-playbook", f"playbooks/{name}.yml", *arguments)

    def recap(self) -> dict[str, dict[str, int]]:
        """Counts by host of the last playbook."""
        counts: dict[str, dict[str, int]] = json.loads(self._recap.read_text())
        return counts

    @property
    def _recap(self) -> Path:
        return self.aws.directory / "recap.json"

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environ = self.aws.process_environ | on_path() | {"ANSIBLE_NOCOLOR": "1", "KOIN_RECAP": str(self._recap)}
        done = subprocess.run(
            [script(program), "-i", "inventories/rehearsal", *arguments],
            cwd=REPOSITORY,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=1800,
        )
        self.printed += [done.stdout, done.stderr]
        return done

    def inside(
        self, host: str, *command: str, stdin: str = "", seconds: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root on a host, past SSH and sudo: nothing of it is logged there."""
        return subprocess.run(
            [*_ROOT, "podman", "exec", "--interactive", f"koin-{self.id}-{host}", *command],
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds,
        )

    def restart(self, host: str) -> None:
        """Switch a host off and on again."""
        _said(*_ROOT, "podman", "restart", "--time", "20", f"koin-{self.id}-{host}")
        self.ok("up")

    @property
    def id(self) -> str:
        """The rehearsal's id."""
        return str(json.loads((self.aws.directory / "local_hosts.json").read_text())["id"])


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def machine() -> dict[str, Any]:
    """Everything of podman, nftables and the network that a rehearsal could leave behind. Images are kept."""
    return {
        "containers": sorted(_said("podman", "ps", "--all", "--quiet").split()),
        "networks": sorted(_said("podman", "network", "ls", "--quiet").split()),
        "volumes": sorted(_said("podman", "volume", "ls", "--quiet").split()),
        # netavark makes two tables at its first use on a machine and keeps them, empty.
        "tables": sorted(set(_said("nft", "list", "tables").splitlines()) - {"table ip nat", "table ip filter"}),
        "chains": sorted(
            line
            for line in _said("nft", "-s", "list", "ruleset").splitlines()
            if "NETAVARK-" in line and "HOSTPORT" not in line
        ),
        "links": sorted(item["ifname"] for item in json.loads(_said("ip", "-j", "link"))),
        "routes": sorted(_said("ip", "-4", "route", "show", "table", "all").splitlines()),
    }
