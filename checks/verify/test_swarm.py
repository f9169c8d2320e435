"""Each Swarm as its managers see it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://swarm_managers"]


def nodes(host: Host) -> dict[str, dict[str, Any]]:
    """Nodes by host name; a second entry with the same name is left from a replaced host."""
    found = json.loads(host.check_output("docker node inspect $(docker node ls --quiet)"))
    named = {node["Description"]["Hostname"]: node for node in found}
    assert len(named) == len(found)
    return named


def test_members_are_the_declared_ones_and_ready(host: Host, variables: dict[str, Any]) -> None:
    found = nodes(host)
    own = variables["inventory_hostname"]
    (cluster,) = (known for known in variables["swarm_clusters"].values() if own in known["managers"])
    declared = dict.fromkeys(cluster["managers"], "manager") | dict.fromkeys(cluster["workers"], "worker")
    assert {name: node["Spec"]["Role"] for name, node in found.items()} == declared
    assert {name for name, node in found.items() if node["Status"]["State"] == "ready"} == set(declared)
    assert {name for name, node in found.items() if node["Spec"]["Availability"] == "active"} == set(declared)


def test_labels_are_the_declared_ones(host: Host, request: pytest.FixtureRequest) -> None:
    inventory = json.loads(Path(request.config.option.ansible_inventory).read_text())["all"]["hosts"]
    labels = {name: node["Spec"]["Labels"] for name, node in nodes(host).items()}
    assert labels == {name: inventory[name]["swarm_labels"] for name in labels}


def test_every_service_has_its_tasks(host: Host) -> None:
    listed = host.check_output("docker service ls --format '{{.Name}} {{.Replicas}}'").splitlines()
    lacking = [line for line in listed if len(set(line.split()[1].split("/"))) > 1]
    assert lacking == []
