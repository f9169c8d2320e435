"""Records of runs: what the journal makes of them, what they tell together, and how an operator reads them."""

from __future__ import annotations

import io
import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.module_utils.platform import history, moments, records
from ansible.module_utils.platform.engine.errors import PlatformError
from ansible.module_utils.platform.engine.plan import plan
from ansible.module_utils.platform.engine.snapshot import Snapshot
from ansible.module_utils.platform.kinds import KINDS
from ansible.module_utils.platform.record_store import RecordStore, began
from ansible.module_utils.platform.recording import Journal, Recorder
from ansible.module_utils.platform.records import Record

from tests.support.memory_s3 import refusal
from tests.support.observed import declaration_of

REPOSITORY = Path(__file__).resolve().parents[2]
NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
PLAN = [{"action": "change", "kind": "bucket", "name": "b", "fields": [{"field": "versioning"}]}]


def at(minute: float) -> datetime:
    """A moment of the story."""
    return NOON + timedelta(minutes=minute)


def record(token: str = "t", minute: float = 0, **more: Any) -> Record:
    """A run without an end."""
    return Record(token, f"kim@laptop:{token}", "provision", moments.written(at(minute)), "1a2b3c4d5e", **more)


def buckets(**versioning: Any) -> Snapshot:
    """An account of buckets."""
    return {"bucket": {name: {"name": name, "fields": {"versioning": on}} for name, on in versioning.items()}}


def ran(token: str, minute: float, before: Snapshot, after: Snapshot | None, plan: Any = (), took: float = 2) -> Record:
    """A run that has seen the account, and again at its end unless it was killed."""
    entries = [{"plan": list(plan)}, records.observed(before, at(minute + 0.1))]
    if after is None:
        return records.completed(record(token, minute), entries)
    entries += [records.observed(after, at(minute + took - 0.1)), {"changed": 3, "over": False}]
    return records.completed(record(token, minute), entries, at(minute + took))


# --- One record


@pytest.mark.parametrize(
    ("entries", "result", "failed"),
    [
        ([], records.KILLED, {}),
        ([{"changed": 2}], records.KILLED, {}),
        ([{"over": False}], records.OK, {}),
        ([{"failing": {"task": "edge : Write", "host": "koin-prod"}}, {"over": True}], records.FAILED,
         {"task": "edge : Write", "host": "koin-prod"}),
        # What was rescued is no failure; what failed last is.
        ([{"failing": {"task": "x", "host": "y"}}, {"over": False}], records.OK, {}),
        ([{"failing": {"task": "x", "host": "y"}}, {"failing": {"task": "z", "host": "y"}}, {"over": True}],
         records.FAILED, {"task": "z", "host": "y"}),
        ([{"failing": {"task": "x", "host": "y"}}], records.KILLED, {}),
    ],
)  # fmt: skip
def test_how_a_run_has_ended(entries: list[dict[str, Any]], result: str, failed: dict[str, str]) -> None:
    done = records.completed(record(), entries, at(2))
    assert (done.result, done.failed, done.ended) == (result, failed, at(2))
    assert Record.parsed(done.text()).text() == done.text()


def test_a_run_without_an_end_is_under_way_while_it_holds_the_lock() -> None:
    assert records.state(record("t"), "t") == records.RUNNING
    assert records.state(record("t"), "other") == records.KILLED
    assert records.state(record("t"), "") == records.KILLED
    assert records.state(record("t", end=moments.written(at(1)), result="ok"), "t") == "ok"


def test_what_is_seen_first_and_last_is_kept_once_if_it_is_the_same() -> None:
    same = ran("t", 0, buckets(b=True), buckets(b=True))
    assert len(same.observations) == 2
    assert len(same.contents) == 1
    entries = [records.observed(buckets(b=on), at(minute)) for minute, on in enumerate((True, False, None))]
    done = records.completed(record(), entries)
    assert [one["at"] for one in done.observations] == [moments.written(at(0)), moments.written(at(2))]
    seen = [records.unpacked(done.contents[one["digest"]]) for one in done.observations]
    assert seen == [buckets(b=True), buckets(b=None)]


