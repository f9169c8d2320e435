"""What the operator's policy and the hosts' roles allow, as documents: no more than what is used."""

from __future__ import annotations

import json
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
