"""The account or the declaration as fields, and what differs between two of them. Pure.

Kept in saved plans and in the records of runs, as JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: kind -> id of a live resource, or declared name -> its parts: ``name``, ``fields``, ``entry``
Snapshot = dict[str, dict[str, dict[str, Any]]]


@dataclass(frozen=True)
class Difference:
    """One field that differs; of a resource that is in one of the two only, field is empty."""

    kind: str
    name: str
    field: str
    before: Any
    after: Any

    @property
    def new(self) -> bool:
        """Whether the whole resource came."""
        return not self.field and self.before is None

    @property
    def gone(self) -> bool:
        """Whether the whole resource went."""
        return not self.field and self.after is None


def differences(before: Snapshot, after: Snapshot) -> Iterator[Difference]:
    """Everything that differs, by kind, in the order of the second."""
    for kind in [*after, *(kind for kind in before if kind not in after)]:
        old, new = before.get(kind, {}), after.get(kind, {})
        for key in [*new, *(key for key in old if key not in new)]:
            name = str((new.get(key) or old[key]).get("name", key))
            if key not in old or key not in new:
                yield Difference(kind, name, "", old.get(key), new.get(key))
            else:
                for field, was, now in changed(_parts(old[key]), _parts(new[key])):
                    yield Difference(kind, name, field, was, now)


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Path, value before, value after of each value that differs; lists are compared as sets."""
    for key in [*after, *(key for key in before if key not in after)]:
        was, now = before.get(key), after.get(key)
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            yield from ((f"{key}.{path}", old, new) for path, old, new in changed(was, now))
        elif _in_order(was) != _in_order(now):
            yield str(key), was, now


def _parts(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Fields first; of the entry only what no field has the name of."""
    fields = resource.get("fields") or {}
    entry = {key: value for key, value in (resource.get("entry") or {}).items() if key not in fields}
    return {**fields, **entry}


def _in_order(value: Any) -> Any:
    return sorted(value, key=repr) if isinstance(value, list) else value
