"""What packets of containers reach, and whose packets reach containers: sent, and counted where they arrive."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import testinfra
from testinfra.host import Host

testinfra_hosts = ["host"]

INVENTORY = os.environ["MOLECULE_INVENTORY_FILE"]
METADATA = "169.254.169.254"
#: of the platform's hosts: SSH, Swarm, VXLAN, registry, databases, exporters; and a name server
PORTS = (
    *("tcp 22222", "tcp 2377", "tcp 7946", "udp 7946", "udp 4789", "tcp 5000", "tcp 3306", "tcp 6379"),
    *("tcp 9100", "tcp 9104", "tcp 9121", "tcp 53", "udp 53"),
)
DECLARED = {"tcp 3306", "tcp 53", "udp 53"}
#: a packet of network 4096, as the kernel writes it
VXLAN = "0800000000100000" + "ff" * 6 + "020000000001" + "0800" + "00" * 28

#: listens on ports, on every address, and writes down which of them somebody has reached
EARS = """
import select, socket, sys
ears = {}
for port in sys.argv[1].split(","):
    protocol, number = port.split()
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM)
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    ear.bind(("0.0.0.0", int(number)))
    if protocol == "tcp":
        ear.listen(50)
    ears[ear] = port
open("/run/ears.ready", "w").close()
while True:
    for ear in select.select(list(ears), [], [])[0]:
        if ears[ear].startswith("udp"):
            ear.recvfrom(2000)
        else:
            one, _ = ear.accept()
            one.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\nheard")
            one.close()
        with open("/run/ears", "a") as heard:
            heard.write(ears[ear] + "\\n")
"""

#: sends to ports of an address; all TCP at the same time, with two seconds to answer
MOUTH = """
import asyncio, socket, sys
address, ports, packet = sys.argv[1], sys.argv[2].split(","), bytes.fromhex(sys.argv[3])
async def connect(number):
    try:
        reader, _ = await asyncio.wait_for(asyncio.open_connection(address, number), 2)
        await asyncio.wait_for(reader.read(), 2)
    except (OSError, TimeoutError):
        pass
async def main():
    await asyncio.gather(*(connect(int(port.split()[1])) for port in ports if port.startswith("tcp")))
for port in ports:
    if port.startswith("udp"):
        for _ in range(7):
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(packet, (address, int(port.split()[1])))
asyncio.run(main())
"""


def of(name: str) -> Host:
    """A host of the scenario."""
    return testinfra.get_host(f"ansible://{name}?ansible_inventory={INVENTORY}", sudo=True)


def address(host: Host) -> str:
    """The host's address in the network of the scenario."""
    found: str = host.check_output("hostname -I").split()[0]
    return found


@pytest.fixture(scope="module")
def peer() -> Host:
    """Another host."""
    return of("peer")


def listen(host: Host, *ports: str) -> None:
    """Start to listen."""
    host.check_output("rm -f /run/ears /run/ears.ready; systemctl reset-failed ears.service 2>/dev/null; true")
    host.check_output("systemd-run --quiet --unit=ears python3 -c %s %s", EARS, ",".join(ports))
    host.check_output("timeout 10 sh -c 'until test -e /run/ears.ready; do sleep 0.1; done'")


def heard(host: Host) -> list[str]:
    """Every packet or connection that has arrived since the last time."""
    found: list[str] = host.check_output("cat /run/ears 2>/dev/null; rm -f /run/ears; true").splitlines()
    return found


@pytest.fixture(scope="module", autouse=True)
def ears(peer: Host) -> Iterator[None]:
    """The peer and the host itself listen where hosts of the platform do; the peer is also the metadata service."""
    hosts = (peer, of("host"))
    # Link-local addresses lead to the network, as on AWS.
    peer.check_output(f"ip address replace {METADATA}/32 dev eth0")
    of("host").check_output(f"ip route replace {METADATA}/32 dev eth0")
    try:
        listen(peer, *PORTS, "tcp 80")
        listen(of("host"), *PORTS)
        yield
    finally:
        for one in hosts:
            one.run("systemctl stop ears.service")


@pytest.fixture(scope="module", params=["bridge", "attacker"])
def container(request: pytest.FixtureRequest) -> Iterator[str]:
    """The process of a container, on the default bridge and on a network of its own whose device has any name."""
    host, network = of("host"), request.param
    host.check_output("mkdir -p /tmp/sleeper/bin && cp /bin/busybox /tmp/sleeper/bin/")
    host.check_output("tar -C /tmp/sleeper -c . | docker import - sleeper:test")
    if network != "bridge":
        host.check_output(f"docker network create --opt com.docker.network.bridge.name=odd0 {network}")
    host.check_output(f"docker run --detach --name sleeper --network {network} sleeper:test /bin/busybox sleep 600")
    yield host.check_output("docker inspect --format '{{.State.Pid}}' sleeper")
    host.run("docker rm --force sleeper; docker image rm --force sleeper:test")
    if network != "bridge":
        host.run(f"docker network rm {network}")


def send(host: Host, container: str, to: str, *ports: str) -> None:
    """Send from inside a container's network."""
    words = (to, ",".join(ports), VXLAN)
    host.check_output("nsenter --net --target %s python3 -c %s %s %s %s", container, MOUTH, *words)


