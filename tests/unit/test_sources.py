"""Where a variable is declared: by the files as they are written, and by what ansible-core remembers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.platform import origin
from ansible.module_utils.platform.sources import Source, Sources, read
from ansible.parsing.dataloader import DataLoader

REPOSITORY = Path(__file__).resolve().parents[2]

COMPUTE = b"""\
---
aws_compute_instance_defaults:
  type: t3a.small
aws_compute_instances:
  KOIN_PROD:
    role: PROD
    security_groups: [Web, SSH]
  KOIN_DB:
    role: DB
"""
ACCESS = b"""\
mariadb_users:
  koin:
    privileges:
      koin: ALL
      koin.*: ALL
    hosts:
      - 172.31.%
      - localhost
app_stacks:
  stage: &stage
    image: koin
  prod:
    <<: *stage
    replicas: 2
"""
HOSTS = b"""\
all:
  hosts:
    localhost:
      aws_account_id: "123456789012"
  children:
    aws_ec2:
      vars:
        rehearsal_dir: .rehearsal
"""
SOURCES = Sources(
    [
        Source("inventories/x/hosts.yml", "", HOSTS),
        Source("inventories/x/aws_ec2.yml", "", b"plugin: amazon.aws.aws_ec2\nregions: {}\n"),
        Source("group_vars/PROD/edge.yml", "PROD", b"edge_sites:\n  koin: {}\n"),
        Source("group_vars/STAGE/edge.yml", "STAGE", b"\n\nedge_sites:\n  koin: {}\n"),
        Source("group_vars/all/access.yml", "all", ACCESS),
        Source("group_vars/all/aws.yml", "all", b'aws_account_id: ""\n'),
        Source("group_vars/all/aws_compute.yml", "all", COMPUTE),
    ]
)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("aws_compute_instances", "group_vars/all/aws_compute.yml:4"),
        ("aws_compute_instances.KOIN_PROD", "group_vars/all/aws_compute.yml:5"),
        ("aws_compute_instances.KOIN_PROD.role", "group_vars/all/aws_compute.yml:6"),
        ("aws_compute_instances.KOIN_DB.role", "group_vars/all/aws_compute.yml:9"),
        ("aws_compute_instances.KOIN_PROD.security_groups[1]", "group_vars/all/aws_compute.yml:7"),
        # What is not there: the nearest part above it that is.
        ("aws_compute_instances.KOIN_DB.subnet", "group_vars/all/aws_compute.yml:8"),
        ("aws_compute_instances.KOIN_STAGE.subnet", "group_vars/all/aws_compute.yml:4"),
        # Keys with dots, and one that begins another.
        ("mariadb_users.koin.privileges.koin", "group_vars/all/access.yml:4"),
        ("mariadb_users.koin.privileges.koin.*", "group_vars/all/access.yml:5"),
        ("mariadb_users.koin.hosts[1]", "group_vars/all/access.yml:8"),
        ("mariadb_users.koin.hosts.0", "group_vars/all/access.yml:7"),
        ("mariadb_users.koin.hosts[7]", "group_vars/all/access.yml:6"),
        # What `<<` brings stands where its anchor is.
        ("app_stacks.prod.image", "group_vars/all/access.yml:11"),
        ("app_stacks.prod.replicas", "group_vars/all/access.yml:14"),
        ("rehearsal_dir", "inventories/x/hosts.yml:8"),
        ("regions", None),
        ("no_such_variable.x", None),
    ],
)
def test_line_of(where: str, expected: str | None) -> None:
    assert SOURCES.line_of(where) == expected


def test_line_of_the_value_that_wins() -> None:
    assert SOURCES.line_of("aws_account_id") == "inventories/x/hosts.yml:4"
    assert SOURCES.line_of("aws_account_id", host="koin-db") == "group_vars/all/aws.yml:1"
    assert SOURCES.line_of("edge_sites.koin", host="koin-stage", groups=["STAGE"]) == "group_vars/STAGE/edge.yml:4"
    assert SOURCES.line_of("edge_sites.koin", host="koin-prod", groups=["PROD"]) == "group_vars/PROD/edge.yml:2"


def test_a_file_that_cannot_be_read_declares_nothing() -> None:
    sources = Sources([Source("a.yml", "all", b"a: [\n"), Source("b.yml", "all", b"b: \xb0\n")])
    assert sources.variables == {}


def test_read_knows_the_files_of_an_inventory() -> None:
    sources = read(REPOSITORY / "inventories" / "rehearsal")
    # Linked there from production, and shown where it is.
    assert {file.path for file in sources.files} > {
        "group_vars/all/aws.yml",
        "inventories/production/platform.yml",
        "inventories/rehearsal/hosts.yml",
    }
    text = (REPOSITORY / "group_vars/all/aws_compute.yml").read_text().splitlines()
    assert sources.line_of("aws_compute_instances") == (
        f"group_vars/all/aws_compute.yml:{text.index('aws_compute_instances:') + 1}"
    )


def _loaded(tmp_path: Path) -> Any:
    (tmp_path / "ansible.cfg").touch()
    file = tmp_path / "group_vars" / "all.yml"
    file.parent.mkdir()
    file.write_text("---\ninstances:\n  KOIN_DB:\n    size: 20\n")
    return DataLoader().load_from_file(str(file))


def test_locate_by_the_origin_of_a_value(tmp_path: Path) -> None:
    loaded = _loaded(tmp_path)
    (name, entry), *_ = loaded["instances"].items()
    assert origin.locate(name) == "group_vars/all.yml:3"
    assert origin.locate(entry["size"]) == "group_vars/all.yml:4"
    assert origin.locate("made in Python") is None


def test_locate_has_no_answer_when_private_names_have_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = _loaded(tmp_path)
    monkeypatch.setattr(origin, "Origin", None)
    assert origin.locate(loaded) is None
