"""Other values than the defaults, over a server that was in use."""

from __future__ import annotations

import pytest
from testinfra.backend.base import CommandResult
from testinfra.host import Host

BEFORE, AFTER = "throwaway-before-0123456789", "throwaway-after-0123456789"


def query(host: Host, sql: str, user: str, password: str) -> CommandResult:
    """Over TCP with TLS."""
    return host.run(
        "MYSQL_PWD=%s mariadb --no-defaults --batch --skip-column-names --ssl-ca=/etc/ssl/certs/ca-certificates.crt"
        " --protocol=tcp --host=$(hostname --all-ip-addresses) --port=3307 --user=%s --execute=%s",
        password,
        user,
        sql,
    )


def root(host: Host, sql: str) -> list[str]:
    """As an administrator on the host."""
    return host.check_output("mariadb --batch --skip-column-names --execute=%s", sql).splitlines()


def test_exactly_these_listen(host: Host) -> None:
    address = host.check_output("hostname --all-ip-addresses").strip()
    lines = host.check_output("ss --no-header --listening --numeric --tcp --udp").splitlines()
    expected = {f"tcp {address}:3307", "tcp 0.0.0.0:22", "tcp [::]:22"}
    assert {f"{line.split()[0]} {line.split()[4]}" for line in lines} == expected


def test_the_exporter_is_gone(host: Host) -> None:
    assert not host.package("prometheus-mysqld-exporter").is_installed


def test_the_password_was_rotated(host: Host) -> None:
    assert query(host, "SELECT a FROM koin_prod.t", "koin_prod", AFTER).stdout == "7\n"
    assert "Access denied" in query(host, "SELECT 1", "koin_prod", BEFORE).stderr


def test_privileges_that_are_not_declared_any_more_were_revoked(host: Host) -> None:
    assert query(host, "INSERT INTO koin_prod.t VALUES (8)", "koin_prod", AFTER).rc == 0
    for sql in ("DELETE FROM koin_prod.t", "SELECT * FROM mysql.global_priv"):
        assert "denied" in query(host, sql, "koin_prod", AFTER).stderr


def test_a_grant_with_wildcards_of_a_former_run_was_replaced(host: Host) -> None:
    # One that was made before names were taken as they are written; the other account is new. The client doubles
    # backslashes.
    for network in ("10.%", "172.%"):
        grants = [line.partition(" TO ")[0] for line in root(host, f"SHOW GRANTS FOR koin_prod@'{network}'")]
        assert grants == ["GRANT USAGE ON *.*", "GRANT SELECT, INSERT ON `koin\\\\_prod`.*"]


@pytest.mark.parametrize(
    ("user", "password"),
    [("koin_old", "throwaway-old-0123456789"), ("root", "throwaway-root-0123456789"), ("anybody", "")],
)
def test_those_who_are_gone_are_refused(host: Host, user: str, password: str) -> None:
    assert "Access denied" in query(host, "SELECT 1", user, password).stderr


def test_a_user_that_moves_from_a_pattern_to_an_address_logs_in_throughout(host: Host) -> None:
    host.run("systemctl stop watch-logins")
    said = host.file("/var/tmp/logins").content_string
    address = host.check_output("hostname --all-ip-addresses").strip()
    assert {"koin_kept@10.%", f"koin_kept@{address}"} <= set(said.splitlines())
    assert "Access denied" not in said


def test_root_has_no_password_any_more(host: Host) -> None:
    answer = host.run(
        "MYSQL_PWD=throwaway-root-0123456789"
        " setpriv --reuid nobody --clear-groups mariadb --user=root --execute='SELECT 1'"
    )
    assert "Access denied" in answer.stderr


def test_exactly_these_accounts_and_databases_exist(host: Host) -> None:
    # wiki is not declared: somebody's.
    assert set(root(host, "SELECT CONCAT(User, '@', Host) FROM mysql.global_priv")) == {
        *("koin_prod@10.%", "koin_prod@172.%"),
        f"koin_kept@{host.check_output('hostname --all-ip-addresses').strip()}",
        *("mariadb.sys@localhost", "mysql@localhost", "root@localhost", "wiki@localhost"),
    }
    assert set(root(host, "SHOW DATABASES")) == {
        *("information_schema", "mysql", "performance_schema", "sys"),
        *("koin_prod", "wiki"),
    }


def test_settings_of_the_running_server(host: Host) -> None:
    promised = {
        # 1024 * 0.6 - 160 - 40 * 4, less a tenth, in steps of 32.
        "innodb_buffer_pool_size": str(256 * 1024**2),
        "max_connections": "40",
        "collation_server": "utf8mb4_general_ci",
        "time_zone": "+00:00",
        "long_query_time": "0.200000",
        "server_id": "2",
        "binlog_expire_logs_seconds": str(2 * 86400),
        "max_binlog_total_size": str(1024**3),
        "max_allowed_packet": str(32 * 1024**2),
        "wait_timeout": "600",
        "event_scheduler": "ON",
    }
    names = ", ".join(f"'{name}'" for name in promised)
    lines = root(host, f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})")
    assert dict(line.partition("\t")[::2] for line in lines) == promised


def test_the_certificate_is_for_the_new_name(host: Host) -> None:
    check = (
        "openssl s_client -starttls mysql -connect $(hostname --all-ip-addresses | tr -d ' '):3307 -verify_return_error"
        " -CAfile /etc/ssl/certs/ca-certificates.crt </dev/null -verify_hostname "
    )
    assert host.run(check + "db.example").rc == 0
    assert host.run(check + "host").rc != 0
