"""Backups as they are needed: after a crash, to a second, from a host that may not destroy them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import testinfra
from ledgers import SCRATCH, Ledger, check, restored, shown, sql, waited_for, write
from testinfra.backend.base import CommandResult
from testinfra.host import Host

testinfra_hosts = ["ansible://koin-db"]

ROWS = int(os.environ.get("BACKUP_ROWS", "3000"))
SEED = int(os.environ.get("BACKUP_SEED", "1"))
METRICS = "/var/lib/prometheus/node-exporter"
SECRETS = ["throwaway-repository-0123456789"]
#: credentials of the host's role, from files/account.py
KEY: dict[str, str] = json.loads(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "account.json").read_text())["key"]


def metric(host: Host, job: str, name: str) -> float:
    """A value that the node exporter reads."""
    text = host.check_output("cat %s", f"{METRICS}/backup-{job}.prom")
    return float(re.search(rf'^koin_backup_{name}{{name="{job}"}} (\S+)$', text, re.MULTILINE)[1])  # type: ignore[index]


def restic(host: Host, *words: str) -> CommandResult:
    """What somebody who is root on the host can do with its credentials."""
    read = (
        "from koin_backup.repository import Repository; from koin_backup.settings import load;"
        "import subprocess, sys; r = Repository(load());"
        "sys.exit(subprocess.run(r.command(*sys.argv[1:]), env=r.environment(), timeout=120).returncode)"
    )
    quoted = " ".join(f"'{word}'" for word in words)
    return host.run(f"PYTHONPATH=/usr/local/lib/koin python3 -B -c %s {quoted}", read)


def fails(host: Host, verb: str, says: str) -> None:
    """A verb ends with one line that says why."""
    answer = host.run(f"koin-backup {verb}")
    assert answer.rc == 1, answer.stdout
    assert re.search(says, answer.stderr), answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1, answer.stderr


def locks(host: Host) -> list[str]:
    """Locks in the repository."""
    return restic(host, "list", "locks", "--no-lock").stdout.split()


@pytest.fixture(scope="module")
def ledger(host: Host) -> Ledger:
    """Transactions while the server is killed and its host restarts."""
    return write(host, ROWS, SEED)


# --- Every day -------------------------------------------------------------------------------------------------------


def test_the_timers_store_logs_without_being_asked(host: Host) -> None:
    for name in ("full", "logs"):
        assert host.service(f"koin-backup-{name}.timer").is_running
        assert host.service(f"koin-backup-{name}.timer").is_enabled
    sql(host, "CREATE TABLE IF NOT EXISTS koin_prod.t (a INT)")
    written = time.time()
    waited_for(lambda: metric(host, "mariadb-logs", "last_success_timestamp_seconds") > written, seconds=90)
    assert metric(host, "mariadb-logs", "last_run_success") == 1


def test_a_backup_on_demand_is_measured(host: Host) -> None:
    began = time.time()
    host.check_output("systemctl start koin-backup-full")
    assert metric(host, "mariadb", "last_run_success") == 1
    assert metric(host, "mariadb", "last_success_timestamp_seconds") >= began
    assert metric(host, "mariadb", "size_bytes") > 1_000_000
    assert 0 < metric(host, "mariadb", "duration_seconds") < 120
    # Prometheus' own user reads it.
    assert host.run("runuser -u nobody -- cat %s", f"{METRICS}/backup-mariadb.prom").rc == 0


def test_a_backup_leaves_no_copy_on_the_disk(host: Host) -> None:
    host.check_output("touch /var/tmp/before && systemctl start koin-backup-full")
    found = host.check_output("find / -xdev -type f -newer /var/tmp/before -size +1M").splitlines()
    # What the server and the journal write at any time, and what this scenario records.
    others = ("/var/lib/mysql/", "/var/log/", "/var/tmp/processes")
    assert [path for path in found if not path.startswith(others)] == []


def test_nothing_written_makes_no_new_logs(host: Host) -> None:
    host.check_output("koin-backup logs")
    before = sql(host, "SHOW BINARY LOGS")
    assert host.check_output("koin-backup logs") == "no new binary logs"
    assert sql(host, "SHOW BINARY LOGS") == before


def test_what_can_be_restored_is_listed(host: Host) -> None:
    host.check_output("koin-backup logs --close")
    last = host.check_output("koin-backup list").splitlines()[-1]
    assert re.fullmatch(r"[0-9a-f]{8}  [-0-9]+ [:0-9]+ KST  \d+ bytes, and any second from then to .* KST", last)


# --- After a crash, to a second --------------------------------------------------------------------------------------


def test_every_row_up_to_a_second_is_restored_and_none_after_it(host: Host, ledger: Ledger) -> None:
    assert ledger.kills > 0
    check(host, ledger, SEED)


def test_the_latest_has_everything_that_was_committed(host: Host, ledger: Ledger) -> None:
    host.check_output("koin-backup logs --close")
    found = restored(host, "latest")
    assert ledger.must_be_there(time.time()) - found == set()
    table = "SELECT number, text FROM koin_prod.ledger"
    assert sql(host, table, SCRATCH) == sql(host, table)
    assert sql(host, "CHECKSUM TABLE koin_prod.other", SCRATCH) == sql(host, "CHECKSUM TABLE koin_prod.other")


def test_logs_of_a_server_that_is_down_are_stored_as_well(host: Host, ledger: Ledger) -> None:
    sql(host, "INSERT INTO koin_prod.ledger VALUES (1000000, SHA2(1000000, 256))")
    host.check_output("systemctl stop mariadb")
    try:
        assert "new binary logs" in host.check_output("koin-backup logs")
        assert 1000000 in restored(host, "latest")
    finally:
        host.check_output("systemctl start mariadb")
    sql(host, "DELETE FROM koin_prod.ledger WHERE number = 1000000")


def test_the_scratch_server_has_no_network(host: Host, ledger: Ledger) -> None:
    host.check_output("koin-backup restore --to latest")
    listening = host.check_output("ss --no-header --listening --numeric --tcp").splitlines()
    assert {line.split()[3].rpartition(":")[2] for line in listening} == {"22", "3306"}
    pid = host.check_output("systemctl show --property=MainPID --value koin-restore")
    assert host.check_output(f"stat --format=%U /proc/{pid}") == "mysql"
    assert host.check_output(f"readlink /proc/{pid}/ns/net") != host.check_output("readlink /proc/1/ns/net")
    host.check_output("koin-backup discard")
    assert not host.file("/var/lib/koin-restore/data").exists
    assert host.run("systemctl is-active koin-restore").stdout.strip() == "inactive"


@pytest.mark.parametrize(
    ("to", "says"),
    [
        ("yesterday", "write it like '2026-11-27 03:15:20 KST'"),
        ("2020-01-01 00:00:00 KST", "No backup was complete at .* The oldest is of "),
        ("2090-01-01 00:00:00 KST", "reach to .* Ask for that moment, or for `latest`"),
    ],
)
def test_a_moment_that_cannot_be_restored_is_refused(host: Host, to: str, says: str) -> None:
    fails(host, f"restore --to '{to}'", says)


# --- On another host -------------------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere() -> Host:
    """The host that tries restores."""
    inventory = os.environ["MOLECULE_INVENTORY_FILE"]
    return testinfra.get_host("ansible://koin-prod", ansible_inventory=inventory, sudo=True)


@contextlib.contextmanager
def writing(host: Host, statement: str) -> Iterator[None]:
    """A client that writes all the time."""
    write = f"mariadb --no-defaults --execute='{statement}'"
    host.check_output("systemd-run --unit=busy --collect sh -c %s", f"while {write}; do sleep 0.01; done")
    try:
        yield
    finally:
        host.check_output("systemctl stop busy")


def test_another_host_proves_the_backups(host: Host, elsewhere: Host, ledger: Ledger) -> None:
    """Rows are written before, while and after the tables are counted, and none of that makes a difference."""
    assert elsewhere.service("koin-backup-drill.timer").is_enabled
    assert elsewhere.service("koin-backup-drill.timer").is_running
    sql(host, "CREATE OR REPLACE TABLE koin_prod.busy (number INT PRIMARY KEY AUTO_INCREMENT, at DATETIME(6))")
    with writing(host, "INSERT INTO koin_prod.busy (at) VALUES (NOW(6))"):
        host.check_output("systemctl start koin-backup-full")
        time.sleep(2)
        host.check_output("koin-backup logs --close")
    elsewhere.check_output("systemctl start koin-backup-drill")
    said = elsewhere.check_output("journalctl --unit=koin-backup-drill --invocation=0 --output=cat")
    print(said)
    tables = int(sql(host, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'koin_prod'"))
    assert metric(elsewhere, "mariadb-drill", "last_run_success") == 1
    assert metric(elsewhere, "mariadb-drill", "drill_tables") == tables
    assert metric(elsewhere, "mariadb-drill", "drill_rows") > ROWS
    assert 0 < metric(elsewhere, "mariadb-drill", "drill_recovery_seconds") < 120
    assert 0 <= metric(elsewhere, "mariadb-drill", "drill_lost_seconds") < 120


def test_nothing_is_left_of_a_drill(elsewhere: Host, ledger: Ledger) -> None:
    elsewhere.check_output("systemctl start koin-backup-drill")
    assert elsewhere.file("/var/lib/koin-restore").listdir() == []
    assert elsewhere.run("pgrep mariadbd").rc == 1
    # One that was stopped leaves nothing either.
    elsewhere.check_output("systemctl start --no-block koin-backup-drill")
    waited_for(lambda: elsewhere.run("pgrep mariadbd").rc == 0)
    elsewhere.check_output("systemctl stop koin-backup-drill")
    assert elsewhere.file("/var/lib/koin-restore").listdir() == []
    assert elsewhere.run("pgrep mariadbd").rc == 1


def test_a_restore_that_differs_fails_the_drill(host: Host, elsewhere: Host, ledger: Ledger) -> None:
    """What skips the binary log between the backup and the counting is in no restore."""
    sql(host, "CREATE OR REPLACE TABLE koin_prod.skipped (a INT)")
    with writing(host, "SET SESSION sql_log_bin = 0; INSERT INTO koin_prod.skipped VALUES (1)"):
        host.check_output("systemctl start koin-backup-full")
    fails(
        elsewhere, "drill", r"not what was backed up: koin_prod.skipped: \d+ rows, checksum \d+; restored: \d+, \d+\."
    )
    assert metric(elsewhere, "mariadb-drill", "last_run_success") == 0
    host.check_output("koin-backup full")
    elsewhere.check_output("koin-backup drill")
    assert metric(elsewhere, "mariadb-drill", "last_run_success") == 1


def test_the_host_of_the_drill_writes_nothing(elsewhere: Host) -> None:
    answer = restic(elsewhere, "unlock", "--remove-all")
    tagged = restic(elsewhere, "tag", "--add", "mine", "latest")
    assert "AccessDenied" in answer.stderr + tagged.stderr or "not authorized" in answer.stderr + tagged.stderr
    assert tagged.rc != 0


# --- When something is wrong -----------------------------------------------------------------------------------------


def test_s3_down_is_told_and_the_next_run_is_whole(host: Host) -> None:
    host.check_output("koin-backup full")
    success = metric(host, "mariadb", "last_success_timestamp_seconds")
    host.check_output(
        "cp /etc/hosts /var/tmp/hosts && sed 's/.* local-aws/127.0.0.1 local-aws/' /var/tmp/hosts > /etc/hosts"
    )
    try:
        fails(host, "full", r"S3 does not answer at http://local-aws:\d+: .*refused")
        sql(host, "CREATE OR REPLACE TABLE koin_prod.written_while_down (a INT)")
        fails(host, "logs", "S3 does not answer")
        assert host.run("systemctl start koin-backup-full").rc != 0
        assert metric(host, "mariadb", "last_run_success") == 0
        assert metric(host, "mariadb", "last_success_timestamp_seconds") == success
    finally:
        host.check_output("cat /var/tmp/hosts > /etc/hosts")
    host.check_output("koin-backup full")
    assert metric(host, "mariadb", "last_run_success") == 1
    host.check_output("koin-backup logs --close")
    host.check_output("koin-backup restore --to latest")
    assert "written_while_down" in sql(host, "SHOW TABLES IN koin_prod", SCRATCH)


def test_a_wrong_password_is_told(host: Host) -> None:
    host.check_output(
        "cp --preserve /etc/koin/backup/password /var/tmp/password && echo other > /etc/koin/backup/password"
    )
    try:
        fails(host, "full", "does not accept the password of this host .* get-parameter-history")
        fails(host, "restore --to latest", "does not accept the password")
    finally:
        host.check_output("mv /var/tmp/password /etc/koin/backup/password")
    host.check_output("koin-backup full")


def test_a_killed_run_leaves_no_backup_and_its_lock_goes(host: Host) -> None:
    host.check_output("koin-backup full")
    before = host.check_output("koin-backup list")
    # Random, so that it cannot be compressed and takes a while.
    sql(host, "CREATE OR REPLACE TABLE koin_prod.big AS SELECT RANDOM_BYTES(1000) AS a FROM koin_prod.seq_1_to_150000")
    host.check_output("systemctl start --no-block koin-backup-full")
    waited_for(lambda: host.run("pgrep mariadb-backup").rc == 0 and locks(host))
    host.check_output("systemctl kill --signal=KILL koin-backup-full")
    time.sleep(1)
    assert locks(host)
    assert host.check_output("koin-backup list") == before
    sql(host, "DROP TABLE koin_prod.big")
    assert "mariadb was killed: removing its lock" in host.check_output("koin-backup full")
    # A run of the timer may have one at this moment.
    waited_for(lambda: not locks(host))


def test_two_runs_do_not_overlap(host: Host) -> None:
    host.check_output("systemd-run --unit=holder --collect flock /run/koin-backup/mariadb.lock sleep 60")
    time.sleep(1)
    try:
        fails(host, "full", "Another run of mariadb is under way")
    finally:
        host.check_output("systemctl stop holder")
    host.check_output("koin-backup full")


def test_a_full_disk_is_told(host: Host) -> None:
    host.check_output("mount -t tmpfs -o size=64m tmpfs /var/lib/koin-restore")
    try:
        fails(host, "restore --to latest", r"/var/lib/koin-restore has \d+ MiB free, and the restore needs \d+ MiB")
    finally:
        host.check_output("umount /var/lib/koin-restore")
    host.check_output("mount -t tmpfs -o size=8k tmpfs /var/lib/koin-backup")
    host.run("head -c 8192 /dev/zero > /var/lib/koin-backup/x")
    try:
        fails(host, "full", "No space left on device")
    finally:
        host.check_output("umount /var/lib/koin-backup")
    host.check_output("koin-backup full")


# --- Somebody who took the host over ---------------------------------------------------------------------------------


def test_the_host_destroys_no_backup(host: Host) -> None:
    before = host.check_output("koin-backup list")
    oldest = before.split()[0]
    for words in (["forget", oldest], ["forget", "--keep-last", "1", "--group-by", "host", "--prune"]):
        answer = restic(host, *words)
        assert "not authorized to perform: s3:DeleteObject" in answer.stderr, answer.stderr
    host.check_output("koin-backup unlock")
    assert host.check_output("koin-backup list") == before
    assert restic(host, "check", "--read-data").rc == 0


def test_no_secret_is_seen_in_processes_and_logs(host: Host) -> None:
    seen = host.check_output("cat /var/tmp/processes; journalctl --unit='koin-backup*' --output=cat")
    assert "restic" in seen
    for secret in [*SECRETS, KEY["secret"], KEY["token"]]:
        lines = [line for line in seen.splitlines() if secret in line]
        # ps shows root what root's own processes have in their environment; nobody else sees it.
        assert [line for line in lines if "AWS_" not in line] == []
    assert host.file("/etc/koin/backup").mode == 0o700
    for name in ("password", "settings.json"):
        assert host.file(f"/etc/koin/backup/{name}").mode == 0o600


# --- In place --------------------------------------------------------------------------------------------------------


def playbook(name: str) -> str:
    """Run a playbook of the scenario on its host."""
    command = ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], str(Path(__file__).parents[1] / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_playbooks_show_what_they_did(host: Host) -> None:
    sql(host, "CREATE OR REPLACE TABLE koin_prod.shown AS SELECT seq FROM koin_prod.seq_1_to_4321")
    checksum = sql(host, "CHECKSUM TABLE koin_prod.shown").split()[1]
    shown = playbook("verbs.yml")
    assert re.search(r"backup [0-9a-f]{8}: \d+ bytes read, \d+ bytes stored, \d+ rows in \d+ tables", shown), shown
    assert re.search(r"\d+ tables with \d+ rows are as they were counted; recovered in \d+ s", shown), shown
    assert re.search(rf"koin_prod.shown +4321 +{checksum}\b", shown), shown
    assert "what was there before is in /var/lib/koin-restore/replaced-" in shown
    assert sql(host, "CHECKSUM TABLE koin_prod.shown").split()[1] == checksum
    host.check_output("rm -r /var/lib/koin-restore/replaced-*")


def test_what_was_restored_takes_over(host: Host, ledger: Ledger) -> None:
    moment = int(ledger.rows[len(ledger.rows) // 2].sent)
    host.check_output("koin-backup full")
    host.check_output("koin-backup logs --close")
    found = restored(host, shown(moment))
    sql(host, "DROP USER koin_prod@localhost", SCRATCH)
    # Killed somewhere, and started again.
    for seconds in (0.3, 1.0, 2.0):
        host.run(f"timeout --signal=KILL {seconds} koin-backup take-over")
        if not host.file("/var/lib/koin-restore/restored.json").exists:
            break
    host.run("koin-backup take-over")
    assert set(map(int, sql(host, "SELECT number FROM koin_prod.ledger").split())) == found
    assert not host.file("/var/lib/mysql/koin-restored").exists
    replaced = host.check_output("ls -d /var/lib/koin-restore/replaced-*").split()
    assert len(replaced) == 1
    playbook("converge.yml")
    assert "koin_prod" in sql(host, "SELECT User FROM mysql.user")
    host.check_output("koin-backup full")
    # What was there before the takeover can still be restored: it was stored first.
    everything: dict[str, Any] = {"rows": ledger.must_be_there(time.time())}
    before = host.check_output("date --date=@%s '+%%F %%T UTC' --utc", str(int(ledger.rows[-1].acknowledged) + 2))
    assert everything["rows"] - restored(host, before) == set()
