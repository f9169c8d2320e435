"""The engine as it runs, and containers in it."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

testinfra_hosts = ["host"]

VPC = ipaddress.IPv4Network("172.31.0.0/16")


def docker(host: Host, command: str) -> str:
    """What a command of the client says."""
    return host.check_output(f"docker {command}")


@pytest.fixture(scope="module")
def image(host: Host) -> Iterator[str]:
    """An image with nothing but busybox, since nothing can be pulled."""
    host.check_output("mkdir -p /tmp/image/bin /tmp/image/www")
    host.check_output("cp /bin/busybox /tmp/image/bin/ && echo hello > /tmp/image/www/index.html")
    host.check_output("tar -C /tmp/image -c . | docker import - busybox:test")
    yield "busybox:test"
    host.run("docker rm --force web; docker image rm --force busybox:test; rm -rf /tmp/image")


def test_the_engine_runs_and_is_enabled(host: Host) -> None:
    for name in ("docker.service", "containerd.service", "docker-prune.timer"):
        assert host.service(name).is_running, host.run(f"journalctl --no-pager -u {name} | tail -30").stdout
        assert host.service(name).is_enabled


def test_it_is_set_up_as_declared(host: Host) -> None:
    info: dict[str, Any] = json.loads(docker(host, "info --format '{{json .}}'"))
    assert info["Driver"] == "overlay2"
    assert info["LoggingDriver"] == "local"
    assert not info["LiveRestoreEnabled"]
    assert "name=no-new-privileges" in info["SecurityOptions"]
    assert info["DefaultAddressPools"] == [{"Base": "10.201.0.0/16", "Size": 24}]


def test_another_store_than_the_present_one_is_refused(host: Host) -> None:
    file = "/etc/docker/daemon.json"
    host.check_output(f'cp --preserve=all {file} {file}.kept; echo \'{{"data-root": "/srv/docker"}}\' > {file}')
    try:
        converge = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / "converge.yml"
        done = subprocess.run(
            ["ansible-playbook", "--inventory", os.environ["MOLECULE_INVENTORY_FILE"], str(converge)],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        said = " ".join((done.stdout + done.stderr).split())
        assert done.returncode == 2
        assert 'the host has "data-root":"/srv/docker": declare it in docker_settings' in said, said
        assert "/srv/docker" in host.file(file).content_string
    finally:
        host.check_output(f"mv {file}.kept {file}")


def test_no_network_overlaps_the_vpc(host: Host) -> None:
    docker(host, "network create probe")
    try:
        addresses = json.loads(host.check_output("ip -json address"))
    finally:
        docker(host, "network rm probe")
    bridges = {
        link["ifname"]: ipaddress.IPv4Interface(f"{item['local']}/{item['prefixlen']}").network
        for link in addresses
        for item in link["addr_info"]
        if item["family"] == "inet" and link["ifname"].startswith(("docker", "br-"))
    }
    assert len(bridges) == 2
    assert str(bridges.pop("docker0")) == "10.200.0.0/24"
    assert [network for network in bridges.values() if network.overlaps(VPC)] == []
    assert all(network.subnet_of(ipaddress.IPv4Network("10.201.0.0/16")) for network in bridges.values())


def test_nothing_listens_but_ssh(host: Host) -> None:
    listening = {line.split()[3].rpartition(":")[2] for line in host.check_output("ss -H -tln").splitlines()}
    assert listening == {"22"}


def test_a_container_serves_without_a_process_of_the_engine(host: Host, image: str) -> None:
    docker(host, f"run --detach --name web --publish 8080:80 {image} /bin/busybox httpd -f -h /www")
    address = host.check_output("hostname -I").split()[0]
    for name in ("127.0.0.1", address):
        assert host.check_output(f"curl -sS --retry 5 --retry-connrefused http://{name}:8080/") == "hello"
    assert not host.process.filter(comm="docker-proxy")
    settings = json.loads(docker(host, "inspect web"))[0]["HostConfig"]["LogConfig"]
    assert settings == {"Type": "local", "Config": {"max-file": "5", "max-size": "10m"}}


def test_a_container_gains_no_privileges(host: Host, image: str) -> None:
    status = docker(host, f"run --rm {image} /bin/busybox grep NoNewPrivs /proc/self/status")
    assert status.split() == ["NoNewPrivs:", "1"]


def test_exactly_the_declared_accounts_may_use_it(host: Host) -> None:
    assert host.check_output("getent group docker").split(":")[3] == "admin"
    assert host.run("setpriv --reuid=www-data --clear-groups docker info").rc != 0
    assert host.run("runuser -u admin -- docker version").rc == 0


def test_the_registry_is_trusted_by_its_authority(host: Host) -> None:
    found = host.file("/etc/docker/certs.d/registry.example:5000/ca.crt")
    assert found.content_string.startswith("-----BEGIN CERTIFICATE-----")
    assert host.check_output("openssl x509 -noout -subject -in '%s'", found.path) == "subject=CN=scenario CA"


#: An image is as old as it says: takes one from an archive, and makes it say that it is from last year.
AGED = """
import io, json, subprocess, tarfile
archive = subprocess.run(["docker", "save", "young:test"], capture_output=True, check=True).stdout
saved = tarfile.open(fileobj=io.BytesIO(archive))
[manifest] = json.load(saved.extractfile("manifest.json"))
out = io.BytesIO()
with tarfile.open(fileobj=out, mode="w") as new:
    def add(name, content):
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        new.addfile(entry, io.BytesIO(content))
    config = json.load(saved.extractfile(manifest["Config"]))
    config["created"] = "2025-01-01T00:00:00Z"
    for layer in manifest["Layers"]:
        add(layer, saved.extractfile(layer).read())
    for name in ("old:test", "used:test"):
        config["config"]["Labels"] = {"name": name}
        add(name + ".json", json.dumps(config).encode())
    add("manifest.json", json.dumps([
        {"Config": n + ".json", "RepoTags": [n], "Layers": manifest["Layers"]} for n in ("old:test", "used:test")
    ]).encode())
subprocess.run(["docker", "load"], input=out.getvalue(), check=True)
"""


def test_unused_images_go_when_they_are_old_and_volumes_stay(host: Host, image: str) -> None:
    docker(host, "volume create kept")
    docker(host, f"tag {image} young:test")
    host.check_output("python3 -c %s", AGED)
    docker(host, "create --name keeper used:test /bin/busybox true")
    try:
        host.check_output("systemctl start docker-prune.service")
        images = docker(host, "image ls --format '{{.Repository}}:{{.Tag}}'").split()
        assert sorted(images) == sorted([image, "used:test", "young:test"])
        assert "kept" in docker(host, "volume ls --quiet").split()
    finally:
        host.run("docker rm keeper; docker volume rm kept; docker image rm young:test old:test used:test")


def test_it_survives_a_restart(host: Host) -> None:
    host.check_output("systemctl restart docker.service")
    assert docker(host, "info --format '{{.ServerVersion}}'")
