"""The server as its clients, Prometheus and an onlooker on the host meet it."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import testinfra
from testinfra.backend.base import CommandResult
from testinfra.host import Host

testinfra_hosts = ["ansible://koin-db"]

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


def ask(client: Host, address: str, command: str, user: str = "koin_prod", password: str = PROD) -> CommandResult:
    """Over the network, trusting what the client's host trusts."""
    return client.run(
        f"printf '%%s\\n' %s | valkey-cli -e -h {address} -p 6379 --tls --cacert {BUNDLE}"
        f" --user %s --askpass --no-auth-warning {command}",
        password,
        user,
    )


def settings(host: Host, *names: str) -> dict[str, str]:
    """A status value of the running server."""
    lines = host.check_output(f"valkey-admin CONFIG GET {' '.join(names)}").splitlines()
    return dict(zip(lines[::2], lines[1::2], strict=True))


# --- What listens ----------------------------------------------------------------------------------------------------


def test_exactly_these_listen(host: Host, address: str) -> None:
    lines = host.check_output("ss --no-header --listening --numeric --tcp --udp").splitlines()
    # sshd of the scenario's base image, as it comes.
    expected = {f"tcp {address}:6379", f"tcp {address}:9121", "tcp 0.0.0.0:22", "tcp [::]:22"}
    assert {f"{line.split()[0]} {line.split()[4]}" for line in lines} == expected


# --- Who gets in -----------------------------------------------------------------------------------------------------


def test_a_user_writes_and_reads_over_tls(client: Host, address: str) -> None:
    assert ask(client, address, "SET prod:a 7").stdout == "OK\n"
    assert ask(client, address, "GET prod:a").stdout == "7\n"
    assert ask(client, address, "PUBLISH prod:news x").stdout == "0\n"
    # What health checks and drivers ask.
    assert "valkey_version" in ask(client, address, "INFO server").stdout
    assert ask(client, address, "CLIENT SETNAME app").stdout == "OK\n"
    assert ask(client, address, "EVAL 'return server.call(\"GET\", KEYS[1])' 1 prod:a").stdout == "7\n"


def test_each_user_has_its_own_password(client: Host, address: str) -> None:
    assert ask(client, address, "ACL WHOAMI", "koin_stage", STAGE).stdout == "koin_stage\n"
    assert ask(client, address, "SET stage:a 1", "koin_stage", STAGE).stdout == "OK\n"
    assert "WRONGPASS" in ask(client, address, "GET stage:a", "koin_stage", PROD).stderr


@pytest.mark.parametrize("user", ["koin_prod", "admin", "exporter", "default", "nobody"])
def test_a_wrong_password_is_refused(client: Host, address: str, user: str) -> None:
    answer = ask(client, address, "PING", user, "wrong-password-0123")
    assert answer.rc == 1
    assert "WRONGPASS" in answer.stderr


def test_without_a_password_nobody_gets_in(client: Host, address: str) -> None:
    answer = client.run(f"valkey-cli -e -h {address} -p 6379 --tls --cacert {BUNDLE} PING")
    assert answer.rc == 1
    assert "NOAUTH" in answer.stderr


def test_without_tls_nobody_gets_in(client: Host, address: str) -> None:
    answer = client.run(f"valkey-cli -e -h {address} -p 6379 PING")
    assert answer.rc == 1
    assert "PONG" not in answer.stdout


def test_the_certificate_is_for_the_address_and_the_name(client: Host, address: str) -> None:
    check = f"openssl s_client -connect {address}:6379 -verify_return_error -CAfile {BUNDLE} </dev/null"
    assert client.run(f"{check} -verify_ip {address}").rc == 0
    assert client.run(f"{check} -verify_hostname koin-db").rc == 0
    assert client.run(f"{check} -verify_hostname other").rc != 0
    assert client.run(f"{check} -tls1_2").rc == 0


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
    answer = client.run("openssl s_client -connect %s:6379 -tls1_2 -cipher %s </dev/null", address, cipher)
    assert (f"Cipher is {cipher}" in answer.stdout) is spoken, answer.stderr
    assert ("alert handshake failure" in answer.stderr) is not spoken


