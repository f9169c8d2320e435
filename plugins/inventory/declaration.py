"""Before Ansible loads anything of an inventory: can its files be read?

Ansible asks every inventory plugin about every source, before any of them talks to AWS, so this one is listed first in
ansible.cfg. It never parses a source itself.
"""

from __future__ import annotations

import runpy
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.utils.display import Display

DOCUMENTATION = """
name: declaration
short_description: Stops the run when a file of the declaration cannot be read
description:
  - Checks the files of the inventory's folder and its C(group_vars/) and C(host_vars/) as they are written. Ends the
    command with one message that names file, line and fix.
  - Parses no inventory source. Has to be the first of C(enable_plugins).
options: {}
"""

# Modules find plugins/module_utils through ansible.cfg, plugins of the controller do not.
runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform.engine.errors import Problem  # noqa: E402 - after the path is set
from ansible.module_utils.platform.sources import read, signature  # noqa: E402

#: more than these are not helpful at once
_SHOWN = 10
#: as for any error of Ansible's parsers
_PARSER_ERROR = 4

display = Display()


class InventoryModule(BaseInventoryPlugin):
    """Looks at the folder of each source; never takes one over."""

    NAME = "declaration"

    def verify_file(self, path: str) -> bool:
        """Refuse the run, or decline the source."""
        folder = Path(path).parent
        if not (folder / "group_vars").is_dir() and folder.parent.name != "inventories":
            return False
        try:
            problems = _problems(folder, signature(folder))
        except Exception as error:  # Ansible takes any exception for "not mine", and would go on unchecked
            _end(f"The declaration in {folder} could not be checked: {type(error).__name__}: {error}")
        if problems:
            _end(_message(problems))
        return False

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Never called: every source is declined."""


@cache
def _problems(folder: Path, _state: object) -> list[Problem]:
    return read(folder).problems


def _message(problems: list[Problem]) -> str:
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = [f"  {problem}" for problem in problems[:_SHOWN]]
    if len(problems) > _SHOWN:
        lines.append(f"  and {len(problems) - _SHOWN} more")
    return "\n".join([f"The files of the declaration have {count}; nothing was done.", *lines])


def _end(message: str) -> NoReturn:
    """An AnsibleError would be collected, and the next plugin asked: the exit is what ends the command here."""
    display.error(message)
    raise SystemExit(_PARSER_ERROR)
