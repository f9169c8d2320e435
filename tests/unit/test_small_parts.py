"""References, calls, rendering, filters and policies: pure functions on literals."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from ansible.module_utils.platform.engine.each import batches, calls, dig, touches
from ansible.module_utils.platform.engine.model import Action, FieldChange, Peculiar, Plan
from ansible.module_utils.platform.engine.refs import readable, ref, resolve, unresolved
from ansible.module_utils.platform.engine.render import render, summary, warnings
from ansible.module_utils.platform.kinds import KINDS
from ansible.module_utils.platform.kinds.base import statements
from ansible.module_utils.platform.kinds.iam import host_policy

from tests.support.files import load_file

FILTERS = load_file("plugins/filter/platform.py")
REGISTRY = {"instance": {"KOIN_PROD": {"id": "i-1"}}}
TOKEN = ref("instance", "KOIN_PROD")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (TOKEN, "i-1"),
        (f"arn:{TOKEN}/x", "arn:i-1/x"),
        ([TOKEN, {"a": TOKEN}], ["i-1", {"a": "i-1"}]),
        (ref("instance", "koreatech.in"), "${instance:koreatech.in:id}"),
        # A shell script in user data.
        ("echo ${name:0:4} ${instance}", "echo ${name:0:4} ${instance}"),
        (7, 7),
        ("${not a token}", "${not a token}"),
    ],
)
def test_references_are_resolved_where_they_are_known(value: Any, expected: Any) -> None:
    assert resolve(value, REGISTRY) == expected


def test_what_stays_unresolved_is_named() -> None:
    tokens = {"a": [ref("instance", "x.in")], ref("distribution", "t", "arn"): 1}
    assert unresolved(tokens, KINDS.names) == ["instance x.in id", "distribution t arn"]
    assert readable(f"to {ref('instance', 'x.in')}", KINDS.names) == "to (instance x.in id, known after apply)"


@pytest.mark.parametrize("kind", sorted(KINDS.names))
def test_a_token_of_any_kind_that_stays_open_is_named(kind: str) -> None:
    assert unresolved({"arn": f"x/{ref(kind, 'a b', 'arn')}"}, KINDS.names) == [f"{kind} a b arn"]


def test_shell_text_is_no_token() -> None:
    script = "echo ${name:0:4} ${HOST:-x} ${region:0:2}"
    assert unresolved(script, KINDS.names) == []
    assert readable(script, KINDS.names) == script


CREATE = {"action": "create", "name": "a", "changed": ["tags.Name", "cors"]}
CHANGE = {"action": "change", "name": "b", "changed": ["tags.Name"]}


@pytest.mark.parametrize(
    ("only", "fields", "expected"),
    [
        (None, [], ["a", "b"]),
        ("create", [], ["a"]),
        ("change", [], ["b"]),
        (None, ["cors"], ["a"]),
        (None, ["tags.*"], ["a", "b"]),
        (None, ["other"], []),
    ],
)
def test_calls(only: str | None, fields: list[str], expected: list[str]) -> None:
    assert [item["name"] for item in calls([CREATE, CHANGE], only, fields)] == expected


@pytest.mark.parametrize(("first", "expected"), [("change", ["b", "a"]), ("create", ["a", "b"]), (None, ["ab"])])
def test_batches(first: str | None, expected: list[str]) -> None:
    assert ["".join(item["name"] for item in batch) for batch in batches([CREATE, CHANGE], first)] == expected
    assert batches([CREATE], first) == [[CREATE]]
    assert batches([], first) == []


def test_patterns_match_whole_names() -> None:
    assert not touches({"action": "change", "changed": ["root_volume.type"]}, ["type"])
    assert touches({"action": "create", "changed": ["tags.Name"]}, ["+", "type"])
    assert not touches({"action": "change", "changed": ["tags.Name"]}, ["+", "type"])


@pytest.mark.parametrize(
    ("path", "expected"), [("vpc.id", "v"), ("list.0.id", "x"), ("list.9.id", None), ("vpc.no", None), ("no.id", None)]
)
def test_dig(path: str, expected: str | None) -> None:
    assert dig({"vpc": {"id": "v"}, "list": [{"id": "x"}]}, path) == expected


def _plan(*actions: Action, warnings: tuple[str, ...] = ()) -> Plan:
    return Plan("123456789012", "ap-northeast-2", actions, {}, warnings)


RULES = FieldChange(
    "ingress", ["tcp 22 from 0.0.0.0/0", "tcp 80 from 0.0.0.0/0"], ["tcp 80 from 0.0.0.0/0", "udp 1 to x"]
)
SHOWN = _plan(
    Action("create", "zone", "aws_dns", "koreatech.in", changes=(FieldChange("comment", None, "x"),), note="a note"),
    Action("change", "security_group", "aws_security", "SSH", "sg-1", changes=(RULES,)),
    Action("replace", "instance", "aws_compute", "KOIN_DB", "i-1", changes=(FieldChange("subnet", "a", "b"),)),
    Action("unmanaged", "bucket", "aws_storage", "old", "old"),
    warnings=("a warning",),
)


def test_render() -> None:
    assert render(SHOWN).splitlines() == [
        "Plan for account 123456789012, ap-northeast-2",
        "",
        "  + zone koreatech.in",
        "      note: a note",
        "  ~ security_group SSH (sg-1)",
        "      ingress:",
        "        - tcp 22 from 0.0.0.0/0",
        "        + udp 1 to x",
        "",
        "Cannot be changed in place, so it is only reported:",
        "  ! instance KOIN_DB (i-1)",
        "      subnet: a -> b",
        "",
        "Not declared, left alone:",
        "  ? bucket old",
        "",
        "Warnings:",
        "  * a warning",
        "",
        "1 to create, 1 to change; 1 to replace (reported only); 1 unmanaged.",
    ]


PECULIAR = (
    Peculiar("elastic IP A: another address", "addresses of its own"),
    "bucket b: anyone can read it",
    Peculiar("elastic IP B: another address", "addresses of its own"),
    Peculiar("zone c: not registered", "unregistered domains"),
)


def test_on_a_stand_in_what_is_always_so_is_one_line() -> None:
    found = replace(_plan(warnings=PECULIAR), stand_in=True)
    assert warnings(found) == [
        "Warnings:",
        "  * bucket b: anyone can read it",
        "",
        "As always in a rehearsal: addresses of its own (2), unregistered domains (1); -v lists them.",
        "",
    ]
    assert warnings(replace(found, warnings=PECULIAR[:1])) == [
        "As always in a rehearsal: addresses of its own (1); -v lists them.",
        "",
    ]
    assert len(warnings(found, verbose=True)) == len(PECULIAR) + 2


def test_elsewhere_each_warning_is_a_line() -> None:
    assert warnings(_plan(warnings=PECULIAR)) == ["Warnings:", *(f"  * {text}" for text in PECULIAR), ""]


def test_verbose_shows_every_field_of_what_is_created() -> None:
    assert "      comment: (none) -> x" in render(SHOWN, verbose=True).splitlines()


def test_colour_only_when_asked_for() -> None:
    assert "\033" not in render(SHOWN)
    assert "\033[32m  + zone koreatech.in\033[0m" in render(SHOWN, colour=True)


def test_no_changes() -> None:
    assert summary(_plan()) == "No changes."
    assert render(_plan()).splitlines()[-1] == "No changes."


def test_a_plan_is_json() -> None:
    assert json.loads(json.dumps(SHOWN.as_dict()))["counts"] == {"create": 1, "change": 1, "replace": 1, "unmanaged": 1}


def test_statements_do_not_depend_on_how_a_policy_is_written() -> None:
    one = {"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": ["b", "a"]}]}
    other = '{"Statement": {"Resource": ["a", "b"], "Action": ["s3:GetObject"], "Effect": "Allow"}}'
    assert statements(one) == statements(other)
    assert statements(None) == []


def test_a_host_may_do_what_its_entry_says_and_nothing_else() -> None:
    rights = host_policy(
        {"parameters": "/koin/prod/", "buckets": {"b": "read_write", "c": "read"}, "invalidates": ["static"]},
        "ap-northeast-2",
        "123456789012",
    )
    allowed = {part["Sid"]: (part["Action"], part["Resource"]) for part in rights["Statement"]}
    assert allowed["ReadOwnParameters"][1] == [
        "arn:aws:ssm:ap-northeast-2:123456789012:parameter/koin/prod",
        "arn:aws:ssm:ap-northeast-2:123456789012:parameter/koin/prod/*",
    ]
    assert allowed["WriteObjects"] == (["s3:PutObject", "s3:DeleteObject"], ["arn:aws:s3:::b/*"])
    assert allowed["ReadObjects"][1] == ["arn:aws:s3:::b/*", "arn:aws:s3:::c/*"]
    assert allowed["InvalidateCache"][1] == ["${distribution:static:arn}"]
    assert {part["Effect"] for part in rights["Statement"]} == {"Allow"}
    assert set(host_policy({}, "r", "a")["Statement"][0]) >= {"Condition"}
    assert len(host_policy({}, "r", "a")["Statement"]) == 1


def test_security_group_rules() -> None:
    rules = {
        "web": {"protocol": "tcp", "port": 80, "to_port": 81, "cidrs": ["a", "b"]},
        "esp": {"protocol": "esp", "groups": ["Swarm"]},
        "icmp": {"protocol": "icmp", "cidrs": ["c"]},
        "ping": {"protocol": "icmp", "icmp_type": 8, "cidrs": ["d"]},
        "any": {"protocol": "all", "cidrs": ["e"]},
    }
    assert FILTERS.security_group_rules(rules, {"Swarm": {"id": "sg-1"}}) == [
        {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 81, "IpRanges": [{"CidrIp": "a"}]},
        {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 81, "IpRanges": [{"CidrIp": "b"}]},
        {"IpProtocol": "50", "UserIdGroupPairs": [{"GroupId": "sg-1"}]},
        {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "IpRanges": [{"CidrIp": "c"}]},
        {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "IpRanges": [{"CidrIp": "d"}]},
        {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "e"}]},
    ]


def test_network_acl_rules_are_in_order_of_their_numbers() -> None:
    rules = {
        "200": {"protocol": "all", "action": "deny", "cidr": "b"},
        "90": {"protocol": "tcp", "action": "allow", "cidr": "a", "from_port": 80},
    }
    assert FILTERS.network_acl_rules(rules) == [
        {
            "RuleNumber": 90,
            "Protocol": "6",
            "RuleAction": "allow",
            "CidrBlock": "a",
            "PortRange": {"From": 80, "To": 80},
        },
        {"RuleNumber": 200, "Protocol": "-1", "RuleAction": "deny", "CidrBlock": "b"},
    ]


def test_changed_parts() -> None:
    assert FILTERS.changed_parts({"a": 1, "b": 2}, ["lifecycle.b", "cors"], "lifecycle") == [{"key": "b", "value": 2}]
    assert FILTERS.changed_parts(["x/"], ["prefixes.x/"], "prefixes") == [{"key": "x/", "value": "x/"}]


def test_cors_rules() -> None:
    rules = {"up": {"methods": ["PUT"], "origins": ["o"], "headers": [], "max_age": 5}}
    assert FILTERS.cors_rules(rules) == [
        {"ID": "up", "AllowedMethods": ["PUT"], "AllowedOrigins": ["o"], "MaxAgeSeconds": 5}
    ]
