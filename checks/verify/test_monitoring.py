"""The state of Prometheus, Alertmanager, the blackbox exporter and everything that they watch."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://monitoring"]

CURL = "curl --noproxy '*' --silent --show-error --max-time 20"
#: a host's Swarm metrics are up to a minute old; Prometheus scrapes them, and evaluates rules, every half a minute
SECONDS = 150


def settles(wrong: Callable[[], list[str]]) -> None:
    """Fail with what is still wrong after there was time for it to pass."""
    deadline = time.monotonic() + SECONDS
    while (found := wrong()) and time.monotonic() < deadline:
        time.sleep(5)
    assert not found, "\n".join(found)


def ill(host: Host) -> list[str]:
    """Which of the three does not say that it is well."""
    urls = "'http://127.0.0.1:{9090,9093,9115}/-/healthy'"
    answers = host.run(f"{CURL} --output /dev/null --write-out '%{{http_code}} %{{url_effective}}\\n' {urls}").stdout
    return [line for line in answers.splitlines() if not line.startswith("200 ")]


def ask(host: Host, path: str) -> Any:
    """What Prometheus knows."""
    return json.loads(host.check_output(f"{CURL} --fail 'http://127.0.0.1:9090/api/v1/{path}'"))["data"]


def silent(host: Host, hosts: Collection[str]) -> list[str]:
    """Targets that do not answer, or were not asked yet, and hosts that are no target."""
    targets = ask(host, "targets?state=active")["activeTargets"]
    watched = {one["labels"]["instance"] for one in targets if one["labels"]["job"] == "node"}
    return [
        *(f"{name}: Prometheus does not scrape its node exporter" for name in hosts if name not in watched),
        *(
            f"{one['labels']['job']} of {one['labels']['instance']}: {one['lastError'] or one['health']}"
            for one in targets
            if one["health"] != "up"
        ),
    ]


def critical(host: Host, elsewhere: Collection[str]) -> list[str]:
    """Critical alerts that fire, but for probes of pages that others deploy."""
    return [
        alert["annotations"]["summary"]
        for alert in ask(host, "alerts")["alerts"]
        if (alert["state"], alert["labels"]["severity"]) == ("firing", "critical")
        if alert["labels"]["alertname"] != "ProbeFailed" or alert["labels"]["instance"] not in elsewhere
    ]


def test_all_three_are_healthy(host: Host) -> None:
    settles(lambda: ill(host))


def test_every_target_is_up_and_every_host_is_one(host: Host, request: pytest.FixtureRequest) -> None:
    hosts = json.loads(Path(request.config.option.ansible_inventory).read_text())["all"]["hosts"]
    settles(lambda: silent(host, hosts))


def test_nothing_critical_fires(host: Host, variables: dict[str, Any]) -> None:
    settles(lambda: critical(host, variables["verify_names_elsewhere"]))
