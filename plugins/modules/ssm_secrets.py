"""Ansible module: secrets in SSM Parameter Store, generated when they are first needed."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from ansible.module_utils.platform.authority import Authority
from ansible.module_utils.platform.endpoint import forget_empty
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry

with suppress(ImportError):  # AnsibleAWSModule reports it
    from botocore.exceptions import BotoCoreError, ClientError

DOCUMENTATION = r"""
---
module: ssm_secrets
short_description: Read secrets from SSM Parameter Store, and generate missing ones
description:
  - Reads parameters of type SecureString together. A missing one is generated and stored, without ever overwriting an
    existing one; two operators who start at the same time end up with the same value.
  - A certificate authority is two parameters below its path, C(key) (SecureString) and C(certificate) (String). While
    another takes its place there are C(next/key) and C(next/certificate), then C(former/certificate).
  - An authority is replaced in three steps, so that no connection breaks. First all hosts learn to trust the next one,
    then it signs, and at last nobody trusts the former one. A replacement begins on request (O(rotate)), or when the
    authority may sign for any name, does not permit a declared one, or expires within a year; O(advance) takes it a
    step further. What a run that was killed has left half done is finished first.
  - The values are in the result. Use C(no_log).
options:
  parameters:
    description: Secrets by the name that the play uses.
    type: dict
    required: true
    suboptions:
      path:
        description: Name of the parameter, such as C(/koin/db/mariadb/koin_prod).
        type: str
        required: true
      kind:
        description: V(password) is letters and digits; V(authority) is a certificate authority for ten years.
        type: str
        choices: [password, authority]
        default: password
      names:
        description: DNS names, and what is below them, that an authority may sign for; with O(parameters.addresses)
          empty as well, it may sign for anything.
        type: list
        elements: str
        default: []
      addresses:
        description: Ranges of IP addresses that an authority may sign for.
        type: list
        elements: str
        default: []
      length:
        description: Number of characters of a password.
        type: int
        default: 32
      kept:
        description: Whether O(rotate) refuses it, because nothing could use another value in its place.
        type: bool
        default: false
  rotate:
    description: Names of passwords to replace with a new value, and of authorities to begin to replace.
    type: list
    elements: str
    default: []
  advance:
    description:
      - Takes the replacement of an authority to its next step. By name of the authority, the C(step) that every host
        has proven to be through with, and the C(certificate) that it was about (the next authority's, then the new
        one's). If that is not the state (any more), nothing happens.
    type: dict
    default: {}
  tags:
    description: Tags of new parameters.
    type: dict
    default: {}
  account:
    description: Account id (12 digits) that the credentials must belong to. No other account is read or written.
    type: str
    default: ""
notes:
  - Needs the IAM actions C(ssm:GetParameters), C(ssm:PutParameter), C(ssm:AddTagsToResource), to replace an authority
    C(ssm:DeleteParameters), and C(kms:Decrypt) and C(kms:Encrypt) where the key is not the account's own.
  - In check mode a missing secret gets a value that is not stored.
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author: BCSDLab
"""

EXAMPLES = r"""
- name: Read the secrets
  ssm_secrets:
    region: ap-northeast-2
    parameters:
      mariadb_koin: {path: /koin/db/mariadb/koin}
      authority: {path: /koin/platform/authority, kind: authority}
  no_log: true
  register: secrets
"""

RETURN = r"""
secrets:
  description:
    - The values by name. For an authority a dictionary with C(key) and C(certificate), PEM; C(permits), what it may
      sign for; C(trusted), the certificates that hosts should trust; C(next), key and certificate of the one that will
      take its place; C(step), V(spread) or V(issue) while it is being replaced, otherwise empty.
  type: dict
  returned: always
created:
  description: Names of secrets that were created, or would be.
  type: list
  elements: str
  returned: always
notes:
  description: What an operator should know about authorities, in sentences.
  type: list
  elements: str
  returned: always
"""

#: GetParameters takes no more
_BATCH = 10
_ALPHABET = string.ascii_letters + string.digits
_KEYS = ("path", "kind", "length", "kept", "names", "addresses")
_KINDS = ("password", "authority")


def new_password(length: int) -> str:
    """Letters and digits: nothing that a shell, a URL or a configuration file could misread."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


class Store:
    """Parameter Store as this module uses it. In check mode what is put is remembered only."""

    def __init__(self, module: AnsibleAWSModule) -> None:
        self.module = module
        self.client = module.client("ssm", retry_decorator=AWSRetry.jittered_backoff())
        self.values: dict[str, str] = {}
        self.changed = False

    def read(self, names: Sequence[str]) -> None:
        """Remember the values of those that exist."""
        for begin in range(0, len(names), _BATCH):
            batch = list(names[begin : begin + _BATCH])
            try:
                answer = self.client.get_parameters(Names=batch, WithDecryption=True, aws_retry=True)
            except (BotoCoreError, ClientError) as error:
                self.module.fail_json_aws(
                    error,
                    msg=f"Cannot read the parameters {', '.join(batch)} in {self.module.region}; check "
                    "ssm:GetParameters and kms:Decrypt",
                )
            self.values |= {item["Name"]: item["Value"] for item in answer["Parameters"]}

    def put(self, path: str, value: str, *, secret: bool = True, overwrite: bool = False) -> None:
        """Store a value. Somebody else's, stored a moment ago, wins."""
        self.changed = True
        if self.module.check_mode:
            self.values[path] = value
            return
        tags = [{"Key": key, "Value": str(text)} for key, text in self.module.params["tags"].items()]
        kind = "SecureString" if secret else "String"
        arguments: dict[str, Any] = {"Name": path, "Value": value, "Type": kind, "Overwrite": overwrite}
        if tags and not overwrite:
            arguments["Tags"] = tags
        try:
            self.client.put_parameter(**arguments, aws_retry=True)
        except (BotoCoreError, ClientError) as error:
            if getattr(error, "response", {}).get("Error", {}).get("Code") == "ParameterAlreadyExists":
                self.read([path])
                return
            self.module.fail_json_aws(
                error,
                msg=f"Cannot store the parameter {path}; check ssm:PutParameter, ssm:AddTagsToResource, kms:Encrypt",
            )
        self.values[path] = value

    def delete(self, paths: Sequence[str]) -> None:
        """Remove those that exist."""
        present = [path for path in paths if path in self.values]
        if not present:
            return
        self.changed = True
        if not self.module.check_mode:
            try:
                self.client.delete_parameters(Names=present, aws_retry=True)
            except (BotoCoreError, ClientError) as error:
                self.module.fail_json_aws(
                    error, msg=f"Cannot delete the parameters {', '.join(present)}; check ssm:DeleteParameters"
                )
        for path in present:
            del self.values[path]


def replace(name: str, authority: Authority, asked: bool, proven: Mapping[str, str]) -> list[str]:
    """Begin or go on to replace an authority; what to tell about it."""
    if proven:
        done = authority.advance(proven["step"], proven["certificate"])
        return [f"{name}: {done}"] if done else []
    reasons = authority.reasons()
    if not authority.step and (asked or reasons):
        authority.begin()
        why = "as asked" if asked else "the present one " + ", and ".join(reasons)
        return [f"{name}: another authority takes its place ({why}); hosts learn to trust both"]
    if authority.step == "spread":
        return [f"{name}: is being replaced; hosts learn to trust the next one, which does not sign yet"]
    if authority.step == "issue":
        return [f"{name}: has replaced the former one, which hosts trust until every certificate is by the new one"]
    return []


def check_account(module: AnsibleAWSModule) -> None:
    """Fail unless the credentials are for the declared account."""
    declared = module.params["account"]
    if not declared:
        return
    try:
        found = module.client("sts", retry_decorator=AWSRetry.jittered_backoff()).get_caller_identity(aws_retry=True)
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="Cannot find out which account the credentials are for")
    if found["Account"] != declared:
        module.fail_json(
            msg=f"aws_account_id is {declared}, but the credentials are for {found['Account']}: "
            "nothing was read or written. Choose the right AWS_PROFILE."
        )


