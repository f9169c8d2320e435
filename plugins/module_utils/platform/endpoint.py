"""What clients need for an endpoint that is not AWS's own."""

from __future__ import annotations

import os
import re
from typing import Any


def forget_empty() -> None:
    """An inventory says with an empty value that what the shell has set does not count, such as a profile."""
    for name in [name for name, value in os.environ.items() if name.startswith("AWS_") and not value]:
        del os.environ[name]


def keep_host(client: Any) -> None:
    """Send a client's requests to the host that it was given, whatever the service puts before it.

    S3 Control puts the account's id before the host, where ``123456789012.127.0.0.1`` leads nowhere. At AWS that is
    the right host; there nothing changes.
    """
    if ".amazonaws.com" in client.meta.endpoint_url:
        return

    def without_account(request: Any, **_: Any) -> None:
        request.url = re.sub(r"^(https?://)\d{12}\.", r"\1", request.url)

    client.meta.events.register("before-sign.s3-control", without_account)
