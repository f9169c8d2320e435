"""The page: facts in, one HTML file out that loads nothing. Pure but for reading its own parts, once.

Whatever comes from the account or the declaration is escaped by Jinja; both languages are in the file, and the language
of the page decides which one is seen.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from .words import LANGUAGES, Words, words

_HERE = Path(__file__).parent


@cache
def _part(name: str) -> str:
    return (_HERE / name).read_text()


def key_of(text: str, prefix: str) -> str:
    """The key of a word for something that has a name of its own."""
    return f"{prefix}_{re.sub(r'[^a-z0-9]+', '_', text.lower()).strip('_')}"


def translator(known: Words) -> Callable[..., Markup]:
    """Says a key in both languages. Raises KeyError for one that is unknown."""

    def say(key: str, **values: Any) -> Markup:
        # Markup escapes what is filled into it.
        texts = {language: Markup(known[key][language]).format(**values) for language in LANGUAGES}
        if len(set(texts.values())) == 1:
            return texts[LANGUAGES[0]]
        spans = (f'<span class="{name}" lang="{name}">{text}</span>' for name, text in texts.items())
        return Markup("".join(spans))

    return say


def _digest(text: str) -> str:
    """Of a script or style, as a content security policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _data(content: str, kind: str) -> str:
    """A file inside the page."""
    return f"data:{kind};base64,{base64.b64encode(content.encode()).decode()}"


def page(facts: Mapping[str, Any], picture: str, known: Words | None = None) -> str:
    """The HTML. picture: SVG. known: the words; for tests."""
    known = words() if known is None else known
    say = translator(known)

    def named(text: str, prefix: str) -> Markup:
        """What has a word of its own in that word, anything else as it is."""
        key = key_of(text, prefix)
        return say(key) if key in known else escape(text)

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    style, script = _part("page.css"), _part("page.js")
    policy = f"default-src 'none'; img-src data:; style-src {_digest(style)}; script-src {_digest(script)}"
    return environment.from_string(_part("page.html.j2")).render(
        facts,
        t=say,
        named=named,
        languages=LANGUAGES,
        titles=known["title"],
        style=Markup(style),
        script=Markup(script),
        policy=f"{policy}; base-uri 'none'; form-action 'none'",
        picture=_data(picture, "image/svg+xml"),
        alternative={name: known["picture_says"][name] for name in LANGUAGES},
    )
