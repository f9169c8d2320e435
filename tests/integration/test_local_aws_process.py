"""Starting and stopping the local AWS: ours is recognised, a stranger is left alone."""

from __future__ import annotations

import http.server
import json
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rehearsal import COMMAND, REPOSITORY
from rehearsal.aws.control import start_time
from tests.support.local_aws import LocalAws


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """One of our own, apart from that of the other tests: these stop it."""
    with LocalAws(tmp_path_factory.mktemp("own")) as aws:
        yield aws


def pid_of(aws: LocalAws) -> int:
    return int(json.loads((aws.directory / "local_aws.json").read_text())["pid"])


def test_start_is_idempotent(own: LocalAws) -> None:
    own.client("ec2").create_key_pair(KeyName="kept")
    before = pid_of(own)
    answer = own.launcher("start", "--empty")
    assert answer.returncode == 0
    assert answer.stdout == ""
    assert f"already runs on {own.endpoint}" in answer.stderr
    assert pid_of(own) == before
    assert [item["KeyName"] for item in own.client("ec2").describe_key_pairs()["KeyPairs"]] == ["kept"]


def test_status_says_where_it_runs(own: LocalAws) -> None:
    answer = own.launcher("status")
    assert (answer.returncode, own.endpoint in answer.stdout) == (0, True)


def test_it_listens_on_loopback_only(own: LocalAws) -> None:
    port = int(own.endpoint.rpartition(":")[2])
    addresses = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in addresses - {"127.0.0.1"}:
        with socket.socket() as probe:
            if not str(address).startswith("127."):
                # Bound to 0.0.0.0 it would hold this address as well.
                probe.bind((address, port))


def test_it_makes_the_key_of_the_hosts(own: LocalAws) -> None:
    key = own.directory / "ssh" / "id_ed25519"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.with_suffix(".pub").read_text().startswith("ssh-ed25519 ")


def test_a_reset_needs_the_token(own: LocalAws) -> None:
    request = urllib.request.Request(own.endpoint + "/_rehearsal/reset", data=b"{}", method="POST")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=5)


@pytest.mark.parametrize(
    ("service", "ask"),
    [
        ("route53", lambda aws: aws.client("route53").list_hosted_zones()),
        ("cloudfront", lambda aws: aws.client("cloudfront").list_distributions()),
        ("ec2", lambda aws: aws.client("ec2").describe_vpcs()),
        ("acm", lambda aws: aws.client("acm").list_certificates()),
    ],
)
def test_it_can_be_as_slow_as_aws(own: LocalAws, service: str, ask: Callable[[LocalAws], Any]) -> None:
    own.reset(rates={service: 0.01})
    ask(own)
    with pytest.raises(ClientError, match=r"Throttling.*Rate exceeded"):
        ask(own)
    own.reset()
    for _ in range(3):
        ask(own)


def test_a_stranger_on_the_port_is_left_alone(tmp_path: Path) -> None:
    """Another moto, say: it would answer every request, ours included."""
    seen: list[str] = []

    class Stranger(http.server.BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            line = self.rfile.readline().decode()
            if line:
                seen.append(line.split()[0])
            self.close_connection = True

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        aws = LocalAws(tmp_path)
        object.__setattr__(aws._state, "port", server.server_address[1])
        refused = aws.launcher("start")
        stopped = aws.launcher("stop")
        server.shutdown()
    assert refused.returncode == 1
    assert f"port {server.server_address[1]} is held by" in refused.stderr
    assert "REHEARSAL_AWS_PORT=" in refused.stderr
    assert "not running" in stopped.stderr
    assert seen == [], "nothing but a connection may be tried"
    assert not (tmp_path / "local_aws.json").exists()


def test_stop_does_not_kill_whoever_has_the_pid_now(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as bystander:
        aws = LocalAws(tmp_path)
        object.__setattr__(aws._state, "port", 1)
        record = {"pid": bystander.pid, "started": "0", "token": "x", "port": 1}
        (tmp_path / "local_aws.json").write_text(json.dumps(record))
        answer = aws.launcher("stop")
        assert bystander.poll() is None
        bystander.kill()
    assert "not running" in answer.stderr


def test_a_broken_record_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "local_aws.json").write_text("{")
    with LocalAws(tmp_path) as aws:
        assert aws.client("sts").get_caller_identity()["Account"] == "123456789012"


def test_it_stops_and_is_gone(own: LocalAws) -> None:
    pid = pid_of(own)
    assert "stopped" in own.launcher("stop").stderr
    assert start_time(pid) is None
    assert own.launcher("status").returncode == 3
    assert "not running" in own.launcher("stop").stderr


def test_it_ends_with_its_owner(tmp_path: Path) -> None:
    """A test session that is killed leaves no server behind."""
    with subprocess.Popen(["sleep", "60"]) as owner:
        aws = LocalAws(tmp_path)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            object.__setattr__(aws._state, "port", probe.getsockname()[1])
        environ = aws.process_environ | {"REHEARSAL_OWNER": str(owner.pid)}
        start = [*COMMAND, "aws", "start"]
        subprocess.run(start, cwd=REPOSITORY, env=environ, check=True, capture_output=True)
        owner.kill()
    deadline = time.monotonic() + 60
    while aws.launcher("status").returncode == 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert aws.launcher("status").returncode == 3
