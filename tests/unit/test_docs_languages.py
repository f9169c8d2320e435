"""Pages that exist in English and Korean have the same parts, and Korean pages lead to Korean ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
KOREAN = sorted(
    path
    for path in REPOSITORY.rglob("*.ko.md")
    if not any(part.startswith(".") for part in path.relative_to(REPOSITORY).parts)
)
#: more than this and a new maintainer does not read to the end
README_WORDS = 1200


def english(path: Path) -> Path:
    """The page that a Korean page is the twin of."""
    return path.with_name(path.name.replace(".ko.md", ".md"))


def without_code(text: str) -> str:
    """A page without fenced code."""
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def headings(text: str) -> list[tuple[int, str]]:
    """Level of each heading and its anchor, in order."""
    found = re.findall(r"^(#+) (.+)$", without_code(text), flags=re.MULTILINE)
    return [(len(marks), re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")) for marks, title in found]


def links(text: str) -> list[str]:
    """Targets of links and pictures, sorted: a sentence may name them in another order."""
    plain = re.sub(r"`[^`\n]*`", "", without_code(text))
    return sorted(re.findall(r"\]\(([^)\s]+)\)", plain))


def translated(page: Path, link: str) -> str:
    """Where the Korean twin of an English page has to lead: to the Korean page and heading, where there is one."""
    path, mark, anchor = link.partition("#")
    if re.match(r"[a-z]+:", link) or (path and not path.endswith(".md")):
        return link
    target = (page.parent / path) if path else page
    twin = target.with_name(target.name.replace(".md", ".ko.md"))
    if not twin.exists():
        return link
    if anchor:
        place = [name for _, name in headings(target.read_text())].index(anchor)
        anchor = headings(twin.read_text())[place][1]
    return (path.removesuffix(".md") + ".ko.md" if path else "") + mark + anchor


def parts(text: str) -> dict[str, Any]:
    """What is the same in every language."""
    plain = without_code(text)
    return {
        "levels": [level for level, _ in headings(text)],
        "code": re.findall(r"```.*?```", text, flags=re.DOTALL),
        "rows": [line.count("|") for line in plain.splitlines() if line.startswith("|")],
        "words of code": sorted(set(re.findall(r"`([^`\n]+)`", plain))),
    }


def test_there_are_korean_pages() -> None:
    names = [str(path.relative_to(REPOSITORY)) for path in KOREAN]
    assert names == ["CONTRIBUTING.ko.md", "README.ko.md", "docs/commands.ko.md", "docs/operations.ko.md"]


@pytest.mark.parametrize("page", KOREAN, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_both_languages_have_the_same_parts(page: Path) -> None:
    assert parts(english(page).read_text()) == parts(page.read_text())


@pytest.mark.parametrize("page", KOREAN, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_both_languages_have_the_same_links(page: Path) -> None:
    original = english(page)
    wanted = sorted(translated(original, link) for link in links(original.read_text()) if link != page.name)
    assert [link for link in links(page.read_text()) if link != original.name] == wanted
    assert page.name in links(original.read_text())
    assert original.name in links(page.read_text())


def test_the_comparison_notices_what_one_of_them_lacks() -> None:
    page = "# A\n\n```sh\nmake\n```\n\n`word`\n\n| a | b |\n"
    for other in ("text", "do", "another", "| a |"):
        changed = page.replace({"text": "# A", "do": "make", "another": "word", "| a |": "| a | b |"}[other], other)
        assert parts(page) != parts(changed)


def test_a_korean_page_leads_to_korean_headings() -> None:
    readme = REPOSITORY / "README.md"
    english = headings((REPOSITORY / "docs/operations.md").read_text())
    place = [anchor for _, anchor in english].index("who-gets-notified")
    anchor = headings((REPOSITORY / "docs/operations.ko.md").read_text())[place][1]
    assert translated(readme, "docs/operations.md#who-gets-notified") == f"docs/operations.ko.md#{anchor}"
    assert translated(readme, "docs/iam.md") == "docs/iam.md"


def test_the_readme_is_short() -> None:
    assert len((REPOSITORY / "README.md").read_text().split()) <= README_WORDS
