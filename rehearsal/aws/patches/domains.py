"""Route 53 Domains: the registered domains of the platform can be registered."""

from __future__ import annotations

import datetime
from typing import Any

from moto.route53domains import models, validators


def apply() -> None:
    """Let RegisterDomain and UpdateDomainNameservers work as plain boto3 code expects."""
    # AWS sells .in domains; moto's list does not have them.
    validators.AWS_SUPPORTED_TLDS = (*validators.AWS_SUPPORTED_TLDS, "in")  # type: ignore[assignment]

    validate = validators.Route53Domain.validate.__func__  # type: ignore[attr-defined]

    def validate_a_year(cls: Any, /, **arguments: Any) -> Any:
        """moto computes the end of one year and then finds it a microsecond short of one."""
        if arguments.get("expiration_date"):
            arguments["expiration_date"] += datetime.timedelta(minutes=1)
        return validate(cls, **arguments)

    validators.Route53Domain.validate = classmethod(validate_a_year)  # type: ignore[assignment, method-assign]

    # moto refuses a second operation of the same type on a domain forever; on AWS they finish within minutes.
    models.Route53DomainsBackend._Route53DomainsBackend__validate_duplicate_operations = (  # type: ignore[attr-defined]
        lambda self, operation: None
    )
