"""Makes ``ansible.module_utils.platform`` importable outside of modules, which find it through ansible.cfg.

Plugins of the controller, scripts and tests run this file by its path:
``runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))``.
"""

from __future__ import annotations

from pathlib import Path

import ansible.module_utils

FOLDER = str(Path(__file__).parent / "module_utils")
if FOLDER not in ansible.module_utils.__path__:
    ansible.module_utils.__path__.append(FOLDER)
