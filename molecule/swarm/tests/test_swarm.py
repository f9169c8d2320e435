"""A Swarm of three hosts: who is a member, what goes through it, and that it is put right again when it is not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

testinfra_hosts = ["manager-a"]

INVENTORY = os.environ["MOLECULE_INVENTORY_FILE"]
AGAIN = Path(__file__).parents[1] / "again.yml"
NAMES = ("manager-a", "manager-b", "worker")


def of(name: str) -> Host:
    """Another host of the scenario."""
    return testinfra.get_host(f"ansible://{name}?ansible_inventory={INVENTORY}", sudo=True)


def again(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the role once more."""
    command = ["ansible-playbook", "--inventory", INVENTORY, str(AGAIN), *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def said(result: subprocess.CompletedProcess[str]) -> str:
    """Its output, without the line breaks that follow the width of a terminal."""
    return re.sub(r"\s+", " ", result.stdout)


def put_right(*arguments: str) -> None:
    """Run the role."""
    result = again(*arguments)
    assert result.returncode == 0, result.stdout[-3000:]


def nothing_to_do() -> None:
    """Run the role, and see that it leaves everything as it is."""
    result = again()
    assert set(re.findall(r"changed=(\d+)", result.stdout)) == {"0"}, result.stdout[-3000:]


def nodes(host: Host) -> dict[str, dict[str, Any]]:
    """Nodes by host name; two of one name are an error."""
    found = json.loads(host.check_output("docker node inspect $(docker node ls --quiet)"))
    named = {node["Description"]["Hostname"]: node for node in found}
    assert len(named) == len(found), [node["Description"]["Hostname"] for node in found]
    return named


def roles(host: Host) -> dict[str, tuple[str, str]]:
    """Role and state by host name."""
    return {name: (node["Spec"]["Role"], node["Status"]["State"]) for name, node in nodes(host).items()}


def eventually(what: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for what takes a moment."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(1)


AS_DECLARED = {"manager-a": ("manager", "ready"), "manager-b": ("manager", "ready"), "worker": ("worker", "ready")}


def test_exactly_the_declared_hosts_are_members(host: Host) -> None:
    assert roles(host) == AS_DECLARED


def test_labels_are_the_declared_ones(host: Host) -> None:
    labels = {name: node["Spec"]["Labels"] for name, node in nodes(host).items()}
    assert labels == {"manager-a": {"env": "stage", "zone": "1"}, "manager-b": {}, "worker": {"env": "prod"}}


def test_members_use_their_private_addresses(host: Host) -> None:
    for name, node in nodes(host).items():
        address = of(name).check_output("hostname -I").split()[0]
        assert node["Status"]["Addr"] == address
        if "ManagerStatus" in node:
            assert node["ManagerStatus"]["Addr"] == f"{address}:2377"
            assert node["ManagerStatus"]["Reachability"] == "reachable"


def test_it_listens_for_members_only(host: Host) -> None:
    address = host.check_output("hostname -I").split()[0]
    listening = {line.split()[3] for line in host.check_output("ss -H -tln").splitlines()}
    assert {item for item in listening if not item.endswith(":22")} == {f"{address}:2377", f"{address}:7946"}


def test_networks_are_the_declared_ones_and_clear_of_the_vpc(host: Host) -> None:
    names = host.check_output("docker network ls --quiet --filter driver=overlay").split()
    found = {item["Name"]: item for item in json.loads(host.check_output(f"docker network inspect {' '.join(names)}"))}
    assert set(found) == {"backend", "hidden", "ingress"}
    assert found["hidden"]["Internal"]
    assert found["hidden"]["IPAM"]["Config"][0]["Subnet"] == "10.202.200.0/24"
    assert all(item["IPAM"]["Config"][0]["Subnet"].startswith("10.202.") for item in found.values())


def test_the_swarm_says_what_the_kernels_can_do(host: Host) -> None:
    labels = json.loads(host.check_output("docker info --format '{{json .Swarm.Cluster.Spec.Labels}}'"))
    ipvs = host.file("/proc/net/ip_vs").exists or host.run("modprobe --dry-run --quiet ip_vs").rc == 0
    assert labels["swarm"] == "one"
    assert labels["ingress"] == ("true" if ipvs else "false")
    encrypted = json.loads(host.check_output("docker network inspect backend"))[0]["Options"]
    assert ("encrypted" in encrypted) == (labels["encryption"] == "true")


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """On every host, since nothing can be pulled."""
    for name in NAMES:
        of(name).check_output(
            "mkdir -p /tmp/image/bin /tmp/image/www && cp /bin/busybox /tmp/image/bin/"
            " && hostname > /tmp/image/www/index.html && tar -C /tmp/image -c . | docker import - busybox:test"
        )
    yield "busybox:test"


@pytest.fixture
def service(host: Host, image: str) -> Iterator[str]:
    """A service with a task on every host that says the host's name."""
    host.check_output(
        f"docker service create --quiet --detach --name web --mode global --no-resolve-image --endpoint-mode dnsrr"
        f" --network hidden {image} /bin/busybox httpd -f -h /www"
    )
    eventually(lambda: running(host) == set(NAMES))
    yield "web"
    host.run("docker service rm web")


def running(host: Host) -> set[str]:
    """Hosts on which a task of the service runs."""
    command = "docker service ps web --filter desired-state=running --format '{{.Node}} {{.CurrentState}}'"
    lines = [line.split() for line in host.check_output(command).splitlines()]
    return {line[0] for line in lines if line[1] == "Running"}


def answers(name: str, image: str) -> set[str]:
    """Who answers to a client on a host, asking every address of the service."""
    script = (
        "/bin/busybox nslookup tasks.web 127.0.0.11 | /bin/busybox awk '/^Address/ && !/127.0.0.11/ {print \\$NF}'"
        " | while read a; do /bin/busybox wget -T 5 -qO- http://\\$a/; done"
    )
    answered = of(name).check_output(f'docker run --rm --network hidden {image} /bin/busybox sh -c "{script}"')
    return set(answered.split())


def reaches_all(name: str, image: str) -> bool:
    """Whether the tasks on every node answer a host."""
    return answers(name, image) == set(NAMES)


def test_tasks_reach_each_other_between_all_hosts(service: str, image: str) -> None:
    for name in NAMES:
        eventually(partial(reaches_all, name, image))


def test_a_node_that_has_left_comes_back_and_makes_no_second_swarm(host: Host, service: str) -> None:
    worker = of("worker")
    worker.check_output("docker swarm leave")
    result = again("--limit", "worker")
    assert result.returncode != 0
    assert "no manager of the Swarm one takes part in this run" in said(result)
    assert worker.check_output("docker info --format '{{.Swarm.LocalNodeState}}'") == "inactive"
    put_right()
    assert roles(host) == AS_DECLARED
    assert nodes(host)["worker"]["Spec"]["Labels"] == {"env": "prod"}
    nothing_to_do()
    eventually(lambda: running(host) == set(NAMES))


def test_lost_majority_is_reported_and_nothing_is_done(host: Host) -> None:
    of("manager-b").check_output("systemctl stop docker.socket docker.service")
    try:
        # The other one takes its time to see that it is alone.
        eventually(lambda: host.run("docker node ls").rc != 0)
        result = again("--limit", "manager-a,worker")
    finally:
        of("manager-b").check_output("systemctl start docker.service")
    assert result.returncode != 0
    assert "no majority of the managers can be reached" in said(result), result.stdout[-3000:]
    eventually(lambda: host.run("docker node ls").rc == 0)


def test_managers_come_are_replaced_and_go(host: Host) -> None:
    clusters = {"one": {"managers": list(NAMES)}}
    three = ("--extra-vars", json.dumps({"swarm_clusters": clusters}))
    put_right(*three)
    assert roles(host)["worker"] == ("manager", "ready")
    before = nodes(host)["manager-b"]["ID"]
    # As if it had been launched again: it knows nothing, and its entry still counts for the majority.
    of("manager-b").check_output("docker swarm leave --force")
    put_right(*three)
    assert roles(host) == dict.fromkeys(NAMES, ("manager", "ready"))
    assert nodes(host)["manager-b"]["ID"] != before
    # With one of three away the other two are all that decides.
    of("manager-b").check_output("systemctl stop docker.socket docker.service")
    try:
        result = again("--limit", "manager-a,worker")
    finally:
        of("manager-b").check_output("systemctl start docker.service")
    assert result.returncode != 0
    assert "worker stays a manager" in said(result), result.stdout[-3000:]
    assert roles(host)["worker"] == ("manager", "ready")
    put_right()
    assert roles(host) == AS_DECLARED
    nothing_to_do()


def test_a_network_goes_when_it_is_declared_absent(host: Host) -> None:
    host.check_output("docker network create --driver overlay --label made-by=hand gone")
    put_right("--extra-vars", json.dumps({"swarm_networks": {"gone": {"state": "absent"}}}))
    assert "gone" not in host.check_output("docker network ls --format '{{.Name}}'").splitlines()
    nothing_to_do()


def test_tokens_are_rotated_on_request(host: Host) -> None:
    before = host.check_output("docker swarm join-token --quiet worker")
    result = again("--extra-vars", '{"swarm_rotate_tokens": true}', "-vvv")
    assert result.returncode == 0, result.stdout[-3000:]
    after = host.check_output("docker swarm join-token --quiet worker")
    assert after != before
    assert "SWMTKN" not in result.stdout
    assert roles(host) == AS_DECLARED
