"""What of a host is backed up besides the database, what a restore takes, and who may reach it (role backup_data)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible.module_utils.platform.engine.errors import DeclarationError
from ansible.module_utils.platform.engine.workflow import declaration_of
from ansible.module_utils.platform.kinds import KINDS
from ansible.module_utils.platform.kinds.iam import host_policy

from plugins.filter import declared as filters
from roles.backup.files.koin_backup import cache, data, kept, swarm, volumes
from roles.backup.files.koin_backup.jobs import Done
from roles.backup.files.koin_backup.kept import Kept
from roles.backup.files.koin_backup.repository import Repository
from roles.backup.files.koin_backup.settings import BackupError, DataSettings, load_data
from tests.support.exchange import swapped
from tests.support.platform import declared, specs

UPLOADS = "koin-prod_uploads"


def settings(folder: Path, **more: Any) -> DataSettings:
    """Settings whose files are in a folder."""
    for name in ("state", "run", "docker"):
        (folder / name).mkdir()
    paths: dict[str, Any] = {name: str(folder / name) for name in ("state", "cache", "run", "docker")}
    return DataSettings(
        "koin-prod", "http://127.0.0.1:9", "ap-northeast-2", "koin-backup", "/p", metrics=str(folder), **paths, **more
    )


class Recorded(Repository):
    """A repository that notes what is stored."""

    def __init__(self, own: DataSettings, refused: str = "") -> None:
        super().__init__(own)
        self.stored: list[tuple[str, list[str]]] = []
        self._refused = refused

    def check_reachable(self) -> None:
        """It is."""

    def backup(self, words: Any, tags: Any, what: str = "") -> dict[str, Any]:
        """Note it, or refuse one path."""
        if words[0] == self._refused:
            raise BackupError("got only part of the files")
        self.stored.append((words[0], list(tags)))
        return {"total_bytes_processed": 10, "data_added": 4, "total_files_processed": 1}


# --- What is stored --------------------------------------------------------------------------------------------------


def test_each_volume_is_a_backup_of_its_own(tmp_path: Path) -> None:
    own = settings(tmp_path, volumes=["a_one", "a_two"])
    for name in own.volumes:
        (tmp_path / "docker" / name / "_data").mkdir(parents=True)
    repository = Recorded(own)
    assert volumes.store(own, repository) == Done(20, 8)
    assert repository.stored == [
        (f"{tmp_path}/docker/a_one/_data", ["volume", "name=a_one"]),
        (f"{tmp_path}/docker/a_two/_data", ["volume", "name=a_two"]),
    ]


def test_a_volume_that_is_not_there_fails_the_run_after_the_others(tmp_path: Path) -> None:
    own = settings(tmp_path, volumes=["a_gone", "a_one", "a_two"])
    for name in ("a_one", "a_two"):
        (tmp_path / "docker" / name / "_data").mkdir(parents=True)
    repository = Recorded(own, refused=f"{tmp_path}/docker/a_one/_data")
    with pytest.raises(BackupError, match=r"the volume a_gone is not on this host\..*; a_one: got only part"):
        volumes.store(own, repository)
    assert [tags for _, tags in repository.stored] == [["volume", "name=a_two"]]


def test_names_are_stored_and_no_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def docker(*words: str) -> list[str]:
        asked.append(words)
        return {"secret": ["koin-prod_b-2", "koin-prod_a-1"], "config": []}[words[0]]

    monkeypatch.setattr(swarm, "docker", docker)
    own = settings(tmp_path, swarm=True)
    repository = Recorded(own)
    swarm.store(own, repository)
    path = tmp_path / "state/swarm-names.json"
    assert json.loads(path.read_text()) == {"secret": ["koin-prod_a-1", "koin-prod_b-2"], "config": []}
    assert repository.stored == [(str(path), ["names"])]
    assert asked == [(sort, "ls", "--format", "{{.Name}}") for sort in ("secret", "config")]


def test_a_job_that_fails_does_not_keep_the_others_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swarm, "docker", lambda *_: [])
    own = settings(tmp_path, volumes=["a_gone"], swarm=True)
    with pytest.raises(BackupError, match=r"^volumes: the volume a_gone"):
        data.run_all(own, Recorded(own))
    text = {job: (tmp_path / f"backup-koin-prod-{job}.prom").read_text() for job in ("volumes", "swarm")}
    assert 'koin_backup_last_run_success{name="koin-prod-volumes"} 0.0\n' in text["volumes"]
    assert "last_success_timestamp" not in text["volumes"]
    assert 'koin_backup_last_success_timestamp_seconds{name="koin-prod-swarm"}' in text["swarm"]


@pytest.mark.parametrize(
    ("more", "jobs"),
    [
        ({}, []),
        ({"valkey": True}, ["valkey"]),
        ({"volumes": ["a_b"]}, ["volumes"]),
        ({"swarm": True, "volumes": ["a_b"]}, ["volumes", "swarm"]),
    ],
)
def test_a_host_does_what_is_declared_for_it(tmp_path: Path, more: dict[str, Any], jobs: list[str]) -> None:
    assert [name for name, _ in data.declared(settings(tmp_path, **more))] == jobs


def test_the_repository_is_below_its_path(tmp_path: Path) -> None:
    repository = Repository(settings(tmp_path, path="hosts/koin-prod"))
    assert repository.environment()["RESTIC_REPOSITORY"] == "s3:http://127.0.0.1:9/koin-backup/hosts/koin-prod"
    assert "koin-backup/hosts/koin-prod at" in str(repository.failure("backup", 12, "x"))
    assert "backup_data_password" in str(repository.failure("backup", 12, "x"))
    assert "`koin-backup-data unlock`" in str(repository.failure("backup", 11, "x"))
    assert "playbooks/configure/backups.yml" in str(repository.failure("backup", 10, "x"))


def test_settings_that_cannot_be_read_name_their_playbook(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"colour": "red"}')
    with pytest.raises(BackupError, match=r"Run playbooks/configure/backups.yml again"):
        load_data(tmp_path / "bad.json")


# --- What a restore takes --------------------------------------------------------------------------------------------


def raw(name: str, day: int, *tags: str) -> dict[str, Any]:
    """As restic lists a snapshot."""
    at = f"2026-11-{day:02}T04:40:00"
    return {
        "id": name,
        "time": f"{at}.123456789+09:00",
        "tags": list(tags),
        "paths": [f"/v/{name}"],
        "summary": {"backup_end": f"{at[:-2]}09.123456789+09:00", "total_bytes_processed": day},
    }


RAW = [
    raw("new", 28, "volume", f"name={UPLOADS}"),
    raw("old", 26, "volume", f"name={UPLOADS}"),
    raw("other", 29, "volume", "name=koin-prod_other"),
    raw("names", 27, "names"),
    raw("strange", 30, "somebody"),
]


def test_only_own_snapshots_are_read_in_order() -> None:
    found = kept.read(RAW)
    assert [item.id for item in found] == ["old", "names", "new", "other"]
    when = datetime(2026, 11, 25, 19, 40, 9, 123456, tzinfo=UTC)
    assert found[0] == Kept("old", "volume", UPLOADS, when, 26, "/v/old")
    assert str(found[0]) == f"old  2026-11-26 04:40:09 KST            26 bytes  volume {UPLOADS}"


@pytest.mark.parametrize(
    ("to", "found"),
    [
        ("latest", "new"),
        ("2026-11-28 04:40:10 KST", "new"),
        ("2026-11-28 04:40:09 KST", "old"),
        ("2026-11-26 04:40:10 KST", "old"),
    ],
)
def test_the_newest_that_was_complete_is_chosen(to: str, found: str) -> None:
    assert kept.chosen(kept.read(RAW), "volume", UPLOADS, to).id == found


@pytest.mark.parametrize(
    ("name", "to", "said"),
    [
        (UPLOADS, "2026-11-26 04:40:09 KST", r"The oldest is of 2026-11-26 04:40:09 KST"),
        ("koin-prod_upload", "latest", rf"no backup of volume koin-prod_upload\. It has: names, .*volume {UPLOADS}"),
        (UPLOADS, "yesterday", "write it like"),
    ],
)
def test_what_cannot_be_restored_is_said(name: str, to: str, said: str) -> None:
    with pytest.raises(BackupError, match=said):
        kept.chosen(kept.read(RAW), "volume", name, to)


def test_names_are_compared_with_what_exists() -> None:
    before = {"secret": ["a", "b"], "config": ["c"]}
    assert list(swarm.compared(before, {"secret": ["b", "new"]})) == [
        "secret  MISSING  a",
        "secret  exists   b",
        "config  MISSING  c",
    ]


# --- Into a volume, and in place -------------------------------------------------------------------------------------


class Engine:
    """An engine whose volumes are folders."""

    def __init__(self, folder: Path, running: tuple[str, ...] = ()) -> None:
        self.folder, self.running = folder, list(running)
        self.stopped: list[str] = []

    def __call__(self, *words: str) -> list[str]:
        """What the program asks of it."""
        if words[:2] == ("volume", "create"):
            (self.folder / words[-1] / "_data").mkdir(parents=True, exist_ok=True)
        elif words[:2] == ("volume", "rm"):
            subprocess.run(["rm", "-r", str(self.folder / words[-1])], check=True)
        elif words[:2] == ("volume", "ls"):
            return sorted(path.name for path in self.folder.glob("*_restored_*"))
        elif words[0] == "ps":
            return self.running
        elif words[0] == "stop":
            self.stopped += words[1:]
        return []


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """With one running container."""
    found = Engine(tmp_path / "docker", ("c1",))
    monkeypatch.setattr(volumes, "docker", found)
    monkeypatch.setattr(volumes, "exchange", swapped)
    yield found


class Filled(Recorded):
    """A repository from which one file is restored, or nothing."""

    fails = False

    def restore(self, what: str, *words: str) -> None:
        """Restore, as restic does: below the target, with the whole path."""
        folder = Path(words[words.index("--target") + 1], "former/place/_data")
        folder.mkdir(parents=True)
        (folder / "file").write_text("restored")
        if self.fails:
            raise BackupError("restic: broken")


SNAPSHOT = Kept("id", "volume", UPLOADS, datetime(2026, 11, 26, tzinfo=UTC), 8, "/former/place/_data")


def test_a_volume_is_restored_beside_the_live_one_and_takes_its_place(tmp_path: Path, engine: Engine) -> None:
    own = settings_with_live(tmp_path)
    said = volumes.restore(own, Filled(own), SNAPSHOT)
    (beside,) = (path for path in (tmp_path / "docker").iterdir() if "restored" in path.name)
    assert beside.name in said
    assert sorted(path.name for path in beside.iterdir()) == ["_data"]
    live = tmp_path / "docker" / UPLOADS / "_data/file"
    assert ((beside / "_data/file").read_text(), live.read_text()) == ("restored", "live")
    assert engine.stopped == []
    said = volumes.take_over(own, UPLOADS)
    assert (live.read_text(), (beside / "_data/file").read_text()) == ("restored", "live")
    assert engine.stopped == ["c1"]
    assert "containers were stopped (1), and the Swarm starts others" in said
    assert f"what was there before is in the volume {beside.name}" in said
    # Again: as it was.
    volumes.take_over(own, UPLOADS)
    assert live.read_text() == "live"


def settings_with_live(folder: Path) -> DataSettings:
    """Settings with a live volume."""
    own = settings(folder, volumes=[UPLOADS])
    (folder / "docker" / UPLOADS / "_data").mkdir(parents=True)
    (folder / "docker" / UPLOADS / "_data/file").write_text("live")
    return own


def test_a_restore_that_fails_leaves_no_volume(tmp_path: Path, engine: Engine) -> None:
    own = settings_with_live(tmp_path)
    repository = Filled(own)
    repository.fails = True
    with pytest.raises(BackupError, match="broken"):
        volumes.restore(own, repository, SNAPSHOT)
    assert [path.name for path in (tmp_path / "docker").iterdir()] == [UPLOADS]


def test_nothing_restored_takes_no_place(tmp_path: Path, engine: Engine) -> None:
    with pytest.raises(BackupError, match="Restore one first"):
        volumes.take_over(settings_with_live(tmp_path), UPLOADS)
    with pytest.raises(BackupError, match="Names are kept, not values"):
        data.take_over(settings_of_nothing(tmp_path), "names", "")


def settings_of_nothing(folder: Path) -> DataSettings:
    """Settings of a host without data."""
    return DataSettings("h", "e", "r", "b", "p", metrics=str(folder))


# --- The cache -------------------------------------------------------------------------------------------------------


class Server:
    """A Valkey that answers as it is told: INFO by a list of (saving, rewriting, last status), BGSAVE by replies."""

    def __init__(self, states: list[tuple[int, int, str]], refusals: list[str]) -> None:
        self.states, self.refusals = states, refusals
        self.saves = 0

    def __call__(self, *words: str) -> str:
        """Its answer."""
        if words == ("INFO", "persistence"):
            saving, rewriting, last = self.states.pop(0)
            return (
                f"# Persistence\r\nrdb_bgsave_in_progress:{saving}\r\naof_rewrite_in_progress:{rewriting}\r\n"
                f"rdb_last_bgsave_status:{last}\r\n"
            )
        assert words == ("BGSAVE",)
        if self.refusals and (said := self.refusals.pop(0)):
            raise BackupError(said)
        self.saves += 1
        return "Background saving started"


@pytest.mark.parametrize(
    ("states", "refusals"),
    [
        ([(0, 0, "ok"), (1, 0, "ok"), (0, 0, "ok")], []),
        # One that failed before does not count, one that runs is not this one.
        ([(1, 0, "err"), (0, 1, "err"), (0, 0, "err"), (0, 0, "ok")], []),
        ([(0, 0, "ok"), (1, 0, "ok"), (0, 0, "ok"), (0, 0, "ok")], ["ERR Background save already in progress"]),
        ([(0, 0, "ok"), (0, 0, "ok"), (0, 0, "ok")], ["ERR Another child process is active (AOF?)"]),
    ],
)
def test_a_snapshot_is_awaited(states: list[tuple[int, int, str]], refusals: list[str]) -> None:
    server = Server(states, refusals)
    cache.save(server, pause=0)
    assert (server.saves, server.states) == (1, [])


@pytest.mark.parametrize(
    ("states", "refusals", "said"),
    [
        ([(0, 0, "ok"), (1, 0, "ok"), (0, 0, "err")], [], "could not write its snapshot"),
        ([(0, 0, "ok")], ["Valkey: BGSAVE: LOADING"], "LOADING"),
    ],
)
def test_a_snapshot_that_fails_is_told(states: list[tuple[int, int, str]], refusals: list[str], said: str) -> None:
    with pytest.raises(BackupError, match=said):
        cache.save(Server(states, refusals), pause=0)


def test_a_restored_cache_takes_over_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before the server has started, it goes on, and does not change back."""
    live, beside = tmp_path / "live", tmp_path / "restored/valkey-1"
    for folder, text in ((live, "live"), (beside, "restored")):
        folder.mkdir(parents=True)
        (folder / "dump.rdb").write_text(text)
    (beside / "koin-restored").touch()
    own = DataSettings("h", "e", "r", "b", "p", metrics="m", cached=str(live), scratch=str(tmp_path / "restored"))
    calls: list[str] = []

    def run(command: list[str], what: str) -> str:
        calls.append(command[1])
        if calls == ["stop", "start"]:
            raise BackupError("killed")
        return ""

    monkeypatch.setattr(cache, "_run", run)
    monkeypatch.setattr(cache, "exchange", swapped)
    with pytest.raises(BackupError, match="killed"):
        cache.take_over(own)
    said = cache.take_over(own)
    assert calls == ["stop", "start", "start"]
    assert [path.read_text() for path in live.iterdir()] == ["restored"]
    (former,) = (tmp_path / "restored").iterdir()
    assert former.name.startswith("replaced-")
    assert (former / "dump.rdb").read_text() == "live"
    assert f"{former.parent}/replaced-" in said
    with pytest.raises(BackupError, match="Restore one first"):
        cache.take_over(own)


