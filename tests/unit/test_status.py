"""One screen that says how the platform is, and what of it needs attention."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils.platform.credits import Balances, balances
from ansible.module_utils.platform.engine.errors import PlatformError
from ansible.module_utils.platform.report.words import words
from ansible.module_utils.platform.status import WIDTH, Seen, ago, attention, screen, things, version
from ansible.module_utils.platform.status import seen as seen_of
from botocore.exceptions import ClientError, EndpointConnectionError

from tests.support.status import NOW, alert, host, service

BACKUPS = {"mariadb": {"host": "koin-db"}, "mariadb-logs": {"host": "koin-db", "max_age_hours": 1}}
WELL = {
    "bcsdlab-internal": host(alerts=[]),
    "koin-db": host(jobs={"mariadb": NOW - 7 * 3600, "mariadb-logs": NOW - 40}),
    "koin-prod": host(services=[service()]),
}


def seen(alarms: list[str] | None = None, **hosts: Any) -> Seen:
    """The platform, with some hosts as they are given (koin_prod: koin-prod)."""
    changed = {name.replace("_", "-"): status for name, status in hosts.items()}
    return Seen(hosts={**WELL, **changed}, backups=BACKUPS, alarms=alarms or [])


def test_all_is_well() -> None:
    assert attention(seen()) == []
    assert screen(seen()) == [
        "HOST                          UP   LOAD  MEMORY   DISK  CERTIFICATE  CREDITS",
        "bcsdlab-internal            12 d   0.30    45 %   34 %         61 d        -",
        "koin-db                     12 d   0.30    45 %   34 %         61 d        -",
        "koin-prod                   12 d   0.30    45 %   34 %         61 d        -",
        "",
        "SERVICE                  VERSION                                AGE   TASKS",
        "koin-prod/api            api:1.4                               36 h     1/1",
        "",
        "BACKUP   mariadb 7 h ago, mariadb-logs 40 s ago",
        "ALERTS   0 firing",
        "ALARMS   0 (credits, status checks)",
        "",
        "All is well: 3 hosts, 1 services.",
    ]


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (seen(koin_prod=None), "koin-prod: does not answer"),
        (seen(koin_prod=host(disk=85, disk_path="/var/lib/docker")), "koin-prod: /var/lib/docker is 85 % full"),
        (seen(koin_prod=host(memory=95)), "koin-prod: 95 % of its memory is in use"),
        (seen(koin_prod=host(failed=["nginx.service"])), "koin-prod: failed: nginx.service"),
        (seen(koin_prod=host(certificates={"/c.pem": 13, "/d.pem": 14})), "koin-prod: /c.pem ends in 13 d"),
        (seen(koin_prod=host(certificates={"/c.pem": -1})), "koin-prod: /c.pem has ended"),
        (seen(koin_prod=host(services=[service(running=0)])), "koin-prod/api: 0 of 1 tasks run"),
        (seen(koin_prod=host(services=[service(state="paused")])), "koin-prod/api: its update has stopped"),
        (
            seen(koin_prod=host(services=[service(state="rollback_completed")])),
            "koin-prod/api: was rolled back: the version before runs",
        ),
        (seen(koin_db=host(jobs={"mariadb-logs": NOW})), "backup mariadb of koin-db: there is none"),
        (
            seen(koin_db=host(jobs={"mariadb": NOW, "mariadb-logs": NOW - 3601})),
            "backup mariadb-logs of koin-db: the last is 60 min old",
        ),
        (
            seen(bcsdlab_internal=host(alerts=[alert("DiskFull", host="koin-db")])),
            "alert DiskFull koin-db (critical)",
        ),
        (
            seen(
                bcsdlab_internal=host(alerts=[alert("ProbeFailed", summary="koreatech.in does not answer correctly")])
            ),
            "alert ProbeFailed: koreatech.in does not answer correctly (critical)",
        ),
        (seen(bcsdlab_internal=host()), "alerts: Prometheus does not answer"),
        (seen(["KOIN_PROD cpu-credits"]), "alarm KOIN_PROD cpu-credits"),
        (Seen(WELL, alarms_problem="not known: no credentials"), "alarms: not known: no credentials"),
        (Seen(WELL, missing=["koin-stage"], alarms=[]), "koin-stage: is declared, and the account does not run it"),
    ],
)
def test_each_thing_that_is_wrong_is_told_once_and_last(found: Seen, says: str) -> None:
    assert attention(found) == [says]
    assert screen(found)[-2:] == [f"  {says}", "1 thing needs attention."]


@pytest.mark.parametrize("severity", ["none", "info"])
def test_an_alert_that_asks_for_nothing_needs_no_attention(severity: str) -> None:
    """Watchdog always fires; what is worth knowing is shown, and ends no script."""
    found = seen(bcsdlab_internal=host(alerts=[alert("Watchdog", severity)]))
    assert attention(found) == []
    assert any(line.startswith("ALERTS   1 firing") for line in screen(found)) is (severity == "info")


def test_a_host_that_is_down_does_not_hide_the_others() -> None:
    answers: dict[str, Any] = {name: {"status": status, "asked": NOW} for name, status in WELL.items()}
    silent = {"msg": "Failed to connect to\n the host via ssh: " + "x" * 90, "asked": NOW + 30}
    found = seen_of({**answers, "koin-stage": silent})
    assert found.asked == NOW + 30
    lines = screen(found)
    assert any(line.startswith("koin-stage               does not answer: xxxxxxxx") for line in lines)
    assert sum(line.startswith("koin-") and " 34 %" in line for line in lines) == 2
    assert max(map(len, lines)) == WIDTH


def test_services_of_a_swarm_with_several_managers_are_shown_once() -> None:
    found = seen(koin_prod=host(services=[service()]), koin_stage=host(services=[service()]))
    assert sum("koin-prod/api" in line for line in screen(found)) == 1


def test_nothing_is_wider_than_the_screen() -> None:
    long = "x" * 100
    wide = host(services=[service(stack=long, name=f"{long}_api", image=f"r/{long}:1")], failed=[long, long])
    found = Seen({**WELL, long: wide}, alarms=[])
    assert max(map(len, screen(found))) <= WIDTH


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-1, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (172800, "2 d")],
)
def test_how_long_is_said_in_short(seconds: float, said: str) -> None:
    assert ago(seconds) == said


def test_what_does_not_fit_into_a_line_goes_on_in_the_next_and_does_not_fill_the_screen() -> None:
    found = Seen(WELL, alarms=[], credits_problem="no value for " + " ".join(f"koin-{n}" for n in range(9)))
    assert "koin-8" in screen(found)[-3]
    flood = seen(koin_prod=host(failed=["x.service"] * 900))
    assert len(screen(flood)) < 24
    assert screen(flood)[-2].endswith(" …")


def test_a_version_is_name_and_tag() -> None:
    assert version("bcsd-build:5000/koin/api:1.4@sha256:ab") == "api:1.4"


@pytest.mark.parametrize(
    "broken",
    [
        {"now": "x"},
        {"load": float("nan")},
        {"uptime": 1e300},
        {"cpus": 0},
        {"disk_path": ["/"]},
        {"failed": [{}]},
        {"certificates": {"/c.pem": "soon"}},
        {"jobs": {"mariadb": -1e10}},
        {"services": ["api"]},
        {"services": [service(since="yesterday")]},
        {"services": [service(running="1")]},
        {"alerts": [{"alertname": "DiskFull"}]},
    ],
)
def test_an_answer_of_another_shape_is_none(broken: dict[str, Any]) -> None:
    """Whoever has taken a host over hides neither the others nor that something is wrong."""
    answers = {"koin-db": {"status": WELL["koin-db"]}, "koin-prod": {"status": host(**broken)}}
    found = seen_of(answers, monitored=False)
    assert attention(found) == ["koin-prod: does not answer"]
    assert any("does not answer: its answer is not that of host_status" in line for line in screen(found))
    assert attention(seen_of({"koin-prod": {"status": host()}}, monitored=False)) == []


def test_what_needs_attention_is_data_that_both_languages_say() -> None:
    """The page says it in both; a word that is missing would end the page."""
    hosts = {
        "koin-db": host(
            disk=99, memory=99, failed=["x"], certificates={"/a": 1, "/b": -1}, jobs={"mariadb-logs": NOW - 99999}
        ),
        "koin-prod": host(
            services=[
                service(running=0),
                *(service(name=state, state=state) for state in ("paused", "rollback_paused", "rollback_completed")),
            ]
        ),
        "koin-stage": None,
    }
    found = Seen(hosts, missing=["x"], backups=BACKUPS, alarms=["y"], alarms_problem="z")
    firing = Seen({"m": host(alerts=[alert("DiskFull")])})
    known = {f"attention_{thing.what}": set(thing.values) for one in (found, firing) for thing in things(one)}
    said = {key: texts for key, texts in words().items() if key.startswith("attention_")}
    assert set(known) == set(said)
    for key, values in known.items():
        assert set(re.findall(r"{(\w+)}", said[key]["ko"])) <= values


def test_the_balance_of_credits_is_shown_or_said_to_be_unknown() -> None:
    found = replace(seen(), credits={"koin-db": 143.6, "koin-prod": None}, credits_problem="may not")
    lines = screen(found)
    assert [line.split()[-1] for line in lines[1:4]] == ["-", "144", "unknown"]
    assert "CREDITS  not known: may not" in lines
    # The alarms watch them.
    assert attention(found) == []


class CloudWatch:
    """Answers with pages, or with an error."""

    class meta:  # noqa: N801 - as boto3 calls it
        service_model = SimpleNamespace(service_id="CloudWatch")

    def __init__(self, *pages: Any) -> None:
        self.pages, self.asked = pages, list[dict[str, Any]]()

    def get_paginator(self, operation: str) -> CloudWatch:
        assert operation == "get_metric_data"
        return self

    def paginate(self, **arguments: Any) -> Iterator[Any]:
        self.asked.append(arguments)
        for answer in self.pages:
            if isinstance(answer, Exception):
                raise answer
            yield answer


def results(**values: list[float]) -> dict[str, Any]:
    """An answer of GetMetricData."""
    return {"MetricDataResults": [{"Id": name, "Values": several} for name, several in values.items()]}


def test_balances_are_the_newest_values() -> None:
    when = datetime.fromtimestamp(NOW, UTC)
    client = CloudWatch(results(m0=[144.0, 100.0], m1=[]), results(m0=[90.0]))
    told = balances(client, {"koin-prod": "i-2", "koin-db": "i-1"}, when)
    assert told.known == {"koin-db": 144.0}
    assert told.problem == "CloudWatch has no value of the last 30 minutes for koin-prod"
    [asked] = client.asked
    dimensions = [query["MetricStat"]["Metric"]["Dimensions"][0]["Value"] for query in asked["MetricDataQueries"]]
    assert dimensions == ["i-1", "i-2"]
    assert (asked["ScanBy"], asked["EndTime"] - asked["StartTime"]) == ("TimestampDescending", timedelta(minutes=30))
    assert balances(CloudWatch(results(m0=[5.0])), {"a": "i-1"}, when) == Balances({"a": 5.0})


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (
            ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetMetricData"),
            "The credentials may not cloudwatch:GetMetricData (no)",
        ),
        (EndpointConnectionError(endpoint_url="x"), "AWS does not answer"),
        (PlatformError("has lied"), "has lied"),
        ({}, "MetricDataResults"),
        (results(x=[1.0]), "x"),
    ],
)
def test_balances_that_cannot_be_read_end_nothing(answer: Any, says: str) -> None:
    told = balances(CloudWatch(answer), {"koin-db": "i-1"}, datetime.fromtimestamp(NOW, UTC))
    assert told.known == {}
    assert says in told.problem


def test_more_instances_than_one_call_takes_are_asked_for_in_several() -> None:
    client = CloudWatch(results(m0=[1.0]))
    told = balances(client, {f"h{number:04}": f"i-{number}" for number in range(501)}, datetime.fromtimestamp(NOW, UTC))
    assert [len(asked["MetricDataQueries"]) for asked in client.asked] == [500, 1]
    assert told.known == {"h0000": 1.0, "h0500": 1.0}
