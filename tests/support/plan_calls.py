"""Is what was written to AWS what the plan had shown? Compares actions with the request log, call by call."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from ansible.module_utils.platform.engine.model import Action, Registry
from ansible.module_utils.platform.kinds import KINDS

#: kind -> operation -> the write that it belongs to
_WRITES = {kind.name: {call: write for write in kind.writes for call in write.calls} for kind in KINDS}
#: kind -> the operations that bring a resource into being, one of them once for each
_CREATES = {kind.name: {call for write in kind.writes if write.creates for call in write.calls} for kind in KINDS}


def _announced(operation: str, action: Action) -> bool:
    """Whether this action may make such a call."""
    write = _WRITES[action.kind].get(operation)
    if write is None:
        return False
    if action.action == "create" or not write.fields:
        return True
    return any(fnmatchcase(change.field, pattern) for change in action.changes for pattern in write.fields)


def _operation(request: Mapping[str, Any]) -> str:
    return f"{request['service']}:{request['operation']}"


def mismatches(actions: Iterable[Action], writes: Iterable[Mapping[str, Any]], registry: Registry) -> list[str]:
    """Calls that no action announced, actions without a call, and resources created more or less often than planned.

    registry: after the run, so that the ids of what was created are known.
    """
    actions, writes = list(actions), list(writes)
    by_key = {(action.kind, action.name): action for action in actions}
    identities = {
        (action.kind, action.name): KINDS.named(action.kind).identities(action, registry) for action in actions
    }
    used: set[tuple[str, str]] = set()
    problems = []
    for request in writes:
        operation, text = _operation(request), json.dumps(request["params"], ensure_ascii=False)
        about = [
            key
            for key, names in identities.items()
            if _announced(operation, by_key[key]) and any(name in text for name in names)
        ]
        if not about:
            problems.append(f"not announced: {operation} {text[:200]}")
        used.update(about)
    problems += [f"announced, not done: {' '.join(key)}" for key in identities if key not in used]
    made = [_CREATES[item.kind] for item in actions if item.action == "create" and _CREATES[item.kind]]
    planned = Counter(min(calls) for calls in made)
    done = Counter(_operation(item) for item in writes if any(_operation(item) in calls for calls in _CREATES.values()))
    if planned != done:
        problems.append(f"planned to create {dict(planned)}, created {dict(done)}")
    return problems
