"""What the module host_files compares."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.module_utils.host_files import Entry, Found, changes, differs, find

FILE = Found(exists=True, content=b"text", owner="root", group="root", mode="0644")


@pytest.mark.parametrize(
    ("entry", "found", "expected"),
    [
        (Entry(content="text"), FILE, False),
        (Entry(content="other"), FILE, True),
        (Entry(content="text"), Found(), True),
        (Entry(content="text", mode="0600"), FILE, True),
        (Entry(content="text", mode="644"), FILE, False),
        (Entry(content="text", owner="nobody"), FILE, True),
        (Entry(content="text", group="adm"), FILE, True),
        (Entry(content=""), Found(exists=True, directory=True, owner="root", group="root", mode="0644"), True),
        (Entry(state="absent"), FILE, True),
        (Entry(state="absent"), Found(), False),
        (Entry(state="directory", mode="0755"), Found(True, True, None, None, "root", "root", "0755"), False),
        (Entry(state="directory", mode="0700"), Found(True, True, None, None, "root", "root", "0755"), True),
        (Entry(state="directory"), FILE, True),
        (Entry(state="directory", owner=""), Found(True, True, None, None, "koin", "root", "0644"), False),
        (Entry(state="directory", owner=""), Found(True, True, None, None, "koin", "koin", "0644"), True),
        (Entry(state="directory", owner=""), Found(), True),
        (Entry(link="/a"), Found(exists=True, link="/a", owner="root", group="root", mode="0777"), False),
        (Entry(link="/a"), Found(exists=True, link="/b"), True),
        (Entry(link="/a"), FILE, True),
    ],
)
def test_what_differs(entry: Entry, found: Found, expected: bool) -> None:
    assert differs(entry, found) is expected


def test_only_what_differs_is_written() -> None:
    entries = {"/a": Entry(content="text"), "/b": Entry(content="new")}
    assert list(changes(entries, {"/a": FILE, "/b": FILE})) == ["/b"]


def test_a_link_is_seen_as_one_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("secret")
    (tmp_path / "link").symlink_to("target")
    found = find(str(tmp_path / "link"))
    assert (found.link, found.content) == ("target", None)


def test_a_link_to_a_directory_is_as_good_as_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(".")
    assert find(str(tmp_path / "link"), follow=True).directory
    (tmp_path / "nowhere").symlink_to("away")
    assert not find(str(tmp_path / "nowhere"), follow=True).exists
