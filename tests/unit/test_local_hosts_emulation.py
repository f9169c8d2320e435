"""arm64 hosts on a machine that is none: when, by which registration with the kernel, and what changes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from rehearsal.aws.state import State
from rehearsal.hosts import (
    architecture,
    binfmt,
    containers,
    control,
    image,
    machine_apt,
    networks,
    qemu,
    scenario,
    seed,
)
from rehearsal.hosts.binfmt import Entry
from rehearsal.hosts.containers import emulation
from rehearsal.hosts.errors import LocalHostsError
from rehearsal.hosts.fleet import Fleet, Host, emulate
from rehearsal.hosts.machine_apt import MachineApt
from rehearsal.hosts.state import HostsState
from rehearsal.hosts.steps import Container, steps
from rehearsal.hosts.userdata import UserData

APT = MachineApt("http://m.example/debian", "http://m.example/debian-security", ('Acquire::Retries "3";',), (), ())
INTEL = Host("i-1", "A", IPv4Address("172.31.0.20"), "subnet-a", "x86_64")
ARM = Host("i-2", "B", IPv4Address("172.31.16.10"), "subnet-b", "arm64")
FLEET = Fleet(IPv4Network("172.31.0.0/16"), (), (INTEL, ARM))

# --- when ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "asked"), [(None, False), ("", False), ("0", False), ("no", False), ("1", True), ("Yes", True)]
)
def test_emulation_is_asked_for(value: str | None, *, asked: bool) -> None:
    assert architecture.asked({} if value is None else {"REHEARSAL_ARM": value}) is asked


def test_an_answer_that_is_none_is_refused() -> None:
    with pytest.raises(LocalHostsError, match="REHEARSAL_ARM is 'arm64': set it to 1"):
        architecture.asked({"REHEARSAL_ARM": "arm64"})


@pytest.mark.parametrize(
    ("wanted", "machine", "emulated"),
    [("", "x86_64", False), ("x86_64", "x86_64", False), ("arm64", "x86_64", True), ("arm64", "arm64", False)],
)
def test_a_scenario_has_its_architecture(wanted: str, machine: str, *, emulated: bool) -> None:
    assert architecture.emulated(wanted, machine) is emulated


@pytest.mark.parametrize(("wanted", "machine"), [("x86_64", "arm64"), ("aarch64", "x86_64")])
def test_a_scenario_cannot_have_every_architecture(wanted: str, machine: str) -> None:
    with pytest.raises(LocalHostsError, match=rf"architecture {wanted} cannot run on this machine \({machine}\)"):
        architecture.emulated(wanted, machine)


def test_the_command_line_of_a_scenario() -> None:
    assert scenario.platforms(["a", "b:arm64", "c:"]) == {"a": "", "b": "arm64", "c": ""}
    with pytest.raises(LocalHostsError, match="two hosts of the scenario are called a"):
        scenario.platforms(["a", "a:arm64"])


# --- what changes ----------------------------------------------------------------------------------------------------


def container(host: Host) -> Container:
    """The host, running."""
    return Container(
        f"koin-1-{host.inventory_name}",
        host.instance_id,
        host.inventory_name,
        str(host.address),
        host.architecture,
        "image",
        running=True,
        emulated=host.emulated,
    )


def test_only_foreign_arm64_is_emulated() -> None:
    assert [host.emulated_architecture for host in emulate(FLEET, "x86_64").hosts] == ["", "arm64"]
    assert emulate(FLEET, "arm64") == FLEET


@pytest.mark.parametrize(
    ("before", "after"),
    [(FLEET, emulate(FLEET, "x86_64")), (emulate(FLEET, "x86_64"), FLEET)],
    ids=["on", "off"],
)
def test_switching_emulation_makes_the_arm64_host_anew_and_no_other(before: Fleet, after: Fleet) -> None:
    standing = [container(host) for host in before.hosts]
    todo = steps(after.hosts, standing)
    assert todo.remove == (standing[1],)
    assert todo.create == (after.hosts[1],)
    assert not todo.start
    assert not todo.stop
    assert steps(before.hosts, standing).none


def test_a_container_tells_that_it_is_emulated() -> None:
    assert emulation("") == []
    assert "--label=koin.emulated=arm64" in emulation("arm64")


@pytest.mark.parametrize(
    ("instance", "machine", "emulated", "text"),
    [
        ("x86_64", "x86_64", False, "x86_64"),
        ("arm64", "x86_64", False, "arm64, runs as this machine's"),
        ("arm64", "x86_64", True, "arm64, emulated"),
        ("arm64", "arm64", False, "arm64"),
        ("x86_64", "arm64", False, "x86_64, runs as this machine's"),
    ],
)
def test_status_says_what_a_host_is(instance: str, machine: str, text: str, *, emulated: bool) -> None:
    assert architecture.shown(instance, machine, emulated=emulated) == text


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What `up` does to the machine, in order, instead of doing it."""
    found: list[str] = []

    @contextlib.contextmanager
    def registered(_apt: MachineApt) -> Iterator[None]:
        found.append("register")
        yield
        found.append("let go")

    def ensure(_apt: MachineApt, kind: str) -> str:
        found.append(f"image {kind or 'native'}")
        return f"image-{kind or 'native'}"

    def create(_state: HostsState, _fleet: Fleet, host: Host, reference: str, _proxies: dict[str, str]) -> str:
        found.append(f"{host.name} of {reference}")
        return host.inventory_name

    monkeypatch.setattr(containers, "remove", lambda _, gone: found.extend(f"remove {item.container}" for item in gone))
    monkeypatch.setattr(containers, "stop", lambda names: found.extend(f"stop {name}" for name in names))
    monkeypatch.setattr(containers, "start", lambda names: found.append(f"start {' '.join(names)}".strip()))
    monkeypatch.setattr(containers, "create", create)
    monkeypatch.setattr(networks, "ensure", lambda _state, _fleet: None)
    monkeypatch.setattr(machine_apt, "read", lambda: APT)
    monkeypatch.setattr(image, "ensure", ensure)
    monkeypatch.setattr(binfmt, "registered", registered)
    return found


