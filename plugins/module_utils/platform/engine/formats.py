"""The format of one field: a hostname, a port, a name that AWS accepts. Pure.

A format reports at most one problem of a value, and none of a value of the wrong type.
"""

from __future__ import annotations

import ipaddress
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .errors import Problem
from .options import nearest, shown

#: gets the path of the value, and the value
Format = Callable[[str, Any], Iterator[Problem]]

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?", re.IGNORECASE)
_MAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[^@\s]+")


def strange(text: str) -> str:
    """What is invisible or not ASCII in a text; empty when nothing is."""
    if text != text.strip():
        return "begins or ends with a space"
    for character in text:
        if not " " <= character <= "~":
            name = unicodedata.name(character, f"U+{ord(character):04X}")
            visible = f"`{character}` ({name})" if character.isprintable() else name
            return f"holds {visible}, which is not ASCII"
    return ""


def text(pattern: str, what: str, fix: str, longest: int = 0) -> Format:
    """A text that a pattern describes, in ASCII.

    what: as ``a bucket name``. fix: what to write. longest: how many characters there may be; 0 for any number.
    """
    compiled = re.compile(pattern, re.ASCII)

    def check(where: str, value: Any) -> Iterator[Problem]:
        if not isinstance(value, str):
            return
        if odd := strange(value):
            yield Problem(where, f"{shown(value)} {odd}", fix)
        elif longest and len(value) > longest:
            yield Problem(where, f"{shown(value)} has {len(value)} characters, {what} at most {longest}", "shorten it")
        elif not compiled.fullmatch(value):
            lower = value.lower()
            better = lower if lower != value and compiled.fullmatch(lower) else ""
            yield Problem(where, f"{shown(value)} is not {what}", f"write `{better}`" if better else fix)

    return check


def number(low: int, high: int, what: str, fix: str = "") -> Format:
    """A number between two others. what: as ``a port``."""

    def check(where: str, value: Any) -> Iterator[Problem]:
        if isinstance(value, int) and not low <= value <= high:
            yield Problem(where, f"{value} is not {what}", fix or f"write a number from {low} to {high}")

    return check


port = number(1, 65535, "a port", "choose one from 1 to 65535")
ttl = number(0, 2147483647, "a time to live", "write seconds from 0 to 2147483647, e.g. 300")


def finite(where: str, value: Any) -> Iterator[Problem]:
    """A finite number."""
    if isinstance(value, float) and not math.isfinite(value):
        yield Problem(where, f"`{value}` is not a finite number", "write a number")


def ipv4(where: str, value: Any) -> Iterator[Problem]:
    """An IPv4 address."""
    try:
        ipaddress.IPv4Address(str(value))
    except ValueError:
        yield Problem(where, f"{shown(value)} is not an IPv4 address", "write one like 52.78.46.60")


def hostname_fault(value: str, *, wildcard: bool = False, underscore: bool = False) -> tuple[str, str]:
    """What is wrong with a DNS name in full, and what to write; empty when nothing is.

    wildcard: whether the leftmost label may be ``*``. underscore: whether labels may hold ``_``.
    """
    fix = "write a name like api.koreatech.in"
    bare = re.sub(r"^[a-z]+://", "", value, flags=re.IGNORECASE).partition("/")[0]
    if bare != value:
        return "is a URL, not a name", f"write `{bare}`"
    if odd := strange(value):
        return odd, _punycode(value) or fix
    name = value.removesuffix(".")
    if len(name) > 253:
        return f"has {len(name)} characters, a DNS name at most 253", "shorten it"
    labels = name.split(".")
    if wildcard and labels[0] == "*":
        labels = labels[1:]
    if "*" in name and any("*" in label for label in labels):
        where = "only as the leftmost label" if wildcard else "nowhere"
        return f"has a `*`, which is allowed {where}", f"write `*.{'.'.join(labels[-2:])}`" if wildcard else fix
    if len(labels) < 2:
        return "is not a DNS name in full: it has no domain", fix
    if name.replace(".", "").isdigit():
        return "is an IP address, not a DNS name", fix
    for label in labels:
        if len(label) > 63:
            return f"is not a DNS name: `{label[:20]}…` has {len(label)} characters, a label at most 63", "shorten it"
        if not _LABEL.fullmatch(label) or ("_" in label and not underscore):
            what = f"`{label}` is not a label" if label else "there is nothing between two dots"
            return f"is not a DNS name: {what}", "write letters, digits and inner hyphens, with dots between"
    if labels[-1].isdigit():
        return f"is not a DNS name: no domain ends in `{labels[-1]}`", fix
    return "", ""


