"""Ansible module: request a public, DNS-validated ACM certificate, once."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import Any

from ansible.module_utils.common.warnings import warn
from ansible.module_utils.platform.certificates import USABLE, is_usable
from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.amazon.aws.plugins.module_utils.tagging import (
    ansible_dict_to_boto3_tag_list,
    boto3_tag_list_to_ansible_dict,
)
from ansible_collections.amazon.aws.plugins.module_utils.waiter import BaseWaiterFactory, custom_waiter_config

with suppress(ImportError):  # AnsibleAWSModule reports it
    from botocore.exceptions import BotoCoreError, ClientError, WaiterError

DOCUMENTATION = r"""
---
module: acm_certificate_request
short_description: Request a public certificate from AWS Certificate Manager, once
description:
  - Finds the certificate that covers exactly these names, or requests one that is validated by DNS.
  - A certificate is recognised by its exact set of names, whichever is the main one, in the status V(ISSUED) or
    V(PENDING_VALIDATION); an issued one wins, then one that ACM renews, then the one that is valid longest.
    If one is found, no other is requested, whatever its key algorithm.
  - Writing the validation records into DNS is left to M(amazon.aws.route53); they are returned as
    RV(ignore:validation_records).
  - C(community.aws.acm_certificate) only imports certificates; it cannot request them.
options:
  domain_name:
    description: The first name of the certificate, e.g. V(example.com).
    type: str
    required: true
  alternative_names:
    description:
      - Every further name, e.g. V(*.example.com). O(domain_name) itself may be listed or not.
    type: list
    elements: str
    default: []
  key_algorithm:
    description:
      - Key algorithm of a new certificate. An existing certificate keeps its own, with a warning if it differs.
    type: str
    choices: [RSA_2048, EC_prime256v1, EC_secp384r1]
    default: RSA_2048
  tags:
    description:
      - Tags to set. Other tags on the certificate are left alone. If omitted, all of them are.
    type: dict
  state:
    description:
      - V(requested) makes sure that the certificate exists or is requested, and returns its validation records.
      - V(issued) waits as well until AWS has issued it, which needs the validation records in public DNS.
        Check mode does not wait.
    type: str
    choices: [requested, issued]
    default: requested
  wait_timeout:
    description: Seconds to wait for O(state=issued). V(0) checks once.
    type: int
    default: 900
  wait_delay:
    description: Seconds between checks, at least 1. The first check is immediate.
    type: int
    default: 5
notes:
  - CloudFront reads certificates from the region us-east-1 only.
  - Needs the IAM actions C(acm:ListCertificates), C(acm:DescribeCertificate), C(acm:RequestCertificate),
    C(acm:ListTagsForCertificate) and C(acm:AddTagsToCertificate).
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author: BCSDLab
"""

EXAMPLES = r"""
- name: Request a certificate for a domain and everything one level below it
  acm_certificate_request:
    region: us-east-1
    domain_name: example.com
    alternative_names: ["*.example.com"]
  register: certificate

- name: Prove to ACM that the domain is ours
  amazon.aws.route53:
    state: present
    zone: example.com
    record: "{{ item.name }}"
    type: "{{ item.type }}"
    value: "{{ item.value }}"
    overwrite: true
  loop: "{{ certificate.validation_records }}"

- name: Wait until it is issued
  acm_certificate_request:
    region: us-east-1
    domain_name: example.com
    alternative_names: ["*.example.com"]
    state: issued
"""

RETURN = r"""
certificate_arn:
  description: ARN of the certificate; empty in check mode if it does not exist yet.
  type: str
  returned: always
  sample: arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012
status:
  description: Status of the certificate as ACM names it; empty in check mode if it does not exist yet.
  type: str
  returned: always
  sample: PENDING_VALIDATION
validation_records:
  description:
    - The DNS records that prove the ownership of the names, each once (a wildcard and its apex share one), sorted by
      name. Empty for an imported certificate.
  type: list
  elements: dict
  returned: always
  contains:
    name:
      description: Full record name with a trailing dot.
      type: str
    type:
      description: Record type.
      type: str
      sample: CNAME
    value:
      description: Record value with a trailing dot.
      type: str
diff:
  description: What was changed, or would be in check mode.
  type: dict
  returned: always
  contains:
    before:
      description: Fields before; empty when the certificate is new.
      type: dict
    after:
      description: Fields after.
      type: dict
