"""From a failure on a host to the message that people get."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import testinfra
import yaml
from testinfra.host import Host

testinfra_hosts = ["ansible://monitor"]

ROLE = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / "roles/monitoring"
SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
INVENTORY = os.environ["MOLECULE_INVENTORY_FILE"]
SERVICES = ["prometheus", "prometheus-alertmanager", "prometheus-blackbox-exporter"]
SECRET = "throwaway-0123456789"
TEXTFILES = "/var/lib/prometheus/node-exporter"
AMTOOL = "amtool --alertmanager.url=http://127.0.0.1:9093"


@pytest.fixture(scope="module")
def target() -> Host:
    """The host that is watched."""
    return testinfra.get_host(f"ansible://target?ansible_inventory={INVENTORY}&sudo=true")


def address(host: Host) -> str:
    found: str = host.ansible.get_variables()["ansible_host"]
    return found


def get(host: Host, url: str) -> Any:
    """The answer of one of the three, as JSON."""
    return json.loads(host.check_output("curl --noproxy '*' --silent --show-error --fail --max-time 20 %s", url))


def prometheus(host: Host, path: str) -> Any:
    return get(host, f"http://127.0.0.1:9090/api/v1/{path}")["data"]


def query(host: Host, expression: str) -> list[dict[str, Any]]:
    """Labels and values of an instant query."""
    encoded = "".join(f"%{byte:02x}" for byte in expression.encode())
    found: list[dict[str, Any]] = prometheus(host, f"query?query={encoded}")["result"]
    return found


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """What the condition returns as soon as it is true, else what it returned last."""
    deadline = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(1)
    return found


def told(host: Host, name: str, status: str, /, **labels: str) -> list[dict[str, Any]]:
    """Alerts with a name, a status and labels that have reached the people."""
    lines = host.run("cat /run/hook").stdout.splitlines()
    return [
        alert
        for message in map(json.loads, lines)
        for alert in message["message"]["alerts"]
        if alert["labels"]["alertname"] == name and alert["status"] == status
        if labels.items() <= alert["labels"].items()
    ]


# --- What runs and listens -------------------------------------------------------------------------------------------


def test_all_three_listen_on_loopback_only(host: Host) -> None:
    lines = host.check_output("ss --no-header --listening --tcp --udp --numeric").splitlines()
    others = {"0.0.0.0:22", "[::]:22", "127.0.0.1:9999"}
    expected = {f"{address(host)}:9100", *(f"127.0.0.1:{port}" for port in (9090, 9093, 9115))}
    assert {line.split()[4] for line in lines} - others == expected


@pytest.mark.parametrize("service", SERVICES)
def test_they_have_no_privileges(host: Host, service: str) -> None:
    pid = host.check_output("systemctl show --property=MainPID --value %s", service)
    lines = host.check_output(f"cat /proc/{pid}/status").splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert host.check_output(f"stat --format=%U /proc/{pid}") == "prometheus"
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"


def test_every_target_answers_and_there_is_no_other(host: Host) -> None:
    def targets() -> list[tuple[str, str, str]]:
        found = prometheus(host, "targets?state=active")["activeTargets"]
        return sorted((one["labels"]["job"], one["labels"]["instance"], one["health"]) for one in found)

    expected = [
        ("alertmanager", "monitor", "up"),
        ("blackbox", "monitor", "up"),
        ("certificates", "monitor", "up"),
        ("certificates", "target", "up"),
        ("node", "monitor", "up"),
        ("node", "target", "up"),
        ("probe", "site.example", "up"),
        ("prometheus", "monitor", "up"),
    ]
    wait_for(lambda: targets() == expected)
    assert targets() == expected


# --- Rules -----------------------------------------------------------------------------------------------------------


def alerts(host: Host) -> dict[str, dict[str, Any]]:
    """The alerts that Prometheus has, by name."""
    groups = prometheus(host, "rules?type=alert")["groups"]
    return {rule["name"]: rule for group in groups for rule in group["rules"]}


def test_the_rules_pass_their_tests(host: Host) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        tar.add(ROLE / "files/rules", "role/files/rules")
        tar.add(ROLE / "tests", "role/tests")
    packed = base64.b64encode(archive.getvalue()).decode()
    result = host.run(
        f"cd $(mktemp -d) && echo {packed} | base64 -d | tar -xz && cd role/tests && promtool test rules *.test.yml"
    )
    assert result.rc == 0, result.stdout + result.stderr
    assert result.stdout.count("SUCCESS") == len(list((ROLE / "tests").glob("*.test.yml")))


def test_prometheus_has_the_roles_alerts_and_each_is_tested(host: Host) -> None:
    declared = {
        rule["alert"]
        for path in (ROLE / "files/rules").glob("*.yml")
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    }
    tested = {
        found
        for path in (ROLE / "tests").glob("*.test.yml")
        for test in yaml.safe_load(path.read_text())["tests"]
        for expected in [
            *(sample["labels"] for check in test.get("promql_expr_test", []) for sample in check["exp_samples"]),
            *(f'alertname="{check["alertname"]}"' for check in test.get("alert_rule_test", []) if check["exp_alerts"]),
        ]
        for found in re.findall(r'alertname="(\w+)"', expected)
    }
    assert set(alerts(host)) == declared == tested


def test_every_alert_says_what_how_much_and_what_to_do(host: Host) -> None:
    for name, alert in alerts(host).items():
        assert set(alert["annotations"]) == {"summary", "description", "runbook"}, name
        assert "$value" in alert["annotations"]["description"], name
        assert set(alert["labels"]) == {"severity", "area"}, name
        assert alert["labels"]["severity"] in {"critical", "warning", "info", "none"}, name


def test_options_change_an_alert(host: Host) -> None:
    assert alerts(host)["HostDown"]["duration"] == 4
    assert alerts(host)["TargetDown"]["duration"] == 300


# --- Probes ----------------------------------------------------------------------------------------------------------


def probe(host: Host, target: Host, hostname: str = "site.example", path: str = "/") -> str:
    """Whether a probe by the blackbox exporter succeeds."""
    url = f"https://{address(target)}{path}"
    text = host.check_output(
        "curl --noproxy '*' --silent --get --data-urlencode %s --data-urlencode %s http://127.0.0.1:9115/probe?module=site",
        f"target={url}",
        f"hostname={hostname}",
    )
    found = re.search(r"^probe_success (\d)$", text, re.MULTILINE)
    assert found, text
    return found[1]


def test_a_site_is_asked_by_its_name(host: Host, target: Host) -> None:
    assert probe(host, target) == "1"
    assert query(host, 'probe_success{job="probe",instance="site.example"}')[0]["value"][1] == "1"
    assert float(query(host, 'probe_ssl_earliest_cert_expiry{job="probe"} - time()')[0]["value"][1]) > 80 * 86400


def test_another_name_or_a_broken_page_is_no_success(host: Host, target: Host) -> None:
    assert probe(host, target, hostname="other.example") == "0"
    assert probe(host, target, path="/broken") == "0"


def test_it_is_known_how_long_exporters_certificates_are_valid(host: Host) -> None:
    found = wait_for(lambda: query(host, 'probe_ssl_earliest_cert_expiry{job="certificates"} - time() > 80 * 86400'))
    assert {sample["metric"]["instance"] for sample in found} == {"monitor", "target"}


# --- From a failure to a message -------------------------------------------------------------------------------------


@pytest.fixture
def watched(target: Host) -> Iterator[Host]:
    yield target
    target.check_output("systemctl start prometheus-node-exporter site")


def inhibited(host: Host, name: str) -> bool:
    found = get(host, "http://127.0.0.1:9093/api/v2/alerts")
    return any(alert["labels"]["alertname"] == name and alert["status"]["inhibitedBy"] for alert in found)


def test_a_host_that_is_down_is_told_and_that_it_is_back(host: Host, watched: Host) -> None:
    # The exporter alone is no reason to keep back what is wrong with its host.
    watched.check_output("systemctl stop prometheus-node-exporter")
    assert wait_for(lambda: query(host, 'ALERTS{alertname="NodeExporterDown",alertstate="firing",host="target"}'))
    host.check_output(f"{AMTOOL} alert add Other severity=critical host=target")
    assert wait_for(lambda: told(host, "Other", "firing", host="target"))
    assert not query(host, 'ALERTS{alertname="HostDown"}')

    # Nothing answers any more. What else is wrong with it is its consequence.
    watched.check_output("systemctl stop site")
    assert wait_for(lambda: told(host, "HostDown", "firing", host="target", env="prod"))
    assert not told(host, "HostDown", "firing", host="monitor")
    assert wait_for(lambda: inhibited(host, "ProbeFailed"))
    assert inhibited(host, "Other")
    assert not told(host, "ProbeFailed", "firing")

    watched.check_output("systemctl start prometheus-node-exporter site")
    assert wait_for(lambda: told(host, "HostDown", "resolved", host="target"))


def test_a_probe_that_fails_is_told(host: Host, watched: Host) -> None:
    watched.check_output("systemctl stop site")
    found = wait_for(lambda: told(host, "ProbeFailed", "firing", instance="site.example"))
    assert found
    assert "HTTP status 0" in found[0]["annotations"]["description"]
    watched.check_output("systemctl start site")
    assert wait_for(lambda: told(host, "ProbeFailed", "resolved", instance="site.example"))


def test_a_backup_that_is_too_old_is_told(host: Host, target: Host) -> None:
    sample = 'koin_backup_last_success_timestamp_seconds{name="mariadb"}'
    now = int(target.check_output("date +%s"))
    for hours in (25, 27):
        success = now - hours * 3600
        target.check_output(f"echo '{sample} {success}' > {TEXTFILES}/backup.prom")
        assert wait_for(partial(query, host, f"{sample} == {success}"))
        if hours == 25:
            time.sleep(5)
            assert not told(host, "BackupOld", "firing")
    assert wait_for(lambda: told(host, "BackupOld", "firing", name="mariadb", host="target"))
    target.check_output(f"rm {TEXTFILES}/backup.prom")


def test_only_what_matches_is_told(host: Host) -> None:
    # The watchdog and warnings are not for this receiver.
    lines = host.run("cat /run/hook").stdout.splitlines()
    seen = {alert["labels"]["severity"] for line in lines for alert in json.loads(line)["message"]["alerts"]}
    assert seen == {"critical"}
    assert query(host, 'ALERTS{alertname="Watchdog",alertstate="firing"}')


# --- Secrets ---------------------------------------------------------------------------------------------------------


def test_the_secret_is_in_one_file_that_few_can_read(host: Host) -> None:
    found = host.check_output("grep --recursive --files-with-matches %s /etc /usr/local /run/systemd || true", SECRET)
    assert found.split() == ["/etc/prometheus/secrets/hook"]
    file = host.file("/etc/prometheus/secrets/hook")
    assert (file.user, file.group, file.mode) == ("root", "prometheus", 0o640)
    assert host.run("su nobody --shell /bin/sh --command 'cat /etc/prometheus/secrets/hook'").rc != 0


def test_the_secret_is_not_in_arguments_logs_or_answers(host: Host) -> None:
    # The bracket keeps the search itself out of what is found.
    pattern = SECRET[:-1] + "[9]"
    assert host.run("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' '\\n' | grep %s", pattern).stdout == ""
    # sudo and the tests' own commands are in the journal as well.
    found = host.check_output(
        "journalctl --no-pager --output=cat | grep %s | grep --invert-match COMMAND= || true", pattern
    )
    assert found == ""
    assert SECRET not in json.dumps(get(host, "http://127.0.0.1:9093/api/v2/status"))


# --- Changes and restarts --------------------------------------------------------------------------------------------


def converge(tmp_path: Path, **variables: Any) -> subprocess.CompletedProcess[str]:
    """Run the play of the scenario with other values."""
    extra = tmp_path / "extra.json"
    extra.write_text(json.dumps(variables))
    command = [
        "ansible-playbook",
        "-i",
        INVENTORY,
        "--limit",
        "monitor",
        "-e",
        f"@{extra}",
        str(SCENARIO / "converge.yml"),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_a_broken_rule_is_refused_and_nothing_changes(host: Host, tmp_path: Path) -> None:
    files = "sha256sum /etc/prometheus/rules/* /etc/prometheus/*.yml; ls -A /etc/prometheus/rules /etc/prometheus"
    before = host.check_output(files), sorted(alerts(host))
    rules = {"own": [{"alert": "Own", "expr": "up ==="}]}
    refused = converge(tmp_path, monitoring_rules=rules, monitoring_external_labels={"platform": "koin"})
    assert refused.returncode != 0
    assert "nothing was written" in refused.stderr
    assert "parse error" in refused.stderr
    assert (host.check_output(files), sorted(alerts(host))) == before


def test_a_misspelt_alert_is_refused_with_what_to_do(tmp_path: Path) -> None:
    refused = converge(tmp_path, monitoring_alerts={"HostDwn": {"for": "1m"}})
    assert refused.returncode != 0
    assert "there is no alert HostDwn" in refused.stderr


def test_a_restart_loses_nothing(host: Host) -> None:
    began = query(host, "min_over_time(process_start_time_seconds{job='prometheus'}[1h])")[0]["value"][1]
    host.check_output("systemctl restart " + " ".join(SERVICES))
    assert wait_for(lambda: host.run("curl --silent --fail http://127.0.0.1:9090/-/ready").rc == 0)
    # Samples of the time before are still there.
    remembered = wait_for(
        lambda: query(host, f"min_over_time(process_start_time_seconds{{job='prometheus'}}[1h]) <= {began}")
    )
    assert remembered
    assert wait_for(lambda: query(host, "count(up == 1) == count(up)"))


def test_nothing_has_failed(host: Host) -> None:
    assert host.check_output("systemctl is-system-running") == "running"
    assert query(host, "prometheus_config_last_reload_successful == 1")
    assert query(host, "alertmanager_config_last_reload_successful == 1")
