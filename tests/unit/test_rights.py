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
from tests.support.platform import declared, specs

ZONES = ["bcsdlab.com", "*.bcsdlab.com", "koreatech.in", "*.koreatech.in", "jjbaksa.com", "*.jjbaksa.com"]
RECORDS = "route53:ChangeResourceRecordSets"


@cache
def operator() -> dict[str, dict[str, Any]]:
    """The statements of docs/iam-policy.json by their Sid."""
    content = json.loads((REPOSITORY / "docs/iam-policy.json").read_text())
    return {statement["Sid"]: statement for statement in content["Statement"]}


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def test_records_are_written_in_declared_zones_only() -> None:
    """And none is deleted; of a certificate only the records that prove it."""
    found = {sid: part["Condition"] for sid, part in operator().items() if RECORDS in _list(part["Action"])}
    expected = {
        "WriteCertificateRecords": (["_*.bcsdlab.com", "_*.koreatech.in"], ["CNAME"]),
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
    assert allowed == {
        "koin-build": {"PublishHostMetrics"},
        "koin-internal": {"PublishHostMetrics"} | files,
        "koin-stage": {"PublishHostMetrics"} | files,
        "koin-prod": {"PublishHostMetrics"} | files,
        "koin-db": {"PublishHostMetrics"},
    }


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
    """What is left is limited to the declared roles by name; docs/iam.md says what that still means."""
    found = {(action, sid) for action in ESCALATING for sid, part in operator().items() if _allows(part, action)}
    assert found == {
        ("iam:PassRole", "PassHostRoles"),
        ("iam:PutRolePolicy", "WriteIam"),
        ("iam:UpdateAssumeRolePolicy", "WriteIam"),
    }
    roles = declared()["aws_iam_roles"]
    arns = {f"arn:aws:iam::*:{kind}/{name}" for kind in ("role", "instance-profile") for name in roles}
    for sid in ("PassHostRoles", "WriteIam"):
        assert set(operator()[sid]["Resource"]) <= arns


def test_what_iam_writes_on_everything_is_the_password_policy() -> None:
    anywhere = [part for part in operator().values() if "*" in _list(part["Resource"])]
    names = [name for part in anywhere for name in _list(part["Action"])]
    assert [name for name in names if "*" in name.partition(":")[0] or name.endswith(":*")] == []
    writes = [name for name in names if name.startswith("iam:") and not name.startswith(("iam:Get", "iam:List"))]
    assert writes == ["iam:UpdateAccountPasswordPolicy"]
