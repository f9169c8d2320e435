"""Every mistake in what is declared for hosts: said in one place, with what to write, before any host is asked."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from ansible.module_utils.platform.engine.errors import Problem
from ansible.module_utils.platform.engine.public_key import wrong_key
from ansible.module_utils.platform.inputs import check_hosts, inputs, specs_of, unknown_variables
from ansible.module_utils.platform.plain_secrets import literal_secrets

from tests.support.input_check import input_check, rehearsal_folder

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHJlaGVhcnNhbC1rZXktb2YtdGhlLXRlc3RzLW9ubHkh test"

Raw = dict[str, dict[str, dict[str, Any]]]
Change = Callable[[Raw], object]


@cache
def _gathered() -> tuple[str, dict[str, Any], dict[str, str]]:
    with rehearsal_folder():
        check = input_check()
        aws = check.account()
        return json.dumps(check.roles()), aws, dict(check.hosts.instances)


def problems(change: Change) -> dict[Problem, list[str]]:
    """What is wrong after a change of the declared values."""
    text, aws, instances = _gathered()
    raw: Raw = json.loads(text)
    change(raw)
    return check_hosts(raw, aws, instances)


def put(role: str, *path: str | int, value: Any, host: str = "") -> Change:
    """Set a value inside a role's variables, on a host or on every host that gets the role."""

    def change(raw: Raw) -> None:
        for name, roles in raw.items():
            if role not in roles or (host and name != host):
                continue
            # A stack is one of the hosts of its Swarm.
            if len(path) > 1 and path[0] == "app_stacks" and path[1] not in roles[role]["app_stacks"] and not host:
                continue
            inner: Any = roles[role]
            for step in path[:-1]:
                inner = inner.setdefault(step, {}) if isinstance(inner, dict) else inner[step]
            inner[path[-1]] = copy.deepcopy(value)

    return change


API = ("app_stacks", "koin-prod", "services", "api")
AT = "app_stacks.koin-prod.services.api"
PROD = "koin-prod"
WEB = {"image": "nginx:1.27", "publish": {"8080": 80}}


def image(name: str) -> Change:
    """Deploy an image instead of what is built here."""

    def change(raw: Raw) -> None:
        put("app", *API, "image", value=name)(raw)
        for roles in raw.values():
            if "koin-prod" in roles.get("app", {}).get("app_stacks", {}):
                del roles["app"]["app_stacks"]["koin-prod"]["services"]["api"]["build"]

    return change


SITE = {"names": ["koreatech.in"], "upstreams": ["127.0.0.1:3001"]}

