"""What the task host_packages decides, and what it has apt do; apt itself is a script here."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.host_packages import Change, Outcome, happened, installed, needed, simulated, stale
from ansible.module_utils.testing import patch_module_args

from tests.support.files import load_file

STATUS = """\
Package: adduser
Status: install ok installed
Version: 3.152
Description: add users
 Version: not a field

Package: bash
Essential: yes
Status: hold ok installed
Version: 5.2

Package: gone
Status: deinstall ok config-files
Version: 1

Package: broken
Status: install reinstreq installed
Version: 1

Package: half
Status: install ok half-configured
Version: 1
"""


def test_only_what_is_installed_completely_counts() -> None:
    assert installed(STATUS) == {"adduser": "3.152", "bash": "5.2"}


@pytest.mark.parametrize(
    ("present", "absent", "expected"),
    [
        ([], [], Change()),
        (["bash"], ["telnet"], Change()),
        (["nginx", "bash", "nginx"], [], Change(["nginx"])),
        (["bash=5.3"], [], Change(["bash=5.3"])),
        ([], ["bash", "telnet"], Change([], ["bash"])),
    ],
)
def test_what_apt_is_asked_for(present: list[str], absent: list[str], expected: Change) -> None:
    assert needed(present, absent, ["adduser", "bash"]) == expected
    assert bool(expected) == (expected != Change())


def test_a_simulation_says_what_would_come_and_go() -> None:
    said = (
        "Reading package lists...\nThe following NEW packages will be installed:\n  nginx\n"
        "Purg rpcbind [1.2]\nRemv old [1]\nInst nginx-common (1.26 Debian:13 [all])\n"
        "Inst nginx (1.26 Debian:13 [amd64])\n"
        "Inst libc6 [2.40] (2.41 Debian:13 [amd64])\nConf nginx (1.26 Debian:13 [amd64])\n"
    )
    assert simulated(said) == Outcome(["libc6", "nginx", "nginx-common"], ["old", "rpcbind"])


def test_another_version_is_an_installation() -> None:
    assert happened({"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "1"}) == Outcome(["b", "d"], ["c"])


@pytest.mark.parametrize(
    ("fetched", "there", "expected"),
    [(999_000.0, True, False), (999_000.0, False, True), (900_000.0, True, True), (None, True, True)],
)
def test_when_lists_are_fetched(fetched: float | None, there: bool, expected: bool) -> None:
    assert stale(1_000_000.0, fetched, there) is expected


@pytest.mark.parametrize(
    ("outcome", "check", "changed", "pending"),
    [
        (Outcome(), True, False, False),
        (Outcome(["a"]), True, True, True),
        (Outcome(["a"]), False, True, False),
        # What is to go is still there in a check: later tasks find what they need.
        (Outcome([], ["a"]), True, True, False),
    ],
)
def test_pending_is_what_a_check_has_not_installed(outcome: Outcome, check: bool, changed: bool, pending: bool) -> None:
    result = outcome.result(check)
    assert (result["changed"], result["pending"]) == (changed, pending)


# --- The module, with a script in place of apt-get -------------------------------------------------------------------

#: notes its words and whether services may start, and installs every package that it is asked for
APT_GET = """\
#!/bin/sh
echo "$(test -e {root}/policy-rc.d && echo quiet || echo starting) $DEBIAN_FRONTEND $*" >>{root}/calls
case "$*" in
*broken*) echo 'E: Unable to locate package broken' >&2; exit 100 ;;
*update*) touch {root}/lists/mirror_Packages {root}/stamp ;;
*--simulate*) echo 'Inst nginx (1 Debian:13 [amd64])' ;;
*) printf '\\nPackage: nginx\\nStatus: install ok installed\\nVersion: 1\\n' >>{root}/status ;;
esac
"""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host whose files lie in one folder."""
    module = load_file("plugins/modules/host_packages.py")
    for name, file in {"STATUS": "status", "LISTS": "lists", "STAMP": "stamp", "POLICY": "policy-rc.d"}.items():
        monkeypatch.setattr(module, name, tmp_path / file)
    monkeypatch.setattr(module, "LOCKS", (tmp_path / "lock-frontend", tmp_path / "lists/lock"))
    (tmp_path / "status").write_text(STATUS)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/mirror_Packages").touch()
    (tmp_path / "stamp").touch()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/apt-get").write_text(APT_GET.format(root=tmp_path))
    (tmp_path / "bin/apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return tmp_path


def run(check: bool = False, **options: Any) -> dict[str, Any]:
    """Run the module; its result."""
    module = load_file("plugins/modules/host_packages.py")
    output = io.StringIO()
    with (
        patch_module_args({**options, "_ansible_check_mode": check}),
        contextlib.redirect_stdout(output),
        contextlib.suppress(SystemExit),
    ):
        module.main()
    result: dict[str, Any] = json.loads(output.getvalue().strip().splitlines()[-1])
    return result


def calls(host: Path) -> list[str]:
    """What apt-get was called for: whether services may start, the first word without a hyphen, and what follows it."""
    path = host / "calls"
    found = []
    for line in path.read_text().splitlines() if path.exists() else []:
        starting, frontend, *words = line.split()
        assert frontend == "noninteractive"
        options = {"simulate", "purge", "no-install-recommends"} & {word.removeprefix("--") for word in words}
        found.append(" ".join([starting, *sorted(options), *(word for word in words if not word.startswith("--"))]))
    return found


def test_what_is_there_is_not_installed_again(host: Path) -> None:
    result = run(present=["bash"], absent=["telnet"])
    assert (result["changed"], result["pending"], calls(host)) == (False, False, [])
    assert result["ansible_facts"] == {"installed_packages": ["adduser", "bash"]}


@pytest.mark.parametrize(("starts", "word"), [(True, "starting"), (False, "quiet")])
def test_what_is_missing_is_installed(host: Path, starts: bool, word: str) -> None:
    result = run(present=["bash", "nginx"], start_services=starts)
    assert (result["changed"], result["installed"], result["pending"]) == (True, ["nginx"], False)
    assert result["ansible_facts"]["installed_packages"] == ["adduser", "bash", "nginx"]
    assert calls(host) == [f"{word} no-install-recommends install nginx"]
    assert not (host / "policy-rc.d").exists()
    assert run(present=["nginx"])["changed"] is False


#: takes the lock, says so, installs nginx a second later, and ends
_ANOTHER = """\
import fcntl, pathlib, sys, time
lock, status = map(pathlib.Path, sys.argv[1:])
with lock.open("w") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    print("locked", flush=True)
    time.sleep(1)
    status.write_text(status.read_text() + "\\nPackage: nginx\\nStatus: install ok installed\\nVersion: 1\\n")
"""


@pytest.mark.parametrize("lock", ["lock-frontend", "lists/lock"])
def test_an_apt_that_a_killed_run_has_left_at_work_is_waited_for(host: Path, lock: str) -> None:
    command = [sys.executable, "-c", _ANOTHER, str(host / lock), str(host / "status")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as another:
        assert another.stdout is not None and another.stdout.readline() == "locked\n"
        assert run(present=["nginx"])["changed"] is False
    assert calls(host) == []


def test_an_apt_that_never_ends_is_named(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_file("plugins/modules/host_packages.py"), "PATIENCE", 0)
    command = [sys.executable, "-c", _ANOTHER, str(host / "lock-frontend"), str(host / "status")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as another:
        assert another.stdout is not None and another.stdout.readline() == "locked\n"
        assert "another apt holds" in run(present=["nginx"])["msg"]


def test_a_check_installs_nothing(host: Path) -> None:
    result = run(check=True, present=["nginx"], start_services=False)
    assert (result["changed"], result["installed"], result["pending"]) == (True, ["nginx"], True)
    assert result["ansible_facts"]["installed_packages"] == ["adduser", "bash"]
    assert calls(host) == ["starting no-install-recommends simulate install nginx"]


def test_removing_takes_the_settings_along(host: Path) -> None:
    run(absent=["bash"])
    assert calls(host) == ["starting no-install-recommends purge install bash-"]


@pytest.mark.parametrize("check", [True, False])
def test_missing_lists_are_fetched_even_in_a_check(host: Path, check: bool) -> None:
    (host / "lists/mirror_Packages").unlink()
    run(check=check, present=["nginx"])
    assert next(call.split()[1] for call in calls(host)) == "update"


@pytest.mark.parametrize(("check", "fetched"), [(True, False), (False, True)])
def test_old_lists_are_fetched_but_not_in_a_check(host: Path, check: bool, fetched: bool) -> None:
    os.utime(host / "stamp", (0, 0))
    run(check=check, present=["nginx"])
    assert any("update" in call for call in calls(host)) is fetched


def test_a_failure_is_told_in_the_words_of_apt(host: Path) -> None:
    result = run(present=["broken"], start_services=False)
    assert result["failed"]
    assert result["msg"].startswith("`apt-get --no-install-recommends install broken` fails: E: Unable to locate")
    assert not (host / "policy-rc.d").exists()


def test_a_policy_of_the_host_comes_back(host: Path) -> None:
    policy = host / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    policy.chmod(0o700)
    run(present=["nginx"], start_services=False)
    assert (policy.read_text(), policy.stat().st_mode & 0o777) == ("#!/bin/sh\nexit 0\n", 0o700)


def test_the_policy_of_a_killed_run_goes(host: Path) -> None:
    (host / "policy-rc.d").write_text(load_file("plugins/modules/host_packages.py").NO_START)
    run(present=["nginx"])
    assert calls(host) == ["starting no-install-recommends install nginx"]
    assert not (host / "policy-rc.d").exists()
