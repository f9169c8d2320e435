"""A role and instance profile for each kind of host."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from ..engine import formats
from ..engine.access import Read, Write, at
from ..engine.context import Context
from ..engine.declaration import Declaration
from ..engine.errors import Problem
from ..engine.formats import one_of
from ..engine.model import Desired, Fields, Live
from .base import GLOBAL_REGION, Kind, Observation, policy, statements
from .cdn import distribution_arn

#: name of the inline policy that holds everything a role may do
INLINE_POLICY = "platform"

TRUST = policy({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"})


def host_policy(entry: Mapping[str, Any], region: str, account: str) -> dict[str, Any]:
    """Exactly what the entry grants: its parameters, its objects, its invalidations, its metrics."""
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
    buckets = entry.get("buckets", {})
    if buckets:
        parts.append(
            {
                "Sid": "ListBuckets",
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": [f"arn:aws:s3:::{name}" for name in sorted(buckets)],
            }
        )
        parts.append(
            {
                "Sid": "ReadObjects",
                "Effect": "Allow",
                "Action": "s3:GetObject",
                "Resource": [f"arn:aws:s3:::{name}/*" for name in sorted(buckets)],
            }
        )
    writable = sorted(name for name, mode in buckets.items() if mode == "read_write")
    if writable:
        parts.append(
            {
                "Sid": "WriteObjects",
                "Effect": "Allow",
                "Action": ["s3:PutObject", "s3:DeleteObject"],
                "Resource": [f"arn:aws:s3:::{name}/*" for name in writable],
            }
        )
    if entry.get("invalidates"):
        parts.append(
            {
                "Sid": "InvalidateCache",
                "Effect": "Allow",
                "Action": "cloudfront:CreateInvalidation",
                "Resource": [distribution_arn(name) for name in sorted(entry["invalidates"])],
            }
        )
    return policy(*parts)


class IamRole(Kind):
    """Recognised by its name; its instance profile has the same name."""

    name = "iam_role"
    role = "aws_iam"
    service = "iam"
    variable = "aws_iam_roles"
    entry_point = "role"
    refers = {"buckets": "bucket", "invalidates": "distribution"}
    shapes = {
        "": formats.text(r"[A-Za-z0-9_+=,.@-]+", "the name of a role", "write letters, digits and `-`", 64),
        "description": formats.text(r"[ -~\t\r\n]*", "a description that IAM accepts", "write it in English", 1000),
        "buckets.*": one_of(("read", "read_write"), "not a right"),
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
        Write("iam:CreateRole", creates=True),
        Write("iam:UpdateRole", ("description",)),
        Write("iam:UpdateAssumeRolePolicy", ("trust",)),
        Write("iam:PutRolePolicy", ("policy",)),
        Write("iam:CreateInstanceProfile"),
        Write("iam:AddRoleToInstanceProfile", ("instance_profile",)),
        Write("iam:TagRole"),
        Write("iam:TagInstanceProfile"),
    )
    module_reads = ("iam:Get*", "iam:List*")
    regional = False

    def resources(self, declaration: Declaration) -> Sequence[str]:
        names = declaration.entries(self.variable)
        return [f"arn:aws:iam::*:{what}/{name}" for what in ("role", "instance-profile") for name in names]

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

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries(self.variable).items():
            rights = host_policy(entry, declaration.region, declaration.account)
            fields: Fields = {
                "description": entry.get("description", ""),
                "trust": statements(TRUST),
                "policy": statements(rights),
                "instance_profile": name,
            }
            yield Desired(name, {**entry, "trust": TRUST, "policy_name": INLINE_POLICY, "policy": rights}, fields)

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        # The account's authorization details leave descriptions out.
        described = {raw["RoleName"]: raw.get("Description", "") for raw in observation["role_list"]}
        for raw in observation["roles"]:
            # Accounts hold many roles that services made for themselves; none is reported as unmanaged.
            name = raw["RoleName"]
            yield Live(name, name, {**raw, "Description": described.get(name, "")}, {"id": name}, listed=False)

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        return next((item for item in live if item.id == want.name), None)

    def fields(self, live: Live, context: Context) -> Fields:
        raw = live.raw
        inline = {item["PolicyName"]: item["PolicyDocument"] for item in raw.get("RolePolicyList", [])}
        profiles = [item["InstanceProfileName"] for item in raw.get("InstanceProfileList", [])]
        return {
            "description": raw.get("Description", ""),
            "trust": statements(_document(raw.get("AssumeRolePolicyDocument"))),
            "policy": statements(_document(inline.get(INLINE_POLICY))),
            "instance_profile": live.id if live.id in profiles else ", ".join(sorted(profiles)) or None,
        }


def _document(value: Any) -> Any:
    """IAM returns documents URL-encoded (RFC 3986); botocore decodes most of them, not all."""
    return unquote(value) if isinstance(value, str) else value
