"""What follows from the declared offers, sites, databases and stacks: for the platform as it is, and for a new service.

tests/fixtures/koin.json holds what KOIN's declaration comes to. When a change is intended, write it again with
`python -m tests.unit.test_offers`, and read the difference.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible.module_utils.platform.engine.workflow import declaration_of
from ansible.module_utils.platform.kinds import KINDS

from rehearsal import REPOSITORY
from tests.support.files import load_file
from tests.support.hosts import DeclaredHosts
from tests.support.platform import PUBLIC_KEY, specs

FILTERS = load_file("plugins/filter/declared.py")
FIXTURE = REPOSITORY / "tests/fixtures/koin.json"
#: what follows on the controller, and on every host that has it
ACCOUNT = ("aws_dns_records", "aws_security_groups")
HOST = (
    *("ansible_port", "app_push", "app_registry", "app_stacks", "backup_bucket", "base_hosts"),
    *("backup_data_bucket", "backup_data_path", "backup_data_swarm", "backup_data_valkey", "backup_data_volumes"),
    *("docker_guarded_networks", "monitoring_backups"),
    *("docker_metadata", "docker_open_ports", "docker_reachable", "docker_registries", "edge_sites"),
    *("mariadb_databases", "mariadb_users", "monitoring_jobs", "monitoring_probes", "node_exporter_clients"),
    *("node_exporter_swarm", "registry_users", "secrets_parameters", "sshd_port", "swarm_clusters", "swarm_labels"),
    *(
        "app_managers",
        "app_stacks_elsewhere",
        "app_swarm",
        "valkey_users",
        "verify_listening",
        "verify_listening_sometimes",
        "verify_names",
    ),
    "verify_names_elsewhere",
    "verify_names_login",
)


def follows(hosts: DeclaredHosts) -> dict[str, Any]:
    """What a declaration comes to."""
    found = {
        name: {variable: hosts.value(name, variable) for variable in HOST if hosts.has(name, variable)}
        for name in hosts.names
    }
    for known in found.values():
        for variable in ("verify_listening", "verify_names_elsewhere"):
            known[variable] = sorted(known[variable])
    return {"account": {name: hosts.value("localhost", name) for name in ACCOUNT}, "hosts": found}


@pytest.fixture(scope="module")
def koin(tmp_path_factory: pytest.TempPathFactory) -> DeclaredHosts:
    """The hosts of KOIN."""
    return DeclaredHosts(tmp_path_factory.mktemp("inventory"))


def test_the_declaration_comes_to_what_it_did(koin: DeclaredHosts) -> None:
    assert follows(koin) == json.loads(FIXTURE.read_text())


@pytest.mark.parametrize("links", ["monitoring_prometheus_url", "monitoring_alertmanager_url"])
def test_links_in_alerts_lead_to_pages_that_debian_has(koin: DeclaredHosts, links: str) -> None:
    [host] = [name for name in koin.names if koin.has(name, links)]
    site = koin.value(host, "edge_sites")["monitoring"]
    name, _, path = str(koin.value(host, links)).removeprefix("https://").partition("/")
    assert [name] == site["names"]
    # Prometheus appends the graph of an expression to its URL, Alertmanager its own path after a `#`.
    asked = "/graph" if links == "monitoring_prometheus_url" else f"/{path}/"
    assert site["moved"][asked].startswith("/classic/")


def test_pages_that_upload_are_named_by_their_sites(koin: DeclaredHosts) -> None:
    assert koin.value("localhost", "aws_storage_web_origins") == [
        "https://koreatech.in",
        "https://owner.koreatech.in",
        "https://order.koreatech.in",
    ]
    assert koin.value("localhost", "aws_storage_stage_web_origins") == [
        "https://stage.koreatech.in",
        "https://admin.stage.koreatech.in",
        "http://localhost:3000",
    ]


def test_prometheus_is_behind_a_login(koin: DeclaredHosts) -> None:
    site = koin.value("bcsdlab-internal", "edge_sites")["monitoring"]
    assert site["users"] == {"koin": "secret login_BCSDLAB_INTERNAL_monitoring_koin"}
    # Guesses are limited, and an address range is asked for as well.
    assert site["rate_limit"] in koin.value("bcsdlab-internal", "edge_rate_limits")
    assert "allow" in site
    parameters = koin.value("bcsdlab-internal", "secrets_parameters")
    assert parameters["login_BCSDLAB_INTERNAL_monitoring_koin"] == {"path": "/koin/internal/monitoring/koin"}
    assert koin.value("bcsdlab-internal", "verify_names_login") == ["internal.bcsdlab.com"]


def test_the_page_of_the_platform_is_behind_the_same_login(koin: DeclaredHosts) -> None:
    # `make publish` puts it there.
    shown = FILTERS.sites_with_page(koin.value("bcsdlab-internal", "platform_sites"), "/platform")
    assert [(site["name"], site["users"]) for site in shown.values()] == [("internal.bcsdlab.com", ["koin"])]


def test_every_secret_is_used(koin: DeclaredHosts) -> None:
    parameters = koin.value("koin-db", "secrets_parameters")
    passwords = [name for name, entry in parameters.items() if entry.get("kind") != "authority"]
    cache = [koin.value("koin-db", f"valkey_{name}_password") for name in ("admin", "exporter")]
    backups = [koin.value("koin-db", "backup_password"), *(koin.value(x, "backup_data_password") for x in koin.names)]
    used = json.dumps([follows(koin), cache, backups])
    assert [name for name in passwords if f"secret {name}" not in used] == []


def test_what_verify_compares_needs_no_secret(tmp_path: Path) -> None:
    hosts = DeclaredHosts(tmp_path, secrets=False)
    listening = ("verify_guarded", "verify_listening", "verify_listening_sometimes")
    for variable in (*listening, "verify_names", "verify_names_elsewhere"):
        assert hosts.value("koin-prod", variable)
    assert hosts.value("bcsdlab-internal", "verify_names_login")


# --- A new service ---------------------------------------------------------------------------------------------------

#: file, the line after which an edit goes, the edit: one place each
SITE = (
    "all/sites.yml",
    "  KOIN_PROD:\n",
    "    notice: {names: [notice.koreatech.in], service: koin-notice/web}\n",
)
STACK = (
    "all/app.yml",
    "platform_stacks:\n",
    """\
  koin-notice:
    swarm: production
    services:
      web: {image: "bcsd-build:5000/koin/notice:1", publish: {8090: 8080}, placement: {env: prod}DATABASE}
