"""Is a value what an argument spec asks for? Types, choices, required and unknown keys, at every depth. Pure.

Stricter than Ansible's own validator, which takes `a, b` for a list and `true` for text; messages say what to write.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .errors import Problem

#: options of one level of an argument spec, by name
Options = Mapping[str, Mapping[str, Any]]

#: what a type is called in a message
_CALLED = {
    "bool": "true or false",
    "dict": "a mapping",
    "float": "a number",
    "int": "a whole number",
    "list": "a list",
    "path": "a path",
    "str": "text",
}
_TRUE, _FALSE = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})
_WHOLE = re.compile(r"[+-]?\d+")
_AMOUNT = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*(%|[A-Za-z]+)")
#: seconds of one unit of time
_SECONDS = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86400,
            "day": 86400}  # fmt: skip
#: MiB of one unit of memory or disk
_MIB = {"k": 1 / 1024, "m": 1.0, "g": 1024.0, "t": 1024.0 * 1024.0}


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that was probably meant; empty when none is near."""
    names = sorted(map(str, known))
    same = [other for other in names if other.lower() == str(name).lower().strip()]
    if same:
        return same[0]
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.6)
    if near:
        return near[0]
    # `production` for `prod`.
    return next((other for other in names if len(other) > 2 and str(name).lower().startswith(other.lower())), "")


def unknown_key(where: str, key: str, known: Iterable[str]) -> Problem:
    """The problem of a key that nothing reads, with the nearest one that something does."""
    known = sorted(map(str, known))
    near = nearest(key, known)
    fix = f"write `{near}`" if near else f"remove it; known here: {', '.join(known)}"
    return Problem(where, f"`{key}` is not a known key", fix)


def described(option: Mapping[str, Any]) -> str:
    """What an option is, in the first sentence of its description."""
    text = option.get("description") or ""
    text = text if isinstance(text, str) else " ".join(str(part) for part in text)
    text = re.sub(r"[A-Z]\(([^)]*)\)", r"`\1`", text)
    return re.split(r"(?<=\.)\s", text.strip(), maxsplit=1)[0].rstrip(".")


def shown(value: Any, option: Mapping[str, Any] | None = None) -> str:
    """A value as a message shows it: shortened, and hidden when it is a secret."""
    if option and option.get("no_log"):
        return "this value"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = str(value).splitlines()[0] if str(value) else ""
    return f"`{text[:60]}…`" if len(text) > 60 else f"`{text}`"


def check_options(
    where: str, value: Mapping[str, Any], options: Options, *, null: bool = False, partial: bool = False
) -> tuple[dict[str, Any], list[Problem]]:
    """The mapping with types and defaults applied, and every problem of it.

    null: whether `key: null` means that the key is left out, rather than a mistake
    partial: whether keys may be missing, as in defaults of entries; no default is applied then
    """
    typed: dict[str, Any] = {}
    problems = [unknown_key(where, str(key), options) for key in value if key not in options]
    # A key that is missing because it is misspelt is reported once.
    misspelt = {nearest(str(key), options) for key in value if key not in options}
    for key, option in options.items():
        given = value.get(key)
        here = f"{where}.{key}" if where else key
        if key not in value or (given is None and null):
            if option.get("required") and not partial and key not in misspelt:
                about = described(option)
                problems.append(
                    Problem(where, f"`{key}` is missing", f"add `{key}: …`" + (f" ({about})" * bool(about)))
                )
            elif option.get("default") is not None and not partial:
                typed[key] = option["default"]
            continue
        typed[key], found = check_value(here, given, option, null=null, partial=partial)
        problems += [_two_ends(problem, key, given, options) for problem in found]
    return typed, problems


def _two_ends(problem: Problem, key: str, value: Any, options: Options) -> Problem:
    """``80-90``, where the two ends of a range have a key each: name both."""
    last = f"to_{key.removeprefix('from_')}"
    ends = re.fullmatch(r"(\d+)\s*[-~:]\s*(\d+)", str(value))
    if not ends or last not in options or last == key:
        return problem
    about = described(options[key])
    return problem._replace(fix=f"write `{key}: {ends[1]}` and `{last}: {ends[2]}`" + f" ({about})" * bool(about))


def check_value(
    where: str, value: Any, option: Mapping[str, Any], *, null: bool = False, partial: bool = False
) -> tuple[Any, list[Problem]]:
    """One value with its type applied, and every problem of it."""
    kind = option.get("type", "str")
    if kind == "raw":
        return value, []
    if kind == "dict":
        if not isinstance(value, Mapping):
            return {}, [_mistyped(where, value, option)]
        if not option.get("options"):
            return dict(value), []
        return check_options(where, value, option["options"], null=null, partial=partial)
    if kind == "list":
        return _list(where, value, option, null=null)
    typed = _scalar(kind, value, option.get("choices"))
    if typed is None:
        return value, [_mistyped(where, value, option)]
    if option.get("choices") and typed not in option["choices"]:
        choices = [str(choice) for choice in option["choices"]]
        near = nearest(str(typed), choices)
        what = f"{shown(value, option)} is not one of {', '.join(choices)}"
        fix, about = f"write `{near}`" if near else "write one of these", described(option)
        return typed, [Problem(where, what, f"{fix} ({about})" if about else fix)]
    return typed, []