@pytest.mark.parametrize(
    ("fleet", "standing", "expected"),
    [
        (FLEET, [], ["image native", "A of image-native", "B of image-native", "start a b"]),
        (FLEET, [INTEL, ARM], []),
        (
            emulate(FLEET, "x86_64"),
            [],
            [
                *("register", "image native", "image arm64", "A of image-native", "B of image-arm64"),
                *("start a b", "let go"),
            ],
        ),
        (
            emulate(FLEET, "x86_64"),
            [INTEL, ARM],
            ["remove koin-1-b", "register", "image arm64", "B of image-arm64", "start b", "let go"],
        ),
        # Somebody may have taken the registration away: hosts that run need it for their next program.
        (emulate(FLEET, "x86_64"), list(emulate(FLEET, "x86_64").hosts), ["register", "start", "let go"]),
        (
            FLEET,
            list(emulate(FLEET, "x86_64").hosts),
            ["remove koin-1-b", "image native", "B of image-native", "start b"],
        ),
    ],
    ids=["native", "native again", "emulated", "on", "emulated again", "off"],
)
def test_programs_of_a_host_can_run_before_there_is_one(
    calls: list[str], tmp_path: Path, fleet: Fleet, standing: list[Host], expected: list[str]
) -> None:
    todo = steps(fleet.hosts, [container(host) for host in standing])
    control._do(HostsState(State(tmp_path, 5566), "1"), fleet, todo)
    assert calls == expected


# --- images ----------------------------------------------------------------------------------------------------------


def test_each_architecture_has_an_image_of_its_own() -> None:
    assert image.digest(APT, "arm64") != image.digest(APT, "")


def seeded(host: Host) -> dict[str, bytes]:
    """The files that a host is given."""
    return {file.path: file.content for file in seed.files(host, FLEET, "key", UserData((), ()), {})}


def test_roles_can_ask_whether_a_host_is_emulated() -> None:
    assert json.loads(seeded(emulate(FLEET, "x86_64").hosts[1])["/etc/ansible/facts.d/rehearsal.fact"]) == {
        "emulated": True
    }


def test_a_host_that_is_not_emulated_has_nothing_of_it() -> None:
    native, foreign = seeded(ARM), seeded(replace(ARM, emulated=True))
    assert set(foreign) - set(native) == {file.path for file in seed.emulated()}
    assert not any("emulated" in path or "facts.d" in path for path in native)


def test_services_lose_their_sandbox_after_all_their_own_settings() -> None:
    path, content = next((file.path, file.content.decode()) for file in seed.emulated() if file.path.endswith(".conf"))
    # systemd goes by the names of drop-ins, of whatever folder.
    assert Path(path).name > "zz"
    assert Path(path).parent == Path("/etc/systemd/system/service.d")
    lines = [line for line in content.splitlines() if not line.startswith("#")]
    assert lines.pop(0) == "[Service]"
    settings = dict(line.split("=", 1) for line in lines)
    assert len(settings) == len(lines)
    assert set(settings.values()) == {"", "no", "all", "default"}


