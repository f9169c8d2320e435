"""Which certificates of ACM are of use, the best status first; for the planner and for the module that asks for one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

USABLE = ("ISSUED", "PENDING_VALIDATION")


def is_usable(certificate: Mapping[str, Any]) -> bool:
    """Whether CloudFront can use it, now or when it is issued; it takes none of a private authority."""
    return certificate.get("Status") in USABLE and certificate.get("Type") != "PRIVATE"
