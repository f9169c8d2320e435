"""A saved plan holds while the declaration and the account are what it says; its file is whole and for its owner."""

from __future__ import annotations

import copy
import json
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.platform import saved_plan
from ansible.module_utils.platform.engine.errors import PlatformError
from ansible.module_utils.platform.engine.plan import plan
from ansible.module_utils.platform.kinds import KINDS
from ansible.module_utils.platform.saved_plan import Document, Origin

from tests.support.observed import declaration_of

ORIGIN = Origin("koin-platform", "kim@laptop", "2026-11-28 14:03:07 KST", "1a2b3c4d", False)
VPC = {"VpcId": "vpc-1", "CidrBlock": "172.31.0.0/16", "Tags": [{"Key": "Name", "Value": "BCSDLab"}]}
OTHER = {"VpcId": "vpc-2", "CidrBlock": "10.0.0.0/16", "Tags": [{"Key": "Name", "Value": "other"}]}
IMAGE = {"images": {"/debian": "ami-1"}}
DECLARED = {
    "aws_network_vpcs": {"BCSDLab": {"cidr": "172.31.0.0/16", "tags": {"Owner": "koin"}}},
    "aws_compute_key_pairs": {"koin": {"public_key": "ssh-ed25519 AAAA"}},
}
Change = Callable[[dict[str, Any], dict[str, Any]], None]


def document(declared: dict[str, Any] = DECLARED, observed: dict[str, Any] | None = None) -> Document:
    """A plan to save."""
    seen = KINDS.empty() | ({"vpcs": [VPC]} if observed is None else observed)
    return saved_plan.document(plan(declaration_of(declared), seen, KINDS, with_seen=True), ORIGIN)


def refusal(saved: Document, now: Document) -> str:
    """Why the plan does not hold; empty when it does."""
    try:
        saved_plan.check(Path("koin.plan"), saved, now, ("bucket", "koin-platform"))
    except PlatformError as error:
        return str(error)
    return ""


def after(change: Change) -> Document:
    """The plan when the declaration or the account have changed."""
    declared, observed = copy.deepcopy(DECLARED), copy.deepcopy({"vpcs": [VPC]})
    change(declared, observed)
    return document(declared, observed)


def test_the_same_holds() -> None:
    assert document()["counts"]["create"] == 1
    assert document()["counts"]["change"] == 1
    assert refusal(document(), document()) == ""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        # Also what the plan does not touch.
        (
            lambda declared, observed: declared["aws_network_vpcs"]["BCSDLab"].update(dns_support=True),
            "declared now: vpc BCSDLab dns_support: (none) -> true",
        ),
        (
            lambda declared, observed: declared["aws_compute_key_pairs"]["koin"].update(public_key="ssh-ed25519 BBBB"),
            "declared now: key_pair koin public_key: ssh-ed25519 AAAA -> ssh-ed25519 BBBB",
        ),
        (lambda declared, observed: declared["aws_compute_key_pairs"].clear(), "declared now: key_pair koin is gone"),
        (
            lambda declared, observed: observed["vpcs"][0].update(Tags=[{"Key": "Name", "Value": "named anew"}]),
            "in the account now: vpc BCSDLab tags.Name: BCSDLab -> named anew",
        ),
        (lambda declared, observed: observed["vpcs"].append(OTHER), "in the account now: vpc other (vpc-2) is new"),
        (lambda declared, observed: observed["vpcs"].clear(), "in the account now: vpc BCSDLab is gone"),
    ],
)
def test_a_change_is_named(change: Change, told: str) -> None:
    text = refusal(document(), after(change))
    assert f"\n  {told}" in text
    assert "saved by kim@laptop at 2026-11-28 14:03:07 KST, does not hold any more; nothing was written" in text
    assert text.endswith("ansible-playbook playbooks/plan.yml -e save=koin.plan")


def test_a_change_of_both_that_leaves_the_plan_as_it_was_is_named() -> None:
    """What would be done is what was reviewed; but somebody else has been at work."""

    def tag(declared: dict[str, Any], observed: dict[str, Any]) -> None:
        declared["aws_network_vpcs"]["BCSDLab"]["tags"]["Team"] = "x"
        observed["vpcs"][0]["Tags"].append({"Key": "Team", "Value": "x"})

    assert document()["actions"] == [
        item | {"entry": document()["actions"][number]["entry"], "desired": document()["actions"][number]["desired"]}
        for number, item in enumerate(after(tag)["actions"])
    ]
    text = refusal(document(), after(tag))
    assert "declared now: vpc BCSDLab tags.Team: (none) -> x" in text
    assert "in the account now: vpc BCSDLab tags.Team: (none) -> x" in text


def test_what_only_a_launch_uses_is_part_of_the_declaration() -> None:
    saved = document()
    now = copy.deepcopy(saved)
    now["declared"]["vpc"]["BCSDLab"]["entry"]["user_data"] = "#!/bin/sh"
    assert "declared now: vpc BCSDLab user_data: (none) -> #!/bin/sh" in refusal(saved, now)


