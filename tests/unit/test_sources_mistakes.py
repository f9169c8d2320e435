"""Every mistake in a file of the declaration ends the command with its file, its line and what to write.

Each row makes one mistake in a copy of group_vars/ and inventories/. The plugin is asked as Ansible asks it, for an
inventory file and for an inventory folder; that the real commands end there is shown for a few rows.
"""

# ruff: noqa: RUF001 - characters that look like others are what this is about
from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ansible.module_utils.platform.sources import read
from ansible.plugins.loader import inventory_loader

REPOSITORY = Path(__file__).resolve().parents[2]
OFFERS, DATABASES = "group_vars/all/offers.yml", "group_vars/all/databases.yml"
INSTANCES, DNS, SECURITY = (f"group_vars/all/aws_{name}.yml" for name in ("compute", "dns", "security"))
PROD_SUBNET = "    subnet: BCSDLab-a\n    private_ip: 172.31.0.20\n"

Change = Callable[[Path], int | None]


def replace(old: str, new: str, at: str, below: int = 0) -> Change:
    """Replace a text; the problem is where ``at`` stands afterwards, or so many lines below."""

    def change(file: Path) -> int:
        text = file.read_text()
        assert old in text, f"{file} does not hold {old!r}"
        text = text.replace(old, new, 1)
        file.write_text(text)
        return text[: text.index(at) + len(at) - len(at.lstrip("\n"))].count("\n") + 1 + below

    return change


def write(content: str | bytes, line: int | None = 1) -> Change:
    """Other content for the whole file."""

    def change(file: Path) -> int | None:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return line

    return change


def append(text: str, at: str) -> Change:
    """More at the end of the file."""

    def change(file: Path) -> int:
        file.write_text(file.read_text() + text)
        return file.read_text()[: file.read_text().index(at)].count("\n") + 1

    return change


class Mistake(NamedTuple):
    """file: what is changed; expected: words of the message; where: the file named, unless it is the changed one."""

    name: str
    file: str
    change: Change
    expected: list[str]
    where: str = ""


def value(name: str, written: str, *expected: str) -> Mistake:
    """A port of SSH as it should not be written."""
    change = replace("ssh_port: 22222", f"ssh_port: {written}", "aws_security_ssh_port:")
    return Mistake(name, SECURITY, change, list(expected))


