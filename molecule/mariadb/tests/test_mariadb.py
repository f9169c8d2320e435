"""The server as its clients, Prometheus and an onlooker on the host meet it."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import testinfra
from testinfra.backend.base import CommandResult
from testinfra.host import Host

testinfra_hosts = ["ansible://koin-db"]

APP = "throwaway-prod-app-0123456789"
STAGE, PROD = "throwaway-stage-0123456789", "throwaway-prod-'\"\\$%-0123"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


@pytest.fixture(scope="module")
def client() -> Host:
    """The host that reaches the server over the network."""
    inventory = os.environ["MOLECULE_INVENTORY_FILE"]
    return testinfra.get_host(f"ansible://client?ansible_inventory={inventory}&sudo=true")


@pytest.fixture(scope="module")
def address(host: Host) -> str:
    """Where the server is."""
    return host.check_output("hostname --all-ip-addresses").strip()


def query(
    client: Host, address: str, sql: str, user: str = "koin_prod", password: str = PROD, options: str = ""
) -> CommandResult:
    """Over the network, trusting what the client's host trusts."""
    return client.run(
        "MYSQL_PWD=%s mariadb --no-defaults --batch --skip-column-names --ssl-verify-server-cert --ssl-ca=%s"
        f" --connect-timeout=5 --protocol=tcp --host=%s --user=%s {options} --execute=%s",
        password,
        BUNDLE,
        address,
        user,
        sql,
    )


def root(host: Host, sql: str) -> str:
    """As an administrator on the host."""
    return host.check_output("mariadb --batch --skip-column-names --execute=%s", sql)


