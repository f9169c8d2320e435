"""What AWS cannot change in place is reported and never applied; a new image launches no twin."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest

from tests.support import live_account
from tests.support.local_aws import LocalAws
from tests.support.platform import Platform, declared, fields


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The live account, adopted."""
    with LocalAws(tmp_path_factory.mktemp("replace")) as aws:
        aws.reset()
        live_account.build(aws)
        platform = Platform(aws)
        platform.provision()
        yield platform


def _replaced(platform: Platform, **changed: object) -> set[tuple[str, str, str]]:
    plan = platform.plan(**changed)
    assert plan.writes == []
    everything = {(item.kind, item.name, change.field) for item in plan.of("replace") for change in item.changes}
    # The live root volumes are not encrypted.
    return {item for item in everything if item[2] != "root_volume.encrypted"}


def test_instance_in_another_subnet(live: Platform) -> None:
    instances = copy.deepcopy(declared()["aws_compute_instances"])
    instances["KOIN_PROD"] |= {"subnet": "BCSDLab-c", "private_ip": None}
    assert _replaced(live, aws_compute_instances=instances) == {("instance", "KOIN_PROD", "subnet")}


def test_architecture(live: Platform) -> None:
    instances = copy.deepcopy(declared()["aws_compute_instances"])
    instances["BCSDLAB_INTERNAL"] |= {"architecture": "x86_64", "type": "t3a.small", "subnet": "BCSDLab-a"}
    instances["BCSDLAB_INTERNAL"]["private_ip"] = None
    plan = live.plan(aws_compute_instances=instances)
    replaced = {(item.name, change.field) for item in plan.of("replace") for change in item.changes}
    assert {("BCSDLAB_INTERNAL", "architecture"), ("BCSDLAB_INTERNAL", "subnet")} <= replaced


def test_smaller_root_volume(live: Platform) -> None:
    defaults = copy.deepcopy(declared()["aws_compute_instance_defaults"])
    defaults["root_volume"]["size"] = 10
    names = set(declared()["aws_compute_instances"])
    expected = {("instance", name, "root_volume.size") for name in names}
    assert _replaced(live, aws_compute_instance_defaults=defaults) == expected


def test_zone_of_a_subnet(live: Platform) -> None:
    subnets = copy.deepcopy(declared()["aws_network_subnets"])
    subnets["BCSDLab-d"]["zone"] = "ap-northeast-2a"
    assert _replaced(live, aws_network_subnets=subnets) == {("subnet", "BCSDLab-d", "zone")}


def test_public_key(live: Platform) -> None:
    ec2 = live.aws.client("ec2")
    ec2.delete_key_pair(KeyName="koin")
    ec2.create_key_pair(KeyName="koin", KeyType="ed25519")
    plan = live.plan()
    assert {item.name for item in plan.of("replace") if item.kind == "key_pair"} == {"koin"}
    live.aws.mark()
    live.provision()
    # The tag of the declaration is put on; the key is left.
    assert set(live.writes()) == {"ec2:CreateTags"}
    assert ("replace", "key_pair", "koin", "public_key") in fields(live.plan())


def test_a_newer_image_changes_nothing(live: Platform) -> None:
    """Image, key pair, private address and user data are those of the launch: the live hosts run Ubuntu."""
    ec2 = live.aws.client("ec2")
    images = {
        instance["ImageId"] for group in ec2.describe_instances()["Reservations"] for instance in group["Instances"]
    }
    assert images == set(live_account.UBUNTU.values())
    assert _replaced(live) - {("key_pair", "koin", "public_key")} == set()
