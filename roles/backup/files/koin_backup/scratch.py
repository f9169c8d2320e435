"""The server that a restore fills: beside the live one, with its own data directory and socket, and no network."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from .database import Database
from .settings import BackupError, Settings
from .stage import tell

UNIT = "koin-restore"
#: lies in a data directory that a restore has made, and says as of when
MARK = "koin-restored"
UNFINISHED = (
    "A restored server was put in the place of the live one, and that has not ended. Run playbooks/restore.yml again "
    "as it was run then, or `koin-backup take-over` on this host."
)


def taking_over(settings: Settings) -> str:
    """As of when the databases are that have taken the live ones' place, if the end of that is missing; else empty."""
    try:
        # An empty file is one, too: a host that loses its power may keep the name and not the content.
        return Path(settings.datadir, MARK).read_text(errors="replace").strip() or "an unknown moment"
    except (FileNotFoundError, NotADirectoryError):
        return ""


class Scratch:
    """Its files and its process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.folder = Path(settings.scratch)
        self.data = self.folder / "data"
        self.logs = self.folder / "logs"
        #: describes a finished restore
        self.record = self.folder / "restored.json"
        self.socket = f"/run/{UNIT}/mysqld.sock"
        self.database = Database(settings, self.socket)

    def discard(self) -> None:
        """Kill it and remove its files; servers that were replaced stay."""
        if self.data.exists() and taking_over(self._settings):
            # These files may be the databases that were live before.
            raise BackupError(UNFINISHED)
        # One that still recovers does not listen to a gentle stop, and a drill that is stopped has no time to wait.
        subprocess.run(["systemctl", "kill", "--signal=KILL", UNIT], capture_output=True, check=False)
        self.stop()
        for path in (self.data, self.logs):
            shutil.rmtree(path, ignore_errors=True)
        self.record.unlink(missing_ok=True)
        if left := [str(path) for path in (self.data, self.logs) if path.exists()]:
            raise BackupError(f"{', '.join(left)} could not be removed, and holds a copy of the databases. Remove it.")

    def prepare(self) -> None:
        """Make empty folders."""
        self.discard()
        self.folder.mkdir(mode=0o755, exist_ok=True)
        for path in (self.data, self.logs):
            path.mkdir(mode=0o700)

    def start(self) -> None:
        """Start it, and wait until it answers. It runs as the live one's user, and without its configuration."""
        options = [
            *(f"--defaults-file={self.data}/backup-my.cnf", f"--datadir={self.data}", f"--socket={self.socket}"),
            *("--skip-networking", "--skip-log-bin", "--skip-slave-start", "--event-scheduler=OFF"),
            *("--innodb-buffer-pool-size=128M", "--max-allowed-packet=1G", f"--pid-file=/run/{UNIT}/mysqld.pid"),
        ]
        properties = {
            "User": "mysql",
            "RuntimeDirectory": UNIT,
            "PrivateNetwork": "yes",
            "PrivateTmp": "yes",
            "NoNewPrivileges": "yes",
            "ProtectHome": "yes",
            "ProtectSystem": "strict",
            "ReadWritePaths": str(self.folder),
            "LimitNOFILE": "32768",
            "TimeoutStartSec": "15min",
        }
        words = [word for name, value in properties.items() for word in ("--property", f"{name}={value}")]
        tell("starting a server with it")
        command = ["systemd-run", "--quiet", f"--unit={UNIT}", "--service-type=notify", "--collect", *words]
        done = subprocess.run([*command, "/usr/sbin/mariadbd", *options], capture_output=True, text=True, check=False)
        if done.returncode:
            raise BackupError(f"The scratch server did not start: {done.stderr.strip()}. See `journalctl -u {UNIT}`.")

    def stop(self) -> None:
        """Stop it if it runs."""
        subprocess.run(["systemctl", "stop", UNIT], capture_output=True, check=False)
