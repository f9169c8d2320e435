"""The end of configure.yml: when the replacement of the authority goes a step further."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.local_aws import LocalAws
from tests.support.run_module import run_module

REPOSITORY = Path(__file__).resolve().parents[2]
PATH = "/koin/authority"
PARAMETERS = {"authority": {"path": PATH, "kind": "authority", "names": ["koin-db"], "addresses": ["172.31.0.0/16"]}}


def secrets(local_aws: LocalAws, **args: Any) -> dict[str, Any]:
    """What a run reads at its begin."""
    given = {"region": "ap-northeast-2", "parameters": PARAMETERS, **args}
    found: dict[str, Any] = run_module("ssm_secrets", given, environ=local_aws.environ)["secrets"]["authority"]
    return found


def stored(local_aws: LocalAws) -> set[str]:
    """Names of the authority's parameters, below its path."""
    client = local_aws.client("ssm", "ap-northeast-2")
    found = client.get_parameters_by_path(Path=PATH, Recursive=True)["Parameters"]
    return {item["Name"].removeprefix(f"{PATH}/") for item in found}


def end(local_aws: LocalAws, folder: Path, authority: dict[str, Any], *options: str) -> str:
    """Play the end for two hosts, which are this machine; what it says."""
    plays = yaml.safe_load((REPOSITORY / "playbooks/configure.yml").read_text())
    play = next(play for play in plays if play["name"] == "End")
    # The first task removes a mark on the host.
    play |= {"tasks": play["tasks"][1:], "become": False, "connection": "local"}
    values = yaml.safe_load((REPOSITORY / "group_vars/all/secrets.yml").read_text())
    play["vars"] = {name: value for name, value in values.items() if name.startswith("tls_")} | {
        "platform_secrets": {"authority": authority},
        "secrets_parameters": PARAMETERS,
        "aws_region": "ap-northeast-2",
        "ansible_python_interpreter": sys.executable,
    }
    (folder / "end.yml").write_text(json.dumps([play]))
    (folder / "hosts.yml").write_text(json.dumps({"platform": {"hosts": {"a": {}, "b": {}}}}))
    program = str(Path(sys.executable).parent / "ansible-playbook")
    done = subprocess.run(
        [program, "-i", str(folder / "hosts.yml"), str(folder / "end.yml"), *options],
        cwd=REPOSITORY,
        env=local_aws.process_environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PRIVATE KEY" not in done.stdout
    # Long sentences are folded.
    return " ".join(done.stdout.split())


@pytest.fixture
def spread(local_aws: LocalAws) -> dict[str, Any]:
    """Another authority has been made."""
    secrets(local_aws)
    return secrets(local_aws, rotate=["authority"])


@pytest.fixture
def issue(local_aws: LocalAws, spread: dict[str, Any]) -> dict[str, Any]:
    """Every host trusts it, so it signs."""
    secrets(local_aws, advance={"authority": {"step": "spread", "certificate": spread["next"]["certificate"]}})
    return secrets(local_aws)


def test_no_step_is_taken_while_a_host_is_behind(local_aws: LocalAws, tmp_path: Path, spread: dict[str, Any]) -> None:
    said = end(local_aws, tmp_path, spread)
    assert "The authority stays as it is" in said
    for host in ("a", "b"):
        assert f"{host}: /etc/ssl/certs/ca-certificates.crt lacks the next authority" in said
    assert stored(local_aws) == {"key", "certificate", "next/key", "next/certificate"}


@pytest.mark.parametrize("option", ["--limit=a", "--skip-tags=monitoring", "--tags=tls", "--check"])
def test_a_part_of_a_run_takes_no_step(local_aws: LocalAws, tmp_path: Path, issue: dict[str, Any], option: str) -> None:
    end(local_aws, tmp_path, issue, option)
    assert stored(local_aws) == {"key", "certificate", "former/certificate"}


def test_a_run_over_all_hosts_takes_the_step(local_aws: LocalAws, tmp_path: Path, issue: dict[str, Any]) -> None:
    assert "the next run removes the former one from hosts" in end(local_aws, tmp_path, issue)
    assert stored(local_aws) == {"key", "certificate"}