def _punycode(value: str) -> str:
    """The DNS form of a name with other letters; empty when the letters only look wrong or there is no such name."""
    try:
        written = value.strip().encode("idna").decode()
    except UnicodeError:
        return ""
    return f"write `{written}`" if hostname_fault(written) == ("", "") else ""


def hostname(where: str, value: Any) -> Iterator[Problem]:
    """A DNS name in full, in lower case; the leftmost label may be ``*``."""
    if not isinstance(value, str):
        return
    what, fix = hostname_fault(value, wildcard=True)
    if what:
        yield Problem(where, f"{shown(value)} {what}", fix)
    elif value != value.lower().removesuffix("."):
        yield Problem(where, f"{shown(value)} is not how AWS writes it", f"write `{value.lower().removesuffix('.')}`")


def mail(where: str, value: Any) -> Iterator[Problem]:
    """A mail address."""
    if not isinstance(value, str):
        return
    local, _, domain = value.rpartition("@")
    wrong = strange(value) or not _MAIL.fullmatch(value) or ".." in local or local.startswith(".")
    if wrong or hostname_fault(domain) != ("", ""):
        yield Problem(where, f"{shown(value)} is not a mail address", "write one like koin@koreatech.ac.kr")


def origin(where: str, value: Any) -> Iterator[Problem]:
    """A web origin: scheme, name, port, without a path; ``*`` for any."""
    if not isinstance(value, str) or value == "*":
        return
    match = re.fullmatch(r"(https?)://([^/:?#\s]+)(?::(\d{1,5}))?(.*)", value, re.DOTALL)
    if not match:
        fix = f"write `https://{value}`" if not re.match(r"\w+:", value) else "write one like https://koreatech.in"
        yield Problem(where, f"{shown(value)} is not an origin: scheme and name, as a browser sends them", fix)
        return
    scheme, name, number, rest = match.groups()
    alone = f"{scheme}://{name.lower()}{':' + number if number else ''}"
    if rest:
        yield Problem(where, f"{shown(value)} is not an origin: it has a path", f"write `{alone}`")
    elif value.count("*") > 1:
        yield Problem(where, f"{shown(value)} has more than one `*`", "write one like https://*.koreatech.in")
    elif number and not 1 <= int(number) <= 65535:
        yield Problem(where, f"{shown(value)} is not an origin: {number} is not a port", "choose one from 1 to 65535")
    elif name != "localhost" and not _is_address(name):
        what, fix = hostname_fault(name.replace("*", "x"))
        if what:
            yield Problem(where, f"{shown(value)} is not an origin: `{name}` {what}", fix)
        elif value != alone:
            yield Problem(where, f"{shown(value)} is not how a browser writes it", f"write `{alone}`")


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def tag_value(where: str, value: Any) -> Iterator[Problem]:
    """The value of a tag."""
    if value is None or isinstance(value, bool | list | Mapping):
        yield Problem(where, f"{shown(value)} is not a tag value", "write text, in quotes")
    elif len(str(value)) > 256:
        yield Problem(where, f"has {len(str(value))} characters, a tag value at most 256", "shorten it")


def tag_key(where: str, value: Any) -> Iterator[Problem]:
    """The key of a tag of the operator's own."""
    key = str(value)
    if key.lower().startswith("aws:"):
        yield Problem(where, f"{shown(key)} begins with aws:, which AWS reserves", "choose another key")
    elif not key.strip() or len(key) > 128 or key != key.strip():
        yield Problem(where, f"{shown(key)} is not a tag key", "write 1 to 128 characters, no space at the ends")
    elif key in ("Name", "Role"):
        yield Problem(where, f"tag {key} cannot be set: it follows from the entry", "remove it")


def one_of(known: tuple[str, ...], what: str) -> Format:
    """One of a few words that a spec cannot list. what: what to call any other word, e.g. ``not a right``."""

    def check(where: str, value: Any) -> Iterator[Problem]:
        if isinstance(value, str) and value not in known:
            near = nearest(value, known)
            words = ", ".join(known)
            fix = f"write `{near}`" if near else "write one of these"
            yield Problem(where, f"{shown(value)} is {what}; known are {words}", fix)

    return check
