"""The whole platform, configured: what works together, what is refused, what comes back after a restart.

What every host is by itself, and what listens, is in playbooks/verify, which runs here as well.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.local_aws import REPOSITORY, LocalAws
from tests.support.local_hosts import LocalHosts, machine
from tests.support.platform import Platform

HOSTS = ["bcsd-build", "bcsdlab-internal", "koin-db", "koin-prod", "koin-stage"]
AUTHORITY = "/usr/local/share/ca-certificates/koin-platform.crt"

pytestmark = pytest.mark.skipif(
    os.uname().sysname != "Linux" or (os.geteuid() != 0 and not shutil.which("sudo")), reason="needs Linux and root"
)


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """The platform, provisioned."""
    with LocalAws(tmp_path_factory.mktemp("platform")) as local:
        local.reset(empty=True)
        Platform(local).provision()
        yield local


@pytest.fixture(scope="module")
def hosts(aws: LocalAws) -> Iterator[LocalHosts]:
    """Its hosts, configured. At the end nothing of them is left."""
    local = LocalHosts(aws)
    local.ok("image")
    before = machine()
    try:
        local.ok("up")
        configured = local.playbook("configure")
        assert configured.returncode == 0, configured.stdout[-6000:] + configured.stderr[-2000:]
        yield local
    finally:
        local.ok("down")
    assert machine() == before


def recap(output: str) -> dict[str, dict[str, int]]:
    """Ansible's last lines: counts by host."""
    lines = re.findall(r"^(\S+)\s+: (ok=.*)$", output, re.MULTILINE)
    return {host: {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", counts)} for host, counts in lines}


def wait(what: str, is_so: Callable[[], Any], seconds: float = 90) -> Any:
    """Until something is true; what it is then."""
    end = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s"
        time.sleep(1)
    return found


@pytest.fixture(scope="module")
def authority(hosts: LocalHosts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The platform's certificate authority, as a visitor's browser would have to know it."""
    path = tmp_path_factory.mktemp("visitor") / "ca.pem"
    path.write_text(hosts.on("koin-prod", f"cat {AUTHORITY}"))
    return path


def visit(authority: Path, name: str, address: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Ask for a page by its name, at an address."""
    command = ["curl", "--silent", "--show-error", "--max-time", "20", "--noproxy", "*", "--cacert", str(authority)]
    return subprocess.run(
        [*command, "--resolve", f"{name}:443:{address}", *options, f"https://{name}/"],
        capture_output=True,
        text=True,
        check=False,
    )


# --- The second run --------------------------------------------------------------------------------------------------


def test_a_second_run_changes_nothing_and_writes_nothing(hosts: LocalHosts, aws: LocalAws) -> None:
    aws.mark()
    again = hosts.playbook("configure")
    assert again.returncode == 0, again.stdout[-4000:]
    assert {host: counts["changed"] for host, counts in recap(again.stdout).items()} == dict.fromkeys(HOSTS, 0)
    assert aws.writes() == []


def test_the_platform_verifies(hosts: LocalHosts) -> None:
    verified = hosts.playbook("verify")
    assert verified.returncode == 0, verified.stdout[-6000:]


def test_a_check_run_changes_nothing(hosts: LocalHosts) -> None:
    checked = hosts.playbook("configure", "--check", "--diff")
    assert checked.returncode == 0, checked.stdout[-4000:]
    assert {host: counts["changed"] for host, counts in recap(checked.stdout).items()} == dict.fromkeys(HOSTS, 0)


# --- Secrets ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def secrets(aws: LocalAws) -> dict[str, str]:
    """Every secret of the platform by its parameter."""
    pages = (
        aws.client("ssm")
        .get_paginator("get_parameters_by_path")
        .paginate(Path="/koin", Recursive=True, WithDecryption=True)
    )
    found = {item["Name"]: item["Value"] for page in pages for item in page["Parameters"] if item["Type"] != "String"}
    # A key spans lines: its last one is as telling as any.
    return {name: value.strip().splitlines()[-2] if "\n" in value else value for name, value in found.items()}


def test_secrets_are_where_hosts_may_read_their_own(secrets: dict[str, str]) -> None:
    assert "/koin/platform/authority/key" in secrets
    assert all(len(value) >= 32 for value in secrets.values())


@pytest.mark.parametrize("host", HOSTS)
def test_no_secret_is_in_a_journal_or_a_process(hosts: LocalHosts, secrets: dict[str, str], host: str) -> None:
    words = "\n".join(secrets.values())
    look = (
        "journalctl --no-pager --output=cat",
        "ps -eo args | grep -v words=",
        "cat /proc/[0-9]*/environ | tr '\\0' '\\n'",
    )
    count = "grep --fixed-strings --file=$words --count"
    seen = hosts.on(
        host,
        f"words=$(mktemp) && cat > $words <<'END'\n{words}\nEND\n"
        f'sudo sh -c "{{ {"; ".join(look)}; }} 2>/dev/null" | {count}; rm -f $words; true',
    )
    assert seen.splitlines()[0] == "0"


def test_no_secret_is_in_the_repository(secrets: dict[str, str]) -> None:
    for name, value in secrets.items():
        found = subprocess.run(["git", "grep", "--quiet", "--fixed-strings", value], cwd=REPOSITORY, check=False)
        assert found.returncode == 1, name


# --- Restart ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["koin-db", "koin-prod"])
def test_everything_comes_back_after_a_restart(hosts: LocalHosts, host: str) -> None:
    hosts.restart(host)
    wait(f"{host} is running", lambda: "running" in hosts.on(host, "systemctl is-system-running --wait || true"))
    failed = hosts.on(host, "systemctl list-units --failed --plain --no-legend")
    assert failed == ""


# --- Database --------------------------------------------------------------------------------------------------------

MARIADB = """
import pymysql, json
try:
    connection = pymysql.connect(host={host!r}, user={user!r}, password=open({file!r}).read(), ssl={ssl})
    with connection.cursor() as cursor:
        cursor.execute("SELECT CURRENT_USER(), @@hostname")
        print(json.dumps(cursor.fetchone()))
except Exception as error:
    print(json.dumps(str(error)))
"""


def mariadb(hosts: LocalHosts, user: str, password: str, tls: bool = True) -> Any:
    """Log in to the database from KOIN_DB's neighbour; a row, or what the server says."""
    options = {"ca": AUTHORITY, "check_hostname": True} if tls else None
    code = MARIADB.format(host="koin-db", user=user, file="/tmp/e2e-password", ssl=options)
    hosts.on("koin-prod", f"umask 077; printf %s '{password}' > /tmp/e2e-password")
    hosts.on("koin-prod", "dpkg -s python3-pymysql >/dev/null 2>&1 || sudo apt-get install -qq python3-pymysql")
    try:
        return json.loads(hosts.on("koin-prod", f"python3 - <<'END'\n{code}\nEND"))
    finally:
        hosts.on("koin-prod", "rm -f /tmp/e2e-password")


def test_a_user_logs_in_over_tls(hosts: LocalHosts, secrets: dict[str, str]) -> None:
    assert mariadb(hosts, "koin_prod", secrets["/koin/prod/mariadb/password"]) == ["koin_prod@172.31.%", "koin-db"]


def test_a_wrong_password_is_refused(hosts: LocalHosts) -> None:
    assert "Access denied" in mariadb(hosts, "koin_prod", "x" * 32)


def test_a_password_without_tls_is_refused(hosts: LocalHosts, secrets: dict[str, str]) -> None:
    refusal = mariadb(hosts, "koin_prod", secrets["/koin/prod/mariadb/password"], tls=False)
    assert "secure" in refusal or "Access denied" in refusal


# --- Edge ------------------------------------------------------------------------------------------------------------


def test_an_old_protocol_is_refused(authority: Path) -> None:
    refused = visit(authority, "koreatech.in", "172.31.0.20", "--tlsv1.0", "--tls-max", "1.1")
    assert refused.returncode == 35
