"""Volumes, the cache and names of secrets: written, backed up, lost, restored, equal; the host destroys no backup."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from testinfra.backend.base import CommandResult
from testinfra.host import Host

testinfra_hosts = ["ansible://koin-prod"]

SCENARIO = Path(__file__).parents[1]
VOLUME = "koin-prod_uploads"
VOLUMES = "/var/lib/docker/volumes"
DATA = f"{VOLUMES}/{VOLUME}/_data"
METRICS = "/var/lib/prometheus/node-exporter"
SETTINGS = "/etc/koin/backup-data/settings.json"
RESTORED = "/var/lib/koin-backup-data/restored"
JOBS = ("volumes", "swarm", "valkey")
VALUES = ("throwaway-value-of-a-secret", "throwaway-value-of-a-config")
PASSWORDS = ("throwaway-repository-0123456789", "throwaway-admin-0123456789")
#: credentials of roles, from files/account.py of scenario backup: koin-prod's is this host's
ACCOUNT = json.loads(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "account.json").read_text())


def metric(host: Host, job: str, name: str) -> float | None:
    """A value that the node exporter reads."""
    text = host.check_output("cat %s", f"{METRICS}/backup-koin-prod-{job}.prom")
    found = re.search(rf'^koin_backup_{name}{{name="koin-prod-{job}"}} (\S+)$', text, re.MULTILINE)
    return float(found[1]) if found else None


def back_up(host: Host) -> float:
    """As the timer does; a moment at which it was complete."""
    # If it runs already, this waits for that one: the first backup does not count for what was written since.
    host.check_output("systemctl start koin-backup-data && systemctl start koin-backup-data")
    time.sleep(1.1)
    return time.time()


def shown(moment: float) -> str:
    """A moment as the restore takes it."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"


def restore(host: Host, what: str, to: str = "latest") -> str:
    """Beside the live data; what it says."""
    name = ["--name", VOLUME] if what == "volume" else []
    words = " ".join(name)
    found: str = host.check_output(f"koin-backup-data restore --what {what} {words} --to %s", to)
    return found


def beside(host: Host) -> str:
    """The newest restored volume."""
    listed = host.check_output(f"docker volume ls --filter label=koin.restored={VOLUME} --format '{{{{.Name}}}}'")
    return sorted(listed.split())[-1]


def content(host: Host, folder: str) -> str:
    """Everything in a folder, itself included: kinds, modes, owners, links, times and sums of files."""
    found: str = host.check_output(
        f"cd {folder} && find . -printf '%p %y %m %U %G %l\\n' | sort"
        " && find . -type f -printf '%p %s %T+\\n' | sort && find . -type f -exec sha256sum {} + | sort"
    )
    return found


def fill(host: Host, text: str = "first") -> str:
    """New content of the volume, with an owner, modes and a link; all of it."""
    host.check_output(
        f"cd {DATA} && find . -mindepth 1 -delete && mkdir -p 2026/11 && head -c 3000000 /dev/urandom > 2026/11/photo"
        f" && echo {text} > note && ln -s note link && touch empty && chown -R 65534:100 . && chmod 2750 . 2026"
        " && chmod 0600 note && touch -d '2020-02-02 02:02:02.123456789' note"
    )
    return content(host, DATA)


def in_container(host: Host, words: str) -> CommandResult:
    """In the task of the service that runs now."""
    return host.run(f"docker exec $(docker ps --quiet --filter volume={VOLUME} | head -1) /bin/busybox {words}")


def waited_for(happened: Callable[[], object], seconds: float = 60) -> None:
    """Until it has happened."""
    deadline = time.time() + seconds
    while not happened():
        assert time.time() < deadline
        time.sleep(0.5)


def fails(host: Host, verb: str, says: str) -> None:
    """A verb ends with one line that says why."""
    answer = host.run(f"koin-backup-data {verb}")
    assert answer.rc == 1, answer.stdout
    assert re.search(says, answer.stderr), answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1, answer.stderr


