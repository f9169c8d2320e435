"""Is what was written to AWS what the plan had shown? Compares actions with the request log, call by call."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.module_utils.platform.kinds import KINDS
from ansible.module_utils.platform.model import Action, Registry

#: IAM names of actions whose API operation is called otherwise
_OPERATIONS = {
    "s3:PutEncryptionConfiguration": "s3:PutBucketEncryption",
    "s3:PutBucketPublicAccessBlock": "s3:PutPublicAccessBlock",
    "s3:PutBucketCORS": "s3:PutBucketCors",
    "s3:PutLifecycleConfiguration": "s3:PutBucketLifecycleConfiguration",
}
_SERVICES = {"monitoring": "cloudwatch"}

_ALLOWED = {kind.name: {_OPERATIONS.get(action, action) for action in kind.writes} for kind in KINDS}

#: the call that brings a resource into being, once for each
_CREATES = {
    "vpc": "ec2:CreateVpc",
    "internet_gateway": "ec2:CreateInternetGateway",
    "subnet": "ec2:CreateSubnet",
    "route_table": "ec2:CreateRouteTable",
    "network_acl": "ec2:CreateNetworkAcl",
    "security_group": "ec2:CreateSecurityGroup",
    "zone": "route53:CreateHostedZone",
    "certificate": "acm:RequestCertificate",
    "origin_access_control": "cloudfront:CreateOriginAccessControl",
    "distribution": "cloudfront:CreateDistribution",
    "bucket": "s3:CreateBucket",
    "iam_role": "iam:CreateRole",
    "key_pair": "ec2:ImportKeyPair",
    "instance": "ec2:RunInstances",
    "elastic_ip": "ec2:AllocateAddress",
    "topic": "sns:CreateTopic",
}


def _operation(request: Mapping[str, Any]) -> str:
    return f"{_SERVICES.get(request['service'], request['service'])}:{request['operation']}"


def _identities(action: Action, registry: Registry) -> set[str]:
    """What a call about this resource has in it: a name, an id, an address, a CIDR."""
    known = registry.get(action.kind, {}).get(action.name, {})
    found = {action.name, action.id or "", *(str(value) for value in known.values())}
    entry = action.entry
    found |= {str(entry.get(key) or "") for key in ("cidr", "name", "domain", "public_key")}
    if action.kind == "certificate_validation":
        found |= {f".{entry['domain']}"}
    if action.kind == "elastic_ip":
        found |= set(registry["instance"][action.name].values())
    return found - {"", "None"}


def mismatches(actions: Iterable[Action], writes: Iterable[Mapping[str, Any]], registry: Registry) -> list[str]:
    """Calls that no action announced, actions without a call, and resources created more or less often than planned.

    registry: after the run, so that the ids of what was created are known.
    """
    actions, writes = list(actions), list(writes)
    identities = {(action.kind, action.name): _identities(action, registry) for action in actions}
    used: set[tuple[str, str]] = set()
    problems = []
    for request in writes:
        operation, text = _operation(request), json.dumps(request["params"], ensure_ascii=False)
        about = [
            key
            for key, names in identities.items()
            if operation in _ALLOWED[key[0]] and any(name in text for name in names)
        ]
        if not about:
            problems.append(f"not announced: {operation} {text[:200]}")
        used.update(about)
    problems += [f"announced, not done: {' '.join(key)}" for key in identities if key not in used]
    planned = Counter(_CREATES[item.kind] for item in actions if item.action == "create" and item.kind in _CREATES)
    done = Counter(_operation(item) for item in writes if _operation(item) in _CREATES.values())
    if planned != done:
        problems.append(f"planned to create {dict(planned)}, created {dict(done)}")
    return problems