@pytest.mark.parametrize(
    ("group", "spoken"), [("X25519MLKEM768", True), ("P-384", True), ("P-521", False), ("ffdhe2048", False)]
)
def test_keys_are_exchanged_as_mozilla_has_it(client: Host, address: str, group: str, spoken: bool) -> None:
    answer = client.run("openssl s_client -connect %s:6379 -groups %s </dev/null", address, group)
    assert ("BEGIN CERTIFICATE" in answer.stdout) is spoken, answer.stderr


def test_older_tls_is_not_spoken(client: Host, address: str) -> None:
    older = client.run(f"openssl s_client -connect {address}:6379 -tls1_1 -cipher DEFAULT:@SECLEVEL=0 </dev/null")
    assert older.rc != 0
    assert "alert protocol version" in older.stderr


@pytest.mark.parametrize(
    "command",
    [
        "GET stage:a",
        "SET other 1",
        'EVAL \'return server.call("GET", "stage:a")\' 0',
        "RENAME prod:a stage:a",
        "COPY prod:a stage:a",
        "PUBLISH stage:news x",
        "PUBLISH __keyspace@0__:x y",
        "KEYS '*'",
        "RANDOMKEY",
        "FLUSHALL",
        "FLUSHDB",
        "CONFIG GET '*'",
        "CONFIG SET maxmemory 0",
        "ACL LIST",
        "CLIENT LIST",
        "MONITOR",
        "SHUTDOWN",
        "REPLICAOF 203.0.113.1 6379",
        "FUNCTION FLUSH",
        "SCRIPT FLUSH",
        "SAVE",
    ],
)
def test_a_user_keeps_to_its_own_keys(client: Host, address: str, command: str) -> None:
    answer = ask(client, address, command)
    assert answer.rc == 1
    assert "NOPERM" in answer.stderr or "No permissions to access a key" in answer.stderr, answer


def test_a_further_rule_is_for_its_user_only(client: Host, address: str) -> None:
    assert ask(client, address, "SCAN 0 MATCH prod:*").rc == 0
    assert "NOPERM" in ask(client, address, "SCAN 0", "koin_stage", STAGE).stderr


def test_exactly_these_users_exist(host: Host) -> None:
    assert set(host.check_output("valkey-admin ACL USERS").splitlines()) == {
        *("admin", "default", "exporter"),
        *("koin_prod", "koin_stage"),
    }
    assert host.check_output("valkey-admin ACL GETUSER default").splitlines()[1] == "off"


def test_the_administrator_is_root_of_the_host(host: Host) -> None:
    assert host.check_output("valkey-admin ACL WHOAMI") == "admin"
    assert host.check_output("valkey-admin ECHO %s", 'two "words" \\ 한글') == 'two "words" \\ 한글'
    assert host.check_output("printf 'ACL WHOAMI\\n' | valkey-admin") == "admin"
    assert host.run("valkey-admin NOSUCH").rc == 1
    nobody = "setpriv --reuid nobody --regid nogroup --clear-groups"
    for command in ("cat /etc/koin/valkey-admin", "cat /etc/valkey/koin.acl", "test -w /run/valkey/valkey.sock"):
        assert host.run(f"{nobody} {command}").rc != 0


# --- What the server was promised to be ------------------------------------------------------------------------------


def test_settings_of_the_running_server(host: Host, address: str) -> None:
    promised = {
        "bind": address,
        "port": "0",
        "tls-port": "6379",
        # A quarter of 2048, and half of that.
        "maxmemory": str(256 * 1024**2),
        "maxmemory-policy": "volatile-lru",
        "maxclients": "200",
        "appendonly": "yes",
        "save": "3600 1",
        "databases": "1",
        "protected-mode": "yes",
    }
    assert settings(host, *promised) == promised


def test_the_server_cannot_rewrite_its_settings_and_users(host: Host) -> None:
    assert host.run("valkey-admin CONFIG REWRITE").rc == 1
    assert host.run("valkey-admin ACL SAVE").rc == 1


