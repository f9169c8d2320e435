"""What is measured, in which order, and the command line."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from tests.bench import report, scale
from tests.bench.measure import BenchError, Sample, Series
from tests.bench.sides import Playbooks, Terraform
from tests.support.local_aws import LocalAws

PARTS = ("floor", "fresh", "plan", "noop", "scale")
#: rounds of what takes a minute
LONG_ROUNDS = 3


class Bench:
    """Both sides, and what was measured of them so far."""

    def __init__(self, ours: Playbooks, theirs: Terraform | None, rounds: int) -> None:
        self.ours = ours
        self.sides: list[Playbooks | Terraform] = [ours, *([theirs] if theirs else [])]
        self.rounds = rounds
        self.results: report.Results = {}
        self._built = False
        self._began = time.monotonic()

    def floor(self) -> None:
        """What every playbook run pays before its first task."""
        self._floor("empty play", "localhost,")
        self._floor("empty play, inventory of an empty account")

    def fresh(self) -> None:
        """An empty account becomes the platform."""

        def build(side: Playbooks | Terraform) -> Sample:
            side.reset()
            return side.apply(nothing=False)

        self._rounds("provision an empty account", min(self.rounds, LONG_ROUNDS), build)
        self._built = True

    def plan(self) -> None:
        """Nothing to do, and nothing asked but that."""
        self._build()
        self._floor("empty play, inventory of 5 instances")
        self._rounds("plan, no changes", self.rounds, lambda side: side.plan())

    def noop(self) -> None:
        """Nothing to do, and asked to do it."""
        self._build()
        self._rounds("provision, no changes", self.rounds, lambda side: side.apply(nothing=True))

    def scale(self) -> None:
        """More and more instances."""
        for side in self.sides:
            self.say(f"scale: {side.name} builds the platform")
            scale.build(side)
        for count in scale.COUNTS:
            for side in self.sides:
                self.say(f"scale: {side.name} gets {count} instances")
                scale.grow(side, count)
            self._rounds(f"plan, {count} instances", min(self.rounds, LONG_ROUNDS), lambda side: side.plan())
        for side in self.sides:
            side.variables({})
        self._built = False

    def _floor(self, what: str, inventory: str = "inventories/rehearsal") -> None:
        self._rounds(what, self.rounds, lambda side: self.ours.floor(inventory), [self.ours])

    def say(self, text: str) -> None:
        """Show progress."""
        print(f"[{time.monotonic() - self._began:4.0f} s] {text}", file=sys.stderr, flush=True)

    def _build(self) -> None:
        """The platform as it is declared, unless the last measurement left it behind."""
        if self._built:
            return
        for side in self.sides:
            self.say(f"{side.name} builds the platform (not measured)")
            side.reset()
            side.apply(nothing=False)
        self._built = True

    def _rounds(
        self,
        what: str,
        rounds: int,
        measure: Callable[[Playbooks | Terraform], Sample],
        sides: Sequence[Playbooks | Terraform] = (),
    ) -> None:
        """Ours, theirs, ours, theirs: what slows the machine down for a while slows down both."""
        for number in range(rounds):
            for side in sides or self.sides:
                sample = measure(side)
                self.results.setdefault(what, {}).setdefault(side.name, Series()).samples.append(sample)
                self.say(f"{what} {number + 1}/{rounds}: {side.name} {sample.seconds:.2f} s")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench.py", description="Compare the playbooks with Terraform on a local AWS.", allow_abbrev=False
    )
    parser.add_argument("--rounds", type=int, default=5, help=f"runs of each (at most {LONG_ROUNDS} of what is long)")
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}; default: all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep every run's figures")
    options = parser.parse_args(argv)
    options.only = options.only.split(",")
    if unknown := sorted(set(options.only) - set(PARTS)):
        parser.error(f"--only knows {', '.join(PARTS)}, not {', '.join(unknown)}")
    if options.rounds < 1:
        parser.error("--rounds has to be 1 or more")
    return options


def _loopback_only() -> None:
    """Environment in which requests to other machines go to a proxy that does not exist."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{probe.getsockname()[1]}"
    direct = "127.0.0.1,localhost"
    for name, value in (("http_proxy", closed), ("https_proxy", closed), ("all_proxy", closed), ("no_proxy", direct)):
        os.environ[name] = os.environ[name.upper()] = value


def _theirs(directory: Path, stack: ExitStack) -> Terraform | None:
    """Terraform, ready to plan; None, after one line that says why, if it is missing."""
    problem = Terraform.missing()
    if not problem:
        (directory / "terraform").mkdir()
        aws = stack.enter_context(LocalAws(directory / "aws-terraform"))
        theirs = Terraform(directory / "terraform", aws)
        problem = theirs.init()
        if not problem:
            return theirs
    print(f"bench: {problem}: the other side is skipped", file=sys.stderr)
    return None


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _measure(options: argparse.Namespace) -> int:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        (directory / "ours").mkdir()
        theirs = _theirs(directory, stack)
        ours = Playbooks(directory / "ours", stack.enter_context(LocalAws(directory / "aws-ours")))
        bench = Bench(ours, theirs, options.rounds)
        ours.reset()
        bench.say(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; {_versions(theirs)}")
        try:
            # In the order of PARTS: what is built by one is used by the next.
            for part in (part for part in PARTS if part in options.only):
                getattr(bench, part)()
        finally:
            # What was measured before an interruption counts, too.
            _tell(bench.results, options.json)
    return 0


def _tell(results: report.Results, file: Path | None) -> None:
    """Print the table, and keep the single runs in a file when there is one."""
    if not results:
        return
    print("\n".join([report.table(results), *report.growth(results)]))
    if file:
        content = {
            what: {side: [sample.as_dict() for sample in series.samples] for side, series in sides.items()}
            for what, sides in results.items()
        }
        file.write_text(json.dumps(content, indent=2) + "\n")


def _versions(theirs: Terraform | None) -> str:
    from ansible.release import __version__

    own = f"ansible-core {__version__}, Python {sys.version.split()[0]}"
    return f"{own}; {theirs.versions()}" if theirs else own


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print. Exit status: 0, 1 when a measured command fails, 130 when interrupted."""
    options = _arguments(argv)
    signal.signal(signal.SIGTERM, _interrupt)
    _loopback_only()
    try:
        return _measure(options)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130
