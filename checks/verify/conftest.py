"""What the checks of a running platform share. They only read; `playbooks/verify.yml` runs them.

playbooks/verify.yml writes the inventory that they take: testinfra does not fill in templates.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

# The checks use what the playbooks use.
runpy.run_path(str(Path(__file__).resolve().parents[2] / "plugins/import_path.py"))

NOTES = pytest.StashKey[list[str]]()


@pytest.fixture
def variables(host: Host) -> dict[str, Any]:
    """The host's variables, as far as the inventory for the checks has them."""
    found: dict[str, Any] = host.ansible.get_variables()
    return found


@pytest.fixture
def note(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Takes what is worth reading and no failure; ``playbooks/verify.yml`` prints it."""
    return pytestconfig.stash.setdefault(NOTES, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the notes."""
    for line in config.stash.get(NOTES, []):
        terminalreporter.write_line(f"note: {line}")
