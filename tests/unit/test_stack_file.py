"""The file of a stack as the role app renders it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import filter_loader
from ansible.template import Templar

from rehearsal import REPOSITORY

ROLE = REPOSITORY / "roles/app"
SERVICE: dict[str, Any] = {"image": "r:5000/web:1", "placement": {"env": "prod"}}


def stack(found: list[str], networks: list[str] | None = None, **options: Any) -> Any:
    """The stack `koin` with one service; found: what the deploying manager has answered."""
    loader = DataLoader()
    known: dict[str, Any] = {}
    for path in ("defaults/main.yml", "vars/main.yml"):
        known |= loader.load_from_file(str(ROLE / path), trusted_as_template=True)
    service = SERVICE | ({"networks": networks} if networks else {})
    known |= {
        "app_stacks": {"koin": {"services": {"web": service}}},
        "inventory_hostname": "koin-prod",
        "ansible_play_hosts": ["koin-prod"],
        "ansible_search_path": [str(ROLE)],
        "role_path": str(ROLE),
        "__app_found": {"stdout_lines": found},
    } | options
    filter_loader.add_directory(str(ROLE / "filter_plugins"))
    content = Templar(loader=loader, variables=known).template(known["__app_content"])
    return yaml.safe_load(content["koin"])


ENCRYPTED = {"name": "koin_encrypted", "driver_opts": {"encrypted": ""}}


@pytest.mark.parametrize(
    ("found", "option", "default"),
    [
        (["manager", "several", "encryption=true", "swarm=production"], "auto", ENCRYPTED),
        # Nothing leaves the only node, and its tasks need not start again.
        (["manager", "encryption=true", "swarm=production"], "auto", None),
        (["manager", "several", "encryption=false", "swarm=production"], "auto", None),
        (["manager"], "auto", None),
        (["manager", "encryption=false"], "yes", ENCRYPTED),
        (["manager", "encryption=true"], "no", None),
    ],
)
def test_the_network_of_a_stack_is_encrypted_where_all_kernels_can(found: list[str], option: str, default: Any) -> None:
    networks = stack(found, app_network_encryption=option).get("networks", {})
    assert networks.get("default") == default


def test_other_networks_are_joined_beside_it() -> None:
    content = stack(["manager", "several", "encryption=true"], networks=["shared"])
    assert content["networks"] == {"default": ENCRYPTED, "shared": {"external": True}}
    assert content["services"]["web"]["networks"] == ["default", "shared"]
    assert stack(["manager"], networks=["shared"])["networks"]["default"] == {}


def test_a_manager_is_asked_for_the_labels_of_its_swarm(tmp_path: Path) -> None:
    """The shell must leave the variables of the format alone."""
    loader = DataLoader()
    tasks = loader.load_from_file(str(ROLE / "tasks/manager.yml"), trusted_as_template=True)
    asking = next(task for task in tasks if task.get("register") == "__app_found")
    asked = Templar(loader=loader).template(asking["ansible.builtin.command"]["argv"])
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$*\" >> {tmp_path}/calls\n")
    docker.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(asked, env=environment, check=True, capture_output=True)
    calls = (tmp_path / "calls").read_text()
    assert "range $key, $value := .Spec.Labels}}{{$key}}={{println $value}}" in calls


def test_how_a_service_is_updated_is_as_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = {"order": "start-first", "parallelism": 2, "delay_seconds": 5, "monitor_seconds": 3}
    monkeypatch.setitem(SERVICE, "update", declared)
    deployed = stack(["manager"])["services"]["web"]["deploy"]
    wanted = {"order": "start-first", "parallelism": 2, "delay": "5s", "monitor": "3s", "max_failure_ratio": 0}
    assert deployed["update_config"] == wanted | {"failure_action": "rollback"}
    assert deployed["rollback_config"] == wanted | {"failure_action": "pause"}
