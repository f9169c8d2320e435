"""What host roles may do at most: the permissions boundary that they name, a managed policy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..engine.access import Read, Removal, Write, at
from ..engine.context import Context
from ..engine.declaration import Declaration
from ..engine.errors import Problem
from ..engine.model import Desired, FieldChange, Fields, Live
from .base import GLOBAL_REGION, Goes, Kind, Observation, policy, statements
from .iam import boundaries, boundary_arn, host_policy

#: characters that a managed policy holds, and versions that IAM keeps of it
SIZE, VERSIONS = 6144, 5

DESCRIPTION = "What roles of the platform's hosts may do at most; written by an administrator"

#: whatever is added to the boundary by hand, a host changes no rights and becomes no other role
NEVER = {
    "Sid": "NeverIam",
    "Effect": "Deny",
    "Action": ["iam:*", "organizations:*", "sts:Assume*"],
    "Resource": "*",
}


def boundary_policy(roles: Iterable[Mapping[str, Any]], region: str, account: str) -> dict[str, Any]:
    """What any of the roles may do.

    A distribution has no ARN before it is there, and the boundary comes first: it covers all of the account's.
    """
    merged: dict[str, dict[str, Any]] = {}
    every = f"arn:aws:cloudfront::{account}:distribution/*"
    for entry in roles:
        for part in host_policy(entry, region, account, lambda _: every)["Statement"]:
            key = json.dumps([part["Action"], part.get("Condition")], sort_keys=True)
            resources = part["Resource"] if isinstance(part["Resource"], list) else [part["Resource"]]
            known = merged.setdefault(key, {**part, "Resource": []})
            known["Resource"] = sorted({*known["Resource"], *resources})
    return policy(*merged.values(), NEVER)


class IamBoundary(Kind):
    """Derived from the roles that name it. Recognised by its name, at the path `/`."""

    name = "iam_boundary"
    role = "aws_boundary"
    service = "iam"
    follows = "it follows from the roles that name it: adopt those"
    administered = "playbooks/boundary.yml"
    reads = (
        Read(
            service="iam",
            operation="get_account_authorization_details",
            region=GLOBAL_REGION,
            into="policies",
            value=at("Policies"),
            arguments=lambda declaration: {"Filter": ["LocalManagedPolicy"]} if boundaries(declaration) else None,
        ),
    )
    writes = (
        Write("iam:CreatePolicy", creates=True),
        Write("iam:CreatePolicyVersion", ("policy",)),
        Write("iam:DeletePolicyVersion", ("policy",)),
    )
    regional = False

    def resources(self, declaration: Declaration) -> Sequence[str]:
        return [boundary_arn(name, "*") for name in sorted(boundaries(declaration))]

    def check(self, declaration: Declaration) -> Iterable[Problem]:
        spelled: dict[str, str] = {}
        for name, roles in boundaries(declaration).items():
            other = spelled.setdefault(name.lower(), name)
            if other != name:
                what = f"`{name}` and `{other}` differ only in case, and IAM takes them for the same policy"
                yield Problem(_named_by(roles), what, f"write `{other}`")
            # The number of the account is not known here, but how long it is.
            document = boundary_policy(roles.values(), declaration.region, "0" * 12)
            size = len("".join(json.dumps(document).split()))
            if size > SIZE:
                what = f"what its roles may do takes {size} characters, and a policy holds {SIZE}"
                fix = f"let some of {', '.join(roles)} name another boundary"
                yield Problem(_named_by(roles), f"{name}: {what}", fix)

    def check_account(self, declaration: Declaration, observation: Observation) -> Iterable[Problem]:
        """IAM refuses a name that is taken, at any path and in any case."""
        known = boundaries(declaration)
        wanted = {boundary_arn(name, declaration.account) for name in known}
        names = {name.lower(): name for name in known}
        for raw in observation["policies"]:
            name = names.get(raw["PolicyName"].lower())
            if name and raw["Arn"] not in wanted:
                what = f"the account has the policy {raw['Arn']}, and IAM takes the name {name} for the same"
                yield Problem(_named_by(known[name]), what, "choose another name for the boundary")

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, roles in boundaries(declaration).items():
            document = boundary_policy(roles.values(), declaration.region, declaration.account)
            entry = {"policy": document, "description": DESCRIPTION, "superseded": []}
            yield Desired(name, entry, {"policy": statements(document)})

    def settled(self, want: Desired, context: Context) -> Desired:
        """With the version that makes way for the next one, where IAM keeps no more."""
        found = self.match(want, context.live[self.name], context)
        return Desired(want.name, {**want.entry, "superseded": superseded(found)}, want.fields, want.note)

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        for raw in observation["policies"]:
            # Accounts hold policies for many purposes; none is reported as unmanaged.
            yield Live(raw["Arn"], raw["PolicyName"], raw, {"id": raw["Arn"]}, listed=False)

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        arn = boundary_arn(want.name, context.declaration.account)
        return next((item for item in live if item.id == arn), None)

    def fields(self, live: Live, context: Context) -> Fields:
        (current,) = [item for item in live.raw["PolicyVersionList"] if item["IsDefaultVersion"]]
        return {"policy": statements(current["Document"])}

    removes = ("iam:DeletePolicy", "iam:DeletePolicyVersion")

    def kept(self, want: Desired, live: Live, context: Context, goes: Goes) -> Iterable[str]:
        users = [
            raw["RoleName"]
            for raw in context.observation["roles"]
            if (raw.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn") == live.id
            and not goes("iam_role", raw["RoleName"])
        ]
        if users:
            yield f"it limits {', '.join(users)}"

    def removal(self, want: Desired, live: Live, context: Context) -> Iterable[Removal]:
        def call(operation: str, **more: str) -> Removal:
            arguments = {"PolicyArn": live.id, **more}
            gone = frozenset({"NoSuchEntity"})
            return Removal(service="iam", operation=operation, arguments=arguments, region=GLOBAL_REGION, absent=gone)

        for version in live.raw["PolicyVersionList"]:
            if not version["IsDefaultVersion"]:
                yield call("delete_policy_version", VersionId=version["VersionId"])
        yield call("delete_policy")

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange], context: Context) -> Iterable[str]:
        if not changes:
            return
        yield f"iam_boundary {want.name}: only an administrator may write it, with {self.administered}"
        for version in want.entry["superseded"]:
            yield f"iam_boundary {want.name}: IAM keeps {VERSIONS} versions; the oldest, {version}, is deleted"


def _named_by(roles: Iterable[str]) -> str:
    """Where a boundary is declared: at the first role that names it."""
    return f"aws_iam_roles.{next(iter(roles))}.boundary"


def superseded(live: Live | None) -> list[str]:
    """The oldest version that is not in force, if there is no room for another one."""
    versions = live.raw["PolicyVersionList"] if live else []
    if len(versions) < VERSIONS:
        return []
    others = [item["VersionId"] for item in versions if not item["IsDefaultVersion"]]
    return [min(others, key=lambda version: int(version.removeprefix("v")))]
