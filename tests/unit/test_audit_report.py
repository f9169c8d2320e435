"""The tables of an audit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from checks.audit import report as audit

LYNIS = """\
hardening_index=61
warning[]=FIRE-4512|iptables module(s) loaded, but no rules active|-|-|
suggestion[]=KRNL-6000|One or more sysctl values differ|kernel.core_uses_pid|-|
"""
SSH = json.dumps(
    {
        "kex": [{"algorithm": "old", "notes": {"fail": ["is broken"], "warn": ["is slow"]}}, {"algorithm": "new"}],
        "mac": [{"algorithm": "short", "notes": {"warn": ["is short"]}}],
    }
)
SCAP = """\
<TestResult xmlns="http://checklists.nist.gov/xccdf/1.2">
  <rule-result idref="xccdf_org.ssgproject.content_rule_one"><result>pass</result></rule-result>
  <rule-result idref="xccdf_org.ssgproject.content_rule_two"><result>fail</result></rule-result>
  <score system="urn:xccdf:scoring:default">79.6123</score>
</TestResult>
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for host, index in (("koin-db", "61"), ("koin-prod", "70")):
        (tmp_path / f"{host}.lynis.dat").write_text(LYNIS.replace("61", index))
        (tmp_path / f"{host}.ssh.json").write_text(SSH)
    (tmp_path / "koin-db.scap.xml").write_text(SCAP)
    return tmp_path


def test_reports_are_read_by_host(folder: Path) -> None:
    found = audit.read(folder)
    assert list(found) == ["koin-db", "koin-prod"]
    assert (found["koin-db"].index, found["koin-prod"].index) == ("61", "70")
    assert found["koin-db"].lynis == {
        "FIRE-4512 iptables module(s) loaded, but no rules active": "warning",
        "KRNL-6000 One or more sysctl values differ (kernel.core_uses_pid)": "suggestion",
    }
    assert found["koin-db"].ssh == {"fail": ["old: is broken"], "warn": ["old: is slow", "short: is short"]}
    assert (found["koin-db"].score, found["koin-db"].scap) == ("79.6", {"pass": ["one"], "fail": ["two"]})


def test_a_table_compares_and_what_is_everywhere_is_said_once(folder: Path) -> None:
    now, before = audit.read(folder), audit.read(folder)
    before["koin-db"].index = "50"
    lines = audit.report(now, before)
    assert lines[1].split() == ["koin-db", "50", "->", "61", "2", "1", "fail,", "2", "warn", "-", "79.6", "1"]
    assert lines[2].split() == ["koin-prod", "70", "2", "1", "fail,", "2", "warn", "-", "-", "-"]
    assert lines.count("  old: is broken") == 1
    assert "  two" in lines


def test_what_is_on_one_host_names_it(folder: Path) -> None:
    now = audit.read(folder)
    now["koin-prod"].lynis["ONE-1 special"] = "warning"
    assert "  ONE-1 special [koin-prod]" in audit.report(now, {})


# As sslyze 6.3.1 prints it.
TLS = """\
 * TLS 1.2 Cipher Suites:
   10.0.0.1:443: FAILED - of no interest

 COMPLIANCE AGAINST TLS CONFIGURATION
 ------------------------------------

    Checking results against Mozilla's "intermediate" configuration. See https://ssl-config.mozilla.org/

    10.0.0.1:443: OK - Compliant.
    10.0.0.1:5000: FAILED - Not compliant.
        * maximum_certificate_lifespan: Certificate life span is 397 days, should be less than 366.
        * ciphers: Cipher suites {'TLS_RSA_WITH_AES_128_CBC_SHA'} are supported, but should be rejected.

    10.0.0.1:9100: ERROR - Scan did not run successfully; review the scan logs above.
"""


def test_what_sslyze_objects_to_is_read_by_port(folder: Path) -> None:
    (folder / "koin-db.tls.txt").write_text(TLS)
    found = audit.read(folder)
    assert list(found["koin-db"].tls) == ["443", "5000", "9100"]
    assert [len(said) for said in found["koin-db"].tls.values()] == [0, 2, 1]
    lines = audit.report(found, {})
    assert "  5000: maximum_certificate_lifespan: Certificate life span is 397 days, should be less than 366." in lines


def test_what_ports_accept_too_much_is_counted(folder: Path) -> None:
    told = {"443": {"accepts": {}, "too_much": []}, "5000": {"accepts": {}, "too_much": ["suite 0xC009 (TLSv1.2)"]}}
    (folder / "koin-db.ports.json").write_text(json.dumps(told))
    lines = audit.report(audit.read(folder), {})
    assert "1 of 2" in lines[1]
    assert "  5000: suite 0xC009 (TLSv1.2)" in lines


def prowler(folder: Path, framework: str, *rows: str) -> None:
    """A file of Prowler's; columns that are not read are left out."""
    path = folder / f"prowler/compliance/account_{framework}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["PROVIDER;REQUIREMENTS_ID;STATUS;CHECKID;MUTED", *rows]) + "\n")


def test_prowler_is_compared_with_our_own_answers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prowler(folder, "cis_6.0_aws", "aws;2.7;FAIL;a;False", "aws;2.7;PASS;b;False", "aws;2.1;MANUAL;c;False")
    prowler(folder, "kisa_isms_p_2023_aws", "aws;2.2.2;FAIL;a;False", "aws;3.4.1;FAIL;b;False", "aws;2.6.1;FAIL;c;True")
    assert audit.main([str(folder)]) == 0
    said = capsys.readouterr().out
    assert "Prowler, cis_6.0_aws: 1 of 2 controls failed:\n  2.7: we say met\n" in said
    assert "2 of 2 controls failed:\n  2.2.2: we say open\n  3.4.1: we say nothing\n" in said


def test_without_prowler_nothing_is_said_of_it(folder: Path) -> None:
    assert audit.account_lines(audit.account(folder)) == []
