"""Make the collection's modules say why AWS has refused."""

from __future__ import annotations

import functools
from typing import Any


@functools.cache
def tell_reasons() -> None:
    """Let ``fail_json_aws`` look into the collection's own errors, for this process and its forks.

    Several modules hand it an error that wraps AWS's, and it then says what failed, but not why (amazon.aws 11.4:
    ``ec2_instance`` about ModifyInstanceAttribute and AssociateIamInstanceProfile, ``ec2_vol``).
    """
    from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

    fail = AnsibleAWSModule.fail_json_aws

    @functools.wraps(fail)
    def fail_with_reason(self: Any, exception: Any, msg: str | None = None, **more: Any) -> None:
        cause = getattr(exception, "exception", None)
        if isinstance(cause, BaseException):
            parts = [part for part in (msg, getattr(exception, "message", None)) if part]
            exception, msg = cause, ": ".join(parts) or None
        fail(self, exception, msg=msg, **more)

    AnsibleAWSModule.fail_json_aws = fail_with_reason
