"""For e2e tests: real hosts of a provisioned account, in the rehearsal's own range; it is allowed, and nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.support.local_aws import LocalAws
from tests.support.local_hosts import LocalHosts, machine
from tests.support.platform import Platform


@pytest.fixture(scope="session", autouse=True)
def _range_is_open() -> None:
    if os.uname().sysname != "Linux" or (os.geteuid() != 0 and not shutil.which("sudo")):
        pytest.skip("needs Linux and root")
    if "172.31.0.0/16" not in os.environ.get("TRIPWIRE_ALLOW", ""):
        pytest.fail("these tests talk to 172.31.0.0/16: run them with `make e2e`")


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """The platform, provisioned."""
    with LocalAws(tmp_path_factory.mktemp("platform")) as local:
        local.reset(empty=True)
        Platform(local).provision()
        yield local


@pytest.fixture(scope="module")
def bare_hosts(aws: LocalAws) -> Iterator[LocalHosts]:
    """Its hosts. At the end nothing of them is left."""
    local = LocalHosts(aws)
    local.ok("image")
    before = machine()
    try:
        local.ok("up")
        yield local
    finally:
        local.ok("down")
    assert machine() == before
    assert not (aws.directory / "ssh/known_hosts").exists()
