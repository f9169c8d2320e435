"""How much of what AWS returns does a plan compare? Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .context import Context
from .model import Live

if TYPE_CHECKING:
    from ..kinds.base import Kind


@dataclass(frozen=True)
class Looked:
    """Of one kind: the fields that its comparison reads, and all that AWS returned, as dotted paths of the answer."""

    kind: str
    compared: tuple[str, ...]
    returned: tuple[str, ...]

    @property
    def others(self) -> tuple[str, ...]:
        """Returned, but not compared."""
        return tuple(path for path in self.returned if path not in self.compared)

    @property
    def other_parts(self) -> tuple[str, ...]:
        """The same for people: a part of which nothing is compared is named once, as ``NetworkInterfaces.*``."""
        known = {prefix for path in self.compared for prefix in _prefixes(path)}
        parts = []
        for path in self.others:
            part = next(prefix for prefix in _prefixes(path) if prefix not in known or prefix == path)
            parts.append(part if part == path else f"{part}.*")
        return tuple(dict.fromkeys(parts))

    def as_dict(self) -> dict[str, Any]:
        """JSON-serialisable form."""
        return {"kind": self.kind, "compared": list(self.compared), "not_compared": list(self.others)}


def _prefixes(path: str) -> Iterator[str]:
    """``a.b.c``: a, a.b, a.b.c."""
    steps = path.split(".")
    return (".".join(steps[:number]) for number in range(1, len(steps) + 1))


class _Watched(dict[str, Any]):
    """A mapping that remembers which of its fields are read. A dict, because the kinds merge and print them."""

    def __init__(self, content: Mapping[str, Any], path: str, read: set[str]) -> None:
        super().__init__(content)
        self._path, self._read = path, read

    def _watch(self, key: str, value: Any) -> Any:
        return _watched(value, f"{self._path}{key}", self._read)

    def __getitem__(self, key: str) -> Any:
        return self._watch(key, super().__getitem__(key))

    # Overridden, because a dict is otherwise copied without asking for its items.
    def __iter__(self) -> Iterator[str]:
        return super().__iter__()

    def get(self, key: str, default: Any = None) -> Any:
        if key not in self:
            return default
        return self[key]

    def pop(self, key: str, *default: Any) -> Any:
        return self._watch(key, super().pop(key, *default))

    def items(self) -> Any:
        return [(key, self[key]) for key in self]

    def values(self) -> Any:
        return [self[key] for key in self]


def _watched(value: Any, path: str, read: set[str]) -> Any:
    if isinstance(value, Mapping) and value:
        return _Watched(value, f"{path}.", read)
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return [_Watched(item, f"{path}.", read) for item in value]
    read.add(path)
    return value


def paths(value: Any, path: str = "") -> Iterator[str]:
    """Every field of an answer; items of a list share their paths."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from paths(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        for item in value:
            yield from paths(item, path)
    else:
        yield path


def looked(kind: Kind, resources: Sequence[Live], context: Context) -> Looked:
    """What is read of these resources when they are compared, and what is not."""
    read: set[str] = set()
    returned: set[str] = set()
    for live in resources:
        returned.update(paths(live.raw))
        kind.fields(replace(live, raw=_Watched(live.raw, "", read)), context)
    return Looked(kind.name, tuple(sorted(read & returned)), tuple(sorted(returned)))
