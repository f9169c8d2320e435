"""The checks of a running platform notice what they are there for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.files import load_file

REPOSITORY = Path(__file__).resolve().parents[2]
EDGE = load_file("checks/verify/test_edge.py")
HOSTS = load_file("checks/verify/test_hosts.py")
PEOPLE = load_file("checks/verify/test_people.py")
MONITORING = load_file("checks/verify/test_monitoring.py")
NOW = 1_800_000_000


def service(active: str, sub: str, again: int, since: int | None) -> str:
    """A service as systemd shows it; one that never ran has no time."""
    changed = "" if since is None else f"@{NOW - since}"
    return f"Id=x.service\nActiveState={active}\nSubState={sub}\nNRestarts={again}\nStateChangeTimestamp={changed}"


@pytest.mark.parametrize(
    ("state", "noticed"),
    [
        (("active", "running", 0, 1), False),
        (("inactive", "dead", 0, None), False),
        # Once, and well ever since.
        (("active", "running", 3, 600), False),
        (("active", "running", 3, 20), True),
        (("activating", "auto-restart", 0, 2), True),
        (("activating", "auto-restart-queued", 5, 2), True),
        # One that takes long to fail.
        (("activating", "start", 5, 80), True),
        (("activating", "start", 0, 80), False),
    ],
)
def test_a_service_that_restarts_again_and_again_is_noticed(state: Any, noticed: bool) -> None:
    shown = f"{NOW}\n\n{service('active', 'running', 0, 9999)}\n\n{service(*state)}\n"
    host = SimpleNamespace(check_output=lambda _: shown)
    assert bool(HOSTS.restarting(host)) is noticed


SOCKETS = """\
tcp LISTEN 0 511 0.0.0.0:443 0.0.0.0:* users:(("nginx",pid=812,fd=6),("nginx",pid=811,fd=6))
tcp LISTEN 0 511 [::]:443 [::]:* users:(("nginx",pid=811,fd=7))
tcp LISTEN 0 128 127.0.0.1:8090 0.0.0.0:* users:(("python3",pid=5,fd=3))
tcp LISTEN 0 128 [::1]:8090 [::]:* users:(("python3",pid=5,fd=4))
tcp LISTEN 0 4096 *:9100 *:* users:(("prometheus-node",pid=9,fd=3))
udp UNCONN 0 0 172.31.0.20%ens5:68 0.0.0.0:* users:(("systemd-network",pid=2,fd=9))
udp UNCONN 0 0 0.0.0.0:4789 0.0.0.0:*
"""
LISTENING: dict[str, Any] = {
    "inventory_hostname": "koin-prod",
    "verify_listening": ["tcp 443", "tcp 9100"],
    "verify_listening_sometimes": ["udp 68", "udp 4789"],
    "verify_guarded": [],
}


def sockets(lines: str = SOCKETS) -> Any:
    """A host on which this listens."""
    return SimpleNamespace(check_output=lambda _: lines)


def test_what_listens_beyond_loopback_is_seen_with_its_program() -> None:
    assert HOSTS.listeners(sockets()) == {
        "tcp 443": "nginx",
        "tcp 9100": "prometheus-node",
        "udp 68": "systemd-network",
        "udp 4789": "kernel",
    }


def test_a_port_that_is_not_declared_is_noticed_and_one_that_does_not_listen() -> None:
    HOSTS.test_what_listens_is_what_is_declared(sockets(), LISTENING)
    HOSTS.test_what_listens_is_what_is_declared(sockets(SOCKETS.rpartition("udp")[0]), LISTENING)
    with pytest.raises(AssertionError, match=r"^tcp 9100 listens and is not declared: prometheus-node$"):
        HOSTS.test_what_listens_is_what_is_declared(sockets(), LISTENING | {"verify_listening": ["tcp 443"]})
    with pytest.raises(AssertionError, match=r"^tcp 22222 is declared and does not listen$"):
        wanted = ["tcp 443", "tcp 9100", "tcp 22222"]
        HOSTS.test_what_listens_is_what_is_declared(sockets(), LISTENING | {"verify_listening": wanted})


def test_what_is_open_in_the_account_is_compared_with_what_listens() -> None:
    notes: list[str] = []
    seen = LISTENING | {"verify_open": {"tcp": [[80, 80], [443, 443]], "udp": [[4789, 4789]]}}
    HOSTS.test_what_is_open_is_compared_with_what_listens(sockets(), seen, notes.append)
    assert notes == [
        "koin-prod: open, but nothing listens: tcp/80",
        "koin-prod: listens, but nobody else reaches it: tcp/9100 (prometheus-node)",
    ]
    with pytest.raises(pytest.skip.Exception):
        HOSTS.test_what_is_open_is_compared_with_what_listens(sockets(), LISTENING, notes.append)


def test_notes_are_printed_by_checks_that_pass(tmp_path: Path) -> None:
    (tmp_path / "test_noted.py").write_text("def test_noted(note):\n    note('koin-db: tcp/1')\n")
    command = [sys.executable, "-m", "pytest", "--quiet", "--config-file=/dev/null", f"--rootdir={tmp_path}"]
    command += ["-p", "no:cacheprovider", "-p", "conftest", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "checks/verify")}
    run = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "note: koin-db: tcp/1" in run.stdout.splitlines()
    assert "1 passed" in run.stdout.splitlines()[-1]


class Visit:
    """A connection to an edge: one page of two is broken."""

    def __init__(self, name: str, *_: Any) -> None:
        self._status = 502 if name == "b" else 401

    def request(self, *_: str) -> None:
        """Take no notice."""

    def getresponse(self) -> Any:
        """Answer as nginx does, with the header on every page."""
        return SimpleNamespace(status=self._status, getheader=lambda _: "max-age=1")

    def close(self) -> None:
        """Take no notice."""


def test_an_error_of_the_edge_is_noticed_but_for_pages_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EDGE, "Connection", Visit)
    monkeypatch.setattr(EDGE, "trust", lambda *_: None)
    variables = {"verify_names": ["a", "b"], "ansible_host": "", "verify_names_elsewhere": []}
    with pytest.raises(AssertionError, match="'b': 502"):
        EDGE.test_every_name_has_its_certificate_and_is_served(None, variables)
    EDGE.test_every_name_has_its_certificate_and_is_served(None, variables | {"verify_names_elsewhere": ["b"]})


def test_a_page_that_is_shown_without_a_login_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EDGE, "Connection", Visit)
    monkeypatch.setattr(EDGE, "trust", lambda *_: None)
    EDGE.test_nothing_is_shown_without_a_login(None, {"verify_names_login": ["a"], "ansible_host": ""})
    with pytest.raises(AssertionError, match="b"):
        EDGE.test_nothing_is_shown_without_a_login(None, {"verify_names_login": ["a", "b"], "ansible_host": ""})


def answering(content: dict[str, Any]) -> Any:
    """A host whose Prometheus answers so, whatever it is asked."""
    return SimpleNamespace(check_output=lambda _: json.dumps({"data": content}))


def target(job: str, instance: str, health: str, error: str = "") -> dict[str, Any]:
    """A target as Prometheus tells of it."""
    return {"labels": {"job": job, "instance": instance}, "health": health, "lastError": error}


def test_a_target_that_does_not_answer_is_noticed_and_a_host_that_is_none() -> None:
    targets = [target("node", "a", "up"), target("mysqld", "a", "down", "refused"), target("node", "b", "unknown")]
    assert MONITORING.silent(answering({"activeTargets": targets}), ["a", "b", "c"]) == [
        "c: Prometheus does not scrape its node exporter",
        "mysqld of a: refused",
        "node of b: unknown",
    ]
    assert MONITORING.silent(answering({"activeTargets": targets[:1]}), ["a"]) == []


def alert(name: str, state: str, severity: str, instance: str) -> dict[str, Any]:
    """An alert as Prometheus tells of it."""
    labels = {"alertname": name, "severity": severity, "instance": instance}
    return {"state": state, "labels": labels, "annotations": {"summary": f"{name} {instance}"}}


def test_a_critical_alert_is_noticed_but_for_pages_of_others() -> None:
    alerts = [
        alert("DatabaseDown", "firing", "critical", "koin-db"),
        alert("DatabaseDown", "pending", "critical", "other"),
        alert("MemoryShort", "firing", "warning", "koin-db"),
        alert("ProbeFailed", "firing", "critical", "api.koreatech.in"),
        alert("ProbeFailed", "firing", "critical", "koreatech.in"),
        alert("CertificateEnding", "firing", "critical", "koreatech.in"),
    ]
    assert MONITORING.critical(answering({"alerts": alerts}), ["koreatech.in"]) == [
        "DatabaseDown koin-db",
        "ProbeFailed api.koreatech.in",
        "CertificateEnding koreatech.in",
    ]


def test_a_part_of_the_platform_is_refused(tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(json.dumps({"all": {"hosts": {"localhost": {}, "koin-prod": {}}}}))
    command = ["ansible-playbook", "playbooks/verify.yml", "-i", str(inventory), "--limit", "koin-prod"]
    refused = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "Run it without `--limit koin-prod`" in refused.stdout + refused.stderr


def people(**answers: str) -> Any:
    """A host that answers so: to sshd, to the question for keys, and to those about root."""
    known = {
        "sshd -T": "port 22\nallowusers admin\nallowusers minsu\n",
        PEOPLE._KEYS: 'admin ssh-ed25519 AAAAone koin\nminsu ssh-ed25519 AAAAtwo\nroot command="x" ssh-rsa AAAAaws\n',
        PEOPLE._SUDO: "root\nadmin\nminsu\n",
        PEOPLE._NAMED_BY_SUDO: "Defaults use_pty\nroot ALL=(ALL) ALL\n%admins ALL=(ALL) ALL\nadmin ALL=(ALL) ALL\n",
        "getent group": "root:x:0:\nadmins:x:998:minsu\ndocker:x:997:\nutmp:x:43:games\n",
    } | answers
    return SimpleNamespace(check_output=lambda command: known.get(command, "root\n"))


DECLARED = {"verify_people": {"admin": ["ssh-ed25519 AAAAone other"], "minsu": ["ssh-ed25519 AAAAtwo"]}}


def test_people_as_declared_pass() -> None:
    PEOPLE.test_who_can_log_in_is_who_is_declared(people(), DECLARED)
    PEOPLE.test_who_can_become_root_is_who_is_declared(people(), DECLARED)


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ("admin ssh-ed25519 AAAAone\n", "minsu is declared and cannot log in"),
        (
            "admin ssh-ed25519 AAAAone\nminsu ssh-ed25519 AAAAnew\n",
            "minsu cannot log in with a declared key: …ssh-ed255",
        ),
        ("admin ssh-ed25519 AAAAone\nadmin ssh-ed25519 AAAAtwo\nminsu ssh-ed25519 AAAAtwo\n", "not declared: …ssh-ed2"),
        ('admin ssh-ed25519 AAAAone\nminsu from="::1" ssh-ed25519 AAAAtwo\n', "minsu cannot log in with a declared"),
    ],
)
def test_keys_that_are_not_the_declared_ones_are_noticed(shown: str, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        PEOPLE.test_who_can_log_in_is_who_is_declared(people(**{PEOPLE._KEYS: shown}), DECLARED)


def test_a_stranger_who_can_log_in_is_noticed() -> None:
    shown = "admin ssh-ed25519 AAAAone\nminsu ssh-ed25519 AAAAtwo\neve ssh-ed25519 AAAAeve\n"
    # Whom sshd does not let in may have keys.
    PEOPLE.test_who_can_log_in_is_who_is_declared(people(**{PEOPLE._KEYS: shown}), DECLARED)
    with pytest.raises(AssertionError, match="eve can log in and is not declared"):
        PEOPLE.test_who_can_log_in_is_who_is_declared(people(**{PEOPLE._KEYS: shown, "sshd -T": "port 22"}), DECLARED)


@pytest.mark.parametrize(
    "answers",
    [
        {PEOPLE._SUDO: "root\nadmin\nminsu\neve\n"},
        {PEOPLE._SUDO: "root\nadmin\n"},
        {PEOPLE._NAMED_BY_SUDO: "eve ALL=(ALL) NOPASSWD:ALL\n"},
        {"getent group": "docker:x:997:minsu,eve\n"},
        {"awk -F: '$3 == 0 { print $1 }' /etc/passwd": "root\ntoor\n"},
    ],
)
def test_a_stranger_who_can_become_root_is_noticed(answers: dict[str, str]) -> None:
    with pytest.raises(AssertionError):
        PEOPLE.test_who_can_become_root_is_who_is_declared(people(**answers), DECLARED)
