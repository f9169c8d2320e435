"""Key pairs, instances, elastic IPs."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ..engine import checks, formats
from ..engine.access import Arguments, Detail, Read, Requests, Scope, Write, at
from ..engine.context import Context
from ..engine.declaration import Declaration
from ..engine.errors import Problem
from ..engine.formats import strange
from ..engine.model import Action, Desired, FieldChange, Fields, Live, Registry
from ..engine.options import nearest
from ..engine.public_key import wrong_ec2_key
from .base import EC2_TAGS, Ec2Kind, Observation, called, label, only, tag_fields, tags_of

#: states of an instance that exists
ALIVE = ("pending", "running", "stopping", "stopped")
#: families of EC2 types whose processors are ARM: the letter g after the generation
_ARM_TYPE = re.compile(r"[a-z]+\d+[a-z]*g[a-z]*\.|a1\.")
#: burstable families, which come in exactly these sizes; in the other families any size may exist
_BURSTABLE = ("t2", "t3", "t3a", "t4g")
_BURSTABLE_SIZES = ("nano", "micro", "small", "medium", "large", "xlarge", "2xlarge")
#: family (letters, generation, what it adds), size
_TYPE = re.compile(
    r"(?!t)([a-z]{1,3}\d{1,2}|u-?\d+[a-z]*|hpc\d+)[a-z]{0,4}(-[a-z0-9]+)?"
    r"\.(nano|micro|small|medium|large|\d{0,2}xlarge|metal(-\d+xl)?)|u-\d+tb1\.(\d+xlarge|metal)"
)
_USUAL_TYPES = (
    *(f"{family}.{size}" for family in _BURSTABLE for size in _BURSTABLE_SIZES),
    *(
        f"{family}.{size}"
        for family in ("c7g", "c7i", "m7a", "m7g", "m7i", "r7g", "r7i", "m6i", "m6g", "c6i", "c6g", "r6i", "r6g")
        for size in ("large", "xlarge", "2xlarge", "4xlarge")
    ),
)
_ARCHITECTURES = ("arm64", "x86_64")
#: inventory groups that exist without a role
_TAKEN = frozenset({"all", "ungrouped", "localhost", "aws_ec2", "platform", "containers"})
#: EC2's limit in bytes, and the beginnings that cloud-init accepts
_USER_DATA, _USER_DATA_STARTS = 16384, ("#!", "#cloud-config", "#include", "#cloud-boothook", "Content-Type:", "MIME-")
#: while a volume is being modified, EC2 still describes its former state
_UNDER_WAY = {"Filters": [{"Name": "modification-state", "Values": ["modifying", "optimizing"]}]}


def _key_material(public_key: str | None) -> str:
    """Type and key of an OpenSSH public key, without its comment."""
    return " ".join((public_key or "").split()[:2])


def _public_key(where: str, value: Any) -> Iterator[Problem]:
    """The line of a .pub file, for new instances. A private key is not shown."""
    if isinstance(value, str) and value.strip() and (wrong := wrong_ec2_key(value)):
        what, fix = wrong
        yield Problem(where, what, fix.replace("the line of the .pub", "the line of an OpenSSH .pub"))


class KeyPair(Ec2Kind):
    """Recognised by its name."""

    name = "key_pair"
    role = "aws_compute"
    variable = "aws_compute_key_pairs"
    entry_point = "key_pair"
    shapes = {"": formats.text(r"[ -~]+", "the name of a key pair", "write letters, digits, `-` and `_`", 255)}
    variables = {"aws_compute_public_key": _public_key}
    reads = (
        Read(
            service="ec2",
            operation="describe_key_pairs",
            into="key_pairs",
            value=at("KeyPairs"),
            arguments={"IncludePublicKey": True},
        ),
    )
    replaced_by = frozenset({"public_key"})
    writes = (Write("ec2:ImportKeyPair", creates=True), EC2_TAGS)
    identified_by = ("public_key",)

    def check(self, declaration: Declaration) -> Iterable[Problem]:
        for name, entry in declaration.entries(self.variable).items():
            where = f"{self.variable}.{name}.public_key"
            if not entry["public_key"].strip():
                fix = "set aws_compute_public_key to the line of an OpenSSH .pub file (inventories/<env>/hosts.yml)"
                yield Problem(where, "is empty: nobody could log in to a new host", fix)
            else:
                yield from _public_key(where, entry["public_key"])

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries(self.variable).items():
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


def _instances(answer: Any) -> list[dict[str, Any]]:
    return [instance for group in answer.get("Reservations", []) for instance in group["Instances"]]


def _protected(declaration: Declaration, answer: Any) -> Requests:
    """The existing instances whose termination protection is declared."""
    entries = declaration.entries("aws_compute_instances")
    names = {name for name, entry in entries.items() if "termination_protection" in entry}
    for raw in _instances(answer):
        if called(raw) in names and raw["State"]["Name"] != "terminated":
            arguments = {"InstanceId": raw["InstanceId"], "Attribute": "disableApiTermination"}
            yield (raw["InstanceId"],), arguments


def _types(declaration: Declaration) -> Arguments | None:
    types = sorted({entry["type"] for entry in declaration.entries("aws_compute_instances").values()})
    filters = [{"Name": "instance-type", "Values": types}]
    return {"LocationType": "availability-zone", "Filters": filters} if types else None


def _images(declaration: Declaration) -> list[str]:
    return sorted(set(declaration.value("aws_compute_images", {}).values()))


def _image_parameters(declaration: Declaration) -> list[str]:
    names = declaration.value("aws_compute_images", {}).values()
    return [f"arn:aws:ssm:{declaration.region}::parameter{name}" for name in names]


def _host_roles(declaration: Declaration) -> list[str]:
    return [f"arn:aws:iam::*:role/{name}" for name in declaration.entries("aws_iam_roles")]


def instance_type(where: str, value: Any) -> Iterator[Problem]:
    """Something that can be an instance type; the account shows whether AWS offers it."""
    if not isinstance(value, str):
        return
    family, _, size = value.partition(".")
    if (family in _BURSTABLE and size in _BURSTABLE_SIZES) or _TYPE.fullmatch(value):
        return
    written = value.lower().replace("_", ".")
    near = f"{written}.small" if written in _BURSTABLE else nearest(written, _USUAL_TYPES)
    fix = f"write {f'`{near}`' if near else 'one like t3a.small'}, or another"
    usual = ", ".join((*_BURSTABLE, "m7i", "m7g", "c7i", "r7i"))
    yield Problem(where, f"`{value}` is not an instance type: a family ({usual}, …) and a size", fix)


def _user_data(where: str, value: Any) -> Iterator[Problem]:
    if not isinstance(value, str):
        return
    size = len(value.encode())
    if size > _USER_DATA:
        yield Problem(where, f"has {size} bytes, EC2 allows {_USER_DATA}", "shorten it")
    elif value.strip() and not value.startswith(_USER_DATA_STARTS):
        yield Problem(where, "begins with nothing that cloud-init recognises", "make `#cloud-config` its first line")


def _names(entries: Mapping[str, Any], functions: Iterable[str]) -> Iterator[Problem]:
    """Names become host names, in lower case and with `-` for `_`; no two may be the same."""
    hosts: dict[str, str] = {}
    groups = _TAKEN | set(functions)
    for name in entries:
        where, host = f"aws_compute_instances.{name}", name.lower().replace("_", "-")
        if strange(name) or not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?", name):
            why = strange(name) or ("has more than 63 characters" if len(name) > 63 else "is not a name for a host")
            fix = "write ASCII letters and digits, `_` and `-` inside, at most 63, e.g. KOIN_DB"
            yield Problem(where, f"`{name}` {why}", fix)
        elif host in groups:
            yield Problem(where, f"`{name}` becomes host {host}, which is the name of a group", "choose another name")
        elif host in hosts and hosts[host].casefold() != name.casefold():
            what = f"`{name}` and `{hosts[host]}` become the same host, {host}"
            yield Problem(where, what, "give one of them another name")
        hosts.setdefault(host, name)


def _group_name(where: str, value: Any) -> Iterator[Problem]:
    """A role is a group of the inventory."""
    fix = "write letters, digits and `_`, e.g. PROD"
    if not isinstance(value, str):
        return
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        yield Problem(where, f"`{value}` is not the name of a group", fix)
    elif value in _TAKEN:
        yield Problem(where, f"`{value}` is already a group", "choose another name")


def _lets_in(rule: Mapping[str, Any], port: int, sources: Sequence[ipaddress.IPv4Network]) -> bool:
    """Whether a rule lets those sources reach a TCP port."""
    first = rule.get("port") or 0
    if rule["protocol"] != "all" and not (
        rule["protocol"] == "tcp" and first <= port <= (rule.get("to_port") or first)
    ):
        return False
    open_to = [network for cidr in rule.get("cidrs", []) if (network := checks.network(cidr))]
    return all(any(source.subnet_of(network) for network in open_to) for source in sources)


def _administrators(declaration: Declaration) -> Iterator[Problem]:
    """Every host has a group that lets the administrators in: without it nobody can log in, Ansible included."""
    port = declaration.value("aws_security_ssh_port", 22)
    declared = declaration.value("aws_security_admin_cidrs", [])
    sources = [network for cidr in declared if (network := checks.network(cidr))]
    # Reported where they are declared.
    if not sources or len(sources) < len(declared) or not 1 <= port <= 65535:
        return
    groups = declaration.entries("aws_security_groups")
    good = [
        name
        for name, group in groups.items()
        if any(_lets_in(rule, port, sources) for rule in group.get("ingress", {}).values())
    ]
    for name, instance in declaration.entries("aws_compute_instances").items():
        own = instance.get("security_groups")
        # Undeclared groups are reported elsewhere; an instance that declares no groups keeps those that it has.
        if own is None or set(own) - set(groups) or set(own) & set(good):
            continue
        which = f"none of {', '.join(own)}" if own else "no security group"
        what = f"{which} allows tcp {port} from aws_security_admin_cidrs: nobody could log in, not even Ansible"
        fix = f"add {' or '.join(good)}" if good else f"declare a group that allows tcp {port} from there, and add it"
        yield Problem(f"aws_compute_instances.{name}.security_groups", what, fix)


def _roles_and_functions(where: str, instance: Mapping[str, Any], roles: Sequence[str]) -> Iterator[Problem]:
    """A host has a declared role and functions that go together. The argument specs list the functions."""
    if instance["role"] not in roles:
        near = nearest(instance["role"], roles)
        fix = f"write {f'`{near}`' if near else 'one of these'}, or add it to aws_compute_roles"
        what = f"`{instance['role']}` is not a declared role; declared: {', '.join(roles)}"
        yield Problem(f"{where}.role", what, fix)
    for field in ("functions", "security_groups"):
        for item in {item for item in instance.get(field, []) if instance[field].count(item) > 1}:
            yield Problem(f"{where}.{field}", f"`{item}` is listed twice", "keep one")
    if {"swarm_managers", "swarm_workers"} <= set(instance["functions"]):
        what = "is a manager and a worker of the Swarm"
        yield Problem(f"{where}.functions", what, "keep swarm_managers: a manager runs containers as well")


def _private_ip(
    where: str, instance: Mapping[str, Any], subnets: Mapping[str, Any], taken: dict[str, str], name: str
) -> Iterator[Problem]:
    address = instance.get("private_ip")
    if not address:
        return
    try:
        parsed = ipaddress.IPv4Address(address)
    except ValueError:
        yield Problem(f"{where}.private_ip", f"`{address}` is not an IPv4 address", "write one like 172.31.0.10")
        return
    if address in taken:
        yield Problem(f"{where}.private_ip", f"{address} is already used by {taken[address]}", "give each its own")
    taken.setdefault(address, name)
    subnet = checks.network(subnets.get(instance["subnet"], {}).get("cidr", ""))
    # AWS keeps the first four and the last address of every subnet for itself.
    if subnet and (parsed not in subnet or parsed in (*(subnet[i] for i in range(4)), subnet[-1])):
        fix = f"choose one from {subnet[4]} to {subnet[-2]}"
        yield Problem(f"{where}.private_ip", f"{address} is not free for use in {instance['subnet']} ({subnet})", fix)


def _elastic_ip(where: str, address: str, taken: dict[str, str], name: str) -> Iterator[Problem]:
    try:
        parsed = ipaddress.IPv4Address(address)
    except ValueError:
        yield Problem(f"{where}.elastic_ip", f"`{address}` is not an IPv4 address", "write an address, or `auto`")
        return
    if not parsed.is_global or parsed.is_multicast:
        what = f"{address} is not a public address, as every elastic IP is"
        yield Problem(f"{where}.elastic_ip", what, "write the elastic IP that the account owns, or `auto`")
    elif address in taken:
        fix = "an elastic IP belongs to one instance; write `auto` for a new one"
        yield Problem(f"{where}.elastic_ip", f"{address} is already used by {taken[address]}", fix)
    taken.setdefault(address, name)


class Instance(Ec2Kind):
    """Recognised by its Name while it is not terminated; never by its image, which a newer AMI would change.

    Image, key pair, private address and user data are given at launch and not compared afterwards.
    """

    name = "instance"
    role = "aws_compute"
    variable = "aws_compute_instances"
    entry_point = "instance"
    defaults = "aws_compute_instance_defaults"
    shapes = {
        "type": instance_type,
        "user_data": _user_data,
        "metadata.hop_limit": formats.number(1, 64, "a number of hops"),
        "root_volume.size": formats.number(1, 16384, "a size that EC2 offers", "write GiB from 1 to 16384, e.g. 20"),
        "root_volume.device": formats.text(
            r"/dev/(sd[a-z][1-9]?|xvd[a-z]{1,2}|nvme\dn1)",
            "the name of a root device",
            "write /dev/xvda, which Debian has",
        ),
    }
    variables = {
        "aws_compute_roles": _group_name,
        "aws_compute_images.@": formats.one_of(_ARCHITECTURES, "not an architecture"),
        "aws_compute_images.*": formats.text(
            r"(/[\w.-]+)+", "the name of an SSM parameter", "write one like /aws/service/debian/release/13/latest/amd64"
        ),
    }
    refers = {
        "subnet": "subnet",
        "security_groups": "security_group",
        "profile": "iam_role",
        "key_pair": "key_pair",
    }
    reads = (
        Read(
            service="ec2",
            operation="describe_instances",
            into="instances",
            value=_instances,
            then=(
                Detail(
                    service="ec2",
                    operation="describe_instance_attribute",
                    into="protection",
                    each=_protected,
                    value=lambda answer: answer["DisableApiTermination"]["Value"],
                ),
            ),
        ),
        Read(
            service="ec2",
            operation="describe_instance_credit_specifications",
            into="credits",
            value=lambda answer: {
                item["InstanceId"]: item["CpuCredits"] for item in answer.get("InstanceCreditSpecifications", [])
            },
        ),
        Read(service="ec2", operation="describe_volumes", into="volumes", value=at("Volumes")),
        Read(
            service="ec2",
            operation="describe_volumes_modifications",
            into="volume_modifications",
            value=at("VolumesModifications"),
            arguments=_UNDER_WAY,
        ),
        Read(
            service="ec2",
            operation="describe_instance_type_offerings",
            into="offerings",
            value=at("InstanceTypeOfferings"),
            arguments=_types,
        ),
        Read(
            service="ssm",
            operation="get_parameters",
            into="images",
            value=lambda answer: {item["Name"]: item["Value"] for item in answer.get("Parameters", [])},
            arguments=lambda declaration: {"Names": names} if (names := _images(declaration)) else None,
            scope=Scope("ReadImages", _image_parameters),
        ),
    )
    replaced_by = frozenset({"architecture", "subnet", "root_volume.encrypted"})
    # AWS refuses a type of another architecture, but only after the instance has been stopped.
    replaced_with = MappingProxyType({"architecture": frozenset({"type"})})
    writes = (
        Write("ec2:RunInstances", creates=True),
        Write("ec2:StartInstances", ("type", "state")),
        Write("ec2:StopInstances", ("type", "state")),
        Write("ec2:ModifyInstanceAttribute", ("type", "security_groups", "termination_protection")),
        Write("ec2:ModifyInstanceMetadataOptions", ("metadata.*",)),
        Write("ec2:ModifyInstanceCreditSpecification", ("cpu_credits",)),
        Write("ec2:ModifyVolume", ("root_volume.type", "root_volume.size")),
        Write("ec2:AssociateIamInstanceProfile"),
        Write("ec2:ReplaceIamInstanceProfileAssociation"),
        EC2_TAGS,
        Write(
            "iam:PassRole",
            scope=Scope("PassHostRoles", _host_roles, {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}),
        ),
    )

    def check(self, declaration: Declaration) -> Iterable[Problem]:
        """Type, architecture and image belong together; addresses are free and in their subnet."""
        subnets = declaration.entries("aws_network_subnets")
        images = declaration.value("aws_compute_images", {})
        elastic: dict[str, str] = {}
        private: dict[str, str] = {}
        groups, roles = declaration.entries("aws_security_groups"), declaration.value("aws_compute_roles", [])
        functions = {item for entry in declaration.entries(self.variable).values() for item in entry["functions"]}
        vpcs = set(declaration.entries("aws_network_vpcs"))
        yield from _names(declaration.entries(self.variable), functions)
        yield from _administrators(declaration)
        for function in functions & set(roles):
            yield Problem(
                "aws_compute_roles", f"`{function}` is also a function: one group cannot be both", "rename it"
            )
        for name, instance in declaration.entries(self.variable).items():
            where = f"{self.variable}.{name}"
            known = not list(instance_type("", instance["type"]))
            arm = bool(_ARM_TYPE.match(instance["type"]))
            if known and arm != (instance["architecture"] == "arm64"):
                real = "arm64" if arm else "x86_64"
                fix = f"set `architecture: {real}`, or choose a type of {instance['architecture']}"
                what = f"type {instance['type']} is {real}, the image for `{instance['architecture']}` would not start"
                yield Problem(f"{where}.architecture", what, fix)
            vpc = subnets.get(instance["subnet"], {}).get("vpc")
            for group in instance.get("security_groups", []):
                if group in groups and groups[group]["vpc"] != vpc and {groups[group]["vpc"], vpc} <= vpcs:
                    what = f"`{group}` is in VPC {groups[group]['vpc']}, subnet {instance['subnet']} in {vpc}"
                    yield Problem(f"{where}.security_groups", what, f"name a group of VPC {vpc}")
            if known and "cpu_credits" in instance and not instance["type"].startswith("t"):
                fix = "write `cpu_credits: null` in the entry, or choose a t type"
                yield Problem(f"{where}.cpu_credits", f"type {instance['type']} has no CPU credits", fix)
            if instance["architecture"] not in images and set(images) <= set(_ARCHITECTURES):
                yield checks.missing(f"{where}.architecture", instance["architecture"], "aws_compute_images", images)
            yield from _roles_and_functions(where, instance, roles)
            yield from _private_ip(where, instance, subnets, private, name)
            address = instance.get("elastic_ip")
            if address and address != "auto":
                yield from _elastic_ip(where, address, elastic, name)

    def check_account(self, declaration: Declaration, observation: Observation) -> Iterable[Problem]:
        """The zone offers the type, and the image to launch from exists."""
        offered = {(item["InstanceType"], item["Location"]) for item in observation["offerings"]}
        types = {kind for kind, _ in offered}
        ranges = {vpc["cidr"] for vpc in declaration.entries("aws_network_vpcs").values()}
        vpcs = {raw["VpcId"] for raw in observation["vpcs"] if raw["CidrBlock"] in ranges}
        zones = {raw["CidrBlock"]: raw["AvailabilityZone"] for raw in observation["subnets"] if raw["VpcId"] in vpcs}
        alive = {called(raw) for raw in observation["instances"] if raw["State"]["Name"] != "terminated"}
        subnets = declaration.entries("aws_network_subnets")
        for name, instance in declaration.entries(self.variable).items():
            where = f"{self.variable}.{name}"
            subnet = subnets[instance["subnet"]]
            # If the subnet exists, its zone comes from the account.
            zone = zones.get(subnet["cidr"], subnet["zone"])
            if (instance["type"], zone) not in offered:
                others = sorted(where for kind, where in offered if kind == instance["type"])
                fix = f"choose a subnet in {', '.join(others)}" if others else "choose a type that AWS offers"
                what = f"{instance['type']} is not offered in {zone}"
                yield Problem(f"{where}.{'subnet' if instance['type'] in types else 'type'}", what, fix)
            parameter = declaration.value("aws_compute_images", {}).get(instance["architecture"])
            if name not in alive and parameter not in observation["images"]:
                fix = f"correct aws_compute_images.{instance['architecture']}"
                yield Problem(where, f"SSM has no parameter {parameter} to launch it from", fix)

    def facts(self, observation: Observation) -> Registry:
        return {"image": {name: {"id": image} for name, image in observation["images"].items()}}

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        images = declaration.value("aws_compute_images", {})
        for name, entry in declaration.entries(self.variable).items():
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
                # Read once: every declared name is searched among all instances.
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

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange], context: Context) -> Iterable[str]:
        if live is None:
            return
        before = {change.field: change.before for change in changes}
        if "type" in before:
            yield f"instance {want.name}: changing its type stops and starts it"
        if before.get("metadata.http_tokens") == "optional":
            yield f"instance {want.name}: programs on it that use IMDSv1 (old SDKs) lose their credentials"
        if before.get("profile"):
            yield (
                f"instance {want.name}: its programs get the rights of {want.fields['profile']} "
                f"and lose those of {before['profile']}"
            )
        grown = [change for change in changes if change.field == "root_volume.size" and not self.replaces(change)]
        if grown:
            yield f"instance {want.name}: its file system grows at the next boot (cloud-init), not before"


def _root_volume_id(raw: Mapping[str, Any]) -> str | None:
    mappings = {item["DeviceName"]: item for item in raw.get("BlockDeviceMappings", [])}
    root = mappings.get(raw.get("RootDeviceName", ""), {})
    volume: str | None = root.get("Ebs", {}).get("VolumeId")
    return volume


class ElasticIp(Ec2Kind):
    """Recognised by the declared address, else by its instance, else by its Name."""

    name = "elastic_ip"
    role = "aws_compute"
    offers = ("id", "public_ip")
    reads = (Read(service="ec2", operation="describe_addresses", into="addresses", value=at("Addresses")),)
    writes = (
        Write("ec2:AllocateAddress", creates=True),
        Write("ec2:AssociateAddress", ("instance",)),
        EC2_TAGS,
    )

    def identities(self, action: Action, registry: Registry) -> set[str]:
        return {*super().identities(action, registry), registry["instance"][action.name]["id"]}

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries("aws_compute_instances").items():
            if not entry.get("elastic_ip"):
                continue
            tags = declaration.tags(name, {})
            address = entry["elastic_ip"] if entry["elastic_ip"] != "auto" else None
            note = f"{address} is not in this account: a new address will be allocated" if address else ""
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

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange], context: Context) -> Iterable[str]:
        address = want.entry["address"]
        if live is not None and address and live.raw["PublicIp"] != address:
            yield (
                f"elastic IP {want.name}: {address} is declared, but the account has {live.raw['PublicIp']} for it; "
                f"write that into aws_compute_instances.{want.name}.elastic_ip"
            )
        moved = live is not None and any(change.field == "instance" for change in changes)
        if live is not None and moved and live.raw.get("AssociationId"):
            holder = live.raw.get("InstanceId") or live.raw.get("NetworkInterfaceId", "another holder")
            yield f"elastic IP {want.name}: {live.raw['PublicIp']} is taken from {holder}"