def test_the_kernel_takes_others_first(host: Host) -> None:
    # Asked of systemd: not every container may lower it.
    assert host.check_output("systemctl show --value --property=OOMScoreAdjust valkey-server") == "-500"


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
        f"curl --noproxy '*' --silent --fail --max-time 20 {certificate} %s", f"https://{address}:9121{path}"
    )


def test_the_exporter_answers_with_what_it_needs(host: Host, client: Host, address: str) -> None:
    host.check_output("valkey-admin ACL LOG RESET")
    answer = ask_exporter(client, address)
    assert answer.rc == 0, answer.stderr
    metrics = answer.stdout.splitlines()
    assert "redis_up 1" in metrics
    assert 'redis_exporter_last_scrape_error{err=""} 0' in metrics
    assert "redis_memory_max_bytes 2.68435456e+08" in metrics
    # Nothing was asked that it may not.
    assert host.check_output("valkey-admin ACL LOG") == ""


def test_the_exporter_answers_no_one_else(client: Host, address: str) -> None:
    answer = ask_exporter(client, address, name="")
    # 56: the server ends the handshake.
    assert (answer.rc, answer.stdout) == (56, "")


@pytest.mark.parametrize(
    ("options", "spoken"),
    [
        ("-tls1_3", True),
        ("-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", True),
        ("-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-ECDSA-AES128-SHA256", False),
        ("-tls1_1 -cipher DEFAULT:@SECLEVEL=0", False),
    ],
)
def test_the_exporter_encrypts_with_authentication_alone(
    client: Host, address: str, options: str, spoken: bool
) -> None:
    certificate = "-cert /etc/koin/tls/client/cert.pem -key /etc/koin/tls/client/key.pem"
    answer = client.run(f"openssl s_client -connect %s:9121 {options} {certificate} </dev/null", address)
    assert (answer.rc == 0) is spoken, answer.stderr


def test_the_exporter_answers_nobody_without_tls(client: Host, address: str) -> None:
    assert client.run("curl --noproxy '*' --silent --fail http://%s:9121/metrics", address).stdout == ""


# --- Passwords -------------------------------------------------------------------------------------------------------


