"""Every right of the operator taken away, one at a time; `make faults` runs it, the gate a sample.

The operator begins without any right. Each run fails, its message names the action that is missing, and the next run
has it. What is never named is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.drift import DELETIONS, DRIFTS, Account
from tests.support.local_aws import LocalAws
from tests.support.platform import Platform, fields
from tests.support.rights import OPERATOR, explained, granted_one_by_one, unused


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """An empty account, which the first test builds and the second one repairs."""
    with LocalAws(tmp_path_factory.mktemp("rights")) as started:
        yield started.reset(empty=True)


def test_every_action_is_missed_by_name(aws: LocalAws, tmp_path: Path) -> None:
    missed = granted_one_by_one(aws, ())
    # A run that could not make a route table leaves its subnets to the main one. What follows begins with all there is.
    aws.reset(empty=True)
    assert Platform(aws).playbook("provision").status == 0
    for drifts in DRIFTS.values():
        account = Account(aws, Platform(aws).plan().registry)
        for drift in drifts:
            drift.make(account)
        missed += granted_one_by_one(aws, missed)
    account = Account(aws, Platform(aws).plan().registry)
    for delete in DELETIONS.values():
        delete(account)
    missed += granted_one_by_one(aws, missed)
    assert len(missed) == len(set(missed))
    assert fields(Platform(aws).plan()) == set()
    print("\n".join(missed))
    assert {action for _, action in unused(OPERATOR, missed)} == explained()
