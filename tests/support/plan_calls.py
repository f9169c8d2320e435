"""Is what was written to AWS what the plan had shown? Compares actions with the request log, call by call."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
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
#: an operation that IAM knows under the name of another
_SAME = {"s3:DeleteBucketLifecycle": "s3:PutBucketLifecycleConfiguration"}
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


#: calls that a change makes only when it touches one of these fields; what else is written would be a surprise
_ONLY_FOR: dict[str, tuple[str, ...]] = {
    "ec2:ModifyVolume": ("root_volume.type", "root_volume.size"),
    "ec2:ModifyInstanceMetadataOptions": ("metadata.*",),
    "ec2:ModifyInstanceCreditSpecification": ("cpu_credits",),
    "ec2:ModifyInstanceAttribute": ("type", "security_groups", "termination_protection"),
    "ec2:StopInstances": ("type", "state"),
    "ec2:StartInstances": ("type", "state"),
    "ec2:ModifySubnetAttribute": ("map_public_ip",),
    "ec2:AuthorizeSecurityGroupIngress": ("ingress",),
    "ec2:RevokeSecurityGroupIngress": ("ingress",),
    "ec2:UpdateSecurityGroupRuleDescriptionsIngress": ("ingress",),
    "ec2:AuthorizeSecurityGroupEgress": ("egress",),
    "ec2:RevokeSecurityGroupEgress": ("egress",),
    "ec2:UpdateSecurityGroupRuleDescriptionsEgress": ("egress",),
    "ec2:ReplaceNetworkAclAssociation": ("subnets",),
    "ec2:CreateNetworkAclEntry": ("ingress", "egress"),
    "ec2:DeleteNetworkAclEntry": ("ingress", "egress"),
    "ec2:CreateTags": ("tags.*",),
    "ec2:AssociateAddress": ("instance",),
    "s3:PutBucketVersioning": ("versioning",),
    "s3:PutBucketEncryption": ("encryption",),
    "s3:PutPublicAccessBlock": ("block_public_access",),
    "s3:PutBucketOwnershipControls": ("ownership",),
    "s3:PutBucketAcl": ("ownership",),
    "s3:PutBucketPolicy": ("policy",),
    "s3:PutBucketTagging": ("tags.*",),
    "s3:PutBucketCors": ("cors",),
    "s3:PutBucketLifecycleConfiguration": ("lifecycle.*",),
    "s3:PutObject": ("prefixes.*",),
    "iam:UpdateRole": ("description",),
    "iam:UpdateAssumeRolePolicy": ("trust",),
    "iam:PutRolePolicy": ("policy",),
    "iam:AddRoleToInstanceProfile": ("instance_profile",),
    "sns:Subscribe": ("emails",),
    "sns:Unsubscribe": ("emails",),
}


def _announced(operation: str, action: Action) -> bool:
    """Whether this action may make such a call."""
    if _SAME.get(operation, operation) not in _ALLOWED[action.kind]:
        return False
    patterns = _ONLY_FOR.get(_SAME.get(operation, operation))
    if action.action == "create" or patterns is None:
        return True
    return any(fnmatchcase(change.field, pattern) for change in action.changes for pattern in patterns)


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
        found.add(registry["instance"][action.name]["id"])
    return found - {"", "None"}


def mismatches(actions: Iterable[Action], writes: Iterable[Mapping[str, Any]], registry: Registry) -> list[str]:
    """Calls that no action announced, actions without a call, and resources created more or less often than planned.

    registry: after the run, so that the ids of what was created are known.
    """
    actions, writes = list(actions), list(writes)
    by_key = {(action.kind, action.name): action for action in actions}
    identities = {(action.kind, action.name): _identities(action, registry) for action in actions}
    used: set[tuple[str, str]] = set()
    problems = []
    for request in writes:
        operation, text = _operation(request), json.dumps(request["params"], ensure_ascii=False)
        about = [
            key
            for key, names in identities.items()
            if _announced(operation, by_key[key]) and any(name in text for name in names)
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
