"""What provisioning behind the proxy is measured by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.faults.proxy import Proxy, nothing
from tests.support.inventory import inventory
from tests.support.platform import Platform, fields

#: what happens to a fifth of all calls
TROUBLES = ("throttled", "500", "503", "reset before", "reset after")
#: every operation that brings something into being while an empty account is built
CREATES = (
    "ec2:CreateVpc",
    "ec2:CreateInternetGateway",
    "ec2:CreateSubnet",
    "ec2:CreateRouteTable",
    "ec2:CreateNetworkAcl",
    "ec2:CreateSecurityGroup",
    "ec2:CreateFlowLogs",
    "ec2:ImportKeyPair",
    "ec2:RunInstances",
    "ec2:AllocateAddress",
    "route53:CreateHostedZone",
    "acm:RequestCertificate",
    "cloudfront:CreateOriginAccessControl",
    "cloudfront:CreateResponseHeadersPolicy",
    "cloudfront:CreateDistribution",
    "s3:CreateBucket",
    "cloudtrail:CreateTrail",
    "iam:CreatePolicy",
    "iam:CreateRole",
    "iam:CreateInstanceProfile",
    "sns:CreateTopic",
)


def converged(platform: Platform, proxy: Proxy) -> None:
    """Nothing is left to do, nothing is there twice or beside what is declared."""
    proxy.use(nothing)
    plan = platform.plan()
    assert fields(plan) == set()
    assert [action.name for action in plan.of("unmanaged")] == []
    assert doubled(platform, {}) == set()


def doubled(platform: Platform, before: Mapping[str, Mapping[Any, int]]) -> set[tuple[str, str]]:
    """Of what there must be one, what there is more of, and more than there was."""
    return {
        (kind, str(name))
        for kind, counts in inventory(platform.aws).items()
        for name, number in counts.items()
        if number > max(1, before.get(kind, {}).get(name, 0))
    }
