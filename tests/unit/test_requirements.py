"""requirements.yml and docs/dependencies.md say what requirements.txt installs."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import ansible_collections
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]


def wanted() -> dict[str, str]:
    """The collections of requirements.yml."""
    content = yaml.safe_load((REPOSITORY / "requirements.yml").read_text())
    return {item["name"]: item["version"] for item in content["collections"]}


def installed(name: str) -> str | None:
    """The version of a collection of the PyPI bundle; None where it is not installed."""
    for folder in ansible_collections.__path__:
        manifest = Path(folder, *name.split("."), "MANIFEST.json")
        if manifest.exists():
            info: dict[str, Any] = json.loads(manifest.read_text())["collection_info"]
            return str(info["version"])
    return None


def differing(collections: dict[str, str]) -> dict[str, tuple[str, str | None]]:
    """Those whose installed version is another, with both versions."""
    found = {name: (version, installed(name)) for name, version in collections.items()}
    return {name: both for name, both in found.items() if both[0] != both[1]}


def direct_pins() -> dict[str, str]:
    """The pins of requirements.txt above `What those need`, without extras."""
    text = (REPOSITORY / "requirements.txt").read_text().partition("What those need")[0]
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[^]]*])?==(\S+)", text, flags=re.MULTILINE))


def test_collections_are_the_installed_ones() -> None:
    assert differing(wanted()) == {}


def test_the_comparison_notices_another_version_and_a_missing_collection() -> None:
    assert set(differing({"amazon.aws": "0.0.1", "no.such": "1.0.0"})) == {"amazon.aws", "no.such"}


def test_every_collection_that_a_playbook_or_role_uses_is_named() -> None:
    pattern = re.compile(r"\b((?:amazon|community|ansible|containers)\.[a-z]+)\.[a-z][a-z0-9_]+")
    files = [*REPOSITORY.glob("roles/*/*/*.yml"), *REPOSITORY.glob("playbooks/**/*.yml")]
    used = {name for path in files for name in pattern.findall(path.read_text())}
    assert used - {"ansible.builtin"} <= set(wanted())


def test_dependencies_are_documented_with_their_versions() -> None:
    rows = re.findall(r"^\| ([\w.-]+) \| ([\d.]+) \|", (REPOSITORY / "docs/dependencies.md").read_text(), re.MULTILINE)
    assert dict(rows) == direct_pins()


def test_the_pins_are_what_runs_here() -> None:
    assert {name: metadata.version(name) for name in direct_pins()} == direct_pins()
