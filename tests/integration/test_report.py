"""The page on the account that people made by hand, by an operator, with names that want to be more than text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support import live_account
from tests.support.local_aws import LocalAws
from tests.support.platform import Platform, Run
from tests.support.rights import OPERATOR, READER, denied

#: without the hosts, as `make report` does
ACCOUNT = "inventories/rehearsal/hosts.yml"
HOSTILE = "<img src=x onerror=alert(1)>'\"{{ 7 * 7 }}"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """An account whose undeclared host has a hostile name."""
    with LocalAws(tmp_path_factory.mktemp("report")) as started:
        started.reset()
        live_account.build(started)
        ec2 = started.client("ec2")
        named = ec2.describe_instances(Filters=[{"Name": "tag:Name", "Values": ["test-kim"]}])
        host = named["Reservations"][0]["Instances"][0]["InstanceId"]
        ec2.create_tags(Resources=[host], Tags=[{"Key": "Name", "Value": HOSTILE}])
        s3 = started.client("s3")
        s3.create_bucket(Bucket="koin-backup", CreateBucketConfiguration={"LocationConstraint": "ap-northeast-2"})
        s3.put_object(Bucket="koin-backup", Key="verified/koin-prod", Body=b"")
        named = ec2.describe_instances(Filters=[{"Name": "tag:Name", "Values": ["KOIN_PROD"]}])
        prod = named["Reservations"][0]["Instances"][0]["InstanceId"]
        # The newest one counts, and is that of the instance.
        now = datetime.now(UTC)
        for host, minutes, balance in ((prod, 12, 99), (prod, 2, 143.6), ("i-1", 1, 7)):
            value = {
                "MetricName": "CPUCreditBalance",
                "Dimensions": [{"Name": "InstanceId", "Value": host}],
                "Timestamp": now - timedelta(minutes=minutes),
                "Value": balance,
            }
            started.client("cloudwatch").put_metric_data(Namespace="AWS/EC2", MetricData=[value])
        yield started


@pytest.fixture(scope="module")
def written(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """The page as an operator gets it."""
    file = tmp_path_factory.mktemp("page") / "page.html"
    platform = Platform(aws, keys=aws.user("operator", OPERATOR), inventory=ACCOUNT)
    aws.mark()
    return platform.playbook("report", file=str(file)), file


def test_it_is_written_and_nothing_else_is(written: tuple[Run, Path], aws: LocalAws) -> None:
    run, file = written
    assert run.status == 0, run.output
    assert file.stat().st_mode & 0o777 == 0o600
    assert aws.writes() == []
    assert f"The page: {file}" in run.output


def test_it_shows_what_the_account_has(written: tuple[Run, Path]) -> None:
    text = written[1].read_text()
    shown = ("3.35.27.61", "13.209.141.183", "bcsdlab-backup-2019", "launch-wizard-1", "$110.88", "$24.38")
    assert [part for part in shown if part not in text] == []
    assert "koin-prod/api" in text
    assert "There is no record yet." in text
    # The account has a bucket of the platform's backups, in which a drill has noted what it has restored.
    assert "on koin-prod." in text


def test_it_shows_who_reaches_whom_and_what_breaks_the_policy(written: tuple[Run, Path]) -> None:
    text = written[1].read_text()
    # The database of that account is open to the internet, by a rule that nobody declares.
    assert "internet → KOIN_DB tcp/3306" in text
    assert "tcp 3306 from 0.0.0.0/0" in text
    assert re.search(
        r"<code>platform_reach.must_not.database-from-internet</code>.*?group_vars/all/reach.yml:\d+", text
    )
    assert "the internet reaches tcp/8080" in text


def test_a_hostile_name_is_text(written: tuple[Run, Path]) -> None:
    text = written[1].read_text()
    assert "onerror=alert(1)&gt;" in text
    assert HOSTILE not in text
    assert "{{ 7 * 7 }}" in text
    assert len(re.findall(r"<img\b", text)) == 1


#: one host answers from this machine, to all others no port is open
REACHABLE = {
    "ansible_connection": "{{ 'local' if inventory_hostname == 'koin-prod' else 'ssh' }}",
    "ansible_host": "127.0.0.1",
    "ansible_port": 1,
    "ansible_ssh_common_args": "-F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
    "ansible_become": False,
}


def test_it_shows_the_balance_of_credits(written: tuple[Run, Path]) -> None:
    text = written[1].read_text()
    assert re.findall(r"(\d+) left</span>", text) == ["144"]
    assert re.search("CloudWatch has no value of the last 30 minutes for [^<]*KOIN_DB", text)


def test_without_the_right_balances_are_unknown(aws: LocalAws, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    reader = READER | {"Statement": [*READER["Statement"], *denied("cloudwatch:GetMetricData")["Statement"]]}
    run = Platform(aws, keys=aws.user("planner", reader), inventory=ACCOUNT).playbook("report", file=str(file))
    assert run.status == 0, run.output
    text = file.read_text()
    assert re.findall(r"(\d+) left</span>", text) == []
    assert "The credentials may not cloudwatch:GetMetricData" in text


def test_it_does_not_ask_hosts_of_an_inventory_that_has_none(written: tuple[Run, Path]) -> None:
    text = written[1].read_text()
    assert "The hosts were not asked: this page is made of the account alone." in text
    assert "호스트를 조회하지 않고 계정만 읽어 만든 페이지입니다." in text


@pytest.fixture(scope="module")
def heard(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, str]:
    """The page with what hosts have said, of which only one answers; alarms are in the account."""
    file = tmp_path_factory.mktemp("heard") / "page.html"
    aws.mark()
    run = Platform(aws).playbook("report", file=str(file), **REACHABLE)
    assert run.status == 0, run.output
    return run, file.read_text()


def test_a_host_that_does_not_answer_hides_no_other(heard: tuple[Run, str], aws: LocalAws) -> None:
    text = heard[1]
    assert aws.writes() == []
    row = r'<th scope="row" class="nowrap">{}</th>\s*<td[^>]*>(.*?)</td>'
    silent, up = (re.findall(row.format(host), text, re.DOTALL)[0] for host in ("koin-db", "koin-prod"))
    assert "does not answer" in silent
    assert "port 1: Connection refused" in silent
    assert re.search(r"\d+ (s|min|h|d)<", up)
    assert "The hosts were asked at 20" in text
    assert "koin-db: does not answer" in text
    assert "koin-db: 응답이 없습니다" in text


def test_the_page_and_status_say_the_same(heard: tuple[Run, str], aws: LocalAws) -> None:
    run = Platform(aws).playbook("status", **REACHABLE)
    assert run.status == 2
    said = [line.strip() for line in run.output.splitlines() if re.match(r"  [a-z0-9-]+: does not answer$", line)]
    assert "koin-db: does not answer" in said
    [line] = [line for line in run.output.splitlines() if line.startswith("koin-prod ")]
    assert line.split()[-1] == "144"
    assert [line for line in said if line not in heard[1]] == []


def test_with_limit_only_those_hosts_are_asked(aws: LocalAws, tmp_path: Path) -> None:
    platform, file = Platform(aws), tmp_path / "page.html"
    run = platform.playbook("report", "--limit", "localhost", file=str(file), **REACHABLE)
    assert run.status == 0, run.output
    assert "The hosts were not asked" in file.read_text()
    run = platform.playbook("report", "--limit", "localhost,koin-prod", file=str(file), **REACHABLE)
    assert run.status == 0, run.output
    text = file.read_text()
    assert "was not asked" in text
    assert "koin-db: does not answer" not in text
    shown = platform.playbook("status", "--limit", "koin-prod", **REACHABLE)
    assert "koin-prod" in shown.output
    assert "koin-db: does not answer" not in shown.output


def test_a_file_that_cannot_be_written_says_so(aws: LocalAws, tmp_path: Path) -> None:
    run = Platform(aws, inventory=ACCOUNT).playbook("report", file=str(tmp_path / "none" / "page.html"))
    assert run.status == 2
    assert "Name a file in a folder that exists" in run.output