def restic(host: Host, *words: str, role: str = "reader", path: str = "") -> CommandResult:
    """What somebody who is root on the host can do, with the credentials of a role. path: of another repository."""
    read = (
        "import dataclasses, json, subprocess, sys; from koin_backup.repository import Repository;"
        "from koin_backup.settings import load_data; own = load_data(); keys, path = json.loads(sys.argv[1]);"
        "own = dataclasses.replace(own, environment=keys, path=path or own.path); r = Repository(own);"
        "sys.exit(subprocess.run(r.command(*sys.argv[2:]), env=r.environment(), timeout=120).returncode)"
    )
    keys = ACCOUNT[role]
    environment = {
        "AWS_ACCESS_KEY_ID": keys["id"],
        "AWS_SECRET_ACCESS_KEY": keys["secret"],
        "AWS_SESSION_TOKEN": keys["token"],
    }
    quoted = " ".join(f"'{word}'" for word in words)
    begin = "PYTHONPATH=/usr/local/lib/koin python3 -B -c %s %s"
    return host.run(f"{begin} {quoted}", read, json.dumps([environment, path]))


# --- Every night -----------------------------------------------------------------------------------------------------


def test_the_timer_is_on(host: Host) -> None:
    timer = host.service("koin-backup-data.timer")
    assert timer.is_running
    assert timer.is_enabled


def test_each_kind_is_measured(host: Host) -> None:
    fill(host)
    began = time.time()
    back_up(host)
    for job in JOBS:
        assert metric(host, job, "last_run_success") == 1, host.run("journalctl -u koin-backup-data -n 30").stdout
        assert (metric(host, job, "last_success_timestamp_seconds") or 0) >= began
        assert host.run("runuser -u nobody -- cat %s", f"{METRICS}/backup-koin-prod-{job}.prom").rc == 0
    assert (metric(host, "volumes", "size_bytes") or 0) >= 3_000_000
    assert (metric(host, "valkey", "size_bytes") or 0) > 0
    # What has not changed is stored once.
    back_up(host)
    assert (metric(host, "volumes", "stored_bytes") or 0) < 100_000


def test_what_can_be_restored_is_listed(host: Host) -> None:
    back_up(host)
    lines = host.check_output("koin-backup-data list").splitlines()
    kinds = {line.split(" bytes  ")[1] for line in lines}
    assert kinds == {f"volume {VOLUME}", "names", "valkey"}
    assert all(re.match(r"[0-9a-f]{8}  [-0-9]+ [:0-9]+ KST  +\d+ bytes  ", line) for line in lines)


# --- A volume --------------------------------------------------------------------------------------------------------


def test_a_lost_volume_comes_back_as_it_was(host: Host) -> None:
    before = fill(host)
    back_up(host)
    host.check_output(f"find {DATA} -mindepth 1 -delete && chown 0:0 {DATA} && chmod 0700 {DATA}")
    said = restore(host, "volume")
    restored = beside(host)
    assert restored in said
    assert content(host, f"{VOLUMES}/{restored}/_data") == before
    # The live one is as it was: empty.
    assert host.check_output(f"ls -A {DATA}") == ""
    assert in_container(host, "ls -A /data").stdout == ""
    container = host.check_output(f"docker ps --quiet --filter volume={VOLUME}")
    said = host.check_output(f"koin-backup-data take-over --what volume --name {VOLUME}")
    assert "containers were stopped (1)" in said
    assert content(host, DATA) == before
    # Another task has taken the place of the one that held the former folder.
    waited_for(lambda: in_container(host, "cat /data/note").stdout == "first\n")
    assert host.check_output(f"docker ps --quiet --filter volume={VOLUME}") != container
    assert host.check_output(f"ls -A {VOLUMES}/{restored}/_data") == ""
    # Done again, it is undone.
    host.check_output(f"koin-backup-data take-over --what volume --name {VOLUME}")
    assert host.check_output(f"ls -A {DATA}") == ""
    host.check_output(f"koin-backup-data take-over --what volume --name {VOLUME}")
    assert content(host, DATA) == before


