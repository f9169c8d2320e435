"""The disaster: everything is lost but the backups and the passwords that open them. Called by `make rebuild`.

Transactions are written until the hosts die; afterwards each is accounted for. The bucket of the backups and its
passwords are what somebody has to keep: the rest is built from the declaration.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from rehearsal import COMMAND, REPOSITORY
from rehearsal.aws import control
from rehearsal.aws.client import client
from rehearsal.aws.state import REGION, LocalAwsError, State
from rehearsal.whole import INVENTORY, Parts

BUCKET, PASSWORD, HOST = "koin-backup", "/koin/db/backup/password", "KOIN_DB"
#: below it are the passwords of the hosts' own repositories
PASSWORDS = "/koin/backup"
TABLE = "koin_prod.rehearsal_ledger"
#: what may be lost: binary logs are stored every minute, and storing takes its time
ALLOWED_SECONDS = 90
_INSERT = f"INSERT INTO {TABLE} (at) VALUES (NOW(6))"
_WRITER = f"while mariadb --no-defaults --execute='{_INSERT}' || sleep 0.2; do sleep 0.05; done"


@dataclass(frozen=True)
class Ledger:
    """What is in the table: how many rows, the last number, and when that was committed (seconds since the epoch)."""

    rows: int
    last: int
    at: float

    @property
    def whole(self) -> bool:
        """No row before the last is missing."""
        return self.rows == self.last


@dataclass(frozen=True)
class Kept:
    """What survives: the objects of the bucket, and the passwords by parameter."""

    objects: dict[str, bytes] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict, repr=False)


def verdict(before: Ledger, after: Ledger, seconds: float) -> tuple[bool, str]:
    """Whether that is what backups promise, and a sentence."""
    lost = max(0.0, before.at - after.at)
    good = after.whole and after.rows > 0 and lost <= ALLOWED_SECONDS
    holes = "none before them is missing" if after.whole else f"{after.last - after.rows} BEFORE THEM ARE MISSING"
    return good, (
        f"{before.rows} transactions were committed, {after.rows} came back, {holes}. The last {lost:.0f} s were not "
        f"stored yet (RPO). From nothing to a verified platform: {seconds:.0f} s (RTO)."
    )


def on_host(*words: str) -> str:
    """What a command says on the database's host."""
    shell = [*COMMAND, "hosts", "shell", HOST, *words]
    done = subprocess.run(shell, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LocalAwsError(
            f"{HOST}: `{' '.join(words)}`: {done.stderr.strip()}. Is it configured? Run `make rehearse`."
        )
    return done.stdout


def sql(text: str) -> str:
    """As root on the database's host."""
    return on_host("sudo", "mariadb", "--no-defaults", "--batch", "--skip-column-names", f"--execute='{text}'")


def ledger() -> Ledger:
    """What is in the table now."""
    answer = sql(f"SELECT COUNT(*), COALESCE(MAX(number), 0), COALESCE(UNIX_TIMESTAMP(MAX(at)), 0) FROM {TABLE}")
    rows, last, at = answer.split()
    return Ledger(int(rows), int(last), float(at))


def keep(state: State) -> Kept:
    """Read what survives."""
    s3 = client(state, "s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    names = [item["Key"] for page in pages for item in page.get("Contents", [])]
    objects = {name: s3.get_object(Bucket=BUCKET, Key=name)["Body"].read() for name in names}
    ssm = client(state, "ssm")
    found = [
        ssm.get_parameter(Name=PASSWORD, WithDecryption=True)["Parameter"],
        *ssm.get_paginator("get_parameters_by_path")
        .paginate(Path=PASSWORDS, WithDecryption=True)
        .build_full_result()["Parameters"],
    ]
    return Kept(objects, {item["Name"]: item["Value"] for item in found})


def put_back(state: State, kept: Kept) -> None:
    """What an operator does first in an account that has neither."""
    s3 = client(state, "s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    for name, body in kept.objects.items():
        s3.put_object(Bucket=BUCKET, Key=name, Body=body)
    for name, value in kept.passwords.items():
        client(state, "ssm").put_parameter(Name=name, Value=value, Type="SecureString")


def write(seconds: int) -> Ledger:
    """Commit transactions up to the end."""
    sql(f"CREATE OR REPLACE TABLE {TABLE} (number INT PRIMARY KEY AUTO_INCREMENT, at DATETIME(6) NOT NULL)")
    on_host("sudo", "systemd-run", "--unit=ledger", "--collect", "sh", "-c", f'"{_WRITER}"')
    time.sleep(seconds)
    return ledger()


def lose(state: State) -> bool:
    """The hosts, the account, and everything in it."""
    done = subprocess.run([*COMMAND, "hosts", "down"], cwd=REPOSITORY, check=False)
    control.stop(state)
    control.start(state, empty=True)
    return done.returncode == 0


def main(argv: list[str] | None = None) -> int:
    """Write, lose, rebuild, count; 1 when anything is missing that was stored."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal rebuild", description=__doc__)
    parser.add_argument("--seconds", type=int, default=150, help="how long transactions are written before")
    parser.add_argument("--json", metavar="FILE", help="where to write the figures")
    options = parser.parse_args(argv)
    state, parts = State.from_environ(), Parts()
    try:
        print(f"== {options.seconds} s of transactions", flush=True)
        before = write(options.seconds)
        kept = keep(state)
        print("== everything is lost", flush=True)
        if not lose(state):
            return 1
        put_back(state, kept)
        began = time.monotonic()
        provision = ["ansible-playbook", "playbooks/provision.yml", "-i", f"{INVENTORY}/hosts.yml"]
        if not (
            parts.run("provision", *provision)
            and parts.run("hosts", *COMMAND, "hosts", "up")
            and parts.run("rebuild", "ansible-playbook", "playbooks/rebuild.yml", "-i", INVENTORY)
        ):
            return 1
        seconds = time.monotonic() - began
        after = ledger()
    except LocalAwsError as error:
        print(f"rehearsal: {error}", file=sys.stderr)
        return 1
    good, text = verdict(before, after, seconds)
    if options.json:
        figures = {"committed": before.rows, "back": after.rows, "lost": max(0.0, before.at - after.at), "rto": seconds}
        Path(options.json).write_text(json.dumps(figures))
    print(f"\n{parts.table()}\n\n{text}", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
