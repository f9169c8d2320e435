"""What a host may do with its role: its own bucket and cache, and nothing of another's. Asked of the local AWS."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible.module_utils.platform.engine.refs import resolve
from ansible.module_utils.platform.engine.workflow import declaration_of
from ansible.module_utils.platform.kinds import KINDS
from botocore.exceptions import ClientError

from tests.support.local_aws import LocalAws
from tests.support.platform import declared, specs

BUCKETS = {"koin-internal": "bcsdlab-storage", "koin-stage": "kap-test", "koin-prod": "team-kap-koin-storage"}
BACKUPS = "koin-backup"
#: they see the names of all objects there; what they reach is in repositories, see below
LISTING = ("koin-db", "koin-prod", "koin-stage")
#: an object of each repository -> who reads it, and who adds to it. koin-prod restores the database to try its backups.
REPOSITORIES = {
    "data/00/a": ({"koin-db", "koin-prod"}, {"koin-db"}),
    "hosts/koin-prod/data/00/a": ({"koin-prod"}, {"koin-prod"}),
    "hosts/koin-stage/data/00/a": ({"koin-stage"}, {"koin-stage"}),
    "hosts/koin-db/data/00/a": ({"koin-db"}, {"koin-db"}),
    "hosts/koin-build/data/00/a": (set(), set()),
    "verified/koin-db": (set(), set()),
}
CACHES = {"koin-internal": "image", "koin-stage": "stage-static", "koin-prod": "static"}
ROLES = ["koin-build", "koin-internal", "koin-stage", "koin-prod", "koin-db"]
SECRET = "/koin/prod/mariadb/password"


def _distribution(name: str) -> str:
    return "E" + name.upper().replace("-", "")


class Hosts:
    """The declared roles within their boundary, with two objects in every bucket."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        declaration = declaration_of(declared(), specs(), KINDS)
        declaration.account = "123456789012"
        known: dict[str, dict[str, dict[str, Any]]] = {
            "distribution": {
                name: {"arn": f"arn:aws:cloudfront::123456789012:distribution/{_distribution(name)}", "id": "E"}
                for name in CACHES.values()
            }
        }
        iam, s3 = aws.client("iam"), aws.client("s3")
        for boundary in KINDS.named("iam_boundary").desired(declaration):
            made = iam.create_policy(PolicyName=boundary.name, PolicyDocument=json.dumps(boundary.entry["policy"]))
            known.setdefault("iam_boundary", {})[boundary.name] = {"id": made["Policy"]["Arn"]}
        for want in KINDS.named("iam_role").desired(declaration):
            entry: dict[str, Any] = resolve(want.entry, known)
            iam.create_role(
                RoleName=want.name,
                AssumeRolePolicyDocument=json.dumps(entry["trust"]),
                PermissionsBoundary=entry["boundary_arn"],
            )
            document = json.dumps(entry["policy"])
            iam.put_role_policy(RoleName=want.name, PolicyName="platform", PolicyDocument=document)
        for bucket in declaration.entries("aws_storage_buckets"):
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "ap-northeast-2"})
            s3.put_object(Bucket=bucket, Key="upload/a.png", Body=b"a")
        self.buckets = list(declaration.entries("aws_storage_buckets"))
        self.keys = {role: aws.session(role) for role in ROLES}
        aws.client("ssm").put_parameter(Name=SECRET, Value="x", Type="SecureString")

    def may(self, role: str, service: str, operation: str, **arguments: Any) -> bool:
        """Whether the role is let through; what the service says then does not matter."""
        client = self.aws.client(service, keys=self.keys[role])
        try:
            getattr(client, operation)(**arguments)
        except ClientError as error:
            return "is not authorized to perform" not in error.response["Error"]["Message"]
        return True


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """On a local AWS of their own."""
    with LocalAws(tmp_path_factory.mktemp("hosts")) as aws:
        yield Hosts(aws.reset())


@pytest.mark.parametrize("role", ROLES)
def test_objects_of_its_own_bucket_only(hosts: Hosts, role: str) -> None:
    own = BUCKETS.get(role)
    tries: dict[str, Callable[[str], bool]] = {
        "get": lambda bucket: hosts.may(role, "s3", "get_object", Bucket=bucket, Key="upload/a.png"),
        "put": lambda bucket: hosts.may(role, "s3", "put_object", Bucket=bucket, Key="upload/b.png", Body=b"b"),
        "list": lambda bucket: hosts.may(role, "s3", "list_objects_v2", Bucket=bucket),
        "delete": lambda bucket: hosts.may(role, "s3", "delete_object", Bucket=bucket, Key="upload/b.png"),
    }
    may = {(name, bucket) for bucket in hosts.buckets for name, call in tries.items() if call(bucket)}
    backups = {("list", BACKUPS)} if role in LISTING else set()
    assert may == ({(name, own) for name in tries} if own else set()) | backups