def test_a_moment_is_restored(host: Host) -> None:
    first = fill(host, "first")
    moment = back_up(host)
    fill(host, "second")
    back_up(host)
    restore(host, "volume", shown(moment))
    assert content(host, f"{VOLUMES}/{beside(host)}/_data") == first
    fails(host, f"restore --what volume --name {VOLUME} --to '2020-01-01 00:00:00 KST'", "The oldest is of")
    fails(host, "restore --what volume --name koin-prod_upload --to latest", f"It has: .*volume {VOLUME}")


def test_a_volume_that_does_not_exist_any_more_comes_back(host: Host) -> None:
    """As on a new host: nothing is there but the repository."""
    before = fill(host)
    back_up(host)
    gone = f"docker container prune --force; docker volume rm --force {VOLUME}; test ! -e {VOLUMES}/{VOLUME}"
    host.check_output("docker service scale koin-prod_api=0")
    try:
        waited_for(lambda: host.run(gone).rc == 0)
        assert host.run("systemctl start koin-backup-data").rc != 0
        assert metric(host, "volumes", "last_run_success") == 0
        # The others do not wait for it.
        assert metric(host, "swarm", "last_run_success") == 1
        assert metric(host, "valkey", "last_run_success") == 1
        said = host.check_output("journalctl --unit=koin-backup-data --invocation=0 --output=cat")
        assert f"volumes: the volume {VOLUME} is not on this host" in said
        restore(host, "volume")
        host.check_output(f"koin-backup-data take-over --what volume --name {VOLUME}")
        assert content(host, DATA) == before
    finally:
        host.check_output("docker service scale koin-prod_api=1")
    waited_for(lambda: in_container(host, "cat /data/note").stdout == "first\n")
    back_up(host)
    assert metric(host, "volumes", "last_run_success") == 1


def test_a_restore_that_fails_leaves_nothing(host: Host) -> None:
    fill(host)
    back_up(host)
    before = host.check_output("docker volume ls --quiet | sort")
    with s3_down(host):
        fails(host, f"restore --what volume --name {VOLUME} --to latest", "S3 does not answer")
    assert host.check_output("docker volume ls --quiet | sort") == before


# --- Names of secrets ------------------------------------------------------------------------------------------------


def test_missing_secrets_are_named_and_values_are_nowhere(host: Host) -> None:
    back_up(host)
    host.check_output("docker secret rm koin-prod_token-1")
    try:
        lines = [line.split() for line in restore(host, "names").splitlines()[1:]]
        assert lines == [
            ["secret", "exists", "koin-prod_database-1"],
            ["secret", "MISSING", "koin-prod_token-1"],
            ["config", "exists", "koin-prod_settings-1"],
        ]
    finally:
        host.check_output(f"echo {VALUES[0]} | docker secret create koin-prod_token-1 -")
    stored = restic(host, "dump", "--tag", "names", "latest", "/var/lib/koin-backup-data/swarm-names.json")
    assert json.loads(stored.stdout)["secret"] == ["koin-prod_database-1", "koin-prod_token-1"]
    assert [value for value in VALUES if value in stored.stdout] == []
    fails(host, "take-over --what names", "Names are kept, not values")


# --- The cache -------------------------------------------------------------------------------------------------------


def valkey(host: Host, words: str) -> str:
    """As administrator."""
    found: str = host.check_output(f"valkey-admin {words}")
    return found