# (about, change, where the problem is, part of the message)
ROWS: list[tuple[str, Change, str, str]] = [
    # app
    ("replicas", put("app", *API, "replicas", value=-1), f"{AT}.replicas", "a number from 0 to 100"),
    ("replicas-text", put("app", *API, "replicas", value="two"), f"{AT}.replicas", "`two` is not a whole number"),
    ("unit", put("app", *API, "limits", "memory_mib", value="1GB"), f"{AT}.limits.memory_mib", "write 1024, without"),
    ("unit-m", put("app", *API, "limits", "memory_mib", value="512M"), f"{AT}.limits.memory_mib", "write 512, without"),
    ("no-memory", put("app", *API, "limits", "memory", value="1G"), f"{AT}.limits", "write `memory_mib`"),
    ("percent", put("app", *API, "limits", "cpus", value="50%"), f"{AT}.limits.cpus", "write 0.5 "),
    (
        "reserved",
        put("app", *API, "reservations", "memory_mib", value=512),
        f"{AT}.reservations.memory_mib",
        "the limit",
    ),
    ("port", put("app", *API, "publish", value={"70000": 8080}), f"{AT}.publish.70000", "70000 is not a port"),
    ("port-inside", put("app", *API, "publish", value={"8080": 0}), f"{AT}.publish.8080", "0 is not a port"),
    ("publish-list", put("app", *API, "publish", value=["80:8080"]), f"{AT}.publish", "write {80: 8080}"),
    ("publish-text", put("app", *API, "publish", value="8080:8080"), f"{AT}.publish", "write {8080: 8080}"),
    (
        "taken",
        put(
            "app", "app_stacks", "other", value={"services": {"web": {**WEB, "placement": {"env": "prod"}}}}, host=PROD
        ),
        "app_stacks.other.services.web.publish.8080",
        "is already used by koin-prod.api",
    ),
    (
        "other-swarm",
        put("app", *API, "placement", value={"env": "stage"}),
        f"{AT}.placement.env",
        "the `env` of any node of its Swarm",
    ),
    (
        "taken-by-edge",
        put("app", *API, "publish", value={"443": 8080}),
        f"{AT}.publish.443",
        "port 443 of koin-prod is taken",
    ),
    ("nowhere", put("app", *API, "placement", value={"env": "production"}), f"{AT}.placement.env", "write `prod`"),
    (
        "no-label",
        put("app", *API, "placement", value={"enviroment": "x"}),
        f"{AT}.placement.enviroment",
        "known here: arch",
    ),
    (
        "not-together",
        put("app", "app_stacks", "koin-stage", *API[2:], "placement", value={"env": "stage", "role": "internal"}),
        "app_stacks.koin-stage.services.api.placement",
        "together",
    ),
    ("placement-text", put("app", *API, "placement", value="prod"), f"{AT}.placement", "is not a mapping"),
    (
        "health",
        put("app", *API, "health", "command", value="curl localhost"),
        f"{AT}.health.command",
        "write [curl, localhost]",
    ),
    ("health-none", put("app", *API, "health", value={"command": []}), f"{AT}.health.command", "has no command"),
    (
        "stack-key",
        put("app", "app_stacks", "koin-prod", "service", value={}),
        "app_stacks.koin-prod",
        "write `services`",
    ),
    ("deep-key", put("app", *API, "replica", value=1), AT, "write `replicas`"),
    ("registry", image("bcsd-biuld:5000/koin/x:1"), f"{AT}.image", "write `bcsd-build:5000`"),
    ("tag", image("bcsd-build:5000/koin/x"), f"{AT}.image", "has no tag"),
    ("both", put("app", *API, "image", value="nginx:1.27"), AT, "needs either `image` or `build`"),
    ("build", put("app", *API, "build", value="sampel"), f"{AT}.build", "write `sample`"),
    (
        "two-on-one",
        put("app", *API, "replicas", value=2),
        f"{AT}.replicas",
        "2 replicas need one node each for port 8080",
    ),
    ("environment", put("app", *API, "environment", value=["A=1"]), f"{AT}.environment", "write {A: 1}"),
    (
        "password",
        put("app", *API, "environment", "DB_PASSWORD", value="hunter2"),
        f"{AT}.environment.DB_PASSWORD",
        "_FILE",
    ),
    ("token", put("app", *API, "environment", "SLACK_TOKEN", value="xoxb"), f"{AT}.environment.SLACK_TOKEN", "secrets"),
    (
        "key",
        put("app", *API, "environment", "JWT_SECRET_KEY", value="abc"),
        f"{AT}.environment.JWT_SECRET_KEY",
        "secrets",
    ),
    (
        "url",
        put("app", *API, "environment", "DSN", value="mysql://a:b@koin-db/x"),
        f"{AT}.environment.DSN",
        "is a secret",
    ),
    (
        "list-for-stacks",
        put("app", "app_stacks", value=["koin-prod"]),
        "app_stacks",
        "a list, not a mapping keyed by name",
    ),
    ("nothing", put("app", "app_stacks", value=None), "app_stacks", "is empty, not a mapping"),
    ("null", put("app", *API, "replicas", value=None), f"{AT}.replicas", "has no value"),
    ("mount", put("app", *API, "mounts", value={"data": {"source": "x"}}), f"{AT}.mounts.data", "write /data"),
    ("tmpfs", put("app", *API, "tmpfs", value={"tmp": {}}), f"{AT}.tmpfs.tmp", "write /tmp"),
    ("tmpfs-size", put("app", *API, "tmpfs", value={"/tmp": {"size_mib": 0}}), f"{AT}.tmpfs./tmp.size_mib", "1 to"),
    (
        "tmpfs-mount",
        put("app", *API, "mounts", value={"/tmp": {"source": "x"}}),
        f"{AT}.tmpfs./tmp",
        "something is mounted there, too",
    ),
    (
        "login",
        put("app", "app_registry", value={"address": "bcsd-build:5000", "user": "koin"}),
        "app_registry",
        "`password` is missing",
    ),
    (
        "context",
        put("app", "app_builds", "sample", "context", value="services/x"),
        "app_builds.sample.context",
        "Dockerfile",
    ),
    ("mode", put("app", "app_publish_mode", value="hosts"), "app_publish_mode", "write `host`"),
    # edge
    (
        "upload",
        put("edge", "edge_sites", "koin", "upload_mib", value="20M", host="koin-prod"),
        "edge_sites.koin.upload_mib",
        "write 20, without",
    ),
    (
        "moved",
        put("edge", "edge_sites", "koin", "moved", value={"/a": "/b c"}, host="koin-prod"),
        "edge_sites.koin.moved./a",
        "without a query",
    ),
    (
        "moved-twice",
        put("edge", "edge_sites", "koin", "moved", value={"/a": "/b", "/b": "/c"}, host="koin-prod"),
        "edge_sites.koin.moved./a",
        "write where that is",
    ),
    (
        "page",
        put("edge", "edge_sites", "koin", "pages", value={"/a": "a.html"}, host="koin-prod"),
        "edge_sites.koin.pages./a",
        "write an absolute path",
    ),
    (
        "cidr",
        put("edge", "edge_sites", "koin", "allow", value=["172.31.0.0/33"], host="koin-prod"),
        "edge_sites.koin.allow.0",
        "at most 32",
    ),
    (
        "host-bits",
        put("edge", "edge_rate_exempt", value=["172.31.0.1/16"]),
        "edge_rate_exempt.0",
        "write 172.31.0.0/16",
    ),
    (
        "record",
        put("edge", "edge_sites", "koin", "names", value=["wwww.koreatech.in"], host="koin-prod"),
        "edge_sites.koin.names.0",
        "no DNS record",
    ),
    (
        "elsewhere",
        put("edge", "edge_sites", "koin", value=SITE, host="koin-stage"),
        "edge_sites.koin.names.0",
        "to KOIN_PROD",
    ),
    (
        "text-for-list",
        put("edge", "edge_sites", "koin", "names", value="koreatech.in", host="koin-prod"),
        "edge_sites.koin.names",
        "write [koreatech.in]",
    ),
    (
        "limit",
        put("edge", "edge_sites", "koin", "rate_limit", value="apii", host="koin-prod"),
        "edge_sites.koin.rate_limit",
        "write `api`",
    ),
    ("rate", put("edge", "edge_rate_limits", "api", "rate", value="50/s"), "edge_rate_limits.api.rate", "e.g. 20r/s"),
    (
        "upstream",
        put("edge", "edge_sites", "koin", "upstreams", value=["127.0.0.1:70000"], host="koin-prod"),
        "edge_sites.koin.upstreams.0",
        "70000",
    ),
    (
        "ways",
        put("edge", "edge_sites", "koin", "root", value="/srv", host="koin-prod"),
        "edge_sites.koin",
        "upstreams and root",
    ),
    ("certificates", put("edge", "edge_certificates", value="certbto"), "edge_certificates", "write `certbot`"),
    # mariadb
    (
        "state",
        put("mariadb", "mariadb_databases", "x", "state", value="absnt"),
        "mariadb_databases.x.state",
        "write `absent`",
    ),
    (
        "privilege",
        put("mariadb", "mariadb_users", "koin_prod", "privileges", value={"koin_prod.*": "READ"}),
        "mariadb_users.koin_prod.privileges.koin_prod.*",
        "write SELECT",
    ),
    (
        "privilege-near",
        put("mariadb", "mariadb_users", "koin_prod", "privileges", value={"koin_prod.*": "SELECT,UPDAT"}),
        "mariadb_users.koin_prod.privileges.koin_prod.*",
        "write UPDATE",
    ),
    (
        "privilege-of-the-server",
        put("mariadb", "mariadb_users", "koin_prod", "privileges", value={"koin_prod.*": "SUPER"}),
        "mariadb_users.koin_prod.privileges.koin_prod.*",
        "to the whole server only",
    ),
    (
        "database",
        put("mariadb", "mariadb_users", "koin_prod", "privileges", value={"koin_pord.*": "ALL"}),
        "mariadb_users.koin_prod.privileges.koin_pord.*",
        "write `koin_prod`",
    ),
    (
        "anywhere",
        put("mariadb", "mariadb_users", "koin_prod", "hosts", value=["%"]),
        "mariadb_users.koin_prod.hosts.0",
        "172.31.%",
    ),
    (
        "cidr-host",
        put("mariadb", "mariadb_users", "koin_prod", "hosts", value=["172.31.0.0/16"]),
        "mariadb_users.koin_prod.hosts.0",
        "write 172.31.0.0/255.255.0.0",
    ),
    (
        "short",
        put("mariadb", "mariadb_users", "koin_prod", "password", value="x"),
        "mariadb_users.koin_prod.password",
        "at least 16",
    ),
    ("offset", put("mariadb", "mariadb_timezone", value="Asia/Seoul"), "mariadb_timezone", "write an offset"),
    ("db-port", put("mariadb", "mariadb_port", value=70000), "mariadb_port", "70000 is not a port"),
    (
        "same-port",
        put("mariadb", "mariadb_exporter_port", value=3306),
        "mariadb_exporter_port",
        "already used by mariadb_port",
    ),
    # backup
    ("often", put("backup", "backup_logs_seconds", value=1), "backup_logs_seconds", "write a number from 10 to 3600"),
    (
        "endpoint",
        put("backup", "backup_endpoint", value="https://s3.ap-northeast-2.amazonaws.com/koin-backup"),
        "backup_endpoint",
        "a URL without a path",
    ),
    ("night", put("backup", "backup_full_at", value="at night"), "backup_full_at", "*-*-* 04:10:00 Asia/Seoul"),
    ("kept", put("backup", "backup_keep", "days", value=3), "backup_keep.days", "known here: daily, monthly, weekly"),
    (
        "logs-without-backup",
        put("backup", "backup_keep", "daily", value=7),
        "backup_keep_logs_days",
        "raise backup_keep.daily",
    ),
    # backup_data
    (
        "volume",
        put("backup_data", "backup_data_volumes", value=["a/b"], host="koin-prod"),
        "backup_data_volumes.0",
        "as `docker volume ls` does",
    ),
    (
        "two-nodes",
        put("backup_data", "backup_data_volumes", value=["koin-prod_a"]),
        "backup_data_volumes.0",
        "allow one node",
    ),
    (
        "no-repository",
        put("backup_data", "backup_data_swarm", value=True, host="bcsd-build"),
        "backup_data_bucket",
        "{koin-backup: hosts/koin-prod}",
    ),
    (
        "data-endpoint",
        put("backup_data", "backup_data_endpoint", value="s3"),
        "backup_data_endpoint",
        "a URL without a path",
    ),
    ("data-night", put("backup_data", "backup_data_at", value="night"), "backup_data_at", "*-*-* 04:40:00 Asia/Seoul"),
    ("data-kept", put("backup_data", "backup_data_keep", value={"days": 3}), "backup_data_keep.days", "daily, monthly"),
    # valkey
    (
        "policy",
        put("valkey", "valkey_maxmemory_policy", value="volatile-lur"),
        "valkey_maxmemory_policy",
        "write `volatile-lru`",
    ),
    (
        "no-keys",
        put("valkey", "valkey_users", "koin_prod", "keys", value=[]),
        "valkey_users.koin_prod.keys",
        "is empty",
    ),
    (
        "own-user",
        put("valkey", "valkey_users", "admin", value={"password": "x" * 16, "keys": ["*"]}),
        "valkey_users.admin",
        "the role reserves",
    ),
    # base
    (
        "key-garbage",
        put("base", "base_admins", value={"minsu": {"keys": ["ssh-ed25519 AAAA"]}}),
        "base_admins.minsu.keys.0",
        ".pub",
    ),
    (
        "key-private",
        put("base", "base_admins", value={"minsu": {"keys": ["-----BEGIN OPENSSH PRIVATE KEY-----\nx"]}}),
        "base_admins.minsu.keys.0",
        "is a PRIVATE key",
    ),
    ("korean", put("base", "base_admins", value={"민수": {"keys": [KEY]}}), "base_admins.민수", "not a login name"),
    ("capitals", put("base", "base_admins", value={"Minsu": {"keys": [KEY]}}), "base_admins.Minsu", "write `minsu`"),
    (
        "root",
        put("base", "base_admins", value={"root": {"keys": [KEY]}}),
        "base_admins.root",
        "an account of the system",
    ),
    (
        "login-user",
        put("base", "base_admins", value={"admin": {"keys": [KEY]}}),
        "base_admins.admin",
        "declare its keys in base_login_keys",
    ),
    ("login-key", put("base", "base_login_keys", value=["ssh-ed25519 AAAA"]), "base_login_keys.0", ".pub"),
    ("login-nobody", put("base", "base_login_user", value=""), "base_login_user", "write the image's user"),
    ("zone", put("base", "base_timezone", value="Aisa/Seoul"), "base_timezone", "write Asia/Seoul"),
    (
        "admins-list",
        put("base", "base_admins", value=[{"minsu": {}}]),
        "base_admins",
        "a list, not a mapping keyed by name",
    ),
    ("keyless", put("base", "base_admins", value={"minsu": {}}), "base_admins.minsu.keys", "has no keys"),
    ("journal", put("base", "base_journal_max", value="200MB"), "base_journal_max", "e.g. 200M"),
    # sshd
    ("ssh-port", put("sshd", "sshd_port", value=70000), "sshd_port", "70000 is not a port"),
    ("other-port", put("sshd", "sshd_port", value=2200), "sshd_port", "lets administrators in on 22"),
    (
        "unpenalised",
        put("sshd", "sshd_unpenalised", value="172.31.0.0/24"),
        "sshd_unpenalised",
        "write [172.31.0.0/24]",
    ),
    # swarm
    (
        "managers",
        put("swarm", "swarm_clusters", "production", "managers", value=["koin-prdo"]),
        "swarm_clusters.production.managers.0",
        "write `koin-prod`",
    ),
    (
        "quorum",
        put("swarm", "swarm_clusters", "stage", value={"managers": ["koin-stage", "bcsdlab-internal"]}),
        "swarm_clusters.stage.managers",
        "one, three or five",
    ),
    ("pool", put("swarm", "swarm_address_pools", value=["10.202.0.0/99"]), "swarm_address_pools.0", "not a range"),
    (
        "both-members",
        put("swarm", "swarm_clusters", "production", "workers", value=["koin-prod"]),
        "swarm_clusters.production.workers",
        "is a manager, too",
    ),
    (
        "two-swarms",
        put("swarm", "swarm_clusters", "stage", "workers", value=["bcsdlab-internal", "koin-prod"]),
        "swarm_clusters.stage",
        "koin-prod is declared in the Swarm production, too",
    ),
    (
        "no-manager",
        put("swarm", "swarm_clusters", "stage", "managers", value=[]),
        "swarm_clusters.stage.managers",
        "a Swarm needs a manager",
    ),
    (
        "heirs",
        put("swarm", "swarm_clusters", "stage", "inherits", value=True),
        "swarm_clusters",
        "keep `inherits` for one of them",
    ),
    ("move", put("swarm", "swarm_move", value="koin-stage,koin-prdo"), "swarm_move", "write `koin-prod`"),
    # docker
    (
        "bridge",
        put("docker", "docker_bridge_address", value="172.31.0.1/16"),
        "docker_bridge_address",
        "is in the VPC",
    ),
    (
        "pool-key",
        put("docker", "docker_address_pools", value=[{"bse": "10.201.0.0/16", "size": 24}]),
        "docker_address_pools.0",
        "`base`",
    ),
    ("log", put("docker", "docker_log_max_size", value="10MB"), "docker_log_max_size", "e.g. 10m"),
    (
        "guarded",
        put("docker", "docker_guarded_networks", value=["172.31.0.1/16"]),
        "docker_guarded_networks.0",
        "172.31.0.0/16",
    ),
    (
        "reachable-port",
        put("docker", "docker_reachable", value={"x": {"port": 0, "addresses": ["10.0.0.1"]}}),
        "docker_reachable.x.port",
        "from 1 to 65535",
    ),
    (
        "reachable-nobody",
        put("docker", "docker_reachable", value={"x": {"port": 25, "addresses": []}}),
        "docker_reachable.x.addresses",
        "is empty",
    ),
    (
        "reachable-name",
        put("docker", "docker_reachable", value={"x": {"port": 25, "addresses": ["koin-db"]}}),
        "docker_reachable.x.addresses.0",
        "not an IP address",
    ),
    ("open", put("docker", "docker_open_ports", value=[8443]), "docker_open_ports.0", "tcp 8443"),
    (
        "hops-missing",
        put("docker", "docker_metadata", value=True, host="koin-prod"),
        "aws_compute_instances.KOIN_PROD.metadata.hop_limit",
        "write metadata: {hop_limit: 2}",
    ),
    # registry, node_exporter, tls, secrets
    (
        "pusher",
        put("registry", "registry_users", value={"koin": {"password": "short", "push": True}}),
        "registry_users.koin.password",
        "16 to 72 characters",
    ),
    (
        "nobody-pushes",
        put("registry", "registry_users", "builder", "push", value=False),
        "registry_users",
        "`push: true`",
    ),
    (
        "password-alone",
        put("registry", "registry_users", "koin", value="x" * 32),
        "registry_users.koin",
        "is not a mapping",
    ),
    ("push", put("app", "app_push", value={"user": "builder"}), "app_push", "`password` is missing"),
    ("keep", put("registry", "registry_keep", value=["latest"]), "registry_keep.0", 'write "*:latest"'),
    (
        "collector",
        put("node_exporter", "node_exporter_collectors", "systemd", value={}),
        "node_exporter_collectors.systemd",
        "remove it",
    ),
    ("renew", put("tls", "tls_renew_days", value=400), "tls_renew_days", "write fewer than 90"),
    (
        "rotate",
        put("secrets", "secrets_rotate", value=["backup"]),
        "secrets_rotate.0",
        "is declared as kept",
    ),
    (
        "path",
        put("secrets", "secrets_parameters", "x", "path", value="koin/x"),
        "secrets_parameters.x.path",
        "a slash in front",
    ),
    # monitoring
    (
        "matcher",
        put(
            "monitoring",
            "monitoring_receivers",
            value={"a": {"type": "slack", "url": "https://x.y/z", "matchers": ["severity"]}},
        ),
        "monitoring_receivers.a.matchers.0",
        "is not a matcher",
    ),
    (
        "backup",
        put("monitoring", "monitoring_backups", value={"m": {"host": "koin-bd"}}),
        "monitoring_backups.m.host",
        "write `koin-db`",
    ),
    (
        "receiver",
        put("monitoring", "monitoring_receivers", value={"a": {"type": "discrod"}}),
        "monitoring_receivers.a.type",
        "`discord`",
    ),
    (
        "no-url",
        put("monitoring", "monitoring_receivers", value={"a": {"type": "discord"}}),
        "monitoring_receivers.a",
        "has no `url`",
    ),
    (
        "alert",
        put("monitoring", "monitoring_alerts", value={"HostDwn": {"for": "1m"}}),
        "monitoring_alerts.HostDwn",
        "write `HostDown`",
    ),
    ("interval", put("monitoring", "monitoring_interval", value="30 s"), "monitoring_interval", "e.g. 30s"),
    ("timeout", put("monitoring", "monitoring_timeout", value="1m"), "monitoring_timeout", "is longer than"),
]


