"""The rehearsal's one command; `python -m rehearsal` lists what it can do."""

from __future__ import annotations

import sys
from importlib import import_module

#: verb: the module whose `main` runs it, and what it does. Each is imported only when it runs:
#: stopping the local AWS needs nothing but the standard library.
VERBS = {
    "all": ("rehearsal.whole", "the whole platform on this machine: local AWS, provision, hosts, configure, verify"),
    "rebuild": ("rehearsal.rebuild", "lose everything but the backups, and build the platform from them"),
    "aws": ("rehearsal.aws.cli", "the local AWS: start, stop, status, env"),
    "hosts": ("rehearsal.hosts.cli", "the local hosts: up, down, status, shell, image, free"),
    "scenario": ("rehearsal.hosts.scenario_cli", "hosts of a molecule scenario: up, down"),
    "summary": ("rehearsal.summary", "what is running now, and what to do next"),
}


def main(argv: list[str]) -> int:
    """Run the verb; 2 if there is no such verb."""
    if argv and argv[0] in VERBS:
        return int(import_module(VERBS[argv[0]][0]).main(argv[1:]))
    wanted = argv[0] if argv else ""
    lines = [f"  {verb:<9} {text}" for verb, (_, text) in VERBS.items()]
    usage = "\n".join(["Usage: python -m rehearsal VERB …", *lines])
    if wanted in ("-h", "--help"):
        print(usage)
        return 0
    print(f"rehearsal: no verb {wanted!r}\n{usage}" if wanted else usage, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
