"""Every command of the first two tables in docs/operations.md, on the rehearsal that runs.

`make rehearse`, then `make everyday`.

Commands are taken from the page itself, so one that is written there and does not work is found here.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator

import pytest

from rehearsal import COMMAND, REPOSITORY
from tests.support.scripts import on_path

PAGE = REPOSITORY / "docs/operations.md"
SECTIONS = ("Every day", "When something is on fire")
#: begins a command; `plan.yml … -e` is short for the playbook's whole line
COMMANDS = ("make ", "ansible-playbook ", "plan.yml … ", "provision.yml … ", "sudo ", "systemctl ")
#: where a command of a host is tried when the page does not name the host
ANY_HOST = "koin-prod"
#: what a command needs beside what the page says, and exit codes that are no failure
WITH = {"make rotate": "make rotate SECRET=mariadb_koin_stage"}
#: status says what is wrong by its exit code; systemctl, that a unit is not active; jq, that there is no such line
ALLOWED = {"make status": (0, 2), "systemctl status": (0, 3)}


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Host (none for this machine) and command, of every row of the tables."""
    for section in re.split(r"^## ", text, flags=re.MULTILINE):
        if not section.startswith(SECTIONS):
            continue
        for row in (line for line in section.splitlines() if line.startswith("| ")):
            host = ANY_HOST
            for words in re.finditer(r"[Oo]n ([a-z]+-[a-z]+)|`([^`]+)`", row):
                if words[1]:
                    host = words[1]
                elif words[2].startswith(COMMANDS):
                    yield (host if words[2].startswith(("sudo ", "systemctl ")) else "", words[2])


def here(command: str) -> str:
    """The command for the rehearsal."""
    command = re.sub(r" INVENTORY=\S+| -i inventories/production", "", command)
    command = re.sub(r"^((?:plan|provision)\.yml) …", r"ansible-playbook playbooks/\1", command)
    for begin, whole in WITH.items():
        if command.startswith(begin):
            command = whole
    return command


ROWS = [(host, here(command)) for host, command in dict.fromkeys(commands(PAGE.read_text()))]


def run(host: str, command: str) -> subprocess.CompletedProcess[str]:
    """On a host, or here as an operator does."""
    # Variables that were given to `make everyday` are not for the commands.
    own = {name: value for name, value in os.environ.items() if name not in ("ARGS", "MAKEFLAGS", "MAKEOVERRIDES")}
    return subprocess.run(
        [*COMMAND, "hosts", "shell", host, command] if host else shlex.split(command),
        cwd=REPOSITORY,
        env=own | on_path(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module", autouse=True)
def _as_before() -> Iterator[None]:
    """A second release of the services, so that there is one to go back to; and an end of what the page begins."""
    newer = run("", "ansible-playbook playbooks/configure/services.yml -e app_build_revision=everyday")
    assert newer.returncode == 0, newer.stdout[-4000:] + newer.stderr
    yield
    (REPOSITORY / "koin.plan").unlink(missing_ok=True)
    for host, command in ((ANY_HOST, "sudo edge-maintenance off all"), ("", "make maintenance ON=false")):
        assert run(host, command).returncode == 0


@pytest.mark.parametrize(
    ("host", "command"), ROWS, ids=[f"{host}{': ' * bool(host)}{command}" for host, command in ROWS]
)
def test_what_the_page_says_works(host: str, command: str) -> None:
    done = run(host, command)
    allowed = next((codes for begin, codes in ALLOWED.items() if command.startswith(begin)), (0,))
    assert done.returncode in allowed, done.stdout[-4000:] + done.stderr[-4000:]
