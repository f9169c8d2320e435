"""Two provisions that begin at the same time: one builds, the other says who does, and nothing is made twice."""

from __future__ import annotations

import json
import os
import socket
import time
from typing import Any

import pytest
from ansible.module_utils.platform import mark
from ansible.module_utils.platform.engine.errors import PlatformError
from ansible.module_utils.platform.engine.session import Clients

from tests.support.inventory import inventory
from tests.support.local_aws import LocalAws
from tests.support.platform import Platform, fields


@pytest.fixture
def clients(local_aws: LocalAws) -> Clients:
    """Of an account without a mark."""
    return Clients("ap-northeast-2", local_aws.environ)


def _left(clients: Clients, **other: Any) -> None:
    """A mark that somebody has left."""
    mark.take(clients, os.getpid())
    ssm = clients["ssm"]
    value = json.loads(ssm.get_parameter(Name=mark.NAME)["Parameter"]["Value"]) | other
    ssm.put_parameter(Name=mark.NAME, Value=json.dumps(value), Type="String", Overwrite=True)


def test_a_second_run_says_who_is_at_work(clients: Clients) -> None:
    own = mark.take(clients, os.getpid())
    with pytest.raises(PlatformError, match=f"under way, by .* on {socket.gethostname()} .*{os.getpid()}.*since 20"):
        mark.take(clients, os.getpid())
    mark.release(clients, own)
    mark.release(clients, mark.take(clients, os.getpid()))


def test_a_mark_of_a_process_that_is_gone_is_taken_over(clients: Clients) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    _left(clients, process=child)
    assert mark.take(clients, os.getpid())


def test_a_process_with_the_number_of_another_is_not_that_one(clients: Clients) -> None:
    _left(clients, began="1")
    assert mark.take(clients, os.getpid())


@pytest.mark.parametrize(("age", "taken"), [(60, False), (mark.OLD + 60, True)])
def test_the_mark_of_another_machine_is_taken_over_when_it_is_old(clients: Clients, age: int, taken: bool) -> None:
    _left(clients, host="elsewhere", process=1, since=int(time.time()) - age)
    if taken:
        assert mark.take(clients, os.getpid())
    else:
        with pytest.raises(PlatformError, match=r"on elsewhere \(process 1\)"):
            mark.take(clients, os.getpid())


def test_a_mark_that_goes_away_meanwhile_is_not_in_the_way(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    first = mark.take(clients, os.getpid())
    read = mark._read

    def gone_when_looked_at(*args: Any) -> Any:
        monkeypatch.undo()
        mark.release(clients, first)
        return read(*args)

    monkeypatch.setattr(mark, "_read", gone_when_looked_at)
    own = mark.take(clients, os.getpid())
    assert own != first
    with pytest.raises(PlatformError):
        mark.take(clients, os.getpid())


def test_who_takes_over_second_puts_the_mark_of_the_first_back(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    _left(clients, began="1")
    read, winner = mark._read, list[str]()

    def taken_over_meanwhile(*args: Any) -> Any:
        monkeypatch.undo()
        found = read(*args)
        winner.append(mark.take(clients, os.getpid()))
        return found

    monkeypatch.setattr(mark, "_read", taken_over_meanwhile)
    with pytest.raises(PlatformError, match="under way"):
        mark.take(clients, os.getpid())
    assert read(clients)[0]["run"] == winner[0]


def test_only_the_own_mark_is_taken_away(clients: Clients) -> None:
    mark.take(clients, os.getpid())
    mark.release(clients, "another")
    with pytest.raises(PlatformError):
        mark.take(clients, os.getpid())


def test_one_of_two_provisions_builds(local_aws: LocalAws) -> None:
    local_aws.reset(empty=True)
    platform = Platform(local_aws)
    first, second = platform.start("provision"), platform.start("provision")
    texts = {run.communicate(timeout=300)[0]: run.returncode for run in (first, second)}
    refused, built = sorted(texts, key=lambda text: "under way" not in text)
    assert texts[built] == 0, built
    assert texts[refused] == 2, refused
    assert "Another provision is under way, by " in refused
    assert fields(platform.plan()) == set()
    doubled = {kind: name for kind, counts in inventory(local_aws).items() for name, n in counts.items() if n > 1}
    assert doubled == {}
    assert not [
        item for item in local_aws.client("ssm").describe_parameters()["Parameters"] if item["Name"] == mark.NAME
    ]
