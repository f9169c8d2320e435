"""S3: bucket policies."""

from __future__ import annotations

import json
from typing import Any

from moto.s3.models import FakeBucket


def _speaks_of_plain_http(statement: dict[str, Any]) -> bool:
    condition = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
    return str(condition).lower() == "false"


def apply() -> None:
    """moto ignores conditions, so a statement that refuses plain HTTP refuses every request. Here loopback is TLS."""
    judge = FakeBucket.get_permission

    def get_permission(self: FakeBucket, action: str, resource: str) -> Any:
        if self.policy is None:
            return judge(self, action, resource)
        whole = self.policy
        document = json.loads(whole)
        statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
        document["Statement"] = [item for item in statements if not _speaks_of_plain_http(item)]
        try:
            self.policy = json.dumps(document).encode()
            return judge(self, action, resource)
        finally:
            self.policy = whole

    FakeBucket.get_permission = get_permission  # type: ignore[method-assign]
