"""Key pairs, instances, elastic IPs."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from ..engine import checks, formats
from ..engine.access import Arguments, Detail, Read, Removal, Requests, Scope, Write, at
from ..engine.context import Context
from ..engine.cost import Usage
from ..engine.declaration import Declaration
from ..engine.errors import Problem, UndeclarableError
from ..engine.formats import strange
from ..engine.model import Action, Desired, FieldChange, Fields, Live, Peculiar, Registry
from ..engine.options import nearest
from ..engine.public_key import wrong_ec2_key
from . import quotas
from .addresses import (
    described,
    displaced,
    elastic,
    holder,
    holders,
    kept_by_services,
    many_addresses,
    new_addresses,
    of_others,
)
from .base import EC2_TAGS, Ec2Kind, Goes, Observation, called, ec2_call, label, only, tag_fields, tags_of
from .iam import appended_buckets, profile_roles, role_arns
from .security import permission_lines
from .storage import VERIFIED
from .succession import served_at
from .vpcs import live_vpcs

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
#: types with disks of their own, whose data does not outlive a stop
_STORE = re.compile(r"(?!t)(d\d|h1|i\d|im\d|is\d|[a-z]+\d+[a-z]*d[a-z]*\.)")
_ARCHITECTURES = ("arm64", "x86_64")
#: inventory groups that exist without a role
_TAKEN = frozenset({"all", "ungrouped", "localhost", "aws_ec2", "platform", "containers"})
#: EC2's limit in bytes, and the beginnings that cloud-init accepts
_USER_DATA, _USER_DATA_STARTS = 16384, ("#!", "#cloud-config", "#include", "#cloud-boothook", "Content-Type:", "MIME-")
#: security groups that an interface may have unless AWS has raised the quota
_USUAL_GROUPS = 5
#: while a volume is being modified, EC2 still describes its former state
_UNDER_WAY = {"Filters": [{"Name": "modification-state", "Values": ["modifying", "optimizing"]}]}


def burstable(kind: str) -> bool:
    """Whether instances of a type have CPU credits."""
    return kind.startswith("t")


def _key_material(public_key: str | None) -> str:
    """Type and key of an OpenSSH public key, without its comment."""
    return " ".join((public_key or "").split()[:2])


def _public_key(where: str, value: Any) -> Iterator[Problem]:
    """The line of a .pub file, for new instances. A private key is not shown."""
    if isinstance(value, str) and value.strip() and (wrong := wrong_ec2_key(value)):
        what, fix = wrong
        yield Problem(where, what, fix.replace("the line of the .pub", "the line of an OpenSSH .pub"))


#: roles of hosts that are never deleted, where nothing else is declared
KEPT_ROLES = ("PROD", "DB")
#: the function of a host that has data of its own
DATABASE = "database"
#: how old the last verified backup may be
FRESH = timedelta(days=1)


def _unsaved(want: Desired, context: Context) -> Iterator[str]:
    """Data without a verified backup that is younger than a day, in the bucket to which the host's role appends."""
    role = context.declaration.entries("aws_iam_roles").get(want.entry.get("profile") or "", {})
    buckets = appended_buckets(role)
    now = datetime.now(UTC)
    verified = context.observation["verified_backups"]
    if not any(now - made < FRESH for bucket in buckets for made in verified.get(bucket, [])):
        where = f"{', '.join(buckets)} has nothing below {VERIFIED} that is younger" if buckets else "it has no backup"
        yield f"its data has no verified backup younger than a day: {where}"


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
    removes = ("ec2:DeleteKeyPair",)

    def removal(self, want: Desired, live: Live, context: Context) -> Iterable[Removal]:
        yield ec2_call("delete_key_pair", "InvalidKeyPair.NotFound", KeyName=want.name)

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
        # EC2 keeps only a fingerprint of old key pairs.
        unknown = f"a key with fingerprint {live.raw.get('KeyFingerprint')}"
        material = _key_material(live.raw.get("PublicKey")) or unknown
        return {"public_key": material, **tag_fields(tags_of(live.raw))}

    def entry_name(self, live: Live, context: Context) -> str:
        return str(live.raw["KeyName"])

    def said(self, name: str, live: Live, context: Context) -> Fields:
        if not live.raw.get("PublicKey"):
            raise UndeclarableError("EC2 keeps only its fingerprint, and a declaration needs the public key")
        return {"public_key": live.raw["PublicKey"].strip()}


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