def test_a_lost_cache_comes_back(host: Host) -> None:
    """The append-only file is on, so the snapshot must become its base."""
    assert valkey(host, "CONFIG GET appendonly").split() == ["appendonly", "yes"]
    valkey(host, "FLUSHALL")
    for number in range(20):
        valkey(host, f"SET prod:key{number} value{number}")
    valkey(host, "HSET prod:hash a 1 b 2")
    valkey(host, "SET prod:session x EX 100000")
    back_up(host)
    valkey(host, "SET prod:later 1")
    said = restore(host, "valkey")
    assert "22 keys" in said
    assert valkey(host, "GET prod:later").strip() == "1"
    valkey(host, "FLUSHALL")
    said = host.check_output("koin-backup-data take-over --what valkey")
    waited_for(lambda: host.run("valkey-admin PING").stdout.strip() == "PONG")
    assert valkey(host, "DBSIZE").strip() == "22"
    assert valkey(host, "GET prod:key7").strip() == "value7"
    assert valkey(host, "HGETALL prod:hash").split() == ["a", "1", "b", "2"]
    assert 0 < int(valkey(host, "TTL prod:session")) <= 100000
    assert valkey(host, "EXISTS prod:later").strip() == "0"
    # It stays after a restart, and the server writes on.
    valkey(host, "SET prod:after 1")
    host.check_output("systemctl restart valkey-server")
    waited_for(lambda: host.run("valkey-admin PING").stdout.strip() == "PONG")
    assert valkey(host, "GET prod:after").strip() == "1"
    assert valkey(host, "GET prod:key7").strip() == "value7"
    (former,) = host.check_output(f"ls -d {RESTORED}/replaced-*").split()
    assert former in said
    assert host.check_output("stat --format='%U %a' /var/lib/valkey") == host.check_output(
        f"stat --format='%U %a' {former}"
    )
    assert not host.file("/var/lib/valkey/koin-restored").exists
    host.check_output(f"rm -r {former}")


def test_a_backup_while_valkey_saves_by_itself(host: Host) -> None:
    valkey(host, "SET prod:busy 1")
    host.check_output(
        "systemd-run --unit=saver --collect sh -c 'while :; do valkey-admin BGSAVE; valkey-admin BGREWRITEAOF; done'"
    )
    try:
        back_up(host)
    finally:
        host.check_output("systemctl stop saver")
    assert metric(host, "valkey", "last_run_success") == 1


def test_a_cache_that_is_down_is_told(host: Host) -> None:
    host.check_output("systemctl stop valkey-server")
    try:
        fails(host, "run", "valkey: Valkey: INFO persistence: ")
        assert metric(host, "valkey", "last_run_success") == 0
        assert metric(host, "volumes", "last_run_success") == 1
    finally:
        host.check_output("systemctl start valkey-server")
    back_up(host)


# --- When something is wrong -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def s3_down(host: Host) -> Iterator[None]:
    """Nothing listens where S3 is expected."""
    host.check_output(
        "cp /etc/hosts /var/tmp/hosts && sed 's/.* local-aws/127.0.0.1 local-aws/' /var/tmp/hosts > /etc/hosts"
    )
    try:
        yield
    finally:
        host.check_output("cat /var/tmp/hosts > /etc/hosts")


def test_s3_down_is_told_of_each_and_the_last_success_stays(host: Host) -> None:
    back_up(host)
    success = {job: metric(host, job, "last_success_timestamp_seconds") for job in JOBS}
    with s3_down(host):
        fails(host, "run", "volumes: S3 does not answer.*swarm: S3 does not answer.*valkey: S3 does not answer")
        assert host.run("systemctl start koin-backup-data").rc != 0
    for job in JOBS:
        assert metric(host, job, "last_run_success") == 0
        assert metric(host, job, "last_success_timestamp_seconds") == success[job]
    back_up(host)
    assert [metric(host, job, "last_run_success") for job in JOBS] == [1, 1, 1]