@pytest.mark.parametrize("key", REPOSITORIES)
def test_a_repository_is_reached_by_its_own_host(hosts: Hosts, key: str) -> None:
    """Nobody deletes anything there but locks."""

    def allowed(operation: str, key: str, **more: Any) -> set[str]:
        return {role for role in ROLES if hosts.may(role, "s3", operation, Bucket=BACKUPS, Key=key, **more)}

    reads, adds = REPOSITORIES[key]
    assert allowed("get_object", key) == reads
    assert allowed("put_object", key, Body=b"a") == adds
    assert allowed("delete_object", key) == set()
    if adds:
        assert allowed("delete_object", key.replace("data/00/a", "locks/a")) == adds


def test_the_database_destroys_no_backup(hosts: Hosts) -> None:
    """A host that was broken into removes the locks of restic, and nothing else, old versions included."""
    s3 = hosts.aws.client("s3")
    s3.put_bucket_versioning(Bucket=BACKUPS, VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket=BACKUPS, Key="data/00/a", Body=b"a")["VersionId"]
    tries: list[tuple[str, dict[str, Any]]] = [
        *(
            ("delete_object", {"Key": key})
            for key in ("data/00/a", "snapshots/a", "keys/a", "index/a", "config", "locks")
        ),
        ("delete_objects", {"Delete": {"Objects": [{"Key": "data/00/a"}]}}),
        ("delete_object", {"Key": "data/00/a", "VersionId": version}),
        ("delete_object", {"Key": "locks/a", "VersionId": version}),
        ("put_bucket_lifecycle_configuration", {"LifecycleConfiguration": {"Rules": []}}),
        ("delete_bucket_lifecycle", {}),
    ]
    assert [item for item in tries if hosts.may("koin-db", "s3", item[0], Bucket=BACKUPS, **item[1])] == []
    assert hosts.may("koin-db", "s3", "delete_object", Bucket=BACKUPS, Key="locks/a")
    # It may overwrite, and what was there before can be got back.
    assert hosts.may("koin-db", "s3", "put_object", Bucket=BACKUPS, Key="data/00/a", Body=b"b")
    kept = s3.get_object(Bucket=BACKUPS, Key="data/00/a", VersionId=version)
    assert kept["Body"].read() == b"a"


@pytest.mark.parametrize("role", ROLES)
def test_no_setting_of_any_bucket(hosts: Hosts, role: str) -> None:
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    tries: list[tuple[str, dict[str, Any]]] = [
        ("put_bucket_policy", {"Policy": policy}),
        ("delete_bucket_policy", {}),
        ("put_public_access_block", {"PublicAccessBlockConfiguration": {"BlockPublicAcls": False}}),
        ("put_object_acl", {"Key": "upload/a.png", "ACL": "public-read"}),
        ("put_bucket_versioning", {"VersioningConfiguration": {"Status": "Suspended"}}),
        ("delete_bucket", {}),
    ]
    for bucket in hosts.buckets:
        assert [name for name, more in tries if hosts.may(role, "s3", name, Bucket=bucket, **more)] == []


@pytest.mark.parametrize("role", ROLES)
def test_the_cache_of_its_own_distribution_only(hosts: Hosts, role: str) -> None:
    batch = {"Paths": {"Quantity": 1, "Items": ["/*"]}, "CallerReference": "1"}
    may = {
        name
        for name in CACHES.values()
        if hosts.may(
            role, "cloudfront", "create_invalidation", DistributionId=_distribution(name), InvalidationBatch=batch
        )
    }
    assert may == ({CACHES[role]} if role in CACHES else set())


@pytest.mark.parametrize("role", ROLES)
def test_nothing_of_the_account(hosts: Hosts, role: str) -> None:
    metric = {"MetricName": "disk", "Value": 1}
    tries: list[tuple[str, str, dict[str, Any]]] = [
        ("ssm", "get_parameter", {"Name": SECRET, "WithDecryption": True}),
        ("ssm", "get_parameters_by_path", {"Path": "/koin", "Recursive": True}),
        ("ssm", "describe_parameters", {}),
        ("s3", "list_buckets", {}),
        ("iam", "list_roles", {}),
        ("iam", "put_role_policy", {"RoleName": role, "PolicyName": "more", "PolicyDocument": "{}"}),
        ("ec2", "describe_instances", {}),
        ("route53", "list_hosted_zones", {}),
        ("cloudfront", "list_distributions", {}),
        ("sts", "assume_role", {"RoleArn": "arn:aws:iam::123456789012:role/koin-prod", "RoleSessionName": "other"}),
        ("cloudwatch", "put_metric_data", {"Namespace": "AWS/EC2", "MetricData": [metric]}),
    ]
    assert [item[:2] for item in tries if hosts.may(role, item[0], item[1], **item[2])] == []
    assert hosts.may(role, "cloudwatch", "put_metric_data", Namespace="CWAgent", MetricData=[metric])
