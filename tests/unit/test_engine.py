"""The engine names no kind; the kinds fit each other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.module_utils.platform.engine.declaration import COMMON
from ansible.module_utils.platform.engine.errors import DeclarationError
from ansible.module_utils.platform.engine.refs import ref, tokens
from ansible.module_utils.platform.engine.workflow import declaration_of
from ansible.module_utils.platform.kinds import KINDS, defaults, entries

from rehearsal import REPOSITORY
from tests.support.files import docstrings
from tests.support.platform import fixture, specs

ENGINE = sorted((REPOSITORY / "plugins/module_utils/platform/engine").glob("*.py"))
NAMES = {
    *KINDS.names,
    *KINDS.services(),
    *(call.service for call in KINDS.calls()),
    *(type(kind).__name__ for kind in KINDS),
    *(option for role in specs().values() for option in role["main"]),
}


def words(source: str) -> Iterator[str]:
    """Identifiers, and words of texts; neither comments nor docstrings nor paths of pages."""
    tree = ast.parse(source)
    prose = docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield from re.findall(r"\w+", re.sub(r"docs/\S+", "", node.value))
        for field in ("id", "attr", "arg", "name", "module"):
            if isinstance(name := getattr(node, field, None), str):
                yield from name.split(".")


def named(source: str) -> set[str]:
    """What of the kinds a source names."""
    return {word for word in words(source) if word in NAMES | set(COMMON)}


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: path.stem)
def test_the_engine_names_no_kind(path: Path) -> None:
    # What belongs to no role: region, account, tags, connection.
    common = set(COMMON) if path.stem in ("declaration", "common") else set()
    assert named(path.read_text()) - common == set()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('entries("aws_network_vpcs")', "aws_network_vpcs"),
        ('kind.name == "bucket"', "bucket"),
        ("from ..kinds.cdn import Distribution", "Distribution"),
        ('client("cloudfront")', "cloudfront"),
        ("if kind.subnet: pass", "subnet"),
    ],
)
def test_a_name_of_a_kind_is_noticed(source: str, found: str) -> None:
    assert named(f'"""A bucket of a vpc."""\n{source}\n') == {found}


def test_only_observe_session_and_warm_import_boto3() -> None:
    users = {path.stem for path in ENGINE if {"boto3", "botocore"} & set(words(path.read_text()))}
    assert users == {"observe", "session", "warm"}


def test_modules_are_found_in_one_place() -> None:
    """Code that needs our module_utils outside of a module runs plugins/import_path.py."""
    folders = ("plugins", "bin", "tests", "rehearsal", "checks")
    files = [path for folder in folders for path in (REPOSITORY / folder).rglob("*.py")]
    patched = re.compile(r"ansible\.module_utils\.__path__\.(append|insert|extend)\(")
    assert [path.name for path in files if patched.search(path.read_text())] == ["import_path.py"]


def test_what_a_kind_refers_to_comes_from_a_variable() -> None:
    targets = {target for kind in KINDS for target in kind.refers.values()}
    assert targets <= KINDS.names
    assert [target for target in targets if not KINDS.named(target).variable] == []


def test_entries_and_defaults_follow_from_the_kinds() -> None:
    assert entries()["aws_network_route_tables.*.routes"] == ("aws_network", "route")
    assert len([kind for kind in KINDS if kind.variable]) == len([name for name in entries() if "." not in name])
    assert set(defaults()) <= set(entries())


def test_kinds_refer_only_to_what_others_offer() -> None:
    declaration = declaration_of(fixture(), specs(), KINDS)
    declaration.account = "123456789012"
    used = {
        (target, attribute)
        for kind in KINDS
        for want in kind.desired(declaration)
        for target, _, attribute in tokens([want.fields, want.entry], KINDS.names)
    }
    assert ("distribution", "arn") in used
    assert [(target, attribute) for target, attribute in used if attribute not in KINDS.named(target).offers] == []


@pytest.mark.parametrize(
    ("token", "answer"),
    [
        (ref("distribution", "static", "ran"), "write one of id, arn, domain_name"),
        (ref("subnet", "BCSDLab-x"), "no subnet `BCSDLab-x` is declared"),
    ],
)
def test_a_token_that_leads_nowhere_is_refused(token: str, answer: str) -> None:
    raw = fixture()
    raw["aws_iam_roles"]["koin-prod"]["description"] = f"reads {token}"
    with pytest.raises(DeclarationError) as raised:
        declaration_of(raw, specs(), KINDS)
    assert [problem.where for problem in raised.value.problems] == ["aws_iam_roles.koin-prod"]
    assert answer in str(raised.value)


def test_shell_text_and_tokens_that_lead_somewhere_are_accepted() -> None:
    raw = fixture()
    raw["aws_iam_roles"]["koin-prod"]["description"] = f"{ref('subnet', 'BCSDLab-a')} ${{name:0:4}}"
    declaration_of(raw, specs(), KINDS)