def variables(host: Host, *names: str) -> dict[str, str]:
    """A status value of the running server."""
    quoted = ", ".join(f"'{name}'" for name in names)
    lines = root(host, f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({quoted})").splitlines()
    return dict(line.partition("\t")[::2] for line in lines)


# --- What listens ----------------------------------------------------------------------------------------------------


def test_exactly_these_listen(host: Host, address: str) -> None:
    lines = host.check_output("ss --no-header --listening --numeric --tcp --udp").splitlines()
    # sshd of the scenario's base image, as it comes.
    expected = {f"tcp {address}:3306", f"tcp {address}:9104", "tcp 0.0.0.0:22", "tcp [::]:22"}
    assert {f"{line.split()[0]} {line.split()[4]}" for line in lines} == expected


# --- Who gets in -----------------------------------------------------------------------------------------------------


def test_a_user_writes_and_reads_over_tls(client: Host, address: str) -> None:
    sql = (
        "CREATE OR REPLACE TABLE koin_prod.t (a TEXT); INSERT INTO koin_prod.t VALUES ('한글 🙂');"
        "SELECT a FROM koin_prod.t; SHOW STATUS LIKE 'Ssl_version'"
    )
    answer = query(client, address, sql, options="--default-character-set=utf8mb4")
    assert answer.stdout.split("\n")[:2] == ["한글 🙂", "Ssl_version\tTLSv1.3"], answer.stderr


def test_each_user_has_its_own_password(client: Host, address: str) -> None:
    assert query(client, address, "SELECT 1", "koin_stage", STAGE).stdout == "1\n"
    assert "ERROR 1045" in query(client, address, "SELECT 1", "koin_stage", PROD).stderr


def test_without_tls_nobody_gets_in(client: Host, address: str) -> None:
    # 3159: the server requires it of everybody.
    assert "ERROR 3159" in query(client, address, "SELECT 1", options="--skip-ssl").stderr


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_these_versions_of_tls_are_spoken(client: Host, address: str, version: str) -> None:
    answer = query(client, address, "SHOW STATUS LIKE 'Ssl_version'", options=f"--tls-version={version}")
    assert answer.stdout == f"Ssl_version\t{version}\n", answer.stderr


@pytest.mark.parametrize(
    ("cipher", "spoken"),
    [
        ("ECDHE-ECDSA-AES128-GCM-SHA256", True),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", True),
        ("ECDHE-ECDSA-AES128-SHA256", False),
        ("ECDHE-ECDSA-AES256-SHA", False),
    ],
)
def test_tls_12_is_spoken_with_authenticated_encryption_alone(
    client: Host, address: str, cipher: str, spoken: bool
) -> None:
    command = "openssl s_client -starttls mysql -connect %s:3306 -tls1_2 -cipher %s </dev/null"
    answer = client.run(command, address, cipher)
    assert (f"Cipher is {cipher}" in answer.stdout) is spoken, answer.stderr
    assert ("alert handshake failure" in answer.stderr) is not spoken


@pytest.mark.parametrize(
    ("group", "spoken"), [("X25519MLKEM768", True), ("P-384", True), ("P-521", False), ("ffdhe2048", False)]
)
def test_keys_are_exchanged_as_mozilla_has_it(client: Host, address: str, group: str, spoken: bool) -> None:
    answer = client.run("openssl s_client -starttls mysql -connect %s:3306 -groups %s </dev/null", address, group)
    assert ("BEGIN CERTIFICATE" in answer.stdout) is spoken, answer.stderr


def test_older_tls_is_not_spoken(client: Host, address: str) -> None:
    # The client is let speak it, so that it is the server who refuses.
    older = client.run(
        "openssl s_client -starttls mysql -connect %s:3306 -tls1_1 -cipher DEFAULT:@SECLEVEL=0 </dev/null", address
    )
    assert older.rc != 0
    assert "alert protocol version" in older.stderr


def test_the_certificate_is_for_the_address_and_the_name(client: Host, address: str) -> None:
    check = f"openssl s_client -starttls mysql -connect {address}:3306 -verify_return_error -CAfile {BUNDLE}"
    assert client.run(f"{check} -verify_ip {address} </dev/null").rc == 0
    assert client.run(f"{check} -verify_hostname koin-db </dev/null").rc == 0
    assert client.run(f"{check} -verify_hostname other </dev/null").rc != 0


def test_a_wrong_password_is_refused(client: Host, address: str) -> None:
    answer = query(client, address, "SELECT 1", password=PROD + "x")
    assert answer.rc == 1
    assert "ERROR 1045" in answer.stderr


@pytest.mark.parametrize("user", ["root", "mysql", "prometheus", "", "nobody"])
def test_others_are_refused(client: Host, address: str, user: str) -> None:
    for password in ("", "invalid"):
        answer = query(client, address, "SELECT 1", user, password)
        assert (answer.rc, answer.stdout) == (1, "")
        assert "Access denied" in answer.stderr


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM koin_stage.t",
        "CREATE DATABASE other",
        "SELECT * FROM mysql.global_priv",
        "SET GLOBAL max_connections = 10",
        "GRANT SELECT ON koin_prod.* TO koin_stage@'172.%'",
        "SELECT 1 INTO OUTFILE '/var/lib/mysql/x'",
    ],
)
def test_a_user_keeps_to_its_own_database(host: Host, client: Host, address: str, sql: str) -> None:
    root(host, "CREATE TABLE IF NOT EXISTS koin_stage.t (a INT)")
    answer = query(client, address, sql)
    assert answer.rc == 1
    assert any(f"ERROR {code}" in answer.stderr for code in (1044, 1045, 1142, 1227)), answer.stderr


@pytest.mark.parametrize("name", ["koinXstage", "koin-stage", "koin_stage2"])
def test_a_name_that_is_like_the_users_own_is_not_its_own(client: Host, address: str, name: str) -> None:
    answer = query(client, address, f"CREATE DATABASE `{name}`", "koin_stage", STAGE)
    assert "ERROR 1044" in answer.stderr
    assert query(client, address, "CREATE OR REPLACE TABLE koin_stage.own (a INT)", "koin_stage", STAGE).rc == 0


