#!/usr/bin/env python3
"""Tables of what lynis, ssh-audit, sslyze and OpenSCAP have found on hosts, and Prowler in the account.

Usage: report.py FOLDER [BEFORE]      folders that playbooks/audit.yml has filled
"""

from __future__ import annotations

import csv
import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
#: our answers to what Prowler checks, by the end of its file's name
FRAMEWORKS = {"cis_6.0_aws": "cis-aws-foundations", "kisa_isms_p_2023_aws": "isms-p"}
XCCDF = "{http://checklists.nist.gov/xccdf/1.2}"
RULE = "xccdf_org.ssgproject.content_rule_"
#: results that count against a host
FAILED = ("fail", "error", "unknown")


@dataclass
class Findings:
    """What is known of a host."""

    #: hardening index of lynis, 0 to 100
    index: str = "-"
    #: text by test of lynis, warnings and suggestions
    lynis: dict[str, str] = field(default_factory=dict)
    #: algorithms and notes by severity (fail, warn)
    ssh: dict[str, list[str]] = field(default_factory=dict)
    #: score of OpenSCAP, 0 to 100
    score: str = "-"
    #: rules by result
    scap: dict[str, list[str]] = field(default_factory=dict)
    #: what a port accepts and Mozilla's configuration does not have, by port; an empty list is nothing
    ports: dict[str, list[str]] = field(default_factory=dict)
    #: what sslyze objects to, in the same way
    tls: dict[str, list[str]] = field(default_factory=dict)


def lynis(text: str) -> tuple[str, dict[str, str]]:
    """Hardening index and findings of a lynis-report.dat."""
    index, found = "-", {}
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key == "hardening_index":
            index = value
        elif key in ("warning[]", "suggestion[]"):
            test, said, *more = value.split("|")
            detail = f" ({more[0]})" if more and more[0] not in ("", "-") else ""
            found[f"{test} {said}{detail}"] = key[:-2]
    return index, found


def ssh(text: str) -> dict[str, list[str]]:
    """Algorithms that ssh-audit objects to, by severity."""
    found: dict[str, list[str]] = {"fail": [], "warn": []}
    answer = json.loads(text)
    for kind in ("kex", "key", "enc", "mac"):
        for item in answer.get(kind, []):
            notes = item.get("notes", {})
            for severity, names in found.items():
                names += [f"{item['algorithm']}: {note}" for note in notes.get(severity, [])]
    return found


def scap(text: str) -> tuple[str, dict[str, list[str]]]:
    """Score and rules by result, of an XCCDF result file."""
    root = ElementTree.fromstring(text)
    score = next((item.text or "-" for item in root.iter(f"{XCCDF}score")), "-")
    found: dict[str, list[str]] = defaultdict(list)
    for item in root.iter(f"{XCCDF}rule-result"):
        result = item.findtext(f"{XCCDF}result", "")
        found[result].append(item.get("idref", "").removeprefix(RULE))
    return f"{float(score):.1f}" if score != "-" else score, dict(found)


def tls(text: str) -> dict[str, list[str]]:
    """What sslyze says of each port: compared with Mozilla's configuration, at the end of its output."""
    found: dict[str, list[str]] = {}
    port = ""
    for line in text.partition("COMPLIANCE AGAINST")[2].splitlines():
        if match := re.match(r"\s+\S+:(\d+): (OK|FAILED|ERROR) - (.*)", line):
            port = match[1]
            found[port] = [match[3]] if match[2] == "ERROR" else []
        elif port and (match := re.match(r"\s+\* (.*)", line)):
            found[port].append(match[1])
    return found


def account(folder: Path) -> dict[str, dict[str, set[str]]]:
    """Results (PASS, FAIL, MANUAL) of Prowler by framework and requirement."""
    found: dict[str, dict[str, set[str]]] = {}
    for framework in FRAMEWORKS:
        for path in sorted(folder.glob(f"prowler/compliance/*_{framework}.csv")):
            results: dict[str, set[str]] = defaultdict(set)
            with path.open(newline="") as file:
                for row in csv.DictReader(file, delimiter=";"):
                    if row["MUTED"] != "True":
                        results[row["REQUIREMENTS_ID"]].add(row["STATUS"])
            found[framework] = dict(results)
    return found


