"""ACM: issue a certificate once its validation records exist in DNS, not after a minute."""

from __future__ import annotations

import hashlib
from typing import Any

from moto.acm import models
from moto.acm.exceptions import AWSValidationException
from moto.acm.responses import AWSCertificateManagerResponse
from moto.route53.models import route53_backends


class CertificateInUse(AWSValidationException):
    """AWS's answer to deleting a certificate that is in use."""

    TYPE = "ResourceInUseException"


def covers(pattern: str, name: str) -> bool:
    """Whether a certificate's name covers a host name; a wildcard matches exactly one label."""
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:]
    return name == pattern


def validation_record(domain: str, account: str) -> dict[str, str]:
    """The record that proves a domain: the same for a wildcard and its apex, and on every request, as on AWS.

    moto has one constant name and value for all domains.
    """
    apex = domain.removeprefix("*.")
    digest = hashlib.sha256(f"{account} {apex}".encode()).hexdigest()
    return {
        "Name": f"_{digest[:32]}.{apex}.",
        "Type": "CNAME",
        "Value": f"_{digest[32:64]}.{digest[:10]}.acm-validations.aws.",
    }


def in_dns(record: dict[str, str], account: str) -> bool:
    """Whether a public hosted zone of the account answers with the record."""
    for zone in list(route53_backends[account]["aws"].zones.values()):
        if zone.private_zone:
            continue
        for entry in zone.rrsets:
            if entry.type == "CNAME" and entry.name.rstrip(".").lower() == record["Name"].rstrip("."):
                values = [value.rstrip(".").lower() for value in entry.records]
                if record["Value"].rstrip(".") in values:
                    return True
    return False


def names(bundle: models.CertBundle) -> list[str]:
    """The domain first, then the alternative names; moto keeps them in a set, in a new order each time."""
    return [bundle.common_name, *sorted(set(bundle.sans) - {bundle.common_name})]


def apply() -> None:
    """Validate by DNS, answer in a stable order, and keep what is in use."""
    bundle_class = models.CertBundle
    check = bundle_class.check
    describe = bundle_class.describe
    delete = models.AWSCertificateManagerBackend.delete_certificate
    list_certificates = AWSCertificateManagerResponse.list_certificates

    arn_of = models.AWSCertificateManagerBackend._get_arn_from_idempotency_token

    def arn_that_exists(self: models.AWSCertificateManagerBackend, token: str) -> str | None:
        """moto fails on a request whose token has made a certificate that was deleted since."""
        arn = arn_of(self, token)
        return arn if arn in self._certificates else None

    models.AWSCertificateManagerBackend._get_arn_from_idempotency_token = arn_that_exists  # type: ignore[method-assign]

    def check_dns(self: models.CertBundle) -> None:
        pending = self.type == "AMAZON_ISSUED" and self.status == "PENDING_VALIDATION"
        # moto issues after MOTO_ACM_VALIDATION_WAIT seconds, whatever DNS says.
        check(self)
        if pending and self.status != "EXPIRED":
            account = self.arn.split(":")[4]
            proven = all(in_dns(validation_record(name, account), account) for name in names(self))
            self.status = "ISSUED" if proven else "PENDING_VALIDATION"

    def describe_stable(self: models.CertBundle) -> dict[str, Any]:
        answer = describe(self)
        certificate = answer["Certificate"]
        account = self.arn.split(":")[4]
        certificate["SubjectAlternativeNames"] = names(self)
        certificate["InUseBy"] = [*self.in_use_by, *distributions_using(self.arn)]
        if self.type == "AMAZON_ISSUED":
            certificate["DomainValidationOptions"] = [
                {
                    "DomainName": name,
                    "ValidationDomain": name,
                    "ValidationMethod": "DNS",
                    "ValidationStatus": "SUCCESS"
                    if self.status == "ISSUED" or in_dns(validation_record(name, account), account)
                    else "PENDING_VALIDATION",
                    "ResourceRecord": validation_record(name, account),
                }
                for name in names(self)
            ]
            if self.status != "ISSUED":
                # Not signed yet: AWS knows no dates and no serial number either.
                for field in ("IssuedAt", "NotBefore", "NotAfter", "Serial"):
                    certificate.pop(field, None)
        return answer

    def list_with_names(self: AWSCertificateManagerResponse) -> Any:
        answer = list_certificates(self)
        for summary in answer.result["CertificateSummaryList"]:  # type: ignore[index]
            # moto's summaries have only the domain.
            summary["SubjectAlternativeNameSummaries"] = summary["SubjectAlternativeNames"]
            summary["HasAdditionalSubjectAlternativeNames"] = False
        return answer

    def delete_unused(self: models.AWSCertificateManagerBackend, arn: str) -> None:
        if users := distributions_using(arn):
            raise CertificateInUse(f"Certificate {arn} in use by {', '.join(users)}.")
        delete(self, arn)

    bundle_class.check = check_dns  # type: ignore[method-assign]
    bundle_class.describe = describe_stable  # type: ignore[method-assign]
    AWSCertificateManagerResponse.list_certificates = list_with_names  # type: ignore[method-assign]
    models.AWSCertificateManagerBackend.delete_certificate = delete_unused  # type: ignore[method-assign]


def distributions_using(arn: str) -> list[str]:
    """The distributions that use the certificate; moto records load balancers only."""
    from moto.cloudfront.models import cloudfront_backends

    backend: Any = cloudfront_backends[arn.split(":")[4]]["aws"]
    return [item.arn for item in backend.distributions.values() if item.distribution_config.certificate == arn]
