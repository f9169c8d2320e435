"""Settings of the account, changed behind the platform's back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .model import Account, Drift


def _unblock(setting: str) -> Callable[[Account], object]:
    def make(a: Account) -> None:
        client, account = a.aws.client("s3control"), a.id("account_settings", "account")
        block = client.get_public_access_block(AccountId=account)["PublicAccessBlockConfiguration"]
        client.put_public_access_block(AccountId=account, PublicAccessBlockConfiguration=block | {setting: False})

    return make


def _passwords(**changed: Any) -> Callable[[Account], object]:
    def make(a: Account) -> None:
        policy = a.aws.client("iam").get_account_password_policy()["PasswordPolicy"]
        policy.pop("ExpirePasswords")
        a.aws.client("iam").update_account_password_policy(**policy | changed)

    return make


def _drift(field: str, make: Callable[[Account], object]) -> Drift:
    return Drift("account_settings", "account", field, make)


#: one for each field that is declared
DRIFTS = [
    _drift("ebs_encryption", lambda a: a.ec2.disable_ebs_encryption_by_default()),
    _drift("public_access_block.block_public_acls", _unblock("BlockPublicAcls")),
    _drift("public_access_block.ignore_public_acls", _unblock("IgnorePublicAcls")),
    _drift("public_access_block.block_public_policy", _unblock("BlockPublicPolicy")),
    _drift("public_access_block.restrict_public_buckets", _unblock("RestrictPublicBuckets")),
    _drift("password_policy.min_length", _passwords(MinimumPasswordLength=8)),
    _drift("password_policy.require_lowercase", _passwords(RequireLowercaseCharacters=False)),
    _drift("password_policy.require_uppercase", _passwords(RequireUppercaseCharacters=False)),
    _drift("password_policy.require_numbers", _passwords(RequireNumbers=False)),
    _drift("password_policy.require_symbols", _passwords(RequireSymbols=False)),
    _drift("password_policy.users_may_change", _passwords(AllowUsersToChangePassword=False)),
    _drift("password_policy.max_age", _passwords(MaxPasswordAge=365)),
    _drift("password_policy.reuse_prevention", _passwords(PasswordReusePrevention=1)),
]

#: an account cannot be without its settings
DELETIONS: dict[tuple[str, str], Callable[[Account], object]] = {}
