"""Ansible module: secrets in SSM Parameter Store, generated when they are first needed."""

from __future__ import annotations

import os
import secrets
import string
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

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
  - A certificate authority is two parameters below its path, C(key) (SecureString) and C(certificate) (String).
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
      length:
        description: Number of characters of a password.
        type: int
        default: 32
  rotate:
    description: Names of passwords to replace with a new value.
    type: list
    elements: str
    default: []
  tags:
    description: Tags of new parameters.
    type: dict
    default: {}
  account:
    description: Account id (12 digits) that the credentials must belong to. No other account is read or written.
    type: str
    default: ""
notes:
  - Needs the IAM actions C(ssm:GetParameters), C(ssm:PutParameter), C(ssm:AddTagsToResource), and C(kms:Decrypt) and
    C(kms:Encrypt) where the key is not the account's own.
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
  description: The values by name; for an authority a dictionary with C(key) and C(certificate), PEM.
  type: dict
  returned: always
created:
  description: Names of secrets that were created, or would be.
  type: list
  elements: str
  returned: always
"""

#: GetParameters takes no more
_BATCH = 10
_ALPHABET = string.ascii_letters + string.digits
_AUTHORITY_DAYS = 3650
_KEYS = ("path", "kind", "length")
_KINDS = ("password", "authority")


def new_password(length: int) -> str:
    """Letters and digits: nothing that a shell, a URL or a configuration file could misread."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def new_key() -> str:
    """A P-256 key, PEM."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


def new_certificate(key: str) -> str:
    """A root certificate for the key, PEM. Its name tells one authority from the next."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import NameOID

    private: Any = serialization.load_pem_private_key(key.encode(), None)
    public = private.public_key()
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    common = f"KOIN platform {identifier.digest.hex()[:8]}"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=_AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(identifier, critical=False)
        .sign(private, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def paths(entry: Mapping[str, Any]) -> list[str]:
    """The parameters of an entry, in the order in which they are made."""
    if entry["kind"] == "authority":
        return [f"{entry['path']}/key", f"{entry['path']}/certificate"]
    return [entry["path"]]


class Store:
    """Parameter Store as this module uses it. In check mode what is put is remembered only."""

    def __init__(self, module: AnsibleAWSModule) -> None:
        self.module = module
        self.client = module.client("ssm", retry_decorator=AWSRetry.jittered_backoff())
        self.values: dict[str, str] = {}

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


def make(store: Store, entry: Mapping[str, Any]) -> None:
    """Store what of an entry is missing. A key without its certificate is what a killed run has left."""
    if entry["kind"] == "password":
        store.put(entry["path"], new_password(entry["length"]))
        return
    key, certificate = paths(entry)
    if key not in store.values:
        store.put(key, new_key())
    if certificate not in store.values:
        store.put(certificate, new_certificate(store.values[key]), secret=False)


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
    # An inventory says with an empty value that what the shell has set does not count.
    for name in [name for name, value in os.environ.items() if name.startswith("AWS_") and not value]:
        del os.environ[name]
    module = AnsibleAWSModule(
        argument_spec={
            "parameters": {"type": "dict", "required": True},
            "rotate": {"type": "list", "elements": "str", "default": []},
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
    rotate = module.params["rotate"]
    if wrong := sorted(name for name in rotate if entries.get(name, {}).get("kind") != "password"):
        module.fail_json(msg=f"cannot rotate {', '.join(wrong)}: not the name of a declared password")
    check_account(module)
    store = Store(module)
    store.read([path for entry in entries.values() for path in paths(entry)])
    missing = [name for name, entry in entries.items() if not set(paths(entry)) <= set(store.values)]
    for name in missing:
        make(store, entries[name])
    for name in sorted(set(rotate) - set(missing)):
        store.put(entries[name]["path"], new_password(entries[name]["length"]), overwrite=True)
    values: dict[str, Any] = {}
    for name, entry in entries.items():
        found = [store.values[path] for path in paths(entry)]
        values[name] = found[0] if entry["kind"] == "password" else {"key": found[0], "certificate": found[1]}
    module.exit_json(changed=bool(missing or rotate), secrets=values, created=sorted(missing))


if __name__ == "__main__":
    main()
