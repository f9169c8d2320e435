"""Other options, and a Swarm of one node with a service of two tasks."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from testinfra.host import Host

SWARM = "koin_swarm_"


def ask(host: Host, certificate: str = "client") -> tuple[int, str]:
    """Exit status of a client on the host, and the metrics that it got. The name is one of the certificate's."""
    address = host.ansible.get_variables()["ansible_host"]
    files = f"--cert /etc/koin/tls/{certificate}/cert.pem --key /etc/koin/tls/{certificate}/key.pem"
    answer = host.run(
        f"curl --noproxy '*' --silent --fail --max-time 20 {files} --resolve host.example:9199:{address}"
        " https://host.example:9199/metrics"
    )
    return answer.rc, answer.stdout


def metrics(host: Host) -> dict[str, float]:
    """All samples by name and labels."""
    status, text = ask(host)
    assert status == 0, host.run("journalctl --no-pager --lines=30 --unit=prometheus-node-exporter").stdout
    samples = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}


def swarm(host: Host) -> dict[str, float]:
    """What is told of the Swarm, as of now."""
    host.check_output("systemctl start node-metrics.service")
    return {name.removeprefix(SWARM): value for name, value in metrics(host).items() if name.startswith(SWARM)}


def test_only_the_named_client_is_answered(host: Host) -> None:
    assert ask(host)[0] == 0
    assert ask(host, certificate="node-exporter")[0] != 0


def test_exactly_the_declared_collectors(host: Host) -> None:
    found = metrics(host)
    names = {
        match[1] for name in found if (match := re.match(r'node_scrape_collector_success\{collector="(\w+)"', name))
    }
    assert names == {"loadavg", "netdev", "systemd", "textfile"}
    assert [name for name in found if name.startswith("node_network_receive_bytes_total")] == [
        'node_network_receive_bytes_total{device="lo"}'
    ]


def test_the_swarm_is_told(host: Host) -> None:
    deadline = time.monotonic() + 60
    while (found := swarm(host)).get('service_replicas_running{service="api"}') != 2 and time.monotonic() < deadline:
        time.sleep(2)
    node = f'{{node="{host.check_output("hostname")}",role="manager"}}'
    assert found == {
        "engine_up": 1,
        "active": 1,
        "manager": 1,
        "quorum": 1,
        f"node_ready{node}": 1,
        f"node_active{node}": 1,
        f"manager_reachable{node}": 1,
        'service_replicas_desired{service="api"}': 2,
        'service_replicas_running{service="api"}': 2,
        'service_update_failed{service="api"}': 0,
    }


def test_missing_tasks_and_drained_nodes_are_told(host: Host) -> None:
    name = host.check_output("hostname")
    host.check_output(f"docker node update --availability drain {name}")
    deadline = time.monotonic() + 60
    while (found := swarm(host))['service_replicas_running{service="api"}'] and time.monotonic() < deadline:
        time.sleep(2)
    assert found['service_replicas_running{service="api"}'] == 0
    assert found['service_replicas_desired{service="api"}'] == 2
    assert found[f'node_active{{node="{name}",role="manager"}}'] == 0
    host.check_output(f"docker node update --availability active {name}")


@pytest.fixture
def engine_stopped(host: Host) -> Iterator[None]:
    host.check_output("systemctl stop docker.socket docker.service")
    yield
    host.check_output("systemctl start docker.socket docker.service")


def test_an_engine_that_is_down_is_told(host: Host, engine_stopped: None) -> None:
    assert swarm(host) == {"engine_up": 0}
    assert metrics(host)['node_systemd_unit_state{name="docker.service",state="inactive",type="notify"}'] == 1


def test_a_host_that_has_left_says_so(host: Host) -> None:
    host.check_output("docker swarm leave --force")
    assert swarm(host) == {"engine_up": 1, "active": 0, "manager": 0}
