"""What the checks of a running platform share. They only read; `playbooks/verify.yml` runs them.

playbooks/verify.yml writes the inventory that they take: testinfra does not fill in templates.
"""

from __future__ import annotations

from typing import Any

import pytest
from testinfra.host import Host


@pytest.fixture
def variables(host: Host) -> dict[str, Any]:
    """The host's variables, as far as the inventory for the checks has them."""
    found: dict[str, Any] = host.ansible.get_variables()
    return found
