"""What a failed module says: its message, and AWS's own reason once."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.platform.engine.failures import failure

REFUSED = "An error occurred (UnauthorizedOperation) when calling the ModifyInstanceAttribute operation"
TRACEBACK = f"""Traceback (most recent call last):
botocore.exceptions.ClientError: {REFUSED}: Not allowed.

The above exception was the direct cause of the following exception:
AnsibleEC2Error: Failed to modify instance attribute
"""


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({}, "it ended without a message"),
        ({"msg": "no zone"}, "no zone"),
        (
            {"msg": "Could not apply change: Failed to modify instance attribute", "exception": TRACEBACK},
            "Could not apply change: Failed to modify instance attribute: UnauthorizedOperation: Not allowed.",
        ),
        (
            {"msg": "Failed.", "error": {"code": "VcpuLimitExceeded", "message": "You have requested more"}},
            "Failed: VcpuLimitExceeded: You have requested more",
        ),
        (
            {
                "msg": "Failed: An error occurred (X) when calling the Y operation: no",
                "error": {"code": "X", "message": "no"},
            },
            "Failed: An error occurred (X) when calling the Y operation: no",
        ),
        ({"msg": "Failed: X", "error": {"code": "X"}}, "Failed: X"),
        ({"msg": "Failed", "exception": "Traceback: KeyError"}, "Failed"),
        (
            {"msg": "User: a is not authorized to perform: SNS:CreateTopic on resource: b because no policy allows it"},
            "User: a is not authorized to perform: SNS:CreateTopic on resource: b because no policy allows it. "
            "Grant sns:CreateTopic; docs/iam.md lists all that provision needs.",
        ),
        (
            {"msg": "Failed: An error occurred (403) when calling the HeadBucket operation: Forbidden"},
            "Failed: An error occurred (403) when calling the HeadBucket operation: Forbidden. "
            "Grant s3:ListBucket; docs/iam.md lists all that provision needs.",
        ),
    ],
)
def test_the_reason_is_said_once(answer: dict[str, Any], said: str) -> None:
    assert failure(answer, heads={"HeadBucket": "s3:ListBucket"}) == said


def test_an_operator_is_sent_to_an_administrator_rather_than_told_to_ask_for_the_right() -> None:
    answer = {
        "msg": "User: a is not authorized to perform: iam:CreatePolicy on resource: b because no policy allows it"
    }
    assert failure(answer, "playbooks/boundary.yml").endswith(
        "because no policy allows it. Operators lack iam:CreatePolicy on purpose: ask an administrator to run "
        "playbooks/boundary.yml, then run this again; see docs/iam.md."
    )
    assert failure({"msg": "no zone"}, "playbooks/boundary.yml") == "no zone"
