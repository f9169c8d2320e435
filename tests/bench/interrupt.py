"""Kill configure.yml at random moments of a first run, then let it finish: does it converge?

Usage: python tests/bench/interrupt.py [--kills 10] [--seed N] [--least S] [--most S]

For a rehearsal whose hosts are bare (`make clean && HOSTS=no make rehearse && make hosts`). Every run is killed with
all its processes (SIGKILL), Ansible's workers and their ssh included, a random time after its start; commands that have
reached a host go on there. Then configure.yml runs to its end, once more (no host may change), and verify.yml runs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from tests.support.processes import kill_all  # noqa: E402

LOGS = REPOSITORY / ".cache/interrupt"
RECAP = LOGS / "recap.json"
INVENTORY = ("-i", "inventories/rehearsal")


def environ() -> dict[str, str]:
    """Loopback is never reached through a proxy; no colours."""
    loopback = "127.0.0.1,localhost"
    told = {"ANSIBLE_NOCOLOR": "1", "KOIN_RECAP": str(RECAP)}
    return {**os.environ, "NO_PROXY": loopback, "no_proxy": loopback, **told}


def killed(seconds: float, log: Path) -> str:
    """Run configure.yml for some seconds; the task at which it died, "" when it had ended by itself."""
    with log.open("wb") as file:
        # With -v each task is named when it begins.
        command = ["ansible-playbook", "-v", "playbooks/configure.yml", *INVENTORY]
        with subprocess.Popen(command, cwd=REPOSITORY, env=environ(), stdout=file, stderr=subprocess.STDOUT) as process:
            try:
                process.wait(seconds)
                return ""
            except subprocess.TimeoutExpired:
                kill_all(process.pid)
    tasks = re.findall(r"^(?:TASK|RUNNING HANDLER) \[(.*?)\]", log.read_text(errors="replace"), re.MULTILINE)
    return str(tasks[-1]) if tasks else "(before the first task)"


def run(playbook: str, log: Path) -> tuple[int, float]:
    """Run a playbook to its end: exit status, seconds."""
    began = time.monotonic()
    done = subprocess.run(
        ["ansible-playbook", f"playbooks/{playbook}.yml", *INVENTORY],
        cwd=REPOSITORY,
        env=environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    log.write_text(done.stdout + done.stderr)
    return done.returncode, time.monotonic() - began


def changed() -> dict[str, int]:
    """Changes by host of the last run."""
    return {host: int(counts["changed"]) for host, counts in json.loads(RECAP.read_text()).items()}


def main() -> int:
    """Print one line for each kill; 1 when the platform is not whole at the end."""
    parser = argparse.ArgumentParser(description="Kill configure.yml at random moments, then let it finish.")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--least", type=float, default=10.0, help="seconds before a kill, at least")
    parser.add_argument("--most", type=float, default=90.0, help="seconds before a kill, at most")
    options = parser.parse_args()
    LOGS.mkdir(parents=True, exist_ok=True)
    chance = random.Random(options.seed)
    print(f"seed {options.seed}", flush=True)
    for number in range(1, options.kills + 1):
        seconds = chance.uniform(options.least, options.most)
        task = killed(seconds, LOGS / f"{number}.log")
        print(f"{number:>2}  {seconds:5.1f} s  {task or 'had ended by itself'}", flush=True)
    failed = 0
    for name in ("configure", "configure", "verify"):
        number += 1
        RECAP.unlink(missing_ok=True)
        status, seconds = run(name, LOGS / f"{number}.log")
        counts = changed() if RECAP.exists() else {}
        print(f"{name}: exit {status}, {seconds:.0f} s, changed {counts}", flush=True)
        failed += status != 0
        if number == options.kills + 2:
            failed += not counts or any(counts.values())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
