"""What the exporter reports, who can read it, and what it is allowed to do."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from testinfra.host import Host

TEXTFILES = "/var/lib/prometheus/node-exporter"
CERTIFICATE = "/etc/koin/tls/client"
CLIENT = f"--cert {CERTIFICATE}/cert.pem --key {CERTIFICATE}/key.pem"
COLLECTORS = {
    *("conntrack", "cpu", "diskstats", "filefd", "filesystem", "loadavg", "meminfo", "netdev", "netstat", "os"),
    *("pressure", "sockstat", "stat", "systemd", "textfile", "time", "timex", "uname", "vmstat"),
}


@pytest.fixture
def address(host: Host) -> str:
    found: str = host.ansible.get_variables()["ansible_host"]
    return found


def ask(host: Host, address: str, options: str = CLIENT, scheme: str = "https") -> tuple[int, str]:
    """Exit status of a client on the host, and the metrics that it got."""
    answer = host.run(f"curl --noproxy '*' --silent --fail --max-time 20 {options} {scheme}://{address}:9100/metrics")
    return answer.rc, answer.stdout


def metrics(host: Host, address: str) -> dict[str, float]:
    """All samples by name and labels."""
    status, text = ask(host, address)
    assert status == 0, host.run("journalctl --no-pager --lines=30 --unit=prometheus-node-exporter").stdout
    samples = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}


def test_it_listens_on_the_private_address_only(host: Host, address: str) -> None:
    lines = host.check_output("ss --no-header --listening --tcp --udp --numeric").splitlines()
    assert {line.split()[4] for line in lines} - {"0.0.0.0:22", "[::]:22"} == {f"{address}:9100"}


def test_it_answers_who_shows_a_certificate(host: Host, address: str) -> None:
    assert metrics(host, address)["node_load1"] >= 0


def test_it_refuses_others(host: Host, address: str) -> None:
    assert ask(host, address, options="")[0] != 0
    assert ask(host, address, options="", scheme="http")[0] != 0


def test_it_refuses_a_certificate_of_another_authority(host: Host, address: str) -> None:
    host.check_output(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 1 -subj /CN=stranger"
        " -keyout /tmp/stranger.key -out /tmp/stranger.pem 2>/dev/null"
    )
    assert ask(host, address, options="--cert /tmp/stranger.pem --key /tmp/stranger.key")[0] != 0


def test_it_refuses_the_certificate_of_a_server(host: Host, address: str) -> None:
    own = "/etc/koin/tls/node-exporter"
    assert ask(host, address, options=f"--cert {own}/cert.pem --key {own}/key.pem")[0] != 0


@pytest.mark.parametrize(("option", "spoken"), [("-tls1_3", True), ("-tls1_2", False)])
def test_it_speaks_tls_13_alone(host: Host, address: str, option: str, spoken: bool) -> None:
    certificate = f"-cert {CERTIFICATE}/cert.pem -key {CERTIFICATE}/key.pem"
    answer = host.run(f"openssl s_client -connect {address}:9100 {option} {certificate} </dev/null")
    assert (answer.rc == 0) is spoken, answer.stderr


def test_exactly_the_declared_collectors_work(host: Host, address: str) -> None:
    states = {
        match[1]: value
        for name, value in metrics(host, address).items()
        if (match := re.fullmatch(r'node_scrape_collector_success\{collector="(\w+)"}', name))
    }
    assert set(states) == COLLECTORS
    # A kernel that does not count the time of interrupts leaves that out of the pressure, which is then incomplete.
    expected_failures = set() if host.file("/proc/pressure/irq").exists else {"pressure"}
    assert {name for name, value in states.items() if not value} == expected_failures


def test_it_has_no_privileges(host: Host) -> None:
    pid = host.check_output("systemctl show --property=MainPID --value prometheus-node-exporter")
    lines = host.check_output(f"cat /proc/{pid}/status").splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert host.check_output(f"stat --format=%U /proc/{pid}") == "prometheus"
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"


@pytest.fixture
def failing_unit(host: Host) -> Iterator[str]:
    host.run("systemd-run --quiet --wait --unit=koin-fails false")
    yield "koin-fails.service"
    host.run("systemctl reset-failed koin-fails.service")


def test_a_failed_unit_is_told(host: Host, address: str, failing_unit: str) -> None:
    found = metrics(host, address)
    assert found['node_systemd_units{state="failed"}'] == 1
    assert found[f'node_systemd_unit_state{{name="{failing_unit}",state="failed",type="simple"}}'] == 1


def test_units_that_were_not_asked_for_are_counted_only(host: Host, address: str) -> None:
    found = metrics(host, address)
    named = {match[1] for name in found if (match := re.search(r'node_systemd_unit_state\{name="(.+?)"', name))}
    assert "ssh.service" in named
    assert "systemd-journald.service" not in named


def test_files_of_others_are_told(host: Host, address: str) -> None:
    host.check_output(f"echo 'koin_backup_last_success_timestamp_seconds{{name=\"x\"}} 5' > {TEXTFILES}/backup.prom")
    assert metrics(host, address)['koin_backup_last_success_timestamp_seconds{name="x"}'] == 5
    host.check_output(f"rm {TEXTFILES}/backup.prom")


def test_a_due_reboot_is_told(host: Host, address: str) -> None:
    assert metrics(host, address)["node_reboot_required"] == 0
    host.check_output("touch /run/reboot-required && systemctl start node-metrics.service")
    assert metrics(host, address)["node_reboot_required"] == 1
    host.check_output("rm /run/reboot-required && systemctl start node-metrics.service")
    assert metrics(host, address)["node_reboot_required"] == 0


def test_pending_updates_are_those_that_apt_knows(host: Host, address: str) -> None:
    # As if packages had changed.
    host.check_output("touch /var/lib/dpkg/status && systemctl start node-metrics.service")
    known = [line for line in host.check_output("apt list --upgradable 2>/dev/null").splitlines() if "/" in line]
    security = [line for line in known if "-security" in line.split()[0]]
    found = metrics(host, address)
    assert found['node_updates_pending{security="true"}'] == len(security)
    assert found['node_updates_pending{security="false"}'] == len(known) - len(security)
    assert 0 <= float(host.check_output("date +%s")) - found["node_package_lists_timestamp_seconds"] < 86400


def test_updates_are_counted_anew_only_after_a_change(host: Host) -> None:
    written = f"stat --format=%Y {TEXTFILES}/updates.prom {TEXTFILES}/host.prom"
    host.check_output(f"touch -d '+1 hour' {TEXTFILES}/updates.prom; touch -d '-1 hour' {TEXTFILES}/host.prom")
    before = host.check_output(written).split()
    host.check_output("systemctl start node-metrics.service")
    after = host.check_output(written).split()
    assert after[0] == before[0]
    assert after[1] > before[1]


def test_the_timer_goes_with_it(host: Host) -> None:
    active = "systemctl is-active prometheus-node-exporter.service node-metrics.timer"
    host.check_output("systemctl stop prometheus-node-exporter")
    assert host.run(active).stdout.split() == ["inactive", "inactive"]
    host.check_output("systemctl start prometheus-node-exporter")
    assert host.check_output(active).split() == ["active", "active"]


def test_nothing_has_failed(host: Host) -> None:
    assert host.check_output("systemctl is-system-running") == "running"