@pytest.mark.parametrize(("change", "where", "said"), [pytest.param(*row[1:], id=row[0]) for row in ROWS])
def test_each_mistake_is_said_once_with_its_place_and_a_fix(change: Change, where: str, said: str) -> None:
    found = problems(change)
    mine = [problem for problem in found if problem.where == where]
    assert len(mine) == 1, "\n".join(map(str, found))
    assert said in str(mine[0])
    # Nothing else is blamed for it, but for what follows from it elsewhere.
    assert len(found) <= 2, "\n".join(map(str, found))
    assert all(problem.fix for problem in found)


def test_what_is_declared_has_no_problem() -> None:
    with rehearsal_folder():
        check = input_check()
        assert [str(problem) for problem in check.problems()] == []
    assert sorted(check.hosts.instances) == ["bcsd-build", "bcsdlab-internal", "koin-db", "koin-prod", "koin-stage"]


def test_every_host_is_checked_for_every_role_that_plays_give_it() -> None:
    raw: Raw = json.loads(_gathered()[0])
    assert {"base", "sshd", "tls", "node_exporter", "mariadb", "valkey", "secrets"} <= set(raw["koin-db"])
    assert "mariadb" not in raw["koin-prod"] and {"docker", "swarm", "edge", "app"} <= set(raw["koin-prod"])
    assert "monitoring" in raw["bcsdlab-internal"] and "registry" in raw["bcsd-build"]


