"""For every test: our plugins can be imported, nothing but loopback can be reached, a local AWS is at hand."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.plugins.loader import init_plugin_loader

REPOSITORY = Path(__file__).resolve().parents[1]

# `from tests.support...` and `from rehearsal...`.
if str(REPOSITORY) not in sys.path:
    sys.path.insert(0, str(REPOSITORY))

# `from ansible.module_utils.platform import ...`, as Ansible resolves it when it ships a module. Here rather than
# in a hook: the workers of pytest-xdist import this file, too.
runpy.run_path(str(REPOSITORY / "plugins" / "import_path.py"))

# Lookups and modules of collections, as Ansible's own commands find them.
init_plugin_loader()

# Only now can these be found.
from tests.support.local_aws import LocalAws  # noqa: E402
from tests.support.tripwire import Tripwire  # noqa: E402

WIRE = pytest.StashKey[Tripwire]()


def pytest_configure(config: pytest.Config) -> None:
    """Hang up the tripwire before anything is collected."""
    # The operator's own account, proxies and rehearsal are no business of the tests.
    for name in [name for name in os.environ if name.startswith(("AWS_", "REHEARSAL_"))]:
        del os.environ[name]
    os.environ |= {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    config.stash[WIRE] = Tripwire().open()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Take it down."""
    if wire := config.stash.get(WIRE, None):
        wire.close()


@pytest.fixture(autouse=True)
def tripwire(pytestconfig: pytest.Config) -> Iterator[Tripwire]:
    """Fail the very test that tried to leave this machine."""
    wire = pytestconfig.stash[WIRE]
    before = len(wire.records)
    yield wire
    if attempts := wire.records[before:]:
        pytest.fail(f"tried to reach something other than loopback: {attempts}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What happened outside of a test (collection, session fixtures) fails the session."""
    wire = session.config.stash.get(WIRE, None)
    if wire and wire.records and session.exitstatus == pytest.ExitCode.OK:
        print(f"\nsomething tried to reach other than loopback: {wire.records}", file=sys.stderr)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def local_aws_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """One local AWS per session (and per worker): starting takes a second, a reset 5 ms."""
    with LocalAws(tmp_path_factory.mktemp("rehearsal")) as aws:
        yield aws


@pytest.fixture
def local_aws(local_aws_process: LocalAws) -> LocalAws:
    """A new AWS account with its default VPC and nothing else; `local_aws(empty=True)` takes that away as well."""
    return local_aws_process.reset()
