"""Compare the platform's playbooks with Terraform on the same local AWS; docs/benchmarks.md explains the figures.

Usage: python tests/bench/bench.py [--rounds N] [--only floor,plan,noop,fresh,scale] [--json FILE]
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from ansible.plugins.loader import init_plugin_loader

REPOSITORY = Path(__file__).resolve().parents[2]
# `tests.…`, `rehearsal…`, `ansible.module_utils.platform…`.
sys.path[:0] = [str(REPOSITORY)]
runpy.run_path(str(REPOSITORY / "plugins" / "import_path.py"))
# Inventory and lookup plugins of collections, as Ansible's own commands find them.
init_plugin_loader()

from tests.bench.cli import main  # noqa: E402 - after the path is set

if __name__ == "__main__":
    sys.exit(main())