def test_another_restore_of_the_cache_after_a_killed_take_over_is_the_one_that_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, top = tmp_path / "live", tmp_path / "restored"
    for folder, text in ((live, "live"), (top / "valkey-1", "noon")):
        folder.mkdir(parents=True)
        (folder / "dump.rdb").write_text(text)
    (top / "valkey-1/koin-restored").touch()
    own = DataSettings("h", "e", "r", "b", "p", metrics="m", cached=str(live), scratch=str(top))
    monkeypatch.setattr(cache, "_run", lambda *_: "")
    monkeypatch.setattr(cache, "exchange", swapped)
    # Killed when both had changed places.
    swapped(top / "valkey-1", live)
    (top / "valkey-2").mkdir()
    (top / "valkey-2/dump.rdb").write_text("dawn")
    (top / "valkey-2/koin-restored").touch()
    cache.take_over(own)
    assert (live / "dump.rdb").read_text() == "dawn"
    assert [(top / f"replaced-{number}/dump.rdb").read_text() for number in (1, 2)] == ["live", "noon"]
    assert list(top.glob("valkey-*")) == []
    # One from before, which nobody wanted.
    (top / "valkey-0").mkdir()
    (top / "valkey-0/koin-restored").touch()
    with pytest.raises(BackupError, match="Restore one first"):
        cache.take_over(own)


