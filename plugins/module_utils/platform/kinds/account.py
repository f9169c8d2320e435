"""Settings of the account as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..engine import formats
from ..engine.access import Read, Write
from ..engine.context import Context
from ..engine.declaration import Declaration
from ..engine.model import Action, Desired, FieldChange, Fields, Live, Registry
from .base import GLOBAL_REGION, Kind, Observation
from .storage import BLOCK

NAME = "account"
#: of IAM's own password policy, which holds until the account has one
_DEFAULT_LENGTH = 8
VARIABLE = "aws_account_settings"

#: option of the password policy -> what IAM calls it
_PASSWORD = {
    "min_length": "MinimumPasswordLength",
    "require_lowercase": "RequireLowercaseCharacters",
    "require_uppercase": "RequireUppercaseCharacters",
    "require_numbers": "RequireNumbers",
    "require_symbols": "RequireSymbols",
    "users_may_change": "AllowUsersToChangePassword",
    "max_age": "MaxPasswordAge",
    "reuse_prevention": "PasswordReusePrevention",
}


class AccountSettings(Kind):
    """Every account has exactly one set of them."""

    name = "account_settings"
    role = "aws_account"
    service = "s3control"
    everywhere = True
    settings = VARIABLE
    said_by = {"public_access_block.*": ("block_public_access",)}
    variables = {
        f"{VARIABLE}.password_policy.min_length": formats.number(6, 128, "a length that IAM accepts"),
        f"{VARIABLE}.password_policy.max_age": formats.number(1, 1095, "an age in days that IAM accepts"),
        f"{VARIABLE}.password_policy.reuse_prevention": formats.number(1, 24, "a number of passwords that IAM accepts"),
    }
    reads = (
        Read(
            service="ec2",
            operation="get_ebs_encryption_by_default",
            into="ebs_encryption",
            value=lambda answer: answer.get("EbsEncryptionByDefault", False),
        ),
        Read(
            service="s3control",
            operation="get_public_access_block",
            into="account_public_access_block",
            value=lambda answer: answer.get("PublicAccessBlockConfiguration", {}),
            arguments=lambda declaration: {"AccountId": declaration.account},
            absent=frozenset({"NoSuchPublicAccessBlockConfiguration"}),
            action="s3:GetAccountPublicAccessBlock",
        ),
        Read(
            service="iam",
            operation="get_account_password_policy",
            region=GLOBAL_REGION,
            into="password_policy",
            value=lambda answer: answer.get("PasswordPolicy", {}),
            absent=frozenset({"NoSuchEntity"}),
        ),
    )
    writes = (
        Write("ec2:EnableEbsEncryptionByDefault", ("ebs_encryption",)),
        Write("ec2:DisableEbsEncryptionByDefault", ("ebs_encryption",)),
        Write(
            "s3:PutAccountPublicAccessBlock",
            ("public_access_block.*",),
            operations=("s3control:PutPublicAccessBlock",),
        ),
        Write("iam:UpdateAccountPasswordPolicy", ("password_policy.*",)),
    )
    module_reads = ("ec2:GetEbsEncryptionByDefault", "s3:GetAccountPublicAccessBlock")
    # IAM and S3 Control answer for the account in every region.
    regional = False

    def identities(self, action: Action, registry: Registry) -> set[str]:
        # There is only one account, and not every call names it.
        return {""}

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        entry: Mapping[str, Any] = declaration.value(VARIABLE) or {}
        fields: Fields = {}
        if entry.get("ebs_encryption") is not None:
            fields["ebs_encryption"] = entry["ebs_encryption"]
        if entry.get("block_public_access") is not None:
            fields |= {f"public_access_block.{field}": entry["block_public_access"] for field in BLOCK}
        policy = entry.get("password_policy") or {}
        fields |= {f"password_policy.{key}": policy[key] for key in _PASSWORD if policy.get(key) is not None}
        if fields:
            # In the form of the APIs, which write each of these as a whole.
            more = {
                "public_access_block": dict.fromkeys(BLOCK.values(), entry.get("block_public_access")),
                "password_policy": {_PASSWORD[key]: value for key, value in policy.items() if value is not None},
            }
            yield Desired(NAME, {**entry, **more}, fields)

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        policy = observation["password_policy"]
        # ExpirePasswords follows from the age; UpdateAccountPasswordPolicy refuses it.
        kept = {key: policy[key] for key in (*_PASSWORD.values(), "HardExpiry") if key in policy}
        # IAM's own policy goes with the first one of the account, whose default is shorter.
        kept = kept or {"MinimumPasswordLength": _DEFAULT_LENGTH}
        declared = context.declaration.entries("aws_storage_buckets")
        raw = {
            "ebs_encryption": observation["ebs_encryption"],
            "public_access_block": observation["account_public_access_block"],
            "password_policy": policy,
            # Those that are declared to be closed are closed anyway.
            "other_buckets": [
                name for name in observation["buckets"] if not declared.get(name, {}).get("block_public_access")
            ],
        }
        yield Live(NAME, NAME, raw, {"id": context.declaration.account, "password_policy": kept}, listed=False)

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        return live[0]

    def fields(self, live: Live, context: Context) -> Fields:
        raw = live.raw
        return {
            "ebs_encryption": raw["ebs_encryption"],
            **{
                f"public_access_block.{key}": raw["public_access_block"].get(name, False) for key, name in BLOCK.items()
            },
            **{f"password_policy.{key}": raw["password_policy"].get(name) for key, name in _PASSWORD.items()},
        }

    def said(self, name: str, live: Live, context: Context) -> Fields:
        block = {live.raw["public_access_block"].get(key, False) for key in BLOCK.values()}
        return {"block_public_access": block.pop() if len(block) == 1 else None}

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange], context: Context) -> Iterable[str]:
        assert live is not None
        changed = {change.field: change.after for change in changes}
        others = live.raw["other_buckets"]
        if others and any(field.startswith("public_access_block.") and after for field, after in changed.items()):
            yield (
                f"account: the public access block applies to every bucket, including {', '.join(others)}; "
                "anonymous reads there stop"
            )
        if "password_policy.max_age" in changed:
            days = changed["password_policy.max_age"]
            yield f"account: console passwords older than {days} days must be changed at the next sign-in"
        kinds = ("require_lowercase", "require_uppercase", "require_numbers", "require_symbols")
        if not live.raw["password_policy"] and any(field.startswith("password_policy.") for field in changed):
            missing = [kind for kind in kinds if not changed.get(f"password_policy.{kind}")]
            if len(missing) > 1:
                yield (
                    f"account: IAM's own password policy ends ({_DEFAULT_LENGTH} characters of three kinds); the "
                    f"declared one does not ask for {', '.join(missing)}"
                )
