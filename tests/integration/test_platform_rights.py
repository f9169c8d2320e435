"""A right that is missing is named by our message: every read of a plan, and a sample of the writes.

All writes, one after the other: tests/faults/long_rights.py.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.platform.engine.access import Call
from ansible.module_utils.platform.engine.errors import PlatformError
from ansible.module_utils.platform.engine.observe import ask
from ansible.module_utils.platform.engine.session import Clients, iam_action
from ansible.module_utils.platform.kinds import KINDS
from botocore import xform_name

from tests.support.local_aws import LocalAws
from tests.support.platform import Platform, declared
from tests.support.rights import ADMINISTRATOR, OPERATOR, denied, granted, granted_one_by_one, named, refused

#: each once, and rather where a refusal is no answer (S3 refuses to locate buckets of others)
CALLS = list(
    {(call.service, call.operation): call for call in sorted(KINDS.calls(), key=lambda c: not c.told)}.values()
)
#: reads whose refusal is an answer, and what they then return
TOLERATED: dict[str, Any] = {
    # A quota that cannot be read is not compared.
    "servicequotas:GetServiceQuota": {},
    # The bucket belongs to somebody else, as far as anybody can tell.
    "s3:GetBucketLocation": {"Code": "AccessDenied"},
}
#: early ones, for each takes a run
SAMPLE = {"ec2:CreateVpc", "ec2:CreateTags", "ec2:CreateSubnet"}


def _example(shape: Any) -> Any:
    """A value that botocore accepts for a parameter."""
    if shape.type_name == "structure":
        return {name: _example(shape.members[name]) for name in shape.required_members}
    if shape.type_name == "list":
        return [_example(shape.member)]
    if shape.type_name == "string":
        return shape.enum[0] if shape.enum else "123456789012".ljust(shape.metadata.get("min", 0), "0")
    return {"integer": 1, "boolean": True}[shape.type_name]


def _label(call: Call) -> str:
    return f"{call.service}-{call.operation}"


@pytest.mark.parametrize("call", CALLS, ids=_label)
def test_a_read_that_is_refused_is_named(local_aws_process: LocalAws, call: Call) -> None:
    keys = local_aws_process.user("reader", denied("*"))
    environment = declared()["aws_environment"] | local_aws_process.environ | keys.environ
    client = Clients("ap-northeast-2", environment).of(call.service, call.region)
    operation = next(name for name in client.meta.service_model.operation_names if xform_name(name) == call.operation)
    shape = client.meta.service_model.operation_model(operation).input_shape
    action = call.action or iam_action(client.meta.service_model.service_id, operation)
    local_aws_process.mark()
    if action in TOLERATED:
        assert ask(client, call, _example(shape)) == TOLERATED[action]
        return
    with pytest.raises(PlatformError) as raised:
        ask(client, call, _example(shape) if shape else {})
    assert f"The credentials may not {action} (" in str(raised.value)
    assert named(str(raised.value)) == {action} == refused(local_aws_process)


def test_an_operator_stops_where_an_administrator_has_to_come_first(local_aws: LocalAws) -> None:
    """The boundary is the first write of a run, so that nothing is half done."""
    local_aws.reset(empty=True)
    operator = Platform(local_aws, keys=local_aws.user("operator", OPERATOR))
    local_aws.mark()
    run = operator.playbook("provision")
    assert run.status != 0
    asked = "Operators lack iam:CreatePolicy on purpose: ask an administrator to run playbooks/boundary.yml"
    assert asked in run.output
    assert refused(local_aws) == {"iam:CreatePolicy"}
    # The bucket is that of the lock.
    assert operator.writes() == {"s3:CreateBucket": 1, "iam:CreatePolicy": 1}


def test_an_administrator_writes_the_boundary_and_says_which_version_goes(local_aws: LocalAws) -> None:
    local_aws.reset(empty=True)
    administrator = Platform(local_aws, keys=local_aws.user("administrator", ADMINISTRATOR))
    local_aws.mark()
    administrator.bound()
    assert administrator.writes() == {"s3:CreateBucket": 1, "iam:CreatePolicy": 1}
    iam, arn = local_aws.client("iam"), "arn:aws:iam::123456789012:policy/koin-hosts"
    for _ in range(4):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(denied("s3:*")), SetAsDefault=True)
    local_aws.mark()
    run = administrator.bound()
    assert "IAM keeps 5 versions; the oldest, v1, is deleted" in run.output
    assert "iam_boundary koin-hosts: oldest version deleted, to make room" in run.output
    assert administrator.writes() == {"iam:DeletePolicyVersion": 1, "iam:CreatePolicyVersion": 1}
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert sorted(item["VersionId"] for item in versions) == ["v2", "v3", "v4", "v5", "v6"]
    assert [item["VersionId"] for item in versions if item["IsDefaultVersion"]] == ["v6"]
    local_aws.mark()
    administrator.bound()
    assert administrator.writes() == {}


def test_a_write_that_is_refused_is_named(local_aws: LocalAws) -> None:
    """Each run ends with a message that names what the next one has."""
    local_aws.reset(empty=True)
    everything = {action for _, action in granted(OPERATOR)}
    assert set(granted_one_by_one(local_aws, everything - SAMPLE, until=SAMPLE)) == SAMPLE
