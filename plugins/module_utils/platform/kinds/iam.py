"""A role and instance profile for each kind of host."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from ..engine import formats
from ..engine.access import Condition, Read, Removal, Scope, Write, at
from ..engine.context import Context
from ..engine.declaration import Declaration
from ..engine.errors import Problem
from ..engine.formats import one_of
from ..engine.model import Desired, FieldChange, Fields, Live
from ..engine.refs import ref
from .base import GLOBAL_REGION, Goes, Kind, Observation, called, declared, instance_names, label, policy, statements
from .cdn import distribution_arn

#: name of the inline policy that holds everything a role may do
INLINE_POLICY = "platform"

#: what a restic repository consists of, at the top of its bucket or below a path
PARTS = ("config", "data/*", "index/*", "keys/*", "locks/*", "snapshots/*")
#: rights on the repository at the top of a bucket, and on nothing else there
_OF_ONE = ("append", "restore")

TRUST = policy({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"})


def host_policy(
    entry: Mapping[str, Any], region: str, account: str, distribution: Callable[[str], str] = distribution_arn
) -> dict[str, Any]:
    """Exactly what the entry grants: its parameters, its objects, its invalidations, its metrics.

    distribution: the ARN of a declared distribution.
    """
    parts: list[dict[str, Any]] = [
        {
            "Sid": "PublishHostMetrics",
            "Effect": "Allow",
            "Action": "cloudwatch:PutMetricData",
            "Resource": "*",
            "Condition": {"StringEquals": {"cloudwatch:namespace": "CWAgent"}},
        }
    ]
    if entry.get("parameters"):
        path = entry["parameters"].rstrip("/")
        parts.append(
            {
                "Sid": "ReadOwnParameters",
                "Effect": "Allow",
                "Action": ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"],
                "Resource": [f"arn:aws:ssm:{region}:{account}:parameter{path}{end}" for end in ("", "/*")],
            }
        )
    buckets, own = entry.get("buckets", {}), repositories(entry)
    if buckets or own:
        parts.append(
            {
                "Sid": "ListBuckets",
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": _arns(sorted({*buckets, *(name for name, _ in own)})),
            }
        )
        parts.append(
            {
                "Sid": "ReadObjects",
                "Effect": "Allow",
                "Action": "s3:GetObject",
                "Resource": _arns(
                    part
                    for name in sorted(buckets)
                    for part in (_parts(name) if buckets[name] in _OF_ONE else [f"{name}/*"])
                )
                + _arns(f"{name}/{path}/*" for name, path in own),
            }
        )
    writable = sorted(name for name, mode in buckets.items() if mode == "read_write")
    if writable:
        parts.append(
            {
                "Sid": "WriteObjects",
                "Effect": "Allow",
                "Action": ["s3:PutObject", "s3:DeleteObject"],
                "Resource": _arns(f"{name}/*" for name in writable),
            }
        )
    appended = appended_buckets(entry)
    if appended or own:
        parts.append(
            {
                "Sid": "AddObjects",
                "Effect": "Allow",
                "Action": "s3:PutObject",
                "Resource": _arns(part for name in appended for part in _parts(name))
                + _arns(f"{name}/{path}/*" for name, path in own),
            }
        )
        # restic removes its own locks. Nothing that was backed up is below this prefix.
        parts.append(
            {
                "Sid": "RemoveLocks",
                "Effect": "Allow",
                "Action": "s3:DeleteObject",
                "Resource": _arns(f"{name}/locks/*" for name in appended)
                + _arns(f"{name}/{path}/locks/*" for name, path in own),
            }
        )
    if entry.get("invalidates"):
        parts.append(
            {
                "Sid": "InvalidateCache",
                "Effect": "Allow",
                "Action": "cloudfront:CreateInvalidation",
                "Resource": [distribution(name) for name in sorted(entry["invalidates"])],
            }
        )
    return policy(*parts)


def appended_buckets(entry: Mapping[str, Any]) -> list[str]:
    """Buckets in which the role adds objects, and deletes none but the locks of restic."""
    return sorted(name for name, mode in entry.get("buckets", {}).items() if mode == "append")


def repositories(entry: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Bucket and path of the repositories that are the role's own."""
    return sorted(entry.get("repositories", {}).items())


