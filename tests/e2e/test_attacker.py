"""An attacker on stage against production: in an application's container, as root on the host, with the host's role.

The moves are data (tests/support/attacker). Each has a control, which shows that the same move succeeds where it is
allowed: what was refused was not refused for a typo.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from rehearsal import REPOSITORY
from tests.support.attacker.model import Move
from tests.support.attacker.run import MOVES, Attacker, Result, stand_in, table
from tests.support.local_aws import LocalAws
from tests.support.local_hosts import LocalHosts

#: what the attacker may have stolen, by the name that scripts use
STOLEN = {
    "stage_password": "/koin/stage/mariadb/password",
    "prod_password": "/koin/prod/mariadb/password",
    "stage_cache_password": "/koin/stage/valkey/password",
    "admin_cache_password": "/koin/db/valkey/admin",
    "monitoring_password": "/koin/internal/monitoring/koin",
}
RESULTS: dict[str, Result] = {}


def _distribution(aws: LocalAws, alias: str) -> str:
    items = aws.client("cloudfront").list_distributions()["DistributionList"]["Items"]
    return str(next(item["Id"] for item in items if alias in item["Aliases"]["Items"]))


def _instance(aws: LocalAws, name: str) -> str:
    found = aws.client("ec2").describe_instances(Filters=[{"Name": "tag:Name", "Values": [name]}])
    return str(found["Reservations"][0]["Instances"][0]["InstanceId"])


@pytest.fixture(scope="module")
def attacker(hosts: LocalHosts, aws: LocalAws) -> Iterator[Attacker]:
    """With all that can be known, and a metadata service on stage."""
    ssm = aws.client("ssm")
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path="/", Recursive=True, WithDecryption=True)
    parameters = {item["Name"]: item["Value"] for page in pages for item in page["Parameters"]}
    begin, end = stand_in()
    started = hosts.inside("koin-stage", "bash", "-s", stdin=begin)
    assert started.returncode == 0, started.stderr
    try:
        yield Attacker(
            hosts,
            aws,
            # One that is missing fails the control that needs it.
            {name: parameters.get(path, "") for name, path in STOLEN.items()}
            | {
                "prod": "172.31.0.20",
                "ssh_port": "22222",
                "ssh_folder": str(aws.directory / "ssh"),
                "prod_distribution": _distribution(aws, "static.koreatech.in"),
                "stage_distribution": _distribution(aws, "stage-static.koreatech.in"),
                "prod_instance": _instance(aws, "KOIN_PROD"),
            },
        )
    finally:
        hosts.inside("koin-stage", "bash", "-s", stdin=end)
        ssm.delete_parameters(Names=["/koin/attacker"])


@pytest.mark.parametrize("move", MOVES, ids=lambda move: move.name)
def test_a_move_is_refused(attacker: Attacker, move: Move) -> None:
    result = RESULTS[move.name] = attacker.attempt(move)
    assert result.control, f"the control failed, so the move proves nothing:\n{result.control_said[-3000:]}"
    assert not result.won, result.said[-3000:]


def test_no_key_of_stage_opens_production(hosts: LocalHosts) -> None:
    """By comparison, since sshd slows down whoever tries many keys."""
    halves = (
        "for key in $(grep -rls 'PRIVATE KEY-----' /etc /root /home /run /var/lib/docker/swarm /var/lib/koin); do "
        "ssh-keygen -y -P '' -f $key 2>/dev/null || openssl pkey -in $key -pubout 2>/dev/null "
        "| ssh-keygen -i -m PKCS8 -f /dev/stdin 2>/dev/null; done | cut -d' ' -f2"
    )
    of_stage = set(hosts.inside("koin-stage", "bash", "-s", stdin=halves).stdout.split())
    assert of_stage
    trusted = hosts.inside(
        "koin-prod", "bash", "-c", "cat /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys"
    ).stdout
    allowed = set(re.findall(r"AAAA[0-9A-Za-z+/=]+", trusted))
    assert allowed
    assert of_stage & allowed == set()


def test_the_list_of_moves(capsys: pytest.CaptureFixture[str]) -> None:
    """Last: prints it, and keeps it in .cache/attacker.txt."""
    text = table(RESULTS.values())
    with capsys.disabled():
        print(f"\n{text}")
    (REPOSITORY / ".cache").mkdir(exist_ok=True)
    (REPOSITORY / ".cache/attacker.txt").write_text(f"{text}\n")
    refused = [result for result in RESULTS.values() if result.verdict == "refused"]
    if len(RESULTS) == len(MOVES):
        assert len(refused) >= 40
    assert [result.move.name for result in RESULTS.values() if result.verdict == "SUCCEEDED"] == []
