"""A copy of the repository whose declaration a test may change."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from rehearsal import REPOSITORY

#: what git keeps of it
_OWN = ("group_vars", "inventories")
#: of this machine, or of another run; and what a Python that compiles at this moment has not finished
_NOT_COPIED = shutil.ignore_patterns(".git", ".*cache", ".rehearsal", ".venv", ".ansible", "tests", "*.pyc.*")


class Checkout:
    """The repository's files once more. Git knows those of the declaration.

    Nothing but the installed packages is shared: a file that a test writes here must not appear in the repository,
    which others read at that moment.
    """

    def __init__(self, top: Path) -> None:
        self.top = top
        shutil.copytree(REPOSITORY, top, symlinks=True, ignore=_NOT_COPIED, dirs_exist_ok=True)
        (top / ".venv").symlink_to(REPOSITORY / ".venv")
        self.git("init", "--quiet")
        self.commit()

    def git(self, *arguments: str) -> str:
        """What git prints."""
        who = ("-c", "user.name=test", "-c", "user.email=test@example.com")
        done = subprocess.run(["git", *who, *arguments], cwd=self.top, capture_output=True, text=True, check=True)
        return done.stdout

    def commit(self) -> None:
        """Keep the files as they are."""
        self.git("add", *_OWN)
        self.git("commit", "--quiet", "--message", "As it is")

    def changed(self) -> list[str]:
        """The lines that differ from what was committed, with their sign."""
        lines = self.git("diff", "--unified=0").splitlines()
        return [line for line in lines if line[:1] in ("+", "-") and not line.startswith(("+++", "---"))]

    def text(self, path: str) -> str:
        """A file."""
        return (self.top / path).read_text()

    def replace(self, path: str, old: str, new: str) -> None:
        """Change a file by hand."""
        text = self.text(path)
        assert text.count(old) == 1, (path, old, text.count(old))
        (self.top / path).write_text(text.replace(old, new))
