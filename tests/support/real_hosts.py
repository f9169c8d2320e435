"""The platform's account, provisioned, and its hosts: both end with the block that uses them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.support.local_aws import LocalAws
from tests.support.local_hosts import LocalHosts, machine
from tests.support.platform import Platform


@contextlib.contextmanager
def provisioned(folder: Path) -> Iterator[LocalAws]:
    """The platform's account."""
    with LocalAws(folder) as local:
        local.reset(empty=True)
        Platform(local).provision()
        yield local


@contextlib.contextmanager
def started(aws: LocalAws) -> Iterator[LocalHosts]:
    """Its hosts, bare. At the end nothing of them is left."""
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