""",
)
DATABASE = (
    "all/databases.yml",
    "platform_databases:\n",
    "  koin_notice: {password: /koin/prod/mariadb/notice, app_password: /koin/prod/mariadb/notice-app}\n",
)


def edited(folder: Path, *edits: tuple[str, str, str]) -> DeclaredHosts:
    """The hosts of a copy of the declaration with some edits."""
    copy = folder / "group_vars"
    shutil.copytree(REPOSITORY / "group_vars", copy)
    for file, after, text in edits:
        before = (copy / file).read_text()
        assert before.count(after) == 1
        (copy / file).write_text(before.replace(after, after + text))
    inventory = folder / "inventory"
    inventory.mkdir()
    return DeclaredHosts(inventory, copy)


def difference(before: Any, after: Any) -> dict[str, Any]:
    """Keys of `after` that `before` does not have, or has otherwise."""
    return {key: value for key, value in after.items() if before.get(key) != value}


def planned(hosts: DeclaredHosts) -> Any:
    """The account's part of a declaration, checked as the plan checks it."""
    # Its public half is made by each rehearsal.
    own = {"aws_compute_public_key": PUBLIC_KEY}
    names = [name for name in hosts.declared("localhost") if name.startswith("aws_") and name not in own]
    return declaration_of({name: hosts.value("localhost", name) for name in names} | own, specs(), KINDS)


