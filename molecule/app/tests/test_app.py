"""The service as its callers and an onlooker on the host meet it; then changes, good and bad."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from testinfra.host import Host

SERVICE = "koin-stage_api"
# Patterns, for sudo writes down these very commands.
PASSWORDS = "first-h[o]rse|second-h[o]rse|registry-h[o]rse"


def get(host: Host, path: str, *more: str) -> tuple[int, dict[str, Any]]:
    """A status and JSON, through the published port on the host's own address."""
    address = host.check_output("ip -4 -json address show dev eth0 | grep -o '10[.][0-9.]*' | head -1")
    said = host.check_output(
        f"curl --noproxy '*' --silent --max-time 10 --write-out '\\n%{{http_code}}' {' '.join(more)} http://{address}:8080{path}"
    )
    body, _, status = said.rpartition("\n")
    return int(status), json.loads(body)


def play(**variables: Any) -> subprocess.CompletedProcess[str]:
    """Deploy with other values."""
    return subprocess.run(
        [
            "ansible-playbook",
            "-i",
            os.environ["MOLECULE_INVENTORY_FILE"],
            "--extra-vars",
            json.dumps(variables),
            str(Path(__file__).parents[1] / "changed.yml"),
        ],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def containers(host: Host) -> list[str]:
    """What runs of the service."""
    return host.check_output(f"docker ps --quiet --filter label=com.docker.swarm.service.name={SERVICE}").split()


def secrets(host: Host) -> list[str]:
    """Names of the Swarm's secrets."""
    return host.check_output("docker secret ls --format '{{.Name}}'").split()


def running(host: Host) -> dict[str, Any]:
    """Everything about the one container."""
    found: list[dict[str, Any]] = json.loads(host.check_output("docker inspect %s", *containers(host)))
    assert len(found) == 1
    return found[0]


# --- The service -----------------------------------------------------------------------------------------------------


def test_it_answers(host: Host) -> None:
    assert get(host, "/health") == (200, {"status": "ok"})


def test_without_a_database_it_says_so(host: Host) -> None:
    status, said = get(host, "/", "--header 'X-Forwarded-For: 192.0.2.7'")
    assert status == 503
    assert "database" in said["error"]
    assert (said["forwarded_for"], said["stack"]) == ("192.0.2.7", "koin-stage")
    assert said["architecture"] == host.check_output("uname -m")
    assert said["host"] == host.check_output("hostname")


def test_exactly_one_runs(host: Host) -> None:
    assert len(containers(host)) == 1
    assert host.check_output("docker service ls --format '{{.Name}} {{.Replicas}}'") == f"{SERVICE} 1/1"


def test_it_is_confined(host: Host) -> None:
    container = running(host)
    assert container["Config"]["User"] == "65534:65534"
    assert container["HostConfig"]["ReadonlyRootfs"]
    assert container["HostConfig"]["CapDrop"] == ["ALL"]
    pid = container["State"]["Pid"]
    status = host.file(f"/proc/{pid}/status").content_string
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


def test_values_arrive_as_they_are_written(host: Host) -> None:
    assert 'PRICE=a $HOME of "5 $"' in running(host)["Config"]["Env"]


def test_limits_hold(host: Host) -> None:
    container = running(host)
    assert container["HostConfig"]["Memory"] == 128 * 2**20
    assert container["HostConfig"]["NanoCpus"] == 500_000_000
    assert container["HostConfig"]["PidsLimit"] == 64
    # What the kernel enforces: version 1 of cgroups has a folder for each controller, version 2 one for all.
    limits = host.check_output(
        f"find /sys/fs/cgroup -path '*{container['Id']}/memory.limit_in_bytes' -exec cat {{}} + "
        f"-o -path '*{container['Id']}/memory.max' -exec cat {{}} +"
    )
    assert set(limits.split()) == {str(128 * 2**20)}


def test_the_image_holds_no_settings_of_the_host(host: Host) -> None:
    assert host.run(f"docker exec {containers(host)[0]} ls /etc/apt").rc != 0
    size = int(host.check_output("docker image inspect --format '{{.Size}}' %s", running(host)["Image"]))
    assert size < 120 * 2**20


def test_only_its_own_images_are_left_by_the_build(host: Host) -> None:
    assert "koin-base" not in host.check_output("docker image ls --format '{{.Repository}}'")
    # What the next image is made of is what its tag says, and nothing left over.
    assert host.check_output("ls -A /var/lib/koin/build") == ""


# --- Secrets ---------------------------------------------------------------------------------------------------------


def test_secrets_are_nowhere_in_plain(host: Host) -> None:
    container = containers(host)[0]
    for command in (
        f"docker inspect {container}",
        f"docker service inspect {SERVICE}",
        "docker secret inspect $(docker secret ls --quiet)",
        "cat /etc/koin/stacks/koin-stage.yml",
        "ps axeww",
        "journalctl --no-pager --output cat",
        "cat /root/.ansible/tmp/* /tmp/* 2>/dev/null",
    ):
        assert host.run(f"{command} | grep --extended-regexp '{PASSWORDS}'").stdout == "", command
    assert host.check_output(f"docker exec {container} cat /run/secrets/database") == "first-horse-battery"


def test_files_that_few_may_read(host: Host) -> None:
    for path, mode in (
        ("/etc/koin/stacks/koin-stage.yml", 0o640),
        ("/etc/koin/docker", 0o700),
        ("/etc/koin/docker/config.json", 0o600),
    ):
        file = host.file(path)
        assert (file.user, file.mode) == ("root", mode), path


# --- What happens to it ----------------------------------------------------------------------------------------------


def test_it_survives_a_restart_of_the_engine(host: Host) -> None:
    host.check_output("systemctl restart docker")
    played = play()
    assert played.returncode == 0, played.stdout + played.stderr
    assert "changed=0" in played.stdout
    assert get(host, "/health")[0] == 200


def test_a_new_value_of_a_secret_counts(host: Host) -> None:
    host.check_output("docker stack ls; printf other | docker secret create other -")
    before = secrets(host)
    played = play(scenario_password="second-horse-battery")
    assert played.returncode == 0, played.stdout + played.stderr
    assert "horse" not in played.stdout + played.stderr
    assert host.check_output(f"docker exec {containers(host)[0]} cat /run/secrets/database") == "second-horse-battery"
    after = secrets(host)
    assert len(before) == len(after) == 2
    assert set(before) & set(after) == {"other"}


def test_a_broken_update_is_rolled_back_and_told(host: Host) -> None:
    before = running(host)["Config"]["Env"]
    health = {"command": ["false"], "interval_seconds": 1, "retries": 1, "start_seconds": 0}
    played = play(
        scenario_password="second-horse-battery", scenario_change={"environment": {"BROKEN": "yes"}, "health": health}
    )
    assert played.returncode != 0
    said = " ".join((played.stdout + played.stderr).split())
    assert f"{SERVICE} was rolled back" in said, said
    assert "ended without an error" in said or "unhealthy" in said, said
    assert get(host, "/health")[0] == 200
    assert running(host)["Config"]["Env"] == before
    # What failed is not taken for done.
    again = play(
        scenario_password="second-horse-battery",
        scenario_change={"environment": {"BROKEN": "yes"}, "health": health},
        scenario_with_others=True,
    )
    assert again.returncode != 0
    # Other stacks do not wait for it: they may need what is new.
    assert host.check_output("docker service ls --filter name=koin-zzz_api --format '{{.Replicas}}'") == "1/1"
    host.check_output("docker stack rm koin-zzz")


def test_it_recovers_and_undoes_what_hands_have_done(host: Host) -> None:
    host.check_output("printf nothing | docker secret create --label koin.stack=koin-stage koin-stage_old-00000000 -")
    host.check_output(f"docker service scale --detach {SERVICE}=0")
    played = play()
    assert played.returncode == 0, played.stdout + played.stderr
    assert get(host, "/health")[0] == 200
    assert len(containers(host)) == 1
    assert len(secrets(host)) == 2
    steady = play()
    assert "changed=0" in steady.stdout, steady.stdout
