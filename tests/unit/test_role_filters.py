"""What the filters of host roles make of declarations."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.files import load_file


def call(role: str, name: str, *arguments: Any) -> Any:
    """Call a filter of a role by its name, as a template does."""
    return load_file(f"roles/{role}/filter_plugins/{role}.py").FilterModule().filters()[name](*arguments)


FIRST, SECOND, THIRD = (
    "*" + hashlib.sha1(hashlib.sha1(word).digest()).hexdigest().upper() for word in (b"one", b"two", b"three")
)


def accounts(password: str | None) -> list[tuple[dict[str, Any], str]]:
    """A user at two hosts, the second of which the server does not know yet."""
    value = {} if password is None else {"password": password}
    return [({"key": "it's", "value": value}, host) for host in ("10.%", "172.%")]


def logins(*hashes: str) -> list[dict[str, str | None]]:
    """What the server has of that user."""
    first, *more = hashes
    others = [{}, *({"plugin": "mysql_native_password", "authentication_string": item} for item in more)]
    return [{"user": "it's", "host": "10.%", "hash": first, "others": json.dumps(others) if more else None}]


def altered(*hashes: str) -> list[str]:
    """The statement after which it logs in with these."""
    ways = " OR ".join(f"mysql_native_password USING '{item}'" for item in hashes)
    return [f"ALTER USER 'it''s'@'10.%' IDENTIFIED VIA {ways}"]


STACKS = {
    "koin": {
        "services": {
            "api": {"build": "api", "replicas": 2, "secrets": {"key": "one", "pin": 7}},
            "web": {"image": "nginx:1"},
        }
    }
}
KEY = "koin_key-" + hashlib.sha256(b"koin/key/one").hexdigest()[:8]
PIN = "koin_pin-" + hashlib.sha256(b"koin/pin/7").hexdigest()[:8]
ROOT = {"state": "directory", "owner": "", "group": "www-data", "mode": "2755"}
USERS = {"template": "users.j2", "group": "www-data", "mode": "0640", "secret": True}
SECRET = {"group": "prometheus", "mode": "0640", "secret": True}
SECRETS = {"state": "directory", "group": "prometheus", "mode": "0750"}


@pytest.mark.parametrize(
    ("role", "name", "arguments", "expected"),
    [
        (
            "docker",
            "docker_certificates",
            [{"r:5000": {"ca": "\nPEM\n\n"}}],
            {"/etc/docker/certs.d/r:5000/ca.crt": {"content": "PEM\n"}},
        ),
        (
            "docker",
            "docker_families",
            [["10.0.0.0/8", "fd00::/8", "172.31.0.2"]],
            [("ip", ["10.0.0.0/8", "172.31.0.2"]), ("ip6", ["fd00::/8"])],
        ),
        ("docker", "docker_families", [["fd00::1"]], [("ip6", ["fd00::1"])]),
        ("mariadb", "password_changes", [accounts("one"), logins(FIRST), True], []),
        ("mariadb", "password_changes", [accounts(None), logins(FIRST), False], []),
        ("mariadb", "password_changes", [accounts("two"), logins(FIRST), True], altered(SECOND, FIRST)),
        ("mariadb", "password_changes", [accounts("two"), logins(SECOND, FIRST), True], []),
        (
            "mariadb",
            "password_changes",
            [accounts("three"), logins(SECOND, FIRST), True],
            altered(THIRD, SECOND, FIRST),
        ),
        ("mariadb", "password_changes", [accounts("one"), logins(SECOND, FIRST), True], altered(FIRST, SECOND)),
        ("mariadb", "password_changes", [accounts("two"), logins(SECOND, FIRST), False], altered(SECOND)),
        ("mariadb", "password_changes", [accounts("two"), logins(SECOND), False], []),
        # An account that anybody could log in with does not stay open.
        ("mariadb", "password_changes", [accounts("one"), logins(""), True], altered(FIRST)),
        ("mariadb", "password_changes", [accounts("one"), [{**logins(FIRST)[0], "hash": None}], True], altered(FIRST)),
        ("mariadb", "password_changes", [accounts("one"), logins("invalid", SECOND), True], altered(FIRST, SECOND)),
        ("edge", "edge_roots", [{"a": {"root": "/srv/a"}, "b": {"redirect": "https://x.in"}}], {"/srv/a": ROOT}),
        (
            "edge",
            "edge_users",
            [{"a": {"users": {"u": "p"}}, "b": {"users": {}}, "c": {}}, "/etc/edge"],
            {"/etc/edge/users/a": USERS | {"vars": {"edge_site": "a"}}},
        ),
        (
            "monitoring",
            "monitoring_secrets",
            [{"slack": {"url": "https://x"}, "mail": {"password": "p"}, "quiet": {"to": "a@b"}}, "/s"],
            {"/s": SECRETS, "/s/slack": SECRET | {"content": "https://x"}, "/s/mail": SECRET | {"content": "p"}},
        ),
        (
            "swarm",
            "swarm_found",
            [["a", "b", "c"], {"a": {"__swarm_member": {"member": {"x": 1}}}, "b": {"__swarm_member": {}}, "c": {}}],
            {"a": {"x": 1}},
        ),
        (
            "app",
            "app_managers",
            [
                ["a", "b", "c", "d"],
                {
                    "a": {"__app_found": {"stdout_lines": ["ipvs"]}},
                    "b": {"__app_found": {"stdout_lines": ["manager", "ipvs"]}},
                    "c": {"__app_found": {"unreachable": True}},
                    "d": {},
                },
            ],
            ["b"],
        ),
        # A rebuilt image has a time after its tag; other tags are of other content.
        (
            "app",
            "app_newest",
            [
                {"a": "r:5/x/a:t-1", "b": "r:5/b:t-2", "c": "r:5/c:t-3", "d": "r:5/d:t-4"},
                [
                    {"item": {"key": "a"}, "json": {"tags": ["t-1", "t-1-202611280000", "t-1-202611290000", "t-9"]}},
                    {"item": {"key": "b"}, "json": {"tags": ["t-2", "t-2-1", "t-20-202611280000"]}},
                    {"item": {"key": "c"}, "json": {"tags": None}},
                    {"item": {"key": "d"}, "status": 404},
                    {"skipped": True},
                ],
            ],
            {"a": "r:5/x/a:t-1-202611290000", "b": "r:5/b:t-2"},
        ),
        ("app", "app_secret_names", [STACKS], {"koin": {"api": {"key": KEY, "pin": PIN}, "web": {}}}),
        ("app", "app_secret_values", [STACKS], {"koin": {KEY: "one", PIN: 7}}),
        (
            "app",
            "app_files",
            [{"koin": "text"}, "/f"],
            {"/f/koin.yml": {"content": "text", "mode": "0640", "validate": "docker stack config --compose-file %s"}},
        ),
        (
            "app",
            "app_declared",
            [
                {"koin": {"services": {"api": {"image": "r/api:1", "replicas": 2}, "web": {"image": "nginx:1"}}}},
                {"koin": "text"},
                "user pass",
                "/f",
            ],
            {
                "koin": {
                    "file": "/f/koin.yml",
                    "digest": hashlib.sha256(b"textuser pass").hexdigest()[:16],
                    "services": {
                        "api": {"image": "r/api:1", "replicas": 2},
                        "web": {"image": "nginx:1", "replicas": 1},
                    },
                }
            },
        ),
    ],
)
def test_filters(role: str, name: str, arguments: list[Any], expected: Any) -> None:
    assert call(role, name, *arguments) == expected


def test_the_tag_of_an_image_follows_what_it_is_made_of(tmp_path: Path) -> None:
    (tmp_path / "api").mkdir()
    (tmp_path / "api/app.py").write_text("one")
    builds = {"api": {"image": "r:5000/api", "context": "api"}}
    first = call("app", "app_images", builds, str(tmp_path), "trixie", 1)["api"]
    assert first.startswith("r:5000/api:trixie-")
    assert call("app", "app_images", builds, str(tmp_path), "trixie", 1)["api"] == first
    assert call("app", "app_images", builds, str(tmp_path), "trixie", 2)["api"] != first
    (tmp_path / "api/app.py").write_text("two")
    assert call("app", "app_images", builds, str(tmp_path), "trixie", 1)["api"] != first


def test_lines_of_several_tasks_are_in_the_order_of_time() -> None:
    said = (
        "2026-11-28T15:29:36.2Z koin-prod_api.2.abc@koin-prod    | second\n"
        "2026-11-28T15:29:35.1Z koin-prod_api.1.def@koin-other    | first\n"
        "and its second line\n"
    )
    assert call("app", "app_log_lines", said) == [
        "2026-11-28 15:29:35 koin-other.1 first",
        "and its second line",
        "2026-11-28 15:29:36 koin-prod.2 second",
    ]
    assert call("app", "app_log_lines", "") == ["It wrote nothing."]


def test_a_verb_says_what_is_true_now() -> None:
    asked = {"stack": "koin", "service": "api"}
    became = {"services": {"koin": {"api": {"image": "r/api:2@sha256:a", "why": ""}}}}
    assert call("app", "app_said", became | {"changed": True}, {}, asked) == "koin/api runs r/api:2@sha256:a."
    assert call("app", "app_said", became, {}, asked) == "koin/api ran already, unchanged: r/api:2@sha256:a."
    told = call("app", "app_said", became, {}, asked, "It crashed.")
    assert told == "It crashed.\nkoin/api runs r/api:2@sha256:a."


def test_users_of_the_cache_log_in_with_what_they_had_before() -> None:
    old, new, other = ("#" + hashlib.sha256(word.encode()).hexdigest() for word in ("old", "new", "other"))
    present = f"user default off resetpass\nuser app on {other} {old} resetkeys ~a:* +@all\nuser gone on {old} ~*\n"
    for password, before, logins in (
        ("new", present, [new, other, old]),
        ("old", present, [old, other]),
        ("new", "", [new]),
    ):
        assert call("valkey", "login_hashes", {"app": password}, before) == {"app": logins}
