"""Targets of make hand on what they are given, and no more."""

from __future__ import annotations

import re
import subprocess

import pytest

from rehearsal import REPOSITORY


def commands(*arguments: str) -> list[str]:
    """What make would run."""
    command = ["make", "--no-print-directory", "--dry-run", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        (("destroy",), ""),
        (("destroy", "ONLY=bucket koin-archive"), """ -e "only='bucket koin-archive'\""""),
        # Left out, it would mean everything: the playbook refuses it.
        (("destroy", "ONLY=", "NAME=koin"), """ -e "only=''" -e "confirm='koin'\""""),
        (("maintenance", "ON=true", "SITE="), """ -e "on='true'" -e "site=''\""""),
        (("deploy", "SERVICE=koin-prod/api", "IMAGE="), """ -e "service='koin-prod/api'" -e "image=''\""""),
        (("destroy", "ARGS=--check"), " --check"),
    ],
)
def test_a_variable_is_handed_on_when_it_is_given(arguments: tuple[str, ...], given: str) -> None:
    made = commands(*arguments)[-1]
    assert re.sub(" +", " ", made.partition("-i inventories/rehearsal")[2].removeprefix("/hosts.yml")).rstrip() == given


def targets() -> list[str]:
    """Those that run a playbook."""
    text = (REPOSITORY / "Makefile").read_text()
    found = re.findall(r"^([a-z]+): setup ##[^\n]*\n((?:\t[^\n]*\n)+)", text, re.MULTILINE)
    return [name for name, recipe in found if "ansible-playbook" in recipe]


@pytest.mark.parametrize("target", targets())
def test_every_playbook_takes_options_of_ansible(target: str) -> None:
    """So that `ARGS=--check` is never left out without a word."""
    required = ("SERVICE=a/b", "IMAGE=:1", "TO=latest", "ON=true", "SECRET=x", "HOST=x")
    ran = [line for line in commands(target, *required, "ARGS=--check") if line.startswith("ansible-playbook")]
    assert ran
    assert all("--check" in line.split() for line in ran)
