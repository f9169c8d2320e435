"""A local AWS with the platform's bucket and the scenario's secrets.

Usage: account.py {up,down} DIRECTORY      up writes DIRECTORY/account.json
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(REPOSITORY))
runpy.run_path(str(REPOSITORY / "plugins/import_path.py"))


from rehearsal.aws import control  # noqa: E402
from rehearsal.aws.client import client  # noqa: E402
from rehearsal.aws.state import REGION, State  # noqa: E402

SECRETS = {"/koin/platform/registry/nodes": "registry-horse", "/koin/stage/database": "first-horse-battery"}


def main(verb: str, directory: Path) -> None:
    """Start it, or stop it."""
    record = directory / "account.json"
    port = json.loads(record.read_text())["port"] if record.exists() else control.free_port()
    state = State((directory / "aws").resolve(), port)
    control.stop(state)
    if verb == "down":
        record.unlink(missing_ok=True)
        return
    control.start(state, empty=True)
    client(state, "s3").create_bucket(Bucket="koin-platform", CreateBucketConfiguration={"LocationConstraint": REGION})
    for name, value in SECRETS.items():
        client(state, "ssm").put_parameter(Name=name, Value=value, Type="SecureString")
    record.touch(mode=0o600)
    environment = {**state.environ(), "NO_PROXY": "127.0.0.1", "AWS_PROFILE": "", "AWS_SESSION_TOKEN": ""}
    record.write_text(json.dumps({"port": port, "environment": environment}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
