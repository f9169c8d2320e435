"""A local AWS that the scenario's hosts reach, with the declared bucket and a host that has the declared role.

Usage: account.py {up,down} DIRECTORY      up writes DIRECTORY/account.json
"""

from __future__ import annotations

import ipaddress
import json
import runpy
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(REPOSITORY))
runpy.run_path(str(REPOSITORY / "plugins/import_path.py"))

# Below are imports that need this path, hence the noqa.
from ansible.module_utils.platform.engine.workflow import declaration_of  # noqa: E402
from ansible.module_utils.platform.kinds import KINDS  # noqa: E402
from ansible.plugins.loader import init_plugin_loader  # noqa: E402

from rehearsal.aws import control  # noqa: E402
from rehearsal.aws.client import client  # noqa: E402
from rehearsal.aws.state import REGION, State  # noqa: E402
from rehearsal.hosts import forwarder  # noqa: E402
from rehearsal.hosts.state import HostsState  # noqa: E402
from tests.support.platform import declared, specs  # noqa: E402

#: who asks for what: the database's host, the one that tries restores and has data of its own, and one of another stage
ROLES, BUCKET = {"key": "koin-db", "reader": "koin-prod", "other": "koin-stage"}, "koin-backup"


def fill(state: State) -> dict[str, dict[str, str]]:
    """Make the bucket and the roles as declared; the credentials that hosts with these roles have."""
    s3, iam, found = client(state, "s3"), client(state, "iam"), {}
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    entries = {
        want.name: want.entry for want in KINDS.named("iam_role").desired(declaration_of(declared(), specs(), KINDS))
    }
    for name, role in ROLES.items():
        arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(entries[role]["trust"]))["Role"]["Arn"]
        # There are no distributions here that it could name.
        policy = entries[role]["policy"]
        policy = {**policy, "Statement": [part for part in policy["Statement"] if part["Sid"] != "InvalidateCache"]}
        iam.put_role_policy(RoleName=role, PolicyName="platform", PolicyDocument=json.dumps(policy))
        keys = client(state, "sts").assume_role(RoleArn=arn, RoleSessionName="host")["Credentials"]
        found[name] = {"id": keys["AccessKeyId"], "secret": keys["SecretAccessKey"], "token": keys["SessionToken"]}
    return found


def main(verb: str, directory: Path) -> None:
    """Start it, or stop it."""
    record = directory / "account.json"
    port = json.loads(record.read_text())["port"] if record.exists() else control.free_port()
    state = State((directory / "aws").resolve(), port)
    hosts = HostsState(state, "")
    forwarder.stop(hosts)
    control.stop(state)
    if verb == "down":
        record.unlink(missing_ok=True)
        return
    address = json.loads((directory / "instance_config.yml").read_text())[0]["address"]
    network = ipaddress.IPv4Network(f"{address}/24", strict=False)
    control.start(state, empty=True)
    endpoint = forwarder.ensure(hosts, str(network[1]), network)
    content = {"port": port, "endpoint": endpoint, "gateway": str(network[1]), **fill(state)}
    record.touch(mode=0o600)
    record.write_text(json.dumps(content))


if __name__ == "__main__":
    # The declaration asks lookups.
    init_plugin_loader()
    main(sys.argv[1], Path(sys.argv[2]))
