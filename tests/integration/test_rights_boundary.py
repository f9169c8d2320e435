"""Who writes roles is no administrator: what an operator gets out of the roles that docs/iam-policy.json covers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible.module_utils.platform.engine.workflow import declaration_of
from ansible.module_utils.platform.kinds import KINDS
from botocore.exceptions import ClientError

from tests.support.local_aws import Keys, LocalAws
from tests.support.platform import declared, specs
from tests.support.rights import ADMINISTRATOR, OPERATOR

NUMBER = "123456789012"
ROLE, NEW, LOOSE = "koin-prod", "koin-stage", "koin-db"
BOUNDARY = f"arn:aws:iam::{NUMBER}:policy/koin-hosts"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)
ALL = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


class Account:
    """An account with the boundary, a role within it, and one without; an operator and an administrator."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        declaration = declaration_of(declared(), specs(), KINDS)
        declaration.account = NUMBER
        (boundary,) = KINDS.named("iam_boundary").desired(declaration)
        self.document = json.dumps(boundary.entry["policy"])
        iam = aws.client("iam")
        iam.create_policy(PolicyName=boundary.name, PolicyDocument=self.document)
        iam.create_policy_version(PolicyArn=BOUNDARY, PolicyDocument=ALL)
        self.everything = iam.create_policy(PolicyName="everything", PolicyDocument=ALL)["Policy"]["Arn"]
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=TRUST, PermissionsBoundary=BOUNDARY)
        iam.create_role(RoleName=LOOSE, AssumeRolePolicyDocument=TRUST)
        self.operator = aws.user("operator", OPERATOR)
        self.administrator = aws.user("administrator", ADMINISTRATOR)

    def refused(self, keys: Keys, operation: str, service: str = "iam", **arguments: Any) -> bool:
        """Whether IAM refuses the call; what the service says otherwise does not matter."""
        try:
            getattr(self.aws.client(service, keys=keys), operation)(**arguments)
        except ClientError as error:
            return "is not authorized to perform" in error.response["Error"]["Message"]
        return False


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """On a local AWS of its own."""
    with LocalAws(tmp_path_factory.mktemp("boundary")) as aws:
        yield Account(aws.reset())


def _role(name: str, **more: str) -> dict[str, Any]:
    return {"RoleName": name, "AssumeRolePolicyDocument": TRUST, **more}


def _policy(name: str) -> dict[str, Any]:
    return {"RoleName": name, "PolicyName": "platform", "PolicyDocument": ALL}


#: what an operator could become an administrator with
MOVES: dict[str, tuple[str, dict[str, Any]]] = {
    "a role without the boundary": ("create_role", _role(NEW)),
    "a role with another boundary": ("create_role", _role(NEW, PermissionsBoundary=ADMIN)),
    # With `*` for the account, this would be a policy koin-hosts.
    "a role with a boundary that looks like it": (
        "create_role",
        _role(NEW, PermissionsBoundary=f"arn:aws:iam::{NUMBER}:policy/a:policy/koin-hosts"),
    ),
    "a role of another name": ("create_role", _role("mine", PermissionsBoundary=BOUNDARY)),
    "no boundary any more": ("delete_role_permissions_boundary", {"RoleName": ROLE}),
    "another boundary": ("put_role_permissions_boundary", {"RoleName": ROLE, "PermissionsBoundary": ADMIN}),
    "another boundary of a role without one": (
        "put_role_permissions_boundary",
        {"RoleName": LOOSE, "PermissionsBoundary": ADMIN},
    ),
    "the policy of a role without the boundary": ("put_role_policy", _policy(LOOSE)),
    "an attached policy": ("attach_role_policy", {"RoleName": ROLE, "PolicyArn": ADMIN}),
    "an attached policy of a role without the boundary": (
        "attach_role_policy",
        {"RoleName": LOOSE, "PolicyArn": ADMIN},
    ),
    "a new version of the boundary": (
        "create_policy_version",
        {"PolicyArn": BOUNDARY, "PolicyDocument": ALL, "SetAsDefault": True},
    ),
    "another version of the boundary": ("set_default_policy_version", {"PolicyArn": BOUNDARY, "VersionId": "v2"}),
    "fewer versions of the boundary": ("delete_policy_version", {"PolicyArn": BOUNDARY, "VersionId": "v2"}),
    "no boundary at all": ("delete_policy", {"PolicyArn": BOUNDARY}),
    "a policy": ("create_policy", {"PolicyName": "mine", "PolicyDocument": ALL}),
    "rights of their own": ("put_user_policy", {"UserName": "operator", "PolicyName": "more", "PolicyDocument": ALL}),
    "an attached policy of their own": ("attach_user_policy", {"UserName": "operator", "PolicyArn": ADMIN}),
    "a boundary of a user": ("delete_user_permissions_boundary", {"UserName": "operator"}),
}


