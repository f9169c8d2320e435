"""The running server, asked through its socket as root."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .settings import BackupError, Settings


class Database:
    """The live server of this host, or another one behind a socket."""

    def __init__(self, settings: Settings, socket: str = "") -> None:
        self._settings = settings
        self._socket = socket or settings.socket

    @property
    def client(self) -> list[str]:
        """The client's command line. --no-defaults: no file of root's changes what it does."""
        return ["mariadb", "--no-defaults", "--user=root", f"--socket={self._socket}", "--binary-mode"]

    def ask(self, sql: str, *, go_on: bool = False) -> list[list[str]]:
        """Rows of the statements. go_on: a statement that fails leaves no rows, and the next one follows."""
        words = [*self.client, "--batch", "--skip-column-names", *(["--force"] if go_on else [])]
        done = subprocess.run(words, input=sql, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BackupError(f"MariaDB ({self._socket}): {done.stderr.strip()}. See `journalctl -u mariadb`.")
        return [line.split("\t") for line in done.stdout.splitlines()]

    def stopped(self) -> bool:
        """Whether the server is not running, and is not about to."""
        words = ["systemctl", "show", "--property=ActiveState", "--value", "mariadb"]
        state = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
        return state in ("inactive", "failed")

    def last_transaction(self) -> str:
        """The GTID of the last transaction in the binary log."""
        return self.ask("SELECT @@GLOBAL.gtid_binlog_pos")[0][0]

    def close_log(self) -> None:
        """Close the current binary log and begin the next one."""
        self.ask("FLUSH BINARY LOGS")

    def log_names(self) -> list[str]:
        """All binary logs, oldest first."""
        index = Path(self._settings.datadir, "binlog.index")
        try:
            return [line.rpartition("/")[2] for line in index.read_text().splitlines() if line]
        except OSError as error:
            raise BackupError(f"{index}: {error.strerror}. Is log_bin on (role mariadb)?") from error