def main() -> None:
    """Module entry point."""
    forget_empty()
    module = AnsibleAWSModule(
        argument_spec={
            "parameters": {"type": "dict", "required": True},
            "rotate": {"type": "list", "elements": "str", "default": []},
            "advance": {"type": "dict", "default": {}},
            "tags": {"type": "dict", "default": {}},
            "account": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    entries = {}
    for name, entry in module.params["parameters"].items():
        entries[name] = {"kind": "password", "length": 32, **entry}
        if unknown := sorted(set(entry) - set(_KEYS)):
            module.fail_json(msg=f"secret {name}: unknown {', '.join(unknown)}; known are {', '.join(_KEYS)}")
        if not str(entry.get("path", "")).startswith("/"):
            module.fail_json(
                msg=f"secret {name}: path is `{entry.get('path', '')}`; write one that begins with a slash"
            )
        if entries[name]["kind"] not in _KINDS:
            module.fail_json(msg=f"secret {name}: kind is `{entry['kind']}`; write password or authority")
    rotate, advance = module.params["rotate"], module.params["advance"]
    if wrong := sorted(set(rotate) - set(entries)):
        module.fail_json(msg=f"cannot rotate {', '.join(wrong)}: not the name of a declared secret")
    if wrong := sorted(name for name in rotate if entries[name].get("kept")):
        module.fail_json(msg=f"cannot rotate {', '.join(wrong)}: declared as kept, nothing could use another value")
    if wrong := sorted(name for name in advance if entries.get(name, {}).get("kind") != "authority"):
        module.fail_json(msg=f"cannot advance {', '.join(wrong)}: not the name of a declared authority")
    check_account(module)
    store = Store(module)
    authorities = {
        name: Authority(store, entry["path"], entry.get("names", ()), entry.get("addresses", ()))
        for name, entry in entries.items()
        if entry["kind"] == "authority"
    }
    passwords = {name: entry for name, entry in entries.items() if name not in authorities}
    required = {name: [entry["path"]] for name, entry in passwords.items()}
    required |= {name: authority.required for name, authority in authorities.items()}
    store.read(
        [entry["path"] for entry in passwords.values()]
        + [path for authority in authorities.values() for path in authority.paths]
    )
    missing = [name for name in entries if not set(required[name]) <= set(store.values)]
    notes: list[str] = []
    for name, entry in passwords.items():
        if name in missing or name in rotate:
            store.put(entry["path"], new_password(entry["length"]), overwrite=name not in missing)
    for name, authority in authorities.items():
        authority.settle()
        if problem := authority.problem():
            module.fail_json(msg=f"secret {name}: {problem}")
        if name not in missing:
            notes += replace(name, authority, name in rotate, advance.get(name, {}))
    values: dict[str, Any] = {name: store.values[entry["path"]] for name, entry in passwords.items()}
    values |= {name: authority.result() for name, authority in authorities.items()}
    module.exit_json(changed=store.changed, secrets=values, created=sorted(missing), notes=notes)


if __name__ == "__main__":
    main()
