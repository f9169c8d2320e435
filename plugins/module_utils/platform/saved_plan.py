"""A plan as a file: what was reviewed, and what it follows from.

Nothing in the file is carried out. A run plans anew, and does what it plans if that, the declaration and the account
are what the file says; otherwise it does nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .engine.errors import PlatformError
from .engine.model import Plan
from .engine.snapshot import Difference, Snapshot, changed, differences
from .plain_secrets import masked

#: the version of the file's format
FORMAT = 1
#: differences that a refusal names
SHOWN = 12
#: characters of a value in a refusal
_WIDTH = 60

Document = dict[str, Any]


@dataclass(frozen=True)
class Origin:
    """Where a plan comes from. platform: its bucket. dirty: whether files differed from the commit."""

    platform: str
    who: str
    when: str
    commit: str
    dirty: bool


def document(plan: Plan, origin: Origin) -> Document:
    """What the file holds. plan: with what it follows from."""
    content = plan.as_dict() | {"declared": plan.declared, "observed": plan.observed}
    # What is read back: no tuples, no dates, keys in one form.
    plain: Document = json.loads(json.dumps(masked(content), default=str))
    return {"format": FORMAT, "saved": asdict(origin), **plain}


def write(path: Path, content: Document) -> None:
    """At once, readable for its owner only. Raises PlatformError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    text = json.dumps({**content, "digest": _digest(content)}, indent=2, ensure_ascii=False) + "\n"
    try:
        with suppress(FileNotFoundError):
            draft.unlink()
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise PlatformError(
            f"save: the plan cannot be written to {path}: {error.strerror}. Name a file in a folder that "
            "exists and that you may write to."
        ) from error


def read(path: Path) -> Document:
    """What a file holds, whole and as it was written. Raises PlatformError."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise PlatformError(f"plan: {path} cannot be read: {error.strerror}. {_again(path)}") from error
    except ValueError as error:
        raise PlatformError(f"plan: {path} is no saved plan, or is damaged: {error}. {_again(path)}") from error
    if not isinstance(content, dict) or "format" not in content:
        raise PlatformError(f"plan: {path} is no saved plan. {_again(path)}")
    if content["format"] != FORMAT:
        raise PlatformError(
            f"plan: {path} has format {content['format']}; this version of the repository reads {FORMAT}. "
            f"{_again(path)}"
        )
    digest = content.pop("digest", "")
    if digest != _digest(content):
        raise PlatformError(f"plan: {path} is not as it was saved: it is damaged, or was edited. {_again(path)}")
    return content


def check(path: Path, saved: Document, now: Document, bucket: tuple[str, str]) -> None:
    """Go on only if the account is planned now as it was then. Raises PlatformError.

    bucket: kind and name of the platform's bucket, which the lock makes before anything is planned.
    """
    told = list(_other_platform(saved, now))
    if told:
        raise PlatformError("\n".join([f"The plan of {path} is for another platform; nothing was written.", *told]))
    if _writes(saved) and not _writes(now) and not list(differences(saved["declared"], now["declared"])):
        raise PlatformError(
            f"The plan of {path} has been carried out already: nothing of it is left to do, and nothing was written."
        )
    saved, now = _without_made(saved, now, bucket)
    told = list(_told(saved, now))
    if told:
        done = _done(saved, now) if saved["declared"] == now["declared"] else []
        more = [f"  … and {len(told) - SHOWN} more"] if len(told) > SHOWN else []
        saver = f"{saved['saved']['who']} at {saved['saved']['when']}"
        head = f"The plan of {path}, saved by {saver}, does not hold any more; nothing was written."
        raise PlatformError("\n".join([head, *told[:SHOWN], *more, *done, _again(path)]))


def holds(saved: Document, now: Document) -> str:
    """What a run says that carries it out. The code is no part of a plan: it may do the same in another way."""
    then, here = (content["saved"] for content in (saved, now))
    other = (
        f", from commit {then['commit'][:7]}; this is {here['commit'][:7]}" if then["commit"] != here["commit"] else ""
    )
    return f"As saved by {then['who']} at {then['when']}{other}:"


def _again(path: Path) -> str:
    return f"Plan again and review it: ansible-playbook playbooks/plan.yml -e save={path}"


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _other_platform(saved: Document, now: Document) -> Iterator[str]:
    """Where the plan belongs, if not here."""
    for what, was, here in (
        ("account", saved["account"], now["account"]),
        ("region", saved["region"], now["region"]),
        ("platform_bucket", saved["saved"]["platform"], now["saved"]["platform"]),
    ):
        if was != here:
            yield f"  {what}: planned for {was}, this run is for {here}"


def _writes(content: Document) -> list[Mapping[str, Any]]:
    return [action for action in content["actions"] if action["action"] in ("create", "change")]


def _done(saved: Document, now: Document) -> list[str]:
    """How much of the plan is done, when it is a part."""
    left = {(action["kind"], action["name"]) for action in _writes(now)}
    done = [action for action in _writes(saved) if (action["kind"], action["name"]) not in left]
    return [f"  {len(done)} of its {len(_writes(saved))} resources are as it wants them"] if done else []


def _without_made(saved: Document, now: Document, bucket: tuple[str, str]) -> tuple[Document, Document]:
    """Both without the platform's bucket, where the plan creates it and the lock has made it meanwhile."""
    kind, name = bucket
    planned = [item for item in _of(saved, bucket) if item["action"] == "create"]
    found = [item for item in _of(now, bucket) if item["action"] == "change"]
    wanted = {field["field"]: field["after"] for item in planned for field in item["changes"]}
    same = all(wanted.get(field["field"]) == field["after"] for item in found for field in item["changes"])
    if not planned or not same or _of(now, bucket) != found:
        return saved, now
    return _without(saved, kind, name), _without(now, kind, name)