def network_of(host: Host, container: str) -> str:
    """The network of the container."""
    found: str = host.check_output(
        "docker inspect --format '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}' sleeper"
    )
    return found


# --- From containers -------------------------------------------------------------------------------------------------


def test_of_other_hosts_containers_reach_what_is_declared(host: Host, peer: Host, container: str) -> None:
    heard(peer)
    send(host, container, address(peer), *PORTS)
    assert set(heard(peer)) == DECLARED


def test_forged_vxlan_does_not_arrive(host: Host, peer: Host, container: str) -> None:
    heard(peer)
    send(host, container, address(peer), "udp 4789")
    assert heard(peer).count("udp 4789") == 0


def test_of_their_own_host_containers_reach_name_servers_only(host: Host, container: str) -> None:
    heard(host)
    for to in (address(host), "10.200.0.1"):
        send(host, container, to, *PORTS)
    assert set(heard(host)) == {"tcp 53", "udp 53"}


def test_the_metadata_service_answers_the_default_bridge_only(host: Host, peer: Host, container: str) -> None:
    heard(peer)
    send(host, container, METADATA, "tcp 80", "tcp 9100", "udp 4789")
    assert heard(peer) == (["tcp 80"] if network_of(host, container) == "bridge" else [])


def test_the_host_itself_is_not_limited(host: Host, peer: Host) -> None:
    heard(peer)
    host.check_output("python3 -c %s %s %s %s", MOUTH, address(peer), ",".join(PORTS), VXLAN)
    assert set(heard(peer)) == set(PORTS)
    host.check_output("python3 -c %s %s %s %s", MOUTH, METADATA, "tcp 80", VXLAN)
    assert heard(peer) == ["tcp 80"]


# --- To containers ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def web(peer: Host) -> Iterator[str]:
    """The address of a container that publishes two ports, of which one is declared to be open."""
    host = of("host")
    host.check_output(
        "mkdir -p /tmp/web/bin /tmp/web/www && cp /bin/busybox /tmp/web/bin/ && echo hello > /tmp/web/www/index.html"
    )
    host.check_output("tar -C /tmp/web -c . | docker import - web:test")
    command = "web:test /bin/busybox httpd -f -h /www"
    host.check_output(f"docker run --detach --name open --publish 8080:80 --publish 8443:80 {command}")
    try:
        yield host.check_output("docker inspect --format '{{.NetworkSettings.IPAddress}}' open")
    finally:
        host.run("docker rm --force open; docker image rm --force web:test")
        peer.run("ip route del 10.200.0.0/24")


def asks(host: Host, url: str) -> str:
    """What a page says to a host; empty if nothing answers."""
    found: str = host.run(f"curl --noproxy '*' --silent --max-time 3 {url}").stdout.strip()
    return found


def test_a_published_port_answers_its_host_only(host: Host, peer: Host, web: str) -> None:
    assert asks(host, "http://127.0.0.1:8080/") == "hello"
    assert asks(host, f"http://{address(host)}:8080/") == "hello"
    assert asks(peer, f"http://{address(host)}:8080/") == ""


def test_a_port_that_is_declared_to_be_open_answers_other_hosts(host: Host, peer: Host, web: str) -> None:
    assert asks(peer, f"http://{address(host)}:8443/") == "hello"


def test_a_container_cannot_be_reached_past_its_ports(host: Host, peer: Host, web: str) -> None:
    peer.check_output(f"ip route replace 10.200.0.0/24 via {address(host)}")
    assert asks(host, f"http://{web}/") == "hello"
    assert asks(peer, f"http://{web}/") == ""


def test_a_published_port_does_not_answer_containers(host: Host, web: str, container: str) -> None:
    ask = f"nsenter --net --target {container} curl --noproxy '*' --silent --max-time 3"
    assert host.run(f"{ask} http://{address(host)}:8080/").stdout == ""


# --- It stays --------------------------------------------------------------------------------------------------------


def table(host: Host) -> str:
    """The packet filter as the kernel has it; empty if it has none."""
    found: str = host.run("nft --stateless list table inet containers").stdout
    return found


def converge(*arguments: str) -> str:
    """Run the role again; what it says."""
    playbook = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / "converge.yml"
    command = ["ansible-playbook", "--inventory", INVENTORY, str(playbook), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_start_of_the_engine_brings_it_back_after_a_flush(host: Host) -> None:
    declared = table(host)
    assert "chain from_containers" in declared
    host.check_output("nft flush ruleset && systemctl restart docker.service")
    assert table(host) == declared


def test_a_run_brings_it_back_without_a_restart(host: Host) -> None:
    declared, started = table(host), host.check_output("systemctl show --property MainPID docker.service")
    host.check_output("nft flush chain inet containers forward")
    assert "changed=1" in converge("--check")
    assert table(host) != declared
    assert "changed=1" in converge()
    assert table(host) == declared
    assert host.check_output("systemctl show --property MainPID docker.service") == started


def test_a_reboot_brings_it_back(host: Host) -> None:
    declared = table(host)
    command = ["ansible", "--inventory", INVENTORY, "--become", "--module-name", "ansible.builtin.reboot", "host"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert table(host) == declared
