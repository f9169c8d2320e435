"""The play of revoke.yml: a host that does not answer keeps nobody on the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
#: nothing listens there
DEAD = {"ansible_host": "127.0.0.1", "ansible_port": 9}


def revoke(folder: Path, hosts: dict[str, dict[str, Any]], failing: str = "") -> subprocess.CompletedProcess[str]:
    """Play it with a role that leaves a mark where it has run to its end. failing: the host on which it fails."""
    plays = yaml.safe_load((REPOSITORY / "playbooks/revoke.yml").read_text())
    play = next(play for play in plays if play["name"] == "Reconcile the administrators")
    role = [
        {"name": "Compare", "command": "true", "register": "__base_admins_compared"},
        {
            "name": "Reconcile",
            "command": f"touch {folder}/{{{{ inventory_hostname }}}}",
            "register": "__base_admins_changed",
            "failed_when": f"inventory_hostname == '{failing}'",
        },
    ]
    play |= {"become": False, "tasks": [*role, *play["tasks"][1:]]}
    (folder / "play.yml").write_text(json.dumps([play]))
    (folder / "hosts.yml").write_text(json.dumps({"platform": {"hosts": hosts}}))
    (folder / "ansible.cfg").write_text("[defaults]\nhost_key_checking = false\n")
    program = str(Path(sys.executable).parent / "ansible-playbook")
    return subprocess.run(
        [program, "-i", str(folder / "hosts.yml"), str(folder / "play.yml")],
        cwd=folder,
        env=os.environ | {"ANSIBLE_CONFIG": str(folder / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_host_that_is_down_is_named_and_the_others_are_done(tmp_path: Path) -> None:
    done = revoke(tmp_path, {"a": LOCAL, "down": DEAD, "z": LOCAL})
    assert (tmp_path / "a").exists()
    assert (tmp_path / "z").exists()
    assert "down did not answer: nobody lost access there" in " ".join(done.stdout.split())
    assert done.returncode != 0


@pytest.mark.parametrize("failing", ["a", "z"])
def test_a_host_that_fails_does_not_stop_the_others(tmp_path: Path, failing: str) -> None:
    done = revoke(tmp_path, {"a": LOCAL, "m": LOCAL, "z": LOCAL}, failing)
    assert (tmp_path / "m").exists()
    assert done.returncode != 0


def test_when_all_answer_it_succeeds(tmp_path: Path) -> None:
    assert revoke(tmp_path, {"a": LOCAL, "z": LOCAL}).returncode == 0
