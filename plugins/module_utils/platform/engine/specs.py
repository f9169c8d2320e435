"""Reads the argument specs of the roles, which are the schema of the declaration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def role_specs(roles: Path) -> dict[str, dict[str, Any]]:
    """Options of every entry point of the aws_* roles in a folder, by role and entry point; see ``schema.Specs``."""
    specs = {}
    for file in sorted(roles.glob("aws_*/meta/argument_specs.yml")):
        content = yaml.load(file.read_bytes(), Loader=_LOADER)["argument_specs"]
        specs[file.parent.parent.name] = {name: entry.get("options", {}) for name, entry in content.items()}
    return specs
