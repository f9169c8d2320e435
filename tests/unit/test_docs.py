"""The documentation says what the code does: generated parts are current, links lead somewhere."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from tests.support.files import load_file
from tests.support.rights import OPERATOR

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = sorted((REPOSITORY / "plugins/modules").glob("*.py"))
MARKDOWN = sorted(
    path
    for path in REPOSITORY.rglob("*.md")
    if not any(part.startswith(".") for part in path.relative_to(REPOSITORY).parts)
)


def generator() -> ModuleType:
    """bin/generate_docs.py."""
    return load_file("bin/generate_docs.py")


# --- Generated parts -------------------------------------------------------------------------------------------------


def test_generated_parts_are_current() -> None:
    command = [sys.executable, str(REPOSITORY / "bin/generate_docs.py"), "--check"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", ""), "run `make docs`"


def test_the_check_names_a_file_whose_content_is_another(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    iam = REPOSITORY / "docs/iam.md"
    before = iam.read_text()
    monkeypatch.setattr(generator(), "generated", lambda: {iam: f"{before}another line\n"})
    assert generator().main(["--check"]) == 1
    assert capsys.readouterr().out == "stale: docs/iam.md\nRun `make docs` to write them again.\n"
    assert iam.read_text() == before


def test_a_missing_marker_is_an_error() -> None:
    with pytest.raises(SystemExit, match=r"x\.md lacks the lines `<!-- generated: iam -->`"):
        generator().fill("no markers here", {"iam": "text"}, "x.md")


def test_filling_twice_changes_nothing() -> None:
    page = "a\n<!-- generated: iam -->\n<!-- end: iam -->\nb\n"
    once = generator().fill(page, {"iam": "text"}, "x.md")
    assert once == "a\n<!-- generated: iam -->\n\ntext\n\n<!-- end: iam -->\nb\n"
    assert generator().fill(once, {"iam": "text"}, "x.md") == once


def test_documentation_markup_becomes_markdown() -> None:
    assert generator().markup(["V(a|b) or", "C(x)."]) == "`a\\|b` or `x`."


# --- IAM -------------------------------------------------------------------------------------------------------------


def test_reads_that_only_an_answer_asks_for_are_found() -> None:
    # One of each service: they come second, after a list has answered.
    assert {
        "acm:DescribeCertificate",
        "cloudfront:GetDistributionConfig",
        "ec2:DescribeInstanceAttribute",
        "ec2:DescribeVpcAttribute",
        "route53:ListResourceRecordSets",
        "route53domains:GetDomainDetail",
        "s3:GetBucketPublicAccessBlock",
        "s3:ListBucket",
        "sns:ListSubscriptionsByTopic",
        "ssm:GetParameters",
    } <= set(generator().plan_reads())


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def policy() -> dict[str, Any]:
    """The statements of an operator by their Sid."""
    return {statement["Sid"]: statement for statement in OPERATOR["Statement"]}


@pytest.mark.parametrize("path", sorted((REPOSITORY / "docs").glob("iam-policy*.json")), ids=lambda path: path.stem)
def test_the_policy_fits_into_a_managed_policy(path: Path) -> None:
    # IAM counts characters without white space (IAM and STS quotas).
    assert len(re.sub(r"\s", "", path.read_text())) <= 6144


def test_every_statement_of_an_operator_is_explained() -> None:
    page = (REPOSITORY / "docs/iam.md").read_text()
    names = set()
    for name in ("iam-policy-read", "iam-policy"):
        content = json.loads((REPOSITORY / f"docs/{name}.json").read_text())
        names |= {statement["Sid"] for statement in content["Statement"]}
    table = "\n".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    assert {name for name in names if f"`{name}`" not in table} == set()


def test_reads_open_no_object_and_write_nothing() -> None:
    allowed = generator().allowed
    others = ("s3:GetObject", "s3:PutObject", "ec2:RunInstances", "ssm:PutParameter", "acm:GetCertificate")
    assert [action for action in others if allowed(action)] == []
    verbs = [action.partition(":")[2] for action in policy()["Read"]["Action"]]
    assert [verb for verb in verbs if not verb.startswith(("Describe", "Get", "List"))] == []


def test_roles_are_passed_by_name_to_ec2_only() -> None:
    assert "iam:PassRole" not in json.dumps([part for sid, part in policy().items() if sid != "PassHostRoles"])
    statement = policy()["PassHostRoles"]
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
    roles = yaml.safe_load((REPOSITORY / "group_vars/all/aws_iam.yml").read_text())["aws_iam_roles"]
    assert statement["Resource"] == [f"arn:aws:iam::*:role/{name}" for name in roles]


def test_every_write_of_a_kind_is_allowed() -> None:
    written = {write.action for kind in generator().KINDS if not kind.administered for write in kind.writes}
    others = ("Read", "ReadImages", "Secrets", "Authority", "Lock")
    allowing = [part for sid, part in policy().items() if part["Effect"] == "Allow" and sid not in others]
    allowed = {action for part in allowing for action in _list(part["Action"])}
    assert written - allowed == set()
    assert allowed - written == {"s3:GetObject", "s3:GetObjectTagging"}


def test_secrets_are_open_below_their_paths_only() -> None:
    statement = policy()["Secrets"]
    assert statement["Action"] == ["ssm:GetParameters", "ssm:PutParameter", "ssm:AddTagsToResource"]
    assert statement["Resource"] == "arn:aws:ssm:ap-northeast-2:*:parameter/koin/*"
    replace = policy()["Authority"]
    assert _list(replace["Action"]) == ["ssm:DeleteParameters"]
    assert _list(replace["Resource"]) == ["arn:aws:ssm:ap-northeast-2:*:parameter/koin/platform/authority/*"]
    declared = generator().declaration()["secrets_parameters"]
    assert {entry["path"].split("/")[1] for entry in declared.values()} == {"koin"}


# --- The picture -----------------------------------------------------------------------------------------------------


def picture(declared: dict[str, Any]) -> tuple[ElementTree.Element, str]:
    """The SVG, parsed, and its text."""
    root = ElementTree.fromstring(generator().draw(declared))
    return root, "\n".join(root.itertext())


def test_the_picture_names_everything_that_is_declared() -> None:
    declared = generator().declaration()
    _, text = picture(declared)
    for variable in ("vpcs", "subnets", "internet_gateways", "route_tables", "acls"):
        assert all(name in text for name in declared[f"aws_network_{variable}"])
    for variable in ("aws_security_groups", "aws_compute_instances", "aws_storage_buckets", "aws_dns_zones"):
        assert all(name in text for name in declared[variable])
    for instance in declared["aws_compute_instances"].values():
        assert instance["private_ip"] in text
        assert instance["elastic_ip"] in text
    for site in declared["aws_cdn_distributions"].values():
        assert site["id"] in text


def test_the_picture_grows_with_the_declaration() -> None:
    declared = generator().declaration()
    before, _ = picture(declared)
    host = {"role": "X", "subnet": "BCSDLab-a", "elastic_ip": "auto", "security_groups": ["SSH"]}
    declared["aws_compute_instances"] = {**declared["aws_compute_instances"], "KOIN_<NEW>": host}
    declared["aws_storage_buckets"] = {**declared["aws_storage_buckets"], "koin-new": {}}
    after, text = picture(declared)
    assert "KOIN_<NEW>" in text
    assert "koin-new" in text
    assert float(after.attrib["height"]) > float(before.attrib["height"])


def test_no_box_leaves_the_picture() -> None:
    root, _ = picture(generator().declaration())
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for box in root.iter("{http://www.w3.org/2000/svg}rect"):
        x, y, w, h = (float(box.attrib[key]) for key in ("x", "y", "width", "height"))
        assert x >= 0
        assert y >= 0
        assert x + w <= width
        assert y + h <= height


# --- The READMEs -----------------------------------------------------------------------------------------------------


def links(text: str) -> list[str]:
    """Targets of links and pictures, code left out."""
    plain = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", plain)


@pytest.mark.parametrize("name", ["docs/commands.md", "docs/commands.ko.md"])
def test_every_target_and_playbook_has_a_row(name: str) -> None:
    text = (REPOSITORY / name).read_text()
    targets = re.findall(r"^([a-z0-9]+):.*## ", (REPOSITORY / "Makefile").read_text(), flags=re.MULTILINE)
    assert [f"`make {target}`" for target in targets if target != "help" and f"| `make {target}` |" not in text] == []
    playbooks = [f"playbooks/{path.name}" for path in (REPOSITORY / "playbooks").glob("*.yml")]
    assert [path for path in playbooks if f"](../{path})" not in text] == []


# --- Links -----------------------------------------------------------------------------------------------------------


def anchors(text: str) -> set[str]:
    """What GitHub calls the headings of a page."""
    plain = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", plain, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def broken(page: Path, text: str) -> list[str]:
    """The relative links of a page that lead nowhere."""
    bad = []
    for link in links(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        missing = not target.exists() or not target.is_relative_to(REPOSITORY)
        if missing or (anchor and anchor not in anchors(target.read_text())):
            bad.append(link)
    return bad


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    assert broken(page, page.read_text()) == []


def test_a_link_to_nothing_is_noticed() -> None:
    page = REPOSITORY / "docs/operations.md"
    assert broken(page, "[a](no-such.md) [b](../README.md#no-such) [c](iam.md) [d](https://example.com)") == [
        "no-such.md",
        "../README.md#no-such",
    ]


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_pages_name_no_path_of_a_machine(page: Path) -> None:
    assert re.findall(r"(?:^|[\s`\"'(])(/(?:work|home|root|Users|tmp)/\S*)", page.read_text()) == []


def headless(text: str) -> list[str]:
    """First lines of what looks like a table and is none: no line of dashes follows."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    starts = re.findall(r"(?:\A|(?<=\n)(?!\|)[^\n]*\n)(\|[^\n]*)(?:\n([^\n]*))?", text)
    return [first for first, second in starts if not re.fullmatch(r"[|\s:-]+", second)]


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_table_has_a_head(page: Path) -> None:
    assert headless(page.read_text()) == []


def test_a_table_that_was_cut_in_two_is_noticed() -> None:
    assert headless("| a |\n| - |\n| b |\n\n| c |\n| d |\n") == ["| c |"]


# --- Modules ---------------------------------------------------------------------------------------------------------


def constants(path: Path) -> dict[str, Any]:
    """DOCUMENTATION, EXAMPLES and RETURN of a module, parsed."""
    names = {"DOCUMENTATION", "EXAMPLES", "RETURN"}
    return {
        target.id: yaml.safe_load(node.value.value)
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id in names
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_modules_are_documented(path: Path) -> None:
    found = constants(path)
    documentation = found["DOCUMENTATION"]
    assert documentation["module"] == path.stem
    assert documentation["short_description"]
    assert isinstance(found["EXAMPLES"], list)
    for name, option in documentation["options"].items():
        assert {"description", "type"} <= set(option), name
    for name, value in found["RETURN"].items():
        assert {"description", "returned", "type"} <= set(value), name
    # Examples use options that exist.
    for task in found["EXAMPLES"]:
        used: dict[str, Any] = next((value for key, value in task.items() if key.rpartition(".")[2] == path.stem), {})
        assert set(used or {}) <= set(documentation["options"]) | {"region"}, task["name"]
