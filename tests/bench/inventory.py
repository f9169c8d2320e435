"""How long the dynamic inventory takes as the fleet grows, with and without its cache.

Usage: python tests/bench/inventory.py [COUNT …]      5, 100 and 1000 instances unless told otherwise
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY)]

from tests.support.local_aws import LocalAws  # noqa: E402 - after the path is set

ROUNDS = 3
#: instances that one call launches
BATCH = 100


def launch(aws: LocalAws, count: int) -> None:
    """Launch instances with names of their own."""
    client = aws.client("ec2")
    (image,) = client.describe_images(Filters=[{"Name": "architecture", "Values": ["arm64"]}])["Images"][:1]
    for begin in range(0, count, BATCH):
        number = min(BATCH, count - begin)
        made = client.run_instances(
            ImageId=image["ImageId"], InstanceType="t4g.small", MinCount=number, MaxCount=number
        )["Instances"]
        for index, instance in enumerate(made):
            tags = [{"Key": "Name", "Value": f"KOIN_{begin + index:04}"}, {"Key": "Role", "Value": "BATCH"}]
            client.create_tags(Resources=[instance["InstanceId"]], Tags=tags)


def listing(aws: LocalAws, cache: Path | None) -> tuple[float, int]:
    """Seconds of `ansible-inventory --list`, and how many hosts it names."""
    environ = {**os.environ, **aws.process_environ}
    if cache:
        environ |= {
            "ANSIBLE_INVENTORY_CACHE": "true",
            "ANSIBLE_INVENTORY_CACHE_PLUGIN": "ansible.builtin.jsonfile",
            "ANSIBLE_INVENTORY_CACHE_CONNECTION": str(cache),
        }
    program = Path(sys.executable).parent / "ansible-inventory"
    began = time.monotonic()
    done = subprocess.run(
        [program, "-i", "inventories/rehearsal", "--list"],
        cwd=REPOSITORY,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    took = time.monotonic() - began
    return took, len(json.loads(done.stdout).get("aws_ec2", {}).get("hosts", []))


def main() -> None:
    """Print a table."""
    counts = [int(word) for word in sys.argv[1:]] or [5, 100, 1000]
    print(f"{'instances':>9}  {'without cache':>13}  {'cached':>7}  ratio")
    for count in counts:
        with tempfile.TemporaryDirectory() as folder, LocalAws(Path(folder)) as aws:
            aws.reset()
            launch(aws, count)
            cache = Path(folder) / "cache"
            plain = [listing(aws, None) for _ in range(ROUNDS)]
            listing(aws, cache)
            cached = [listing(aws, cache) for _ in range(ROUNDS)]
            assert {found for _, found in plain + cached} == {count}
            without, with_it = (statistics.median(took for took, _ in runs) for runs in (plain, cached))
            print(f"{count:>9}  {without:>11.1f} s  {with_it:>5.1f} s  {with_it / without:5.2f}", flush=True)


if __name__ == "__main__":
    main()
