"""For e2e tests: the rehearsal's own range is allowed, and nothing else."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _range_is_open() -> None:
    if "172.31.0.0/16" not in os.environ.get("TRIPWIRE_ALLOW", ""):
        pytest.fail("these tests talk to 172.31.0.0/16: run them with `make e2e`")
