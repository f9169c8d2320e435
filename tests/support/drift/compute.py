"""Key pairs, instances, elastic IPs, changed and deleted behind the platform's back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .model import Account, Drift, tags

HOST = "KOIN_STAGE"


def _other_type(a: Account) -> None:
    host = a.id("instance", HOST)
    a.ec2.stop_instances(InstanceIds=[host])
    a.ec2.modify_instance_attribute(InstanceId=host, InstanceType={"Value": "t3a.medium"})
    a.ec2.start_instances(InstanceIds=[host])


def _lose_host_profile(a: Account) -> None:
    found = a.ec2.describe_iam_instance_profile_associations(
        Filters=[{"Name": "instance-id", "Values": [a.id("instance", HOST)]}]
    )
    association = found["IamInstanceProfileAssociations"][0]["AssociationId"]
    a.ec2.disassociate_iam_instance_profile(AssociationId=association)


def _other_groups(a: Account) -> None:
    found = a.ec2.describe_instances(InstanceIds=[a.id("instance", HOST)])["Reservations"][0]["Instances"][0]
    first = found["NetworkInterfaces"][0]["NetworkInterfaceId"]
    a.ec2.modify_network_interface_attribute(NetworkInterfaceId=first, Groups=[a.id("security_group", "Web")])


def _metadata(**options: Any) -> Callable[[Account], object]:
    return lambda a: a.ec2.modify_instance_metadata_options(InstanceId=a.id("instance", HOST), **options)


def _volume(**options: Any) -> Callable[[Account], object]:
    return lambda a: a.ec2.modify_volume(VolumeId=a.id("instance", HOST, "root_volume"), **options)


def _disassociate(a: Account) -> None:
    address = a.ec2.describe_addresses(AllocationIds=[a.id("elastic_ip", "KOIN_DB")])["Addresses"][0]
    a.ec2.disassociate_address(AssociationId=address["AssociationId"])


#: one for each field that is declared
DRIFTS = [
    *tags("key_pair", "koin", "Platform"),
    Drift("instance", HOST, "type", _other_type),
    Drift("instance", HOST, "security_groups", _other_groups),
    Drift("instance", HOST, "profile", _lose_host_profile),
    Drift(
        "instance",
        HOST,
        "cpu_credits",
        lambda a: a.ec2.modify_instance_credit_specification(
            InstanceCreditSpecifications=[{"InstanceId": a.id("instance", HOST), "CpuCredits": "standard"}]
        ),
    ),
    Drift("instance", HOST, "metadata.http_tokens", _metadata(HttpTokens="optional")),
    Drift("instance", HOST, "metadata.hop_limit", _metadata(HttpPutResponseHopLimit=2)),
    Drift("instance", HOST, "metadata.http_endpoint", _metadata(HttpEndpoint="disabled")),
    Drift("instance", HOST, "root_volume.type", _volume(VolumeType="gp2")),
    # AWS cannot shrink a volume; a smaller one simulates a declaration that has grown.
    Drift("instance", HOST, "root_volume.size", _volume(Size=8)),
    *tags("instance", HOST, "Role", "Platform"),
    Drift(
        "instance",
        "KOIN_DB",
        "termination_protection",
        lambda a: a.ec2.modify_instance_attribute(
            InstanceId=a.id("instance", "KOIN_DB"), DisableApiTermination={"Value": False}
        ),
    ),
    Drift(
        "instance", "KOIN_PROD", "state", lambda a: a.ec2.stop_instances(InstanceIds=[a.id("instance", "KOIN_PROD")])
    ),
    Drift("elastic_ip", "KOIN_DB", "instance", _disassociate),
    *tags("elastic_ip", "BCSD_Build", "Name", "Platform"),
]


#: kind and name -> how to delete it
DELETIONS: dict[tuple[str, str], Callable[[Account], object]] = {
    ("key_pair", "koin"): lambda a: a.ec2.delete_key_pair(KeyName="koin"),
    ("instance", "BCSD_Build"): lambda a: a.ec2.terminate_instances(InstanceIds=[a.id("instance", "BCSD_Build")]),
    ("elastic_ip", "KOIN_STAGE"): lambda a: (
        a.ec2.disassociate_address(PublicIp=a.id("elastic_ip", "KOIN_STAGE", "public_ip")),
        a.ec2.release_address(AllocationId=a.id("elastic_ip", "KOIN_STAGE")),
    ),
}

#: recognised by Name: changing it by hand makes it another resource
RENAMED = {(kind, "tags.Name") for kind in ("instance",)}