MISTAKES = [
    Mistake(
        "one space too many",
        INSTANCES,
        replace(PROD_SUBNET, " " + PROD_SUBNET, "     subnet"),
        ["indented by 5 spaces", "indent it by 4"],
    ),
    Mistake(
        "one space too few",
        INSTANCES,
        replace(PROD_SUBNET, PROD_SUBNET[1:], "\n   subnet"),
        ["indented by 3 spaces", "indent it by 4"],
    ),
    Mistake(
        "the first key of an entry one space too far",
        INSTANCES,
        replace("    role: PROD\n", "     role: PROD\n", "     role: PROD\n", below=1),
        ["is indented by 4 spaces, line", "by 5"],
    ),
    Mistake("a tab", INSTANCES, replace("    role: PROD", "\t  role: PROD", "\t"), ["tab", "spaces"]),
    Mistake("a full-width colon", INSTANCES, replace("role: PROD", "role：PROD", "role："), ["`：`", "type `:`"]),
    Mistake(
        "a full-width colon at the top", SECURITY, replace("ssh_port: 22222", "ssh_port： 22222", "port："), ["`：`"]
    ),
    Mistake("a full-width comma", INSTANCES, replace("[SSH, DB]", "[SSH，DB]", "[SSH，"), ["`，`", "type `,`"]),
    Mistake("curly quotes", INSTANCES, replace("subnet: BCSDLab-c", "subnet: “BCSDLab-c”", "“"), ["`“`", 'type `"`']),
    Mistake("full-width brackets", INSTANCES, replace("[SSH, DB]", "［SSH, DB］", "［"), ["`［`", "type `[`"]),
    Mistake("a no-break space", INSTANCES, replace("role: PROD", "role:\u00a0PROD", "role:\u00a0"), ["NO-BREAK SPACE"]),
    Mistake("a zero-width space", INSTANCES, replace("role: PROD", "role: PR\u200bOD", "\u200b"), ["ZERO WIDTH SPACE"]),
    Mistake("an ideographic space", INSTANCES, replace("role: PROD", "role:　PROD", "role:　"), ["IDEOGRAPHIC SPACE"]),
    Mistake("a BOM", SECURITY, write("\ufeffa: 1\n"), ["BOM", "UTF-8 without BOM"]),
    Mistake("an open quote", INSTANCES, replace("role: PROD", 'role: "PROD', '"PROD'), ['quote " is not closed']),
    Mistake(
        "an open quote in a list", INSTANCES, replace("[SSH, DB]", "['SSH, DB]", "['SSH"), ["quote ' is not closed"]
    ),
    Mistake(
        "a merge conflict",
        INSTANCES,
        replace("    role: PROD\n", "<<<<<<< HEAD\n    role: PROD\n=======\n    role: X\n>>>>>>> x\n", "<<<<<<<"),
        ["merge conflict", "keep one"],
    ),
    Mistake("[%]", INSTANCES, replace("[SSH, DB]", "[%]", "[%]"), ['"%"']),
    Mistake("a value that begins with %", "group_vars/all/app.yml", replace("user: nodes", "user: %u", "%u"), ['"%u"']),
    Mistake("a value that begins with @", "group_vars/all/app.yml", replace("user: nodes", "user: @u", "@u"), ['"@u"']),
    Mistake(
        "a value that begins with `", "group_vars/all/app.yml", replace("user: nodes", "user: `u`", "`u"), ['"`u`"']
    ),
    Mistake("a * for all", INSTANCES, replace("[SSH, DB]", "[*]", "[*]"), ['"*"']),
    Mistake("a tag", "group_vars/all/app.yml", replace("user: nodes", "user: !koin", "!koin"), ["tag", "quotes"]),
    Mistake(
        "an unquoted template",
        "group_vars/all/login.yml",
        replace('"{{ aws_security_ssh_port }}"', "{{ aws_security_ssh_port }}", "ansible_port"),
        ["not in quotes", 'write "{{ aws_security_ssh_port }}"'],
    ),
    Mistake(
        "an unquoted template with more behind it",
        "group_vars/all/login.yml",
        replace('"{{ aws_security_ssh_port }}"', "{{ aws_security_ssh_port }}2", "ansible_port"),
        ['write "{{ aws_security_ssh_port }}2"'],
    ),
    Mistake("an unknown anchor", "group_vars/all/app.yml", replace("*api", "*apu", "*apu"), ["`*apu`", "`&apu`"]),
    Mistake("EUC-KR", SECURITY, write("a: 1\n# 한글\n".encode("euc-kr"), 2), ["EUC-KR (CP949)", "iconv -f CP949"]),
    Mistake("UTF-16", SECURITY, write("a: 1\n".encode("utf-16")), ["UTF-16", "UTF-8"]),
    Mistake("Latin-1", SECURITY, write(b"a: 1\nb: caf\xe9", 2), ["UTF-8"]),
    Mistake(
        "a colon inside a value",
        SECURITY,
        replace("description: SSH from", "description: SSH: from", "SSH: from"),
        ["holds a colon", 'write it in quotes: "SSH: from the administrators"'],
    ),
    Mistake("no space behind a colon", INSTANCES, replace("role: PROD", "role:PROD", "role:PROD"), ["`role: PROD`"]),
    Mistake(
        "no space behind a colon in {}",
        SECURITY,
        replace("{protocol: all", "{protocol:all", "{protocol:all"),
        ["`protocol: all`"],
    ),
    Mistake("a line without a colon", INSTANCES, replace("role: PROD", "role PROD", "role PROD"), ["role PROD"]),
    Mistake("a last line without a colon", DNS, append("more\n", "more\n"), ["`more` has no colon"]),
    Mistake("a bracket left open", INSTANCES, replace("[SSH, DB]", "[SSH, DB", "[SSH, DB"), ["`[` is not closed"]),
    Mistake(
        "a brace left open",
        SECURITY,
        replace("all, cidrs: [0.0.0.0/0]}", "all, cidrs: [0.0.0.0/0]", "all: {"),
        ["`{` is not closed"],
    ),
    Mistake(
        "a host twice",
        INSTANCES,
        append(
            "  KOIN_PROD:\n    role: PROD\n    private_ip: 172.31.0.21\n", "  KOIN_PROD:\n    role: PROD\n    private"
        ),
        ["`KOIN_PROD` is declared twice: line"],
    ),
    Mistake(
        "a key twice in an entry",
        INSTANCES,
        replace(PROD_SUBNET, PROD_SUBNET + "    subnet: x\n", "    subnet: x"),
        ["`subnet` is declared twice"],
    ),
    Mistake(
        "a key twice in {}",
        SECURITY,
        replace("{protocol: all,", "{protocol: all, protocol: tcp,", "protocol: tcp"),
        ["`protocol` is declared"],
    ),
    Mistake(
        "a variable twice", SECURITY, append("aws_security_ssh_port: 22\n", "aws_security_ssh_port: 22\n"), ["twice"]
    ),
    Mistake(
        "a variable in two files",
        "group_vars/all/sshd.yml",
        append("aws_security_ssh_port: 22\n", "aws_security_ssh_port: 22\n"),
        ["`aws_security_ssh_port` is declared in group_vars/all/aws_security.yml:4 already"],
    ),
    Mistake("an empty file", "group_vars/PROD/edge.yml", write(""), ["declares nothing", "delete the file"]),
    Mistake("a file of comments", "group_vars/PROD/edge.yml", write("---\n# nothing\n"), ["declares nothing"]),
    Mistake("an empty hosts.yml", "inventories/production/hosts.yml", write(""), ["declares nothing"]),
    Mistake("a list at the top", SECURITY, write("---\n- a: 1\n", 2), ["is a list at the top"]),
    Mistake("a text at the top", SECURITY, write("koin\n"), ["is a single value at the top"]),
    Mistake(
        "a key without a value",
        INSTANCES,
        replace("    subnet: BCSDLab-c\n", "    subnet:\n", "    subnet:\n"),
        ["`subnet:` has no value"],
    ),
    Mistake("a variable without a value", SECURITY, append("\naws_x:\n", "aws_x"), ["`aws_x:` has no value"]),
    Mistake(
        "a value that is a comment", SECURITY, replace("port: 22222", "port: #22222", "port: #"), ["begins a comment"]
    ),
    Mistake(
        "a record at the end of the file",
        DNS,
        append("  new.koreatech.in: {zone: koreatech.in, type: A, host: KOIN_PROD}\n", "  new.koreatech.in"),
        ["below `aws_dns_records_ttl`, which already has a value"],
    ),
    Mistake("two documents", DNS, append("---\nother: 1\n", "---\nother"), ["second YAML document", "delete the line"]),
    Mistake("a .yaml file", "group_vars/all/more.yaml", write("more: 1\n", None), ["name it more.yml"]),
    Mistake("a .txt file", "group_vars/all/more.yml.txt", write("more: 1\n", None), ["not read", "name it more.yml"]),
    Mistake("a backup", "group_vars/all/app.yml.bak", write("more: 1\n", None), ["not read", "delete it"]),
    Mistake("upper case", "group_vars/all/more.YML", write("more: 1\n", None), ["not read", "name it more.yml"]),
    Mistake("hosts.yaml", "inventories/production/hosts.yaml", write("all: {}\n", None), ["not an inventory"]),
    Mistake(
        "a group file beside its folder",
        "group_vars/PROD.yml",
        write("more: 1\n", None),
        ["a folder has the same name"],
    ),
    Mistake(
        "an unknown group", "group_vars/PRDO/edge.yml", write("more: 1\n", None), ["`PRDO`", "rename it to `PROD`"]
    ),
    Mistake(
        "a file in no group",
        "group_vars/aws_more.yml",
        write("more: 1\n", None),
        ["`aws_more` is not a group", "move it to group_vars/all/"],
    ),
    Mistake(
        "a deleted file",
        SECURITY,
        lambda file: file.unlink(),
        ["uses `aws_security_ssh_port`, which is declared nowhere", "declare it in group_vars/all/aws_security.yml"],
        "group_vars/all/aws_compute.yml",
    ),
    Mistake(
        "another deleted file",
        "group_vars/all/aws.yml",
        lambda file: file.unlink(),
        ["uses `aws_region`, which is declared nowhere", "group_vars/all/aws.yml"],
        "inventories/production/hosts.yml",
    ),
    Mistake(
        "a misspelt variable in a template",
        "group_vars/all/login.yml",
        replace("aws_security_ssh_port", "aws_security_shh_port", "ansible_port"),
        ["uses `aws_security_shh_port`", "write `aws_security_ssh_port`"],
    ),
    Mistake(
        "an open template",
        "group_vars/all/login.yml",
        replace("ssh_port }}", "ssh_port }", "ansible_port"),
        ["`{{` is not closed"],
    ),
    value("a time", "22:22", "reads the value `22:22` as 1342", '"22:22"'),
    value("an octal number", "010", "`010` as 8", "write"),
    value("an octal number with a 9", "0190", "`0190`", "write"),
    value("0o22", "0o22", "`0o22`", "write"),
    value("a hexadecimal number", "0x16", "`0x16` as 22"),
    value("an exponent", "1e3", "`1e3`", '"1e3"'),
    value("a float with an exponent", "1.5e+3", "as 1500.0"),
    value("an underscore", "1_000", "`1_000` as 1000"),
    value("a fraction", ".5", "`.5` as 0.5"),
    value("a version", "1.10", "`1.10` as 1.1", '"1.10"'),
    value("a date", "2026-11-27", "as a date", '"2026-11-27"'),
    value("yes", "yes", "as true", "write true", '"yes"'),
    value("Off", "Off", "as false", "write false"),
    value("a tilde", "~", "as null", "write null"),
    Mistake(
        "a key that is a number to YAML",
        "group_vars/all/app.yml",
        replace("{8080: 8080}", "{22:22: 8080}", "22:22"),
        ["reads the key `22:22` as 1342"],
    ),
    Mistake(
        "a key `on`", INSTANCES, replace("    role: PROD", "    on: PROD", "    on:"), ["the key `on` as true", '"on"']
    ),
    Mistake(
        "in hosts.yml",
        "inventories/production/hosts.yml",
        replace('aws_account_id: ""', "aws_account_id: 012345670123", "aws_account_id"),
        ["`012345670123`", '"012345670123"'],
    ),
    Mistake(
        "in platform.yml",
        "inventories/production/platform.yml",
        replace("  platform: ec2", "\tplatform: ec2", "\t"),
        ["tab"],
    ),
]


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Path]:
    """A copy of what is declared, and of what Ansible needs to load it."""
    for name in ("group_vars", "inventories"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, symlinks=True)
    shutil.copy(REPOSITORY / "ansible.cfg", tmp_path)
    for name in ("plugins", "playbooks", "roles"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    yield tmp_path


def _make(mistake: Mistake, copy: Path) -> str:
    """Make the mistake; the place that the message should name."""
    line = mistake.change(copy / mistake.file)
    where = mistake.where or mistake.file
    return where if line is None else f"{where}:{line}: "


def test_the_declaration_of_today_can_be_read() -> None:
    for environment in ("production", "rehearsal"):
        assert read(REPOSITORY / "inventories" / environment).problems == []


# The first source of the folder, and a source by itself.
@pytest.mark.parametrize("source", ["aws_ec2.yml", "hosts.yml"])
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_ends_the_run(mistake: Mistake, source: str, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = _make(mistake, copy)
    plugin = _plugin()
    told: list[str] = []
    monkeypatch.setattr(sys.modules[type(plugin).__module__].display, "error", told.append)
    with pytest.raises(SystemExit) as ended:
        plugin.verify_file(str(copy / "inventories" / "production" / source))
    assert ended.value.code == 4
    (message,) = told
    assert place in message
    for words in mistake.expected:
        assert words in message
    assert str(copy) not in message
    assert len(message) < 700


def _plugin() -> Any:
    inventory_loader.add_directory(str(REPOSITORY / "plugins" / "inventory"))
    return inventory_loader.get("declaration")


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / command[0]), *command[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


PLAN = ["ansible-playbook", "playbooks/plan.yml", "-i"]


@pytest.mark.parametrize(
    "command",
    [
        [*PLAN, "inventories/production"],
        [*PLAN, "inventories/production/hosts.yml", "-vvv"],
        ["ansible-playbook", "playbooks/configure.yml", "-i", "inventories/production"],
        ["ansible-inventory", "--list", "-i", "inventories/production"],
        ["ansible-inventory", "--graph", "-i", "inventories/production", "-vvv"],
        ["ansible", "-i", "inventories/production", "all", "-m", "ansible.builtin.ping"],
    ],
    ids=" ".join,
)
def test_a_command_ends_with_one_message(command: list[str], copy: Path) -> None:
    (copy / INSTANCES).write_text((copy / INSTANCES).read_text().replace("    role: PROD", "     role: PROD"))
    done = _run(command, copy)
    assert done.returncode == 4
    assert done.stderr.count(INSTANCES) == done.stderr.count("[ERROR]") == 1
    assert f"{INSTANCES}:" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert "platform.yml" not in done.stderr
    assert "PLAY" not in done.stdout


@pytest.mark.parametrize(
    "command", [[*PLAN, "inventories/production"], ["ansible-inventory", "--graph", "-i", "inventories/production"]]
)
def test_without_credentials_a_command_ends_with_one_message(command: list[str]) -> None:
    done = _run(command, REPOSITORY)
    assert done.returncode == 4
    assert done.stderr.count("inventories/production/aws_ec2.yml: No AWS credentials: ") == 1
    assert "AWS_PROFILE" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 2
    assert done.stdout == ""


def test_a_failure_is_not_followed_by_what_the_recap_says() -> None:
    """What production has to be told first is missing: the administrators' addresses and their key."""
    done = _run(["ansible-playbook", "playbooks/configure.yml", "-i", "inventories/production/hosts.yml"], REPOSITORY)
    assert done.returncode == 2
    assert "nothing was written, no host was asked" in done.stdout + done.stderr
    assert "NO MORE HOSTS LEFT" not in done.stdout


def test_whether_a_playbook_parses_takes_no_aws() -> None:
    done = _run(["ansible-playbook", "playbooks/plan.yml", "-i", "inventories/rehearsal", "--syntax-check"], REPOSITORY)
    assert (done.returncode, "AWS does not answer" in done.stderr) == (0, False), done.stderr


def test_a_check_that_fails_does_not_let_the_run_go_on(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = _plugin()
    monkeypatch.setattr(sys.modules[type(plugin).__module__], "signature", lambda folder: 1 / 0)
    with pytest.raises(SystemExit):
        plugin.verify_file(str(copy / "inventories/production/hosts.yml"))
    assert "could not be checked: ZeroDivisionError" in capsys.readouterr().err


def test_an_inventory_without_a_declaration_is_none_of_its_business(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("all: [\n")
    assert _plugin().verify_file(str(tmp_path / "hosts.yml")) is False
