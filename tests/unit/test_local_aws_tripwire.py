"""The guard of the test session fires: shown on nested tripwires, so that this session itself stays green."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.support.tripwire import NotLoopbackError, Tripwire

CALL_AWS = """
import boto3
client = boto3.client("sts", region_name="ap-northeast-2", aws_access_key_id="x", aws_secret_access_key="x")
client.get_caller_identity()
"""


def test_an_aws_client_without_an_endpoint_is_refused() -> None:
    with Tripwire() as wire, pytest.raises((BotoCoreError, ClientError)):
        boto3.session.Session().client(
            "ec2",
            region_name="ap-northeast-2",
            aws_access_key_id="x",
            aws_secret_access_key="x",
            config=Config(retries={"total_max_attempts": 1}),
        ).describe_vpcs()
    (record,) = wire.records
    assert record.startswith("proxy: CONNECT ec2.ap-northeast-2.amazonaws.com:443")


def test_a_subprocess_is_refused_too() -> None:
    with Tripwire() as wire:
        environ = os.environ | {"AWS_MAX_ATTEMPTS": "1"}
        ended = subprocess.run([sys.executable, "-c", CALL_AWS], env=environ, capture_output=True, check=False)
    assert ended.returncode != 0
    assert "sts.ap-northeast-2.amazonaws.com" in wire.records[0]


def test_a_socket_of_this_process_is_refused() -> None:
    with Tripwire() as wire, socket.socket() as client:
        # TEST-NET-3: documentation, routed nowhere.
        with pytest.raises(NotLoopbackError):
            client.connect(("203.0.113.1", 80))
        with pytest.raises(NotLoopbackError):
            client.connect_ex(("203.0.113.1", 80))
        with socket.socket(type=socket.SOCK_DGRAM) as datagram, pytest.raises(NotLoopbackError):
            datagram.sendto(b"x", ("203.0.113.1", 53))
        with pytest.raises(NotLoopbackError):
            socket.getaddrinfo("koreatech.in", 443)
    assert wire.records == [
        "connect: 203.0.113.1:80",
        "connect: 203.0.113.1:80",
        "sendto: 203.0.113.1:53",
        "look-up: koreatech.in:443",
    ]


def test_loopback_is_open() -> None:
    with Tripwire() as wire, socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname(), timeout=5):
            pass
        assert urllib.request.getproxies()["https"] == wire.url
        assert urllib.request.proxy_bypass("127.0.0.1")
    assert wire.records == []


def test_a_network_may_be_allowed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support.tripwire import allowed

    assert not allowed("172.31.0.10")
    monkeypatch.setenv("TRIPWIRE_ALLOW", "10.0.0.0/8,172.31.0.0/16")
    assert allowed("172.31.0.10")
    assert not allowed("172.32.0.10")


def test_the_session_has_one_and_no_account_of_its_own(tripwire: Tripwire) -> None:
    assert os.environ["HTTPS_PROXY"] == tripwire.url
    assert {name for name in os.environ if name.startswith("AWS_")} == {
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_EC2_METADATA_DISABLED",
    }


def test_a_test_that_reaches_out_fails(tmp_path: Path) -> None:
    """The same fixture, in a session of its own."""
    (tmp_path / "conftest.py").write_text(
        "from tests.conftest import pytest_configure, pytest_sessionfinish, pytest_unconfigure, tripwire\n"
    )
    (tmp_path / "test_it.py").write_text(
        "import contextlib, socket\n"
        "def test_reaches_out():\n"
        "    with contextlib.suppress(OSError):\n"
        "        socket.create_connection(('203.0.113.1', 80))\n"
        "def test_stays():\n"
        "    pass\n"
    )
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "tried to reach something other than loopback: ['connect: 203.0.113.1:80']" in ended.stdout
    assert "2 passed, 1 error" in ended.stdout
