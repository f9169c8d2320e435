"""Real hosts of a provisioned local AWS: who they are, how they are reached, and that nothing of them stays.

Needs Linux and root (or sudo without a password); installs podman and the like when they are missing.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.local_aws import LocalAws
from tests.support.local_hosts import LocalHosts, machine
from tests.support.real_hosts import provisioned, started

ADDRESSES = {
    "bcsd-build": "172.31.0.10",
    "koin-prod": "172.31.0.20",
    "bcsdlab-internal": "172.31.16.10",
    "koin-stage": "172.31.32.10",
    "koin-db": "172.31.32.20",
}
CONTROLLER = "172.31.255.1"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """An account of their own."""
    with provisioned(tmp_path_factory.mktemp("bare")) as local:
        yield local


@pytest.fixture(scope="module")
def hosts(aws: LocalAws) -> Iterator[LocalHosts]:
    """Hosts that nothing has configured."""
    with started(aws) as local:
        yield local


def _python(hosts: LocalHosts, host: str, code: str) -> Any:
    """What a Python expression is on a host."""
    return json.loads(hosts.on(host, f"python3 -c 'import json, socket; print(json.dumps({code}))'"))


def test_ansible_reaches_every_host(hosts: LocalHosts) -> None:
    done = hosts.ansible("aws_ec2", "-m", "ansible.builtin.ping", "-o")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(line.split()[0] for line in done.stdout.splitlines() if "SUCCESS" in line) == sorted(ADDRESSES)


def test_a_second_start_changes_nothing(hosts: LocalHosts) -> None:
    before = machine()
    assert "5 hosts were up already" in hosts.ok("up")
    assert machine() == before


def test_status_shows_each_host_and_that_arm_is_not_emulated(hosts: LocalHosts) -> None:
    lines = {line.split()[0]: line for line in hosts.ok("status").splitlines()}
    for host, address in ADDRESSES.items():
        assert address in lines[host]
        assert lines[host].endswith("running")
        assert "22222" in lines[host]
    assert "arm64, runs as this machine's" in lines["bcsdlab-internal"]


@pytest.mark.parametrize("host", ADDRESSES)
def test_a_host_is_a_debian_13_with_systemd_at_its_address(hosts: LocalHosts, host: str) -> None:
    assert hosts.on(host, "systemctl is-system-running") == "running"
    assert hosts.on(host, ". /etc/os-release; echo $VERSION_CODENAME") == "trixie"
    addresses = json.loads(hosts.on(host, "ip -j -4 address show eth0"))[0]["addr_info"]
    assert [(item["local"], item["prefixlen"]) for item in addresses] == [(ADDRESSES[host], 20)]
    assert hosts.on(host, "hostname") == f"ip-{ADDRESSES[host].replace('.', '-')}"


@pytest.mark.parametrize("host", ADDRESSES)
def test_only_sshd_listens_and_on_the_declared_port(hosts: LocalHosts, host: str) -> None:
    listening = {line.split()[3] for line in hosts.on(host, "ss -Hltn").splitlines()}
    assert listening == {"0.0.0.0:22222", "[::]:22222"}


def test_machines_are_told_apart(hosts: LocalHosts) -> None:
    for what in ("/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub", "/proc/sys/kernel/random/boot_id"):
        assert len({hosts.on(host, f"cat {what}") for host in ADDRESSES}) == len(ADDRESSES), what


def test_ansible_comes_from_the_administrators_network(hosts: LocalHosts) -> None:
    done = hosts.ansible("PROD", "-m", "ansible.builtin.shell", "-a", "echo from $SSH_CONNECTION", "-o")
    assert f"from {CONTROLLER} " in done.stdout, done.stdout + done.stderr


#: says how the other end sees this host
_KNOCK = """\
python3 - <<'END'
import socket
for _ in range({{tries}}):
    try:
        print(socket.create_connection(("{address}", 9999), 1).recv(99).decode())
        break
    except TimeoutError:
        pass
else:
    print("nobody")
