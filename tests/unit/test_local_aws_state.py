"""Where the local AWS is, and how a shell is pointed to it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from rehearsal.aws.control import start_time
from rehearsal.aws.state import LocalAwsError, State


def test_the_exports_replace_the_account_of_the_shell(tmp_path: Path) -> None:
    script = State(tmp_path, 5599).exports() + "\nenv"
    output = subprocess.run(
        ["sh", "-c", script],
        env={
            "PATH": os.environ["PATH"],
            "AWS_PROFILE": "production",
            "AWS_SESSION_TOKEN": "x",
            "NO_PROXY": "intern",
            "AWS_REGION": "us-east-1",
        },
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    lines = output.splitlines()
    assert {"NO_PROXY=127.0.0.1,localhost,intern", "no_proxy=127.0.0.1,localhost"} <= set(lines)
    seen = dict(line.split("=", 1) for line in lines if line.startswith(("AWS_", "REHEARSAL_")))
    assert seen == {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:5599",
        "AWS_ACCESS_KEY_ID": "rehearsal",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret-0123456789",
        "AWS_REGION": "ap-northeast-2",
        "AWS_DEFAULT_REGION": "ap-northeast-2",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "REHEARSAL_AWS_PORT": "5599",
    }


@pytest.mark.parametrize("port", ["0", "65536", "aws", "-1"])
def test_a_port_that_is_none_is_named(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REHEARSAL_AWS_PORT", port)
    with pytest.raises(LocalAwsError, match="REHEARSAL_AWS_PORT"):
        State.from_environ()


def test_the_state_is_in_the_repository_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("REHEARSAL_DIR", raising=False)
    state = State.from_environ()
    assert state.directory == Path(__file__).resolve().parents[2] / ".rehearsal"
    assert state.port == 5566
    monkeypatch.setenv("REHEARSAL_DIR", str(tmp_path))
    assert State.from_environ().directory == tmp_path


def test_a_process_is_known_by_its_start_time() -> None:
    own = start_time(os.getpid())
    assert own is not None
    assert own == start_time(os.getpid())
    assert start_time(2**22 + 1) is None