def _absent(declaration: Declaration, instances: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Declared instances that would be launched."""
    alive = {called(raw) for raw in instances if raw["State"]["Name"] in ALIVE}
    return {name: entry for name, entry in declaration.entries("aws_compute_instances").items() if name not in alive}


def _wanted_addresses(declaration: Declaration, answer: Any) -> Requests:
    """Whoever has a private address that an instance would be launched with."""
    absent = _absent(declaration, _instances(answer)).values()
    addresses = sorted({entry["private_ip"] for entry in absent if entry.get("private_ip")})
    if addresses:
        yield ("private",), {"Filters": [{"Name": "addresses.private-ip-address", "Values": addresses}]}


def _wanted_types(declaration: Declaration, answer: Any) -> Requests:
    """The sizes of the instances that would be launched."""
    types = sorted({entry["type"] for entry in _absent(declaration, _instances(answer)).values()})
    if types:
        yield (), {"Filters": [{"Name": "instance-type", "Values": types}]}


def _launches(declaration: Declaration, answer: Any) -> bool:
    return bool(_absent(declaration, _instances(answer)))


def _other_type(entry: Mapping[str, Any], raw: Mapping[str, Any]) -> bool:
    """Whether the type would be changed; one of another architecture is only reported."""
    return entry["type"] != raw["InstanceType"] and entry["architecture"] == raw.get("Architecture")


def _stops(entry: Mapping[str, Any], raw: Mapping[str, Any]) -> bool:
    """Whether a live host would be stopped, be it for a moment."""
    running = raw["State"]["Name"] in ("pending", "running")
    return running and (entry.get("state") == "stopped" or _other_type(entry, raw))


def _declared_hosts(
    declaration: Declaration, instances: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Name, entry and live instance of each host that is there."""
    entries = declaration.entries("aws_compute_instances")
    for raw in instances:
        if called(raw) in entries and raw["State"]["Name"] in ALIVE:
            yield called(raw), entries[called(raw)], raw


def _stop_protection(declaration: Declaration, answer: Any) -> Requests:
    """The hosts that would be stopped."""
    for _, entry, raw in _declared_hosts(declaration, _instances(answer)):
        if _stops(entry, raw):
            arguments = {"InstanceId": raw["InstanceId"], "Attribute": "disableApiStop"}
            yield (raw["InstanceId"],), arguments


def _many_groups(declaration: Declaration, answer: Any) -> bool:
    entries = declaration.entries("aws_compute_instances").values()
    return any(len(entry.get("security_groups", [])) > _USUAL_GROUPS for entry in entries)


def _standard(instance_type: str) -> bool:
    """Whether a type counts to the quota of standard instances: A, C, D, H, I, M, R, T and Z."""
    family = instance_type.partition(".")[0]
    return family[:1] in "acdhimrtz" and not family.startswith(("hpc", "inf", "trn", "dl", "mac"))


def _cpus(raw: Mapping[str, Any]) -> int:
    options = raw.get("CpuOptions") or {}
    return int(options.get("CoreCount", 1)) * int(options.get("ThreadsPerCore", 1))


def _types(declaration: Declaration) -> Arguments | None:
    types = sorted({entry["type"] for entry in declaration.entries("aws_compute_instances").values()})
    filters = [{"Name": "instance-type", "Values": types}]
    return {"LocationType": "availability-zone", "Filters": filters} if types else None


def _images(declaration: Declaration) -> list[str]:
    return sorted(set(declaration.value("aws_compute_images", {}).values()))


def _image_parameters(declaration: Declaration) -> list[str]:
    # AWS's own, by their folder: a managed policy is short.
    folders = sorted({name.rpartition("/")[0] for name in declaration.value("aws_compute_images", {}).values()})
    return [f"arn:aws:ssm:{declaration.region}::parameter{folder}/*" for folder in folders]


def _host_roles(declaration: Declaration) -> list[str]:
    return role_arns(declaration)


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
    member = {"swarm_managers", "swarm_workers"} & set(instance["functions"])
    if member and not instance.get("swarm"):
        what = f"has {', '.join(sorted(member))}, but names no Swarm"
        yield Problem(
            where, what, "add `swarm: NAME`, one of platform_swarms, or write `containers` for an engine alone"
        )
    if instance.get("swarm") and not member:
        what = f"`{instance['swarm']}` is named, but the host is no member of a Swarm"
        yield Problem(f"{where}.swarm", what, "add swarm_managers or swarm_workers to `functions`, or remove it")


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
                Detail(
                    service="ec2",
                    operation="describe_instance_attribute",
                    into="stop_protection",
                    each=_stop_protection,
                    value=lambda answer: answer["DisableApiStop"]["Value"],
                ),
                Detail(
                    service="ec2",
                    operation="describe_network_interfaces",
                    into="address_holders",
                    each=_wanted_addresses,
                    value=at("NetworkInterfaces"),
                ),
                Detail(
                    service="ec2",
                    operation="describe_instance_types",
                    into="launch_types",
                    each=_wanted_types,
                    value=lambda answer: {
                        item["InstanceType"]: item["VCpuInfo"]["DefaultVCpus"] for item in answer["InstanceTypes"]
                    },
                ),
                quotas.quota(quotas.VCPUS, _launches),
                quotas.quota(quotas.GROUPS, _many_groups),
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
    identified_by = ("profile",)
    said_by = {"vpc": ("subnet",)}
    removes = ("ec2:TerminateInstances",)
    replaced_by = frozenset({"architecture", "vpc", "subnet", "root_volume.encrypted"})
    # AWS refuses a type of another architecture, but only after the instance has been stopped; groups are of one VPC.
    replaced_with = MappingProxyType({"architecture": frozenset({"type"}), "vpc": frozenset({"security_groups"})})
    writes = (
        Write("ec2:RunInstances", creates=True),
        Write("ec2:StartInstances", ("type", "state")),
        Write("ec2:StopInstances", ("type", "state")),
        Write("ec2:ModifyInstanceAttribute", ("type", "security_groups", "termination_protection")),
        # Of a host with several interfaces, groups are changed on the first one.
        Write("ec2:ModifyNetworkInterfaceAttribute", ("security_groups",)),
        Write("ec2:ModifyInstanceMetadataOptions", ("metadata.*",)),
        Write("ec2:ModifyInstanceCreditSpecification", ("cpu_credits",)),
        Write("ec2:ModifyVolume", ("root_volume.type", "root_volume.size")),
        Write("ec2:AssociateIamInstanceProfile", ("profile",)),
        Write("ec2:ReplaceIamInstanceProfileAssociation", ("profile",)),
        Write("ec2:DisassociateIamInstanceProfile", ("profile",)),
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
            if known and "cpu_credits" in instance and not burstable(instance["type"]):
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
        found = live_vpcs(declaration, observation)
        vpcs = {raw["VpcId"] for raw in found.values()}
        zones = {
            raw.get("CidrBlock"): raw["AvailabilityZone"] for raw in observation["subnets"] if raw["VpcId"] in vpcs
        }
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
        yield from self._taken(declaration, observation, found)
        for name, entry, raw in _declared_hosts(declaration, observation["instances"]):
            yield from self._refused(f"{self.variable}.{name}", entry, raw, observation)
        yield from self._quotas(declaration, observation)

    @staticmethod
    def _refused(
        where: str, entry: Mapping[str, Any], raw: Mapping[str, Any], observation: Observation
    ) -> Iterator[Problem]:
        """Changes of a live host that EC2 would refuse, or that would cost the host."""
        spot = raw.get("InstanceLifecycle") == "spot"
        field = f"{where}.{'type' if _other_type(entry, raw) else 'state'}"
        if _stops(entry, raw):
            if observation["stop_protection"].get(raw["InstanceId"]):
                fix = "switch the stop protection off in the account first, or declare what the host has"
                yield Problem(field, "the host would have to stop, and is protected against that", fix)
            if group := tags_of(raw).get("aws:autoscaling:groupName"):
                what = f"the host would have to stop, and Auto Scaling group {group} terminates hosts that do"
                yield Problem(field, what, "detach it from that group first (it goes on running)")
        if _other_type(entry, raw) and spot:
            fix = f"declare `type: {raw['InstanceType']}`, or launch an on-demand instance in its place"
            yield Problem(field, "the host is a Spot instance, whose type EC2 does not change", fix)
        if entry.get("termination_protection") and spot:
            fix = "remove it, or launch an on-demand instance in its place"
            yield Problem(f"{where}.termination_protection", "the host is a Spot instance, which has none", fix)
        if entry.get("state") == "running" and raw["State"]["Name"] == "stopping":
            fix = "run again when it has stopped, in a minute or so"
            yield Problem(f"{where}.state", "the host is stopping now, and EC2 starts only what has stopped", fix)
        volume, wanted = _root_volume_id(raw), entry.get("root_volume") or {}
        # A host that starts for the first time does not show its volumes yet.
        without = raw["State"]["Name"] == "stopped" or raw.get("RootDeviceType") == "instance-store"
        if wanted and volume is None and without:
            what = f"the host has no EBS volume as its root device ({raw.get('RootDeviceName') or 'none'})"
            yield Problem(f"{where}.root_volume", what, "attach it in the account, or remove `root_volume`")
        for change in observation["volume_modifications"]:
            size, target = change.get("TargetSize") or 0, change.get("TargetVolumeType")
            other = wanted.get("size", 0) > size or (target and wanted.get("type", target) != target)
            if change["VolumeId"] == volume and other:
                what = f"{volume} is being modified (to {target}, {size} GiB), and EC2 takes one change at a time"
                yield Problem(f"{where}.root_volume", what, "run again when that is done")

    def _taken(
        self, declaration: Declaration, observation: Observation, vpcs: Mapping[str, Mapping[str, Any]]
    ) -> Iterator[Problem]:
        """Private addresses that a new instance would need and something else has."""
        subnets = declaration.entries("aws_network_subnets")
        for name, entry in _absent(declaration, observation["instances"]).items():
            vpc = vpcs.get(subnets[entry["subnet"]]["vpc"], {}).get("VpcId")
            for other in observation["address_holders"].get("private", []):
                own = {other.get("PrivateIpAddress")}
                own |= {item["PrivateIpAddress"] for item in other.get("PrivateIpAddresses", [])}
                if entry.get("private_ip") in own and other.get("VpcId") == vpc:
                    names = {raw["InstanceId"]: called(raw) for raw in observation["instances"]}
                    owner = (other.get("Attachment") or {}).get("InstanceId")
                    who = label(owner, names.get(owner, "")) if owner else described(other)
                    fix = (
                        f"give {name} another address, or declare that host by its Name" if owner else "choose another"
                    )
                    where = f"{self.variable}.{name}.private_ip"
                    yield Problem(where, f"{entry['private_ip']} is used by {who}", fix)

    def _quotas(self, declaration: Declaration, observation: Observation) -> Iterator[Problem]:
        """vCPUs of what would be launched, and security groups of each host."""
        running = [raw for raw in observation["instances"] if raw["State"]["Name"] in ("pending", "running")]
        count = sum(_cpus(raw) for raw in running if _standard(raw["InstanceType"]))
        sizes = observation["launch_types"]
        for name, entry in _absent(declaration, observation["instances"]).items():
            if _standard(entry["type"]) and entry["type"] in sizes:
                count += sizes[entry["type"]]
                where, what = f"{self.variable}.{name}", f"{count} vCPUs of standard on-demand instances"
                yield from quotas.exceeded(observation, quotas.VCPUS, where, count, what, "stop instances")
        for name, entry in declaration.entries(self.variable).items():
            count = len(entry.get("security_groups", []))
            where, what = f"{self.variable}.{name}.security_groups", f"{count} groups of one network interface"
            yield from quotas.exceeded(observation, quotas.GROUPS, where, count, what, "name fewer")

    def facts(self, observation: Observation) -> Registry:
        return {"image": {name: {"id": image} for name, image in observation["images"].items()}}

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        images = declaration.value("aws_compute_images", {})
        for name, entry in declaration.entries(self.variable).items():
            tags = declaration.tags(name, entry, Role=entry["role"])
            fields: Fields = {"type": entry["type"], "architecture": entry["architecture"], "subnet": entry["subnet"]}
            vpc = declaration.entries("aws_network_subnets").get(entry["subnet"], {}).get("vpc")
            fields |= {"vpc": vpc} if vpc else {}
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
            if data := [volumes[item] for item in _volume_ids(raw) if item in volumes and item != _root_volume_id(raw)]:
                extra["Data"] = data
            interfaces = sorted(raw.get("NetworkInterfaces", []), key=_index)
            attributes = {
                "id": live_id,
                "state": _state(raw),
                # Of several interfaces calls have to name one.
                "interface": interfaces[0]["NetworkInterfaceId"] if len(interfaces) > 1 else "",
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
        entry = context.declaration.entries(self.variable).get(raw["Called"], {})
        profile = raw.get("IamInstanceProfile", {}).get("Arn", "").rsplit("/", 1)[-1]
        return {
            "type": raw["InstanceType"],
            "architecture": raw["Architecture"],
            "vpc": context.name("vpc", raw.get("VpcId", "")),
            "subnet": context.name("subnet", raw.get("SubnetId", "")),
            "security_groups": sorted(context.name("security_group", item["GroupId"]) for item in _groups(raw)),
            "profile": profile or None,
            "state": _state(raw),
            "cpu_credits": raw["Credits"],
            "termination_protection": raw["Protected"],
            "metadata.http_tokens": options.get("HttpTokens"),
            "metadata.http_endpoint": options.get("HttpEndpoint"),
            "metadata.hop_limit": options.get("HttpPutResponseHopLimit"),
            "root_volume.type": _volume_type(root, entry.get("root_volume", {}).get("type")),
            "root_volume.size": root.get("Size"),
            "root_volume.encrypted": root.get("Encrypted"),
            **tag_fields(tags_of(raw)),
        }

    def billed(self, name: str, fields: Fields, live: Live | None, context: Context) -> Iterable[Usage]:
        raw: Mapping[str, Any] = live.raw if live else {}
        entry = context.declaration.entries(self.variable).get(name, {})
        if fields.get("state", "running") == "running":
            tenancy = raw.get("Placement", {}).get("Tenancy") or self._tenancy(fields, context)
            yield _machine(str(fields.get("type")), tenancy != "default", raw)
            subnet = context.declaration.entries("aws_network_subnets").get(str(fields.get("subnet")), {})
            passing = self.passing_address(live, context) if live else subnet.get("map_public_ip")
            # An elastic IP takes its place.
            if passing and not entry.get("elastic_ip"):
                yield ADDRESS
        size, kind = fields.get("root_volume.size"), str(fields.get("root_volume.type") or "gp2").partition(" ")[0]
        if size or not live:
            yield from _storage(kind, size, raw.get("Root") or {})
        for volume in raw.get("Data", []):
            yield from _storage(str(volume.get("VolumeType")), volume.get("Size"), volume)

    @staticmethod
    def _tenancy(fields: Fields, context: Context) -> str:
        """On whose hardware an instance of its VPC starts."""
        vpc = context.id("vpc", str(fields.get("vpc", "")))
        found = (raw.get("InstanceTenancy") for raw in context.observation.get("vpcs", []) if raw["VpcId"] == vpc)
        return next(found, None) or "default"

    def kept(self, want: Desired, live: Live, context: Context, goes: Goes) -> Iterable[str]:
        roles = context.declaration.value("aws_compute_kept_roles", KEPT_ROLES)
        if want.entry["role"] in roles:
            yield f"hosts of role {want.entry['role']} are never deleted (aws_compute_kept_roles)"
        if live.raw["Protected"]:
            yield "it is protected against termination"
        if DATABASE in want.entry.get("functions", []):
            yield from _unsaved(want, context)

    def removal(self, want: Desired, live: Live, context: Context) -> Iterable[Removal]:
        yield ec2_call(
            "terminate_instances",
            "InvalidInstanceID.NotFound",
            InstanceIds=[live.id],
            wait=("instance_terminated", {"InstanceIds": [live.id]}),
        )

    def said(self, name: str, live: Live, context: Context) -> Fields:
        """What it was launched with, and its address. Its functions are nothing that AWS knows."""
        raw, root = live.raw, live.raw["Root"]
        options = raw.get("MetadataOptions", {})
        roles = context.declaration.value("aws_compute_roles", [])
        role = tags_of(raw).get("Role")
        if role not in roles and not context.declaration.entries(self.variable).get(name):
            raise UndeclarableError(
                f"its tag Role is {f'`{role}`' if role else 'missing'}, and its role has to be declared: tag it with "
                f"one of {', '.join(roles)}"
            )
        addresses = [item for item in context.observation["addresses"] if item.get("InstanceId") == live.id]
        own = [item for item in addresses if item.get("PrivateIpAddress") == raw.get("PrivateIpAddress")] or addresses
        return {
            "role": role,
            "private_ip": raw.get("PrivateIpAddress"),
            "key_pair": raw.get("KeyName"),
            "elastic_ip": own[0]["PublicIp"] if own else None,
            # Other types than burstable ones have no credits.
            "cpu_credits": raw["Credits"] if burstable(raw["InstanceType"]) else None,
            "termination_protection": True if raw["Protected"] else None,
            "metadata": {
                "http_tokens": options.get("HttpTokens"),
                "http_endpoint": options.get("HttpEndpoint"),
                "hop_limit": options.get("HttpPutResponseHopLimit"),
            },
            "root_volume": {
                "type": root.get("VolumeType") if root.get("VolumeType") in ("gp2", "gp3") else None,
                "size": root.get("Size"),
                "encrypted": root.get("Encrypted"),
                "device": raw.get("RootDeviceName"),
            },
        }

    def replaces(self, change: FieldChange) -> bool:
        shrinks = change.field == "root_volume.size" and (change.before or 0) > change.after
        return shrinks or super().replaces(change)

    @staticmethod
    def passing_address(live: Live, context: Context) -> str:
        """The public address that a host has only while it runs."""
        public = str(live.raw.get("PublicIpAddress") or "")
        held = {item["PublicIp"] for item in context.observation.get("addresses", [])}
        return "" if public in held else public

    @staticmethod
    def _rights(want: Desired, before: str, context: Context) -> Iterator[str]:
        """What a host's programs may do is that of the role in its profile, which may have another name."""
        profile = want.fields["profile"]
        role = profile_roles(context.observation).get(before, before)
        if role != profile:
            what = before if role == before else f"{before} (role {role})"
            yield f"instance {want.name}: its programs get the rights of {profile} and lose those of {what}"

    def _groups_left(self, want: Desired, changes: Sequence[FieldChange], context: Context) -> Iterator[str]:
        """The rules that no longer apply to a host that leaves a group."""
        moved = {change.field for change in changes} & self.replaced_by
        change = next((item for item in changes if item.field == "security_groups"), None)
        if change is None or "vpc" in moved:
            return
        groups = {context.name("security_group", group.id): group for group in context.live["security_group"]}
        for name in sorted(set(change.before) - set(change.after)):
            rules: dict[str, str] = {}
            for part, preposition in (
                (("IpPermissions", "from"), ("IpPermissionsEgress", "to")) if name in groups else ()
            ):
                raw = groups[name].raw
                rules |= permission_lines(raw[part], preposition, lambda item: context.name("security_group", item))
            shown, live_id = (groups[name].label, groups[name].id) if name in groups else (name, name)
            yield f"instance {want.name}: it leaves security group {shown}: {'; '.join(sorted(rules)) or 'no rules'}"
            kept = {groups[item].id if item in groups else item for item in change.after}
            for other in context.live["security_group"]:
                gone = _meant(other.raw, {live_id}) - _meant(other.raw, kept)
                if gone and other.id != live_id:
                    called_so = groups[name].raw["GroupName"] if name in groups else name
                    what = "; ".join(f"{line} members of {called_so}" for line in sorted(gone))
                    yield f"instance {want.name}: it loses what security group {other.label} allows: {what}"

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange], context: Context) -> Iterable[str]:
        if live is None:
            if self._tenancy(want.fields, context) != "default":
                vpc = context.id("vpc", str(want.fields.get("vpc", "")))
                yield (
                    f"instance {want.name}: VPC {vpc} launches on dedicated hardware, which costs more and not every "
                    "type allows"
                )
            return
        before = {change.field: change.before for change in changes}
        after = {change.field: change.after for change in changes}
        if "type" in before:
            yield f"instance {want.name}: changing its type stops and starts it"
        stops = after.get("state") == "stopped"
        if stops:
            yield f"instance {want.name}: it is stopped, and all that runs on it"
        if (stops or "type" in before) and (public := self.passing_address(live, context)):
            yield f"instance {want.name}: it loses its public address {public} for good, because it stops"
        if (stops or "type" in before) and _STORE.match(live.raw["InstanceType"]):
            yield f"instance {want.name}: what is on its instance store ({live.raw['InstanceType']}) is lost"
        if after.get("metadata.http_endpoint") == "disabled":
            yield f"instance {want.name}: programs on it lose the credentials of its profile"
        hops = [change for change in changes if change.field == "metadata.hop_limit" and not self.replaces(change)]
        if any((change.before or 0) > change.after for change in hops):
            yield f"instance {want.name}: containers on a bridge network may lose the credentials of its profile"
        if before.get("metadata.http_tokens") == "optional":
            yield f"instance {want.name}: programs on it that use IMDSv1 (old SDKs) lose their credentials"
        if before.get("profile"):
            yield from self._rights(want, str(before["profile"]), context)
        yield from self._groups_left(want, changes, context)
        grown = [change for change in changes if change.field == "root_volume.size" and not self.replaces(change)]
        if grown:
            yield f"instance {want.name}: its file system grows at the next boot (cloud-init), not before"


def _meant(group: Mapping[str, Any], members: set[str]) -> set[str]:
    """What a security group allows from and to the members of other groups, e.g. ``tcp 22 from``."""
    found: set[str] = set()
    for part, preposition in (("IpPermissions", "from"), ("IpPermissionsEgress", "to")):
        for permission in group[part]:
            if any(pair.get("GroupId") in members for pair in permission.get("UserIdGroupPairs", [])):
                bare = {key: permission[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in permission}
                lines = permission_lines([bare | {"IpRanges": [{"CidrIp": ""}]}], preposition, str)
                found |= {line.strip() for line in lines}
    return found


def _state(raw: Mapping[str, Any]) -> str:
    """What the instance's state becomes by itself."""
    state = str(raw["State"]["Name"])
    return {"pending": "running", "stopping": "stopped"}.get(state, state)


def _groups(raw: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The security groups of a host: those of its first interface, which are what is changed."""
    first = [item["Groups"] for item in raw.get("NetworkInterfaces", []) if _index(item) == 0 and item.get("Groups")]
    found: Sequence[Mapping[str, Any]] = first[0] if first else raw.get("SecurityGroups", [])
    return found


def _index(interface: Mapping[str, Any]) -> int:
    return int(interface.get("Attachment", {}).get("DeviceIndex", 0))


def _root_volume_id(raw: Mapping[str, Any]) -> str | None:
    mappings = {item["DeviceName"]: item for item in raw.get("BlockDeviceMappings", [])}
    root = mappings.get(raw.get("RootDeviceName", ""), {})
    volume: str | None = root.get("Ebs", {}).get("VolumeId")
    return volume


def _volume_ids(raw: Mapping[str, Any]) -> list[str]:
    found = (item.get("Ebs", {}).get("VolumeId") for item in raw.get("BlockDeviceMappings", []))
    return [volume for volume in found if volume]


#: what of IOPS and MiB/s is in the price of a gp3 volume
_WITHIN = (("Iops", "IOPS", 3000), ("Throughput", "MiB/s", 125))


def _storage(kind: str, size: int | None, volume: Mapping[str, Any]) -> Iterator[Usage]:
    """What a volume is billed for. volume: as it is; empty before it exists."""
    yield Usage(f"{kind} storage", "GB-month", size)
    same = kind == volume.get("VolumeType")
    for key, unit, free in _WITHIN if kind == "gp3" and same else ():
        if (volume.get(key) or 0) > free:
            yield Usage(f"gp3 {unit} above {free}", quantity=volume[key] - free)
    if kind in ("io1", "io2") and same:
        yield Usage(f"{kind} IOPS", quantity=volume.get("Iops"))


def _machine(kind: str, dedicated: bool, raw: Mapping[str, Any]) -> Usage:
    """An instance of a type: on demand, with Linux, on shared hardware; the others have prices of their own."""
    system = raw.get("PlatformDetails") or "Linux/UNIX"
    others = (
        ("spot", raw.get("InstanceLifecycle") == "spot"),
        ("dedicated", dedicated),
        (system, system != "Linux/UNIX"),
    )
    return Usage(" ".join([kind, *(f"({what})" for what, so in others if so)]), "hour")


def _volume_type(root: Mapping[str, Any], wanted: str | None) -> str | None:
    """The type of a volume; one that goes with what it was set to, for that may go as well."""
    kind: str | None = root.get("VolumeType")
    parts = [f"{root[key]} {unit}" for key, unit in (("Iops", "IOPS"), ("Throughput", "MiB/s")) if root.get(key)]
    return f"{kind} ({', '.join(parts)})" if kind and parts and wanted not in (None, kind) else kind


#: a public address, in use or not
ADDRESS = Usage("public IPv4 address", "hour")


class ElasticIp(Ec2Kind):
    """Recognised by the declared address, else by its instance, else by its Name."""

    name = "elastic_ip"
    role = "aws_compute"
    offers = ("id", "public_ip")
    partial = True
    removes = ("ec2:DisassociateAddress", "ec2:ReleaseAddress")
    said_by = {"instance": ("elastic_ip",)}
    reads = (
        Read(
            service="ec2",
            operation="describe_addresses",
            into="addresses",
            value=elastic,
            then=(
                quotas.quota(quotas.ADDRESSES, many_addresses),
                Detail(
                    service="ec2",
                    operation="describe_network_interfaces",
                    into="address_holders",
                    each=holders,
                    value=at("NetworkInterfaces"),
                ),
            ),
        ),
    )
    writes = (
        Write("ec2:AllocateAddress", creates=True),
        Write("ec2:AssociateAddress", ("instance",)),
        EC2_TAGS,
    )

    def kept(self, want: Desired, live: Live, context: Context, goes: Goes) -> Iterable[str]:
        """The address of a host that stays: its records would lead to whoever gets the address next."""
        if not goes("instance", want.name):
            yield f"host {want.name} stays, and its records lead there"

    def identities(self, action: Action, registry: Registry) -> set[str]:
        host = registry["instance"][action.name]
        return {*super().identities(action, registry), host["id"], host.get("interface") or host["id"]}

    def check_account(self, declaration: Declaration, observation: Observation) -> Iterable[Problem]:
        """No address that AWS does not let go, and no more than the account's quota."""
        yield from kept_by_services(declaration, observation)
        yield from self._unreachable(declaration, observation)
        hosts = {raw["InstanceId"]: called(raw) for raw in observation["instances"] if raw["State"]["Name"] in ALIVE}
        new = new_addresses(declaration, observation["addresses"], hosts)
        count = len(observation["addresses"]) + len(new)
        for name in new:
            where, otherwise = f"aws_compute_instances.{name}.elastic_ip", "release an address that nothing uses"
            yield from quotas.exceeded(observation, quotas.ADDRESSES, where, count, f"{count} elastic IPs", otherwise)

    @staticmethod
    def _unreachable(declaration: Declaration, observation: Observation) -> Iterator[Problem]:
        """Hosts with an address in a VPC without an internet gateway, where EC2 associates none."""
        vpcs = {name: raw["VpcId"] for name, raw in live_vpcs(declaration, observation).items()}
        gateways = declaration.entries("aws_network_internet_gateways").values()
        reached = {vpcs.get(entry["vpc"], entry["vpc"]) for entry in gateways}
        attached = (item for raw in observation["internet_gateways"] for item in raw.get("Attachments", []))
        reached |= {item["VpcId"] for item in attached}
        hosts: dict[str, list[str]] = {}
        for name, _, raw in _declared_hosts(declaration, observation["instances"]):
            hosts.setdefault(name, []).append(raw.get("VpcId", ""))
        subnets = declaration.entries("aws_network_subnets")
        for name, entry in declaration.entries("aws_compute_instances").items():
            vpc = subnets.get(entry["subnet"], {}).get("vpc", "")
            # Of two live hosts of one name, the plan says that there are two.
            places = hosts.get(name) or [vpcs.get(vpc, vpc)]
            if entry.get("elastic_ip") and len(places) == 1 and places[0] not in reached:
                what = f"VPC {places[0]} has no internet gateway: EC2 associates no address"
                fix = "declare one in aws_network_internet_gateways, or remove `elastic_ip`"
                yield Problem(f"aws_compute_instances.{name}.elastic_ip", what, fix)

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
        hosts = {item.id: item.raw for item in context.live["instance"]}
        private = hosts.get(instance or "", {}).get("PrivateIpAddress")
        others = of_others(want.name, context.declaration)
        free = [item for item in live if item.raw["PublicIp"] not in others]
        own = [item for item in free if instance and item.raw.get("InstanceId") == instance]
        for same in (
            [item for item in live if item.raw["PublicIp"] == want.entry["address"]],
            # A host with several interfaces or private addresses may have several: the first one is meant.
            [item for item in own if private and item.raw.get("PrivateIpAddress") == private],
            own,
            [item for item in free if called(item.raw) == want.name],
        ):
            if same:
                return only(self.name, want.name, same)
        return None

    def fields(self, live: Live, context: Context) -> Fields:
        instance, interface = live.raw.get("InstanceId"), live.raw.get("NetworkInterfaceId")
        other = f"network interface {interface}" if interface else None
        # While a host is being replaced, its address stays with the former instance.
        serving = self._serving(live, context)
        return {
            "instance": serving or (context.name("instance", instance) if instance else other),
            **tag_fields(tags_of(live.raw)),
        }

    @staticmethod
    def _serving(live: Live, context: Context) -> str:
        """The declared host for which a former instance serves at this address; empty for any other holder."""
        declared = context.declaration.entries("aws_compute_instances")
        return served_at(live.raw, context.observation["instances"], declared)

    def billed(self, name: str, fields: Fields, live: Live | None, context: Context) -> Iterable[Usage]:
        yield ADDRESS

    def spared(self, want: Desired, live: Live | None, context: Context) -> Iterable[Usage]:
        """The address that the host has had until now, which goes back to AWS."""
        host = context.found("instance", want.name)
        if host and (live is None or live.raw.get("InstanceId") != host.id) and Instance.passing_address(host, context):
            yield ADDRESS

    def entry_name(self, live: Live, context: Context) -> str:
        """It is declared with its host."""
        return context.name("instance", live.raw["InstanceId"]) if live.raw.get("InstanceId") else live.id

    def declared_at(self, name: str, live: Live, context: Context) -> tuple[str, ...]:
        if not context.found("instance", name):
            holder_ = holder(live.raw, context) if live.raw.get("AssociationId") else "nothing"
            raise UndeclarableError(f"{holder_} has it, and an elastic IP is declared with its instance")
        return (Instance.variable, name)

    def belongs_to(self, want: Desired, context: Context) -> tuple[str, str] | None:
        return (Instance.name, want.name)

    def removal(self, want: Desired, live: Live, context: Context) -> Iterable[Removal]:
        gone = ("InvalidAssociationID.NotFound", "InvalidAllocationID.NotFound")
        if live.raw.get("AssociationId"):
            yield ec2_call("disassociate_address", *gone, AssociationId=live.raw["AssociationId"])
        yield ec2_call("release_address", *gone, AllocationId=live.id)

    def said(self, name: str, live: Live, context: Context) -> Fields:
        """The address that the host has."""
        host = context.id("instance", name)
        own = [item["PublicIp"] for item in context.observation["addresses"] if item.get("InstanceId") == host]
        return {"elastic_ip": own[0] if own else None}

    def warn(self, want: Desired, live: Live | None, changes: Sequence[FieldChange], context: Context) -> Iterable[str]:
        address = want.entry["address"]
        if live is not None and address and live.raw["PublicIp"] != address:
            yield Peculiar(
                f"elastic IP {want.name}: {address} is declared, but the account has {live.raw['PublicIp']} for it; "
                f"write that into aws_compute_instances.{want.name}.elastic_ip",
                "public addresses of its own",
            )
        if live is not None and self._serving(live, context) == want.name:
            yield (
                f"elastic IP {want.name}: {live.raw['PublicIp']} stays with {holder(live.raw, context)}, which serves "
                "until playbooks/hand_over.yml"
            )
        moved = live is None or any(change.field == "instance" for change in changes)
        if live is not None and moved and live.raw.get("AssociationId"):
            yield f"elastic IP {want.name}: {live.raw['PublicIp']} is taken from {holder(live.raw, context)}"
        if moved:
            yield from displaced(want, live, context)