# --- What is declared ------------------------------------------------------------------------------------------------

STACKS: dict[str, Any] = {
    "koin-prod": {
        "swarm": "production",
        "services": {
            "api": {
                "placement": {"env": "prod"},
                "mounts": {
                    "/data": {"source": "uploads", "read_only": False, "backup": True},
                    "/cache": {"source": "cache", "read_only": False},
                    "/etc/ssl": {"source": "/etc/ssl"},
                },
            },
            "web": {"placement": {"env": "stage"}, "mounts": {"/x": {"source": "x", "backup": True}}},
            "job": {},
        },
    }
}


@pytest.mark.parametrize(
    ("labels", "found"), [({"env": "prod"}, [UPLOADS]), ({"env": "stage"}, ["koin-prod_x"]), ({}, [])]
)
def test_volumes_are_backed_up_where_their_service_runs(labels: dict[str, str], found: list[str]) -> None:
    assert filters.backed_up_volumes(STACKS, labels) == found


@pytest.mark.parametrize(
    ("mount", "said"),
    [({"source": "/srv", "backup": True}, "is a path on the node"), ({"source": "a", "backup": "yes"}, "neither true")],
)
def test_a_mount_that_cannot_be_backed_up_is_refused(mount: dict[str, Any], said: str) -> None:
    stacks = {"a": {"services": {"b": {"placement": {"env": "other"}, "mounts": {"/c": mount}}}}}
    with pytest.raises(AnsibleFilterError, match=rf"platform_stacks.a.services.b.mounts./c.backup: .*{said}"):
        filters.backed_up_volumes(stacks, {"env": "prod"})


