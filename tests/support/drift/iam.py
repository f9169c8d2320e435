"""Roles of hosts, changed and deleted behind the platform's back."""

from __future__ import annotations

import json
from collections.abc import Callable

from .model import Account, Drift

ROLE = "koin-prod"


def _describe(a: Account) -> None:
    """With its session duration, which AWS would set to an hour."""
    client = a.aws.client("iam")
    longest = client.get_role(RoleName=ROLE)["Role"]["MaxSessionDuration"]
    client.update_role(RoleName=ROLE, Description="changed by hand", MaxSessionDuration=longest)


def _lose_profile(a: Account) -> None:
    a.aws.client("iam").remove_role_from_instance_profile(InstanceProfileName=ROLE, RoleName=ROLE)


def _have_another_boundary(a: Account) -> None:
    client = a.aws.client("iam")
    other = client.create_policy(PolicyName="boundary-by-hand", PolicyDocument=json.dumps(_ALLOW_ALL))["Policy"]["Arn"]
    client.put_role_permissions_boundary(RoleName=ROLE, PermissionsBoundary=other)


_TRUST_ANYBODY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
}
_ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}

#: one for each field that is declared
DRIFTS = [
    Drift(
        "iam_role",
        ROLE,
        "description",
        _describe,
    ),
    Drift(
        "iam_role",
        ROLE,
        "trust",
        lambda a: a.aws.client("iam").update_assume_role_policy(
            RoleName=ROLE, PolicyDocument=json.dumps(_TRUST_ANYBODY)
        ),
    ),
    Drift(
        "iam_role",
        ROLE,
        "policy",
        lambda a: a.aws.client("iam").put_role_policy(
            RoleName=ROLE, PolicyName="platform", PolicyDocument=json.dumps(_ALLOW_ALL)
        ),
    ),
    Drift("iam_role", ROLE, "boundary", _have_another_boundary),
    Drift("iam_role", ROLE, "instance_profile", _lose_profile),
]


def _delete_role(a: Account) -> None:
    client, name = a.aws.client("iam"), "koin-build"
    client.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=name)
    client.delete_instance_profile(InstanceProfileName=name)
    client.delete_role_policy(RoleName=name, PolicyName="platform")
    client.delete_role(RoleName=name)


#: kind and name -> how to delete it
DELETIONS: dict[tuple[str, str], Callable[[Account], object]] = {
    ("iam_role", "koin-build"): _delete_role,
}
