"""Measures backup, restore and drill for databases of some sizes, and what a client notices meanwhile.

Not a test: run by name on the hosts of the scenario, with the sizes in GiB:
`BACKUP_GIB="0.1 5" PYTEST_ADDOPTS="-rP -k measure $PWD/molecule/backup/tests/measure.py" bin/scenarios backup`.
"""

from __future__ import annotations

import os
import re
import statistics
import time
from collections.abc import Iterator

import pytest
import testinfra
from ledgers import sql
from test_backup import metric
from testinfra.host import Host

testinfra_hosts = ["ansible://koin-db"]
SIZES = [float(word) for word in os.environ.get("BACKUP_GIB", "0.1").split()]
#: rows of random bytes, so that nothing is compressed
BYTES, PART = 1000, 200_000
CLIENT = """
import sys, time, pymysql
db = pymysql.connect(unix_socket="/run/mysqld/mysqld.sock", user="root", database="koin_prod", autocommit=True)
with open("/var/tmp/latency", "a", buffering=1) as file:
    while True:
        began = time.time()
        with db.cursor() as cursor:
            cursor.execute("INSERT INTO probe (at) VALUES (NOW(6))")
        file.write(f"{began} {time.time() - began}\\n")
        time.sleep(0.01)
"""


@pytest.fixture(scope="module")
def probe(host: Host) -> Iterator[None]:
    """A client that commits a row a hundred times a second and notes how long each took."""
    sql(host, "CREATE OR REPLACE TABLE koin_prod.probe (number INT PRIMARY KEY AUTO_INCREMENT, at DATETIME(6))")
    host.check_output("printf %%s %s > /var/tmp/probe.py; rm -f /var/tmp/latency", CLIENT)
    host.check_output("systemd-run --unit=probe --collect python3 /var/tmp/probe.py")
    yield
    host.check_output("systemctl stop probe")
    # The next backups need not carry it.
    sql(host, "DROP TABLE koin_prod.filler, koin_prod.probe")


def fill(host: Host, gib: float) -> int:
    """A table of that size; returns its rows."""
    sql(host, f"CREATE OR REPLACE TABLE koin_prod.filler (number INT PRIMARY KEY AUTO_INCREMENT, a VARBINARY({BYTES}))")
    rows = int(gib * 2**30 / BYTES)
    for first in range(0, rows, PART):
        part = min(PART, rows - first)
        # It is in the next physical backup; as binary logs it would fill the disk once more.
        insert = f"INSERT INTO koin_prod.filler (a) SELECT RANDOM_BYTES({BYTES}) FROM koin_prod.seq_1_to_{part}"
        sql(host, f"SET sql_log_bin = 0; {insert}")
    return rows


def latencies(host: Host, began: float, ended: float) -> str:
    """What the client noticed in a span: median, 99th percentile and the longest, in milliseconds."""
    lines = [line.split() for line in host.check_output("cat /var/tmp/latency").splitlines()]
    found = sorted(1000 * float(took) for at, took in lines if began <= float(at) <= ended)
    return f"{statistics.median(found):.1f} / {found[int(len(found) * 0.99) - 1]:.1f} / {found[-1]:.0f} ms"


@pytest.mark.parametrize("gib", SIZES)
def test_measure(host: Host, probe: None, gib: float) -> None:
    inventory = os.environ["MOLECULE_INVENTORY_FILE"]
    elsewhere = testinfra.get_host("ansible://koin-prod", ansible_inventory=inventory, sudo=True)
    rows = fill(host, gib)
    time.sleep(20)
    quiet = latencies(host, time.time() - 15, time.time())
    began = time.time()
    host.check_output("systemctl start koin-backup-full")
    ended = time.time()
    busy = latencies(host, began, ended)
    read = metric(host, "mariadb", "size_bytes") / 2**30
    time.sleep(5)
    host.check_output("koin-backup logs --close")
    again = time.time()
    restored = host.check_output("koin-backup restore --to latest")
    restoring = time.time() - again
    assert re.search(rf"koin_prod.filler +{rows} ", restored)
    host.check_output("koin-backup discard")
    elsewhere.check_output("systemctl start koin-backup-drill")
    recovery = metric(elsewhere, "mariadb-drill", "drill_recovery_seconds")
    lost = metric(elsewhere, "mariadb-drill", "drill_lost_seconds")
    print(
        f"\n{gib} GiB: backup {ended - began:.0f} s ({read:.2f} GiB read); "
        f"restore with comparison {restoring:.0f} s; drill: recovered in {recovery:.0f} s, {lost:.0f} s before it\n"
        f"a client's commit (median / p99 / longest): {quiet}; during the backup {busy}"
    )
