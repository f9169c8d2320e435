"""A provisioning that is killed and started again converges, and nothing is made twice."""

from __future__ import annotations

from tests.support.killed import provision_and_kill, whole
from tests.support.local_aws import LocalAws

#: kill when so many writes have been made: in the network, at the sites, among the buckets, at the instances
KILLED_AFTER = (4, 45, 80, 110)


def test_killed_and_started_again(local_aws: LocalAws) -> None:
    local_aws.reset(empty=True)
    local_aws.mark()
    for number, after in enumerate(KILLED_AFTER):
        assert provision_and_kill(local_aws, after, everything=number % 2 == 0), (
            f"ended before it had made {after} writes"
        )
    whole(local_aws)
