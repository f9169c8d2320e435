"""A value changes in the text of a file, and nothing else does."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.platform.readable import LOADER
from ansible.module_utils.platform.yaml_edit import REMOVED, RefusedError, edited

REPOSITORY = Path(__file__).resolve().parents[2]
TEXT = """\
---
# The zones.
zones:
  bcsdlab.com:  # ours
    registered: true
  jjbaksa.com: {}

# Records besides those of sites.
records: {}  # none yet

groups:
  Web:
    vpc: BCSDLab   # the only one
    egress:
      all: {protocol: all, cidrs: [0.0.0.0/0]}
  # Of the host that reads metrics.
  Monitoring:
    subnets:
      - a  # first
      - b
      # the last one
      - c
    ingress: {}
    data: |
      one
      two

    # after the text
    size: 20
computed: "{{ other | combine({}) }}"
shared: &shared [1, 2]
again: *shared
"""


def _diff(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("zones/bcsdlab.com/registered", False, ["-    registered: true", "+    registered: false"]),
        ("zones/koreatech.in", {}, ["+  koreatech.in: {}"]),
        ("zones/bcsdlab.com/comment", "a: b", ['+    comment: "a: b"']),
        ("zones/jjbaksa.com/id", "Z1", ["-  jjbaksa.com: {}", "+  jjbaksa.com:", "+    id: Z1"]),
        (
            "records/old",
            {"zone": "z", "values": ["1.2.3.4"]},
            ["-records: {}  # none yet", "+records:  # none yet", "+  old:", "+    zone: z", "+    values: [1.2.3.4]"],
        ),
        ("groups/Web/vpc", "other", ["-    vpc: BCSDLab   # the only one", "+    vpc: other   # the only one"]),
        (
            "groups/Web/egress/all/cidrs",
            ["10.0.0.0/8"],
            [
                "-      all: {protocol: all, cidrs: [0.0.0.0/0]}",
                "+      all: {protocol: all, cidrs: [10.0.0.0/8]}",
            ],
        ),
        ("groups/Web/egress/dns", {"protocol": "udp", "port": 53}, ["+      dns: {protocol: udp, port: 53}"]),
        (
            "groups/Web/egress/all/description",
            "x",
            [
                "-      all: {protocol: all, cidrs: [0.0.0.0/0]}",
                "+      all: {protocol: all, cidrs: [0.0.0.0/0], description: x}",
            ],
        ),
        ("groups/Monitoring/subnets", ["a", "c", "d"], ["-      - b", "+      - d"]),
        ("groups/Monitoring/subnets", ["a", "b", "c"], []),
        (
            "groups/Monitoring/data",
            "three",
            ["-    data: |", "-      one", "-      two", "+    data: three"],
        ),
        ("groups/Monitoring/size", 30, ["-    size: 20", "+    size: 30"]),
        ("groups/Monitoring/size", None, ["-    size: 20", "+    size: null"]),
        ("groups/Monitoring/size", REMOVED, ["-    size: 20"]),
        ("groups/Monitoring/data", REMOVED, ["-    data: |", "-      one", "-      two"]),
        ("groups/Monitoring/nothing", REMOVED, []),
        (
            "zones/bcsdlab.com/registered",
            REMOVED,
            ["-  bcsdlab.com:  # ours", "-    registered: true", "+  bcsdlab.com: {}  # ours"],
        ),
        ("new", {"a": 1}, ["+new:", "+  a: 1"]),
    ],
)
def test_only_the_changed_lines_differ(path: str, value: Any, expected: list[str]) -> None:
    steps = path.split("/")
    after = edited(TEXT, steps, value)
    assert _diff(TEXT, after) == expected
    loaded: Any = yaml.safe_load(after)
    for step in steps[:-1]:
        loaded = loaded[step]
    assert (loaded.get(steps[-1], REMOVED) if isinstance(loaded, dict) else REMOVED) == value


@pytest.mark.parametrize(
    ("path", "line", "reason"),
    [
        ("computed/key", 30, "a template computes it"),
        ("computed", 30, "a template computes it"),
        ("again", 32, "its value is an alias of another one"),
        ("shared", 31, "others repeat its value (`&`)"),
    ],
)
def test_what_others_use_is_refused_with_its_line(path: str, line: int, reason: str) -> None:
    with pytest.raises(RefusedError) as refused:
        edited(TEXT, path.split("/"), ["x"])
    assert (refused.value.line, refused.value.reason) == (line, reason)


@pytest.mark.parametrize(
    "value",
    [
        "yes",
        "null",
        "0644",
        "22:22",
        "1.5",
        "a: b",
        "#x",
        "*x",
        "@x",
        "- x",
        "x #y",
        'say "hi"',
        'it\'s "x"',
        "",
        " a",
        "a ",
        "한글",
        "a\nb",
        "~",
        "2026-11-28",
        "0x1f",
        "[x]",
        "{x}",
        "%x",
        "x:",
        "!x",
        "&x",
        "1e3",
        "=",
        "<<",
    ],
)
def test_a_text_is_read_as_it_was_written(value: str) -> None:
    assert yaml.safe_load(edited("a: {b: [1]}\n", ["a", "c"], [value])) == {"a": {"b": [1], "c": [value]}}
    assert yaml.safe_load(edited("a: 1\n", ["b"], value)) == {"a": 1, "b": value}
    assert yaml.safe_load(edited("a: 1\n", ["b"], {value: value}))["b"] == {value: value}


FILES = sorted((REPOSITORY / "group_vars").rglob("*.yml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_value_of_our_files_can_be_changed_by_itself(file: Path) -> None:
    """Each change gives exactly the wanted data, or is refused."""
    text = file.read_text()
    for path, _ in list(_leaves(yaml.safe_load(text))):
        wanted = yaml.load(text, Loader=LOADER)
        inner = wanted
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = "changed"
        try:
            after = edited(text, path, "changed")
        except RefusedError:
            continue
        assert yaml.load(after, Loader=LOADER) == wanted, path
        gone = [line for line in _diff(text, after) if line.startswith("-") and line.lstrip("- ").startswith("#")]
        assert gone == [], path


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Any:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            if isinstance(key, str):
                yield from _leaves(item, (*path, key))
    elif path:
        yield path, value
