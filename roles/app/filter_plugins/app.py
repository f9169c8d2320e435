"""Filters of the role app."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError


def app_digest(folder: str, *more: Any) -> str:
    """A short digest of a folder's files, names and content, and of what else an image is made of."""
    top = Path(folder)
    if not top.is_dir():
        raise AnsibleFilterError(f"app_builds: there is no folder {folder}; give `context` as a path in the repository")
    digest = hashlib.sha256(repr(more).encode())
    for path in sorted(item for item in top.rglob("*") if item.is_file() and "__pycache__" not in item.parts):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(top).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:16]


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, Any]:
        """Filters by name."""
        return {"app_digest": app_digest}
