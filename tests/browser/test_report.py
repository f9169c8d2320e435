"""The page in a real Chromium: it loads nothing, says nothing in the console, and axe finds nothing.

Not part of `make test`: it needs a browser, and axe-core from npm. docs/development.md says how to run it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.chromium import Chromium, program
from tests.support.report import hostile, html

WIDTHS = (1280, 390)
LANGUAGES = ("en", "ko")
#: a page that was written by `make report`, instead of the sample
PAGE = os.environ.get("REPORT")


@pytest.fixture(scope="module")
def axe() -> str:
    """axe-core's one file; AXE says where it is."""
    path = Path(os.environ.get("AXE", ""))
    assert path.is_file(), "AXE=…/axe.min.js: get it with `npm pack axe-core`, see docs/development.md"
    return path.read_text()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page, whose account is full of names that want to be more than text."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(Path(PAGE).read_text() if PAGE else html(hostile()))
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    """One for all tests."""
    assert program(), "no Chromium: apt-get install chromium"
    with Chromium() as started:
        yield started


def said(browser: Chromium) -> list[Any]:
    """What the page has written into the console, and what went wrong in it."""
    loud = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
    return [event["params"] for event in browser.events if event["method"] in loud]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_is_accessible_and_loads_nothing(
    browser: Chromium, file: Path, axe: str, width: int, language: str, dark: bool
) -> None:
    browser.look(width=width, dark=dark)
    browser.open(file)
    browser.run(f"document.querySelector('[data-language={language}]').click()")
    requests = [event["params"]["request"]["url"] for event in browser.events if event["method"].endswith("WillBeSent")]
    assert [url for url in requests if not url.startswith("data:")] == [file.resolve().as_uri()]
    # Only what is wide scrolls, each in a region of its own.
    assert browser.run("document.documentElement.scrollWidth") == width
    # What is folded is looked at, too.
    browser.run("document.querySelectorAll('details').forEach(part => { part.open = true })")
    browser.run(f"{axe}; 0")
    found = json.loads(browser.run("axe.run().then(result => JSON.stringify(result.violations))"))
    assert [(item["id"], item["impact"], item["nodes"][0]["html"]) for item in found] == []
    assert said(browser) == []
    if folder := os.environ.get("SHOTS"):
        browser.run("document.querySelectorAll('details').forEach(part => { part.open = false })")
        browser.picture(Path(folder) / f"{width}-{language}-{'dark' if dark else 'light'}.png")


@pytest.mark.parametrize(("wanted", "language"), [("ko-KR", "ko"), ("en-GB", "en"), ("de", "en")])
def test_it_begins_in_the_language_of_the_browser(browser: Chromium, file: Path, wanted: str, language: str) -> None:
    browser.call("Network.setUserAgentOverride", userAgent="test", acceptLanguage=wanted)
    browser.open(file)
    browser.run("localStorage.clear()")
    browser.open(file)
    assert browser.run("document.documentElement.lang") == language


def test_switching_the_language_changes_all_of_it_and_is_kept(browser: Chromium, file: Path) -> None:
    browser.open(file)
    for language, other, title in (("ko", "en", "KOIN 플랫폼"), ("en", "ko", "The KOIN platform")):
        browser.run(f"document.querySelector('[data-language={language}]').click()")
        browser.open(file)
        assert browser.run("[document.documentElement.lang, document.title]") == [language, title]
        visible = "[...document.querySelectorAll('.{}')].filter(one => one.getClientRects().length).length"
        assert browser.run(visible.format(other)) == 0
        assert browser.run(visible.format(language)) > 100
        pressed = "document.querySelector('[data-language={}]').getAttribute('aria-pressed')"
        assert [browser.run(pressed.format(one)) for one in (language, other)] == ["true", "false"]


def test_the_keyboard_reaches_everything(browser: Chromium, file: Path) -> None:
    browser.look()
    browser.open(file)
    browser.press("Tab", 9)
    assert browser.run("document.activeElement.className") == "skip"
    browser.press("Enter", 13)
    assert browser.run("location.hash") == "#content"
    browser.open(file)
    reached = []
    for _ in range(200):
        browser.press("Tab", 9)
        reached.append(browser.run("document.activeElement.tagName + ' ' + (document.activeElement.className || '')"))
        if reached[-1].startswith("BODY"):
            break
    kinds = {name.split(" ")[0] for name in reached}
    assert {"A", "BUTTON", "DIV", "SUMMARY"} <= kinds
    regions = browser.run("[...document.querySelectorAll('.scroll')].filter(one => one.checkVisibility()).length")
    assert reached.count("DIV scroll") == regions


def test_on_paper_nothing_is_folded(browser: Chromium, file: Path) -> None:
    browser.open(file)
    folded = "document.querySelectorAll('details:not([open]):not(.matrix details)').length"
    browser.run(f"addEventListener('beforeprint', () => {{ window.folded = {folded} }})")
    printed = browser.call("Page.printToPDF", printBackground=False)
    assert len(printed["data"]) > 20000
    assert browser.run("window.folded") == 0
    assert browser.run(folded) > 0
    # A4 in landscape, less its margins.
    browser.look(width=1032)
    browser.run("document.querySelectorAll('details:not(.matrix details)').forEach(part => { part.open = true })")
    browser.call("Emulation.setEmulatedMedia", media="print", features=[])
    assert browser.run("document.documentElement.scrollWidth") == 1032
