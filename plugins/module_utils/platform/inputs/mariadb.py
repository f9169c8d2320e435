"""Rules of role mariadb."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..engine.errors import Problem
from ..engine.options import nearest
from .rules import (
    ACCOUNT,
    HOST_NAME,
    SIZE,
    Look,
    RoleInput,
    Values,
    address,
    debian_only,
    keys_spelled,
    long_enough,
    one_of,
    ports,
    ranges,
    spelled,
)

#: accounts and schemas that come with the server or are the role's
_OWN_USERS = ("mariadb.sys", "mysql", "prometheus", "root")
_OWN_DATABASES = ("information_schema", "mysql", "performance_schema", "sys")
_TIMEZONE = re.compile(r"SYSTEM|[+-](0\d|1[0-4]):[0-5]\d")
#: what may be granted on a database or table
_LOCAL = frozenset(
    {
        "ALL",
        "ALL PRIVILEGES",
        "ALTER",
        "ALTER ROUTINE",
        "CREATE",
        "CREATE ROUTINE",
        "CREATE TEMPORARY TABLES",
        "CREATE VIEW",
        "DELETE",
        "DELETE HISTORY",
        "DROP",
        "EVENT",
        "EXECUTE",
        "GRANT",
        "GRANT OPTION",
        "INDEX",
        "INSERT",
        "LOCK TABLES",
        "REFERENCES",
        "SELECT",
        "SHOW CREATE ROUTINE",
        "SHOW VIEW",
        "TRIGGER",
        "UPDATE",
        "USAGE",
        "REQUIRESSL",
    }
)
#: what may be granted on *.* only
_GLOBAL = frozenset(
    {
        "BINLOG ADMIN",
        "BINLOG MONITOR",
        "BINLOG REPLAY",
        "CONNECTION ADMIN",
        "CREATE TABLESPACE",
        "CREATE USER",
        "FEDERATED ADMIN",
        "FILE",
        "PROCESS",
        "PROXY",
        "READ_ONLY ADMIN",
        "RELOAD",
        "REPLICA MONITOR",
        "REPLICATION CLIENT",
        "REPLICATION MASTER ADMIN",
        "REPLICATION REPLICA",
        "REPLICATION REPLICA ADMIN",
        "REPLICATION SLAVE",
        "REPLICATION SLAVE ADMIN",
        "SET USER",
        "SHOW DATABASES",
        "SHUTDOWN",
        "SLAVE MONITOR",
        "SUPER",
    }
)
#: words of other systems, and the privilege that they mean
_MEANT = {"READ": "SELECT", "WRITE": "INSERT,UPDATE,DELETE", "EXEC": "EXECUTE", "MODIFY": "UPDATE", "REMOVE": "DELETE"}


class Input(RoleInput):
    """mariadb_databases, mariadb_users and the server's settings."""

    entries = {"mariadb_databases": "database", "mariadb_users": "user"}

    def problems(self, values: Values) -> Iterator[Problem]:
        yield from ports(values, "mariadb_port", "mariadb_exporter_port")
        yield from ranges(
            values,
            mariadb_memory_mib=(256, None),
            mariadb_memory_percent=(5, 95),
            mariadb_max_connections=(10, 100000),
            mariadb_slow_query_seconds=(0, 3600),
            mariadb_slow_log_days=(1, 3650),
            mariadb_server_id=(1, 4294967295),
            mariadb_binlog_days=(1, 99),
        )
        yield from address("mariadb_address", values.get("mariadb_address"))
        fix = "write an offset as +09:00, or SYSTEM"
        yield from spelled("mariadb_timezone", values.get("mariadb_timezone"), _TIMEZONE, "an offset", fix)
        size = values.get("mariadb_binlog_total_size")
        yield from spelled(
            "mariadb_binlog_total_size", size, SIZE, "a size", "write a number with K, M, G or T, e.g. 4G"
        )
        collation = values.get("mariadb_collation")
        fix = "write one of utf8mb4, e.g. utf8mb4_unicode_ci"
        yield from spelled("mariadb_collation", collation, re.compile(r"utf8mb4_\w+"), "a collation of utf8mb4", fix)
        for name in values.get("mariadb_settings", {}):
            pattern = re.compile(r"[a-z][a-z0-9_.-]*")
            yield from spelled(
                f"mariadb_settings.{name}", name, pattern, "a variable of the server", "write it in lower case"
            )
        databases, users = values.get("mariadb_databases", {}), values.get("mariadb_users", {})
        for variable, names, own in (
            ("mariadb_databases", databases, _OWN_DATABASES),
            ("mariadb_users", users, _OWN_USERS),
        ):
            fix = "write letters, digits, `_`, `.` and `-` only"
            yield from keys_spelled(variable, names, ACCOUNT, "a name that this role accepts", fix)
            for name in names:
                if name in own:
                    yield Problem(
                        f"{variable}.{name}", f"the server or the role reserves `{name}`", "choose another name"
                    )
        there = [name for name, entry in databases.items() if entry.get("state") != "absent"]
        for name, user in users.items():
            if user.get("state") != "absent":
                yield from _user(f"mariadb_users.{name}", user, there)

    def on_host(self, values: Values, facts: Mapping[str, Any], look: Look) -> Iterator[Problem]:
        yield from debian_only("mariadb", facts)
        pool, budget = int(look("__mariadb_pool_mib")), int(look("__mariadb_budget_mib"))
        if pool < 128:
            connections = values["mariadb_max_connections"]
            what = f"{connections} connections leave {pool} MiB of {budget} for the buffer pool, less than 128"
            yield Problem("mariadb_max_connections", what, "lower it, or raise mariadb_memory_percent")

    def listens(self, values: Values) -> Iterator[tuple[int, str, str]]:
        yield values["mariadb_port"], values["mariadb_address"], "mariadb_port"
        if values.get("mariadb_exporter"):
            yield values["mariadb_exporter_port"], values["mariadb_address"], "mariadb_exporter_port"


