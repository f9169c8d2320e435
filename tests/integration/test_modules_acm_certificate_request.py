"""acm_certificate_request against the local AWS."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

from tests.support.certificates import issue, publish
from tests.support.local_aws import LocalAws
from tests.support.run_module import ModuleError, aws_error, intercepted, load, run_module, written

MODULE = "acm_certificate_request"
ARGS = {"region": "us-east-1", "domain_name": "koreatech.in", "alternative_names": ["*.koreatech.in"]}


def run(local_aws: LocalAws, check: bool = False, **args: Any) -> dict[str, Any]:
    local_aws.mark()
    return run_module(MODULE, ARGS | args, environ=local_aws.environ, check=check)


def acm(local_aws: LocalAws, region: str = "us-east-1") -> Any:
    return local_aws.client("acm", region)


def request(local_aws: LocalAws, *names: str, **options: Any) -> str:
    """Request a certificate by hand; the first name is its domain."""
    domain, *others = names or ("koreatech.in", "*.koreatech.in")
    if others:
        options["SubjectAlternativeNames"] = others
    return acm(local_aws).request_certificate(DomainName=domain, ValidationMethod="DNS", **options)["CertificateArn"]


def arns(local_aws: LocalAws, region: str = "us-east-1") -> list[str]:
    return [item["CertificateArn"] for item in acm(local_aws, region).list_certificates()["CertificateSummaryList"]]


def tags(local_aws: LocalAws, arn: str) -> dict[str, str]:
    listed = acm(local_aws).list_tags_for_certificate(CertificateArn=arn)["Tags"]
    return {tag["Key"]: tag["Value"] for tag in listed}


def test_check_of_a_new_one_announces_it_and_writes_nothing(local_aws: LocalAws) -> None:
    result = run(local_aws, check=True, state="issued", tags={"Platform": "koin"})
    assert result["changed"]
    assert (result["certificate_arn"], result["status"], result["validation_records"]) == ("", "", [])
    assert result["diff"] == {
        "before": {},
        "after": {
            "domain_name": "koreatech.in",
            "alternative_names": ["*.koreatech.in"],
            "key_algorithm": "RSA_2048",
            "tags": {"Platform": "koin"},
            "status": "PENDING_VALIDATION",
        },
    }
    assert written(local_aws) == []
    assert arns(local_aws) == []


def test_a_new_one_is_requested_in_its_region(local_aws: LocalAws) -> None:
    with intercepted("RequestCertificate", lambda send, _: send()) as requests:
        result = run(local_aws, tags={"Platform": "koin"})
    assert (result["changed"], result["status"]) == (True, "PENDING_VALIDATION")
    assert written(local_aws) == ["RequestCertificate"]
    assert arns(local_aws) == [result["certificate_arn"]]
    assert arns(local_aws, "ap-northeast-2") == []
    assert tags(local_aws, result["certificate_arn"]) == {"Platform": "koin"}
    (sent,) = requests
    assert (sent["ValidationMethod"], sent["KeyAlgorithm"]) == ("DNS", "RSA_2048")
    live = acm(local_aws).describe_certificate(CertificateArn=result["certificate_arn"])["Certificate"]
    assert set(live["SubjectAlternativeNames"]) == {"koreatech.in", "*.koreatech.in"}
    # The wildcard and its apex are proven by one record.
    (record,) = result["validation_records"]
    answered = live["DomainValidationOptions"][0]["ResourceRecord"]
    assert record == {key.lower(): value for key, value in answered.items()}


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    "args",
    [
        {},
        {"alternative_names": ["*.koreatech.in", "koreatech.in"]},
        {"domain_name": "KOREATECH.in", "alternative_names": ["*.Koreatech.in"]},
    ],
    ids=["as declared", "domain listed twice", "other case"],
)
def test_one_that_is_pending_is_found(local_aws: LocalAws, check: bool, args: dict[str, Any]) -> None:
    arn = request(local_aws)
    result = run(local_aws, check=check, **args)
    assert (result["changed"], result["certificate_arn"], result["status"]) == (False, arn, "PENDING_VALIDATION")
    assert len(result["validation_records"]) == 1
    assert result["diff"] == {"before": {}, "after": {}}
    assert written(local_aws) == []


@pytest.mark.parametrize("check", [True, False])
def test_one_that_is_issued_wins_over_one_that_is_pending(local_aws: LocalAws, check: bool) -> None:
    request(local_aws, IdempotencyToken="before")
    # The record that proves the second request proves the first one as well: hold that one back.
    arn = issue(local_aws)
    statuses = {arn: "ISSUED"}

    def describe(send: Callable[[], Any], parameters: dict[str, Any]) -> Any:
        answer = send()
        answer["Certificate"]["Status"] = statuses.get(parameters["CertificateArn"], "PENDING_VALIDATION")
        return answer

    with intercepted("DescribeCertificate", describe):
        result = run(local_aws, check=check, state="issued")
    assert (result["changed"], result["certificate_arn"], result["status"]) == (False, arn, "ISSUED")
    assert written(local_aws) == []


def test_among_issued_ones_the_longest_valid_one_wins(local_aws: LocalAws) -> None:
    first, second = request(local_aws, IdempotencyToken="a"), request(local_aws, IdempotencyToken="b")
    ends = {first: datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC)}

    def describe(send: Callable[[], Any], parameters: dict[str, Any]) -> Any:
        answer = send()
        arn = parameters["CertificateArn"]
        later = datetime.datetime(2027, 6, 1, tzinfo=datetime.UTC)
        answer["Certificate"] |= {"Status": "ISSUED", "NotAfter": ends.get(arn, later)}
        return answer

    with intercepted("DescribeCertificate", describe):
        assert run(local_aws)["certificate_arn"] == second
    ends[first] = datetime.datetime(2028, 1, 1, tzinfo=datetime.UTC)
    with intercepted("DescribeCertificate", describe):
        assert run(local_aws)["certificate_arn"] == first


@pytest.mark.parametrize(
    "names",
    [
        ("koreatech.in",),
        ("koreatech.in", "*.koreatech.in", "bcsdlab.com"),
        ("bcsdlab.com", "*.bcsdlab.com"),
    ],
)
def test_one_for_other_names_is_not_ours(local_aws: LocalAws, names: tuple[str, ...]) -> None:
    other = request(local_aws, *names)
    result = run(local_aws)
    assert result["changed"]
    assert result["certificate_arn"] != other
    assert len(arns(local_aws)) == 2


def test_one_whose_main_name_is_another_of_its_names_is_ours(local_aws: LocalAws) -> None:
    other = request(local_aws, "*.koreatech.in", "koreatech.in")
    assert run(local_aws)["certificate_arn"] == other
    assert arns(local_aws) == [other]


def test_a_name_alone(local_aws: LocalAws) -> None:
    first = run(local_aws, alternative_names=[])
    second = run(local_aws, alternative_names=[])
    assert (first["changed"], second["changed"]) == (True, False)
    assert first["certificate_arn"] == second["certificate_arn"]


@pytest.mark.parametrize("check", [True, False])
def test_declared_tags_are_set_and_others_kept(local_aws: LocalAws, check: bool) -> None:
    before = {"Platform": "old", "Owner": "somebody"}
    arn = request(local_aws, Tags=[{"Key": key, "Value": value} for key, value in before.items()])
    result = run(local_aws, check=check, tags={"Platform": "koin", "Year": 2026})
    assert (result["changed"], result["certificate_arn"]) == (True, arn)
    assert result["diff"] == {
        "before": {"tags": {"Platform": "old"}},
        "after": {"tags": {"Platform": "koin", "Year": "2026"}},
    }
    assert written(local_aws) == ([] if check else ["AddTagsToCertificate"])
    after = before if check else before | {"Platform": "koin", "Year": "2026"}
    assert tags(local_aws, arn) == after
    if not check:
        assert run(local_aws, tags={"Platform": "koin", "Year": 2026})["changed"] is False
        assert run(local_aws)["changed"] is False


def test_issued_is_waited_for(local_aws: LocalAws) -> None:
    pending = run(local_aws)
    looks = 0

    def describe(send: Callable[[], Any], parameters: dict[str, Any]) -> Any:
        nonlocal looks
        looks += 1
        if looks == 4:  # found, records known, described for them, first look of the waiter
            publish(local_aws, pending["validation_records"])
        return send()

    with intercepted("DescribeCertificate", describe):
        result = run(local_aws, state="issued", wait_delay=1, wait_timeout=5)
    assert (result["changed"], result["status"]) == (False, "ISSUED")
    assert result["certificate_arn"] == pending["certificate_arn"]


def test_a_check_waits_for_nothing(local_aws: LocalAws) -> None:
    request(local_aws)
    assert run(local_aws, check=True, state="issued", wait_timeout=0)["status"] == "PENDING_VALIDATION"


def test_the_missing_record_is_named_when_time_is_up(local_aws: LocalAws) -> None:
    (record,) = run(local_aws)["validation_records"]
    line = f"Missing validation record: {record['name']} CNAME {record['value']}. Create it in the public zone"
    with pytest.raises(ModuleError) as failure:
        run(local_aws, state="issued", wait_timeout=0)
    assert line in str(failure.value)
    assert failure.value.result["validation_records"] == [record]


def with_certificate(**changes: Any) -> Callable[..., Any]:
    """Answer DescribeCertificate with these fields."""

    def describe(send: Callable[[], Any], parameters: dict[str, Any]) -> Any:
        answer = send()
        answer["Certificate"] |= changes
        return answer

    return describe


def test_a_failure_ends_the_waiting_at_once(local_aws: LocalAws) -> None:
    with (
        intercepted("DescribeCertificate", with_certificate(Status="FAILED", FailureReason="CAA_ERROR")) as looks,
        pytest.raises(ModuleError, match=r"is FAILED \(CAA_ERROR\)\. Validation record: _\w+\.koreatech\.in\. CNAME"),
    ):
        run(local_aws, state="issued", wait_timeout=3, wait_delay=1)
    assert len(looks) == 4  # it is there, its records are known, those records, one look of the waiter


def test_after_a_failure_another_one_is_requested(local_aws: LocalAws) -> None:
    failed = run(local_aws)["certificate_arn"]

    def describe(send: Callable[[], Any], parameters: dict[str, Any]) -> Any:
        answer = send()
        if parameters["CertificateArn"] == failed:
            answer["Certificate"]["Status"] = "FAILED"
        return answer

    with intercepted("DescribeCertificate", describe):
        again = run(local_aws)
        third = run(local_aws)
    # ACM would answer the same token with the failed one for an hour.
    assert again["changed"]
    assert again["certificate_arn"] != failed
    assert (third["changed"], third["certificate_arn"]) == (False, again["certificate_arn"])


def test_a_token_that_names_a_deleted_certificate_is_not_believed(local_aws: LocalAws) -> None:
    deleted = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
    answers: list[Any] = [{"CertificateArn": deleted}]

    def answer(send: Callable[[], Any], parameters: dict[str, Any]) -> Any:
        return answers.pop() if answers else send()

    with intercepted("RequestCertificate", answer) as requests, mock.patch("time.sleep"):
        result = run(local_aws)
    assert arns(local_aws) == [result["certificate_arn"]]
    assert len({sent["IdempotencyToken"] for sent in requests}) == 2


def test_records_that_come_late_are_waited_for(local_aws: LocalAws) -> None:
    no_record_yet = [{"DomainName": "koreatech.in", "ValidationMethod": "DNS"}]
    # Each state is seen twice: the look after a premature end of the waiting would tell.
    late: list[Any] = [None, None, [], [], no_record_yet, no_record_yet]

    def describe(send: Callable[[], Any], parameters: dict[str, Any]) -> Any:
        answer = send()
        if late:
            answer["Certificate"]["DomainValidationOptions"] = late.pop(0)
        return answer

    with intercepted("DescribeCertificate", describe), mock.patch("time.sleep"):
        result = run(local_aws)
    assert len(result["validation_records"]) == 1


def test_validation_by_mail_is_said(local_aws: LocalAws) -> None:
    request(local_aws)
    option = {"DomainName": "koreatech.in", "ValidationMethod": "EMAIL", "ValidationStatus": "PENDING_VALIDATION"}
    with (
        intercepted("DescribeCertificate", with_certificate(DomainValidationOptions=[option])),
        pytest.raises(ModuleError, match=r"none for koreatech\.in: it is validated by e-mail"),
    ):
        run(local_aws, state="issued", wait_timeout=0)


def test_an_imported_certificate_has_no_records(local_aws: LocalAws) -> None:
    arn = request(local_aws)
    imported = with_certificate(Status="ISSUED", Type="IMPORTED", DomainValidationOptions=[])
    with intercepted("DescribeCertificate", imported):
        result = run(local_aws, state="issued")
    assert (result["changed"], result["certificate_arn"], result["validation_records"]) == (False, arn, [])


def test_missing_rights_are_named(local_aws: LocalAws) -> None:
    def refuse(send: Callable[[], Any], parameters: dict[str, Any]) -> Any:
        raise aws_error("AccessDeniedException", "RequestCertificate")

    with (
        intercepted("RequestCertificate", refuse),
        pytest.raises(ModuleError, match=r"Cannot request the certificate for \*\.koreatech\.in, koreatech\.in in us-"),
    ):
        run(local_aws)


def test_a_delay_of_nothing_is_refused(local_aws: LocalAws) -> None:
    with pytest.raises(ModuleError, match="wait_delay is 0"):
        run(local_aws, wait_delay=0)


def test_tokens_are_the_same_for_the_same_request_only() -> None:
    token = load(MODULE).request_token
    names = frozenset({"koreatech.in", "*.koreatech.in"})
    tokens = [
        token("koreatech.in", names, []),
        token("*.koreatech.in", names, []),
        token("koreatech.in", frozenset({"koreatech.in"}), []),
        token("koreatech.in", names, ["arn:failed"]),
    ]
    assert len(set(tokens)) == len(tokens)
    assert tokens[0] == token("koreatech.in", frozenset({"*.koreatech.in", "koreatech.in"}), [])
    assert all(len(item) == 32 and item.isalnum() for item in tokens)
