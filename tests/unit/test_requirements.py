"""requirements.yml and docs/dependencies.md say what requirements.txt installs, and hashes hold it to that."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import zipfile
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


def test_the_collections_that_are_used_are_those_that_are_named() -> None:
    pattern = re.compile(r"\b((?:amazon|community|ansible|containers)\.[a-z]+)\.[a-z][a-z0-9_]+")
    folders = ("roles", "playbooks", "molecule", "inventories", "plugins")
    files = [path for folder in folders for path in (REPOSITORY / folder).rglob("*")]
    used = {name for path in files if path.suffix == ".yml" for name in pattern.findall(path.read_text())}
    # In Python, `ansible.utils` is a package of Ansible itself.
    code = {name for path in files if path.suffix == ".py" for name in pattern.findall(path.read_text())}
    used |= {name for name in code if not name.startswith("ansible.")}
    assert used - {"ansible.builtin"} == set(wanted())


def test_dependencies_are_documented_with_their_versions() -> None:
    rows = re.findall(r"^\| ([\w.-]+) \| ([\d.]+) \|", (REPOSITORY / "docs/dependencies.md").read_text(), re.MULTILINE)
    assert dict(rows) == direct_pins()


def test_the_pins_are_what_runs_here() -> None:
    assert {name: metadata.version(name) for name in direct_pins()} == direct_pins()


def pins(name: str) -> dict[str, str]:
    """Versions by normalised name, without extras."""
    found = re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[^]]*])?==([^\s;]+)", (REPOSITORY / name).read_text(), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", package).lower(): version for package, version in found}


def test_every_pin_has_hashes_and_no_host_is_named() -> None:
    assert pins("requirements-hashes.txt") == pins("requirements.txt")
    text = (REPOSITORY / "requirements-hashes.txt").read_text()
    blocks = re.split(r"\n(?=[a-z])", text.partition("\n")[2])
    assert [block for block in blocks if not re.fullmatch(r"\S+( \\\n    --hash=sha256:[0-9a-f]{64})+\n?", block)] == []


def test_setup_installs_nothing_with_another_hash(tmp_path: Path) -> None:
    """A package made here, offered by a folder; then another one in its place."""
    wheel = tmp_path / "index/koin_probe-1-py3-none-any.whl"
    wheel.parent.mkdir()
    files = {
        "koin_probe.py": "",
        "koin_probe-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: koin-probe\nVersion: 1\n",
        "koin_probe-1.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "koin_probe-1.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    (tmp_path / "bin").mkdir()
    shutil.copy(REPOSITORY / "bin/setup", tmp_path / "bin/setup")
    right = hashlib.sha256(wheel.read_bytes()).hexdigest()
    # The shell of the test decides where packages come from; setup names no index.
    environment = {
        **os.environ,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheel.parent),
        "PIP_CONFIG_FILE": os.devnull,
    }

    def setup(digest: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "requirements-hashes.txt").write_text(f"koin-probe==1 \\\n    --hash=sha256:{digest}\n")
        return subprocess.run(
            [str(tmp_path / "bin/setup")], env=environment, capture_output=True, text=True, check=False, timeout=120
        )

    refused = setup("0" * 64)
    assert refused.returncode == 1
    assert "DO NOT MATCH THE HASHES" in refused.stderr and right in refused.stderr, refused.stderr
    assert "do not go on" in refused.stderr
    assert not (tmp_path / ".venv/stamp").exists()
    installed = setup(right)
    assert installed.returncode == 0, installed.stderr
    assert (tmp_path / ".venv/stamp").exists()