def test_an_application_reads_and_writes_rows_and_changes_no_table(host: Host, client: Host, address: str) -> None:
    root(host, "CREATE OR REPLACE TABLE koin_prod.rows_only (a INT)")
    sql = "INSERT INTO koin_prod.rows_only VALUES (7); UPDATE koin_prod.rows_only SET a = 8; SELECT * FROM rows_only"
    rows = query(client, address, f"USE koin_prod; {sql}; DELETE FROM rows_only", "koin_prod_app", APP)
    assert rows.stdout == "8\n", rows.stderr
    temporary = "CREATE TEMPORARY TABLE koin_prod.own (a INT); DROP TEMPORARY TABLE koin_prod.own"
    assert query(client, address, temporary, "koin_prod_app", APP).rc == 0
    for sql in (
        "CREATE TABLE koin_prod.other (a INT)",
        "ALTER TABLE koin_prod.rows_only ADD b INT",
        "DROP TABLE koin_prod.rows_only",
        "TRUNCATE TABLE koin_prod.rows_only",
        "CREATE INDEX i ON koin_prod.rows_only (a)",
        "CREATE VIEW koin_prod.v AS SELECT 1",
        "CREATE TRIGGER koin_prod.t BEFORE INSERT ON koin_prod.rows_only FOR EACH ROW SET @a = 1",
        "DROP DATABASE koin_prod",
    ):
        answer = query(client, address, sql, "koin_prod_app", APP)
        assert answer.rc == 1, sql
        assert any(f"ERROR {code}" in answer.stderr for code in (1044, 1142, 1419)), answer.stderr


def test_a_user_comes_from_its_own_address_only(host: Host, client: Host, address: str) -> None:
    assert query(client, address, "SELECT CURRENT_USER()", "koin_prod_app", APP).stdout.startswith("koin_prod_app@10.")
    # The server's own host is another one, in the same network. Its journal, which shows commands, is searched later.
    options = base64.b64encode(f"[client]\nuser=koin_prod_app\npassword={APP}\n".encode()).decode()
    elsewhere = host.run(
        f"umask 077; echo {options} | base64 --decode > /run/elsewhere.cnf; mariadb"
        f" --defaults-file=/run/elsewhere.cnf --ssl-ca={BUNDLE} --protocol=tcp --host={address} --execute='SELECT 1';"
        " rm /run/elsewhere.cnf"
    )
    assert "ERROR 1045" in elsewhere.stderr


def test_root_comes_by_the_socket_and_as_root_only(host: Host) -> None:
    assert root(host, "SELECT CURRENT_USER()") == "root@localhost"
    for user in ("root", "mysql", "koin_prod", "prometheus"):
        answer = host.run("setpriv --reuid nobody --clear-groups mariadb --user=%s --execute='SELECT 1'", user)
        assert answer.rc == 1
        assert "Access denied" in answer.stderr


def test_exactly_these_accounts_and_databases_exist(host: Host, client: Host) -> None:
    accounts = root(host, "SELECT CONCAT(User, '@', Host) FROM mysql.global_priv").splitlines()
    users = {f"{user}@{network}" for user in ("koin_prod", "koin_stage") for network in ("10.%", "172.%")}
    users.add(f"koin_prod_app@{client.check_output('hostname --all-ip-addresses').strip()}")
    assert set(accounts) == users | {f"{user}@localhost" for user in ("mariadb.sys", "mysql", "prometheus", "root")}
    assert set(root(host, "SHOW DATABASES").splitlines()) == {
        *("information_schema", "mysql", "performance_schema", "sys"),
        *("koin_prod", "koin_stage"),
    }


def test_one_user_cannot_take_all_connections(host: Host) -> None:
    limits = root(host, "SELECT User, max_user_connections FROM mysql.user WHERE Host IN ('172.%', 'localhost')")
    assert {"koin_stage\t30", "koin_prod\t0", "prometheus\t3"} <= set(limits.splitlines())


# --- What the server was promised to be ------------------------------------------------------------------------------


def test_settings_of_the_running_server(host: Host) -> None:
    promised = {
        "require_secure_transport": "ON",
        "tls_version": "TLSv1.2,TLSv1.3",
        "skip_name_resolve": "ON",
        "local_infile": "OFF",
        "max_connections": "80",
        # 2048 / 2 - 160 - 80 * 4, less a tenth, in steps of 32.
        "innodb_buffer_pool_size": str(480 * 1024**2),
        "innodb_flush_log_at_trx_commit": "1",
        "sync_binlog": "1",
        "log_bin": "ON",
        "binlog_format": "ROW",
        "binlog_expire_logs_seconds": str(7 * 86400),
        "max_binlog_total_size": str(4 * 1024**3),
        "slow_query_log": "ON",
        "character_set_server": "utf8mb4",
        "collation_server": "utf8mb4_unicode_ci",
        "time_zone": "+09:00",
    }
    assert variables(host, *promised) == promised


