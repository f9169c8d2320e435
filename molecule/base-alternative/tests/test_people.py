"""Who gets in, who got out, and how the image's own user changes its key."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

SCENARIO = Path(__file__).parents[1]
LEAVERS = ("gone", "left")
KEYS = "/home/admin/.ssh/authorized_keys"


def key(host: Host) -> Path:
    """The key that Ansible logs in with."""
    return Path(host.ansible.get_variables()["ansible_private_key_file"])


def public(private: Path) -> str:
    """Its public half."""
    return private.with_suffix(".pub").read_text().strip()


def gets_in(host: Host, user: str, private: Path) -> bool:
    """Whether somebody can log in from here."""
    options = [f"UserKnownHostsFile={key(host).parent / 'known_hosts'}", "BatchMode=yes", "IdentitiesOnly=yes"]
    command = ["ssh", "-F", "none", "-i", str(private), *(part for option in options for part in ("-o", option))]
    address = host.ansible.get_variables()["ansible_host"]
    return subprocess.run([*command, f"{user}@{address}", "true"], capture_output=True, check=False).returncode == 0


def command(keys: list[str], admins: dict[str, Any], private: Path, **more: Any) -> list[str]:
    """Reconciles the administrators; private: what the run logs in with."""
    given = {"base_login_keys": keys, "base_admins": admins, "ansible_private_key_file": str(private), **more}
    inventory = os.environ["MOLECULE_INVENTORY_FILE"]
    return ["ansible-playbook", "-i", inventory, str(SCENARIO / "admins.yml"), "--extra-vars", json.dumps(given)]


def reconcile(*arguments: Any, **more: Any) -> tuple[int, str]:
    """How it ends, and what it says."""
    done = subprocess.run(command(*arguments, **more), capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def until(is_so: Callable[[], bool], seconds: float) -> bool:
    """Whether it becomes so in time."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


