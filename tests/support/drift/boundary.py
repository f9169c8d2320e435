"""The boundary of host roles, changed and deleted behind the platform's back."""

from __future__ import annotations

import json
from collections.abc import Callable

from .model import Account, Drift

BOUNDARY = "koin-hosts"
_ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def _widen(a: Account) -> None:
    a.aws.client("iam").create_policy_version(
        PolicyArn=a.id("iam_boundary", BOUNDARY), PolicyDocument=json.dumps(_ALLOW_ALL), SetAsDefault=True
    )


#: one for each field that is declared
DRIFTS = [Drift("iam_boundary", BOUNDARY, "policy", _widen)]


def _delete(a: Account) -> None:
    """IAM deletes no policy that a role has, nor one with versions beside that in force."""
    client, arn = a.aws.client("iam"), a.id("iam_boundary", BOUNDARY)
    for role in client.get_account_authorization_details(Filter=["Role"])["RoleDetailList"]:
        if (role.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn") == arn:
            client.delete_role_permissions_boundary(RoleName=role["RoleName"])
    for version in client.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            client.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    client.delete_policy(PolicyArn=arn)


#: kind and name -> how to delete it
DELETIONS: dict[tuple[str, str], Callable[[Account], object]] = {("iam_boundary", BOUNDARY): _delete}
