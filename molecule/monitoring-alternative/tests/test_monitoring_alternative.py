"""Other options: addresses, receivers of every kind, rules of one's own."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from testinfra.host import Host


@pytest.fixture
def address(host: Host) -> str:
    found: str = host.ansible.get_variables()["ansible_host"]
    return found


def prometheus(host: Host, address: str, path: str) -> Any:
    answer = host.check_output(
        "curl --noproxy '*' --silent --fail --max-time 20 %s", f"http://{address}:9191/api/v1/{path}"
    )
    return json.loads(answer)["data"]


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """What the condition returns as soon as it is true, else what it returned last."""
    deadline = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(1)
    return found


def messages(host: Host, file: str) -> list[dict[str, Any]]:
    """Messages that have arrived through a hook or by mail."""
    return [json.loads(line) for line in host.run("cat %s", f"/run/{file}").stdout.splitlines()]


def posted(host: Host, path: str) -> list[dict[str, Any]]:
    return [message["message"] for message in messages(host, "hook") if message["path"] == path]


def test_they_listen_where_they_should(host: Host, address: str) -> None:
    lines = host.check_output("ss --no-header --listening --tcp --udp --numeric").splitlines()
    others = {"0.0.0.0:22", "[::]:22", "127.0.0.1:9999", "127.0.0.1:2525"}
    expected = {f"{address}:9100", f"{address}:9191", "127.0.0.1:9193", "127.0.0.1:9215"}
    assert {line.split()[4] for line in lines} - others == expected


def test_every_target_answers_and_there_is_no_other(host: Host, address: str) -> None:
    def targets() -> list[tuple[str, str, str, str]]:
        found = prometheus(host, address, "targets?state=active")["activeTargets"]
        return sorted((x["labels"]["job"], x["labels"]["instance"], x["scrapeInterval"], x["health"]) for x in found)

    expected = [
        ("alertmanager", "monitor", "3s", "up"),
        ("blackbox", "monitor", "3s", "up"),
        ("certificates", "monitor", "3s", "up"),
        ("node", "monitor", "3s", "up"),
        ("plain", "again", "5s", "up"),
        ("probe", "ssh", "3s", "up"),
        ("prometheus", "monitor", "3s", "up"),
    ]
    wait_for(lambda: targets() == expected)
    assert targets() == expected


def test_a_module_of_ones_own_probes(host: Host, address: str) -> None:
    found = wait_for(lambda: prometheus(host, address, "query?query=probe_success")["result"])
    values = {sample["metric"]["instance"]: sample["value"][1] for sample in found}
    assert values == {"ssh": "1", "monitor": "1"}


def test_alerts_are_changed_taken_away_and_added(host: Host, address: str) -> None:
    groups = prometheus(host, address, "rules")["groups"]
    rules = {rule["name"]: rule for group in groups for rule in group["rules"]}
    assert "ClockUnsynchronised" not in rules
    assert rules["RebootRequired"]["labels"] == {"severity": "warning", "team": "platform", "area": "updates"}
    assert rules["MemoryShort"]["query"] == "node_memory_MemTotal_bytes > 0"
    assert rules["MemoryShort"]["duration"] == 1
    assert rules["Own"]["alerts"][0]["annotations"] == {"summary": "it is 7", "description": "it is fixed"}
    expected = rules["koin_backup_max_age_seconds"]
    assert (expected["query"], expected["labels"]) == ("vector(612000)", {"name": "weekly", "host": "monitor"})


def test_what_is_not_declared_any_more_is_gone(host: Host) -> None:
    assert host.check_output("ls /etc/prometheus/rules") == "platform.yml"
    assert host.check_output("ls /etc/prometheus/secrets").split() == ["chat", "deadman", "post", "team"]


def test_limits_are_in_force(host: Host, address: str) -> None:
    flags = prometheus(host, address, "status/flags")
    assert flags["storage.tsdb.retention.time"] == "3d"
    assert flags["storage.tsdb.retention.size"] == "100MiB"
    assert flags["web.enable-lifecycle"] == flags["web.enable-admin-api"] == "false"
    assert "GOMEMLIMIT=255MiB" in host.check_output("systemctl show --property=Environment prometheus")
    assert "MemoryMax=314572800" in host.check_output("systemctl show --property=MemoryMax prometheus")


def test_pages_of_others_cannot_read_it(host: Host, address: str) -> None:
    headers = host.check_output(
        "curl --noproxy '*' --silent --head --request GET --header 'Origin: https://evil.example' %s",
        f"http://{address}:9191/api/v1/status/flags",
    )
    assert "200 OK" in headers
    assert "access-control-allow-origin" not in headers.lower()


def test_chat_is_told_what_matches(host: Host) -> None:
    def texts() -> str:
        return "".join(message["attachments"][0]["text"] for message in posted(host, "/throwaway-slack"))

    wait_for(lambda: "it is 7" in texts() and "is short of memory" in texts())
    assert "it is 7" in texts()
    assert "is short of memory" in texts()
    assert "Alerts get this far" not in texts()
    for message in posted(host, "/throwaway-slack"):
        assert message["channel"] == "#alerts"
        assert message["attachments"][0]["title"].startswith("FIRING (")
        assert message["attachments"][0]["title_link"].startswith("https://monitoring.example/")
    # Told again only when an alert joins or leaves: a busy machine may raise one more.
    told = [message["attachments"][0]["text"] for message in posted(host, "/throwaway-slack")]
    assert all(one != next_one for one, next_one in itertools.pairwise(told))


def test_mail_goes_over_tls_with_the_password(host: Host) -> None:
    found = wait_for(lambda: messages(host, "mail"))
    assert found
    assert found[0]["tls"] == "yes"
    assert found[0]["login"] == "monitoring throwaway-mail-'\"\\$%"
    assert "team@example.org" in found[0]["rcpt"]
    assert "platform" in found[0]["body"]
    assert "Own" in found[0]["body"]


def test_the_watchdog_is_told_again_and_again_and_nothing_else(host: Host) -> None:
    # Not sooner than a minute after the first.
    found = wait_for(lambda: len(posted(host, "/throwaway-deadman")) >= 2, seconds=90)
    assert found
    names = {
        alert["labels"]["alertname"] for message in posted(host, "/throwaway-deadman") for alert in message["alerts"]
    }
    assert names == {"Watchdog"}


def test_secrets_are_where_they_belong(host: Host) -> None:
    found = host.check_output("grep --recursive --files-with-matches throwaway- /etc /run/systemd || true").split()
    assert sorted(found) == [f"/etc/prometheus/secrets/{name}" for name in ("chat", "deadman", "post", "team")]


def test_nothing_has_failed(host: Host) -> None:
    assert host.check_output("systemctl is-system-running") == "running"
