"""A copy of the repository whose declaration a test may change."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from rehearsal import REPOSITORY

_OWN = ("group_vars", "inventories")


class Checkout:
    """The repository, with files of the declaration of its own, which git knows."""

    def __init__(self, top: Path) -> None:
        self.top = top
        for path in REPOSITORY.iterdir():
            if path.name in _OWN:
                shutil.copytree(path, top / path.name, symlinks=True)
            elif path.name not in (".git", ".cache", ".rehearsal"):
                (top / path.name).symlink_to(path)
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