def test_facts_and_consequences_are_part_of_the_account() -> None:
    saved = document()
    image = copy.deepcopy(saved)
    image["registry"]["image"] = {"/debian": {"id": "ami-2"}}
    assert "in the account now: image /debian is new" in refusal(saved, image)
    warned = {**saved, "warnings": ["vpc BCSDLab: somebody else uses it"]}
    assert "a new warning: vpc BCSDLab: somebody else uses it" in refusal(saved, warned)
    assert "no longer a warning" in refusal(warned, saved)
    otherwise = copy.deepcopy(saved)
    otherwise["actions"][0]["changes"][0]["after"] = "another"
    assert "planned otherwise now: change vpc BCSDLab, tags.Owner" in refusal(saved, otherwise)
    assert "planned then: " in refusal(saved, {**saved, "actions": []} | {"actions": saved["actions"][1:]})


def test_what_was_done_already_and_what_was_done_in_part() -> None:
    done = {"vpcs": [VPC | {"Tags": [*VPC["Tags"], {"Key": "Owner", "Value": "koin"}]}]}
    key = {"KeyPairId": "key-1", "KeyName": "koin", "PublicKey": "ssh-ed25519 AAAA", "KeyType": "ed25519"}
    assert "has been carried out already" in refusal(document(), document(observed={**done, "key_pairs": [key]}))
    part = refusal(document(), document(observed=done))
    assert "in the account now: vpc BCSDLab tags.Owner: (none) -> koin" in part
    assert "1 of its 2 resources are as it wants them" in part
    nothing = document(observed={**done, "key_pairs": [key]})
    assert refusal(nothing, nothing) == ""


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"account": "999999999999"}, "account: planned for 999999999999, this run is for 123456789012"),
        ({"region": "us-east-1"}, "region: planned for us-east-1"),
        ({"saved": vars(replace(ORIGIN, platform="koin-other"))}, "platform_bucket: planned for koin-other"),
    ],
)
def test_another_platform(content: dict[str, Any], told: str) -> None:
    text = refusal(document() | content, document())
    assert "is for another platform; nothing was written" in text
    assert told in text


def test_the_bucket_that_the_lock_makes_is_no_change() -> None:
    declared = {"aws_storage_buckets": {"koin-platform": {"versioning": True}, "other": {"versioning": True}}}
    saved = document(declared, {})
    assert saved["counts"]["create"] == 2
    here = "ap-northeast-2"
    now = document(declared, {"buckets": {"koin-platform": here}})
    assert now["counts"] == {**saved["counts"], "create": 1, "change": 1}
    assert refusal(saved, now) == ""
    # Any other bucket is.
    other = document(declared, {"buckets": {"other": here}})
    assert "in the account now: bucket other is new" in refusal(saved, other)


def test_who_has_saved_it_and_from_which_commit() -> None:
    saved = document()
    other = saved | {"saved": saved["saved"] | {"commit": "5d6e7f8a"}}
    assert saved_plan.holds(saved, saved) == "As saved by kim@laptop at 2026-11-28 14:03:07 KST:"
    assert saved_plan.holds(saved, other).endswith("14:03:07 KST, from commit 1a2b3c4; this is 5d6e7f8:")
    assert refusal(saved, other) == ""


def test_long_refusals_end() -> None:
    many = {f"vpc{number}": {"cidr": f"10.{number}.0.0/16"} for number in range(40)}
    text = refusal(document(), document(DECLARED | {"aws_network_vpcs": many}))
    assert text.count("\n") == saved_plan.SHOWN + 2
    assert "… and 30 more" in text


# --- The file


def test_the_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "koin.plan"
    path.write_text("before")
    path.chmod(0o644)
    saved_plan.write(path, document())
    assert saved_plan.read(path) == document()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["koin.plan"]


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "koin.plan"
    saved_plan.write(path, document())

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PlatformError, match=r"cannot be written to .*No space left on device. Name a file"):
        saved_plan.write(path, document() | {"warnings": ["new"]})
    assert saved_plan.read(path) == document()
    assert [found.name for found in tmp_path.iterdir()] == ["koin.plan"]
    with pytest.raises(PlatformError, match="a folder that exists"):
        saved_plan.write(tmp_path / "none" / "koin.plan", document())


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda text: text[:200], "is no saved plan, or is damaged"),
        (lambda text: "", "is no saved plan, or is damaged"),
        (lambda text: "[]", "is no saved plan"),
        (lambda text: '{"counts": {}}', "is no saved plan"),
        (
            lambda text: text.replace('"format": 1', '"format": 2'),
            "has format 2; this version of the repository reads 1",
        ),
        (lambda text: text.replace("koin", "kion", 1), "is not as it was saved: it is damaged, or was edited"),
        (lambda text: text.replace("sha256:", "sha256:0"), "it is damaged, or was edited"),
    ],
)
def test_a_file_that_is_not_as_it_was_saved(tmp_path: Path, spoil: Callable[[str], str], told: str) -> None:
    path = tmp_path / "koin.plan"
    saved_plan.write(path, document())
    path.write_text(spoil(path.read_text()))
    with pytest.raises(PlatformError, match=f"(?s){told}.*Plan again and review it: .* -e save={path}"):
        saved_plan.read(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"No such file or directory.*Plan again"):
        saved_plan.read(tmp_path / "none")


def test_no_secret_is_kept_and_its_change_is_seen() -> None:
    def with_secret(text: str) -> Document:
        key = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{text}"
        tags = {"cidr": "172.31.0.0/16", "tags": {"Owner": key, "db_password": text}}
        return document({"aws_network_vpcs": {"BCSDLab": tags}})

    saved = with_secret("horse battery")
    assert "horse battery" not in json.dumps(saved)
    told = refusal(saved, with_secret("staple"))
    assert "declared now: vpc BCSDLab tags.db_password: (secret " in told
    assert "staple" not in told
