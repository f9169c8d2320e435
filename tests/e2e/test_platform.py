"""The whole platform, configured: what works together, what is refused, what comes back after a restart.

What every host is by itself, and what listens, is in checks/verify, which runs here as well.
"""

from __future__ import annotations

import functools
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rehearsal import REPOSITORY
from tests.support.local_aws import LocalAws
from tests.support.local_hosts import LocalHosts

HOSTS = ["bcsd-build", "bcsdlab-internal", "koin-db", "koin-prod", "koin-stage"]
#: tasks that changed something, in a run that changed nothing; localhost looks at the inventory
UNCHANGED = dict.fromkeys([*HOSTS, "localhost"], 0)
AUTHORITY = "/etc/koin/tls/ca.pem"


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
    assert {host: counts["changed"] for host, counts in hosts.recap().items()} == UNCHANGED
    # The database's host stores its changes every minute.
    assert [call for call in aws.writes() if call["params"].get("Bucket") != "koin-backup"] == []


def test_the_platform_verifies(hosts: LocalHosts) -> None:
    verified = hosts.playbook("verify")
    assert verified.returncode == 0, verified.stdout[-6000:]


def test_a_check_run_changes_nothing(hosts: LocalHosts) -> None:
    checked = hosts.playbook("configure", "--check", "--diff")
    assert checked.returncode == 0, checked.stdout[-4000:]
    assert {host: counts["changed"] for host, counts in hosts.recap().items()} == UNCHANGED


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
    # A key spans lines, and ends with its public half: the first one is telling.
    return {name: value.splitlines()[1] if "\n" in value else value for name, value in found.items()}


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


# --- Database --------------------------------------------------------------------------------------------------------

MARIADB = """
import json, pymysql
options = json.loads({options!r})
try:
    connection = pymysql.connect(host="koin-db", connect_timeout=5, **options)
    with connection.cursor() as cursor:
        cursor.execute("SELECT CURRENT_USER(), @@hostname")
        print(json.dumps(cursor.fetchone()))
except Exception as error:
    print(json.dumps(str(error)))
"""


def mariadb(hosts: LocalHosts, user: str, password: str, *, tls: bool = True) -> Any:
    """Log in to the database from the service of production; a row, or what the server says."""
    options: dict[str, Any] = {"user": user, "password": password}
    if tls:
        options |= {
            "ssl_ca": "/etc/ssl/certs/ca-certificates.crt",
            "ssl_verify_cert": True,
            "ssl_verify_identity": True,
        }
    container = "$(sudo docker ps --quiet --filter label=com.docker.swarm.service.name=koin-prod_api)"
    code = MARIADB.format(options=json.dumps(options))
    return json.loads(hosts.on("koin-prod", f"sudo docker exec -i {container} python3 - <<'END'\n{code}\nEND"))


def test_a_user_logs_in_over_tls(hosts: LocalHosts, secrets: dict[str, str]) -> None:
    found = mariadb(hosts, "koin_prod_app", secrets["/koin/prod/mariadb/app"])
    assert found == ["koin_prod_app@172.31.0.20", "koin-db"]


def test_a_wrong_password_is_refused(hosts: LocalHosts) -> None:
    assert "Access denied" in mariadb(hosts, "koin_prod_app", "x" * 32)


def test_a_password_without_tls_is_refused(hosts: LocalHosts, secrets: dict[str, str]) -> None:
    refusal = mariadb(hosts, "koin_prod_app", secrets["/koin/prod/mariadb/app"], tls=False)
    assert "secure" in refusal or "Access denied" in refusal


def test_a_user_of_stage_is_refused_from_production(hosts: LocalHosts, secrets: dict[str, str]) -> None:
    for user, parameter in (("koin_stage", "password"), ("koin_stage_app", "app")):
        assert "Access denied" in mariadb(hosts, user, secrets[f"/koin/stage/mariadb/{parameter}"])


# --- Image registry --------------------------------------------------------------------------------------------------


def test_an_image_that_one_node_pushes_another_pulls(hosts: LocalHosts, secrets: dict[str, str]) -> None:
    def login(user: str) -> str:
        return (
            "export DOCKER_CONFIG=$(mktemp -d); trap 'rm -rf $DOCKER_CONFIG' EXIT; "
            f"echo {secrets[f'/koin/platform/registry/{user}']} "
            f"| docker login --username {user} --password-stdin bcsd-build:5000 >&2; "
        )

    image = "bcsd-build:5000/koin/e2e:1"
    make = f"cd $(mktemp -d) && date +%N >made && tar -c made | docker import - {image} >&2"
    show = f"docker image inspect --format '{{{{.Id}}}}' {image}"
    push = f"docker push {image} >&2"
    pushed = hosts.on("bcsd-build", f"sudo sh -eu <<'END'\n{login('builder')}{make}; {push}; {show}\nEND")
    refused = hosts.on("koin-prod", f"sudo env DOCKER_CONFIG=/nowhere docker pull {image} 2>&1 || true")
    assert "no basic auth credentials" in refused
    pulled = hosts.on("koin-prod", f"sudo sh -eu <<'END'\n{login('nodes')}docker pull {image} >&2; {show}\nEND")
    assert pulled == pushed
    assert pulled.startswith("sha256:")
    denied = hosts.on("koin-prod", f"sudo sh -eu <<'END'\n{login('nodes')}docker push {image} 2>&1 || true\nEND")
    assert "this user may pull only" in denied
    for host in ("bcsd-build", "koin-prod"):
        hosts.on(host, f"sudo docker image rm {image}")


