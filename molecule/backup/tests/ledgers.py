"""Transactions that are recorded outside of the server while it is killed and its host restarts, and their restore."""

from __future__ import annotations

import contextlib
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from testinfra.host import Host

SCRATCH = "/run/koin-restore/mysqld.sock"
RECORD = "/var/tmp/record"
#: names the start of a host
BOOT = "cat /proc/sys/kernel/random/boot_id"
#: before the restart, and after it
KILLS = 3
#: seconds for a host to restart in, and for its server to recover
RESTART_SECONDS = 180


@dataclass(frozen=True)
class Row:
    """A transaction as its client saw it; acknowledged 0: there was no answer."""

    number: int
    sent: float
    acknowledged: float


@dataclass(frozen=True)
class Ledger:
    """Everything that the client recorded, outside of the server."""

    rows: list[Row]
    kills: int

    def must_be_there(self, moment: float) -> set[int]:
        """What was acknowledged before a moment."""
        return {row.number for row in self.rows if 0 < row.acknowledged < moment}

    def must_not(self, moment: float) -> set[int]:
        """What was sent at that moment or later."""
        return {row.number for row in self.rows if row.sent >= moment}

    def moments(self, seed: int, count: int) -> list[int]:
        """Seconds within it, in their order."""
        seconds = sorted({int(row.sent) for row in self.rows})[1:]
        return sorted(random.Random(seed).sample(seconds, k=count))


def sql(host: Host, text: str, socket: str = "/run/mysqld/mysqld.sock") -> str:
    """As root, through a socket."""
    return host.check_output("mariadb --no-defaults --socket=%s --batch --skip-column-names --execute=%s", socket, text)


def waited_for(happened: Callable[[], object], seconds: float = 60) -> None:
    """Until it has happened."""
    deadline = time.time() + seconds
    while not happened():
        assert time.time() < deadline
        time.sleep(0.2)


def write(host: Host, rows: int, seed: int) -> Ledger:
    """Commit rows after a physical backup and before binary logs are closed.

    The server is killed at random moments. When half of the rows are written, the host restarts without a chance to end
    anything, as if its power had failed, and the client goes on with a number of its own.
    """
    sql(host, "CREATE OR REPLACE TABLE koin_prod.ledger (number INT PRIMARY KEY, text CHAR(64))")
    sql(host, "CREATE OR REPLACE TABLE koin_prod.other AS SELECT REPEAT(seq, 50) AS a FROM koin_prod.seq_1_to_20000")
    host.check_output("systemctl start koin-backup-full")
    host.check_output(f"rm -f {RECORD}; touch {RECORD}")
    writer = (Path(__file__).parents[1] / "files/writer.py").read_text()
    host.check_output("printf %%s %s > /var/tmp/writer.py", writer)
    chance = random.Random(seed)
    half = rows // 2
    kills = _write(host, 0, rows, chance, until=half)
    lost_power(host)
    # The number that was under way may be committed or not: nobody recorded it.
    kills += _write(host, rows, rows - half, chance)
    host.check_output("mariadb-admin --no-defaults --wait=60 --connect-timeout=60 ping")
    lines = host.check_output(f"cat {RECORD}").splitlines()
    found = [Row(int(number), float(sent), float(acked)) for number, sent, acked in map(str.split, lines)]
    assert len(found) >= rows
    unanswered = sum(not row.acknowledged for row in found)
    print(f"seed {seed}: {len(found)} transactions, {kills} kills, a restart, {unanswered} without an answer")
    return Ledger(found, kills)


def _write(host: Host, first: int, rows: int, chance: random.Random, until: float = math.inf) -> int:
    """Let the client write, until it is done or so many are recorded; how often the server was killed."""
    command = f"python3 /var/tmp/writer.py {first} {rows} {RECORD}"
    host.check_output(f"systemd-run --unit=writer --collect {command}")
    kills = 0
    while host.run("systemctl is-active writer").stdout.strip() == "active":
        if int(host.check_output(f"wc -l < {RECORD}")) >= until:
            break
        time.sleep(chance.uniform(2, 6))
        if kills < KILLS:
            kills += host.run("systemctl kill --signal=KILL mariadb").rc == 0
            # systemd gives up after five in five minutes.
            host.run("systemctl reset-failed mariadb")
    return kills


def lost_power(host: Host) -> None:
    """Restart a host without ending what runs on it, and wait for its server."""
    before = host.check_output(BOOT)
    host.check_output("systemd-run --on-active=1 systemctl reboot --force --force")
    waited_for(lambda: _answer(host, BOOT) not in ("", before), RESTART_SECONDS)
    waited_for(lambda: _answer(host, "mariadb-admin --no-defaults ping"), RESTART_SECONDS)


def _answer(host: Host, command: str) -> str:
    """What it prints; nothing while it fails, or the host cannot be reached, of which testinfra makes an error."""
    with contextlib.suppress(RuntimeError):
        answer = host.run(command)
        return str(answer.stdout).strip() if answer.rc == 0 else ""
    return ""


def restored(host: Host, to: str) -> set[int]:
    """Restore into the scratch server; the numbers that are there, each with its text."""
    began = time.monotonic()
    print(host.check_output("koin-backup restore --to %s", to))
    print(f"restored in {time.monotonic() - began:.1f} s")
    assert sql(host, "SELECT COUNT(*) FROM koin_prod.ledger WHERE text <> SHA2(number, 256)", SCRATCH) == "0"
    return set(map(int, sql(host, "SELECT number FROM koin_prod.ledger", SCRATCH).split()))


def shown(moment: float) -> str:
    """A moment as the restore takes it."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"


def check(host: Host, ledger: Ledger, seed: int) -> None:
    """Every row that was committed up to a second is restored, and none after it; for two seconds of the ledger."""
    host.check_output("koin-backup logs --close")
    live = sql(host, "SELECT COUNT(*) FROM koin_prod.ledger")
    for moment in ledger.moments(seed, 2):
        found = restored(host, shown(moment))
        assert ledger.must_be_there(moment) - found == set()
        assert found & ledger.must_not(moment) == set()
        print(f"{shown(moment)}: {len(found)} rows, {len(ledger.must_be_there(moment))} acknowledged before")
    assert sql(host, "SELECT COUNT(*) FROM koin_prod.ledger") == live
