"""What the page and `status` say, in both languages. Pure but for reading one file, once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import yaml

#: the first one is seen until the reader, or the browser, chooses another
LANGUAGES = ("en", "ko")

Words = Mapping[str, Mapping[str, str]]


@cache
def words() -> Words:
    """By key and language."""
    path, loader = Path(__file__).with_name("words.yml"), getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: Words = yaml.load(path.read_bytes(), Loader=loader)
    return found