"""

# ListCertificates leaves out most key types unless each is named.
KEY_TYPES = (
    "RSA_1024",
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "EC_prime256v1",
    "EC_secp384r1",
    "EC_secp521r1",
)
# ACM fills the validation records in within seconds of the request.
RECORDS_TIMEOUT = 120


class CertificateWaiters(BaseWaiterFactory):
    """Waiters that botocore lacks: its own one may succeed before the status is ISSUED."""

    @property
    def _waiter_model_data(self) -> dict[str, Any]:
        options = "Certificate.DomainValidationOptions || `[]`"
        missing = f"({options})[?ValidationMethod == 'DNS' && ResourceRecord == null]"

        def status(expected: str, state: str) -> dict[str, Any]:
            return {"matcher": "path", "argument": "Certificate.Status", "expected": expected, "state": state}

        def found(argument: str) -> dict[str, Any]:
            return {"matcher": "path", "argument": argument, "expected": True, "state": "success"}

        not_there_yet = {"matcher": "error", "expected": "ResourceNotFoundException", "state": "retry"}
        common = {"operation": "DescribeCertificate", "delay": 5, "maxAttempts": 24}
        return {
            "records_known": {
                **common,
                "acceptors": [
                    found("Certificate.Status != 'PENDING_VALIDATION'"),
                    found(f"length({options}) > `0` && length({missing}) == `0`"),
                    not_there_yet,
                ],
            },
            "issued": {
                **common,
                "acceptors": [
                    status("ISSUED", "success"),
                    *(
                        status(final, "failure")
                        for final in ("FAILED", "VALIDATION_TIMED_OUT", "REVOKED", "EXPIRED", "INACTIVE")
                    ),
                    not_there_yet,
                ],
            },
        }


def names_of(domain_name: str, alternative_names: list[str]) -> frozenset[str]:
    """Every name that the certificate covers, as ACM compares them."""
    return frozenset(name.lower().rstrip(".") for name in [domain_name, *alternative_names])


def request_token(domain_name: str, names: frozenset[str], salt: list[str]) -> str:
    """The same token for the same request, so two runs at once get one certificate.

    ``salt`` names the dead certificates of that name: for an hour ACM would answer the same token with them.
    """
    text = "|".join([domain_name, *sorted(names), *sorted(salt)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def validation_records(certificate: dict[str, Any]) -> list[dict[str, str]]:
    """The certificate's DNS records, each once, sorted."""
    records = {
        (record["Name"], record["Type"], record["Value"])
        for option in certificate.get("DomainValidationOptions") or []
        if (record := option.get("ResourceRecord"))
    }
    return [{"name": name, "type": kind, "value": value} for name, kind, value in sorted(records)]


def missing_records(certificate: dict[str, Any]) -> list[str]:
    """What has to be done before ACM can validate, one line for each name that is not validated."""
    lines = set()
    for option in certificate.get("DomainValidationOptions") or []:
        if option.get("ValidationStatus") == "SUCCESS":
            continue
        if record := option.get("ResourceRecord"):
            lines.add(f"{record['Name']} {record['Type']} {record['Value']}")
        elif option.get("ValidationMethod") == "EMAIL":
            lines.add(f"none for {option['DomainName']}: it is validated by e-mail, answer the mail that ACM sent")
    return sorted(lines)


