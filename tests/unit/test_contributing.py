"""What a contributor sets up is what the gate runs: the hooks, the editor's settings, the license."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]


def hooks() -> list[dict[str, Any]]:
    """The local hooks of .pre-commit-config.yaml."""
    repos = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())["repos"]
    assert {repo["repo"] for repo in repos} == {"local"}
    return [hook for repo in repos for hook in repo["hooks"]]


def untidy(content: bytes) -> list[str]:
    """What a file does that .editorconfig rules out."""
    bad = []
    if b"\r" in content:
        bad.append("a carriage return")
    if content and not content.endswith(b"\n"):
        bad.append("no newline at the end")
    if any(line != line.rstrip() for line in content.decode().split("\n")):
        bad.append("white space at the end of a line")
    return bad


def test_hooks_use_the_tools_of_the_virtual_environment() -> None:
    for hook in hooks():
        assert hook["language"] == "system", hook["id"]
        assert hook["entry"].startswith(".venv/bin/"), hook["id"]
        assert (REPOSITORY / hook["entry"].split()[0]).exists(), hook["id"]


@pytest.mark.parametrize(
    ("hook", "name", "content"),
    [
        ("ruff", "bad.py", "import os\n"),
        ("ruff-format", "bad.py", "x = {  }\n"),
        ("yamllint", "bad.yml", "---\na:   1\n"),
    ],
)
def test_a_hook_refuses_a_bad_file_and_takes_a_good_one(hook: str, name: str, content: str, tmp_path: Path) -> None:
    command = next(entry["entry"] for entry in hooks() if entry["id"] == hook).split()
    path = tmp_path / name
    for text, refused in ((content, True), ("x = 1\n" if name.endswith(".py") else "---\na: 1\n", False)):
        path.write_text(text)
        done = subprocess.run([*command, str(path)], cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert bool(done.returncode) == refused, done.stdout + done.stderr


def test_unit_tests_run_on_push_only() -> None:
    assert [hook["id"] for hook in hooks() if hook.get("stages")] == ["unit-tests"]
    assert next(hook for hook in hooks() if hook["id"] == "unit-tests")["stages"] == ["pre-push"]


def test_files_follow_editorconfig() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    files = [REPOSITORY / name for name in listed.stdout.split("\0") if name]
    found = {path: untidy(path.read_bytes()) for path in files if path.is_file() and not path.is_symlink()}
    assert {str(path.relative_to(REPOSITORY)): bad for path, bad in found.items() if bad} == {}


@pytest.mark.parametrize(("content", "bad"), [(b"a\r\n", 2), (b"a", 1), (b"a \n", 1), (b"a\n", 0), (b"", 0)])
def test_an_untidy_file_is_noticed(content: bytes, bad: int) -> None:
    assert len(untidy(content)) == bad


def test_roles_are_under_the_license_of_the_repository() -> None:
    assert (REPOSITORY / "LICENSE").read_text().startswith("MIT License\n")
    for path in REPOSITORY.glob("roles/*/meta/main.yml"):
        assert yaml.safe_load(path.read_text())["galaxy_info"]["license"] == "MIT", path


def python_files() -> set[str]:
    """Every tracked Python file, by its ending or its first line."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    found = set()
    for name in filter(None, listed.stdout.split("\0")):
        path = REPOSITORY / name
        if path.is_file() and not path.is_symlink():
            first = path.read_bytes().split(b"\n", 1)[0]
            if path.suffix == ".py" or (first.startswith(b"#!") and b"python" in first and path.suffix != ".j2"):
                found.add(name)
    return found


def test_ruff_and_mypy_see_every_python_file() -> None:
    shown = subprocess.run(
        [REPOSITORY / ".venv/bin/ruff", "check", "--show-files"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    seen = {str(Path(line).relative_to(REPOSITORY)) for line in shown.stdout.split("\n") if line}
    assert python_files() - seen == set()
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    checked = [Path(entry) for entry in settings["tool"]["mypy"]["files"]]
    missed = {name for name in python_files() if not any(Path(name).is_relative_to(entry) for entry in checked)}
    # A folder covers its files with an extension; the others are named one by one.
    missed |= {name for name in python_files() if not name.endswith(".py") and Path(name) not in checked}
    assert missed == set()
