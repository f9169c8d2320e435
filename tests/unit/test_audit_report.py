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
    assert lines[1].split() == ["koin-db", "50", "->", "61", "2", "1", "fail,", "2", "warn", "79.6", "1"]
    assert lines[2].split() == ["koin-prod", "70", "2", "1", "fail,", "2", "warn", "-", "-"]
    assert lines.count("  old: is broken") == 1
    assert "  two" in lines


def test_what_is_on_one_host_names_it(folder: Path) -> None:
    now = audit.read(folder)
    now["koin-prod"].lynis["ONE-1 special"] = "warning"
    assert "  ONE-1 special [koin-prod]" in audit.report(now, {})
