"""Users, roles and their policies, as moto keeps them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from moto.ec2.models import ec2_backends
from moto.iam.models import IAMBackend, iam_backends
from moto.sts.models import sts_backends

from ..operations import Call
from ..state import ACCOUNT
from .asked import asked
from .policies import Policy, refusal

_KEY = re.compile(r"Credential=((?:AKIA|ASIA|LSIA)[A-Z0-9]+)/")


@dataclass
class Verdict:
    """What was asked of IAM, and the answer: code and text of a refusal. principal: empty for the root."""

    principal: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    code: str = ""
    text: str = ""


@dataclass(frozen=True)
class _Principal:
    arn: str
    policies: list[Policy]
    boundary: list[Policy] | None


class _Account:
    """What calls refer to by name."""

    number = ACCOUNT

    def __init__(self, iam: IAMBackend) -> None:
        self._iam = iam

    def role(self, name: str) -> tuple[str, str]:
        role = next((role for role in self._iam.roles.values() if role.name == name), None)
        return (role.path or "/", role.permissions_boundary_arn or "") if role else ("/", "")

    def profile(self, name: str) -> tuple[str, str]:
        profile = next((item for item in self._iam.instance_profiles.values() if item.name == name), None)
        if profile is None:
            return "/", ""
        return profile.path or "/", profile.roles[0].name if profile.roles else ""

    def tags(self, region: str, resource: str) -> Mapping[str, str]:
        found: Mapping[str, str] = ec2_backends[ACCOUNT][region].tags.get(resource, {})
        return found


def authorize(call: Call, headers: Mapping[str, str], query: str) -> Verdict:
    """What IAM says to a call: everything is allowed to the root, to others what their policies allow."""
    match = _KEY.search(headers.get("authorization", "") or unquote(query).replace("X-Amz-Credential", "Credential"))
    if match is None:
        return Verdict()
    iam = iam_backends[ACCOUNT]["aws"]
    principal = _principal(iam, match[1])
    if principal is None:
        code = {"ec2": "AuthFailure", "s3": "InvalidAccessKeyId"}.get(call.service, "InvalidClientTokenId")
        return Verdict(principal="?", code=code, text="The security token included in the request is invalid.")
    verdict = Verdict(principal=principal.arn)
    for one in asked(call, headers, _Account(iam)):
        refused = refusal(principal.policies, principal.boundary, one)
        verdict.asked.append({"action": one.action, "resources": one.resources, "allowed": not refused})
        if refused and not verdict.code:
            action = one.action.replace("sns:", "SNS:")
            resource, why = refused
            where = f"User: {principal.arn} is not authorized to perform: {action}"
            said = f"{where} on resource: {resource} {why.replace(one.action, action)}"
            verdict.code, verdict.text = _refused(call, said)
    return verdict


def _refused(call: Call, text: str) -> tuple[str, str]:
    if call.service == "ec2":
        return "UnauthorizedOperation", f"You are not authorized to perform this operation. {text}"
    if call.service == "sns":
        return "AuthorizationError", text
    return "AccessDeniedException" if call.protocol == "json" else "AccessDenied", text


def _principal(iam: IAMBackend, key: str) -> _Principal | None:
    for user in iam.users.values():
        if any(item.access_key_id == key for item in user.access_keys):
            documents = [*user.policies.values(), *(_current(policy) for policy in user.managed_policies.values())]
            for group in iam.get_groups_for_user(user.name):
                documents += [*group.policies.values()]
                documents += [_current(policy) for policy in group.managed_policies.values()]
            return _Principal(user.arn, [_document(item) for item in documents], None)
    session = sts_backends[ACCOUNT]["aws"].get_assumed_role_from_access_key(key)
    if session is None:
        return None
    role = iam.get_role_by_arn(session.role_arn)
    documents = [*role.policies.values(), *(_current(policy) for policy in role.managed_policies.values())]
    boundary = None
    if role.permissions_boundary_arn:
        boundary = [_document(_current(iam.managed_policies[role.permissions_boundary_arn]))]
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.name}/{session.session_name}"
    return _Principal(arn, [_document(item) for item in documents], boundary)


def _current(policy: Any) -> Any:
    """The version of a managed policy that is in force."""
    return next(version.document for version in policy.versions if version.is_default)


def _document(value: Any) -> Policy:
    policy: Policy = json.loads(unquote(value) if value.lstrip().startswith("%") else value)
    return policy
