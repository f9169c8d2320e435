"""The programs of bin/: they find .venv, and the login command names hosts and reasons."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rehearsal import REPOSITORY
from tests.support.files import load_file

SSH = load_file("bin/koin-ssh")
KNOWN: dict[str, dict[str, Any]] = {"koin-prod": {}, "koin-db": {}, "Old_Host": {}}


@pytest.mark.parametrize(
    ("wanted", "host"),
    [("koin-prod", "koin-prod"), ("KOIN_PROD", "koin-prod"), ("Koin-DB", "koin-db"), ("Old_Host", "Old_Host")],
)
def test_both_spellings_of_a_host(wanted: str, host: str) -> None:
    assert SSH.choose(KNOWN, wanted, "here") == host


@pytest.mark.parametrize(
    ("known", "wanted", "message"),
    [
        (KNOWN, "koin-prd", "no host koin-prd: here has Old_Host, koin-db, koin-prod"),
        (KNOWN, "all", "no host all: here has Old_Host, koin-db, koin-prod"),
        (KNOWN, "", "name a host: here has Old_Host, koin-db, koin-prod"),
        ({}, "koin-prod", "here has no hosts: start the instances, or choose another INVENTORY"),
    ],
)
def test_another_host_is_refused_with_those_there_are(known: dict[str, object], wanted: str, message: str) -> None:
    with pytest.raises(SSH.LoginError) as refused:
        SSH.choose(known, wanted, "here")
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("where", "command"),
    [
        ({"user": "admin", "port": 22222, "key": "", "options": ""}, "ssh -p 22222 admin@10.0.0.1 uptime"),
        ({"user": "", "port": 22, "key": "", "options": ""}, "ssh -p 22 10.0.0.1 uptime"),
        ({"user": "a", "port": 22, "key": "/k", "options": "-F none"}, "ssh -F none -i /k -p 22 a@10.0.0.1 uptime"),
    ],
)
def test_the_command_is_what_the_variables_say(where: dict[str, object], command: str) -> None:
    assert " ".join(SSH.command({"host": "10.0.0.1", **where}, ["uptime"])) == command


BROKEN = """\
[WARNING]: Failed to parse inventory with 'amazon.aws.aws_ec2' plugin: Failed to describe instances: no credentials

Failed to parse inventory with 'amazon.aws.aws_ec2' plugin.
[WARNING]: Failed to parse inventory with 'constructed' plugin: Incorrect plugin name in file: amazon.aws.aws_ec2
[WARNING]: Failed to parse inventory with 'yaml' plugin: Plugin configuration YAML file, not YAML inventory

[ERROR]: Completely failed to parse inventory source /x/aws_ec2.yml
"""


def test_of_a_broken_inventory_the_reason_is_shown() -> None:
    assert SSH.reason(BROKEN).splitlines() == [
        "  Failed to describe instances: no credentials",
        "  Completely failed to parse inventory source /x/aws_ec2.yml",
    ]
    assert SSH.reason("one\ntwo\n") == "  one\n  two"


@pytest.mark.parametrize("program", ["generate_docs.py", "koin-ssh", "prices", "scenarios"])
def test_without_the_environment_it_says_how_to_make_it(tmp_path: Path, program: str) -> None:
    shutil.copytree(REPOSITORY / "bin", tmp_path / "bin")
    command = [sys.executable, str(tmp_path / "bin" / program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"{program}: {tmp_path / '.venv'} is missing: run `make setup`\n"


def test_it_goes_on_in_the_environment(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "bin", tmp_path / "bin")
    scripts = tmp_path / ".venv" / "bin"
    scripts.mkdir(parents=True)
    python = scripts / "python"
    python.write_text('#!/bin/sh\necho "${PATH%%:*}" "$@"\n')
    python.chmod(0o755)
    command = [sys.executable, str(tmp_path / "bin" / "koin-ssh"), "koin-prod", "uptime"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [str(scripts), command[1], "koin-prod", "uptime"], done.stderr


def test_no_program_has_a_tool_s_name_or_a_twin() -> None:
    programs = {path.stem for path in (REPOSITORY / "bin").iterdir() if path.is_file()}
    assert len({name.replace("_", "-") for name in programs}) == len(programs)
    assert not programs & {"ssh", "molecule", "ansible", "pytest"}
