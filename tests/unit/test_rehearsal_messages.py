"""What the rehearsal says: who holds its port, and what to run next."""

from __future__ import annotations

from pathlib import Path

from rehearsal.aws.control import lsof_holders, ss_holders
from rehearsal.aws.state import State
from rehearsal.summary import what_next

TWO_LISTENERS = """\
LISTEN 0 128 127.0.0.1:5566 0.0.0.0:* users:(("moto server",pid=7,fd=3))
LISTEN 0 128     [::1]:5566    [::]:* users:(("moto server",pid=7,fd=4),("worker",pid=8,fd=4))
"""


def test_a_process_with_two_listeners_is_named_once() -> None:
    assert ss_holders(TWO_LISTENERS) == ["moto server (pid 7)", "worker (pid 8)"]
    assert lsof_holders("p7\ncmoto server\nf3\nf4\np8\ncworker\nf4\n") == ["moto server (pid 7)", "worker (pid 8)"]


def test_a_listener_of_another_user_has_no_name() -> None:
    assert ss_holders("LISTEN 0 128 127.0.0.1:5566 0.0.0.0:*\n") == []


def test_pages_are_offered_only_where_hosts_serve_them(tmp_path: Path) -> None:
    state = State(tmp_path, 5566)
    account_only = what_next(state)
    assert "curl" not in account_only
    assert "make shell" not in account_only
    state.authority.write_text("certificate")
    whole = what_next(state)
    assert f"--cacert {tmp_path}/ca.pem" in whole
    assert "make shell HOST=KOIN_PROD" in whole