def test_the_plan_of_a_record_has_the_fields_of_changes_and_no_secret() -> None:
    vpc = {"VpcId": "vpc-1", "CidrBlock": "172.31.0.0/16", "Tags": [{"Key": "Name", "Value": "BCSDLab"}]}
    tags = {"Owner": "koin", "api_token": "horse-battery-staple"}
    declared = {
        "aws_network_vpcs": {"BCSDLab": {"cidr": "172.31.0.0/16", "tags": tags}},
        "aws_compute_key_pairs": {"koin": {"public_key": "ssh-ed25519 AAAA"}},
    }
    vpc["Tags"].append({"Key": "db_password", "Value": "correct-horse"})  # type: ignore[attr-defined]
    found = plan(declaration_of(declared), KINDS.empty() | {"vpcs": [vpc]}, KINDS, with_seen=True)
    entry = records.planned(found)
    assert [(item["action"], item["name"]) for item in entry["plan"]] == [("change", "BCSDLab"), ("create", "koin")]
    assert [change["field"] for change in entry["plan"][0]["fields"]] == ["tags.Owner", "tags.api_token"]
    assert "horse-battery" not in json.dumps(entry)
    seen = records.unpacked(records.observed(found.observed, NOON)["content"])
    assert seen["vpc"]["vpc-1"]["fields"]["tags.db_password"].startswith("(secret ")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "token": "x"}', "x"])