@pytest.mark.parametrize("move", MOVES)
def test_an_operator_becomes_no_administrator(account: Account, move: str) -> None:
    operation, arguments = MOVES[move]
    assert account.refused(account.operator, operation, **arguments)


def test_another_policy_lets_no_operator_remove_the_boundary(account: Account) -> None:
    greedy = account.aws.user("greedy", OPERATOR, json.loads(ALL))
    assert not account.refused(greedy, "list_users")
    assert account.refused(greedy, "delete_role_permissions_boundary", RoleName=ROLE)


def test_an_operator_writes_roles_within_the_boundary(account: Account) -> None:
    tries: list[tuple[str, dict[str, Any]]] = [
        ("create_role", _role("koin-build", PermissionsBoundary=BOUNDARY)),
        ("put_role_policy", _policy(ROLE)),
        # How a role that people made by hand is taken over.
        ("put_role_permissions_boundary", {"RoleName": "koin-internal", "PermissionsBoundary": BOUNDARY}),
        ("put_role_policy", _policy("koin-internal")),
    ]
    account.aws.client("iam").create_role(**_role("koin-internal"))
    assert [item for item, more in tries if account.refused(account.operator, item, **more)] == []


def test_a_role_that_may_do_everything_does_no_more_than_the_boundary_says(account: Account) -> None:
    """Its inline policy, which an operator may write, and an attached one allow everything."""
    iam, s3 = account.aws.client("iam"), account.aws.client("s3")
    iam.put_role_policy(**_policy(ROLE))
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=account.everything)
    for bucket in ("kap-test", "not-ours"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "ap-northeast-2"})
        s3.put_object(Bucket=bucket, Key="a", Body=b"a")
    account.aws.client("ssm").put_parameter(Name="/koin/prod/password", Value="x", Type="SecureString")
    host, other = account.aws.session(ROLE), f"arn:aws:iam::{NUMBER}:role/{LOOSE}"
    tries: dict[str, tuple[str, str, dict[str, Any]]] = {
        "make a user": ("create_user", "iam", {"UserName": "mine"}),
        "make a key": ("create_access_key", "iam", {"UserName": "operator"}),
        "drop the boundary": ("delete_role_permissions_boundary", "iam", {"RoleName": ROLE}),
        "read roles": ("list_roles", "iam", {}),
        "become another": (
            "assume_role",
            "sts",
            {"RoleArn": other, "RoleSessionName": "other"},
        ),
        "see hosts": ("describe_instances", "ec2", {}),
        "stop a host": ("stop_instances", "ec2", {"InstanceIds": ["i-0123456789abcdef0"]}),
        "list buckets": ("list_buckets", "s3", {}),
        "read another bucket": ("get_object", "s3", {"Bucket": "not-ours", "Key": "a"}),
        "open a bucket": ("put_bucket_policy", "s3", {"Bucket": "kap-test", "Policy": ALL}),
        "read secrets": ("get_parameter", "ssm", {"Name": "/koin/prod/password"}),
        "write records": ("list_hosted_zones", "route53", {}),
    }

    def done() -> list[str]:
        return [name for name, (call, where, more) in tries.items() if not account.refused(host, call, where, **more)]

    assert done() == []
    # What roles of the platform need is within it.
    assert not account.refused(host, "get_object", "s3", Bucket="kap-test", Key="a")
    # Without the boundary, the same role may do all of it.
    iam.delete_role_permissions_boundary(RoleName=ROLE)
    assert done() == list(tries)
    iam.put_role_permissions_boundary(RoleName=ROLE, PermissionsBoundary=BOUNDARY)


def test_an_administrator_writes_the_boundary_and_no_role(account: Account) -> None:
    keys, arn = account.administrator, BOUNDARY
    made: dict[str, Any] = {"PolicyArn": arn, "PolicyDocument": account.document, "SetAsDefault": True}
    assert not account.refused(keys, "create_policy", PolicyName="koin-hosts", PolicyDocument=account.document)
    assert not account.refused(keys, "create_policy_version", **made)
    assert not account.refused(keys, "delete_policy_version", PolicyArn=arn, VersionId="v1")
    others: dict[str, dict[str, Any]] = {
        "create_role": _role(NEW, PermissionsBoundary=BOUNDARY),
        "put_role_policy": _policy(ROLE),
        "attach_role_policy": {"RoleName": ROLE, "PolicyArn": ADMIN},
        "create_policy": {"PolicyName": "mine", "PolicyDocument": ALL},
        "delete_policy": {"PolicyArn": arn},
        "delete_role_permissions_boundary": {"RoleName": ROLE},
    }
    assert [name for name, more in others.items() if not account.refused(keys, name, **more)] == []
