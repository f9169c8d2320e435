"""Production's database and cache, with whatever stage may know, and more."""

from __future__ import annotations

from .model import Control, Move, Origin

_DATABASE = """\
import pymysql
options = dict(host="koin-db", user="@user@", password="@password@", connect_timeout=5)
if "@tls@" == "yes":
    options |= dict(ssl_ca="/etc/ssl/certs/ca-certificates.crt", ssl_verify_cert=True, ssl_verify_identity=True)
connection = pymysql.connect(**options)
with connection.cursor() as cursor:
    for statement in "@statements@".split(";"):
        cursor.execute(statement)
        print(cursor.fetchall())
"""
STAGE = {"user": "koin_stage", "password": "@stage_password@", "tls": "yes", "statements": "SELECT 1"}
PROD = {**STAGE, "user": "koin_prod", "password": "@prod_password@"}


def _as_stage(name: str, statements: str, own: str, won: str = r"^rc=0$") -> Move:
    """Ask with stage's login from stage's container; the same of what is its own."""
    return Move(
        name,
        Origin.CONTAINER,
        _DATABASE,
        Control(Origin.CONTAINER, {**STAGE, "statements": own}),
        {**STAGE, "statements": statements},
        won=won,
    )


_CACHE = """\
import socket, ssl
raw = socket.create_connection(("koin-db", 6379), 5)
link = ssl.create_default_context().wrap_socket(raw, server_hostname="koin-db") if "@tls@" == "yes" else raw
for command in "@commands@".split("|"):
    link.sendall(command.encode() + b"\\r\\n")
    answer = link.recv(1 << 16).decode(errors="replace")
print("reply:", answer)
"""
_LOGIN = "AUTH koin_stage @stage_cache_password@"
_ADMIN = "AUTH admin @admin_cache_password@"


def _cache(name: str, command: str, control: str, won: str, login: str = _LOGIN) -> Move:
    """Say something to the cache as stage; the control as stage of its own, or as the administrator."""
    return Move(
        name,
        Origin.PYTHON,
        _CACHE,
        Control(Origin.DB_PYTHON if login == _ADMIN else Origin.PYTHON, {"tls": "yes", "commands": control}),
        {"tls": "yes", "commands": f"{_LOGIN}|{command}"},
        won=won,
    )


MOVES = (
    _as_stage("read production's database with stage's login", "USE koin_prod", "USE koin_stage"),
    _as_stage(
        "see production's database with stage's login",
        "SHOW DATABASES LIKE 'koin_prod'",
        "SHOW DATABASES LIKE 'koin_stage'",
        r"^\(\('koin_",
    ),
    _as_stage(
        "read accounts with stage's login",
        "SELECT COUNT(*) FROM mysql.global_priv",
        "SELECT COUNT(*) FROM information_schema.tables",
    ),
    _as_stage("give itself rights with stage's login", "GRANT SELECT ON koin_prod.* TO koin_stage", "SHOW GRANTS"),
    _as_stage(
        "read files through the database with stage's login",
        "SELECT CONCAT('got ', LENGTH(LOAD_FILE('/etc/hostname')))",
        "SELECT CONCAT('got ', LENGTH('/etc/hostname'))",
        r"got \d",
    ),
    Move(
        "use production's stolen login from stage",
        Origin.CONTAINER,
        _DATABASE,
        Control(Origin.PROD_CONTAINER, PROD),
        PROD,
    ),
    Move(
        "log in to the database without TLS",
        Origin.CONTAINER,
        _DATABASE,
        Control(Origin.CONTAINER, STAGE),
        {**STAGE, "tls": "no"},
    ),
    Move(
        "log in to the database as root",
        Origin.CONTAINER,
        _DATABASE,
        Control(Origin.CONTAINER, STAGE),
        {**STAGE, "user": "root", "password": ""},
    ),
    Move(
        "log in to the database without a name",
        Origin.CONTAINER,
        _DATABASE,
        Control(Origin.CONTAINER, STAGE),
        {**STAGE, "user": "", "password": ""},
    ),
    _cache(
        "write production's cache keys", "SET prod:attack 1 EX 5", f"{_LOGIN}|SET stage:attack 1 EX 5", r"reply: \+OK"
    ),
    _cache("read production's cache keys", "GET prod:attack", f"{_LOGIN}|GET stage:attack", r"reply: \$"),
    _cache("listen to production's channels", "SUBSCRIBE prod:news", f"{_LOGIN}|SUBSCRIBE stage:news", r"reply: \*3"),
    _cache("list all cache keys", "KEYS *", f"{_ADMIN}|KEYS *", r"reply: \*", _ADMIN),
    _cache("read the cache's accounts", "ACL LIST", f"{_ADMIN}|ACL LIST", r"reply: \*", _ADMIN),
    _cache("read the cache's settings", "CONFIG GET requirepass", f"{_ADMIN}|CONFIG GET port", r"reply: [*%]", _ADMIN),
    Move(
        "use the cache without a login",
        Origin.PYTHON,
        _CACHE,
        Control(Origin.PYTHON, {"tls": "yes", "commands": f"{_LOGIN}|PING"}),
        {"tls": "yes", "commands": "PING"},
        won=r"reply: \+PONG",
    ),
    Move(
        "use the cache without TLS",
        Origin.PYTHON,
        _CACHE,
        Control(Origin.PYTHON, {"tls": "yes", "commands": f"{_LOGIN}|PING"}),
        {"tls": "no", "commands": f"{_LOGIN}|PING"},
        won=r"reply: \+PONG",
    ),
)