def test_a_mistake_that_hosts_share_is_said_once() -> None:
    found = problems(put("base", "base_timezone", value="Seoul"))
    assert [sorted(hosts) for hosts in found.values()] == [sorted(_gathered()[2])]


def test_more_hops_than_containers_need_are_refused() -> None:
    text, aws, instances = _gathered()
    raw: Raw = json.loads(text)
    wide = copy.deepcopy(aws)
    wide["aws_compute_instances"]["KOIN_STAGE"].setdefault("metadata", {})["hop_limit"] = 2
    (problem,) = check_hosts(raw, wide, instances)
    assert problem.where == "aws_compute_instances.KOIN_STAGE.metadata.hop_limit"
    assert "2 hops lead into the containers of koin-stage" in problem.what
    put("docker", "docker_metadata", value=True, host="koin-stage")(raw)
    assert check_hosts(raw, wide, instances) == {}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("sshd_prot", "sshd_port"),
        ("mariadb_max_connection", "mariadb_max_connections"),
        ("app_stack", "app_stacks"),
        ("node_exporter_prot", "node_exporter_port"),
    ],
)
def test_a_variable_that_no_role_knows_is_refused(name: str, meant: str) -> None:
    assert [problem.fix for problem in unknown_variables({name: 1, "ansible_port": 22})] == [f"write `{meant}`"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("platform_password", "hunter2"),
        ("mariadb_users", {"koin": {"password": "hunter2-hunter2-hunter2"}}),
        ("slack", {"where": "https://hooks.slack.com/services/T0/B0/xyz"}),
        ("aws_environment", {"AWS_SECRET_ACCESS_KEY": "abcdefgh"}),
        ("anything", ["AKIAIOSFODNN7EXAMPLE"]),
    ],
)
def test_a_secret_in_plain_text_is_refused_in_any_file(variable: str, value: Any) -> None:
    (problem,) = literal_secrets({variable: value}, {})
    assert problem.where.startswith(variable)
    # The value itself is not repeated.
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("mariadb_users", {"koin": {"password": "{{ platform_secrets.koin }}"}}),
        ("aws_compute_public_key", KEY),
        ("aws_environment", {"AWS_SECRET_ACCESS_KEY": "not-a-secret-0123456789"}),
        ("platform_databases", {"koin_prod": {"password": "/koin/prod/mariadb/password"}}),
    ],
)
def test_what_is_no_secret_passes(variable: str, value: Any) -> None:
    assert list(literal_secrets({variable: value}, {})) == []


