"""A host is configured for the functions that its entry names, whatever its role is called."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.platform.engine.errors import DeclarationError
from ansible.module_utils.platform.engine.workflow import declaration_of
from ansible.module_utils.platform.kinds import KINDS

from rehearsal import REPOSITORY
from tests.support.hosts import DeclaredHosts
from tests.support.platform import declared, specs

CONFIGURE = REPOSITORY / "playbooks/configure"
#: groups that playbooks of configure/ may name
GROUPS = {"all", "platform", "containers"}
BATCH = """\
  KOIN_BATCH:
    role: BATCH
    functions: [swarm_workers, database]
    swarm: stage
    subnet: BCSDLab-a
    private_ip: 172.31.0.30
    security_groups: [SSH, StageSwarm]
"""


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> DeclaredHosts:
    """The declared hosts, and one of a role that nothing has heard of."""
    copy = tmp_path_factory.mktemp("declaration") / "group_vars"
    shutil.copytree(REPOSITORY / "group_vars", copy)
    with (copy / "all/aws_compute.yml").open("a") as file:
        file.write(BATCH)
    return DeclaredHosts(tmp_path_factory.mktemp("inventory"), copy)


@pytest.mark.parametrize(
    ("host", "groups"),
    [
        ("bcsd-build", ["BCSD_Build", "containers", "edge", "platform", "registry"]),
        (
            "bcsdlab-internal",
            ["INTERNAL", "containers", "edge", "monitoring", "platform", "swarm_members", "swarm_workers"],
        ),
        ("koin-batch", ["BATCH", "containers", "database", "platform", "swarm_members", "swarm_workers"]),
        ("koin-db", ["DB", "cache", "database", "platform"]),
        ("koin-prod", ["PROD", "containers", "drill", "edge", "platform", "swarm_managers", "swarm_members"]),
        ("koin-stage", ["STAGE", "containers", "edge", "platform", "swarm_managers", "swarm_members"]),
    ],
)
def test_functions_are_groups(hosts: DeclaredHosts, host: str, groups: list[str]) -> None:
    assert hosts.groups(host) == groups


def test_a_host_of_a_new_role_is_watched_like_the_others(hosts: DeclaredHosts) -> None:
    jobs = hosts.value("bcsdlab-internal", "monitoring_jobs")
    assert set(jobs["node"]["targets"]) == set(hosts.names)
    assert set(jobs["mysqld"]["targets"]) == {"koin-batch", "koin-db"}
    labels = {name: target["labels"] for name, target in jobs["node"]["targets"].items()}
    assert {host: (known["host"], known["role"], known["env"]) for host, known in labels.items()} == {
        "bcsd-build": ("bcsd-build", "BCSD_Build", "shared"),
        "bcsdlab-internal": ("bcsdlab-internal", "INTERNAL", "shared"),
        "koin-batch": ("koin-batch", "BATCH", "shared"),
        "koin-db": ("koin-db", "DB", "shared"),
        "koin-prod": ("koin-prod", "PROD", "prod"),
        "koin-stage": ("koin-stage", "STAGE", "stage"),
    }


def test_a_host_of_a_new_role_gets_what_its_functions_need(hosts: DeclaredHosts) -> None:
    assert set(hosts.value("koin-batch", "mariadb_databases")) == {"koin_prod", "koin_stage"}
    assert hosts.value("koin-batch", "swarm_clusters")["stage"]["workers"] == ["bcsdlab-internal", "koin-batch"]


def test_nodes_of_the_swarm_report_it(hosts: DeclaredHosts) -> None:
    reporting = {name for name in hosts.names if hosts.value(name, "node_exporter_swarm")}
    assert reporting == {"bcsd-build", "bcsdlab-internal", "koin-batch", "koin-prod", "koin-stage"}


@pytest.mark.parametrize(
    ("key", "value", "where", "said"),
    [
        ("role", "PRDO", ".role", "declared: BCSD_Build, INTERNAL, STAGE, PROD, DB\n    fix: write `PROD`"),
        (
            "functions",
            ["databse"],
            ".functions.0",
            "cache, containers, database, drill, edge, monitoring, registry, swarm_managers, swarm_workers",
        ),
        ("functions", ["swarm_managers", "swarm_workers"], ".functions", "keep swarm_managers"),
        ("functions", ["edge"], ".swarm", "is no member of a Swarm"),
        ("swarm", "", "", "add `swarm: NAME`"),
    ],
)
def test_an_unknown_role_or_function_is_refused(key: str, value: Any, where: str, said: str) -> None:
    raw = declared()
    raw["aws_compute_instances"]["KOIN_PROD"][key] = value
    with pytest.raises(DeclarationError) as refused:
        declaration_of(raw, specs(), KINDS)
    (problem,) = refused.value.problems
    assert problem.where == f"aws_compute_instances.KOIN_PROD{where}"
    assert said in str(problem)


def plays(path: Path) -> list[dict[str, Any]]:
    """Plays of a playbook, without what it imports."""
    return [play for play in yaml.safe_load(path.read_text()) if "hosts" in play]


def functions() -> set[str]:
    """What `functions` of an instance may name."""
    return set(specs()["aws_compute"]["instance"]["functions"]["choices"])


@pytest.mark.parametrize("path", sorted(CONFIGURE.glob("*.yml")), ids=lambda path: path.name)
def test_playbooks_name_functions_and_each_role_is_a_tag(path: Path) -> None:
    for play in plays(path):
        assert play["hosts"] in functions() | GROUPS
        for role in play.get("roles", []):
            assert role["tags"] == role["role"]


@pytest.mark.parametrize("path", sorted(CONFIGURE.glob("*.yml")), ids=lambda path: path.name)
def test_every_play_over_ssh_begins_and_ends(path: Path) -> None:
    for play in plays(path):
        if play.get("become"):
            first, last = play["pre_tasks"][0], play["tasks"][-1]
            steps = [step["ansible.builtin.import_role"] for step in (first, last)]
            assert [step["name"] for step in steps] == ["run", "run"], play["name"]
            assert [step.get("tasks_from", "main") for step in steps] == ["main", "end"], play["name"]
            assert [step["tags"] for step in (first, last)] == ["always", "always"], play["name"]


def test_every_function_has_a_playbook() -> None:
    named = {play["hosts"] for path in CONFIGURE.glob("*.yml") for play in plays(path)}
    # The workers of the Swarm are in `containers`.
    assert functions() - {"swarm_workers"} <= named
    imported = {
        play["ansible.builtin.import_playbook"].removeprefix("configure/")
        for play in yaml.safe_load((REPOSITORY / "playbooks/configure.yml").read_text())
        if play.get("ansible.builtin.import_playbook", "").startswith("configure/")
    }
    assert imported == {path.name for path in CONFIGURE.glob("*.yml")}
