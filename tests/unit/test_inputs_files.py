"""The check of everything declared, over files: file and line of each problem, from every playbook, before any host."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.input_check import REPOSITORY, input_check, rehearsal_folder


def said(folder: Path, file: str, before: str, after: str) -> list[str]:
    """Problems of a copy of the declaration with one edit."""
    shutil.copytree(REPOSITORY / "group_vars", folder / "group_vars")
    shutil.copytree(REPOSITORY / "inventories", folder / "inventories", symlinks=True)
    # The top of a repository, so that paths are relative to it.
    (folder / "ansible.cfg").touch()
    path = folder / file
    text = path.read_text() if path.exists() else ""
    assert before in text
    path.write_text(text.replace(before, after, 1) if before else text + after)
    with rehearsal_folder():
        return [str(problem) for problem in input_check(folder).problems()]


def line(file: str, text: str) -> int:
    """The line of the first place of a text in a file of the repository, counted from 1."""
    return (REPOSITORY / file).read_text().partition(text)[0].count("\n") + 1


@pytest.mark.parametrize(
    ("file", "before", "after", "where", "parts"),
    [
        (
            "group_vars/all/aws_compute.yml",
            "size: 20",
            "size: 20GB",
            "aws_compute_instance_defaults.root_volume.size",
            ["`20GB` is not a whole number", "write 20, without the unit"],
        ),
        (
            "group_vars/all/app.yml",
            "replicas: 1",
            "replicas: -1",
            "app_stacks.koin-stage.services.api.replicas",
            ["koin-stage", "from 0 to 100"],
        ),
        (
            "group_vars/all/base.yml",
            "base_admins: {}",
            "base_timezone: Aisa/Seoul\nbase_admins: {}",
            "base_timezone",
            ["write Asia/Seoul", "koin-db"],
        ),
        (
            "group_vars/all/aws_compute.yml",
            "role: PROD",
            "role: PRDO",
            "aws_compute_instances.KOIN_PROD.role",
            ["`PRDO` is not a declared role", "write `PROD`"],
        ),
        (
            "group_vars/all/aws_compute.yml",
            "  KOIN_DB:",
            "  코인_DB:",
            "aws_compute_instances.코인_DB",
            ["HANGUL", "ASCII"],
        ),
        (
            "group_vars/all/aws_compute.yml",
            "functions: [swarm_managers, edge]\n    swarm: stage",
            "functions: edge\n    swarm: stage",
            "aws_compute_instances.KOIN_STAGE.functions",
            ["write [edge]"],
        ),
        (
            "group_vars/all/aws_compute.yml",
            "private_ip: 172.31.32.20",
            "private_ip: 172.31.32.2000",
            "aws_compute_instances.KOIN_DB.private_ip",
            ["not an IPv4 address"],
        ),
        (
            "group_vars/all/aws_security.yml",
            "aws_security_ssh_port: 22222",
            "aws_security_ssh_port: 70000",
            "aws_security_ssh_port",
            ["70000 is not a port"],
        ),
        (
            "inventories/rehearsal/hosts.yml",
            "aws_security_admin_cidrs: [172.31.255.0/24]",
            "aws_security_admin_cidrs: 172.31.255.0/24",
            "aws_security_admin_cidrs",
            ["write [172.31.255.0/24]"],
        ),
        (
            "group_vars/all/sites.yml",
            "  KOIN_PROD:",
            "  KOIN_PRDO:",
            "platform_sites.KOIN_PRDO",
            ["not declared in aws_compute_instances", "write `KOIN_PROD`"],
        ),
        (
            "group_vars/all/sites.yml",
            "names: [jjbaksa.com]",
            "names: [jjbaksa.org]",
            "platform_sites.KOIN_PROD.jjbaksa.names.0",
            ["is in no declared zone; declared: bcsdlab.com, jjbaksa.com, koreatech.in"],
        ),
        (
            "group_vars/all/aws_security.yml",
            "  DB:\n",
            "  DBS:\n",
            "aws_security_groups.DBS",
            ["`DB`, which 5 entries use, is not declared", "write `DB`"],
        ),
        (
            "group_vars/all/aws_dns.yml",
            "  koreatech.in:",
            "  koreatech.kr:",
            "aws_dns_zones.koreatech.kr",
            ["`koreatech.in`, which has 7 names, is not declared", "write `koreatech.in`"],
        ),
        (
            "group_vars/all/sites.yml",
            "names: [jjbaksa.com]",
            "names: jjbaksa.com",
            "platform_sites.KOIN_PROD.jjbaksa.names",
            ["write [jjbaksa.com]"],
        ),
        (
            "group_vars/all/offers.yml",
            "  http: {function: edge, port: 80, groups: [Web]",
            "  http: {function: edge, port: 80, groups: [Wbe]",
            "platform_offers.http.groups",
            ["write `Web`"],
        ),
        (
            "group_vars/all/offers.yml",
            "  http: {function: edge",
            "  http: {function: edg",
            "platform_offers.http.function",
            ["write `edge`"],
        ),
        (
            "group_vars/all/offers.yml",
            "clients: administrators",
            "clients: admins",
            "platform_offers.ssh.clients",
            ["write `administrators`"],
        ),
    ],
)
def test_a_problem_is_said_once_with_file_and_line(
    tmp_path: Path, file: str, before: str, after: str, where: str, parts: list[str]
) -> None:
    (problem,) = said(tmp_path, file, before, after)
    assert problem.startswith(f"{where} ({file}:{line(file, before)})"), problem
    assert all(part in problem for part in parts), problem


@pytest.mark.parametrize(
    ("file", "text", "parts"),
    [
        ("group_vars/all/sshd.yml", "sshd_prot: 22222\n", ["sshd_prot (group_vars/all/sshd.yml:", "write `sshd_port`"]),
        (
            "group_vars/database/x.yml",
            "mariadb_max_connection: 5\n",
            ["x.yml:1) [koin-db]", "write `mariadb_max_connections`"],
        ),
        (
            "group_vars/all/x.yml",
            "slack_token: xoxb-123\n",
            ["slack_token (group_vars/all/x.yml:1)", "a secret in plain text"],
        ),
    ],
)
def test_what_a_file_adds_is_looked_at(tmp_path: Path, file: str, text: str, parts: list[str]) -> None:
    problems = said(tmp_path, file, "", text)
    assert len({problem.partition(" [")[0] for problem in problems}) == 1, problems
    assert all(part in problems[0] for part in parts), problems


def test_a_host_of_function_edge_has_sites(tmp_path: Path) -> None:
    """As when the file of its sites is emptied."""
    text = (REPOSITORY / "group_vars/all/sites.yml").read_text()
    sites = text[text.index("  KOIN_STAGE:") : text.index("  BCSDLAB_INTERNAL:")]
    problem, origins = sorted(said(tmp_path, "group_vars/all/sites.yml", sites, ""))
    assert problem.startswith("aws_compute_instances.KOIN_STAGE.functions (group_vars/all/aws_compute.yml:"), problem
    assert "it has no site `koin`" in origins
    assert "declare its sites in platform_sites.KOIN_STAGE" in problem


def test_a_secret_that_a_spec_marks_is_noticed_by_its_option(tmp_path: Path) -> None:
    before = '"{{ platform_secrets.valkey_admin }}"'
    (problem,) = said(tmp_path, "group_vars/cache/valkey.yml", before, "plain-text-0123456789")
    assert problem.startswith("valkey_admin_password (group_vars/cache/valkey.yml:"), problem
    assert "a secret in plain text" in problem and "plain-text-0" not in problem


def test_all_problems_are_said_at_once(tmp_path: Path) -> None:
    text = "sshd_prot: 22\nbase_timezone: Seoul\nedge_rate_exempt: 10.0.0.0/8\n"
    problems = said(tmp_path, "group_vars/all/x.yml", "", text)
    assert {problem.partition(" ")[0] for problem in problems} >= {"sshd_prot", "base_timezone", "edge_rate_exempt"}


@pytest.mark.parametrize("playbook", ["plan", "provision", "configure"])
def test_each_playbook_begins_with_it(playbook: str) -> None:
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "ansible-playbook"),
            f"playbooks/{playbook}.yml",
            "-i",
            "inventories/rehearsal/hosts.yml",
            "-e",
            json.dumps({"base_timezone": "Aisa/Seoul", "aws_compute_public_key": ""}),
            # Ansible's own output names each play.
            "-v",
        ],
        cwd=REPOSITORY,
        env=os.environ | {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    output = done.stdout + done.stderr
    assert done.returncode != 0
    # Nothing ran before it, and nothing after it.
    assert output.count("PLAY [") == 1, output
    assert "base_timezone [bcsd-build" in output and "write Asia/Seoul" in output, output
    assert "aws_compute_key_pairs.koin.public_key" in output, output
    assert "no host was asked" in output