@pytest.mark.parametrize("value", [KEY, f'from="10.0.0.0/8" {KEY}'])
def test_good_keys_pass(value: str) -> None:
    assert wrong_key(value) is None


@pytest.mark.parametrize(
    "environment",
    [{"TOKEN_EXPIRATION": "3600"}, {"DATABASE_PASSWORD_FILE": "/run/secrets/database"}, {"PASSWORD_MIN_LENGTH": "8"}],
)
def test_what_only_speaks_of_a_secret_passes(environment: dict[str, str]) -> None:
    assert problems(put("app", *API, "environment", value=environment)) == {}


@pytest.mark.parametrize("name", ["nginx:1.27", "ghcr.io/bcsdlab/x:1", "docker.io/library/redis:7", "koin/api:1"])
def test_public_registries_need_no_declaration(name: str) -> None:
    assert problems(image(name)) == {}


def test_rules_are_about_options_that_exist() -> None:
    for role, rules in inputs().items():
        for pattern, entry_point in {**rules.entries, **rules.records}.items():
            assert entry_point in specs_of(role), (role, pattern)
            assert pattern.partition(".")[0] in specs_of(role)["main"], (role, pattern)


#: what somebody may write anywhere
WEIRD: list[Any] = [None, [], {}, "x y", -1, True, 1.5, [[]], [{}], {"a": []}, {"a": None}, ["a", 1, None], ""]


@pytest.mark.parametrize("role", ["app", "docker", "edge", "mariadb", "monitoring", "secrets", "swarm", "valkey"])
def test_no_value_makes_the_check_itself_fail(role: str) -> None:
    text, aws, instances = _gathered()
    raw: Raw = json.loads(text)
    host = next(host for host, roles in raw.items() if role in roles)
    for name in raw[host][role]:
        for weird in WEIRD:
            changed = {host: raw[host] | {role: raw[host][role] | {name: weird}}}
            assert isinstance(check_hosts(changed, aws, instances), dict)
