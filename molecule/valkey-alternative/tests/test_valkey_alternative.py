"""Other values than the defaults, over a server that was in use."""

from __future__ import annotations

import pytest
from testinfra.backend.base import CommandResult
from testinfra.host import Host

AFTER = "throwaway-after-0123456789"


def ask(host: Host, command: str, user: str = "koin_prod", password: str = AFTER) -> CommandResult:
    """Over TCP with TLS."""
    return host.run(
        "printf '%%s\\n' %s | valkey-cli -e -h $(hostname --all-ip-addresses) -p 6380 --tls"
        f" --cacert /etc/ssl/certs/ca-certificates.crt --user %s --askpass --no-auth-warning {command}",
        password,
        user,
    )


def test_exactly_these_listen(host: Host) -> None:
    address = host.check_output("hostname --all-ip-addresses").strip()
    lines = host.check_output("ss --no-header --listening --numeric --tcp --udp").splitlines()
    expected = {f"tcp {address}:6380", "tcp 0.0.0.0:22", "tcp [::]:22"}
    assert {f"{line.split()[0]} {line.split()[4]}" for line in lines} == expected


def test_the_exporter_is_gone(host: Host) -> None:
    assert not host.package("prometheus-redis-exporter").is_installed
    assert not host.file("/etc/koin/redis-exporter.json").exists


def test_the_data_is_still_there_though_it_is_kept_another_way(host: Host) -> None:
    assert ask(host, "GET prod:kept").stdout == "7\n"


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("koin_prod", "throwaway-before-0123456789"),
        ("koin_old", "throwaway-old-0123456789"),
        ("admin", "throwaway-admin-before-0123"),
        ("exporter", "throwaway-exporter-0123456789"),
    ],
)
def test_former_passwords_and_users_are_refused(host: Host, user: str, password: str) -> None:
    answer = ask(host, "PING", user, password)
    assert answer.rc == 1
    assert "WRONGPASS" in answer.stderr


def test_keys_and_rules_are_those_of_now(host: Host) -> None:
    assert ask(host, "SET shared:a 1").rc == 0
    for command in ("SET other:a 1", "EVAL 'return 1' 0"):
        answer = ask(host, command)
        assert answer.rc == 1
        assert "NOPERM" in answer.stderr


def test_settings_of_the_running_server(host: Host) -> None:
    promised = {
        # Half of 1024, and half of that.
        "maxmemory": str(256 * 1024**2),
        "maxmemory-policy": "noeviction",
        "maxclients": "50",
        "appendonly": "no",
        "save": "",
        "timeout": "300",
        "lazyfree-lazy-expire": "no",
    }
    # One by one: an answer may be empty.
    assert {name: host.check_output(f"valkey-admin CONFIG GET {name} | tail -n +2") for name in promised} == promised


def test_the_certificate_is_for_the_new_name(host: Host) -> None:
    check = (
        "openssl s_client -connect $(hostname --all-ip-addresses | tr -d ' '):6380 -verify_return_error"
        " -CAfile /etc/ssl/certs/ca-certificates.crt </dev/null -verify_hostname "
    )
    assert host.run(check + "cache.example").rc == 0
    assert host.run(check + "host").rc != 0
