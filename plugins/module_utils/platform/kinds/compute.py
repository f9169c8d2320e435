"""Key pairs, instances, elastic IPs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ..declaration import Declaration
from ..model import Desired, FieldChange, Fields, Live
from .base import Context, Kind, Observation, called, label, only, tag_fields, tags_of

#: an instance that is still, or again, there
ALIVE = ("pending", "running", "stopping", "stopped")


def _key_material(public_key: str | None) -> str:
    """Type and key of an OpenSSH public key, without its comment."""
    return " ".join((public_key or "").split()[:2])


class KeyPair(Kind):
    """Recognised by its name."""

    name = "key_pair"
    role = "aws_compute"
    replaced_by = frozenset({"public_key"})
    writes = ("ec2:ImportKeyPair", "ec2:CreateTags")

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries("aws_compute_key_pairs").items():
            tags = declaration.tags(None, entry)
            fields = {"public_key": _key_material(entry["public_key"]), **tag_fields(tags)}
            yield Desired(name, {**entry, "tags": tags}, fields)

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        for raw in observation["key_pairs"]:
            yield Live(raw["KeyPairId"], label(raw["KeyPairId"], raw["KeyName"]), dict(raw), {"id": raw["KeyPairId"]})

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        return next((item for item in live if item.raw["KeyName"] == want.name), None)

    def fields(self, live: Live, context: Context) -> Fields:
        return {"public_key": _key_material(live.raw.get("PublicKey")), **tag_fields(tags_of(live.raw))}


class Instance(Kind):
    """Recognised by its Name while it is not terminated; never by its image, which a newer AMI would change.

    Image, key pair, private address and user data are given at launch and not compared afterwards.
    """

    name = "instance"
    role = "aws_compute"
    replaced_by = frozenset({"architecture", "subnet", "root_volume.encrypted"})
    # AWS refuses a type of another architecture, and does so after the instance was stopped for it.
    replaced_with = MappingProxyType({"architecture": frozenset({"type"})})
    writes = (
        "ec2:RunInstances",
        "ec2:StartInstances",
        "ec2:StopInstances",
        "ec2:ModifyInstanceAttribute",
        "ec2:ModifyInstanceMetadataOptions",
        "ec2:ModifyInstanceCreditSpecification",
        "ec2:ModifyVolume",
        "ec2:AssociateIamInstanceProfile",
        "ec2:ReplaceIamInstanceProfileAssociation",
        "ec2:CreateTags",
        "iam:PassRole",
    )

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        images = declaration.value("aws_compute_images", {})
        for name, entry in declaration.entries("aws_compute_instances").items():
            tags = declaration.tags(name, entry, Role=entry["role"])
            fields: Fields = {"type": entry["type"], "architecture": entry["architecture"], "subnet": entry["subnet"]}
            for key in ("profile", "state", "cpu_credits", "termination_protection"):
                if key in entry:
                    fields[key] = entry[key]
            if "security_groups" in entry:
                fields["security_groups"] = sorted(entry["security_groups"])
            for part in ("metadata", "root_volume"):
                declared_part = {key: value for key, value in entry.get(part, {}).items() if key != "device"}
                fields |= {f"{part}.{key}": value for key, value in declared_part.items()}
            more = {"tags": tags, "image_parameter": images.get(entry["architecture"])}
            yield Desired(name, {**entry, **more}, fields | tag_fields(tags))

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        volumes = {item["VolumeId"]: dict(item) for item in observation["volumes"]}
        for change in observation["volume_modifications"]:
            wanted = {"VolumeType": change.get("TargetVolumeType"), "Size": change.get("TargetSize")}
            volumes.get(change["VolumeId"], {}).update({key: value for key, value in wanted.items() if value})
        for raw in observation["instances"]:
            if raw["State"]["Name"] not in ALIVE:
                continue
            live_id = raw["InstanceId"]
            extra = {
                "Root": volumes.get(_root_volume_id(raw), {}),
                # The API lists burstable instances whose mode is, or was, unlimited.
                "Credits": observation["credits"].get(live_id, "standard"),
                "Protected": observation["protection"].get(live_id),
                # Read once: every declared name is looked for among all instances.
                "Called": called(raw),
            }
            attributes = {
                "id": live_id,
                "subnet": raw.get("SubnetId", ""),
                "zone": raw.get("Placement", {}).get("AvailabilityZone", ""),
                "root_volume": extra["Root"].get("VolumeId", ""),
                "root_volume_type": extra["Root"].get("VolumeType", ""),
                "metadata": raw.get("MetadataOptions", {}),
            }
            yield Live(live_id, label(live_id, extra["Called"]), {**raw, **extra}, attributes)

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        return only(self.name, want.name, [item for item in live if item.raw["Called"] == want.name])

    def fields(self, live: Live, context: Context) -> Fields:
        raw = live.raw
        options, root = raw.get("MetadataOptions", {}), raw["Root"]
        profile = raw.get("IamInstanceProfile", {}).get("Arn", "").rsplit("/", 1)[-1]
        state = raw["State"]["Name"]
        return {
            "type": raw["InstanceType"],
            "architecture": raw["Architecture"],
            "subnet": context.name("subnet", raw.get("SubnetId", "")),
            "security_groups": sorted(
                context.name("security_group", item["GroupId"]) for item in raw["SecurityGroups"]
            ),
            "profile": profile or None,
            "state": {"pending": "running", "stopping": "stopped"}.get(state, state),
            "cpu_credits": raw["Credits"],
            "termination_protection": raw["Protected"],
            "metadata.http_tokens": options.get("HttpTokens"),
            "metadata.http_endpoint": options.get("HttpEndpoint"),
            "metadata.hop_limit": options.get("HttpPutResponseHopLimit"),
            "root_volume.type": root.get("VolumeType"),
            "root_volume.size": root.get("Size"),
            "root_volume.encrypted": root.get("Encrypted"),
            **tag_fields(tags_of(raw)),
        }

    def replaces(self, change: FieldChange) -> bool:
        shrinks = change.field == "root_volume.size" and (change.before or 0) > change.after
        return shrinks or super().replaces(change)

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange]) -> Iterable[str]:
        if live is None:
            return
        before = {change.field: change.before for change in changes}
        if "type" in before:
            yield f"instance {want.name}: changing its type stops and starts it"
        if before.get("metadata.http_tokens") == "optional":
            yield f"instance {want.name}: programs on it that speak IMDSv1 (old SDKs) lose their credentials"
        if before.get("profile"):
            yield (
                f"instance {want.name}: what its programs may do is what {want.fields['profile']} grants, "
                f"no longer what {before['profile']} does"
            )
        grown = [change for change in changes if change.field == "root_volume.size" and not self.replaces(change)]
        if grown:
            yield f"instance {want.name}: its file system grows at the next boot (cloud-init), not before"


def _root_volume_id(raw: Mapping[str, Any]) -> str | None:
    mappings = {item["DeviceName"]: item for item in raw.get("BlockDeviceMappings", [])}
    root = mappings.get(raw.get("RootDeviceName", ""), {})
    volume: str | None = root.get("Ebs", {}).get("VolumeId")
    return volume


class ElasticIp(Kind):
    """Recognised by the declared address, else by its instance, else by its Name."""

    name = "elastic_ip"
    role = "aws_compute"
    writes = ("ec2:AllocateAddress", "ec2:AssociateAddress", "ec2:CreateTags")

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries("aws_compute_instances").items():
            if not entry.get("elastic_ip"):
                continue
            tags = declaration.tags(name, {})
            address = entry["elastic_ip"] if entry["elastic_ip"] != "auto" else None
            note = f"{address} is not in this account: another address is allocated" if address else ""
            item = {"instance": name, "tags": tags, "address": address}
            yield Desired(name, item, {"instance": name, **tag_fields(tags)}, note)

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        for raw in observation["addresses"]:
            attributes = {"id": raw["AllocationId"], "public_ip": raw["PublicIp"]}
            text = label(raw["PublicIp"], called(raw))
            yield Live(raw["AllocationId"], text, dict(raw), attributes)

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        instance = context.id("instance", want.name)
        for same in (
            [item for item in live if item.raw["PublicIp"] == want.entry["address"]],
            [item for item in live if instance and item.raw.get("InstanceId") == instance],
            [item for item in live if called(item.raw) == want.name],
        ):
            if same:
                return only(self.name, want.name, same)
        return None

    def fields(self, live: Live, context: Context) -> Fields:
        instance = live.raw.get("InstanceId")
        return {
            "instance": context.name("instance", instance) if instance else None,
            **tag_fields(tags_of(live.raw)),
        }

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange]) -> Iterable[str]:
        address = want.entry["address"]
        if live is not None and address and live.raw["PublicIp"] != address:
            yield (
                f"elastic IP {want.name}: {address} is declared, the account has {live.raw['PublicIp']} for it; "
                f"write that into aws_compute_instances.{want.name}.elastic_ip"
            )
        moved = live is not None and any(change.field == "instance" for change in changes)
        if live is not None and moved and live.raw.get("AssociationId"):
            holder = live.raw.get("InstanceId") or live.raw.get("NetworkInterfaceId", "another holder")
            yield f"elastic IP {want.name}: {live.raw['PublicIp']} is taken from {holder}"
