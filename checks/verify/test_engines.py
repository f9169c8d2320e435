"""Engines: in a Swarm exactly where that is declared."""

from __future__ import annotations

from typing import Any

from testinfra.host import Host

testinfra_hosts = ["ansible://containers"]


def test_only_declared_hosts_are_in_a_swarm(host: Host, variables: dict[str, Any]) -> None:
    clusters = variables["swarm_clusters"].values()
    members = {name for cluster in clusters for name in (*cluster["managers"], *cluster["workers"])}
    found = host.check_output("docker info --format '{{.Swarm.LocalNodeState}}'")
    assert found == ("active" if variables["inventory_hostname"] in members else "inactive")
