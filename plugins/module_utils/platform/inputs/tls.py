"""Rules of role tls."""

from __future__ import annotations

from collections.abc import Iterator

from ..engine.errors import Problem
from .rules import RoleInput, Values, ranges


class Input(RoleInput):
    """tls_*."""

    records = {"tls_ca_next": "authority"}
    secrets = ("tls_ca_next.key",)

    def problems(self, values: Values) -> Iterator[Problem]:
        yield from ranges(values, tls_days=(1, 3650), tls_renew_days=(1, 3650))
        days, renew = values.get("tls_days"), values.get("tls_renew_days")
        if isinstance(days, int) and isinstance(renew, int) and renew >= days:
            what = f"{renew} days before expiry is before the start: it is valid for {days}"
            yield Problem("tls_renew_days", what, f"write fewer than {days}")
        for variable, word in (("tls_ca_certificate", "CERTIFICATE"), ("tls_ca_key", "PRIVATE KEY")):
            if word not in str(values.get(variable, "")):
                fix = 'write "{{ platform_secrets.authority.… }}"; role secrets creates the authority'
                yield Problem(variable, f"is not PEM text of a {word.lower()}", fix)