class CertificateRequest:
    """The module's work on one certificate."""

    def __init__(self, module: AnsibleAWSModule) -> None:
        self.module = module
        self.domain = module.params["domain_name"].lower().rstrip(".")
        self.names = names_of(self.domain, module.params["alternative_names"])
        self.client = module.client("acm", retry_decorator=AWSRetry.jittered_backoff(retries=8, delay=1, max_delay=20))
        self.where = f"certificate for {', '.join(sorted(self.names))} in {module.region}"

    def find(self) -> tuple[dict[str, Any] | None, list[str]]:
        """The certificate to use, if any, and the ARNs of failed requests for the same names."""

        @AWSRetry.jittered_backoff(retries=8, delay=1, max_delay=20)
        def summaries() -> list[dict[str, Any]]:
            pages = self.client.get_paginator("list_certificates").paginate(
                CertificateStatuses=[*USABLE, "FAILED"], Includes={"keyTypes": list(KEY_TYPES)}
            )
            return pages.build_full_result()["CertificateSummaryList"]

        try:
            # Any of the names may be the main one.
            same_domain = [item for item in summaries() if item.get("DomainName", "").lower() in self.names]
            # Summaries hold the first hundred names only.
            candidates = [self.describe(item["CertificateArn"]) for item in same_domain]
        except (BotoCoreError, ClientError) as error:
            self.module.fail_json_aws(
                error, msg=f"Cannot read the {self.where}; check acm:ListCertificates and acm:DescribeCertificate"
            )
        matching = [
            item
            for item in candidates
            if names_of(item["DomainName"], item.get("SubjectAlternativeNames") or []) == self.names
        ]
        usable = [item for item in matching if is_usable(item)]
        # Best last: issued, renewed by ACM itself, valid longest; the ARN makes the choice the same on each run.
        usable.sort(
            key=lambda item: (
                item["Status"] == "ISSUED",
                item.get("Type") == "AMAZON_ISSUED",
                item["NotAfter"].timestamp() if item.get("NotAfter") else 0.0,
                item["CertificateArn"],
            )
        )
        return (usable[-1] if usable else None), [i["CertificateArn"] for i in matching if i["Status"] == "FAILED"]

    def describe(self, arn: str) -> dict[str, Any]:
        """Everything ACM tells about a certificate."""
        return self.client.describe_certificate(CertificateArn=arn, aws_retry=True)["Certificate"]

    def request(self, failed: list[str]) -> str:
        """Request the certificate and return its ARN."""
        wanted: dict[str, Any] = {
            "DomainName": self.domain,
            "ValidationMethod": "DNS",
            "KeyAlgorithm": self.module.params["key_algorithm"],
        }
        if others := sorted(self.names - {self.domain}):
            wanted["SubjectAlternativeNames"] = others
        if self.module.params["tags"]:
            wanted["Tags"] = ansible_dict_to_boto3_tag_list(self.module.params["tags"])

        def send(salt: list[str]) -> str:
            token = request_token(self.domain, self.names, salt)
            return self.client.request_certificate(IdempotencyToken=token, aws_retry=True, **wanted)["CertificateArn"]

        @AWSRetry.jittered_backoff(retries=5, delay=1, catch_extra_error_codes=["ResourceNotFoundException"])
        def seen(arn: str) -> None:
            self.client.describe_certificate(CertificateArn=arn)

        try:
            arn = send(failed)
            try:
                seen(arn)
            except is_boto3_error_code("ResourceNotFoundException"):
                # Deleted less than an hour ago, and still the answer to the same token.
                arn = send([*failed, arn])
        except (BotoCoreError, ClientError) as error:
            self.module.fail_json_aws(
                error,
                msg=f"Cannot request the {self.where}; check acm:RequestCertificate, the names, "
                "and the account's quota of certificates",
            )
        return arn

    def wait(self, waiter: str, arn: str, timeout: int) -> dict[str, Any]:
        """Wait for one of our waiters and return the certificate, or fail with what is missing."""
        delay = self.module.params["wait_delay"]
        try:
            CertificateWaiters().get_waiter(self.client, waiter).wait(
                CertificateArn=arn, WaiterConfig=custom_waiter_config(timeout, default_pause=delay)
            )
            certificate = self.describe(arn)
        except WaiterError as error:
            certificate = error.last_response.get("Certificate") or {}
            self.module.fail_json_aws(
                error,
                msg=self.explain(waiter, arn, certificate, timeout),
                certificate_arn=arn,
                status=certificate.get("Status", ""),
                validation_records=validation_records(certificate),
            )
        except (BotoCoreError, ClientError) as error:
            self.module.fail_json_aws(error, msg=f"Cannot read the {self.where} ({arn}); check acm:DescribeCertificate")
        return certificate

    def explain(self, waiter: str, arn: str, certificate: dict[str, Any], timeout: int) -> str:
        """Why waiting ended, and what to do about it."""
        status = certificate.get("Status", "not readable")
        head = f"The {self.where} ({arn}) is {status}"
        if waiter == "records_known":
            return f"{head}, and ACM has named no validation records within {timeout} s; run again in a minute"
        missing = "; ".join(missing_records(certificate)) or "none known"
        if status == "PENDING_VALIDATION":
            return (
                f"{head} after {timeout} s. Missing validation record: {missing}. Create it in the public zone, check "
                "that the domain is delegated to that zone's name servers, and run again"
            )
        reason = certificate.get("FailureReason", "no reason given")
        return (
            f"{head} ({reason}). Validation record: {missing}. Correct the cause (often the record, or a CAA record "
            "that does not name amazon.com) and run again: a new certificate will be requested"
        )

    def missing_tags(self, arn: str) -> tuple[dict[str, str], dict[str, str]]:
        """The declared tags that differ: as they are, and as they are to be."""
        wanted = {key: str(value) for key, value in (self.module.params["tags"] or {}).items()}
        if not wanted:
            return {}, {}
        try:
            live = boto3_tag_list_to_ansible_dict(
                self.client.list_tags_for_certificate(CertificateArn=arn, aws_retry=True)["Tags"]
            )
        except (BotoCoreError, ClientError) as error:
            self.module.fail_json_aws(
                error, msg=f"Cannot read the tags of the {self.where} ({arn}); check acm:ListTagsForCertificate"
            )
        after = {key: value for key, value in wanted.items() if live.get(key) != value}
        return {key: live[key] for key in after if key in live}, after

    def set_tags(self, arn: str, tags: dict[str, str]) -> None:
        """Add or overwrite these tags."""
        try:
            self.client.add_tags_to_certificate(
                CertificateArn=arn, Tags=ansible_dict_to_boto3_tag_list(tags), aws_retry=True
            )
        except (BotoCoreError, ClientError) as error:
            self.module.fail_json_aws(error, msg=f"Cannot tag the {self.where} ({arn}); check acm:AddTagsToCertificate")

    def run(self) -> None:
        """Compute the difference, apply it unless in check mode, and exit."""
        params, check = self.module.params, self.module.check_mode
        certificate, failed = self.find()
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        if certificate is None:
            after = {
                "domain_name": self.domain,
                "alternative_names": sorted(self.names - {self.domain}),
                "key_algorithm": params["key_algorithm"],
                "tags": {key: str(value) for key, value in (params["tags"] or {}).items()},
                "status": "PENDING_VALIDATION",
            }
            if check:
                self.module.exit_json(
                    changed=True,
                    certificate_arn="",
                    status="",
                    validation_records=[],
                    diff={"before": before, "after": after},
                )
            arn = self.request(failed)
        else:
            arn = certificate["CertificateArn"]
            # ACM writes RSA-2048 in one answer and RSA_2048 in another.
            key = certificate.get("KeyAlgorithm", "").replace("-", "_")
            if key and key != params["key_algorithm"]:
                warn(f"The {self.where} ({arn}) has a {key} key and keeps it, not {params['key_algorithm']}")
            tags_before, tags_after = self.missing_tags(arn)
            if tags_after:
                before, after = {"tags": tags_before}, {"tags": tags_after}
                if not check:
                    self.set_tags(arn, tags_after)

        if certificate is None or certificate["Status"] == "PENDING_VALIDATION":
            certificate = self.wait("records_known", arn, RECORDS_TIMEOUT)
        if params["state"] == "issued" and not check and certificate["Status"] != "ISSUED":
            certificate = self.wait("issued", arn, params["wait_timeout"])
        self.module.exit_json(
            changed=before != after,
            certificate_arn=arn,
            status=certificate["Status"],
            validation_records=validation_records(certificate),
            diff={"before": before, "after": after},
        )


def main() -> None:
    """Module entry point."""
    module = AnsibleAWSModule(
        argument_spec={
            "domain_name": {"type": "str", "required": True},
            "alternative_names": {"type": "list", "elements": "str", "default": []},
            "key_algorithm": {
                "type": "str",
                "choices": ["RSA_2048", "EC_prime256v1", "EC_secp384r1"],
                "default": "RSA_2048",
                "no_log": False,
            },
            "tags": {"type": "dict"},
            "state": {"type": "str", "choices": ["requested", "issued"], "default": "requested"},
            "wait_timeout": {"type": "int", "default": 900},
            "wait_delay": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    if module.params["wait_delay"] < 1:
        module.fail_json(msg=f"wait_delay is {module.params['wait_delay']}; give at least 1 (second)")
    CertificateRequest(module).run()


if __name__ == "__main__":
    main()