def answers(framework: str) -> dict[str, Any]:
    """Our own answers, by number."""
    controls: dict[str, Any] = yaml.safe_load(
        (REPOSITORY / f"checks/security/{FRAMEWORKS[framework]}.yml").read_text()
    )["controls"]
    return controls


def account_lines(found: Mapping[str, Mapping[str, set[str]]]) -> list[str]:
    """What Prowler has failed, beside what docs/security.md says of it."""
    lines = []
    for framework, results in found.items():
        ours = answers(framework)
        failed = [number for number, result in results.items() if "FAIL" in result]
        lines += ["", f"Prowler, {framework}: {len(failed)} of {len(results)} controls failed:"]
        lines += [f"  {number}: we say {ours[number]['status'] if number in ours else 'nothing'}" for number in failed]
    return lines


def read(folder: Path) -> dict[str, Findings]:
    """Findings by host."""
    found: dict[str, Findings] = defaultdict(Findings)
    for path in sorted(folder.glob("*.*")):
        host, _, kind = path.name.partition(".")
        text = path.read_text(errors="replace")
        if kind == "lynis.dat":
            found[host].index, found[host].lynis = lynis(text)
        elif kind == "ssh.json":
            found[host].ssh = ssh(text)
        elif kind == "ports.json":
            found[host].ports = {port: told["too_much"] for port, told in json.loads(text).items()}
        elif kind == "tls.txt":
            found[host].tls = tls(text)
        elif kind == "scap.xml":
            found[host].score, found[host].scap = scap(text)
    return dict(found)


def table(rows: Iterable[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell."""
    cells = [list(row) for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def shared(findings: Mapping[str, Iterable[str]]) -> list[str]:
    """What was found, and where; once when it was found on several hosts."""
    where: dict[str, list[str]] = defaultdict(list)
    for host, items in findings.items():
        for item in items:
            where[item].append(host)
    everywhere = len(findings)
    return [
        f"  {item}{'' if len(hosts) == everywhere else ' [' + ', '.join(hosts) + ']'}"
        for item, hosts in sorted(where.items())
    ]


def by_port(said: Mapping[str, Iterable[str]]) -> list[str]:
    """Findings with their ports."""
    return [f"{port}: {line}" for port, lines in said.items() for line in lines]


def cells(found: Findings) -> list[str]:
    """The table's row for a host."""
    failed = sum(len(found.scap.get(result, [])) for result in FAILED)
    return [
        found.index,
        str(len(found.lynis)),
        f"{len(found.ssh.get('fail', []))} fail, {len(found.ssh.get('warn', []))} warn",
        f"{sum(not said for said in found.ports.values())} of {len(found.ports)}" if found.ports else "-",
        found.score,
        str(failed) if found.scap else "-",
    ]


def report(now: Mapping[str, Findings], before: Mapping[str, Findings]) -> list[str]:
    """The lines to show."""
    rows = [["host", "lynis", "findings", "ssh-audit", "TLS ports good", "OpenSCAP", "failed"]]
    for host, found in now.items():
        new = cells(found)
        old = cells(before[host]) if host in before else new
        rows.append([host, *(b if a in (b, "-") else f"{a} -> {b}" for a, b in zip(old, new, strict=True))])
    details = {
        "lynis": {host: list(found.lynis) for host, found in now.items() if found.lynis},
        "ssh-audit": {host: [*found.ssh["fail"], *found.ssh["warn"]] for host, found in now.items() if found.ssh},
        "TLS": {host: by_port(found.ports) for host, found in now.items() if found.ports},
        "sslyze": {host: by_port(found.tls) for host, found in now.items() if found.tls},
        "OpenSCAP": {
            host: [rule for result in FAILED for rule in found.scap.get(result, [])]
            for host, found in now.items()
            if found.scap
        },
    }
    lines = table(rows)
    for title, items in details.items():
        if any(items.values()):
            lines += ["", f"{title}:", *shared(items)]
    return lines


def main(argv: Sequence[str]) -> int:
    """Print the tables."""
    folders = [read(Path(name)) for name in argv]
    lines = report(folders[0], folders[1] if len(folders) > 1 else {})
    print("\n".join(lines + account_lines(account(Path(argv[0])))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
