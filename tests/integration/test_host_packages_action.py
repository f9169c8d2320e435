"""The task host_packages through Ansible: with the fact there and nothing to do, the host is not asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def test_a_host_is_asked_only_when_there_is_something_to_do(tmp_path: Path) -> None:
    fact = {"ansible.builtin.set_fact": {"installed_packages": ["bash"], "cacheable": True}}
    tasks = [
        {"name": "Know", **fact},
        {"name": "Nothing to do", "host_packages": {"present": ["bash"], "absent": ["telnet"]}, "register": "nothing"},
        # This interpreter does not exist: the module cannot run.
        {"name": "Something", "host_packages": {"present": ["x"]}, "register": "some", "ignore_errors": True},
        {
            "name": "Note",
            "ansible.builtin.assert": {
                "that": ["not nothing.pending", "nothing is not changed", "nothing.installed == []", "some is failed"]
            },
        },
    ]
    head = {"name": "Test", "hosts": "localhost", "connection": "local", "gather_facts": False}
    playbook = tmp_path / "playbook.yml"
    playbook.write_text(json.dumps([{**head, "tasks": tasks}]))
    ansible = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,"]
    done = subprocess.run(
        [*ansible, "-e", "ansible_python_interpreter=/nonexistent/python3", str(playbook)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