def test_a_service_behind_the_edge_takes_two_edits(koin: DeclaredHosts, tmp_path: Path) -> None:
    file, after, text = STACK
    edits = [SITE, (file, after, text.replace("DATABASE", ""))]
    assert len(edits) <= 2
    new = edited(tmp_path, *edits)
    before, after_ = follows(koin), follows(new)
    record = {"zone": "koreatech.in", "type": "A", "host": "KOIN_PROD"}
    assert planned(new).entries("aws_dns_records")["notice.koreatech.in"].items() >= record.items()
    assert difference(before["account"], after_["account"]) == {
        "aws_dns_records": before["account"]["aws_dns_records"] | {"notice.koreatech.in": record}
    }
    prod = difference(before["hosts"]["koin-prod"], after_["hosts"]["koin-prod"])
    # In the rehearsal the platform's authority signs for public names.
    assert set(prod) == {"app_stacks", "edge_sites", "secrets_parameters", "verify_listening", "verify_names"}
    assert prod["edge_sites"]["notice"] == {"names": ["notice.koreatech.in"], "upstreams": ["172.31.0.20:8090"]}
    assert "tcp 8090" in prod["verify_listening"]
    assert "tcp 8090" not in after_["hosts"]["koin-stage"]["verify_listening"]
    assert prod["app_stacks"]["koin-notice"]["services"]["web"] == {
        "image": "bcsd-build:5000/koin/notice:1",
        "publish": {"8090": 8080},
        "placement": {"env": "prod"},
    }
    probe = after_["hosts"]["bcsdlab-internal"]["monitoring_probes"]["notice.koreatech.in"]
    assert (probe["url"], probe["labels"]["host"]) == ("https://172.31.0.20/", "koin-prod")


def test_a_service_with_a_database_takes_three(koin: DeclaredHosts, tmp_path: Path) -> None:
    file, after, text = STACK
    edits = [SITE, (file, after, text.replace("DATABASE", ", database: koin_notice")), DATABASE]
    assert len(edits) <= 3
    new = edited(tmp_path, *edits)
    planned(new)
    before, after_ = follows(koin)["hosts"]["koin-db"], follows(new)["hosts"]["koin-db"]
    changed = difference(before, after_)
    assert set(changed) == {"mariadb_databases", "mariadb_users", "secrets_parameters"}
    parameters = difference(before["secrets_parameters"], after_["secrets_parameters"])
    assert set(parameters.pop("authority")["names"]) - set(before["secrets_parameters"]["authority"]["names"]) == {
        "notice.koreatech.in"
    }
    assert parameters == {
        "mariadb_koin_notice": {"path": "/koin/prod/mariadb/notice"},
        "mariadb_koin_notice_app": {"path": "/koin/prod/mariadb/notice-app"},
    }
    assert difference(before["mariadb_databases"], after_["mariadb_databases"]) == {"koin_notice": {}}
    assert difference(before["mariadb_users"], after_["mariadb_users"]) == {
        "koin_notice": {
            "password": "secret mariadb_koin_notice",
            "hosts": ["172.31.0.20"],
            "privileges": {"koin_notice.*": "ALL"},
        },
        "koin_notice_app": {
            "password": "secret mariadb_koin_notice_app",
            "hosts": ["172.31.0.20"],
            "privileges": {"koin_notice.*": "SELECT,INSERT,UPDATE,DELETE,EXECUTE,CREATE TEMPORARY TABLES"},
        },
    }
    service = follows(new)["hosts"]["koin-prod"]["app_stacks"]["koin-notice"]["services"]["web"]
    assert service["secrets"] == {"database": "secret mariadb_koin_notice_app"}
    assert service["extra_hosts"] == {"koin-db": "172.31.32.20"}
    assert service["environment"] == {
        "DATABASE_HOST": "koin-db",
        "DATABASE_PORT": 3306,
        "DATABASE_NAME": "koin_notice",
        "DATABASE_USER": "koin_notice_app",
        "DATABASE_PASSWORD_FILE": "/run/secrets/database",
    }


def test_users_of_a_database_come_from_the_hosts_of_its_services_only(koin: DeclaredHosts) -> None:
    users = koin.value("koin-db", "mariadb_users")
    assert {name: user["hosts"] for name, user in users.items()} == {
        "koin_stage": ["172.31.32.10"],
        "koin_stage_app": ["172.31.32.10"],
        "koin_prod": ["172.31.0.20"],
        "koin_prod_app": ["172.31.0.20"],
    }
    assert "ALTER" not in users["koin_prod_app"]["privileges"]["koin_prod.*"]
    assert users["koin_stage_app"]["max_connections"] == 25


def test_a_service_that_migrates_gets_the_owner_as_well(koin: DeclaredHosts) -> None:
    service = koin.value("koin-prod", "app_stacks")["koin-prod"]["services"]["api"]
    assert (
        service["environment"].items()
        >= {
            "DATABASE_USER": "koin_prod_app",
            "DATABASE_OWNER": "koin_prod",
            "DATABASE_OWNER_PASSWORD_FILE": "/run/secrets/database-owner",
        }.items()
    )
    assert service["secrets"] == {
        "database": "secret mariadb_koin_prod_app",
        "database-owner": "secret mariadb_koin_prod",
    }
    assert "migrates" not in service