def test_the_role_app_does_not_see_what_is_backed_up() -> None:
    clusters = {"production": {"managers": ["m"]}}
    found = filters.app_stacks(STACKS, {}, {}, {}, clusters, "production")["koin-prod"]["services"]
    assert found["api"]["mounts"]["/data"] == {"source": "uploads", "read_only": False}
    assert "mounts" not in found["job"]


def test_each_host_has_a_repository_and_a_password_of_its_own() -> None:
    roles: dict[str, dict[str, Any]] = {
        "koin-prod": {"repositories": {"koin-backup": "hosts/koin-prod"}},
        "koin-db": {"buckets": {}},
    }
    own = {"bucket": "koin-backup", "path": "hosts/koin-prod", "secret": "backup_koin_prod"}
    assert filters.host_repository(roles, "koin-prod") == own
    for name in ("koin-db", "", "unknown"):
        assert filters.host_repository(roles, name) == {"bucket": "", "path": "", "secret": ""}
    assert filters.repository_parameters(roles) == {
        "backup_koin_prod": {"path": "/koin/backup/koin-prod", "kept": True}
    }
    with pytest.raises(AnsibleFilterError, match=r"aws_iam_roles.a.repositories: .*keep one of b, c"):
        filters.host_repository({"a": {"repositories": {"b": "hosts/a", "c": "hosts/a"}}}, "a")


