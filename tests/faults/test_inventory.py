"""The dynamic inventory when AWS's answers fail: it tries again, and then says it in one line."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from rehearsal import REPOSITORY
from tests.faults.proxy import Proxy, always, nth
from tests.support import live_account
from tests.support.behind import Behind
from tests.support.local_aws import LocalAws
from tests.support.scripts import on_path, script


@pytest.fixture(scope="module")
def proxy(local_aws_process: LocalAws) -> Iterator[Proxy]:
    """A proxy before an account with hosts."""
    local_aws_process.reset()
    live_account.build(local_aws_process)
    with Proxy(local_aws_process.endpoint) as running:
        yield running


def _graph(aws: LocalAws, proxy: Proxy) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [script("ansible-inventory"), "-i", "inventories/rehearsal", "--graph"],
        cwd=REPOSITORY,
        env=Behind(aws, proxy).process_environ | on_path(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("fault", ["empty", "500", "reset after"])
def test_it_asks_again(local_aws_process: LocalAws, proxy: Proxy, fault: str) -> None:
    proxy.use(nth("ec2", "DescribeInstances", fault))
    done = _graph(local_aws_process, proxy)
    assert done.returncode == 0, done.stderr
    assert "koin-prod" in done.stdout
    assert proxy.faults


@pytest.mark.parametrize("fault", ["html", "denied", "expired"])
def test_it_says_in_one_line_what_is_wrong(local_aws_process: LocalAws, proxy: Proxy, fault: str) -> None:
    proxy.use(always("ec2", "DescribeInstances", fault))
    done = _graph(local_aws_process, proxy)
    assert done.returncode == 4
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 2, done.stderr
    assert lines[0].endswith("The hosts cannot be read from AWS; nothing was done.")
    assert "inventories/rehearsal/aws_ec2.yml: " in lines[1]
    assert "Traceback" not in done.stderr
