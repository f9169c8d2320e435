"""Small playbooks under the platform's own callback, with hosts that answer what a test wants."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal import REPOSITORY
from tests.support.terminal import Shown, in_terminal

#: an action that returns its arguments: whatever a module could answer, without a module
RETURNS = """
import time
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        args = dict(self._task.args)
        time.sleep(args.pop("wait", 0))
        for line in args.pop("print", []):
            Display().display(line)
        for host, more in args.pop("per_host", {}).items():
            args |= more if host == task_vars["inventory_hostname"] else {}
        return {**super().run(tmp, task_vars), **args}
"""
#: `returns` by other names: the tasks that print what they do, and modules whose results are known
NAMES = ("returns", "platform_each", "platform_plan", "host_files", "host_packages")
HOSTS = ("alpha", "beta", "gamma")


@dataclass
class Ran:
    """status: exit status. out, err: what it has printed. recap: counts by host."""

    status: int
    out: str
    err: str
    recap: dict[str, dict[str, int]]

    @property
    def lines(self) -> list[str]:
        """Lines of the output, without how long something took."""
        return self.out.splitlines()


class Playbook:
    """A playbook in a folder of its own."""

    def __init__(self, folder: Path, plays: Any, **files: str) -> None:
        """plays: as in the file; one play on all hosts if it is a list of tasks. files: names with __ for slashes."""
        self.folder = folder
        self._file = folder / "playbook.yml"
        head = {"name": "Play", "hosts": "all", "gather_facts": False}
        plays = plays if "hosts" in plays[0] else [{**head, "tasks": plays}]
        self._file.write_text(json.dumps(plays))
        hosts = {host: {"ansible_connection": "local"} for host in HOSTS}
        hosts["lost"] = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": "1"}
        python = {"ansible_python_interpreter": sys.executable}
        groups = {"here": {"hosts": hosts, "vars": python}}
        (folder / "hosts.yml").write_text(json.dumps({"all": {"children": groups}}))
        (folder / "actions").mkdir(exist_ok=True)
        for name in NAMES:
            (folder / f"actions/{name}.py").write_text(RETURNS)
        for name, content in files.items():
            path = folder / f"{name.replace('__', '/')}.yml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    def command(self, *options: str) -> list[str]:
        """What is run."""
        limit = [] if "--limit" in options else ["--limit", ",".join(HOSTS)]
        program = str(Path(sys.executable).parent / "ansible-playbook")
        return [program, "-i", str(self.folder / "hosts.yml"), str(self._file), *limit, *options]

    @property
    def _environ(self) -> dict[str, str]:
        own = {"ANSIBLE_ACTION_PLUGINS": str(self.folder / "actions"), "ANSIBLE_ROLES_PATH": str(self.folder / "roles")}
        # As for a user: what Python buffers counts.
        unusual = ("ANSIBLE_", "PYTHONUNBUFFERED")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(unusual)}
        return kept | own | {"KOIN_RECAP": str(self.folder / "recap.json")}

    def run(self, *options: str, **environ: str) -> Ran:
        """Not in a terminal."""
        done = subprocess.run(
            self.command(*options),
            cwd=REPOSITORY,
            env=self._environ | environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        recap = self.folder / "recap.json"
        return Ran(done.returncode, done.stdout, done.stderr, json.loads(recap.read_text()) if recap.exists() else {})

    def together(self, *options: str) -> str:
        """Output and errors in one pipe."""
        return subprocess.run(
            self.command(*options),
            cwd=REPOSITORY,
            env=self._environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        ).stdout

    def seen(self, *options: str, columns: int = 80, types: Callable[[str], bytes] = lambda written: b"") -> Shown:
        """In a terminal."""
        return in_terminal(self.command(*options), REPOSITORY, self._environ, columns, types)
