"""An account behind a proxy that answers badly."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.proxy import Proxy
from tests.support.behind import Behind
from tests.support.local_aws import LocalAws
from tests.support.platform import Platform


@pytest.fixture(scope="module")
def proxy(local_aws_process: LocalAws) -> Iterator[Proxy]:
    """A proxy before an account."""
    with Proxy(local_aws_process.endpoint) as running:
        yield running


@pytest.fixture
def platform(local_aws: LocalAws, proxy: Proxy) -> Platform:
    """The playbooks behind it; the account is empty."""
    local_aws.reset(empty=True)
    return Platform(Behind(local_aws, proxy), timeout=3600)  # type: ignore[arg-type]