def test_a_database_that_no_service_uses_lets_nobody_in() -> None:
    databases = {"x": {"password": "/x", "app_password": "/y"}}
    secrets = {"mariadb_x": "x", "mariadb_x_app": "y"}
    assert FILTERS.database_users(databases, secrets, {}) == {}
    services = {"web": {"database": "x", "placement": {"env": "prod"}}, "job": {"database": "x"}}
    stacks = {"a": {"swarm": "z", "services": services}}
    prod, stage = ({"platform_swarm": "z", "swarm_labels": {"env": env}} for env in ("prod", "stage"))
    hostvars = {"p": prod, "s": stage, "b": {}}
    clients = FILTERS.database_clients(stacks, hostvars, hostvars, {"p": "1", "s": "2", "b": "3"})
    # A service without placement runs anywhere in its Swarm.
    assert clients == {"x": ["1", "2"]}
    del services["job"]
    assert FILTERS.database_clients(stacks, hostvars, hostvars, {"p": "1", "s": "2", "b": "3"}) == {"x": ["1"]}


# --- Swarms ----------------------------------------------------------------------------------------------------------


def test_only_members_reach_the_ports_of_a_swarm(koin: DeclaredHosts) -> None:
    """Root on stage or on the build host must not reach production's Swarm: not by a group, and not by a range."""
    groups = koin.value("localhost", "aws_security_groups")
    instances = koin.value("localhost", "aws_compute_instances")
    swarm = {("tcp", 2377), ("tcp", 7946), ("udp", 7946), ("udp", 4789), ("esp", None)}

    def reaching(host: str) -> set[str]:
        """Who may send to the Swarm's ports of a host, by the groups that it has."""
        rules = [rule for group in instances[host]["security_groups"] for rule in groups[group]["ingress"].values()]
        mine = [rule for rule in rules if (rule["protocol"], rule.get("port")) in swarm or rule["protocol"] == "all"]
        assert not any(rule.get("cidrs") for rule in mine)
        named = {group for rule in mine for group in rule["groups"]}
        return {name for name, entry in instances.items() if named & set(entry["security_groups"])}

    assert reaching("KOIN_PROD") == {"KOIN_PROD"}
    assert reaching("KOIN_STAGE") == reaching("BCSDLAB_INTERNAL") == {"KOIN_STAGE", "BCSDLAB_INTERNAL"}
    assert reaching("BCSD_Build") == reaching("KOIN_DB") == set()


def test_a_stack_is_deployed_in_its_swarm_only(koin: DeclaredHosts) -> None:
    assert set(koin.value("koin-prod", "app_stacks")) == {"koin-prod"}
    assert set(koin.value("koin-stage", "app_stacks")) == {"koin-stage"}
    assert koin.value("koin-prod", "app_managers") == ["koin-prod"]
    assert koin.value("koin-stage", "app_managers") == ["koin-stage"]
    # Its secrets are not sent there, and what was deployed there goes.
    assert "mariadb_koin_prod" not in json.dumps(koin.value("koin-stage", "app_stacks"))
    assert koin.value("koin-prod", "app_stacks_elsewhere") == ["koin-stage"]
    assert koin.value("bcsd-build", "app_stacks") == {}


def test_containers_reach_what_their_services_declare(koin: DeclaredHosts, tmp_path: Path) -> None:
    file, after, text = STACK
    service = text.replace("DATABASE", ", uses: [redis], metadata: true")
    new = edited(tmp_path, (file, after, service))
    before, after_ = follows(koin)["hosts"], follows(new)["hosts"]
    assert set(before["koin-prod"]["docker_reachable"]) == {"http", "https", "mysql"}
    prod = difference(before["koin-prod"], after_["koin-prod"])
    redis = {"protocol": "tcp", "port": 6379, "addresses": ["172.31.32.20"]}
    assert difference(before["koin-prod"]["docker_reachable"], prod["docker_reachable"]) == {"redis": redis}
    assert prod["docker_metadata"] is True
    assert set(prod["app_stacks"]["koin-notice"]["services"]["web"]) == {"image", "publish", "placement", "metadata"}
    stage = after_["koin-stage"]
    assert (stage["docker_reachable"], stage["docker_metadata"]) == (before["koin-stage"]["docker_reachable"], False)
    assert set(after_["bcsd-build"]["docker_reachable"]) == {"http", "https"}