def test_a_killed_run_leaves_no_lock(host: Host) -> None:
    host.check_output(f"head -c 150000000 /dev/urandom > {DATA}/big")
    try:
        host.check_output("systemctl start --no-block koin-backup-data")
        waited_for(lambda: restic(host, "list", "locks", "--no-lock").stdout.split())
        host.check_output("systemctl kill --signal=KILL koin-backup-data")
        time.sleep(1)
        assert restic(host, "list", "locks", "--no-lock").stdout.split()
    finally:
        host.check_output(f"rm {DATA}/big")
    assert "was killed: removing its lock" in host.check_output("koin-backup-data run")
    assert restic(host, "list", "locks", "--no-lock").stdout.split() == []


# --- Somebody who took a host over -----------------------------------------------------------------------------------


def test_the_host_destroys_no_backup(host: Host) -> None:
    back_up(host)
    before = host.check_output("koin-backup-data list")
    oldest = before.split()[0]
    for words in (["forget", oldest], ["forget", "--keep-last", "1", "--group-by", "host", "--prune"]):
        answer = restic(host, *words)
        assert "not authorized to perform: s3:DeleteObject" in answer.stderr, answer.stderr
    host.check_output("koin-backup-data unlock")
    assert host.check_output("koin-backup-data list") == before
    assert restic(host, "check", "--read-data").rc == 0


@pytest.mark.parametrize("role", ["key", "other"])
def test_other_hosts_neither_read_nor_write_it(host: Host, role: str) -> None:
    """Not even with the password: the database's host, and one of another stage."""
    back_up(host)
    assert restic(host, "cat", "config", "--no-lock").rc == 0
    refused = restic(host, "cat", "config", "--no-lock", role=role)
    assert refused.rc != 0
    assert re.search("Access ?Denied|not authorized to perform", refused.stderr), refused.stderr


@pytest.mark.parametrize("path", ["hosts/koin-stage", "hosts/koin-db", "hosts/new"])
def test_the_host_makes_no_repository_elsewhere(host: Host, path: str) -> None:
    refused = restic(host, "init", path=path)
    assert refused.rc != 0
    assert re.search("Access ?Denied|not authorized to perform", refused.stderr), refused.stderr


def test_no_secret_is_seen_in_processes_and_logs(host: Host) -> None:
    back_up(host)
    seen = host.check_output("cat /var/tmp/processes; journalctl --unit='koin-backup*' --output=cat")
    assert "restic" in seen
    for secret in PASSWORDS:
        assert [line for line in seen.splitlines() if secret in line] == []
    assert host.file("/etc/koin/backup-data").mode == 0o700
    for name in ("password", "settings.json"):
        assert host.file(f"/etc/koin/backup-data/{name}").mode == 0o600


# --- From the controller ---------------------------------------------------------------------------------------------


def playbook(name: str) -> str:
    """Run a playbook of the scenario on its host."""
    command = ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], str(SCENARIO / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_playbooks_show_what_they_did(host: Host) -> None:
    before = fill(host)
    said = playbook("verbs.yml")
    assert re.search(rf"volume {VOLUME}: \d+ files, \d+ bytes read", said), said
    assert re.search(r"secret +exists +koin-prod_database-1", said), said
    assert re.search(rf"{VOLUME} as of .* KST is in the volume {VOLUME}_restored_", said), said
    assert "what was there before is in the volume" in said
    assert content(host, DATA) == before


def test_what_is_not_declared_any_more_is_not_backed_up(host: Host) -> None:
    back_up(host)
    playbook("nothing.yml")
    assert host.run("systemctl is-active koin-backup-data.timer").stdout.strip() == "inactive"
    for path in (
        "/etc/systemd/system/koin-backup-data.timer",
        "/etc/systemd/system/koin-backup-data.service",
        *(f"{METRICS}/backup-koin-prod-{job}.prom" for job in JOBS),
    ):
        assert not host.file(path).exists, path
    # What was backed up can still be restored.
    restore(host, "volume")
    playbook("converge.yml")
    assert host.service("koin-backup-data.timer").is_running
    back_up(host)