def _list(where: str, value: Any, option: Mapping[str, Any], *, null: bool) -> tuple[list[Any], list[Problem]]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return [], [_mistyped(where, value, option)]
    element = {"type": option.get("elements", "raw"), **({"options": option["options"]} if "options" in option else {})}
    element |= {key: option[key] for key in ("choices", "no_log", "description") if key in option}
    typed, problems = [], []
    for number, item in enumerate(value):
        content, found = check_value(f"{where}.{number}", item, element, null=null)
        typed.append(content)
        problems += found
    return typed, problems


def _scalar(kind: str, value: Any, choices: Sequence[Any] | None) -> Any:
    """The value as that type; None when it is of another."""
    if kind in ("str", "path"):
        if isinstance(value, bool):
            # YAML reads an unquoted yes or no as a truth value.
            word = "yes" if value else "no"
            return word if choices and word in choices else None
        return str(value) if isinstance(value, str | int | float) else None
    if kind == "bool":
        if isinstance(value, bool):
            return value
        word = str(value).lower() if isinstance(value, str | int) else ""
        return True if word in _TRUE else False if word in _FALSE else None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if kind == "int":
        if isinstance(value, float):
            return int(value) if value.is_integer() else None
        return int(value) if _WHOLE.fullmatch(str(value)) else None
    if kind == "float":
        try:
            return float(value)
        except ValueError:
            return None
    raise ValueError(f"argument spec with type {kind}, which this check does not know")


def _mistyped(where: str, value: Any, option: Mapping[str, Any]) -> Problem:
    kind = option.get("type", "str")
    wanted = _CALLED[kind]
    fix = _instead(where.rpartition(".")[2], kind, value, option)
    about = described(option)
    what = f"has no value; {wanted} belongs here" if value is None else f"{shown(value, option)} is not {wanted}"
    return Problem(where, what, f"{fix} ({about})" if about else fix)


def _instead(name: str, kind: str, value: Any, option: Mapping[str, Any]) -> str:
    """What to write for a value of the wrong type."""
    if option.get("no_log"):
        return f"write {_CALLED[kind]}"
    if kind == "list":
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            items = [item for item in re.split(r"\s*,\s*|\s+", str(value).strip()) if item]
            if option.get("elements", "str") == "str" and ("," not in str(value)):
                items = str(value).split()
            return (
                f"write [{', '.join(items)}]"
                if len(str(value)) < 80
                else "write each item on a line of its own, after `- `"
            )
        return "write each item on a line of its own, after `- `" if value is not None else "write the items, or []"
    if kind == "dict":
        return _mapping_instead(value)
    if kind in ("int", "float"):
        return _number_instead(name, kind, value, option)
    if kind == "bool":
        return "write true or false"
    if isinstance(value, bool):
        return f'write "{"yes" if value else "no"}" or "{str(value).lower()}" in quotes, whichever is meant'
    return "write it in quotes" if value is not None and not isinstance(value, list | Mapping) else "write text"


def _mapping_instead(value: Any) -> str:
    if value is None:
        return "write `key: value` lines below it, or {}"
    items = value if isinstance(value, list) else [value]
    pairs = []
    for item in items[:3]:
        match = re.fullmatch(r"([\w.-]+)\s*[=:]\s*(\S+)", str(item)) if isinstance(item, str | int) else None
        if not match:
            return (
                "write `key: value` lines below it, without `- `"
                if isinstance(value, list)
                else "write `key: value` lines below it"
            )
        pairs.append(f"{match[1]}: {match[2]}")
    return "write {" + ", ".join(pairs) + "}" if pairs else "write {}"


def _number_instead(name: str, kind: str, value: Any, option: Mapping[str, Any]) -> str:
    match = _AMOUNT.fullmatch(str(value).strip()) if isinstance(value, str) else None
    if not match:
        if isinstance(value, float):
            return f"write {int(value)}, or {int(value) + 1}"
        return f"write {_CALLED[kind]}"
    amount, unit = float(match[1]), match[2].lower()
    if unit == "%":
        return f"write {amount / 100:g}" if kind == "float" else f"write {amount:g}"
    mib = _MIB.get(unit[0]) if re.fullmatch(r"[kmgt](i?b)?", unit) else None
    second = _SECONDS.get(unit.removesuffix("s") or unit)
    if second and ("second" in str(option.get("description", "")).lower() or name.endswith("_seconds")):
        amount *= second
    elif mib is not None and name.endswith("_mib"):
        amount *= mib
    elif mib is not None and "GiB" in str(option.get("description", "")):
        amount *= mib / 1024
    return f"write {max(1, round(amount)) if kind == 'int' else round(amount, 3)}, without the unit"