def test_the_emulator_comes_from_the_hosts_release() -> None:
    text = qemu.configuration(Path("/folder"))
    assert 'Dir::Etc::SourceList "/folder/sources.list";' in text
    assert "#clear APT::Default-Release;" in text.splitlines()
    assert qemu.sources(APT).splitlines() == [
        f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {where} main"
        for where in (
            "http://m.example/debian trixie",
            "http://m.example/debian trixie-updates",
            "http://m.example/debian-security trixie-security",
        )
    ]


# --- the kernel ------------------------------------------------------------------------------------------------------

# As the kernel shows what registration() has registered.
OURS = """\
enabled
interpreter /var/cache/koin-rehearsal/qemu-aarch64-trixie
flags: POCF
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
"""
# As Debian's qemu-user-static of bookworm registers it.
DEBIAN = OURS.replace("/var/cache/koin-rehearsal/qemu-aarch64-trixie", "/usr/libexec/qemu-binfmt/aarch64-binfmt-P")
RISCV = OURS.replace("0200b700", "0200f300")
PYTHON = "enabled\ninterpreter /usr/bin/python3.11\nflags: \noffset 0\nmagic a70d0d0a\n"
JAR = "enabled\ninterpreter /usr/bin/jexec\nflags: \nextension .jar\n"


def test_a_registration_is_read() -> None:
    found = binfmt.parse("koin-aarch64", OURS)
    assert found == Entry(
        "koin-aarch64",
        enabled=True,
        interpreter="/var/cache/koin-rehearsal/qemu-aarch64-trixie",
        flags="POCF",
        offset=0,
        magic=binfmt.MAGIC,
        mask=binfmt.MASK,
    )


def test_the_line_that_registers_says_what_the_kernel_shows() -> None:
    first, name, kind, offset, magic, mask, interpreter, flags = binfmt.registration("/some/where").split(":")
    assert (first, name, kind, offset, interpreter, flags) == ("", binfmt.NAME, "M", "", "/some/where", "POCF")
    decoded = [bytes.fromhex(text.replace("\\x", "")) for text in (magic, mask)]
    assert decoded == [binfmt.MAGIC, binfmt.MASK]
    # Nothing that the kernel would read as the end of a field.
    assert set(magic + mask) <= set("\\x0123456789abcdef")


@pytest.mark.parametrize(
    ("text", "handles"),
    [
        (OURS, True),
        (DEBIAN, True),
        (OURS.replace("enabled", "disabled"), False),
        (RISCV, False),
        (PYTHON, False),
        (JAR, False),
        # Programs at a fixed address only: Debian's are of the other kind.
        (OURS.replace("fffeffffff", "ffffffffff"), False),
        # Longer than what all programs begin with.
        (OURS.replace("0200b700\n", "0200b70001\n").replace("fffeffffff", "fffeffffffff"), False),
        ("enabled\ninterpreter /x\nflags: F\noffset 18\nmagic b700\n", True),
        ("enabled\ninterpreter /x\nflags: F\noffset 18\nmagic b600\n", False),
    ],
)
def test_which_registration_is_one_of_arm64(text: str, *, handles: bool) -> None:
    assert binfmt.parse("some", text).handles is handles


def test_what_is_registered_is_used_and_what_is_missing_is_made() -> None:
    ours, theirs = binfmt.parse(binfmt.NAME, OURS), binfmt.parse("qemu-aarch64", DEBIAN)
    others = [binfmt.parse("python3.11", PYTHON), binfmt.parse("jar", JAR), binfmt.parse("qemu-riscv64", RISCV)]
    assert binfmt.choose([]) is None
    assert binfmt.choose(others) is None
    assert binfmt.choose([*others, ours]) == ours
    assert binfmt.choose([theirs, *others]) == theirs


def test_a_registration_that_hosts_cannot_use_is_refused_with_the_way_out() -> None:
    lazy = binfmt.parse("qemu-aarch64", DEBIAN.replace("POCF", "POC"))
    with pytest.raises(LocalHostsError, match=r"without the flag F: .*echo -1 \| sudo tee \S+/qemu-aarch64$"):
        binfmt.choose([lazy])


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ("qemu-aarch64 version 10.0.13 (Debian 1:10.0.13+ds-0+deb13u1)\nCopyright", 10),
        ("qemu-aarch64 version 7.2.19 (Debian 1:7.2+dfsg-7)", 7),
        ("", None),
    ],
)
def test_the_version_of_an_emulator(answer: str, version: int | None) -> None:
    assert qemu.version(answer) == version
