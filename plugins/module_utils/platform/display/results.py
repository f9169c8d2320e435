"""What results of tasks say: what was changed, and why a task has failed. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .text import printable

#: lines of a program's output that are worth showing
_TAIL = 12
#: messages of Ansible that say nothing by themselves
_EMPTY = ("non-zero return code", "MODULE FAILURE", "Unhandled error during module execution")
#: what Ansible puts before a message of a module, and of a filter: the names of arguments on the way to it, or `when`
_BEFORE = re.compile(
    r"(?:(?:Task|Module|Action) failed: )*"
    r"(?:(?:Finalization of task args for '[^']+' failed: |A 'when' expression failed: )?"
    r"(?:Error while resolving value for '[^']+': )*"
    r"The filter plugin '[^']+' failed: )?"
)
HIDDEN = "its output is not shown, because it carries secrets (no_log)"


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if value else []
    if isinstance(value, Sequence):
        return [item for item in value if isinstance(item, str) and item]
    return []


def hidden(result: Mapping[str, Any]) -> bool:
    """Whether Ansible has taken out what the result says."""
    return "censored" in result or bool(result.get("_ansible_no_log"))


def _files_of_diff(result: Mapping[str, Any]) -> list[str]:
    diffs = result.get("diff") or []
    found = []
    for diff in [diffs] if isinstance(diffs, Mapping) else diffs:
        if isinstance(diff, Mapping):
            header = diff.get("after_header") or diff.get("before_header")
            found += [text.partition(" (")[0] for text in _texts(header)]
    return list(dict.fromkeys(found))


def things(result: Mapping[str, Any]) -> list[str]:
    """What a task has changed on a host, as its module returns it; empty if that does not say."""
    if hidden(result):
        return []
    if "changed_files" in result:
        return _texts(result["changed_files"])
    if "installed" in result or "removed" in result:
        installed = [f"+ {name}" for name in _texts(result.get("installed"))]
        return installed + [f"- {name}" for name in _texts(result.get("removed"))]
    if "actions" in result:
        return _texts(result["actions"])
    for key in ("dest", "path"):
        if found := _texts(result.get(key)):
            return found[:1]
    if found := _files_of_diff(result):
        return found
    name, state = _texts(result.get("name")), _texts(result.get("state"))
    return [" ".join([*name[:1], *state[:1]])] if name else []


def clean(diff: Any) -> Any:
    """Differences without control characters."""
    if isinstance(diff, str):
        return printable(diff)
    if isinstance(diff, Mapping):
        return {key: clean(value) for key, value in diff.items()}
    return [clean(item) for item in diff] if isinstance(diff, list) else diff


def calls(result: Mapping[str, Any]) -> int:
    """How many of a task's own module calls have changed something."""
    answers = result.get("results")
    if not isinstance(answers, Sequence) or isinstance(answers, str):
        return 0
    return sum(1 for answer in answers if isinstance(answer, Mapping) and answer.get("changed"))


def label(item: Any) -> str:
    """An item of a loop in a few words; empty if it has no name."""
    if isinstance(item, Mapping):
        named = (item.get(key) for key in ("name", "path", "dest", "key"))
        return next((str(value) for value in named if isinstance(value, str | int)), "")
    return str(item) if isinstance(item, str | int) else ""


def _tail(result: Mapping[str, Any]) -> str:
    for key in ("stderr", "module_stderr", "stdout", "module_stdout"):
        if text := "\n".join(_texts(result.get(key))).strip():
            return "\n".join(text.splitlines()[-_TAIL:])
    return ""


def _message(result: Mapping[str, Any]) -> str:
    found = result.get("msg")
    text = found if isinstance(found, str) else "\n".join(_texts(found))
    return _BEFORE.sub("", text, count=1).strip()


def reason(result: Mapping[str, Any]) -> str:
    """Why a task has failed, in the words of the module where it has any."""
    if problem := _texts(result.get("problem")):
        return problem[0].strip("\n")
    if hidden(result):
        return HIDDEN
    text = _message(result)
    if text in ("", "Assertion failed") and "assertion" in result:
        return f"this does not hold: {result['assertion']}"
    if not text or any(one in text for one in _EMPTY):
        code = result.get("rc")
        said = _tail(result)
        text = f"exit status {code}" if code is not None else text or "it does not say why"
        return f"{text}: {said}" if said and "\n" not in said else "\n".join(filter(None, [text, said]))
    return text