def test_what_does_not_fit_into_memory_goes_to_disk(host: Host) -> None:
    seen = f"/proc/{host.check_output('systemctl show --value --property=MainPID mariadb')}/root"
    folder = root(host, "SELECT @@tmpdir")
    assert host.check_output(f"stat --file-system --format=%T {seen}/tmp") == "tmpfs"
    assert host.check_output(f"stat --file-system --format=%T {seen}{folder}") != "tmpfs"
    # 30 MB in a table of the server's own making, packed on disk; while the query sleeps, it is there.
    rows = "SELECT DISTINCT seq, REPEAT('x', 300) FROM koin_prod.seq_1_to_100000"
    host.check_output(
        f'systemd-run --collect --unit=spill mariadb --execute="SELECT SLEEP(60) FROM ({rows}) AS t LIMIT 1"'
    )
    try:
        deadline = time.monotonic() + 50
        while not (spilled := host.check_output(f"find {seen}{folder} -type f -size +1M")):
            assert time.monotonic() < deadline
            time.sleep(0.5)
        assert f"{folder}/#sql" in spilled
        assert host.check_output(f"find {seen}/tmp -type f") == ""
    finally:
        host.run("systemctl stop spill")


def test_the_folder_for_it_is_there_whatever_was_removed(host: Host) -> None:
    folder = root(host, "SELECT @@tmpdir")
    pid = host.check_output("systemctl show --value --property=MainPID mariadb")
    host.check_output(
        f"touch /proc/{pid}/root{folder}/left; rm --recursive --force /var/tmp/systemd-private-*-mariadb*"
    )
    host.check_output("systemctl restart mariadb")
    wait_until_up(host)
    sql = "CREATE TEMPORARY TABLE koin_prod.t ENGINE=Aria SELECT seq FROM koin_prod.seq_1_to_9"
    assert root(host, f"{sql}; SELECT COUNT(*) FROM koin_prod.t") == "9"


def test_databases_and_connections_have_the_same_collation(host: Host, client: Host, address: str) -> None:
    sql = "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE 'koin%'"
    assert set(root(host, sql).splitlines()) == {"utf8mb4_unicode_ci"}
    # As a driver does that knows nothing of collations.
    answer = query(client, address, "SET NAMES utf8mb4; SELECT @@collation_connection")
    assert answer.stdout == "utf8mb4_unicode_ci\n"


def test_the_server_knows_zones_by_name(host: Host) -> None:
    sql = "SELECT CONVERT_TZ('2026-01-01 00:00:00', 'UTC', 'Asia/Seoul')"
    assert root(host, sql) == "2026-01-01 09:00:00"


def test_old_binary_logs_go_though_there_is_no_replica(host: Host) -> None:
    root(host, "FLUSH BINARY LOGS")
    first = root(host, "SHOW BINARY LOGS").splitlines()[0]
    root(host, "SET GLOBAL binlog_expire_logs_seconds = 1")
    try:
        time.sleep(2)
        root(host, "FLUSH BINARY LOGS")
        assert first not in root(host, "SHOW BINARY LOGS").splitlines()
    finally:
        root(host, f"SET GLOBAL binlog_expire_logs_seconds = {7 * 86400}")


def test_a_slow_query_is_written_down_and_the_log_rotates(host: Host) -> None:
    root(host, "SELECT SLEEP(1.1), 'marker before'")
    log = "/var/log/mariadb/slow.log"
    assert "marker before" in host.file(log).content_string
    rotation = host.run("logrotate --force /etc/logrotate.d/koin-mariadb")
    assert (rotation.rc, rotation.stderr) == (0, "")
    root(host, "SELECT SLEEP(1.1), 'marker after'")
    content = host.file(log).content_string
    assert "marker after" in content
    assert "marker before" not in content


