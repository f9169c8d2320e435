"""A client of the local AWS, for what prepares an account."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

from .state import REGION, State


def client(state: State, service: str) -> Any:
    """With the rights of the account's root."""
    environ = state.environ()
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=state.endpoint,
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
        # Loopback must not go through the shell's proxy.
        config=Config(proxies={}, retries={"total_max_attempts": 1}),
    )