# --- Edge ------------------------------------------------------------------------------------------------------------

#: the service's names and addresses, and the database that each is to ask
SERVICES = {"koin_prod": ("api.koreatech.in", "172.31.0.20"), "koin_stage": ("api.stage.koreatech.in", "172.31.32.10")}


def row(authority: Path, database: str) -> dict[str, Any]:
    """What the service in front of a database answers through its edge; empty when it does not."""
    answer = visit(authority, *SERVICES[database], "--fail")
    return dict(json.loads(answer.stdout)) if answer.returncode == 0 else {}


@pytest.mark.parametrize("database", SERVICES)
def test_a_request_over_tls_returns_a_row(authority: Path, database: str) -> None:
    first, second = row(authority, database), row(authority, database)
    assert (first["database"], first["tls"]) == (database, "TLSv1.3")
    assert second["visits"] == first["visits"] + 1


def test_a_visitor_cannot_say_who_he_is(authority: Path) -> None:
    answer = visit(authority, *SERVICES["koin_prod"], "--header", "X-Forwarded-For: 192.0.2.1")
    assert json.loads(answer.stdout)["forwarded_for"] == "172.31.0.1"


def test_an_old_protocol_is_refused(authority: Path) -> None:
    refused = visit(authority, "koreatech.in", "172.31.0.20", "--tlsv1.0", "--tls-max", "1.1")
    assert refused.returncode == 35


# --- SSH -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", HOSTS)
def test_ssh_offers_a_stranger_nothing_but_keys(hosts: LocalHosts, host: str) -> None:
    address = hosts.on(host, "ip -4 -json address show dev eth0 | grep -o '172[.][0-9.]*' | head -1")
    options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes"]
    # Where security groups let SSH in from.
    options.append("BindAddress=172.31.255.1")
    command = ["ssh", "-F", "none", "-p", "22222", *(f"-o{option}" for option in options), "-oIdentityFile=/dev/null"]
    refused = subprocess.run([*command, f"admin@{address}", "true"], capture_output=True, text=True, check=False)
    assert refused.returncode == 255
    assert "Permission denied (publickey)" in refused.stderr


# --- Monitoring ------------------------------------------------------------------------------------------------------


def alerts(hosts: LocalHosts, name: str) -> list[dict[str, Any]]:
    """Alerts of a name that have reached the Alertmanager and are not over."""
    url = f"http://127.0.0.1:9093/api/v2/alerts?filter=alertname={name}"
    found: list[dict[str, Any]] = json.loads(hosts.on("bcsdlab-internal", f"curl --noproxy '*' -gsSf '{url}'"))
    return found


def test_every_target_answers(hosts: LocalHosts) -> None:
    def silent() -> list[str]:
        url = "http://127.0.0.1:9090/api/v1/targets?state=active"
        found = json.loads(hosts.on("bcsdlab-internal", f"curl --noproxy '*' -gsSf '{url}'"))["data"]["activeTargets"]
        assert len(found) > len(HOSTS)
        return [f"{one['labels']['job']} {one['labels']['instance']}" for one in found if one["health"] != "up"]

    wait("every target is up", lambda: not silent())


def test_an_alert_fires_when_a_service_is_stopped_and_ends_when_it_runs(hosts: LocalHosts) -> None:
    assert alerts(hosts, "CacheDown") == []
    hosts.on("koin-db", "sudo systemctl stop valkey-server")
    try:
        (fired,) = wait("CacheDown", lambda: alerts(hosts, "CacheDown"), 240)
        assert fired["labels"]["host"] == "koin-db"
        assert fired["labels"]["severity"] == "critical"
    finally:
        hosts.on("koin-db", "sudo systemctl start valkey-server")
    wait("CacheDown is over", lambda: not alerts(hosts, "CacheDown"), 240)


# --- Restart ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", HOSTS)
def test_everything_starts_with_the_host(hosts: LocalHosts, host: str) -> None:
    hosts.restart(host)
    wait(f"{host} is running", lambda: hosts.on(host, "systemctl is-system-running --wait || true") == "running")


def test_the_platform_is_whole_after_the_restarts(hosts: LocalHosts, authority: Path) -> None:
    for database in SERVICES:
        wait(f"a row of {database}", functools.partial(row, authority, database), 180)
    verified = hosts.playbook("verify")
    assert verified.returncode == 0, verified.stdout[-6000:]
    again = hosts.playbook("configure")
    assert again.returncode == 0, again.stdout[-4000:]
    assert {host: counts["changed"] for host, counts in hosts.recap().items()} == UNCHANGED
