"""Corrections of moto 5.2.5 where it differs from AWS in something the platform uses.

Each module holds the corrections of one service; each correction says what moto does without it and has a
test in tests/integration that fails without it.
"""

from __future__ import annotations

from . import (
    certificates,
    cloudfront,
    dns,
    domains,
    groups,
    images,
    instances,
    network,
    quotas,
    response_headers,
    roles,
    storage,
)

MODULES = (
    images,
    network,
    groups,
    quotas,
    roles,
    instances,
    certificates,
    cloudfront,
    response_headers,
    dns,
    domains,
    storage,
)


def apply() -> None:
    """Apply every correction to the moto of this process."""
    for module in MODULES:
        module.apply()
