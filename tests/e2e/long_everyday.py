"""Every command that docs/operations.md has for everyday questions, on the rehearsal that runs.

`make rehearse`, then `make everyday`.

Commands are taken from the page itself, so one that is written there and does not work is found here.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml

from rehearsal import COMMAND, REPOSITORY
from tests.support.scripts import on_path

PAGE = REPOSITORY / "docs/operations.md"
SECTIONS = (
    "Every day",
    "When something is on fire",
    "Deploy and roll back",
    "Restore the database",
    "Restore data of a host",
    "Somebody leaves",
    "The platform on one page",
    "Somebody else holds the lock",
    "Who changed what",
    "Take something away",
)
#: begins a command; `plan.yml … -e` is short for the playbook's whole line
COMMANDS = ("make ", "ansible-playbook ", "plan.yml … ", "provision.yml … ", "sudo ", "systemctl ")
#: where a command of a host is tried when the page does not name the host
ANY_HOST = "koin-prod"
#: what a command needs beside what the page says
WITH = {"make rotate": "make rotate SECRET=mariadb_koin_stage"}
#: exit codes that are no failure, by how a command begins: status says what is wrong; systemctl, that a unit is not
#: active
ALLOWED = {"make status": (0, 2), "systemctl status": (0, 3)}
#: deletes what is declared for good: tests/integration/test_destroy.py does it to an account of its own
ELSEWHERE = "-e \"only='bucket koin-archive'\""
KST = timezone(timedelta(hours=9))
#: on the host that pushes images; of role app
PUSHES = "/etc/koin/docker-push"
#: the volume and the table that the page speaks of; KOIN's own declaration has no volume
VOLUME, DATABASE, TABLE = "koin-prod_uploads", "koin_prod", "users"


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Host (none for this machine) and command, of every row of the tables, and of every item of the lists."""
    for section in re.split(r"^## ", text, flags=re.MULTILINE):
        if not section.startswith(SECTIONS):
            continue
        for part in re.split(r"\n(?=\||\d+\. |- |\n)", section)[1:]:
            if not re.match(r"\| |\d+\. |- ", part):
                continue
            host = ANY_HOST
            for words in re.finditer(r"[Oo]n ([a-z]+-[a-z]+)|`([^`]+)`", " ".join(part.split())):
                if words[1]:
                    host = words[1]
                elif words[2].startswith(COMMANDS) and ELSEWHERE not in words[2]:
                    yield (host if words[2].startswith(("sudo ", "systemctl ")) else "", words[2])


def here(command: str) -> str:
    """The command for the rehearsal."""
    command = re.sub(r" INVENTORY=\S+| -i inventories/production", "", command)
    command = re.sub(r"^((?:plan|provision)\.yml) …", r"ansible-playbook playbooks/\1", command)
    for begin, whole in WITH.items():
        if command.startswith(begin):
            command = whole
    return command


def now(command: str) -> str:
    """The command with moments and names as they are only when it is run."""
    command = command.replace("2026-11-27 03:15:20 KST", f"{datetime.now(KST):%Y-%m-%d %H:%M:%S} KST")
    # In the time zone of the machine. What is made there today is a change by a run.
    yesterday, tomorrow = (datetime.now() + timedelta(days=days) for days in (-1, 1))
    command = command.replace("SINCE=2026-11-27 TO=2026-11-28", f"SINCE={yesterday:%Y-%m-%d} TO={tomorrow:%Y-%m-%d}")
    # Nobody but root may list the folder.
    command = re.sub(r"^sudo (.*_restored_)…(/.*)$", r"sudo sh -c '\1*\2'", command)
    return command.replace(f"{VOLUME}_restored_…", f"$(sudo docker volume ls --quiet --filter name={VOLUME}_restored_)")


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


def must(host: str, command: str) -> str:
    """What a command prints that does not fail."""
    done = run(host, command)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def with_volume(folder: Path) -> str:
    """Variables by which the service has the volume that the page restores."""
    stacks = yaml.safe_load((REPOSITORY / "group_vars/all/app.yml").read_text())["platform_stacks"]
    stack, name = VOLUME.split("_")
    service = dict(stacks[stack]["services"]["api"])
    service["mounts"] = {**service["mounts"], "/uploads": {"source": name, "read_only": False, "backup": True}}
    stacks[stack]["services"]["api"] = service
    path = folder / "stacks.json"
    path.write_text(json.dumps({"platform_stacks": stacks}))
    return f"-e @{path}"


def with_restic(folder: Path) -> str:
    """A folder with the restic of the hosts: this machine's may be older than what the page asks for."""
    program = folder / "restic"
    program.write_bytes(base64.b64decode(must("koin-db", "base64 /usr/bin/restic")))
    program.chmod(0o755)
    return str(folder)


@pytest.fixture(scope="module", autouse=True)
def _as_before(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the page takes for granted: releases, an image with the tag 1.4, a table, a volume with a file in it."""
    programs = with_restic(tmp_path_factory.mktemp("programs"))
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("PATH", programs, prepend=os.pathsep)
    given = with_volume(tmp_path_factory.mktemp("everyday"))
    services, backups = (f"ansible-playbook playbooks/configure/{name}.yml" for name in ("services", "backups"))
    must("", f"{services} -e app_build_revision=everyday {given}")
    must("", f"{backups} {given}")
    of_service = "sudo docker service inspect koin-prod_api --format '{{.Spec.TaskTemplate.ContainerSpec.Image}}'"
    image = must("koin-prod", of_service).strip().partition("@")[0]
    for other in (f"{image.rpartition(':')[0]}:1.4", "bcsd-build:5000/koin/api:1.4"):
        push = f"docker tag {image} {other} && DOCKER_CONFIG={PUSHES} docker push --quiet {other}"
        must("bcsd-build", f"sudo sh -euc '{push}'")
    must("koin-prod", f"sudo touch /var/lib/docker/volumes/{VOLUME}/_data/FILE")
    must("koin-db", f"sudo mariadb {DATABASE} -e 'CREATE TABLE IF NOT EXISTS {TABLE} (id INT PRIMARY KEY)'")
    yield
    (REPOSITORY / "koin.plan").unlink(missing_ok=True)
    for host, command in (
        (ANY_HOST, "sudo edge-maintenance off all"),
        ("", "make maintenance ON=false"),
        ("koin-db", f"sudo mariadb {DATABASE} -e 'DROP TABLE IF EXISTS {TABLE}'; rm -f users.sql"),
        ("koin-db", "sudo sh -c 'rm -rf /var/lib/koin-restore/replaced-* /var/lib/koin-backup-data/restored/*'"),
        # Without the volume.
        ("", services),
        ("", backups),
    ):
        must(host, command)
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("host", "command"), ROWS, ids=[f"{host}{': ' * bool(host)}{command}" for host, command in ROWS]
)
def test_what_the_page_says_works(host: str, command: str) -> None:
    done = run(host, now(command))
    allowed = next((codes for begin, codes in ALLOWED.items() if command.startswith(begin)), (0,))
    assert done.returncode in allowed, done.stdout[-4000:] + done.stderr[-4000:]
