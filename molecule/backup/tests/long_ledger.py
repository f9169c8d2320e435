"""The ledger of `test_backup.py` with more seeds.

Run by name on the hosts of the scenario:
`BACKUP_ROWS=10000 PYTEST_ADDOPTS="-rP -k long_ledger $PWD/molecule/backup/tests/long_ledger.py" bin/scenarios backup`.
"""

from __future__ import annotations

import os

import pytest
from ledgers import check, write
from test_backup import ROWS
from testinfra.host import Host

testinfra_hosts = ["ansible://koin-db"]
SEEDS = int(os.environ.get("BACKUP_SEEDS", "10"))


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_every_row_up_to_a_second_is_restored_and_none_after_it(host: Host, seed: int) -> None:
    ledger = write(host, ROWS, seed)
    assert ledger.kills > 0
    check(host, ledger, seed)
