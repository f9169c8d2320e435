"""Hosts leave the Swarm that they shared with production, under load; then a manager is lost, and one is locked."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

import testinfra
from testinfra.host import Host

testinfra_hosts = ["prod"]

INVENTORY = os.environ["MOLECULE_INVENTORY_FILE"]
PLAYBOOK = Path(__file__).parents[1] / "converge.yml"
MOVE = ("--extra-vars", "swarm_move=true")
#: the machine's proxy must not be used for the scenario's hosts
DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def of(name: str) -> Host:
    """Another host of the scenario."""
    return testinfra.get_host(f"ansible://{name}?ansible_inventory={INVENTORY}", sudo=True)


def command(*arguments: str) -> list[str]:
    """The roles, once more."""
    return ["ansible-playbook", "--inventory", INVENTORY, str(PLAYBOOK), *arguments]


def again(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run them."""
    return subprocess.run(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=500
    )


def put_right(*arguments: str) -> str:
    """Run them to their end."""
    result = again(*arguments)
    assert result.returncode == 0, result.stdout[-4000:]
    return result.stdout


def said(result: subprocess.CompletedProcess[str]) -> str:
    """Its output, without the line breaks that follow the width of a terminal."""
    return re.sub(r"\s+", " ", result.stdout)


def nodes(host: Host) -> dict[str, str]:
    """Role by host name, as a manager knows its Swarm."""
    found = json.loads(host.check_output("docker node inspect $(docker node ls --quiet)"))
    assert all(node["Status"]["State"] == "ready" for node in found)
    return {node["Description"]["Hostname"]: node["Spec"]["Role"] for node in found}


def eventually(what: Callable[[], bool], seconds: float = 300) -> None:
    """Wait for what takes a moment."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def ask(host: Host) -> str:
    """What the web service on a host answers."""
    address = host.check_output("hostname -I").split()[0]
    with DIRECTLY.open(f"http://{address}:8080/", timeout=10) as answer:
        text: str = answer.read().decode().strip()
    return text


def tasks(host: Host, service: str) -> list[dict[str, Any]]:
    """The tasks of a service that ran or run."""
    ids = host.check_output(f"docker service ps --quiet {service}").split()
    found: list[dict[str, Any]] = json.loads(host.check_output(f"docker inspect {' '.join(ids)}"))
    return found


class Load:
    """Requests one after the other, each on a connection of its own."""

    def __init__(self, host: Host) -> None:
        self.url = f"http://{host.check_output('hostname -I').split()[0]}:8080/"
        self.answered = 0
        self.failed: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with DIRECTLY.open(self.url, timeout=10) as answer:
                    assert answer.read() == b"prod\n"
                self.answered += 1
            except (OSError, HTTPException, AssertionError) as error:
                self.failed.append(repr(error))
            time.sleep(0.02)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def judge(self) -> None:
        """All were answered, and there were many."""
        print(f"{self.answered} requests answered, {len(self.failed)} failed")
        assert self.failed == []
        assert self.answered > 100


def test_nobody_is_moved_unasked(host: Host) -> None:
    result = again()
    assert result.returncode != 0
    assert "build, stage: in another Swarm than declared" in said(result), result.stdout[-4000:]
    assert "-e swarm_move=build,stage" in said(result)
    assert "stage leaves the Swarm production (drained, demoted) and joins stage" in said(result)
    assert nodes(host) == dict.fromkeys(("prod", "stage", "build"), "manager")
    assert ask(of("stage")) == "stage"


def test_a_move_that_is_killed_ends_in_two_swarms_and_no_request_to_production_fails(host: Host) -> None:
    before = [(task["ID"], task["Status"]["ContainerStatus"]["ContainerID"]) for task in tasks(host, "koin-prod_web")]
    with Load(host) as load:
        run = subprocess.Popen(
            command(*MOVE), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            # Build is out; stage is about to follow.
            drained = "docker node inspect --format '{{.Spec.Availability}}' stage"
            eventually(lambda: host.run(drained).stdout.strip() == "drain" or run.poll() is not None)
        finally:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
        assert run.returncode == -signal.SIGKILL
        put_right(*MOVE)
    load.judge()
    assert nodes(host) == {"prod": "manager"}
    assert nodes(of("stage")) == {"stage": "manager"}
    assert of("build").check_output("docker info --format '{{.Swarm.LocalNodeState}}'") == "inactive"
    after = [(task["ID"], task["Status"]["ContainerStatus"]["ContainerID"]) for task in tasks(host, "koin-prod_web")]
    assert after == before


def test_each_swarm_has_its_own_stacks_and_secrets(host: Host) -> None:
    stage = of("stage")
    assert ask(stage) == "stage"
    assert host.check_output("docker service ls --format '{{.Name}}'") == "koin-prod_web"
    assert stage.check_output("docker service ls --format '{{.Name}}'") == "koin-stage_web"
    assert host.check_output("docker secret ls --quiet") == ""
    assert len(stage.check_output("docker secret ls --quiet").split()) == 1


def test_then_nothing_is_left_to_do(host: Host) -> None:
    del host  # Taken because a test that takes none runs after all others.
    assert set(re.findall(r"changed=(\d+)", put_right())) == {"0"}


def test_a_lost_only_manager_comes_back_with_its_services(host: Host) -> None:
    stage = of("stage")
    stage.check_output("systemctl stop docker.socket docker.service")
    stage.check_output("rm -r /var/lib/docker/swarm")
    stage.check_output("systemctl start docker.service")
    assert stage.run("docker node ls").rc != 0
    with Load(host) as load:
        put_right()
    load.judge()
    assert nodes(stage) == {"stage": "manager"}
    assert ask(stage) == "stage"


def test_a_locked_manager_is_unlocked_with_its_key(host: Host) -> None:
    stage, locked = of("stage"), '{"swarm_autolock": true}'
    put_right("--extra-vars", locked)
    key = stage.check_output("docker swarm unlock-key --quiet")
    stage.check_output("systemctl restart docker.service")
    eventually(lambda: stage.check_output("docker info --format '{{.Swarm.LocalNodeState}}'") == "locked")
    result = again("--extra-vars", locked)
    assert result.returncode != 0
    assert "stage: locked since the engine has restarted. Set swarm_unlock_key" in said(result)
    told = put_right("--extra-vars", locked, "--extra-vars", json.dumps({"swarm_unlock_key": key}), "-vv")
    assert key not in told
    assert nodes(stage) == {"stage": "manager"}
    eventually(lambda: ask(stage) == "stage")
