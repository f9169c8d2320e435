"""The parameters of the scenario's authority, in a file in place of SSM.

Usage: authority.py FILE new | begin [NAME|RANGE …] | advance STEP | at-once

new       an authority without constraints, as they were made before there were any
begin     another one, for these names, begins to take its place
advance   every host is through with the step
at-once   another one takes its place without a step between, which cuts connections
"""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

runpy.run_path(str(Path(__file__).parents[3] / "plugins/import_path.py"))

from ansible.module_utils.platform.authority import Authority  # noqa: E402 - after the path is set


class File:
    """Parameters in a file."""

    def __init__(self, path: Path) -> None:
        self.values: dict[str, str] = json.loads(path.read_text())["values"] if path.exists() else {}

    def put(self, path: str, value: str, *, secret: bool = True, overwrite: bool = False) -> None:
        """Store a value."""
        self.values[path] = value

    def delete(self, paths: Sequence[str]) -> None:
        """Remove those that exist."""
        for path in paths:
            self.values.pop(path, None)


def main() -> None:
    """Do what is asked and write the file."""
    path, verb, words = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    store = File(path)
    ranges = [word for word in words if "/" in word]
    authority = Authority(store, "/a", [word for word in words if word not in ranges], ranges)
    if verb in ("new", "at-once"):
        store.values.clear()
    authority.settle()
    if verb == "begin":
        authority.begin()
    if verb == "advance":
        result = authority.result()
        print(authority.advance(words[0], result["next"].get("certificate", result["certificate"])))
    path.write_text(json.dumps({"values": store.values, "result": authority.result()}))
    path.chmod(0o600)


if __name__ == "__main__":
    main()
