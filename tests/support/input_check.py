"""The check of everything declared, in this process, for the inventory of the rehearsal."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible.module_utils.platform.engine.specs import role_specs
from ansible.module_utils.platform.input_check import InputCheck
from ansible.parsing.dataloader import DataLoader

from .platform import PUBLIC_KEY

REPOSITORY = Path(__file__).resolve().parents[2]


@contextmanager
def rehearsal_folder() -> Iterator[Path]:
    """A folder with the public key that `make aws` writes; templates of the inventory read it."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "ssh").mkdir()
        (Path(folder) / "ssh" / "id_ed25519.pub").write_text(f"{PUBLIC_KEY}\n")
        before = os.environ.get("REHEARSAL_DIR")
        os.environ["REHEARSAL_DIR"] = folder
        try:
            yield Path(folder)
        finally:
            os.environ.pop("REHEARSAL_DIR")
            if before is not None:
                os.environ["REHEARSAL_DIR"] = before


def input_check(top: Path = REPOSITORY) -> InputCheck:
    """The check for the inventory of the rehearsal below a folder."""
    loader = DataLoader()
    # As ansible-playbook does. The current directory would load the group_vars/ that lies in it, too.
    loader.set_basedir(str(REPOSITORY / "playbooks"))
    return InputCheck([str(top / "inventories/rehearsal/hosts.yml")], loader, role_specs(REPOSITORY / "roles"))
