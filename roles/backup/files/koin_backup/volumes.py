"""Docker volumes: their files into the repository, and back into a volume beside the live one."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from . import space
from .choice import shown
from .engine import docker
from .exchange import exchange
from .jobs import Done
from .kept import VOLUME, Kept, tags
from .repository import Repository
from .settings import BackupError, DataSettings

#: label of a volume that a restore has made; its value is the name of the live one
RESTORED = "koin.restored"


def _data(settings: DataSettings, name: str) -> Path:
    return Path(settings.docker, name, "_data")


def store(settings: DataSettings, repository: Repository) -> Done:
    """Back up all volumes, each as a snapshot of its own. One that fails does not keep the others from it."""
    size = added = 0
    failed = []
    for name in settings.volumes:
        folder = _data(settings, name)
        if not folder.is_dir():
            failed.append(
                f"the volume {name} is not on this host. Deploy its service, restore the volume, or take `backup` from "
                "its mount in platform_stacks"
            )
            continue
        try:
            summary = repository.backup([str(folder)], tags(VOLUME, name), f"storing volume {name}")
        except BackupError as error:
            failed.append(f"{name}: {error}")
            continue
        size += summary["total_bytes_processed"]
        added += summary.get("data_added_packed", summary["data_added"])
        files = summary["total_files_processed"]
        print(f"volume {name}: {files} files, {summary['total_bytes_processed']} bytes read", flush=True)
    if failed:
        raise BackupError("; ".join(failed))
    return Done(size, added)


def restore(settings: DataSettings, repository: Repository, kept: Kept) -> str:
    """Restore a snapshot into a new volume; what to tell the operator.

    Files, owners and modes are those of the snapshot, also of the volume's own folder. restic reads every file again
    and compares it.
    """
    space.require(Path(settings.docker), kept.size, f"`docker volume ls --filter label={RESTORED}`")
    name = f"{kept.name}_restored_{time.strftime('%Y%m%dT%H%M%S')}"
    docker("volume", "create", "--label", f"{RESTORED}={kept.name}", name)
    data, raw = _data(settings, name), Path(settings.docker, name, "raw")
    try:
        # With its whole path: only so the folder itself gets its owner and mode.
        repository.restore(f"restoring volume {kept.name}", kept.id, "--target", str(raw), "--verify")
        data.rmdir()
        raw.joinpath(kept.path.lstrip("/")).rename(data)
    except BaseException:
        # A volume that is not whole would be taken for one that is.
        shutil.rmtree(raw, ignore_errors=True)
        docker("volume", "rm", name)
        raise
    shutil.rmtree(raw)
    return f"{kept.name} as of {shown(kept.ended)} is in the volume {name}: {data}"


def take_over(settings: DataSettings, name: str) -> str:
    """Let the newest restored volume and the live one exchange their content; what to tell the operator.

    Containers hold the folder that was there when they started, so they are stopped afterwards, and the Swarm starts
    others. What was live until then is in the restored volume: doing it again puts it back.
    """
    restored = sorted(docker("volume", "ls", "--filter", f"label={RESTORED}={name}", "--format", "{{.Name}}"))
    if not restored:
        raise BackupError(f"No restored volume of {name} is on this host. Restore one first: playbooks/restore.yml.")
    docker("volume", "create", name)
    exchange(_data(settings, restored[-1]), _data(settings, name))
    running = docker("ps", "--quiet", "--filter", f"volume={name}")
    if running:
        docker("stop", *running)
    stopped = f"its containers were stopped ({len(running)}), and the Swarm starts others; " if running else ""
    return f"{name} is what was restored; {stopped}what was there before is in the volume {restored[-1]}"