def play(**variables: str) -> str:
    """Run changed.yml; what it printed."""
    played = subprocess.run(
        [
            *("ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], "-e", json.dumps(variables)),
            str(Path(__file__).parents[1] / "changed.yml"),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert played.returncode == 0, played.stdout + played.stderr
    assert "throwaway" not in played.stdout + played.stderr
    return played.stdout


@pytest.fixture
def connected(client: Host, address: str) -> Iterator[Callable[[], list[str]]]:
    """A client that logs in once and asks its number five times a second; the answers so far."""
    asking = (
        f"(echo {STAGE}; while sleep 0.2; do echo CLIENT ID; done) | valkey-cli -h {address} -p 6379 --tls"
        f" --cacert {BUNDLE} --user koin_stage --askpass --no-auth-warning > /run/connected 2>&1"
    )
    client.check_output("systemd-run --collect --unit=connected sh -c %s", asking)
    yield lambda: client.check_output("cat /run/connected").splitlines()
    client.check_output("systemctl stop connected")


def test_former_passwords_count_until_they_are_retired_and_nobody_is_disconnected(
    host: Host, client: Host, address: str, connected: Callable[[], list[str]]
) -> None:
    words, admin = ("stage", "second", "third"), "throwaway-admin-'\"\\$%-0123"

    def accepted() -> list[str]:
        asked = {
            word: ask(client, address, "ACL WHOAMI", "koin_stage", f"throwaway-{word}-0123456789") for word in words
        }
        return [word for word, answer in asked.items() if answer.stdout == "koin_stage\n"]

    def server() -> list[str]:
        return re.findall("run_id:.*", host.check_output("valkey-admin INFO server"))

    started = server()
    assert accepted() == ["stage"]
    play(word="second", admin="throwaway-admin-second-0123")
    assert accepted() == ["stage", "second"]
    assert re.search(r"changed=0 ", play(word="second", admin="throwaway-admin-second-0123"))
    # The run before was killed, so that programs may have any of them.
    play(word="third", admin=admin)
    assert accepted() == ["stage", "second", "third"]
    play(word="stage", admin=admin)
    assert accepted() == ["stage", "second", "third"]
    play(word="stage", admin=admin, former="gone")
    assert accepted() == ["stage"]
    assert ask(client, address, "PING", "admin", "throwaway-admin-second-0123").rc == 1
    assert re.search(r"changed=0 ", play(word="stage", admin=admin, former="gone"))
    # The administrator's password has changed as well, without a restart.
    assert server() == started
    answers = connected()
    assert len(answers) > 20
    assert len(set(answers)) == 1


def test_passwords_were_in_no_command_line(host: Host) -> None:
    host.run("systemctl stop watch-processes")
    seen = host.file("/var/tmp/processes").content_string
    # The watch saw the role at work.
    assert "/usr/bin/valkey-server" in seen
    assert "throwaway" not in seen


def test_passwords_are_in_no_log_and_two_files(host: Host) -> None:
    # In base64: sudo logs commands, and the search must not find itself.
    patterns = base64.b64encode(b"throwaway-\n").decode()
    found = host.check_output(
        f"echo {patterns} | base64 --decode > /run/patterns; journalctl --no-pager > /run/journal;"
        "grep --recursive --files-with-matches --text --fixed-strings --file=/run/patterns"
        " /etc /home /root /tmp /run/journal /var/lib/valkey /var/log; true"
    )
    assert set(found.split()) == {"/etc/koin/redis-exporter.json", "/etc/koin/valkey-admin"}
    modes = {host.file(path).mode for path in found.split()}
    assert modes == {0o600, 0o640}


def test_passwords_are_not_in_the_log_of_the_run() -> None:
    log = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "ansible.log").read_text()
    assert "Users | Write them" in log
    assert "throwaway" not in log


# --- It comes back ---------------------------------------------------------------------------------------------------


def wait_for(client: Host, address: str, command: str, expected: str) -> None:
    """Until the server gives this answer."""
    deadline = time.monotonic() + 120
    while (answer := ask(client, address, command)).stdout != expected:
        assert time.monotonic() < deadline, answer
        time.sleep(0.5)


def test_what_was_written_survives_a_kill(host: Host, client: Host, address: str) -> None:
    assert ask(client, address, "SET prod:kept 7").stdout == "OK\n"
    # It goes to disk once a second.
    time.sleep(2)
    host.check_output("systemctl kill --signal=KILL valkey-server")
    wait_for(client, address, "GET prod:kept", "7\n")


def test_a_copy_that_is_put_back_is_what_it_starts_with(host: Host, client: Host, address: str) -> None:
    host.check_output("valkey-admin SAVE")
    assert ask(client, address, "SET prod:later 8").stdout == "OK\n"
    host.check_output("cp --archive /var/lib/valkey/dump.rdb /run/copy && systemctl stop valkey-server")
    host.check_output("rm -r /var/lib/valkey/appendonlydir && cp --archive /run/copy /var/lib/valkey/dump.rdb")
    host.check_output("systemctl start valkey-server")
    assert ask(client, address, "MGET prod:kept prod:later").stdout == "7\n\n"
    assert settings(host, "appendonly") == {"appendonly": "yes"}


def test_it_comes_back_when_the_host_restarts(host: Host, client: Host, address: str) -> None:
    before = host.check_output("cat /proc/sys/kernel/random/boot_id")
    host.run("systemd-run --on-active=1 systemctl reboot")
    deadline = time.monotonic() + 120
    while ask(client, address, "PING").rc == 0:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    wait_for(client, address, "GET prod:kept", "7\n")
    assert host.check_output("cat /proc/sys/kernel/random/boot_id") != before
    while ask_exporter(client, address).rc != 0:
        assert time.monotonic() < deadline
        time.sleep(0.5)