def _user(where: str, user: Values, databases: list[str]) -> Iterator[Problem]:
    yield from long_enough(f"{where}.password", user.get("password"), 16)
    if not user.get("hosts"):
        yield Problem(f"{where}.hosts", "is missing: it says where the user may connect from", "write [172.31.%]")
    for number, host in enumerate(user.get("hosts") or ()):
        yield from _host(f"{where}.hosts.{number}", str(host))
    if not 0 <= user.get("max_connections", 0) <= 100000:
        yield Problem(
            f"{where}.max_connections", f"{user['max_connections']} is out of range", "write 0 for no limit, or more"
        )
    for scope, privileges in user.get("privileges", {}).items():
        yield from _grants(f"{where}.privileges.{scope}", str(scope), privileges, databases)


def _host(where: str, host: str) -> Iterator[Problem]:
    if re.fullmatch(r"[%_.]*", host):
        what = f"`{host}` lets the user in from anywhere" if host else "is empty, which means anywhere"
        yield Problem(where, what, "write the network that it connects from, e.g. 172.31.%")
        return
    literal, slash, mask = host.partition("/")
    if slash:
        try:
            network = ipaddress.IPv4Network(host)
        except ValueError:
            yield Problem(where, f"`{host}` is not a network", "write address and mask, e.g. 172.31.0.0/255.255.0.0")
            return
        if "." not in mask:
            yield Problem(where, f"MariaDB needs the mask of `{host}` in full", f"write {network.with_netmask}")
        return
    if re.fullmatch(r"[0-9.%_]+", literal):
        parts = literal.split(".")
        if (
            len(parts) > 4
            or any(part.isdigit() and int(part) > 255 for part in parts)
            or ("%" not in literal and len(parts) < 4)
        ):
            yield Problem(
                where, f"`{host}` is not an address", "write one like 172.31.0.10, or a part of it like 172.31.%"
            )
    elif (
        host != "localhost"
        and not HOST_NAME.fullmatch(host.lstrip("%").lstrip("."))
        and not re.fullmatch(r"[0-9a-f:]+", host)
    ):
        yield Problem(
            where,
            f"`{host}` is not an address",
            "write an address, a part of one like 172.31.%, or a host name in full",
        )


def _grants(where: str, scope: str, privileges: Any, databases: list[str]) -> Iterator[Problem]:
    if not isinstance(privileges, str):
        given = ",".join(str(item) for item in privileges) if isinstance(privileges, list) else "SELECT"
        yield Problem(where, "the privileges are not text", f"separate them with commas: {given}")
        return
    database, dot, table = scope.rpartition(".")
    if not dot or not database or not table:
        yield Problem(
            where, f"`{scope}` is not database.table", f"write {scope.strip('.') or 'koin'}.* for all of its tables"
        )
    elif database != "*" and database.strip("`") not in databases:
        declare = "declare it in mariadb_databases"
        yield from one_of(where, database, databases, "a declared database", declare=declare)
    # A grant of columns has commas within brackets.
    for item in re.split(r",(?![^(]*\))", privileges):
        name = re.sub(r"\s+", " ", re.sub(r"\(.*\)", "", item)).strip().upper()
        if name in _LOCAL or (name in _GLOBAL and scope == "*.*"):
            continue
        if name in _GLOBAL:
            yield Problem(where, f"{name} applies to the whole server only", "grant it on `*.*`, or remove it")
            continue
        near = _MEANT.get(name) or nearest(name, _LOCAL | _GLOBAL)
        fix = f"write {near}" if near else f"write some of {', '.join(sorted(_LOCAL))}"
        yield Problem(where, f"`{item.strip()}` is not a privilege of MariaDB", fix)