def _arns(names: Iterable[str]) -> list[str]:
    return [f"arn:aws:s3:::{name}" for name in names]


def _parts(bucket: str) -> list[str]:
    """The objects of the repository at the top of a bucket."""
    return [f"{bucket}/{part}" for part in PARTS]


def role_arns(declaration: Declaration) -> list[str]:
    """The ARNs of the declared roles; a path is part of them."""
    entries = declaration.entries("aws_iam_roles")
    return [_role_arn(name, entry) for name, entry in entries.items()]


def _role_arn(name: str, entry: Mapping[str, Any]) -> str:
    return f"arn:aws:iam::*:role{entry.get('path') or '/'}{name}"


def boundaries(declaration: Declaration) -> dict[str, dict[str, dict[str, Any]]]:
    """The boundaries that roles name -> those roles."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name, entry in declaration.entries("aws_iam_roles").items():
        if entry.get("boundary"):
            found.setdefault(entry["boundary"], {})[name] = entry
    return found


def boundary_arn(name: str, account: str) -> str:
    """The ARN of the policy that is a boundary."""
    return f"arn:aws:iam::{account}:policy/{name}"


def _bounded(declaration: Declaration) -> list[str]:
    return [_role_arn(name, entry) for roles in boundaries(declaration).values() for name, entry in roles.items()]


def _by_boundary(declaration: Declaration) -> Condition:
    # The variable, and not `*`: a path that holds a colon could make another policy look like the boundary.
    arns = [boundary_arn(name, "${aws:PrincipalAccount}") for name in sorted(boundaries(declaration))]
    return {"StringEquals": {"iam:PermissionsBoundary": arns[0] if len(arns) == 1 else arns}}


#: what gives a role rights: only to roles within a declared boundary
_RIGHTS = Scope("WriteBoundedRoles", _bounded, _by_boundary)


class IamRole(Kind):
    """Recognised by its name, whatever its path; its instance profile has the same name."""

    name = "iam_role"
    role = "aws_iam"
    service = "iam"
    variable = "aws_iam_roles"
    entry_point = "role"
    defaults = "aws_iam_role_defaults"
    refers = {"buckets": "bucket", "repositories": "bucket", "invalidates": "distribution"}
    shapes = {
        "": formats.text(r"[A-Za-z0-9_+=,.@-]+", "the name of a role", "write letters, digits and `-`", 64),
        "path": formats.text(
            r"/([!-~]+/)?", "a path of IAM", "write one like /service/, with slashes at both ends", 512
        ),
        "boundary": formats.text(r"[A-Za-z0-9_+=,.@-]+", "the name of a policy", "write letters, digits and `-`", 128),
        "description": formats.text(r"[ -~\t\r\n]*", "a description that IAM accepts", "write it in English", 1000),
        "buckets.*": one_of(("read", "read_write", "append", "restore"), "not a right"),
        "repositories.*": formats.text(
            r"hosts/[a-z0-9][a-z0-9-]*", "the path of a host's repository", "write one like hosts/koin-prod", 64
        ),
    }
    reads = (
        Read(
            service="iam",
            operation="list_roles",
            region=GLOBAL_REGION,
            into="role_list",
            value=at("Roles"),
        ),
        Read(
            service="iam",
            operation="get_account_authorization_details",
            region=GLOBAL_REGION,
            into="roles",
            value=at("RoleDetailList"),
            arguments={"Filter": ["Role"]},
        ),
    )
    writes = (
        Write("iam:CreateRole", creates=True, scope=_RIGHTS),
        Write("iam:PutRolePermissionsBoundary", ("boundary",), scope=_RIGHTS),
        Write("iam:UpdateRole", ("description",)),
        Write("iam:UpdateAssumeRolePolicy", ("trust",)),
        Write("iam:PutRolePolicy", ("policy",), scope=_RIGHTS),
        Write("iam:CreateInstanceProfile"),
        Write("iam:AddRoleToInstanceProfile", ("instance_profile",)),
        Write("iam:RemoveRoleFromInstanceProfile", ("instance_profile",)),
    )
    said_by = {"policy": ("parameters", "buckets", "repositories", "invalidates"), "trust": (), "instance_profile": ()}
    denied = ("iam:DeleteRolePermissionsBoundary",)
    replaced_by = frozenset({"path"})
    module_reads = ("iam:Get*", "iam:List*")
    regional = False

    def resources(self, declaration: Declaration) -> Sequence[str]:
        profiles = [f"arn:aws:iam::*:instance-profile/{name}" for name in declaration.entries(self.variable)]
        return [*role_arns(declaration), *profiles]

    def check(self, declaration: Declaration) -> Iterable[Problem]:
        for name, entry in declaration.entries(self.variable).items():
            where = f"{self.variable}.{name}"
            path = entry.get("parameters")
            if path and not re.fullmatch(r"/([A-Za-z0-9_.-]+/)+", path):
                better = f"/{path.strip('/')}/"
                good = re.fullmatch(r"/([A-Za-z0-9_.-]+/)+", better)
                fix = f"write {better if good else 'one like /koin/prod/'}, a path with slashes at both ends"
                yield Problem(f"{where}.parameters", f"`{path}` is not a path", fix)
            elif path and re.match(r"/(aws|ssm)", path, re.IGNORECASE):
                yield Problem(
                    f"{where}.parameters", f"`{path}` begins like AWS's own paths", "write one like /koin/prod/"
                )

            buckets = declaration.entries("aws_storage_buckets")
            written = [(f"{where}.buckets.{bucket}", "`append`", bucket) for bucket in appended_buckets(entry)]
            written += [(f"{where}.repositories.{bucket}", "this", bucket) for bucket, _ in repositories(entry)]
            for place, right, bucket in written:
                if bucket in buckets and not buckets[bucket].get("versioning"):
                    what = f"{right} protects nothing in {bucket}, which keeps no old versions of what is overwritten"
                    yield Problem(place, what, "declare `versioning: true` for the bucket")
        yield from _shared(declaration.entries(self.variable))

    def check_account(self, declaration: Declaration, observation: Observation) -> Iterable[Problem]:
        """IAM refuses a name that differs from another only in case."""
        live = {raw["RoleName"].lower(): raw["RoleName"] for raw in observation["roles"]}
        for name in declaration.entries(self.variable):
            other = live.get(name.lower(), name)
            if other != name:
                what = f"the account has the role {other}, and IAM takes names that differ only in case for the same"
                yield Problem(f"{self.variable}.{name}", what, f"write `{other}`")
        profiles = {name.lower(): name for name in profile_roles(observation)}
        for name in declaration.entries(self.variable):
            other = profiles.get(name.lower(), name)
            if other != name:
                what = f"the account has the instance profile {other}, and IAM takes names that differ only in case for"
                yield Problem(f"{self.variable}.{name}", f"{what} the same", f"write `{other}`")

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries(self.variable).items():
            rights = host_policy(entry, declaration.region, declaration.account)
            fields: Fields = {
                "description": entry.get("description", ""),
                "trust": statements(TRUST),
                "policy": statements(rights),
                "instance_profile": name,
                **declared(entry, "path", "boundary"),
            }
            more = {"trust": TRUST, "policy_name": INLINE_POLICY, "policy": rights}
            if entry.get("boundary"):
                more["boundary_arn"] = ref("iam_boundary", entry["boundary"])
            yield Desired(name, {**entry, **more}, fields)

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        # The account's authorization details leave descriptions out.
        described = {raw["RoleName"]: raw.get("Description", "") for raw in observation["role_list"]}
        holders = profile_roles(observation)
        for raw in observation["roles"]:
            # Accounts hold many roles that services made for themselves; none is reported as unmanaged.
            name = raw["RoleName"]
            yield Live(
                name,
                name,
                {**raw, "Description": described.get(name, ""), "Holder": holders.get(name)},
                {"id": name},
                listed=False,
            )

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        return next((item for item in live if item.id == want.name), None)

    def fields(self, live: Live, context: Context) -> Fields:
        raw = live.raw
        inline = {item["PolicyName"]: item["PolicyDocument"] for item in raw.get("RolePolicyList", [])}
        # The profile of the role's name: other profiles may hold the role as well, and go on doing so.
        holder = raw["Holder"]
        boundary = (raw.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
        return {
            "boundary": context.name("iam_boundary", boundary) if boundary else None,
            "path": raw.get("Path", "/"),
            "description": raw.get("Description", ""),
            "trust": statements(_document(raw.get("AssumeRolePolicyDocument"))),
            "policy": statements(_document(inline.get(INLINE_POLICY))),
            "instance_profile": live.id if holder == live.id else f"{live.id} with role {holder}" if holder else None,
        }

    removes = (
        "iam:DeleteRole",
        "iam:DeleteRolePolicy",
        "iam:DetachRolePolicy",
        "iam:DeleteInstanceProfile",
    )

    def kept(self, want: Desired, live: Live, context: Context, goes: Goes) -> Iterable[str]:
        hosts = instance_names(context.observation)
        users = [
            hosts[raw["InstanceId"]]
            for raw in context.observation["instances"]
            if raw["InstanceId"] in hosts
            and (raw.get("IamInstanceProfile") or {}).get("Arn", "").rpartition("/")[2] in _profiles(live.raw)
            and not goes("instance", context.name("instance", raw["InstanceId"]))
        ]
        if users:
            yield f"instance {', '.join(users)} uses it"

    def removal(self, want: Desired, live: Live, context: Context) -> Iterable[Removal]:
        def call(operation: str, **arguments: str) -> Removal:
            gone = frozenset({"NoSuchEntity"})
            return Removal(service="iam", operation=operation, arguments=arguments, region=GLOBAL_REGION, absent=gone)

        for profile in _profiles(live.raw):
            yield call("remove_role_from_instance_profile", InstanceProfileName=profile, RoleName=want.name)
            if profile == want.name:
                yield call("delete_instance_profile", InstanceProfileName=profile)
        for item in live.raw.get("RolePolicyList", []):
            yield call("delete_role_policy", RoleName=want.name, PolicyName=item["PolicyName"])
        for item in live.raw.get("AttachedManagedPolicies", []):
            yield call("detach_role_policy", RoleName=want.name, PolicyArn=item["PolicyArn"])
        yield call("delete_role", RoleName=want.name)

    def said(self, name: str, live: Live, context: Context) -> Fields:
        inline = {item["PolicyName"]: item["PolicyDocument"] for item in live.raw.get("RolePolicyList", [])}
        said = _granted(_document(inline.get(INLINE_POLICY)), context)
        path = live.raw.get("Path", "/")
        return {**said, "path": path if path != "/" else None}

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange], context: Context) -> Iterable[str]:
        holder = profile_roles(context.observation).get(want.name)
        if holder and holder != want.name:
            hosts = [
                label(raw["InstanceId"], called(raw))
                for raw in context.observation["instances"]
                if (raw.get("IamInstanceProfile") or {}).get("Arn", "").rpartition("/")[2] == want.name
                and raw["State"]["Name"] not in ("shutting-down", "terminated")
            ]
            users = f"these hosts use it and lose the rights of {holder}: {', '.join(hosts)}"
            yield (
                f"iam_role {want.name}: the instance profile {want.name} holds the role {holder} today, which makes "
                f"way for {want.name}; {users if hosts else 'no host uses it'}"
            )
        for change in changes:
            if live is not None and change.field == "trust":
                gone = sorted(_trusted(change.before or ()) - _trusted(change.after))
                if gone:
                    yield f"iam_role {want.name}: {', '.join(gone)} can no longer assume it"
        others = _other_policies(live.raw) if live and any(change.field == "boundary" for change in changes) else []
        if others:
            yield (
                f"iam_role {want.name}: of what its other policies allow ({', '.join(others)}) only that is left which "
                f"the boundary {want.entry['boundary']} allows as well"
            )
        path = live.raw.get("Path", "/") if live else ""
        if path and path != (want.entry.get("path") or "/"):
            yield (
                f"iam_role {want.name}: its path is {path}; declare `path: {path}`, or docs/iam-policy.json does not "
                "cover it"
            )


def profile_roles(observation: Observation) -> dict[str, str]:
    """The role that each instance profile holds."""
    return {
        profile["InstanceProfileName"]: raw["RoleName"]
        for raw in observation["roles"]
        for profile in raw.get("InstanceProfileList", [])
    }


def _profiles(raw: Mapping[str, Any]) -> list[str]:
    return [item["InstanceProfileName"] for item in raw.get("InstanceProfileList", [])]


def _other_policies(raw: Mapping[str, Any]) -> list[str]:
    """The policies of a live role beside the one that is declared."""
    inline = [item["PolicyName"] for item in raw.get("RolePolicyList", []) if item["PolicyName"] != INLINE_POLICY]
    return sorted([*inline, *(item["PolicyName"] for item in raw.get("AttachedManagedPolicies", []))])


def _trusted(lines: Iterable[str]) -> set[str]:
    """Who may assume a role by these statements."""
    names: set[str] = set()
    for statement in map(json.loads, lines):
        principals = statement.get("Principal") if statement.get("Effect") == "Allow" else None
        for who in principals.values() if isinstance(principals, dict) else [principals] if principals else []:
            names |= {"anyone" if name == "*" else str(name) for name in (who if isinstance(who, list) else [who])}
    return names


def _shared(roles: Mapping[str, Mapping[str, Any]]) -> Iterable[Problem]:
    """Repositories of several roles: each could overwrite what the other has backed up."""
    taken: dict[tuple[str, str], str] = {}
    for name, entry in roles.items():
        for bucket, path in repositories(entry):
            other = taken.setdefault((bucket, path), name)
            if other != name:
                where = f"aws_iam_roles.{name}.repositories.{bucket}"
                yield Problem(
                    where, f"`{path}` is the repository of {other}", f"write a path of its own, e.g. hosts/{name}"
                )


def _document(value: Any) -> Any:
    """IAM returns documents URL-encoded (RFC 3986); botocore decodes most of them, not all."""
    return unquote(value) if isinstance(value, str) else value


def _granted(document: Any, context: Context) -> Fields:
    """What an entry has to grant for this policy, the inverse of ``host_policy``; other statements are not told."""
    parts = {part.get("Sid"): part for part in map(json.loads, statements(document))}

    def resources(sid: str) -> list[str]:
        found = parts.get(sid, {}).get("Resource", [])
        return [str(item) for item in (found if isinstance(found, list) else [found])]

    def objects(sid: str) -> list[tuple[str, str]]:
        """Bucket and key of each resource."""
        found = (arn.removeprefix("arn:aws:s3:::").partition("/") for arn in resources(sid))
        return [(bucket, key) for bucket, _, key in found]

    def of(sid: str, *keys: str) -> list[str]:
        return [bucket for bucket, key in objects(sid) if key in keys]

    rights = dict.fromkeys(of("ReadObjects", "*"), "read") | dict.fromkeys(of("ReadObjects", "config"), "restore")
    # Every object, in policies of before there were paths.
    rights |= dict.fromkeys(of("AddObjects", "config", "*"), "append") | dict.fromkeys(
        of("WriteObjects", "*"), "read_write"
    )
    own = {bucket: key.removesuffix("/*") for bucket, key in objects("AddObjects") if key not in (*PARTS, "*")}
    names = {attributes.get("arn"): name for name, attributes in context.registry.get("distribution", {}).items()}
    paths = [arn.partition(":parameter")[2] for arn in resources("ReadOwnParameters") if not arn.endswith("/*")]
    return {
        "parameters": f"{paths[0]}/" if paths else None,
        "buckets": rights,
        "repositories": own,
        "invalidates": sorted(names.get(arn, arn) for arn in resources("InvalidateCache")),
    }
