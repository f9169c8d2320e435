"""What a module's failed answer says. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: how botocore words a refusal; modules of collections keep it in a traceback and leave it out of their message
_REFUSED = re.compile(r"An error occurred \((?P<code>[\w.]+)\) when calling the \w+ operation[^:\n]*: (?P<text>[^\n]*)")


#: how IAM words a refusal, in every service
_DENIED = re.compile(r"is not authorized to perform: (?P<action>\w+:[\w*]+)")
_HEAD = re.compile(r"\(403\) when calling the (?P<operation>Head\w+) operation")


def reason(answer: Mapping[str, Any]) -> str:
    """Why AWS refused, as ``code: message``; empty when the answer does not tell."""
    error = answer.get("error")
    if isinstance(error, Mapping) and error.get("code"):
        return f"{error['code']}: {error.get('message') or ''}".rstrip(": ")
    found = list(_REFUSED.finditer(str(answer.get("exception") or "")))
    return f"{found[-1]['code']}: {found[-1]['text'].strip()}" if found else ""


def _missing(text: str, heads: Mapping[str, str]) -> str:
    """The action that IAM refuses in a text, as policies write it; empty when it is not known."""
    if denied := _DENIED.search(text):
        service, _, action = denied["action"].partition(":")
        return f"{service.lower()}:{action}"
    head = _HEAD.search(text)
    return heads.get(head["operation"], "") if head else ""


def failure(answer: Mapping[str, Any], administered: str = "", heads: Mapping[str, str] | None = None) -> str:
    """The message of a failed answer, with AWS's own reason once.

    administered: the playbook of an administrator who may do what operators may not. heads: the action that each HEAD
    takes, see ``Kind``.
    """
    message, why = str(answer.get("msg") or "it ended without a message"), reason(answer)
    code, _, text = why.partition(": ")
    said = not why or (text in message if text else code in message)
    whole = message if said else f"{message.rstrip(' .:')}: {why}"
    action = _missing(f"{whole}\n{answer.get('exception') or ''}", heads or {})
    if not action:
        return whole
    whole = whole.rstrip(" .")
    if administered:
        return (
            f"{whole}. Operators lack {action} on purpose: ask an administrator to run {administered}, then run this "
            "again; see docs/iam.md."
        )
    return f"{whole}. Grant {action}; docs/iam.md lists all that provision needs."