def test_the_monitoring_expects_what_each_host_backs_up() -> None:
    hostvars: dict[str, dict[str, Any]] = {
        "koin-prod": {"backup_data_volumes": ["a_b"], "backup_data_swarm": True},
        "koin-db": {"backup_data_volumes": [], "backup_data_swarm": False, "backup_data_valkey": True},
    }
    assert filters.data_backups(hostvars, hostvars) == {
        "koin-prod-volumes": {"host": "koin-prod"},
        "koin-prod-swarm": {"host": "koin-prod"},
        "koin-db-valkey": {"host": "koin-db"},
    }


# --- Who may reach it ------------------------------------------------------------------------------------------------


def may(entry: Mapping[str, Any], action: str, key: str) -> bool:
    """Whether a role's policy lets it do something with an object of the backups."""
    arn = f"arn:aws:s3:::koin-backup/{key}"
    for part in host_policy(entry, "ap-northeast-2", "123456789012")["Statement"]:
        actions = part["Action"] if isinstance(part["Action"], list) else [part["Action"]]
        if action in actions and any(fnmatchcase(arn, pattern) for pattern in part["Resource"]):
            return True
    return False


#: objects of the database's repository, of three hosts', and the proof that a backup could be restored
DATABASE, DB, PROD, STAGE, PROOF = (
    "data/00/a",
    "hosts/koin-db/data/00/a",
    "hosts/koin-prod/data/00/a",
    "hosts/koin-stage/data/00/a",
    "verified/koin-db",
)