def _of(content: Document, resource: tuple[str, str]) -> list[Mapping[str, Any]]:
    return [action for action in content["actions"] if (action["kind"], action["name"]) == resource]


def _without(content: Document, kind: str, name: str) -> Document:
    observed = {
        key: {live: parts for live, parts in found.items() if (key, parts["name"]) != (kind, name)}
        for key, found in content["observed"].items()
    }
    registry = {
        key: {known: parts for known, parts in found.items() if (key, known) != (kind, name)}
        for key, found in content["registry"].items()
    }
    actions = [item for item in content["actions"] if (item["kind"], item["name"]) != (kind, name)]
    warnings = [text for text in content["warnings"] if not text.startswith(f"{kind} {name}:")]
    kept = {key: found for key, found in registry.items() if found}
    return {**content, "observed": observed, "registry": kept, "actions": actions, "warnings": warnings}


def _told(saved: Document, now: Document) -> Iterator[str]:
    """What has changed, a line each; what follows from a change only if nothing else tells of it."""
    declared = list(differences(saved["declared"], now["declared"]))
    yield from (f"  declared now: {line(one)}" for one in declared)
    account = list(differences(saved["observed"], now["observed"]))
    yield from (f"  in the account now: {line(one)}" for one in account)
    told = {(one.kind, one.name) for one in account}
    facts = [one for one in differences(_facts(saved), _facts(now)) if (one.kind, one.name) not in told]
    yield from (f"  in the account now: {line(one)}" for one in facts)
    if not declared and not account and not facts:
        yield from _consequences(saved, now)


def _facts(content: Document) -> Snapshot:
    return {
        kind: {name: {"fields": attributes} for name, attributes in names.items()}
        for kind, names in content["registry"].items()
    }


def _consequences(saved: Document, now: Document) -> Iterator[str]:
    was, here = ({(one["action"], one["kind"], one["name"]): one for one in item["actions"]} for item in (saved, now))
    for key in [*here, *(key for key in was if key not in here)]:
        if was.get(key) != here.get(key):
            what = "planned then" if key not in here else "planned now" if key not in was else "planned otherwise now"
            fields = changed(_changes(was.get(key)), _changes(here.get(key)))
            yield f"  {what}: {' '.join(key)}" + "".join(f", {field}" for field, _, _ in fields)
    for text in now["warnings"]:
        if text not in saved["warnings"]:
            yield f"  a new warning: {text}"
    for text in saved["warnings"]:
        if text not in now["warnings"]:
            yield f"  no longer a warning: {text}"


def _changes(action: Mapping[str, Any] | None) -> dict[str, Any]:
    return {one["field"]: [one["before"], one["after"]] for one in (action or {}).get("changes", ())}


def line(one: Difference) -> str:
    """A difference for people, as ``bucket kap-test versioning: true -> false``."""
    what = f"{one.kind} {one.name}"
    if one.new or one.gone:
        return f"{what} is {'new' if one.new else 'gone'}"
    return f"{what} {one.field}: {value(one.before)} -> {value(one.after)}"


def value(content: Any) -> str:
    """A value in a line."""
    if content is None:
        return "(none)"
    text = content if isinstance(content, str) and content else json.dumps(content, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"
