"""Host roles are for every architecture, and what they restart is restarted after a run that was killed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import filter_loader
from ansible.template import Templar

REPOSITORY = Path(__file__).resolve().parents[2]
ROLES = [path for path in sorted((REPOSITORY / "roles").iterdir()) if not path.name.startswith("aws_")]
#: files of a role that end up on a host, or decide what does
FOLDERS = ("defaults", "files", "handlers", "library", "module_utils", "filter_plugins", "tasks", "templates", "vars")
INTEL = re.compile(r"\b(amd64|x86[_-]64|i[36]86)\b")
ARM = re.compile(r"\b(arm64|aarch64)\b")
MACHINES = ("x86_64", "aarch64")
#: what roles know of a host before they begin, but for its architecture
FACTS = {
    "ansible_local": {},
    "default_ipv4": {"address": "172.31.0.10", "interface": "ens5"},
    "distribution": "Debian",
    "distribution_major_version": "13",
    "distribution_release": "trixie",
    "installed_packages": [],
    "memtotal_mb": 1900,
    "os_family": "Debian",
    "swaptotal_mb": 0,
    "virtualization_role": "guest",
    "virtualization_type": "kvm",
}
#: handlers that make a service take its new files; others only look or tell
RESTARTS = re.compile(r"state: (restarted|reloaded)")


def name_of(path: Path) -> str:
    """How a parametrised test is called."""
    return path.name


def files(role: Path) -> Iterator[Path]:
    """Text files of a role."""
    for folder in FOLDERS:
        yield from (path for path in (role / folder).rglob("*") if path.is_file() and path.suffix != ".pyc")


@pytest.mark.parametrize("role", ROLES, ids=name_of)
def test_who_names_one_architecture_names_the_other(role: Path) -> None:
    one_sided = [
        str(path.relative_to(role))
        for path in files(role)
        if bool(INTEL.search(path.read_text())) != bool(ARM.search(path.read_text()))
    ]
    assert one_sided == []


def strings(value: Any) -> Iterator[str]:
    """Every string inside a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def declared(*patterns: tuple[Path, str]) -> dict[str, Any]:
    """Variables of files, as templates."""
    found: dict[str, Any] = {}
    for folder, pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            found |= DataLoader().load_from_file(str(path), trusted_as_template=True) or {}
    return found


def rendered(role: Path, machine: str) -> dict[str, str]:
    """Every variable of a role on a host of an architecture; why not, where it takes more than a host to know."""
    own = declared((role, "defaults/*.yml"), (role, "vars/*.yml"))
    required = {"valkey_admin_password": "x" * 32}
    host = {"inventory_hostname": "koin-any", "ansible_facts": FACTS | {"architecture": machine, "machine": machine}}
    known = own | declared((REPOSITORY / "group_vars/all", "*.yml")) | declared((role, "vars/*.yml")) | required | host
    filter_loader.add_directory(str(role / "filter_plugins"))
    templar = Templar(loader=DataLoader(), variables=known)

    def render(name: str) -> str:
        try:
            return str(templar.template(known[name]))
        except AnsibleError as error:
            return f"not to be rendered: {error}"

    return {name: render(name) for name in own}


@pytest.mark.parametrize("role", ROLES, ids=name_of)
def test_values_are_the_same_on_both_architectures_but_for_its_name(role: Path) -> None:
    intel, arm = (rendered(role, machine) for machine in MACHINES)
    for name, text in (own := declared((role, "defaults/*.yml"), (role, "vars/*.yml"))).items():
        if "ansible_facts" in str(text):
            assert not intel[name].startswith("not to be rendered"), (name, intel[name])
    assert {name: INTEL.sub("?", intel[name]) for name in own} == {name: ARM.sub("?", arm[name]) for name in own}


@pytest.mark.parametrize("role", ROLES, ids=name_of)
def test_what_restarts_is_made_up_for_after_a_killed_run(role: Path) -> None:
    path = role / "handlers/main.yml"
    handlers = yaml.safe_load(path.read_text()) if path.exists() else []
    listening = [handler for handler in handlers if "A run was interrupted" in _list(handler.get("listen"))]
    made_up = {unit(handler) for handler in listening}
    # By one that has looked whether it has to be.
    told = {str(name) for handler in listening for name in _list(handler.get("notify"))}
    forgotten = [
        handler["name"]
        for handler in handlers
        if RESTARTS.search(yaml.safe_dump(handler)) and unit(handler) not in made_up and handler["name"] not in told
    ]
    assert forgotten == []


def unit(handler: dict[str, Any]) -> str:
    """What the handler restarts; itself where that is not a unit."""
    return str(handler.get("ansible.builtin.systemd_service", {}).get("name", handler["name"]))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def test_what_docker_runs_is_audited_where_auditd_is(monkeypatch: pytest.MonkeyPatch) -> None:
    docker = REPOSITORY / "roles/docker"
    assert rendered(docker, MACHINES[0])["__docker_audited"] == "False"
    monkeypatch.setitem(FACTS, "installed_packages", ["auditd", "docker.io"])
    assert rendered(docker, MACHINES[0])["__docker_audited"] == "True"
    rules = (docker / "templates/audit.rules.j2").read_text()
    # CIS Docker 1.1.3 to 1.1.18, for what Debian's packages have.
    watched = set(re.findall(r"(?:-w |path=)(\S+)", rules))
    assert {"/usr/sbin/dockerd", "/run/containerd/containerd.sock", "/var/lib/docker", "/etc/docker/"} <= watched
    assert {"/usr/lib/systemd/system/docker.service", "/usr/lib/systemd/system/docker.socket"} <= watched
    assert {"/run/docker.sock", "/etc/default/docker", "/etc/containerd/", "/usr/bin/containerd"} <= watched
    assert {"/usr/bin/containerd-shim-runc-v2", "/usr/sbin/runc"} <= watched
    # Recursively, every file that a container writes would be reported.
    assert "-w /var/lib/docker" not in rules
