"""A role and instance profile for each kind of host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from ..declaration import Declaration
from ..model import Desired, Fields, Live
from .base import Context, Kind, Observation, policy, statements
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
    writes = (
        "iam:CreateRole",
        "iam:UpdateRole",
        "iam:UpdateAssumeRolePolicy",
        "iam:PutRolePolicy",
        "iam:CreateInstanceProfile",
        "iam:AddRoleToInstanceProfile",
        "iam:TagRole",
        "iam:TagInstanceProfile",
    )

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries("aws_iam_roles").items():
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
            # Accounts hold many roles that services made for themselves; none is called a stray.
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
    """IAM answers documents URL-encoded (RFC 3986); botocore decodes most of them, not all."""
    return unquote(value) if isinstance(value, str) else value