# --- Mistakes --------------------------------------------------------------------------------------------------------

SWARMS: dict[str, Any] = {"s": {"managers": ["h"]}, "empty": {"managers": []}}
STACKS = {"a": {"services": {"web": {"publish": {8080: 80}}, "job": {}}}}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: FILTERS.site_records({"A": {"s": {"names": ["x.org"]}}}, ["y.org"]), "x.org lies in no zone"),
        (
            lambda: FILTERS.site_records(
                {"A": {"s": {"names": ["y.org"]}}, "B": {"s": {"names": ["y.org"]}}}, ["y.org"]
            ),
            "platform_sites.B.s.names: y.org is declared for A as well",
        ),
        (
            lambda: FILTERS.site_origins({"A": {"s": {}, "t": {}}}, "A", ["x"]),
            "A: it has no site `x`; write one of s, t",
        ),
        (lambda: FILTERS.sites_with_page({"A": {"s": {}}}, "/p"), "no site shows /p"),
        (
            lambda: FILTERS.sites_with_page({"A": {"s": {"names": ["x.org"], "pages": {"/p": "/f"}}}}, "/p"),
            "platform_sites.A.s: it shows /p to everybody; give it `users`",
        ),
        (lambda: FILTERS.edge_sites({"A": {"s": {"service": "a/wed"}}}, "A", "", STACKS, {}), "write one of a/web"),
        (
            lambda: FILTERS.edge_sites({"A": {"s": {"service": "a/job"}}}, "A", "", STACKS, {}),
            "a/job publishes 0 ports",
        ),
        (
            lambda: FILTERS.app_stacks(
                {"a": {"swarm": "s", "services": {"web": {"database": "x"}}}}, {"y": {}}, {}, {}, SWARMS, "s"
            ),
            "platform_stacks.a.services.web.database: `x` is not declared",
        ),
        (
            lambda: FILTERS.app_stacks(
                {"a": {"swarm": "s", "services": {"web": {"migrates": True}}}}, {}, {}, {}, SWARMS, "s"
            ),
            "platform_stacks.a.services.web.migrates: it has no database",
        ),
        (
            lambda: FILTERS.app_stacks({"a": {"services": {}}}, {}, {}, {}, SWARMS, "s"),
            "platform_stacks.a.swarm: is missing; write the Swarm that it runs in: s, empty",
        ),
        (
            lambda: FILTERS.app_stacks({"a": {"swarm": "x", "services": {}}}, {}, {}, {}, SWARMS, "s"),
            "platform_stacks.a.swarm: `x` is not in platform_swarms",
        ),
        (
            lambda: FILTERS.app_stacks({"a": {"swarm": "empty", "services": {}}}, {}, {}, {}, SWARMS, "s"),
            "platform_stacks.a.swarm: no host is a manager of empty",
        ),
        (
            lambda: FILTERS.swarm_clusters({"s": {}}, {"A_B": {"swarm": "t"}}, {}),
            "aws_compute_instances.A_B.swarm: `t` is not in platform_swarms; write one of s",
        ),
        (
            lambda: FILTERS.swarm_clusters({"s": {"security_group": "S"}}, {"A": {"swarm": "s"}}, {}),
            "aws_compute_instances.A.security_groups: add S, the group of its Swarm s",
        ),
        (
            lambda: FILTERS.swarm_clusters({"s": {"security_group": "S"}}, {"A": {"security_groups": ["S"]}}, {}),
            "aws_compute_instances.A.security_groups: S is the group of the Swarm s, which this",
        ),
        (
            lambda: FILTERS.containers_reach(
                {"a": {"services": {"web": {"uses": ["redsi"]}}}},
                {},
                {"redis": {"port": 1, "function": "cache", "clients": []}, "esp": {"clients": []}},
                {},
                {},
            ),
            "platform_stacks.a.services.web.uses.0: `redsi` is no offer with a port; write one of redis",
        ),
        (
            lambda: FILTERS.offered_rules({"http": {"groups": ["Web"], "clients": "Web"}}, "Web", []),
            "platform_offers.http.clients is `Web`",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place_and_a_fix(call: Any, said: str) -> None:
    with pytest.raises(AnsibleFilterError, match=said.replace(".", r"\.")):
        call()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        content = follows(DeclaredHosts(Path(name)))
    FIXTURE.write_text(json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