END"""


@contextlib.contextmanager
def _open(aws: LocalAws, port: int) -> Iterator[None]:
    """A rule by hand: hosts reach each other at a port."""
    ec2 = aws.client("ec2")
    (group,) = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["SSH"]}])["SecurityGroups"]
    ports = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port}
    rule = {"GroupId": group["GroupId"], "IpPermissions": [{**ports, "IpRanges": [{"CidrIp": "172.31.0.0/16"}]}]}
    ec2.authorize_security_group_ingress(**rule)
    try:
        yield
    finally:
        ec2.revoke_security_group_ingress(**rule)


@pytest.mark.parametrize("target", ["koin-prod", "bcsdlab-internal", "koin-db"])
def test_hosts_see_each_others_real_addresses_where_a_rule_lets_them(
    hosts: LocalHosts, aws: LocalAws, target: str
) -> None:
    # In the same subnet, and in two others.
    listener = (
        "systemd-run --quiet --unit=who --collect python3 -c "
        '"import socket; s = socket.create_server((str(), 9999)); c, a = s.accept(); c.send(a[0].encode())"'
    )
    hosts.on(target, f"sudo {listener}; for i in $(seq 50); do ss -Hltn | grep -q :9999 && break; sleep 0.1; done")
    knock = _KNOCK.format(address=ADDRESSES[target])
    assert hosts.on("bcsd-build", knock.format(tries=1)) == "nobody"
    with _open(aws, 9999):
        # The rules follow the account within a second or two.
        assert hosts.on("bcsd-build", knock.format(tries=20)) == ADDRESSES["bcsd-build"]


def test_a_foreign_host_key_is_refused(hosts: LocalHosts) -> None:
    known = hosts.aws.directory / "ssh/known_hosts"
    good = known.read_text()
    keys = good.replace("172.31.0.20", "x").replace("172.31.0.10", "172.31.0.20")
    try:
        known.write_text(keys)
        refused = hosts.launcher("shell", "koin-prod", "true")
        assert refused.returncode == 255
        assert "Host key verification failed" in refused.stderr
    finally:
        known.write_text(good)


def test_hosts_reach_the_local_aws_and_nobody_else_does_it_for_them(hosts: LocalHosts) -> None:
    port = hosts.aws.endpoint.rpartition(":")[2]
    shown = hosts.on(
        "koin-db",
        f"python3 -c \"import urllib.request as u; print(u.urlopen('http://{CONTROLLER}:{port}/_rehearsal/identity').read().decode())\"",
    )
    token = json.loads((hosts.aws.directory / "local_aws.json").read_text())["token"]
    assert json.loads(shown)["token"] == token


def test_apt_works_inside(hosts: LocalHosts) -> None:
    hosts.on("koin-stage", "sudo apt-get update -qq && sudo apt-get install -y -qq --no-install-recommends hello >&2")
    assert hosts.on("koin-stage", "hello") == "Hello, world!"


def test_the_machines_own_kernel_settings_are_out_of_reach(hosts: LocalHosts) -> None:
    assert "Read-only" in hosts.on("koin-prod", "echo 1 | sudo tee /proc/sys/vm/swappiness 2>&1 >/dev/null || true")
    assert "not permitted" in hosts.on("koin-prod", "sudo date -s now 2>&1 >/dev/null || true")
    hosts.on("koin-prod", "sudo sysctl -qw net.ipv4.ip_forward=1 kernel.msgmax=9000")


def test_a_host_survives_a_reboot_with_its_name_and_key(hosts: LocalHosts) -> None:
    # The only host of its subnet: podman takes the bridge down and makes it again.
    hosts.on("bcsdlab-internal", "sudo hostnamectl set-hostname another && echo kept | sudo tee /etc/kept")
    done = hosts.ansible("INTERNAL", "-b", "-m", "ansible.builtin.reboot", "-a", "reboot_timeout=120", "-o")
    assert done.returncode == 0, done.stdout + done.stderr
    assert hosts.on("bcsdlab-internal", "hostname; cat /etc/kept").split() == ["another", "kept"]
    assert hosts.on("bcsdlab-internal", "systemctl is-system-running --wait") == "running"


def test_a_host_that_was_stopped_or_removed_comes_back(hosts: LocalHosts) -> None:
    names = [f"koin-{hosts.id}-{host}" for host in ("koin-db", "koin-stage")]
    subprocess.run(["podman", "stop", "--time", "5", names[0]], check=True, capture_output=True)
    subprocess.run(["podman", "rm", "--force", "--volumes", names[1]], check=True, capture_output=True)
    assert hosts.launcher("status").returncode == 3
    assert "1 new, 1 started" in hosts.ok("up")
    assert hosts.on("koin-stage", "systemctl is-system-running") == "running"


def _hardware_addresses(hosts: LocalHosts) -> list[str]:
    """KOIN_STAGE's, and its gateway's: others have both in their ARP tables."""
    way = subprocess.run(["ip", "-j", "route", "get", ADDRESSES["koin-stage"]], check=True, capture_output=True).stdout
    gateway = Path("/sys/class/net") / json.loads(way)[0]["dev"] / "address"
    return [hosts.on("koin-stage", "cat /sys/class/net/eth0/address"), gateway.read_text().strip()]


@pytest.mark.parametrize("seconds", [0.9, 1.7, 2.4])
def test_a_start_that_is_killed_is_finished_by_the_next(hosts: LocalHosts, seconds: float) -> None:
    name = f"koin-{hosts.id}-koin-stage"
    before = _hardware_addresses(hosts)
    subprocess.run(["podman", "rm", "--force", "--time", "0", "--volumes", name], check=True, capture_output=True)
    hosts.killed("up", after=seconds)
    assert "5 hosts " in hosts.ok("up")
    assert _hardware_addresses(hosts) == before
    assert hosts.on("koin-stage", "cat /etc/ssh/sshd_config.d/10-port.conf") == "Port 22222"


def _launch(aws: LocalAws, subnet: str) -> None:
    """An instance."""
    ec2 = aws.client("ec2")
    image = ec2.describe_images(Filters=[{"Name": "name", "Values": ["debian-13-amd64-*"]}])["Images"][0]["ImageId"]
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "A"}]}]
    ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, SubnetId=subnet, TagSpecifications=tags)


def test_another_rehearsal_of_the_same_range_is_refused_and_named(
    hosts: LocalHosts, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with LocalAws(tmp_path_factory.mktemp("other")) as other:
        _launch(other, other.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"])
        before = machine()
        refused = LocalHosts(other).launcher("up")
        assert refused.returncode == 1
        assert f"the rehearsal in {hosts.aws.directory} has hosts in 172.31." in refused.stderr
        assert "Traceback" not in refused.stderr
        LocalHosts(other).ok("down")
        assert machine() == before


def test_hosts_of_a_test_run_that_was_killed_are_taken_away(
    hosts: LocalHosts, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with LocalAws(tmp_path_factory.mktemp("killed")) as other, subprocess.Popen(["sleep", "300"]) as run:
        ec2 = other.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.211.0.0/20")["Vpc"]["VpcId"]
        _launch(other, ec2.create_subnet(VpcId=vpc, CidrBlock="10.211.1.0/24")["Subnet"]["SubnetId"])
        before = machine()
        LocalHosts(other, owner=run.pid).ok("up")
        standing = machine()
        assert len(standing["containers"]) == len(before["containers"]) + 1
        hosts.ok("free", "10.212.0.0/20")
        assert machine() == standing
        assert "has hosts in 10.211.1.0/24" in hosts.launcher("free", "10.211.0.0/20").stderr
        run.kill()
    hosts.ok("free", "10.211.0.0/20")
    assert machine() == before


def test_an_instance_that_is_gone_takes_its_host_with_it(hosts: LocalHosts) -> None:
    # Last: the account has one instance less from here on.
    ec2 = hosts.aws.client("ec2")
    found = ec2.describe_instances(Filters=[{"Name": "tag:Name", "Values": ["KOIN_STAGE"]}])
    instance_id = found["Reservations"][0]["Instances"][0]["InstanceId"]
    ec2.terminate_instances(InstanceIds=[instance_id])
    assert "`make hosts` would change: 1 removed" in hosts.launcher("status").stdout
    assert "4 hosts are up (1 removed)" in hosts.ok("up")
    assert "koin-stage" not in hosts.ok("status")
