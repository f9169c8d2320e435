"""ec2_instance_credits against the local AWS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.local_aws import LocalAws
from tests.support.run_module import ModuleError, aws_error, intercepted, run_module, written

MODULE = "ec2_instance_credits"


@pytest.fixture
def launch(local_aws: LocalAws) -> Callable[..., str]:
    """Launch an instance and return its id."""
    ec2 = local_aws.client("ec2", "ap-northeast-2")
    image = ec2.describe_images(Filters=[{"Name": "architecture", "Values": ["x86_64"]}])["Images"][0]["ImageId"]

    def run_instances(kind: str = "t3a.small", **options: Any) -> str:
        answer = ec2.run_instances(ImageId=image, InstanceType=kind, MinCount=1, MaxCount=1, **options)
        return answer["Instances"][0]["InstanceId"]

    return run_instances


def run(local_aws: LocalAws, instance_id: str, cpu_credits: str, check: bool = False) -> dict[str, Any]:
    local_aws.mark()
    args = {"instance_id": instance_id, "cpu_credits": cpu_credits}
    return run_module(MODULE, args, environ=local_aws.environ, check=check)


def live(local_aws: LocalAws, instance_id: str) -> str:
    ec2 = local_aws.client("ec2", "ap-northeast-2")
    answer = ec2.describe_instance_credit_specifications(InstanceIds=[instance_id])
    return answer["InstanceCreditSpecifications"][0]["CpuCredits"]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(("before", "after"), [("unlimited", "standard"), ("standard", "unlimited")])
def test_another_option_is_set(
    local_aws: LocalAws, launch: Callable[..., str], check: bool, before: str, after: str
) -> None:
    other = launch(CreditSpecification={"CpuCredits": before})
    instance_id = launch(CreditSpecification={"CpuCredits": before})
    result = run(local_aws, instance_id, after, check=check)
    assert (result["changed"], result["cpu_credits"]) == (True, after)
    assert result["diff"] == {"before": {"cpu_credits": before}, "after": {"cpu_credits": after}}
    assert written(local_aws) == ([] if check else ["ModifyInstanceCreditSpecification"])
    assert live(local_aws, instance_id) == (before if check else after)
    assert live(local_aws, other) == before


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("option", ["standard", "unlimited"])
def test_the_same_option_is_left_alone(
    local_aws: LocalAws, launch: Callable[..., str], check: bool, option: str
) -> None:
    instance_id = launch(CreditSpecification={"CpuCredits": option})
    result = run(local_aws, instance_id, option, check=check)
    assert result["changed"] is False
    assert result["diff"] == {"before": {"cpu_credits": option}, "after": {"cpu_credits": option}}
    assert written(local_aws) == []


def test_an_instance_without_credits_is_refused(local_aws: LocalAws, launch: Callable[..., str]) -> None:
    with pytest.raises(ModuleError, match="only burstable instances"):
        run(local_aws, launch("m5.large"), "standard")
    assert written(local_aws) == []


def test_an_instance_that_is_not_there_is_named(local_aws: LocalAws) -> None:
    with pytest.raises(ModuleError, match=r"option of i-0123456789abcdef0 in ap-northeast-2; check that the instance"):
        run(local_aws, "i-0123456789abcdef0", "standard")


def test_a_refusal_inside_a_successful_answer_is_an_error(local_aws: LocalAws, launch: Callable[..., str]) -> None:
    instance_id = launch()

    def refuse(send: Callable[[], Any], parameters: dict[str, Any]) -> Any:
        error = {"Code": "IncorrectInstanceState", "Message": "pending"}
        return {"UnsuccessfulInstanceCreditSpecifications": [{"InstanceId": instance_id, "Error": error}]}

    with (
        intercepted("ModifyInstanceCreditSpecification", refuse),
        pytest.raises(ModuleError, match=r"IncorrectInstanceState: pending; .* running or stopped"),
    ):
        run(local_aws, instance_id, "standard")


def test_missing_rights_are_named(local_aws: LocalAws, launch: Callable[..., str]) -> None:
    def refuse(send: Callable[[], Any], parameters: dict[str, Any]) -> Any:
        raise aws_error("UnauthorizedOperation", "ModifyInstanceCreditSpecification", 403)

    with (
        intercepted("ModifyInstanceCreditSpecification", refuse),
        pytest.raises(ModuleError, match="check ec2:ModifyInstanceCreditSpecification"),
    ):
        run(local_aws, launch(), "standard")
