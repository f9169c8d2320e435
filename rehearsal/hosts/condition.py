"""The state of a host, read through podman: systemd, sshd, host keys. No port probes, because sshd penalises them."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .command import attempt

# Waiting is done inside: asking again and again costs a busy machine more than booting does.
_ASK = r"""
state=$(timeout 15 systemctl is-system-running --wait)
echo "state ${state:-starting}"
case $state in running | degraded) ;; *) exit ;; esac
systemctl is-active ssh | sed 's/^/ssh /'
/usr/sbin/sshd -T 2>/dev/null | sed -n 's/^port /port /p'
cat /etc/ssh/ssh_host_*_key.pub | cut -d ' ' -f 1,2 | sed 's/^/key /'
systemctl list-units --failed --plain --no-legend | cut -d ' ' -f 1 | sed 's/^/failed /'
"""


def boot_seconds(*, emulates: bool) -> float:
    """How long a boot may take: an emulated host needs half a minute, and two on a machine that is busy."""
    return 300.0 if emulates else 120.0


@dataclass(frozen=True)
class Condition:
    """What a host reports about itself."""

    #: of systemd: running, degraded (units have failed), starting …; "" when it does not answer
    state: str = ""
    ssh: bool = False
    ports: tuple[int, ...] = ()
    keys: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether it has booted and accepts logins."""
        return self.state in ("running", "degraded") and self.ssh and bool(self.keys)


def parse(answer: str) -> Condition:
    """Read the answer of a host."""
    found: dict[str, list[str]] = {}
    for line in answer.splitlines():
        key, _, value = line.partition(" ")
        found.setdefault(key, []).append(value)
    return Condition(
        state=found.get("state", [""])[0],
        ssh=found.get("ssh") == ["active"],
        ports=tuple(int(port) for port in found.get("port", [])),
        keys=tuple(found.get("key", [])),
        failed=tuple(found.get("failed", [])),
    )


def ask(containers: Iterable[str]) -> dict[str, Condition]:
    """Ask several at once."""
    names = list(containers)
    with ThreadPoolExecutor(max_workers=8) as pool:
        return dict(zip(names, pool.map(_ask, names), strict=True))


def _ask(container: str) -> Condition:
    return parse(attempt(["podman", "exec", container, "sh", "-c", _ASK], seconds=60).stdout)