@pytest.fixture
def staying(host: Host) -> dict[str, Any]:
    """The administrators of the scenario."""
    return {"minsu": {"keys": [public(key(host))]}}


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Another key."""
    private = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(private)], check=True)
    return private


@pytest.fixture
def restored(host: Host, staying: dict[str, Any]) -> Iterator[None]:
    """Whatever the test does, the next one finds the keys that the scenario declares."""
    yield
    host.check_output(f"systemctl stop koin-login-former.timer; rm -f {KEYS}.former; true")
    host.check_output(f"echo '{public(key(host))}' > {KEYS}; chown admin:admin {KEYS}; chmod 600 {KEYS}")


@pytest.mark.parametrize("name", LEAVERS)
def test_who_has_left_is_gone(host: Host, name: str) -> None:
    assert not host.user(name).exists
    assert name not in host.check_output("getent group admins")
    assert not gets_in(host, name, key(host))
    for left in (f"/var/spool/cron/crontabs/{name}", f"/var/lib/systemd/linger/{name}", f"/tmp/of-{name}"):
        assert not host.file(left).exists


@pytest.mark.parametrize("seconds", [86401, 86402, 86403])
def test_nothing_that_they_have_started_runs(host: Host, seconds: int) -> None:
    # In the background, as root by sudo, in the session.
    assert host.run(f"pgrep --exact --full 'sleep {seconds}'").stdout == ""


@pytest.mark.parametrize("name", LEAVERS)
def test_their_home_stays_and_is_nobody_elses(host: Host, name: str) -> None:
    home = host.file(f"/home/{name}")
    assert (home.user, home.mode) == ("root", 0o700)
    assert host.file(f"/home/{name}/work").user == "root"
    assert not host.file(f"/home/{name}/.ssh/authorized_keys").exists


def test_an_old_key_of_the_images_user_is_gone(host: Host) -> None:
    assert host.file(KEYS).content_string == f"{public(key(host))}\n"
    assert not host.file(f"{KEYS}.former").exists
    assert host.run("systemctl is-active koin-login-former.timer").stdout.strip() == "inactive"


def people(host: Host, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run the check that says on every host who can get in."""
    names = ("ansible_host", "ansible_port", "ansible_user", "ansible_private_key_file", "ansible_ssh_common_args")
    known = {name: value for name, value in host.ansible.get_variables().items() if name in names}
    known["ansible_ssh_common_args"] = f"-F none -o UserKnownHostsFile={key(host).parent / 'known_hosts'}"
    known["verify_people"] = {name: [public(key(host))] for name in ("admin", "minsu")}
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(json.dumps({"all": {"children": {"platform": {"hosts": {"host": known}}}}}))
    check = SCENARIO.parents[1] / "checks/verify/test_people.py"
    options = ["-q", "-p", "no:cacheprovider", "--config-file=/dev/null", f"--rootdir={check.parent}", "--sudo"]
    call = [sys.executable, "-m", "pytest", *options, f"--ansible-inventory={inventory}", str(check)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE", "MOLECULE"))}
    return subprocess.run(call, capture_output=True, text=True, env=environment, check=False)


def test_the_check_says_that_all_is_as_declared(host: Host, tmp_path: Path) -> None:
    # sshd is another role's here: it does not restrict users.
    done = people(host, tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("done", "undone", "said"),
    [
        (
            "useradd -m eve && install -d -o eve /home/eve/.ssh && cp {keys} /home/eve/.ssh/",
            "userdel -r eve",
            "eve can log in and is not declared",
        ),
        ("echo 'ssh-ed25519 AAAAstrange eve' >> {keys}", "sed -i /AAAAstrange/d {keys}", "AAAAstrange"),
        ("echo 'nobody ALL=(ALL) ALL' > /etc/sudoers.d/x", "rm /etc/sudoers.d/x", "nobody"),
        ("echo 'eve ALL=(ALL) ALL' > /etc/sudoers.d/x", "rm /etc/sudoers.d/x", "eve"),
        ("usermod -aG adm games", "gpasswd -d games adm", "games"),
        ("install -o 4321 /dev/null /var/tmp/x", "rm /var/tmp/x", "4321:0 /var/tmp/x"),
        ("touch /var/lib/systemd/linger/eve", "rm /var/lib/systemd/linger/eve", "eve"),
        ("usermod -p \"$(printf '$y$j9T$%s' x)\" games", "usermod -p '*' games", "games"),
        ("rm -f /home/minsu/.ssh/authorized_keys.x && mv /home/minsu/.ssh/authorized_keys{{,.x}}",
         "mv /home/minsu/.ssh/authorized_keys{{.x,}}", "minsu is declared and cannot log in"),
    ],
)  # fmt: skip
def test_the_check_notices(host: Host, tmp_path: Path, done: str, undone: str, said: str) -> None:
    host.check_output("bash -c %s", done.format(keys=KEYS))
    try:
        found = people(host, tmp_path)
    finally:
        host.check_output("bash -c %s", undone.format(keys=KEYS))
    assert found.returncode == 1
    assert said in found.stdout


@pytest.mark.usefixtures("restored")
def test_a_key_that_this_run_does_not_have_is_refused_before_anything_is_written(
    host: Host, staying: dict[str, Any], other: Path
) -> None:
    code, said = reconcile([public(other)], {}, key(host))
    assert code == 2
    assert "which is not in base_login_keys" in said
    assert host.file(KEYS).content_string == f"{public(key(host))}\n"
    assert not host.file(f"{KEYS}.former").exists
    # Nor did anybody leave.
    assert host.user("minsu").exists
    assert gets_in(host, "minsu", key(host))


@pytest.mark.usefixtures("restored")
def test_the_key_of_the_images_user_is_replaced_in_two_runs(host: Host, staying: dict[str, Any], other: Path) -> None:
    code, said = reconcile([public(key(host)), public(other)], staying, key(host))
    assert code == 0, said
    assert gets_in(host, "admin", other)
    # The connection of the first run is still open, and was made with the old key.
    code, said = reconcile([public(other)], staying, other)
    assert code == 0, said
    assert gets_in(host, "admin", other)
    assert not gets_in(host, "admin", key(host))
    code, said = reconcile([public(key(host)), public(other)], staying, other)
    assert code == 0, said


@pytest.mark.usefixtures("restored")
def test_keys_that_let_nobody_in_are_taken_back(host: Host, staying: dict[str, Any]) -> None:
    before = host.file(KEYS).content_string
    code, said = reconcile([f'from="192.0.2.1" {public(key(host))}'], staying, key(host))
    assert code == 2
    assert "the previous ones were restored" in said
    assert host.file(KEYS).content_string == before
    assert gets_in(host, "admin", key(host))


@pytest.mark.usefixtures("restored")
def test_a_run_that_is_killed_before_the_proof_leaves_the_former_keys(host: Host, staying: dict[str, Any]) -> None:
    before = host.file(KEYS).content_string
    keys = [f'from="192.0.2.1" {public(key(host))}']
    arguments = command(keys, staying, key(host), __base_login_patience=15)
    run = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, start_new_session=True)
    assert until(lambda: host.file(f"{KEYS}.former").exists, 60)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert until(lambda: not host.file(f"{KEYS}.former").exists, 60)
    assert host.file(KEYS).content_string == before


def test_somebody_who_comes_back_finds_their_home_and_leaves_without_it(host: Host, staying: dict[str, Any]) -> None:
    keys = [public(key(host))]
    code, said = reconcile(keys, {**staying, "gone": {"keys": keys}}, key(host))
    assert code == 0, said
    assert host.file("/home/gone/work").user == "gone"
    assert gets_in(host, "gone", key(host))
    code, said = reconcile(keys, {**staying, "gone": {"state": "absent", "remove_home": True}}, key(host))
    assert code == 0, said
    assert not host.user("gone").exists
    assert not host.file("/home/gone").exists


def test_a_container_with_the_same_number_goes_on(host: Host, staying: dict[str, Any]) -> None:
    keys = [public(key(host))]
    code, said = reconcile(keys, {**staying, "late": {"keys": keys}}, key(host))
    assert code == 0, said
    uid = host.check_output("id -u late")
    unit = f"docker-{'0' * 64}.scope"
    start = f"systemd-run --quiet --scope --unit={unit} setsid --fork setpriv --reuid={uid} sleep 86404"
    host.check_output(f"{start} > /dev/null 2>&1 < /dev/null")
    try:
        code, said = reconcile(keys, staying, key(host))
        assert code == 0, said
        assert not host.user("late").exists
        assert host.run("pgrep --exact --full 'sleep 86404'").rc == 0
    finally:
        host.run("pkill --exact --full 'sleep 86404'; true")
