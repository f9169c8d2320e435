"""The account, with the role of stage's instance: `service operation {arguments}`."""

from __future__ import annotations

import json
from typing import Any

from .model import Control, Move, Origin

OPERATOR = Control(Origin.OPERATOR)
PROD = "team-kap-koin-storage"
ROLES = "arn:aws:iam::123456789012:role"
OWN = Control(Origin.ROLE, {"bucket": "kap-test", "distribution": "@stage_distribution@"})


def _call(name: str, service: str, operation: str, control: Control = OPERATOR, **arguments: Any) -> Move:
    """A call; where the role may do the same to what is its own, that is the control, else the operator may."""
    values = {"bucket": PROD, "distribution": "@prod_distribution@"}
    return Move(name, Origin.ROLE, f"{service} {operation} {json.dumps(arguments)}", control, values, won=r"^allowed$")


MOVES = (
    _call(
        "read production's database password",
        "ssm",
        "get_parameter",
        Name="/koin/prod/mariadb/password",
        WithDecryption=True,
    ),
    _call("read the authority's key", "ssm", "get_parameter", Name="/koin/platform/authority/key", WithDecryption=True),
    _call("read all secrets", "ssm", "get_parameters_by_path", Path="/koin", Recursive=True, WithDecryption=True),
    _call("list all secrets", "ssm", "describe_parameters"),
    _call("replace a secret", "ssm", "put_parameter", Name="/koin/attacker", Value="x", Type="String", Overwrite=True),
    _call("list production's bucket", "s3", "list_objects_v2", OWN, Bucket="@bucket@"),
    _call("read production's bucket", "s3", "get_object", OWN, Bucket="@bucket@", Key="attacker"),
    _call("write production's bucket", "s3", "put_object", OWN, Bucket="@bucket@", Key="attacker", Body="x"),
    _call("delete in production's bucket", "s3", "delete_object", OWN, Bucket="@bucket@", Key="attacker"),
    _call("read the trail's bucket", "s3", "list_objects_v2", Bucket="bcsdlab-cloudtrail"),
    _call("list all buckets", "s3", "list_buckets"),
    _call(
        "drop the cache of production's distribution",
        "cloudfront",
        "create_invalidation",
        OWN,
        DistributionId="@distribution@",
        InvalidationBatch={"Paths": {"Quantity": 1, "Items": ["/attacker"]}, "CallerReference": "attacker"},
    ),
    _call(
        "become production's role",
        "sts",
        "assume_role",
        RoleArn="arn:aws:iam::123456789012:role/koin-prod",
        RoleSessionName="attacker",
    ),
    _call("list roles", "iam", "list_roles"),
    _call("list instances", "ec2", "describe_instances"),
    _call("stop production", "ec2", "stop_instances", InstanceIds=["@prod_instance@"], DryRun=True),
)