def test_the_kernel_takes_others_first(host: Host) -> None:
    # Asked of systemd: not every container may lower it.
    assert host.check_output("systemctl show --value --property=OOMScoreAdjust mariadb") == "-600"


# --- The exporter ----------------------------------------------------------------------------------------------------


LISTENER = """
import socket
listener = socket.create_server(("", 7777))
while True:
    connection, _ = listener.accept()
    connection.settimeout(3)
    with open("/run/caught", "ab") as file:
        file.write(b"connected\\n")
        try:
            while got := connection.recv(4096):
                file.write(got)
                connection.sendall(b"+OK\\r\\n")
        except OSError:
            pass
"""


@pytest.fixture
def listener(client: Host) -> Iterator[str]:
    """Where the client's host writes down who connects to it."""
    script = base64.b64encode(LISTENER.encode()).decode()
    client.check_output(f"rm -f /run/caught; echo {script} | base64 --decode > /run/listener.py")
    client.check_output("systemd-run --collect --unit=listener python3 /run/listener.py")
    here = f"{client.check_output('hostname --all-ip-addresses').strip()}:7777"
    client.check_output("timeout 10 sh -c 'until ss --listening --tcp --numeric | grep -q :7777; do sleep 0.1; done'")
    yield here
    client.check_output("systemctl stop listener")


def ask_exporter(client: Host, address: str, path: str = "/metrics", name: str = "client") -> CommandResult:
    """As one who has the certificate of that name; without any when it is empty."""
    folder = f"/etc/koin/tls/{name}"
    certificate = f"--cert {folder}/cert.pem --key {folder}/key.pem" if name else ""
    return client.run(
        f"curl --noproxy '*' --silent --fail --max-time 20 {certificate} %s", f"https://{address}:9104{path}"
    )


def test_the_exporter_answers_with_what_it_needs(client: Host, address: str) -> None:
    answer = ask_exporter(client, address)
    assert answer.rc == 0, answer.stderr
    metrics = answer.stdout.splitlines()
    assert "mysql_up 1" in metrics
    assert {
        line for line in metrics if line.startswith("mysql_exporter_collector_success") and line.endswith(" 0")
    } == (set())
    assert any(line.startswith("mysql_binlog_size_bytes ") for line in metrics)


@pytest.mark.parametrize("name", ["", "stranger"])
def test_the_exporter_answers_no_one_else(client: Host, address: str, name: str) -> None:
    answer = ask_exporter(client, address, name=name)
    # 56: the server ends the handshake.
    assert (answer.rc, answer.stdout) == (56, "")


@pytest.mark.parametrize(("option", "spoken"), [("-tls1_3", True), ("-tls1_2", False)])
def test_the_exporter_speaks_tls_13_alone(client: Host, address: str, option: str, spoken: bool) -> None:
    certificate = "-cert /etc/koin/tls/client/cert.pem -key /etc/koin/tls/client/key.pem"
    answer = client.run(f"openssl s_client -connect %s:9104 {option} {certificate} </dev/null", address)
    assert (answer.rc == 0) is spoken, answer.stderr


@pytest.mark.parametrize("path", ["/probe?target=", "/metrics?target="])
def test_the_exporter_asks_no_other_server(client: Host, address: str, listener: str, path: str) -> None:
    answer = ask_exporter(client, address, path + listener)
    assert "mysql_up 1" not in answer.stdout.splitlines()
    assert not client.file("/run/caught").exists


def test_the_exporter_answers_nobody_without_tls(client: Host, address: str) -> None:
    answer = client.run("curl --noproxy '*' --silent --fail http://%s:9104/metrics", address)
    assert (answer.rc, answer.stdout) == (22, "")


def test_the_exporter_reads_no_table(host: Host) -> None:
    answer = host.run(
        "setpriv --reuid prometheus --clear-groups mariadb --user=prometheus --execute=%s", "SELECT * FROM koin_prod.t"
    )
    assert "ERROR 1142" in answer.stderr


# --- Passwords -------------------------------------------------------------------------------------------------------


