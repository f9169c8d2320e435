"""For e2e tests: real hosts of a provisioned account, in the rehearsal's own range; it is allowed, and nothing else.

Two platforms do not fit into the range at a time, and a configured one takes twelve minutes: the files that need it
share one, and run after those that need bare hosts.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.support.local_aws import LocalAws
from tests.support.local_hosts import LocalHosts
from tests.support.process_watch import ProcessWatch
from tests.support.real_hosts import provisioned, started

#: the order of files: bare hosts, then the shared platform; the last one restarts it
ORDER = ["test_packets.py", "test_local_hosts.py", "test_secrets.py", "test_attacker.py", "test_platform.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the files in their order, whatever the command line says."""
    items.sort(key=lambda item: ORDER.index(item.path.name) if item.path.name in ORDER else -1)


@pytest.fixture(scope="session", autouse=True)
def _range_is_open() -> None:
    if os.uname().sysname != "Linux" or (os.geteuid() != 0 and not shutil.which("sudo")):
        pytest.skip("needs Linux and root")
    if "172.31.0.0/16" not in os.environ.get("TRIPWIRE_ALLOW", ""):
        pytest.fail("these tests talk to 172.31.0.0/16: run them with `make e2e`")


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """The account of the shared platform."""
    with provisioned(tmp_path_factory.mktemp("platform")) as local:
        yield local


@pytest.fixture(scope="session")
def watch() -> ProcessWatch:
    """Every process that ran while the hosts were configured."""
    return ProcessWatch()


@pytest.fixture(scope="session")
def hosts(aws: LocalAws, watch: ProcessWatch) -> Iterator[LocalHosts]:
    """The hosts of the shared platform, configured. What differs in files is printed, so that it can be searched."""
    with started(aws) as local:
        with watch:
            configured = local.playbook("configure", "--diff")
        assert configured.returncode == 0, configured.stdout[-6000:] + configured.stderr[-2000:]
        yield local
