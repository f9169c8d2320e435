"""How long it takes to compute who reaches whom as the fleet grows, and what it adds to a plan.

Usage: python tests/bench/reach.py [COUNT …]         5, 50, 200 and 500 hosts unless told otherwise
       python tests/bench/reach.py --before COMMIT   plan.yml of this tree and of a commit, in turn on one account
"""

from __future__ import annotations

import resource
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml
from ansible.plugins.loader import init_plugin_loader

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY)]
runpy.run_path(str(REPOSITORY / "plugins" / "import_path.py"))
init_plugin_loader()

from ansible.module_utils.platform.engine.context import Context  # noqa: E402 - after the path is set
from ansible.module_utils.platform.engine.plan import plan_in  # noqa: E402
from ansible.module_utils.platform.kinds import KINDS  # noqa: E402
from ansible.module_utils.platform.reach.declared import declared  # noqa: E402
from ansible.module_utils.platform.reach.matrix import Matrix  # noqa: E402
from ansible.module_utils.platform.reach.model import Network  # noqa: E402
from ansible.module_utils.platform.reach.ports import has  # noqa: E402
from ansible.module_utils.platform.reviewing import Reviewer  # noqa: E402

from tests.bench import scale  # noqa: E402
from tests.support import platform  # noqa: E402
from tests.support.local_aws import LocalAws  # noqa: E402
from tests.support.reach_policy import declaration_of_raw  # noqa: E402

ROUNDS = 5
PORTS = (22, 25, 53, 80, 123, 443, 2377, 3306, 4789, 5000, 6379, 7946, 8080, 8443, 9090, 9100, 9104, 9121, 22222, 40000)


def asked(network: Network) -> int:
    """Ask for each of the ports of each pair; how many are open."""
    matrix, found = Matrix(network), 0
    for source in matrix.sources:
        for target in network.hosts:
            if source != target:
                passes = matrix.cell(source, target, "tcp", 4).passes
                found += sum(has(passes, port) for port in PORTS)
    return found


def timed(what: Callable[[], object]) -> float:
    """Median of the seconds of processor time."""
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        what()
        times.append(time.process_time() - began)
    return statistics.median(times)


def growth(counts: tuple[int, ...]) -> None:
    """A line for each count, in processor time."""
    policy, offers = (
        yaml.safe_load((REPOSITORY / f"group_vars/all/{name}.yml").read_text())[f"platform_{name}"]
        for name in ("reach", "offers")
    )
    offers["ssh"]["port"] = 22222
    print(f"{'hosts':>5}  {f'every pair, {len(PORTS)} ports':>21}  review of a plan that creates all of them")
    for count in counts:
        context = Context(declaration_of_raw(platform.declared() | scale.variables(count)), KINDS.empty())
        plan = plan_in(context, KINDS)
        network, review = declared(context), Reviewer(policy, offers)
        pairs = timed(lambda: asked(network))  # noqa: B023 - called in this round
        reviewed = timed(lambda: review(context, plan))  # noqa: B023
        print(f"{count:5}  {pairs:19.3f} s  {reviewed:.3f} s")


def against(commit: str) -> None:
    """Processor time of plan.yml, nothing to do, of both trees in turn."""
    with tempfile.TemporaryDirectory() as folder, LocalAws(Path(folder) / "aws") as aws:
        before = Path(folder) / "before"
        subprocess.run(
            ["git", "worktree", "add", "--quiet", "--detach", str(before), commit], cwd=REPOSITORY, check=True
        )
        try:
            aws.reset()
            sides = {name: platform.Platform(aws, top=top) for name, top in (("before", before), ("now", REPOSITORY))}
            sides["now"].bound()
            sides["now"].provision()
            times: dict[str, list[float]] = {name: [] for name in sides}
            for _ in range(ROUNDS):
                for name, side in sides.items():
                    began = _children()
                    assert side.playbook("plan").status == 0
                    times[name].append(_children() - began)
        finally:
            _git("worktree", "remove", "--force", str(before))
    medians = {name: statistics.median(found) for name, found in times.items()}
    for name, found in times.items():
        print(f"plan.yml {name:7} {medians[name]:.2f} s cpu  {min(found):.2f}-{max(found):.2f}")
    print(f"ratio {medians['now'] / medians['before']:.3f}")


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=REPOSITORY, check=True)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(arguments: list[str]) -> int:
    """Measure what is asked for."""
    if arguments[:1] == ["--before"] and len(arguments) == 2:
        against(arguments[1])
    else:
        growth(tuple(map(int, arguments)) or scale.COUNTS)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