def play(**variables: str) -> str:
    """Run changed.yml; what it printed."""
    playbook = Path(__file__).parents[1] / "changed.yml"
    options = [item for name, value in variables.items() for item in ("-e", f"{name}={value}")]
    played = subprocess.run(
        ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], *options, str(playbook)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert played.returncode == 0, played.stdout + played.stderr
    return played.stdout


def test_a_former_password_counts_until_it_is_retired(host: Host, client: Host, address: str) -> None:
    words = ("stage", "second", "third")

    def accepted() -> list[str]:
        logins = {
            word: query(client, address, "SELECT 1", "koin_stage", f"throwaway-{word}-0123456789") for word in words
        }
        return [word for word, login in logins.items() if login.stdout == "1\n"]

    position = root(host, "SELECT @@gtid_binlog_pos")
    assert accepted() == ["stage"]
    play(word="second")
    assert accepted() == ["stage", "second"]
    assert re.search(r"changed=0 ", play(word="second"))
    # The run before was killed, so that programs may have any of them.
    play(word="third")
    assert accepted() == ["stage", "second", "third"]
    assert "throwaway" not in play(word="stage")
    assert accepted() == ["stage", "second", "third"]
    play(word="stage", former="gone")
    assert accepted() == ["stage"]
    assert re.search(r"changed=0 ", play(word="stage", former="gone"))
    # A copy of the binary log holds no hash.
    assert root(host, "SELECT @@gtid_binlog_pos") == position


def test_passwords_were_in_no_command_line(host: Host) -> None:
    host.run("systemctl stop watch-processes")
    seen = host.file("/var/tmp/processes").content_string
    # The watch saw the role at work.
    assert "/usr/sbin/mariadbd" in seen
    assert "throwaway" not in seen


def test_passwords_are_in_no_log_and_no_file(host: Host) -> None:
    # In base64: sudo logs commands, and the search must not find itself.
    patterns = base64.b64encode(b"throwaway-stage\nthrowaway-prod\n").decode()
    found = host.check_output(
        f"echo {patterns} | base64 --decode > /run/patterns; journalctl --no-pager > /run/journal;"
        "grep --recursive --files-with-matches --text --fixed-strings --file=/run/patterns"
        " /etc /home /root /tmp /run/journal /var/lib/mysql /var/log; true"
    )
    assert found == ""


def test_passwords_are_not_in_the_log_of_the_run() -> None:
    log = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "ansible.log").read_text()
    assert "Accounts | Create users" in log
    assert "throwaway" not in log


# --- It comes back ---------------------------------------------------------------------------------------------------


def wait_until_up(host: Host) -> None:
    """Until the server answers on its socket again."""
    deadline = time.monotonic() + 120
    while host.run("mariadb --execute='SELECT 1'").rc != 0:
        assert time.monotonic() < deadline, host.run("journalctl --unit=mariadb --lines=40 --no-pager").stdout
        time.sleep(0.5)


def test_what_was_committed_survives_a_kill(host: Host, client: Host, address: str) -> None:
    query(client, address, "CREATE OR REPLACE TABLE koin_prod.kept (a INT); INSERT INTO koin_prod.kept VALUES (7)")
    host.check_output("systemctl kill --signal=KILL mariadb")
    wait_until_up(host)
    assert query(client, address, "SELECT a FROM koin_prod.kept").stdout == "7\n"


def test_it_comes_back_when_the_host_restarts(host: Host, client: Host, address: str) -> None:
    before = host.check_output("cat /proc/sys/kernel/random/boot_id")
    host.run("systemd-run --on-active=1 systemctl reboot")
    deadline = time.monotonic() + 120
    while client.run(f"mariadb-admin --no-defaults --host={address} --user=x --connect-timeout=2 ping").rc == 0:
        time.sleep(0.2)
        assert time.monotonic() < deadline
    while not query(client, address, "SELECT a FROM koin_prod.kept").stdout:
        time.sleep(0.5)
        assert time.monotonic() < deadline
    assert query(client, address, "SELECT a FROM koin_prod.kept").stdout == "7\n"
    assert host.check_output("cat /proc/sys/kernel/random/boot_id") != before
    while ask_exporter(client, address).rc != 0:
        assert time.monotonic() < deadline
        time.sleep(0.5)