def test_what_is_no_record(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Record.parsed(text)


# --- The journal


class Kept:
    """Records in memory."""

    def __init__(self) -> None:
        self.puts: list[Record] = []
        self.down = False

    def put(self, record: Record) -> None:
        """Keep it, or fail like S3."""
        if self.down:
            raise PlatformError("no")
        self.puts.append(record)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Of a run."""
    return Journal(tmp_path / "run.jsonl")


def test_a_run_without_the_lock_notes_nothing(journal: Journal, tmp_path: Path) -> None:
    journal.note({"changed": 1})
    assert not journal.kept
    assert list(tmp_path.iterdir()) == []


def test_the_keeper_reads_the_journal_when_the_run_and_its_folder_are_gone(journal: Journal, tmp_path: Path) -> None:
    descriptor = journal.begin(record())
    kept = Kept()
    recorder = Recorder(descriptor, lambda: kept)
    recorder.look()
    assert kept.puts == []
    journal.note({"plan": PLAN})
    recorder.look()
    recorder.look()
    assert [(put.plan, put.end) for put in kept.puts] == [(PLAN, "")]
    journal.note({"failing": {"task": "x", "host": "y"}})
    with (tmp_path / "run.jsonl").open("ab") as file:
        file.write(b'{"over": tr')
    (tmp_path / "run.jsonl").unlink()
    recorder.end()
    os.close(descriptor)
    assert kept.puts[-1].result == records.KILLED
    assert kept.puts[-1].plan == PLAN
    assert kept.puts[-1].ended is not None


def test_a_plan_that_could_not_be_written_is_written_later(journal: Journal) -> None:
    descriptor, kept = journal.begin(record()), Kept()
    recorder = Recorder(descriptor, lambda: kept)
    journal.note({"plan": PLAN})
    kept.down = True
    recorder.look()
    kept.down = False
    recorder.look()
    kept.down = True
    recorder.end()
    os.close(descriptor)
    assert len(kept.puts) == 1


def test_a_journal_is_for_its_owner(journal: Journal, tmp_path: Path) -> None:
    os.close(journal.begin(record()))
    assert (tmp_path / "run.jsonl").stat().st_mode & 0o077 == 0
    assert journal.complete(at(1), records.OK).result == "ok"


# --- Several records


NONE, ON, OFF = buckets(), buckets(b=True), buckets(b=False)


def told(runs: list[Record], since: float, until: float = 1000, now: Snapshot | None = None) -> list[tuple[str, str]]:
    """By whom, what."""
    entry = None if now is None else records.observed(now, at(until))
    changes = records.changes(runs, at(since), at(until), entry)
    return [(change.by.token if change.by else "", line.field or ("+" if line.new else "-"))
            for change in changes for line in change.differences]  # fmt: skip


def test_what_a_run_planned_is_its_own_and_everything_else_is_outside() -> None:
    built = ran("a", 0, NONE, ON, [{"action": "create", "kind": "bucket", "name": "b", "fields": []}])
    repaired = ran("b", 10, OFF, ON, PLAN)
    idle = ran("c", 20, ON, ON)
    assert told([built, repaired, idle], 0) == [("a", "+"), ("", "versioning"), ("b", "versioning")]
    # From the last observation before.
    assert told([built, repaired, idle], 5) == [("", "versioning"), ("b", "versioning")]
    assert told([built, repaired, idle], 15) == []
    assert told([built, repaired, idle], 0, 5) == [("a", "+")]
    assert told([built, repaired, idle], 15, 30, OFF) == [("", "versioning")]
    assert told([built, repaired, idle], 15, 30, NONE) == [("", "-")]


def test_a_run_that_was_killed_made_what_it_had_planned() -> None:
    killed = ran("a", 0, OFF, None, PLAN)
    assert told([killed], 0, 30, ON) == [("a", "versioning")]
    assert told([killed], 0, 30, buckets(b=True, other=True)) == [("a", "versioning"), ("", "+")]
    # Its machine may have died: there is no end.
    assert killed.ended is None


def test_a_run_that_has_planned_without_seeing_everything() -> None:
    boundary = replace(record("p", 5, plan=PLAN), end=moments.written(at(6)), result="ok")
    assert told([ran("a", 0, OFF, OFF), boundary, ran("b", 10, ON, ON)], 0) == [("p", "versioning")]
    assert told([ran("a", 0, OFF, OFF), ran("b", 10, ON, ON), replace(boundary, begin=moments.written(at(20)),
                 end=moments.written(at(21)))], 0) == [("", "versioning")]  # fmt: skip


def test_a_run_that_deletes() -> None:
    gone = records.completed(record("d", 5), [records.deletions([("bucket", "b")]), {"over": False}], at(6))
    assert gone.writes == 1
    both = buckets(b=True, other=True)
    assert told([ran("a", 0, both, both), gone], 0, 10, NONE) == [("d", "-"), ("", "-")]


def test_what_follows_from_the_changes_of_a_run_is_not_outside() -> None:
    """Also at resources that its plan does not name; if it has planned nothing, it cannot be its own."""
    both = buckets(b=True, other=False)
    assert told([ran("a", 0, buckets(b=False, other=True), both, PLAN)], 0) == [
        ("a", "versioning"),
        ("a", "versioning"),
    ]
    assert told([ran("a", 0, buckets(b=False, other=True), both)], 0) == [("", "versioning"), ("", "versioning")]


def test_two_observations_are_needed() -> None:
    for runs in ([], [ran("a", 0, ON, None)]):
        with pytest.raises(LookupError):
            records.changes(runs, at(0), at(10))


# --- For people


def test_the_table_fits_a_terminal() -> None:
    runs = [
        ran("a", 0, OFF, ON, PLAN),
        records.completed(
            replace(record("b", 5), what="configure --limit koin-prod,koin-stage --tags edge", dirty=True),
            [{"changed": 1234}, {"failing": {"task": "edge : Write the configuration " * 4, "host": "koin-prod"}},
             {"over": True}],
            at(200),
        ),
        ran("c", 210, ON, None, PLAN),
    ]  # fmt: skip
    lines = history.table(runs, "")
    assert max(map(len, lines)) <= history.WIDTH
    text = "\n".join(lines)
    assert "kim@laptop    provision       ok         2m00s       1 1a2b3c4" in text
    assert "configure --li… failed " in text
    assert "3h15m" in text
    assert "    failed at edge : Write the configuration" in text
    assert "killed" in lines[-3]
    assert lines[-1] == "* files differed from the commit"
    assert "running" in "\n".join(history.table(runs, "c"))


def test_the_history_names_fields_and_who() -> None:
    runs = [ran("a", 0, OFF, ON, PLAN), ran("b", 10, buckets(b=True, x=True), buckets(b=True, x=True))]
    changes = records.changes(runs, at(0), at(100))
    text = "\n".join(history.told(changes))
    assert "kim@laptop:a (provision):\n  ~ bucket b\n      versioning: false -> true" in text
    assert text.endswith(":\n  + bucket x")
    assert "outside, between " in text
    assert history.outside(changes) == 1
    assert history.told([]) == ["Nothing changed in the account."]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-28 21:00 KST", NOON),
        ("2026-11-28T12:00:00Z", NOON),
        ("2026-11-28 21:00:00+0900", NOON),
        ("2026-11-28 21:00 Asia/Seoul", NOON),
        ("2h", NOON - timedelta(hours=2)),
        ("90 m", NOON - timedelta(minutes=90)),
        ("7d", NOON - timedelta(days=7)),
        ("2026-11-28 KST", datetime(2026, 11, 27, 15, tzinfo=UTC)),
    ],
)
def test_moments(text: str, expected: datetime) -> None:
    assert moments.moment(text, NOON) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "2026-11-28 25:00", "2026-11-28 12:00 MARS", "-2h"])
def test_no_moments(text: str) -> None:
    with pytest.raises(ValueError, match="write it like"):
        moments.moment(text, NOON)


def test_what_was_written_is_read_and_durations_are_short() -> None:
    assert moments.read(moments.written(NOON)) == NOON
    assert [moments.lasted(seconds) for seconds in (-1, 8.4, 252, 7500)] == ["0s", "8s", "4m12s", "2h05m"]


# --- The bucket


class S3:
    """A bucket with objects."""

    def __init__(self, objects: dict[str, str] | None) -> None:
        self.objects = objects
        self.meta = SimpleNamespace(service_model=SimpleNamespace(service_id="S3"))

    def get_paginator(self, name: str) -> S3:
        """Of the list."""
        return self

    def paginate(self, Bucket: str, Prefix: str) -> list[dict[str, Any]]:  # noqa: N803
        """Two pages; without a bucket none."""
        if self.objects is None:
            raise refusal("NoSuchBucket", "ListObjectsV2")
        names = [name for name in self.objects if name.startswith(Prefix)]
        return [{"Contents": [{"Key": name} for name in part]} for part in (names[1:], names[:1])]

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        """Its body."""
        if Key not in (self.objects or {}):
            raise refusal("NoSuchKey", "GetObject")
        return {"Body": io.BytesIO((self.objects or {})[Key].encode())}


def test_records_are_listed_by_time_and_read_without_what_is_none() -> None:
    first, second = record("aaaa", 0), record("bbbb", 1)
    store = RecordStore(
        S3({second.key: second.text(), first.key: first.text(), "runs/notes": "x", "lock.json": ""}), "b"
    )
    assert store.listed() == [first.key, second.key, "runs/notes"]
    assert store.read([*store.listed(), "runs/gone"]) == [first, second]
    assert RecordStore(S3(None), "b").listed() == []
    assert (began(first.key), began("runs/notes")) == (at(0), None)


def test_records_stay_for_a_while() -> None:
    declared = yaml.safe_load((REPOSITORY / "group_vars/all/aws_storage.yml").read_text())
    rule = declared["aws_storage_buckets"][declared["platform_bucket"]]["lifecycle"]["expire-runs"]
    assert rule["prefix"] == records.PREFIX
    assert rule["expire_days"] > 365
