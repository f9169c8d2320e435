"""The service as its callers and an onlooker on the host meet it; then changes, good and bad."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import testinfra
from testinfra.host import Host

testinfra_hosts = ["host"]

INVENTORY = os.environ["MOLECULE_INVENTORY_FILE"]
SERVICE = "koin-stage_api"
#: with `metadata: true`
UPLOADS = "koin-uploads_api"
# Patterns, for sudo writes down these very commands.
SOURCES = Path(__file__).parents[3] / "services/sample"
PASSWORDS = "first-h[o]rse|second-h[o]rse|registry-h[o]rse"


def address(host: Host) -> str:
    """The host's own."""
    found: str = host.check_output("hostname -I").split()[0]
    return found


def get(host: Host, path: str, *more: str, port: int = 8080) -> tuple[int, dict[str, Any]]:
    """A status and JSON, through the published port on the host's own address."""
    said = host.check_output(
        f"curl --noproxy '*' --silent --max-time 10 --write-out '\\n%{{http_code}}' {' '.join(more)} "
        f"http://{address(host)}:{port}{path}"
    )
    body, _, status = said.rpartition("\n")
    return int(status), json.loads(body)


def play(playbook: str = "changed.yml", *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """Deploy with other values."""
    return subprocess.run(
        [
            "ansible-playbook",
            "-i",
            INVENTORY,
            "--extra-vars",
            json.dumps(variables),
            *options,
            str(Path(__file__).parents[1] / playbook),
        ],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def containers(host: Host, service: str = SERVICE) -> list[str]:
    """What runs of the service."""
    return host.check_output(f"docker ps --quiet --filter label=com.docker.swarm.service.name={service}").split()


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
    listed = host.check_output("docker service ls --format '{{.Name}} {{.Replicas}}'")
    assert sorted(listed.splitlines()) == [f"{SERVICE} 1/1", f"{UPLOADS} 1/1"]


def test_it_is_confined(host: Host) -> None:
    container = running(host)
    assert container["Config"]["User"] == "65534:65534"
    assert container["HostConfig"]["ReadonlyRootfs"]
    assert container["HostConfig"]["CapDrop"] == ["ALL"]
    pid = container["State"]["Pid"]
    status = host.file(f"/proc/{pid}/status").content_string
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


def test_folders_in_memory_can_be_written_to_and_are_limited(host: Host) -> None:
    for service, path, mib in ((SERVICE, "/tmp", 64), (UPLOADS, "/tmp", 8), (UPLOADS, "/var/tmp", 64)):
        inside = f"docker exec {containers(host, service)[0]} sh -c"
        assert host.check_output(f"{inside} 'id -u; echo kept > {path}/file && cat {path}/file'").split() == [
            "65534",
            "kept",
        ]
        blocks = host.check_output(f"{inside} 'df --block-size=1M --output=fstype,size {path} | tail -1'").split()
        assert blocks == ["tmpfs", str(mib)]
        assert host.run(f"{inside} 'head -c {mib + 1}M /dev/zero > {path}/big'").rc != 0
        host.check_output(f"{inside} 'rm {path}/big'")
    assert host.run(f"docker exec {containers(host)[0]} sh -c 'echo lost > /var/tmp/file'").rc != 0


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
    assert host.check_output("ls -A /var/lib/koin/images").split() == ["sample", "sample.tag"]
    sources = host.check_output("ls -A /var/lib/koin/images/sample").split()
    assert sources == sorted(path.name for path in SOURCES.iterdir() if path.is_file())


def test_the_image_says_what_it_consists_of(host: Host) -> None:
    container = containers(host)[0]
    content = json.loads(host.check_output(f"docker exec {container} cat /usr/share/koin/sbom.spdx.json"))
    assert (content["spdxVersion"], content["dataLicense"]) == ("SPDX-2.3", "CC0-1.0")
    top, *packages = content["packages"]
    said = sorted(f"{package['name']} {package['versionInfo']}" for package in packages)
    listed = f"docker exec {container} dpkg-query --show --showformat '${{Package}} ${{Version}}\n'"
    assert said == sorted(host.check_output(listed).splitlines())
    assert "python3-pymysql" in {package["name"] for package in packages}
    assert f"{top['name']}:{top['versionInfo']}" == running(host)["Config"]["Image"].partition("@")[0]
    identifiers = [package["SPDXID"] for package in content["packages"]]
    assert len(set(identifiers)) == len(identifiers)
    related = {relation["relatedSpdxElement"] for relation in content["relationships"]}
    assert related == set(identifiers)
    labels = running(host)["Config"]["Labels"]
    assert labels["koin.sbom"] == "/usr/share/koin/sbom.spdx.json"
    assert labels["koin.reason"] == "declared"


# --- The network -----------------------------------------------------------------------------------------------------


ASK = "import urllib.request; print(urllib.request.urlopen('http://{}', timeout=3).status)"


def asks(host: Host, service: str, url: str) -> bool:
    """Whether a page answers a container of the service."""
    asked = ASK.format(url)
    return host.run(f'docker exec {containers(host, service)[0]} python3 -c "{asked}"').stdout.strip() == "200"


def forged(host: Host, service: str, to: str) -> None:
    """A container of the service sends seven packets of VXLAN."""
    packets = f"[s.sendto(bytes.fromhex('0800000000100000'), ('{to}', 4789)) for _ in range(7)]"
    send = f"import socket; s = socket.socket(2, 2); {packets}"
    host.check_output(f'docker exec {containers(host, service)[0]} python3 -c "{send}"')


COUNT = """
import socket
ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ear.bind(("0.0.0.0", 4789))
print(0, flush=True)
number = 0
while True:
    ear.recvfrom(2000)
    number += 1
    print(number, flush=True)
"""


def test_who_is_told_what_the_instance_may(host: Host) -> None:
    assert asks(host, UPLOADS, "169.254.169.254/")
    assert not asks(host, SERVICE, "169.254.169.254/")


def test_a_service_on_the_default_bridge_is_also_in_its_stack_s_network(host: Host) -> None:
    networks = json.loads(host.check_output("docker inspect %s", *containers(host, UPLOADS)))[0]["NetworkSettings"][
        "Networks"
    ]
    assert set(networks) == {"bridge", "koin-uploads_default"}
    assert get(host, "/health", port=8081) == (200, {"status": "ok"})


def test_forged_vxlan_does_not_arrive(host: Host) -> None:
    peer = testinfra.get_host(f"ansible://peer?ansible_inventory={INVENTORY}", sudo=True)
    peer.check_output("systemd-run --quiet --unit=count --property StandardOutput=file:/run/count python3 -c %s", COUNT)
    try:
        peer.check_output("timeout 10 sh -c 'until test -s /run/count; do sleep 0.1; done'")
        for service in (SERVICE, UPLOADS):
            forged(host, service, address(peer))
        assert peer.check_output("sleep 1; tail -1 /run/count") == "0"
    finally:
        peer.run("systemctl stop count; rm -f /run/count")


def test_published_ports_answer_the_edge_of_their_host_only(host: Host) -> None:
    peer = testinfra.get_host(f"ansible://peer?ansible_inventory={INVENTORY}", sudo=True)
    for port in (8080, 8081):
        assert get(host, "/health", port=port)[0] == 200
        assert peer.run(f"curl --noproxy '*' --silent --max-time 3 http://{address(host)}:{port}/health").stdout == ""


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
        ("/etc/koin/docker-push", 0o700),
        ("/etc/koin/docker-push/config.json", 0o600),
    ):
        file = host.file(path)
        assert (file.user, file.mode) == ("root", mode), path


def test_what_deploys_does_not_have_the_account_that_pushes(host: Host) -> None:
    users = {}
    for folder in ("docker", "docker-push"):
        auths = json.loads(host.file(f"/etc/koin/{folder}/config.json").content_string)["auths"]
        users[folder] = [base64.b64decode(auth["auth"]).decode().partition(":")[0] for auth in auths.values()]
    assert users == {"docker": ["nodes"], "docker-push": ["builder"]}
    # Nor do the nodes get it with a service.
    held = host.check_output(
        "grep --recursive --files-with-matches 'registry-horse-p[u]sh' /etc /var/lib/docker/swarm || true"
    )
    assert held == ""


# --- What happens to it ----------------------------------------------------------------------------------------------


def test_it_survives_a_restart_of_the_engine(host: Host) -> None:
    host.check_output("systemctl restart docker")
    played = play()
    assert played.returncode == 0, played.stdout + played.stderr
    assert "changed=0" in played.stdout
    assert get(host, "/health")[0] == 200
    assert get(host, "/health", port=8081)[0] == 200
    test_who_is_told_what_the_instance_may(host)


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


# --- Images that are rebuilt -----------------------------------------------------------------------------------------

REGISTRY = "127.0.0.1:5000"
METRICS = "/var/lib/prometheus/node-exporter"
#: a security archive of one package, which is as new as can be
PLANT = """
set -eu
umask 022
mkdir -p /srv/security/tree; cd /srv/security
rm -rf tree; mkdir fetched; cd fetched; apt-get download ca-certificates 2>/dev/null; cd ..
dpkg-deb -R fetched/*.deb tree; sed -i 's/^Version: .*/Version: 99999999/' tree/DEBIAN/control
dpkg-deb -b tree it.deb >/dev/null; rm -r tree fetched
{ dpkg-deb -f it.deb; echo "Filename: ./it.deb"; echo "Size: $(stat -c %s it.deb)";
  echo "SHA256: $(sha256sum it.deb | cut -d ' ' -f 1)"; } > Packages
{ printf 'Origin: Debian\\nLabel: Debian-Security\\nSuite: stable-security\\nCodename: trixie-security\\n'
  echo "Date: $(date -Ru)"; echo SHA256:
  echo " $(sha256sum Packages | cut -d ' ' -f 1) $(stat -c %s Packages) Packages"
} > Release
echo 'deb [trusted=yes] copy:/srv/security ./' > /etc/apt/sources.list.d/planted.list
"""


def tags(host: Host) -> list[str]:
    auth = host.check_output('sed -n \'s/.*"auth": "\\(.*\\)".*/\\1/p\' /etc/koin/docker/config.json')
    said = host.check_output(
        f"curl --noproxy '*' --silent --header 'Authorization: Basic {auth}' http://{REGISTRY}/v2/koin/sample/tags/list"
    )
    return sorted(json.loads(said)["tags"])


def rebuild(host: Host) -> str:
    """Run what the timer runs; what it says."""
    done = host.run("systemctl start koin-rebuild.service")
    run = host.check_output("systemctl show --value --property=InvocationID koin-rebuild")
    said: str = host.check_output(f"journalctl --no-pager --output cat _SYSTEMD_INVOCATION_ID={run}")
    assert done.rc == 0, said
    return said


def metric(host: Host, name: str) -> float:
    [line] = [line for line in host.file(f"{METRICS}/images.prom").content_string.splitlines() if line.startswith(name)]
    return float(line.split()[-1])


def test_rebuilding_is_planned(host: Host) -> None:
    timer = host.service("koin-rebuild.timer")
    assert timer.is_enabled
    assert timer.is_running
    assert "05:40" in host.check_output("systemctl show koin-rebuild.timer --property=TimersCalendar")


def test_without_security_updates_nothing_is_rebuilt(host: Host) -> None:
    host.check_output(f"mkdir -p {METRICS}")
    before = tags(host)
    assert len(before) == 1
    assert "has all security updates" in rebuild(host)
    assert tags(host) == before
    assert abs(metric(host, "koin_image_rebuild_last_success") - time.time()) < 120
    created = host.check_output(f"docker image inspect --format '{{{{.Created}}}}' {REGISTRY}/koin/sample:{before[0]}")
    expected = datetime.fromisoformat(created).timestamp()
    assert (
        abs(metric(host, f'koin_image_built_timestamp_seconds{{repository="{REGISTRY}/koin/sample"}}') - expected) < 1
    )


def test_a_security_update_is_built_in_and_pushed_and_not_deployed(host: Host) -> None:
    [declared] = tags(host)
    host.check_output(PLANT)
    planned = host.check_output("app-rebuild --dry-run")
    assert "would rebuild" in planned and "-> 99999999" in planned, planned
    assert tags(host) == [declared]
    said = rebuild(host)
    assert re.search(r"sample: rebuilds \S+ as \S+: ca-certificates \S+ -> 99999999", said), said
    [first, rebuilt] = tags(host)
    assert first == declared
    assert re.fullmatch(re.escape(declared) + r"-\d{12}", rebuilt)
    fresh = f"{REGISTRY}/koin/sample:{rebuilt}"
    show = "dpkg-query --show --showformat '${Version}' ca-certificates"
    assert host.check_output(f'docker run --rm --entrypoint sh {fresh} -c "{show}"'.replace("$", "\\$")) == "99999999"
    # The next time there is nothing left to do.
    assert "has all security updates" in rebuild(host)
    assert tags(host) == [declared, rebuilt]
    assert running(host)["Config"]["Image"].partition("@")[0] == f"{REGISTRY}/koin/sample:{declared}"


def test_the_next_deployment_takes_the_newest(host: Host) -> None:
    [_, rebuilt] = tags(host)
    played = play()
    assert played.returncode == 0, played.stdout + played.stderr
    assert running(host)["Config"]["Image"].partition("@")[0] == f"{REGISTRY}/koin/sample:{rebuilt}"
    assert "-> 99999999" in running(host)["Config"]["Labels"]["koin.reason"]
    assert get(host, "/health")[0] == 200
    whole = play("converge.yml")
    assert "changed=0" in whole.stdout, whole.stdout


def test_without_package_lists_it_fails_and_says_so(host: Host) -> None:
    before = metric(host, "koin_image_rebuild_last_success")
    host.check_output("mv /srv/security /srv/gone")
    failed = host.run("systemctl start koin-rebuild.service")
    host.check_output("mv /srv/gone /srv/security; systemctl reset-failed koin-rebuild")
    assert failed.rc != 0
    assert "/srv/security" in host.check_output("journalctl --no-pager --output cat --unit koin-rebuild --lines 5")
    assert metric(host, "koin_image_rebuild_last_success") == before
    host.check_output("rm -r /srv/security /etc/apt/sources.list.d/planted.list; apt-get update -qq")


def test_a_build_host_that_did_not_rebuild_is_checked_and_set_up(host: Host) -> None:
    """As it was before there was a timer: images are in the registry, sources are not kept."""
    host.check_output(
        "systemctl disable --now koin-rebuild.timer; rm -rf /etc/systemd/system/koin-rebuild.* /etc/koin/images.json "
        "/var/lib/koin/images; systemctl daemon-reload"
    )
    interrupted = ("--extra-vars", json.dumps({"__run_mark": {"stdout_lines": ["found", "whole"]}}))
    checked = play("converge.yml", "--check", *interrupted)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    played = play("converge.yml", *interrupted)
    assert played.returncode == 0, played.stdout + played.stderr
    assert host.service("koin-rebuild.timer").is_running
    assert host.check_output("ls -A /var/lib/koin/images").split() == ["sample", "sample.tag"]
    assert "has all security updates" in rebuild(host)
