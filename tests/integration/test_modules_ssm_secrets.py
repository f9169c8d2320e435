"""ssm_secrets against the local AWS."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.support.local_aws import LocalAws
from tests.support.run_module import ModuleError, aws_error, intercepted, run_module, written

MODULE = "ssm_secrets"
PARAMETERS = {
    "mariadb": {"path": "/koin/db/mariadb"},
    "short": {"path": "/koin/short", "length": 12},
    "authority": {"path": "/koin/authority", "kind": "authority"},
}


def run(local_aws: LocalAws, check: bool = False, **args: Any) -> dict[str, Any]:
    local_aws.mark()
    given = {"region": "ap-northeast-2", "parameters": PARAMETERS, **args}
    return run_module(MODULE, given, environ=local_aws.environ, check=check)


def stored(local_aws: LocalAws) -> dict[str, tuple[str, str]]:
    """Type and value of every parameter."""
    client = local_aws.client("ssm", "ap-northeast-2")
    found = client.get_parameters_by_path(Path="/koin", Recursive=True, WithDecryption=True)["Parameters"]
    return {item["Name"]: (item["Type"], item["Value"]) for item in found}


def test_a_check_makes_values_up_and_stores_nothing(local_aws: LocalAws) -> None:
    result = run(local_aws, check=True)
    assert (result["changed"], result["created"]) == (True, ["authority", "mariadb", "short"])
    assert written(local_aws) == []
    assert stored(local_aws) == {}
    assert len(result["secrets"]["mariadb"]) == 32


def test_what_is_missing_is_made_once_and_stored_encrypted(local_aws: LocalAws) -> None:
    first = run(local_aws, tags={"Platform": "koin"})
    assert {name: kind for name, (kind, _) in stored(local_aws).items()} == {
        "/koin/db/mariadb": "SecureString",
        "/koin/short": "SecureString",
        "/koin/authority/key": "SecureString",
        "/koin/authority/certificate": "String",
    }
    assert (len(first["secrets"]["mariadb"]), len(first["secrets"]["short"])) == (32, 12)
    second = run(local_aws)
    assert (second["changed"], second["created"]) == (False, [])
    assert second["secrets"] == first["secrets"]
    assert written(local_aws) == []


def test_the_authority_signs_for_itself_and_may_sign_others(local_aws: LocalAws) -> None:
    authority = run(local_aws)["secrets"]["authority"]
    certificate = x509.load_pem_x509_certificate(authority["certificate"].encode())
    key = serialization.load_pem_private_key(authority["key"].encode(), None)
    assert certificate.public_key() == key.public_key()
    certificate.verify_directly_issued_by(certificate)
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


def test_a_key_without_its_certificate_is_completed(local_aws: LocalAws) -> None:
    before = run(local_aws)["secrets"]["authority"]
    local_aws.client("ssm", "ap-northeast-2").delete_parameter(Name="/koin/authority/certificate")
    result = run(local_aws)
    assert result["created"] == ["authority"]
    assert result["secrets"]["authority"]["key"] == before["key"]


def test_only_what_is_named_is_rotated(local_aws: LocalAws) -> None:
    before = run(local_aws)["secrets"]
    after = run(local_aws, rotate=["short"])
    assert after["changed"]
    assert after["secrets"]["short"] != before["short"]
    assert {**after["secrets"], "short": ""} == {**before, "short": ""}
    assert written(local_aws) == ["PutParameter"]


CONSTRAINED = {
    "authority": {"path": "/koin/authority", "kind": "authority", "names": ["koin-db"], "addresses": ["172.31.0.0/16"]}
}


def test_an_authority_of_yesterday_is_replaced_step_by_step(local_aws: LocalAws) -> None:
    yesterday = run(local_aws)["secrets"]["authority"]
    assert (yesterday["permits"], yesterday["trusted"]) == ([], [yesterday["certificate"]])
    begun = run(local_aws, parameters=CONSTRAINED)
    spread = begun["secrets"]["authority"]
    assert begun["changed"]
    assert "may sign for any name" in begun["notes"][0]
    assert (spread["step"], spread["certificate"]) == ("spread", yesterday["certificate"])
    assert spread["trusted"] == [yesterday["certificate"], spread["next"]["certificate"]]
    assert stored(local_aws)["/koin/authority/next/key"] == ("SecureString", spread["next"]["key"])
    # Another run in the meantime changes nothing.
    again = run(local_aws, parameters=CONSTRAINED, rotate=["authority"])
    assert (again["changed"], again["secrets"]["authority"]) == (False, spread)
    proven = {"step": "spread", "certificate": spread["next"]["certificate"]}
    assert run(local_aws, parameters=CONSTRAINED, advance={"authority": proven})["changed"]
    issue = run(local_aws, parameters=CONSTRAINED)["secrets"]["authority"]
    assert (issue["step"], issue["key"], issue["trusted"]) == (
        "issue",
        spread["next"]["key"],
        [spread["next"]["certificate"], yesterday["certificate"]],
    )
    # Two runs may end at the same time: the second has proven what is over.
    late = run(local_aws, parameters=CONSTRAINED, advance={"authority": proven})
    assert (late["changed"], late["notes"]) == (False, [])
    proven["step"] = "issue"
    assert run(local_aws, parameters=CONSTRAINED, advance={"authority": proven})["changed"]
    rest = run(local_aws, parameters=CONSTRAINED)
    assert (rest["changed"], rest["notes"]) == (False, [])
    assert rest["secrets"]["authority"]["trusted"] == [spread["next"]["certificate"]]
    assert set(rest["secrets"]["authority"]["permits"]) == {"koin-db", "172.31.0.0/16"}
    assert {"/koin/authority/key", "/koin/authority/certificate"} == {
        path for path in stored(local_aws) if path.startswith("/koin/authority")
    }


def test_an_authority_is_replaced_on_request(local_aws: LocalAws) -> None:
    before = run(local_aws, parameters=CONSTRAINED)["secrets"]["authority"]
    checked = run(local_aws, check=True, parameters=CONSTRAINED, rotate=["authority"])
    assert (checked["changed"], written(local_aws)) == (True, [])
    asked = run(local_aws, parameters=CONSTRAINED, rotate=["authority"])
    assert "as asked" in asked["notes"][0]
    assert asked["secrets"]["authority"]["certificate"] == before["certificate"]
    assert len(asked["secrets"]["authority"]["trusted"]) == 2


def test_of_two_operators_the_first_wins(local_aws: LocalAws) -> None:
    def answers() -> Iterator[Callable[[Any], Any]]:
        """The module asks before the other operator has stored a value, and stores its own afterwards."""
        yield lambda send: {"Parameters": []}
        while True:
            yield lambda send: send()

    theirs = {"Name": "/koin/race", "Value": "theirs", "Type": "SecureString"}
    local_aws.client("ssm", "ap-northeast-2").put_parameter(**theirs)
    turn = answers()
    with intercepted("GetParameters", lambda send, _: next(turn)(send)):
        result = run(local_aws, parameters={"race": {"path": "/koin/race"}})
    assert result["secrets"] == {"race": "theirs"}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"parameters": {"a": {"path": "koin/a"}}}, "begins with a slash"),
        ({"parameters": {"a": {"path": "/a", "colour": "red"}}}, "secret a: unknown colour"),
        ({"parameters": {"a": {"path": "/a", "kind": "word"}}}, "secret a: kind is `word`"),
        ({"advance": {"mariadb": {}}}, "cannot advance mariadb"),
        ({"rotate": ["nobody"]}, "cannot rotate nobody"),
        ({"account": "999999999999"}, "aws_account_id is 999999999999, but the credentials are for 123456789012"),
    ],
)
def test_mistakes_are_named_and_nothing_is_stored(local_aws: LocalAws, args: dict[str, Any], message: str) -> None:
    with pytest.raises(ModuleError, match=message):
        run(local_aws, **args)
    assert written(local_aws) == []


@pytest.mark.parametrize(
    ("operation", "names"), [("GetParameters", "ssm:GetParameters"), ("PutParameter", "ssm:PutParameter")]
)
def test_a_refusal_names_the_action(local_aws: LocalAws, operation: str, names: str) -> None:
    def refuse(_: Any, __: Any) -> Any:
        raise aws_error("AccessDeniedException", operation)

    fresh = {"a": {"path": f"/koin/refused/{operation}"}}
    with intercepted(operation, refuse), pytest.raises(ModuleError, match=names) as refused:
        run(local_aws, parameters=fresh)
    assert "Value" not in json.dumps(str(refused.value))
