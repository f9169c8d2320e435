"""Zones and records on literals: what is the same, what a change shows, what cannot be done."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.platform.engine.errors import PlatformError
from ansible.module_utils.platform.kinds import KINDS
from ansible.module_utils.platform.kinds.dns import canonical, delegated, dotless

from tests.support.files import load_file
from tests.support.observed import changes_of, declaration_of, plan_of, refusals

FILTERS = load_file("plugins/filter/platform.py").FilterModule().filters()


def _zone(name: str = "koreatech.in", zone: str = "Z1", private: bool = False) -> dict[str, Any]:
    return {"Id": f"/hostedzone/{zone}", "Name": f"{name}.", "Config": {"PrivateZone": private}}


def _declared(kind: str = "A", *values: str, name: str = "api.koreatech.in", ttl: int = 300) -> dict[str, Any]:
    record = {"zone": "koreatech.in", "type": kind, "values": list(values) or ["1.2.3.4"], "ttl": ttl}
    return {"aws_dns_zones": {"koreatech.in": {}}, "aws_dns_records": {name: record}}


def _live(kind: str = "A", *values: str, name: str = "api.koreatech.in.", **more: Any) -> dict[str, Any]:
    record = {"Name": name, "Type": kind, "TTL": 300, **more}
    if values:
        record["ResourceRecords"] = [{"Value": value} for value in values]
    return {"zones": [_zone()], "records": {"Z1": [record]}}


def _load_balancer(**more: Any) -> dict[str, Any]:
    target = {"HostedZoneId": "ZWKZPGTI48KDX", "DNSName": "dualstack.lb-1.elb.amazonaws.com.", **more}
    found = _live(AliasTarget={"EvaluateTargetHealth": True, **target})
    del found["records"]["Z1"][0]["TTL"]
    return found


def test_an_alias_in_the_place_of_values_is_shown_as_it_could_be_made_again() -> None:
    before = "dualstack.lb-1.elb.amazonaws.com (zone ZWKZPGTI48KDX, evaluates the target's health)"
    assert changes_of(plan_of(_declared(), **_load_balancer()), "record") == {
        "ttl": (None, 300),
        "values": (None, ["1.2.3.4"]),
        "alias": (before, None),
    }


DISTRIBUTION = {
    "aws_dns_zones": {"koreatech.in": {}},
    "aws_storage_buckets": {"b": {}},
    "aws_cdn_certificates": {"koreatech.in": {"domain": "koreatech.in", "alternative_names": ["*.koreatech.in"]}},
    "aws_cdn_distributions": {
        "static": {"aliases": ["api.koreatech.in"], "bucket": "b", "certificate": "koreatech.in"}
    },
}


def test_values_in_the_place_of_an_alias_are_shown() -> None:
    changes = changes_of(plan_of(DISTRIBUTION, **_live("A", "9.9.9.9", "8.8.8.8", TTL=60)), "record")
    assert changes["ttl"] == (60, None)
    assert changes["values"] == (["8.8.8.8", "9.9.9.9"], None)


def test_an_alias_with_another_zone_or_health_is_another() -> None:
    shown = changes_of(plan_of(DISTRIBUTION, **_load_balancer(EvaluateTargetHealth=False)), "record")["alias"][0]
    assert shown == "dualstack.lb-1.elb.amazonaws.com (zone ZWKZPGTI48KDX, does not evaluate the target's health)"


def test_a_part_that_no_declaration_has_a_word_for_is_a_difference() -> None:
    observed = _live("A", "1.2.3.4", HealthCheckId="abc")
    assert changes_of(plan_of(_declared(), **observed), "record") == {"more": ({"HealthCheckId": "abc"}, None)}


@pytest.mark.parametrize(
    ("kind", "declared", "live"),
    [
        ("CNAME", "Target.example.com", "target.example.com."),
        ("MX", "10 mail.koreatech.in", "10  mail.koreatech.in."),
        ("AAAA", "2001:db8:0:0::10", "2001:db8::10"),
        ("TXT", '"a"  "b"', '"a" "b"'),
        ("SRV", "10 5 5060 sip.koreatech.in", "10 5 5060 sip.koreatech.in."),
        ("TXT", '"v=spf1 \\052 \\101ll"', '"v=spf1 * All"'),
        ("TXT", '"say \\042hi\\042" "\\303\\251"', '"say \\042hi\\042" "\\303\\251"'),
        ("CAA", '0 issue "letsencrypt.org"', '0  ISSUE  "letsencrypt.org"'),
        ("NS", "NS-1.awsdns-01.ORG", "ns-1.awsdns-01.org."),
    ],
)
def test_values_that_differ_only_in_writing_are_the_same(kind: str, declared: str, live: str) -> None:
    assert plan_of(_declared(kind, declared), **_live(kind, live)).writes == []


def test_texts_that_differ_are_not_the_same() -> None:
    assert canonical("TXT", '"a b"') != canonical("TXT", '"a" "b"')
    assert canonical("TXT", '"A"') != canonical("TXT", '"a"')
    assert canonical("TXT", "no quotes") == "no quotes"


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("\\052.koreatech.in.", "*.koreatech.in"),
        ("\\355\\225\\234.koreatech.in.", "한.koreatech.in"),
        ("API.koreatech.in.", "api.koreatech.in"),
        ("a\\056b.koreatech.in.", "a\\056b.koreatech.in"),
        ("\\100.koreatech.in.", "@.koreatech.in"),
        ("\\377.koreatech.in.", "\\377.koreatech.in"),
    ],
)
def test_a_name_is_read_as_people_write_it(name: str, plain: str) -> None:
    assert dotless(name) == plain


def test_two_zones_of_a_name_are_told_apart_by_a_declared_id() -> None:
    declared = _declared()
    observed = {"zones": [_zone(), _zone(zone="Z2"), _zone(zone="Z3", private=True)], "records": {"Z2": []}}
    with pytest.raises(PlatformError, match="2 live resources match the declared zone koreatech"):
        plan_of(declared, **observed)
    declared["aws_dns_zones"]["koreatech.in"] = {"id": "Z2"}
    assert plan_of(declared, **observed).registry["zone"] == {"koreatech.in": {"id": "Z2"}}
    for wrong in ("Z3", "Z9"):
        declared["aws_dns_zones"]["koreatech.in"] = {"id": wrong}
        (problem,) = refusals(declared, **observed)
        assert problem.what == f"the account has no public zone koreatech.in with the id {wrong}"


@pytest.mark.parametrize(
    ("live", "name", "text"),
    [
        (
            ["*.koreatech.in"],
            "api.koreatech.in",
            "*.koreatech.in answers for api.koreatech.in today (A 9.9.9.9) and no",
        ),
        # The name in between comes into being, too.
        (["*.koreatech.in"], "a.b.koreatech.in", "answers for a.b.koreatech.in, b.koreatech.in today (A 9.9.9.9) and"),
        (["*.koreatech.in", "x.b.koreatech.in"], "a.b.koreatech.in", ""),
        (["*.koreatech.in", "x.api.koreatech.in"], "api.koreatech.in", ""),
        (["*.koreatech.in", "api.koreatech.in"], "api.koreatech.in", ""),
        (["*.koreatech.in"], "*.dev.koreatech.in", "answers for *.dev.koreatech.in, dev.koreatech.in today"),
        (["*.dev.koreatech.in"], "api.koreatech.in", ""),
        (["*.koreatech.in"], "*.koreatech.in", ""),
        (["*.koreatech.in"], "koreatech.in", ""),
        (["www.koreatech.in"], "api.koreatech.in", ""),
    ],
)
def test_a_name_that_a_wildcard_answers_for_until_now_is_said(live: list[str], name: str, text: str) -> None:
    names = [f"{item}.".replace("*", "\\052") for item in live]
    raw = [{"Name": item, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "9.9.9.9"}]} for item in names]
    warnings = plan_of(_declared("TXT", '"x"', name=name), zones=[_zone()], records={"Z1": raw}).warnings
    assert len(warnings) == bool(text)
    assert all(text in line for line in warnings)


def test_the_alias_of_a_wildcard_is_said_as_it_could_be_written_again() -> None:
    observed = _load_balancer()
    observed["records"]["Z1"][0]["Name"] = "\\052.koreatech.in."
    (line,) = plan_of(_declared(), **observed).warnings
    assert "(A dualstack.lb-1.elb.amazonaws.com (zone ZWKZPGTI48KDX, evaluates the target's health))" in line


@pytest.mark.parametrize(
    ("name", "kind", "point"),
    [
        ("api.koreatech.in", "A", None),
        ("dev.koreatech.in", "A", "dev.koreatech.in"),
        ("a.b.dev.koreatech.in", "TXT", "dev.koreatech.in"),
        ("dev.koreatech.in", "NS", None),
        ("mydev.koreatech.in", "A", None),
        ("koreatech.in", "MX", None),
    ],
)
def test_a_delegation_hides_what_is_below_it(name: str, kind: str, point: str | None) -> None:
    assert delegated(name, kind, "koreatech.in", {"dev.koreatech.in"}) == point


def test_a_name_in_other_letters_is_declared_and_recognised_as_dns_writes_it() -> None:
    name = "xn--bj0bj06e.koreatech.in"
    assert plan_of(_declared(name=name), **_live("A", "1.2.3.4", name=f"{name}.")).writes == []


def test_a_record_below_a_declared_delegation_is_refused() -> None:
    declared = _declared(name="api.dev.koreatech.in")
    servers = {"zone": "koreatech.in", "type": "NS", "values": ["ns1.example.com"]}
    declared["aws_dns_records"]["dev.koreatech.in"] = servers
    (problem,) = KINDS.named("record").check(declaration_of(declared))
    assert problem.what == "is hidden by the declared NS record of dev.koreatech.in"


def test_a_record_below_a_live_delegation_is_refused() -> None:
    observed = _live("NS", "ns1.example.com.", name="dev.koreatech.in.")
    (problem,) = refusals(_declared(name="api.dev.koreatech.in"), **observed)
    assert (problem.where, "hands dev.koreatech.in over" in problem.what) == ("record api.dev.koreatech.in A", True)


@pytest.mark.parametrize(
    "policy",
    [
        {"Weight": 0},
        {"Region": "ap-northeast-2"},
        {"GeoLocation": {"CountryCode": "KR"}},
        {"Failover": "PRIMARY", "HealthCheckId": "h-1"},
        {"MultiValueAnswer": True},
        {"CidrRoutingConfig": {"CollectionId": "c", "LocationName": "*"}},
        {"GeoProximityLocation": {"AWSRegion": "ap-northeast-2", "Bias": 10}},
    ],
)
def test_records_with_a_routing_policy_are_refused_whichever_it_is(policy: dict[str, Any]) -> None:
    (problem,) = refusals(_declared(), **_live("A", "1.2.3.4", SetIdentifier="one", **policy))
    assert "with a routing policy" in problem.what
    # Those of another type have no part in it.
    assert refusals(_declared(), **_live("AAAA", "2001:db8::1", SetIdentifier="one", **policy)) == []


def test_a_zone_that_another_service_keeps_is_refused() -> None:
    zone = _zone() | {"LinkedService": {"ServicePrincipal": "servicediscovery.amazonaws.com", "Description": "x"}}
    (problem,) = refusals(_declared(), zones=[zone], records={"Z1": []})
    assert problem.what.startswith("servicediscovery.amazonaws.com keeps the zone Z1")
    private = _zone(zone="Z2", private=True) | {"LinkedService": {"ServicePrincipal": "servicediscovery.amazonaws.com"}}
    assert refusals(_declared(), zones=[_zone(), private], records={"Z1": []}) == []


def test_a_record_of_a_traffic_policy_is_refused() -> None:
    (problem,) = refusals(_declared(), **_live("A", "1.2.3.4", TrafficPolicyInstanceId="t-1"))
    assert "traffic policy" in problem.what


def _action(name: str, zone: str = "koreatech.in", **more: Any) -> dict[str, Any]:
    entry = {"zone": zone, "name": name, "type": "A", "ttl": 60, "values": ["1.2.3.4"], **more}
    return {"name": f"{name} {entry['type']}", "entry": entry}


def test_the_records_of_a_zone_are_written_at_once() -> None:
    batches = FILTERS["record_batches"]
    actions = [_action("a.in"), _action("b.com", "b.com"), _action("c.in"), _action("d.in", alias="${d:x:y}")]
    (batch,) = batches(actions, actions[0])
    assert [change["ResourceRecordSet"]["Name"] for change in batch] == ["a.in", "c.in", "d.in"]
    assert batch[0] == {
        "Action": "UPSERT",
        "ResourceRecordSet": {"Name": "a.in", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "1.2.3.4"}]},
    }
    assert batch[2]["ResourceRecordSet"]["AliasTarget"]["HostedZoneId"] == "Z2FDTNDATAQYW2"
    assert [len(found) for found in batches(actions, actions[1])] == [1]
    assert batches(actions, actions[2]) == []


@pytest.mark.parametrize(
    ("count", "value", "sizes"), [(1001, "1.2.3.4", [500, 500, 1]), (20, f'"{"x" * 1500}"', [10, 10])]
)
def test_batches_are_as_large_as_route_53_allows(count: int, value: str, sizes: list[int]) -> None:
    actions = [_action(f"r{number}.in", values=[value]) for number in range(count)]
    assert [len(batch) for batch in FILTERS["record_batches"](actions, actions[0])] == sizes


def test_the_proofs_of_a_certificate_go_to_the_zones_that_hold_them() -> None:
    records = [
        {"name": f"_x.{name}.", "type": "CNAME", "value": "_y.acm-validations.aws."} for name in ("a.in", "b.a.in")
    ]
    (found,) = FILTERS["proofs"](records, {"a.in": {"id": "Z1"}})
    assert (found["zone_id"], len(found["changes"])) == ("Z1", 2)
    with pytest.raises(Exception, match="is in no declared zone"):
        FILTERS["proofs"](records, {})