@pytest.mark.parametrize(
    ("role", "reads", "adds"),
    [
        ("koin-db", {DATABASE, DB}, {DATABASE, DB}),
        ("koin-prod", {DATABASE, PROD}, {PROD}),
        ("koin-stage", {STAGE}, {STAGE}),
        ("koin-internal", set(), set()),
        ("koin-build", set(), set()),
    ],
)
def test_a_host_reaches_its_own_repository_alone(role: str, reads: set[str], adds: set[str]) -> None:
    entry = declaration_of(declared(), specs(), KINDS).entries("aws_iam_roles")[role]
    keys = (DATABASE, DB, PROD, STAGE, PROOF, "hosts", "hosts/koin-prod2/config")
    assert {key for key in keys if may(entry, "s3:GetObject", key)} == reads
    assert {key for key in keys if may(entry, "s3:PutObject", key)} == adds
    parts = ("config", "data/00/a", "index/a", "keys/a", "snapshots/a", "locks")
    roots = ("", "hosts/koin-db/", "hosts/koin-prod/", "hosts/koin-stage/")
    assert [
        key for root in roots for key in (root + part for part in parts) if may(entry, "s3:DeleteObject", key)
    ] == []
    locks = {root for root in roots if may(entry, "s3:DeleteObject", f"{root}locks/a")}
    assert locks == {key.removesuffix("data/00/a") for key in adds}


@pytest.mark.parametrize(
    ("repositories", "said"),
    [
        ({"koin-backup": "hosts/koin-prod"}, "is the repository of koin-prod"),
        ({"koin-backup": "data"}, "write one like hosts/koin-prod"),
        ({"koin-backup": "hosts/a/b"}, "write one like hosts/koin-prod"),
        ({"koin-backpu": "hosts/koin-stage"}, "koin-backup"),
    ],
)
def test_a_repository_that_is_no_host_s_own_is_refused(repositories: dict[str, str], said: str) -> None:
    content = declared()
    content["aws_iam_roles"]["koin-stage"]["repositories"] = repositories
    if said.startswith("is the"):
        content["aws_iam_roles"] = dict(sorted(content["aws_iam_roles"].items()))
    with pytest.raises(DeclarationError) as refused:
        declaration_of(content, specs(), KINDS)
    assert said in str(refused.value.problems[0])


def test_a_repository_needs_old_versions() -> None:
    content = declared()
    content["aws_storage_buckets"]["koin-backup"]["versioning"] = False
    with pytest.raises(DeclarationError) as refused:
        declaration_of(content, specs(), KINDS)
    found = {problem.where for problem in refused.value.problems}
    assert "aws_iam_roles.koin-stage.repositories.koin-backup" in found
