"""What the operator's policy and the hosts' roles allow, as documents: no more than what is used."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from ansible.module_utils.platform.engine.workflow import declaration_of
from ansible.module_utils.platform.kinds import KINDS
from ansible.module_utils.platform.kinds.iam import host_policy

from rehearsal import REPOSITORY
from rehearsal.aws.rights.asked import BY_BOUNDARY
from tests.support.platform import declared, specs
from tests.support.rights import OPERATOR, explained, granted

BOUNDARY = "arn:aws:iam::${aws:PrincipalAccount}:policy/koin-hosts"
ZONES = ["bcsdlab.com", "*.bcsdlab.com", "koreatech.in", "*.koreatech.in", "jjbaksa.com", "*.jjbaksa.com"]
RECORDS = "route53:ChangeResourceRecordSets"


@cache
def statements(name: str) -> dict[str, dict[str, Any]]:
    """The statements of a policy in docs/ by their Sid."""
    content = json.loads((REPOSITORY / f"docs/{name}.json").read_text())
    return {statement["Sid"]: statement for statement in content["Statement"]}


def operator() -> dict[str, dict[str, Any]]:
    """What an operator may do, by Sid."""
    return {part["Sid"]: part for part in OPERATOR["Statement"] if part["Effect"] == "Allow"}


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def test_records_are_written_in_declared_zones_only() -> None:
    """And none is deleted; of a certificate only the records that prove it."""
    found = {sid: part["Condition"] for sid, part in operator().items() if RECORDS in _list(part["Action"])}
    expected = {
        "WriteProofRecords": (["_*.bcsdlab.com", "_*.koreatech.in"], ["CNAME"]),
        "WriteDnsRecords": (ZONES, ["A", "AAAA"]),
    }
    assert found == {
        sid: {
            "ForAllValues:StringLike": {f"{RECORDS}NormalizedRecordNames": names},
            "ForAllValues:StringEquals": {f"{RECORDS}RecordTypes": types, f"{RECORDS}Actions": ["UPSERT"]},
        }
        for sid, (names, types) in expected.items()
    }


def test_no_host_reads_parameters() -> None:
    """The controller hands secrets to hosts: a stolen host must not be able to ask for others."""
    roles = declaration_of(declared(), specs(), KINDS).entries("aws_iam_roles")
    allowed = {
        name: {part["Sid"] for part in host_policy(entry, "ap-northeast-2", "123456789012")["Statement"]}
        for name, entry in roles.items()
    }
    files = {"ListBuckets", "ReadObjects", "WriteObjects", "InvalidateCache"}
    backups = {"ListBuckets", "ReadObjects", "AddObjects", "RemoveLocks"}
    assert allowed == {
        "koin-build": {"PublishHostMetrics"},
        "koin-internal": {"PublishHostMetrics"} | files,
        "koin-stage": {"PublishHostMetrics"} | files | backups,
        "koin-prod": {"PublishHostMetrics"} | files | backups,
        "koin-db": {"PublishHostMetrics"} | backups,
    }


def test_every_role_is_within_the_boundary_unless_it_says_otherwise() -> None:
    raw = declared()
    assert {entry.get("boundary") for entry in raw["aws_iam_roles"].values()} == {None}
    raw["aws_iam_roles"]["koin-db"]["boundary"] = None
    roles = declaration_of(raw, specs(), KINDS).entries("aws_iam_roles")
    found = {name: entry.get("boundary") for name, entry in roles.items()}
    assert found == dict.fromkeys(roles, "koin-hosts") | {"koin-db": None}


#: actions with which somebody gives himself rights that he does not have (cloudsplaining, Rhino Security Labs)
ESCALATING = (
    "iam:AddUserToGroup",
    "iam:AttachGroupPolicy",
    "iam:AttachRolePolicy",
    "iam:AttachUserPolicy",
    "iam:CreateAccessKey",
    "iam:CreateLoginProfile",
    "iam:CreatePolicyVersion",
    "iam:CreateServiceLinkedRole",
    "iam:DeleteRolePermissionsBoundary",
    "iam:DeleteUserPermissionsBoundary",
    "iam:PassRole",
    "iam:PutGroupPolicy",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
    "iam:PutUserPermissionsBoundary",
    "iam:PutUserPolicy",
    "iam:SetDefaultPolicyVersion",
    "iam:UpdateAssumeRolePolicy",
    "iam:UpdateLoginProfile",
    "sts:AssumeRole",
    "cloudformation:CreateStack",
    "ec2-instance-connect:SendSSHPublicKey",
    "glue:CreateDevEndpoint",
    "lambda:CreateFunction",
    "lambda:UpdateFunctionCode",
    "ssm:SendCommand",
    "ssm:StartSession",
)


def _allows(part: dict[str, Any], action: str) -> bool:
    return any(fnmatchcase(action.lower(), name.lower()) for name in _list(part["Action"]))


def test_nothing_gives_the_operator_more_rights_except_through_host_roles() -> None:
    """What is left is limited to the declared roles by name, and their rights by the boundary."""
    found = {(action, sid) for action in ESCALATING for sid, part in operator().items() if _allows(part, action)}
    assert found == {
        ("iam:PassRole", "PassHostRoles"),
        ("iam:PutRolePermissionsBoundary", "WriteBoundedRoles"),
        ("iam:PutRolePolicy", "WriteBoundedRoles"),
        ("iam:UpdateAssumeRolePolicy", "WriteIam"),
    }
    roles = declared()["aws_iam_roles"]
    arns = {f"arn:aws:iam::*:{kind}/{name}" for kind in ("role", "instance-profile") for name in roles}
    for sid in ("PassHostRoles", "WriteIam", "WriteBoundedRoles"):
        assert set(operator()[sid]["Resource"]) <= arns


def test_the_operator_gives_rights_only_to_roles_within_the_boundary() -> None:
    """Every action that IAM judges by the boundary is allowed under this condition only."""
    judged = {f"iam:{name}" for name in BY_BOUNDARY}
    found = {(sid, name) for sid, part in operator().items() for name in judged if _allows(part, name)}
    names = ("CreateRole", "PutRolePermissionsBoundary", "PutRolePolicy")
    assert found == {("WriteBoundedRoles", f"iam:{name}") for name in names}
    assert operator()["WriteBoundedRoles"]["Condition"] == {"StringEquals": {"iam:PermissionsBoundary": BOUNDARY}}
    denied = {sid: part for sid, part in statements("iam-policy").items() if part["Effect"] == "Deny"}
    assert denied == {
        "Never": {
            "Sid": "Never",
            "Effect": "Deny",
            "Action": "iam:DeleteRolePermissionsBoundary",
            "Resource": "*",
        }
    }


def test_only_an_administrator_writes_the_boundary() -> None:
    found = statements("iam-policy-administrator")
    writes = ["iam:CreatePolicy", "iam:CreatePolicyVersion", "iam:DeletePolicyVersion"]
    assert found["WriteBoundary"]["Action"] == writes
    assert found["WriteBoundary"]["Resource"] == "arn:aws:iam::*:policy/koin-hosts"
    assert {sid: _list(part["Action"]) for sid, part in found.items() if sid != "WriteBoundary"} == {
        "Read": ["iam:GetAccountAuthorizationDetails"],
        # The first run on an empty account is theirs, and makes the bucket of the lock.
        "Lock": ["s3:DeleteObject", "s3:GetObject", "s3:PutObject", "s3:CreateBucket", "s3:ListBucket"],
        "Records": ["s3:GetObject", "s3:PutObject"],
    }
    others = [*writes, "iam:DeletePolicy", "iam:SetDefaultPolicyVersion"]
    assert [(sid, name) for sid, part in operator().items() for name in others if _allows(part, name)] == []


def test_the_boundary_gives_hosts_what_they_need_and_nothing_of_iam() -> None:
    declaration = declaration_of(declared(), specs(), KINDS)
    declaration.account = "123456789012"
    (boundary,) = KINDS.named("iam_boundary").desired(declaration)
    parts = boundary.entry["policy"]["Statement"]
    allowed = [part for part in parts if part["Effect"] == "Allow"]
    names = {name for part in allowed for name in _list(part["Action"])}
    assert [name for name in names if "*" in name or name.split(":")[0] in ("iam", "organizations", "sts")] == []
    (never,) = [part for part in parts if part["Effect"] == "Deny"]
    assert [name for name in ESCALATING if name.startswith(("iam:", "sts:")) and not _allows(never, name)] == []
    roles = declaration.entries("aws_iam_roles")
    assert {entry["boundary"] for entry in roles.values()} == {boundary.name}
    needed = {
        name
        for entry in roles.values()
        for part in host_policy(entry, "ap-northeast-2", "123456789012")["Statement"]
        for name in _list(part["Action"])
    }
    assert names == needed


def test_what_iam_writes_on_everything_is_the_password_policy() -> None:
    anywhere = [part for part in operator().values() if "*" in _list(part["Resource"])]
    names = [name for part in anywhere for name in _list(part["Action"])]
    assert [name for name in names if "*" in name.partition(":")[0] or name.endswith(":*")] == []
    writes = [name for name in names if name.startswith("iam:") and not name.startswith(("iam:Get", "iam:List"))]
    assert writes == ["iam:UpdateAccountPasswordPolicy"]


def test_what_is_explained_is_granted() -> None:
    """docs/iam.md tells of rights that no rehearsal misses; tests/faults/long_rights.py finds them."""
    assert explained()
    assert explained() - {action for _, action in granted(OPERATOR)} == set()
