"""Buckets on literals: what a change shows, what stays, who loses something."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible.module_utils.platform.kinds import KINDS
from ansible.module_utils.platform.kinds.base import statements

from tests.support.files import load_file
from tests.support.observed import changes_of, declaration_of, plan_of, refusals

FILTERS = load_file("plugins/filter/platform.py").FilterModule().filters()
OWNER = {"Grantee": {"ID": "me", "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}
GROUPS = "http://acs.amazonaws.com/groups"


def _acl(*uris: str) -> dict[str, Any]:
    others = [{"Grantee": {"URI": f"{GROUPS}/{uri}"}, "Permission": "READ"} for uri in uris]
    return {"Owner": {"ID": "me"}, "Grants": [OWNER, *others]}


def _bucket(entry: dict[str, Any], region: str = "ap-northeast-2", **config: Any) -> Any:
    declared = {"aws_storage_buckets": {"b": entry}}
    return plan_of(declared, buckets={"b": region}, bucket_configs={"b": config})


@pytest.mark.parametrize(
    ("rule", "before"),
    [
        ({"Filter": {"Tag": {"Key": "tmp", "Value": "1"}}}, '{"Filter": {"Tag": {"Key": "tmp", "Value": "1"}}}'),
        ({"Filter": {"ObjectSizeGreaterThan": 9}}, '{"Filter": {"ObjectSizeGreaterThan": 9}}'),
        ({"Filter": {"And": {"Prefix": "x"}}}, '{"Filter": {"And": {"Prefix": "x"}}}'),
        (
            {"Filter": {}, "Transitions": [{"Days": 30, "StorageClass": "GLACIER"}]},
            '{"Transitions": [{"Days": 30, "StorageClass": "GLACIER"}]}',
        ),
        (
            {"Filter": {}, "NoncurrentVersionExpiration": {"NewerNoncurrentVersions": 3}},
            '{"NoncurrentVersionExpiration": {"NewerNoncurrentVersions": 3}}',
        ),
        ({"Filter": {}, "Status": "Disabled"}, "(disabled)"),
    ],
)
def test_a_rule_that_says_more_than_a_line_can_is_another_rule(rule: dict[str, Any], before: str) -> None:
    live = {"ID": "old", "Status": "Enabled", "Expiration": {"Days": 30}, **rule}
    changes = changes_of(_bucket({"lifecycle": {"old": {"expire_days": 30}}}, lifecycle={"Rules": [live]}), "bucket")
    assert changes == {"lifecycle.old": (f"expire after 30 days {before}", "expire after 30 days")}


def test_a_rule_with_a_date_is_shown_and_can_be_handed_to_a_module() -> None:
    date = datetime(2030, 1, 1, tzinfo=UTC)
    live = {"ID": "x", "Status": "Enabled", "Prefix": "a/", "Expiration": {"Date": date}}
    found = _bucket({"lifecycle": {"x": {"expire_days": 1}}}, lifecycle={"Rules": [live]})
    assert "2030-01-01" in changes_of(found, "bucket")["lifecycle.x"][0]
    (kept,) = found.registry["bucket"]["b"]["lifecycle"]["Rules"]
    json.dumps(kept)
    assert (kept["Filter"], "Prefix" in kept) == ({"Prefix": "a/"}, False)


def test_foreign_rules_and_the_smallest_transition_are_written_back() -> None:
    foreign = {"ID": "foreign", "Status": "Enabled", "Filter": {"Tag": {"Key": "k", "Value": "v"}}}
    live = {"Rules": [foreign, {"ID": "mine"}, {"ID": "same"}], "TransitionDefaultMinimumObjectSize": "varies"}
    rules = {"mine": {"expire_days": 3, "prefix": "tmp/"}, "same": {"expire_days": 9}}
    mine = {"ID": "mine", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 3}}
    assert FILTERS["lifecycle"](live, rules, ["lifecycle.mine", "policy"]) == {
        "LifecycleConfiguration": {"Rules": [foreign, {"ID": "same"}, mine]},
        "TransitionDefaultMinimumObjectSize": "varies",
    }
    assert FILTERS["lifecycle"]({}, rules, ["lifecycle.mine"])["LifecycleConfiguration"]["Rules"] == [mine]


def test_each_public_access_block_is_compared() -> None:
    block = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": False}
    found = _bucket({"block_public_access": False}, public_access_block=block)
    assert changes_of(found, "bucket") == {
        "block_public_access.block_public_acls": (True, False),
        "block_public_access.ignore_public_acls": (True, False),
    }
    assert _bucket({"block_public_access": False}).writes == []


@pytest.mark.parametrize("group", ["AllUsers", "AuthenticatedUsers"])
def test_a_bucket_that_is_public_by_its_acl_is_shown_and_warned_about(group: str) -> None:
    found = _bucket({"ownership": "BucketOwnerEnforced"}, acl=_acl(f"global/{group}"), ownership="ObjectWriter")
    assert changes_of(found, "bucket")["grants"] == ([f"READ to {group}"], [])
    assert "anyone can read objects" in found.warnings[0]
    blocked = _bucket({"block_public_access": True}, acl=_acl(f"global/{group}"))
    assert "anyone can read objects" in blocked.warnings[0]


def test_grants_are_left_alone_where_the_acl_stays_in_use() -> None:
    assert _bucket({"ownership": "ObjectWriter"}, acl=_acl("global/AllUsers"), ownership="ObjectWriter").writes == []


def test_logs_that_an_acl_lets_in_are_said_to_stop() -> None:
    delivery = "c4c1ede66af53448b93c283ce9448c4ba468c9432aa01d700d3878632f77d2d0"
    acl = _acl("s3/LogDelivery")
    acl["Grants"].append({"Grantee": {"ID": delivery}, "Permission": "FULL_CONTROL"})
    found = _bucket({"ownership": "BucketOwnerEnforced"}, acl=acl, ownership="BucketOwnerPreferred")
    text = " ".join(found.warnings)
    assert "CloudFront delivers logs into it" in text
    assert "S3 delivers access logs of other buckets" in text


def test_a_key_of_kms_is_shown_when_it_goes_and_left_alone_when_not() -> None:
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn:k"}
    rules = [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]
    before = 'aws:kms {"BucketKeyEnabled": true, "KMSMasterKeyID": "arn:k"}'
    assert changes_of(_bucket({"encryption": "AES256"}, encryption=rules), "bucket") == {
        "encryption": (before, "AES256")
    }
    plain = [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": True}]
    assert _bucket({"encryption": "AES256"}, encryption=plain).writes == []
    assert _bucket({"encryption": "aws:kms"}, encryption=rules).writes == []


def test_the_order_of_cors_rules_counts() -> None:
    rules = [
        {"ID": name, "AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "MaxAgeSeconds": 0} for name in ("b", "a")
    ]
    entry = {"methods": ["GET"], "origins": ["*"], "headers": [], "expose": [], "max_age": 0}
    changes = changes_of(_bucket({"cors": {"a": entry, "b": entry}}, cors=rules), "bucket")
    assert changes["cors"][0] == [
        "1. b: GET from * headers - expose - max-age 0",
        "2. a: GET from * headers - expose - max-age 0",
    ]
    assert _bucket({"cors": {"b": entry, "a": entry}}, cors=rules).writes == []


def test_the_region_of_a_bucket_is_read_and_said() -> None:
    found = _bucket({}, region="us-east-1")
    assert found.warnings == ("bucket b: it is in us-east-1, not in ap-northeast-2, and stays there",)


def test_who_loses_rights_by_a_policy_is_named() -> None:
    parts = [
        {"Sid": "Partner", "Effect": "Allow", "Principal": {"AWS": "999999999999"}, "Action": "s3:GetObject"},
        {"Effect": "Deny", "NotPrincipal": {"AWS": "arn:aws:iam::1:role/x"}, "Action": "s3:DeleteObject"},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{**part, "Resource": "*"} for part in parts]})
    warnings = _bucket({"tls_only": True}, policy=policy).warnings
    assert "bucket b: statement Partner goes; arn:aws:iam::999999999999:root loses s3:GetObject" in warnings
    assert "bucket b: a statement goes; all but arn:aws:iam::1:role/x is no longer denied s3:DeleteObject" in warnings


def test_a_trail_that_nobody_declared_is_said_to_be_shut_out() -> None:
    declared = {
        "aws_storage_buckets": {"logs": {"tls_only": True}},
        "aws_account_trails": {"koin": {"bucket": "logs", "multi_region": True, "global_services": True}},
    }
    trails = [{"Name": "security", "TrailARN": "arn:s", "S3BucketName": "logs"}]
    found = plan_of(declared, buckets={"logs": None}, trails=trails)
    assert "bucket logs: trail security, which is not declared, can no longer write to it" in found.warnings


def test_what_writes_to_a_bucket_that_no_declaration_lets_in_is_named() -> None:
    declared: dict[str, Any] = {"aws_network_vpcs": {}, "aws_storage_buckets": {"b": {"tls_only": True}}}
    live = {"FlowLogId": "fl-1", "ResourceId": "vpc-9"}
    logs = [{**live, "LogDestination": f"arn:aws:s3:::{path}"} for path in ("b", "b/team/", "other")]
    trail = {"Name": "security", "TrailARN": "arn:s", "S3BucketName": "b"}

    def found(**more: Any) -> list[str]:
        result = plan_of(declared | more, buckets={"b": None}, trails=[trail], flow_logs=logs)
        return [text.partition("bucket b: ")[2] for text in result.warnings if "no longer write" in text]

    folder = "flow log fl-1 of vpc-9 can no longer write to b/team"
    assert found() == [
        "trail security, which is not declared, can no longer write to it",
        "flow log fl-1 of vpc-9 can no longer write to b",
        folder,
    ]
    # Delivery to the top of the bucket is let in for the whole account.
    assert found(aws_account_flow_logs={"f": {"vpc": "v", "bucket": "b"}})[1:] == [folder]


def _reader(live_id: str, *origins: str, alias: str = "") -> dict[str, Any]:
    items = [{"Id": str(number), "DomainName": name} for number, name in enumerate(origins)]
    more = {"Aliases": {"Items": [alias]}} if alias else {}
    return {"Id": live_id, "ARN": f"arn:{live_id}", "DomainName": f"{live_id}.cloudfront.net", **more} | {
        "Origins": {"Items": items}
    }


@pytest.mark.parametrize(
    ("entry", "config", "told"),
    [
        ({"tls_only": True}, {}, True),
        ({"block_public_access": True}, {}, True),
        ({"ownership": "BucketOwnerEnforced"}, {"acl": _acl("global/AllUsers")}, True),
        ({"versioning": True}, {}, False),
    ],
)
def test_distributions_that_read_a_bucket_undeclared_are_named(
    entry: dict[str, Any], config: dict[str, Any], told: bool
) -> None:
    site = {"aliases": ["static.koreatech.in"], "bucket": "b", "certificate": "c"}
    declared = {"aws_storage_buckets": {"b": entry}, "aws_cdn_distributions": {"static": site}}
    live = [
        _reader("E1", "b.s3.amazonaws.com", alias="static.koreatech.in"),
        _reader("E2", "b.s3-website.ap-northeast-2.amazonaws.com", "x.example.com", alias="old.koreatech.in"),
        _reader("E3", "b.s3.ap-northeast-2.amazonaws.com"),
        _reader("E4", "other-b.s3.amazonaws.com", "b.example.com", "bb.s3.amazonaws.com"),
    ]
    found = plan_of(declared, buckets={"b": None}, bucket_configs={"b": config}, distributions=live).warnings
    assert [line.partition(", and is not")[0] for line in found if "reads it at" in line] == (
        [
            "bucket b: the distribution of old.koreatech.in (E2) reads it at b.s3-website.ap-northeast-2.amazonaws.com",
            "bucket b: the distribution of E3.cloudfront.net (E3) reads it at b.s3.ap-northeast-2.amazonaws.com",
        ]
        if told
        else []
    )


ANYONE: list[tuple[dict[str, Any], str]] = [
    ({"Principal": "*", "Action": "s3:GetObject"}, "anyone can read objects"),
    ({"Principal": {"AWS": "*"}, "Action": "s3:*"}, "anyone can read objects"),
    ({"Principal": {"AWS": ["*", "arn:aws:iam::1:root"]}, "Action": "s3:Get*"}, "anyone can read objects"),
    ({"NotPrincipal": {"AWS": "arn:aws:iam::1:root"}, "Action": "s3:GetObject"}, "anyone can read objects"),
    ({"Principal": "*", "Action": "s3:PutObject"}, "anyone loses s3:PutObject"),
    ({"Principal": "*", "Action": "s3:ListBucket"}, "anyone loses s3:ListBucket"),
    (
        {
            "Principal": "*",
            "Action": "s3:GetObject",
            "Condition": {"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}},
        },
        'anyone loses s3:GetObject (if {"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}})',
    ),
    (
        {
            "Principal": {"Service": "cloudfront.amazonaws.com"},
            "Action": "s3:GetObject",
            "Condition": {"StringEquals": {"aws:SourceArn": "arn:aws:cloudfront::1:distribution/E9"}},
        },
        'cloudfront.amazonaws.com loses s3:GetObject (if {"StringEquals": {"aws:SourceArn": '
        '"arn:aws:cloudfront::1:distribution/E9"}})',
    ),
]


@pytest.mark.parametrize(("part", "text"), ANYONE)
def test_who_can_do_what_until_now_is_said_as_the_policy_has_it(part: dict[str, Any], text: str) -> None:
    policy = json.dumps(_statement(**part))
    warnings = _bucket({"tls_only": True}, policy=policy).warnings
    assert len([line for line in warnings if text in line]) == 1
    assert len([line for line in warnings if "anyone can read" in line]) == ("anyone can read" in text)


@pytest.mark.parametrize(
    ("entry", "config", "refused"),
    [
        ({"versioning": True}, {"versioning": {"Status": "Suspended", "MFADelete": "Enabled"}}, ["versioning"]),
        ({"versioning": True}, {"versioning": {"Status": "Enabled", "MFADelete": "Enabled"}}, []),
        (
            {"lifecycle": {"old": {"expire_days": 30}}},
            {"versioning": {"Status": "Enabled", "MFADelete": "Enabled"}},
            ["lifecycle.old"],
        ),
        ({"lifecycle": {"old": {"expire_days": 30}}}, {"versioning": {"Status": "Enabled"}}, []),
        ({"versioning": False}, {"versioning": {"Status": "Enabled"}, "object_lock": True}, ["versioning"]),
        ({"versioning": False}, {"versioning": {"Status": "Enabled"}, "replication": True}, ["versioning"]),
        ({"versioning": False}, {"versioning": {"Status": "Suspended"}, "replication": True}, []),
        ({"versioning": False}, {"versioning": {"Status": "Enabled"}}, []),
        ({}, {"versioning": {"Status": "Enabled", "MFADelete": "Enabled"}, "object_lock": True}, []),
    ],
)
def test_what_s3_does_not_do_with_a_bucket_is_refused(
    entry: dict[str, Any], config: dict[str, Any], refused: list[str]
) -> None:
    declared = {"aws_storage_buckets": {"b": entry}}
    found = refusals(declared, buckets={"b": None}, bucket_configs={"b": config})
    assert [problem.where for problem in found] == [f"aws_storage_buckets.b.{field}" for field in refused]


def test_what_keeps_versioning_on_is_read_where_it_would_be_switched_off() -> None:
    (read,) = (read for read in KINDS.reads() if read.into == "buckets")
    details = [
        item for item in read.then if item.operation in ("get_object_lock_configuration", "get_bucket_replication")
    ]
    declared = declaration_of({"aws_storage_buckets": {"a": {"versioning": False}, "b": {"versioning": True}, "c": {}}})
    answer = {"Buckets": [{"Name": name} for name in "abc"]}
    assert [[path[0] for path, _ in detail.each(declared, answer)] for detail in details] == [["a"], ["a"]]


def test_deleted_users_are_left_out_where_two_policies_are_joined() -> None:
    ghost, alive = "AIDAJQABLZS4A3QDU576Q", "arn:aws:iam::1:user/kim"
    parts = [
        {"Sid": "1", "Effect": "Allow", "Principal": {"AWS": ghost}, "Action": "s3:*"},
        {"Sid": "2", "Effect": "Allow", "Principal": {"AWS": [ghost, alive]}, "Action": "s3:*"},
        {"Sid": "3", "Effect": "Allow", "Principal": {"AWS": alive}, "Action": "s3:*"},
        {"Sid": "4", "Effect": "Allow", "Principal": "*", "Action": "s3:*"},
        {"Sid": "5", "Effect": "Allow", "Principal": {"AWS": ghost, "Service": "x"}, "Action": "s3:*"},
    ]
    joined = FILTERS["joined_policy"](json.dumps({"Statement": parts}), {"Statement": []})["Statement"]
    assert [(part["Sid"], part["Principal"]) for part in joined] == [
        ("2", {"AWS": [alive]}),
        ("3", {"AWS": alive}),
        ("4", "*"),
        ("5", {"Service": "x"}),
    ]


def _statement(**part: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", **part}]}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"Action": "a:B"}, {"Action": ["a:B"]}),
        ({"Action": ["a:B", "a:C"]}, {"Action": ["a:C", "a:B"]}),
        ({"Principal": {"AWS": "123456789012"}}, {"Principal": {"AWS": ["arn:aws:iam::123456789012:root"]}}),
        ({"Condition": {"Bool": {"x": False}}}, {"Condition": {"Bool": {"x": ["false"]}}}),
        ({"Condition": {"StringEquals": {"x": ["b", "a"]}}}, {"Condition": {"StringEquals": {"x": ["a", "b"]}}}),
    ],
)
def test_policies_that_aws_takes_for_the_same_are_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert statements(_statement(**one)) == statements(_statement(**other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"Action": "a:B"}, {"NotAction": "a:B"}),
        ({"Principal": {"AWS": "x"}}, {"NotPrincipal": {"AWS": "x"}}),
        ({"Principal": {"AWS": "x"}}, {"Principal": {"Service": "x"}}),
        ({"Resource": "a"}, {"NotResource": "a"}),
        ({"Condition": {"StringEquals": {"x": "a"}}}, {"Condition": {"StringLike": {"x": "a"}}}),
        ({"Condition": {"StringEquals": {"x": "a"}}}, {"Condition": {"ForAnyValue:StringEquals": {"x": "a"}}}),
        ({"Sid": "A"}, {"Sid": "B"}),
    ],
)
def test_policies_that_differ_in_meaning_differ(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert statements(_statement(**one)) != statements(_statement(**other))


def test_what_a_policy_says_beside_its_statements_is_a_line() -> None:
    assert statements({"Id": "P1", "Statement": []}) == ['{"Id": "P1", "Version": "2008-10-17"}']
    assert statements({"Version": "2012-10-17", "Statement": []}) == []
