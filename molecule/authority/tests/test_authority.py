"""An authority of yesterday is replaced by one with constraints while a client connects: no connection breaks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

SCENARIO = Path(__file__).parents[1]
FILE = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "authority.json"
SERVICES = {"mariadb", "valkey", "exporter", "edge"}
PORTS = {"node-exporter": 9100, "valkey": 6379, "edge": 443}


def on(name: str) -> Host:
    inventory = os.environ["MOLECULE_INVENTORY_FILE"]
    return testinfra.get_host(f"ansible://{name}?ansible_inventory={inventory}&sudo=true")


@pytest.fixture(scope="module")
def server() -> Host:
    return on("server")


@pytest.fixture(scope="module")
def client() -> Host:
    return on("client")


@pytest.fixture(scope="module")
def address(server: Host) -> str:
    found: str = server.ansible.get_variables()["ansible_host"]
    return found


def authority(*words: str) -> None:
    """Change the parameters of the authority."""
    subprocess.run([sys.executable, SCENARIO / "files/authority.py", FILE, *words], check=True)


def result() -> dict[str, Any]:
    """What role secrets would read."""
    found: dict[str, Any] = json.loads(FILE.read_text())["result"]
    return found


def configure(*options: str) -> None:
    """A run."""
    command = ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], str(SCENARIO / "converge.yml")]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr


def counts(client: Host) -> dict[str, Any]:
    """Answers and failures until now."""
    found: dict[str, Any] = json.loads(client.file("/run/load/counts.json").content_string)
    return found


def failures(client: Host) -> list[str]:
    """What has failed, with the first errors."""
    found = counts(client)
    return [f"{name}: {count}" for name, count in found["counts"].items() if "failed" in name] + found["errors"]


@pytest.fixture(scope="module")
def replaced(server: Host, client: Host, address: str) -> dict[str, Any]:
    """The counts of a load during which another authority took the place of the first, and what was trusted."""
    seen: dict[str, Any] = {"first": result()}
    client.check_output("rm -rf /run/load; mkdir /run/load")
    client.check_output("systemd-run --collect --unit=load /usr/local/bin/load.py %s", address)
    client.check_output("timeout 20 sh -c 'until test -e /run/load/counts.json; do sleep 0.2; done; sleep 2'")
    seen["before"] = counts(client)
    if os.environ.get("AUTHORITY_AT_ONCE"):
        authority("at-once")
        configure()
    else:
        caller = str(client.ansible.get_variables()["ansible_host"])
        authority("begin", "server", "client", "site.example", f"{address}/32", f"{caller}/32")
        # One host is not in the run, so no step is taken.
        configure("--limit", "client")
        seen["limited"] = result()["step"]
        for number in (1, 2, 3):
            configure()
            seen[f"after {number}"] = result()
    client.check_output(
        "touch /run/load/stop; timeout 20 sh -c 'while systemctl is-active --quiet load; do sleep 0.2; done'"
    )
    return seen | {"counts": counts(client)["counts"], "failures": failures(client)}


def test_every_service_answered_before(replaced: dict[str, Any]) -> None:
    assert replaced["before"]["errors"] == []
    assert {name.split()[1] for name in replaced["before"]["counts"]} == SERVICES


def test_no_connection_breaks(replaced: dict[str, Any]) -> None:
    print(replaced["counts"])
    assert replaced["failures"] == []
    assert min(replaced["counts"].values()) >= 50, replaced["counts"]


def test_each_run_over_all_hosts_takes_one_step(replaced: dict[str, Any]) -> None:
    assert replaced["limited"] == "spread"
    assert [replaced[f"after {number}"]["step"] for number in (1, 2, 3)] == ["issue", "", ""]
    assert replaced["after 1"]["certificate"] != replaced["first"]["certificate"]
    assert replaced["after 3"]["trusted"] == [replaced["after 1"]["certificate"]]


@pytest.mark.parametrize("name", ["server", "client"])
def test_in_the_end_hosts_trust_the_new_one_alone(replaced: dict[str, Any], name: str) -> None:
    host = on(name)
    flat = host.check_output("cat /etc/ssl/certs/ca-certificates.crt").replace("\n", "")
    assert replaced["after 3"]["certificate"].replace("\n", "") in flat
    assert replaced["first"]["certificate"].replace("\n", "") not in flat
    for path in host.check_output("ls /etc/koin/tls/ca.pem /etc/koin/tls/*/ca.pem").split():
        assert host.file(path).content_string.strip() == replaced["after 3"]["certificate"].strip(), path
    # Links by hash, too.
    assert host.check_output("openssl verify -CApath /etc/ssl/certs -no-CAfile /etc/koin/tls/*/cert.pem")


@pytest.mark.parametrize("service", PORTS)
def test_clients_of_every_kind_accept_constrained_certificates(
    replaced: dict[str, Any], client: Host, address: str, service: str
) -> None:
    assert replaced["after 3"]["permits"]
    port, folder = PORTS[service], "/etc/koin/tls/caller"
    pair = f"{folder}/cert.pem {folder}/key.pem".split()
    name = {"edge": "site.example"}.get(service, address)
    openssl = f"openssl s_client -connect {address}:{port} -servername {name} -cert {pair[0]} -key {pair[1]}"
    assert "Verification: OK" in client.check_output(
        f"{openssl} -CAfile {folder}/ca.pem -verify_return_error </dev/null"
    )
    # It names nobody when it is given an address, and the edge has a certificate for its sites only.
    named = f"--sni-hostname {name} " if name != address else ""
    gnutls = (
        f"gnutls-cli --port {port} --x509certfile {pair[0]} --x509keyfile {pair[1]} {named}"
        f"--verify-hostname {name} {address}"
    )
    assert "The certificate is trusted" in client.run(f"{gnutls} </dev/null").stdout
    module = {
        "prober": "tcp",
        "tcp": {
            "tls": True,
            "tls_config": {
                "ca_file": f"{folder}/ca.pem",
                "cert_file": pair[0],
                "key_file": pair[1],
                "server_name": name,
            },
        },
    }
    client.check_output("echo %s > /run/probe.yml", json.dumps({"modules": {"certificate": module}}))
    client.check_output(
        "systemd-run --collect --unit=probe prometheus-blackbox-exporter --config.file=/run/probe.yml"
        " --web.listen-address=127.0.0.1:9999"
    )
    url = f"http://127.0.0.1:9999/probe?module=certificate&target={address}:{port}"
    answer = client.run(f"sleep 1; curl --noproxy '*' --silent --fail --retry 5 --retry-connrefused '{url}'")
    client.run("systemctl stop probe")
    assert "probe_success 1" in answer.stdout.splitlines()


def test_the_exporter_refuses_a_server_as_its_client(replaced: dict[str, Any], server: Host, address: str) -> None:
    def ask(folder: str) -> int:
        files = f"--cert /etc/koin/tls/{folder}/cert.pem --key /etc/koin/tls/{folder}/key.pem"
        return server.run(f"curl --noproxy '*' --silent --fail --max-time 10 {files} https://{address}:9100/").rc

    # 56: the server ends the handshake. Its own certificate is by the right authority, but not one of a client.
    assert ask("node-exporter") == 56
