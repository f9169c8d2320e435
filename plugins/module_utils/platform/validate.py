"""Do the parts of the declaration fit each other, and what AWS accepts? Pure; every problem is named at once."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from .declaration import Declaration
from .errors import Problem
from .kinds.dns import Record, dotless, zone_of

#: ports that only administrators, or only the Swarm, may reach
_SSH_PORT, _DATABASE_PORTS = 22, {3306: "MySQL", 6379: "Redis", 27017: "MongoDB", 5432: "PostgreSQL"}
_BUCKET = re.compile(r"(?!xn--)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]")
#: families of EC2 types whose processors are ARM: the letter g after the generation
_ARM_TYPE = re.compile(r"[a-z]+\d+[a-z]*g[a-z]*\.|a1\.")


def _missing(where: str, name: str, variable: str, known: Iterable[str]) -> Problem:
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    fix = f"write `{near[0]}`, or declare `{name}` in {variable}" if near else f"declare `{name}` in {variable}"
    return Problem(where, f"`{name}` is not declared in {variable}", fix)


def _network(value: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(value)
    except ValueError:
        return None


def _cidr(where: str, value: str) -> Iterator[Problem]:
    # EC2 wants the length too: 203.0.113.7/32.
    if str(_network(value)) != value:
        try:
            fix = f"write {ipaddress.IPv4Network(value, strict=False)}"
        except ValueError:
            fix = "write an IPv4 range as 203.0.113.0/24"
        yield Problem(where, f"`{value}` is not an IPv4 range", fix)


#: variable.field -> the variable whose names it uses
_REFERENCES: tuple[tuple[str, str, str], ...] = (
    ("aws_network_internet_gateways", "vpc", "aws_network_vpcs"),
    ("aws_network_subnets", "vpc", "aws_network_vpcs"),
    ("aws_network_route_tables", "vpc", "aws_network_vpcs"),
    ("aws_network_route_tables", "subnets", "aws_network_subnets"),
    ("aws_network_acls", "vpc", "aws_network_vpcs"),
    ("aws_network_acls", "subnets", "aws_network_subnets"),
    ("aws_security_groups", "vpc", "aws_network_vpcs"),
    ("aws_cdn_distributions", "bucket", "aws_storage_buckets"),
    ("aws_cdn_distributions", "certificate", "aws_cdn_certificates"),
    ("aws_iam_roles", "buckets", "aws_storage_buckets"),
    ("aws_iam_roles", "invalidates", "aws_cdn_distributions"),
    ("aws_compute_instances", "subnet", "aws_network_subnets"),
    ("aws_compute_instances", "security_groups", "aws_security_groups"),
    ("aws_compute_instances", "profile", "aws_iam_roles"),
    ("aws_compute_instances", "key_pair", "aws_compute_key_pairs"),
    ("aws_dns_records", "zone", "aws_dns_zones"),
    ("aws_dns_records", "host", "aws_compute_instances"),
    ("aws_monitoring_instance_alarms", "topic", "aws_monitoring_topics"),
)


def references(declaration: Declaration) -> Iterator[Problem]:
    """Every name that an entry uses is declared."""
    for variable, field, target in _REFERENCES:
        known = declaration.entries(target)
        for name, entry in declaration.entries(variable).items():
            used = entry.get(field)
            for item in [used] if isinstance(used, str) else list(used or ()):
                if item not in known:
                    yield _missing(f"{variable}.{name}.{field}", item, target, known)
    gateways = declaration.entries("aws_network_internet_gateways")
    for name, entry in declaration.entries("aws_network_route_tables").items():
        for destination, route in entry.get("routes", {}).items():
            where = f"aws_network_route_tables.{name}.routes.{destination}"
            if route["internet_gateway"] not in gateways:
                yield _missing(where, route["internet_gateway"], "aws_network_internet_gateways", gateways)


def network(declaration: Declaration) -> Iterator[Problem]:
    """Ranges lie in their VPC and apart from each other; zones are of the region."""
    vpcs = declaration.entries("aws_network_vpcs")
    for name, vpc in vpcs.items():
        yield from _cidr(f"aws_network_vpcs.{name}.cidr", vpc["cidr"])
    seen: list[tuple[str, str, ipaddress.IPv4Network]] = []
    for name, subnet in declaration.entries("aws_network_subnets").items():
        where = f"aws_network_subnets.{name}"
        yield from _cidr(f"{where}.cidr", subnet["cidr"])
        own, outer = _network(subnet["cidr"]), _network(vpcs.get(subnet["vpc"], {}).get("cidr", ""))
        if own and outer and not own.subnet_of(outer):
            yield Problem(
                f"{where}.cidr", f"{own} lies outside the VPC {subnet['vpc']} ({outer})", f"choose one in {outer}"
            )
        for other, vpc_name, network in seen:
            if own and vpc_name == subnet["vpc"] and own.overlaps(network):
                yield Problem(f"{where}.cidr", f"{own} overlaps subnet {other} ({network})", "give each its own range")
        if own:
            seen.append((name, subnet["vpc"], own))
        if not re.fullmatch(re.escape(declaration.region) + "[a-z]", subnet["zone"]):
            fix = f"write a zone of {declaration.region}, as {declaration.region}a (or correct aws_region)"
            yield Problem(f"{where}.zone", f"`{subnet['zone']}` is no zone of {declaration.region}", fix)
    for table, entry in declaration.entries("aws_network_route_tables").items():
        for destination in entry.get("routes", {}):
            yield from _cidr(f"aws_network_route_tables.{table}.routes.{destination}", destination)
    yield from _acls(declaration)


def _acls(declaration: Declaration) -> Iterator[Problem]:
    for name, acl in declaration.entries("aws_network_acls").items():
        for direction in ("ingress", "egress"):
            for number, rule in acl.get(direction, {}).items():
                where = f"aws_network_acls.{name}.{direction}.{number}"
                if not number.isdigit() or not 1 <= int(number) <= 32766:
                    yield Problem(where, f"`{number}` is not a rule number", "choose one from 1 to 32766")
                yield from _cidr(f"{where}.cidr", rule["cidr"])
                ports = {key: rule[key] for key in ("from_port", "to_port") if key in rule}
                yield from _ports(where, rule["protocol"], ports, "from_port", "to_port")


def _ports(where: str, protocol: str, rule: Mapping[str, Any], first: str, last: str) -> Iterator[Problem]:
    given = [key for key in (first, last) if rule.get(key) is not None]
    if protocol not in ("tcp", "udp"):
        for key in given:
            yield Problem(
                f"{where}.{key}", f"protocol {protocol} has no ports", f"remove `{key}`, or choose tcp or udp"
            )
        return
    if first not in given:
        yield Problem(where, f"protocol {protocol} without `{first}`", f"add `{first}` (1 to 65535)")
    for key in given:
        if not 1 <= rule[key] <= 65535:
            yield Problem(f"{where}.{key}", f"{rule[key]} is not a port", "choose one from 1 to 65535")
    if len(given) == 2 and rule[first] > rule[last]:
        yield Problem(f"{where}.{last}", f"{rule[last]} lies before {rule[first]}", f"put the lower one into `{first}`")


def security(declaration: Declaration) -> Iterator[Problem]:
    """Rules are complete, name declared groups, and do not open SSH or a database to the world."""
    groups = declaration.entries("aws_security_groups")
    private = {_SSH_PORT: "SSH", declaration.value("aws_security_ssh_port", _SSH_PORT): "SSH", **_DATABASE_PORTS}
    for name, group in groups.items():
        if name == "default":
            yield Problem(f"aws_security_groups.{name}", "AWS keeps this name for itself", "choose another name")
        for direction in ("ingress", "egress"):
            for key, rule in group.get(direction, {}).items():
                where = f"aws_security_groups.{name}.{direction}.{key}"
                yield from _ports(where, rule["protocol"], rule, "port", "to_port")
                for other in rule.get("groups", []):
                    if other not in groups:
                        yield _missing(f"{where}.groups", other, "aws_security_groups", groups)
                for cidr in rule.get("cidrs", []):
                    yield from _cidr(f"{where}.cidrs", cidr)
                if not rule.get("cidrs") and not rule.get("groups"):
                    yield Problem(where, "names neither `cidrs` nor `groups`", _no_source(declaration, rule))
                elif direction == "ingress":
                    yield from _open_to_world(where, name, rule, private)


def _no_source(declaration: Declaration, rule: Mapping[str, Any]) -> str:
    if rule.get("port") == declaration.value("aws_security_ssh_port"):
        return (
            "set aws_security_admin_cidrs to the addresses of the administrators "
            "(inventories/<env>/hosts.yml); nobody could log in otherwise"
        )
    return "say where the traffic comes from"


def _open_to_world(where: str, group: str, rule: Mapping[str, Any], private: Mapping[int, str]) -> Iterator[Problem]:
    wide = [cidr for cidr in rule.get("cidrs", []) if (net := _network(cidr)) and net.prefixlen < 8]
    if not wide:
        return
    if rule["protocol"] == "all":
        fix = "name protocols and ports, or narrow `cidrs`"
        yield Problem(f"{where}.cidrs", "opens every port to the whole internet", fix)
    first = rule.get("port") or 0
    for port, service in private.items():
        if rule["protocol"] == "tcp" and first <= port <= (rule.get("to_port") or first):
            fix = (
                "name the administrators' ranges" if service == "SSH" else "name the group that may use it in `groups`"
            )
            yield Problem(f"{where}.cidrs", f"opens {service} ({port}) of group {group} to the whole internet", fix)


def compute(declaration: Declaration) -> Iterator[Problem]:
    """Type, architecture and image belong together; addresses are free and in their subnet."""
    subnets = declaration.entries("aws_network_subnets")
    images = declaration.value("aws_compute_images", {})
    elastic: dict[str, str] = {}
    private: dict[str, str] = {}
    for name, instance in declaration.entries("aws_compute_instances").items():
        where = f"aws_compute_instances.{name}"
        arm = bool(_ARM_TYPE.match(instance["type"]))
        if arm != (instance["architecture"] == "arm64"):
            real = "arm64" if arm else "x86_64"
            fix = f"set `architecture: {real}`, or choose a type of {instance['architecture']}"
            what = f"type {instance['type']} is {real}, the image for `{instance['architecture']}` would not start"
            yield Problem(f"{where}.architecture", what, fix)
        if "cpu_credits" in instance and not instance["type"].startswith("t"):
            fix = "write `cpu_credits: null` in the entry, or choose a t type"
            yield Problem(f"{where}.cpu_credits", f"type {instance['type']} has no CPU credits", fix)
        if instance["architecture"] not in images:
            yield _missing(f"{where}.architecture", instance["architecture"], "aws_compute_images", images)
        yield from _private_ip(where, instance, subnets, private, name)
        address = instance.get("elastic_ip")
        if address and address != "auto":
            yield from _elastic_ip(where, address, elastic, name)
    for name, pair in declaration.entries("aws_compute_key_pairs").items():
        if not re.match(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-\S+) \S+", pair["public_key"]):
            fix = "set aws_compute_public_key to the line of an OpenSSH .pub file (inventories/<env>/hosts.yml)"
            yield Problem(f"aws_compute_key_pairs.{name}.public_key", "is not an OpenSSH public key", fix)


def roles_and_functions(declaration: Declaration) -> Iterator[Problem]:
    """A host has a declared role and functions that go together. What functions there are, the argument specs say."""
    roles = declaration.value("aws_compute_roles", [])
    for name, instance in declaration.entries("aws_compute_instances").items():
        where = f"aws_compute_instances.{name}"
        if instance["role"] not in roles:
            fix = f"write one of {', '.join(roles)}, or add it to aws_compute_roles"
            yield Problem(f"{where}.role", f"`{instance['role']}` is not a declared role", fix)
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
        yield Problem(f"{where}.private_ip", f"`{address}` is not an IPv4 address", "write one as 172.31.0.10")
        return
    if address in taken:
        yield Problem(f"{where}.private_ip", f"{address} is also that of {taken[address]}", "give each its own")
    taken.setdefault(address, name)
    subnet = _network(subnets.get(instance["subnet"], {}).get("cidr", ""))
    # AWS keeps the first four and the last address of every subnet for itself.
    if subnet and (parsed not in subnet or parsed in (*(subnet[i] for i in range(4)), subnet[-1])):
        fix = f"choose one from {subnet[4]} to {subnet[-2]}"
        yield Problem(f"{where}.private_ip", f"{address} is not free for use in {instance['subnet']} ({subnet})", fix)


def _elastic_ip(where: str, address: str, taken: dict[str, str], name: str) -> Iterator[Problem]:
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        yield Problem(f"{where}.elastic_ip", f"`{address}` is not an IPv4 address", "write an address, or `auto`")
    if address in taken:
        fix = "an elastic IP belongs to one instance; write `auto` for a new one"
        yield Problem(f"{where}.elastic_ip", f"{address} is also that of {taken[address]}", fix)
    taken.setdefault(address, name)


def storage(declaration: Declaration) -> Iterator[Problem]:
    """Bucket names are ones that S3 takes."""
    for name, bucket in declaration.entries("aws_storage_buckets").items():
        where = f"aws_storage_buckets.{name}"
        if not _BUCKET.fullmatch(name):
            fix = "3 to 63 lower-case letters, digits, dots and hyphens, with a letter or digit at both ends"
            yield Problem(where, f"`{name}` is not a bucket name", fix)
        for prefix in bucket.get("prefixes", []):
            if not prefix.endswith("/") or prefix.startswith("/"):
                yield Problem(f"{where}.prefixes", f"`{prefix}` is not a folder", f"write `{prefix.strip('/')}/`")
        for rule_id, rule in bucket.get("lifecycle", {}).items():
            if not any(key in rule for key in ("expire_days", "noncurrent_days", "abort_multipart_days")):
                yield Problem(f"{where}.lifecycle.{rule_id}", "does nothing", "add one of its `…_days`")
    for name, role in declaration.entries("aws_iam_roles").items():
        for bucket, mode in role.get("buckets", {}).items():
            if mode not in ("read", "read_write"):
                yield Problem(f"aws_iam_roles.{name}.buckets.{bucket}", f"`{mode}` is no right", "read, or read_write")
        path = role.get("parameters")
        if path and not re.fullmatch(r"/([\w.-]+/)+", path):
            fix = "write a path with slashes at both ends, as /koin/prod/"
            yield Problem(f"aws_iam_roles.{name}.parameters", f"`{path}` is not a path", fix)


def _covers(certificate: Mapping[str, Any], alias: str) -> bool:
    names = [certificate["domain"], *certificate.get("alternative_names", [])]
    wildcard = f"*.{alias.partition('.')[2]}"
    return alias in names or wildcard in names


def cdn(declaration: Declaration) -> Iterator[Problem]:
    """Every alias is covered by its certificate, lies in a zone, and is used once."""
    certificates = declaration.entries("aws_cdn_certificates")
    for name, certificate in certificates.items():
        for domain in (certificate["domain"], *certificate["alternative_names"]):
            if zone_of(domain.removeprefix("*."), declaration) is None:
                fix = "declare its zone in aws_dns_zones: the certificate is validated there"
                yield Problem(f"aws_cdn_certificates.{name}", f"`{domain}` lies in no declared zone", fix)
    taken: dict[str, str] = {}
    for name, distribution in declaration.entries("aws_cdn_distributions").items():
        where = f"aws_cdn_distributions.{name}.aliases"
        if not distribution["aliases"]:
            yield Problem(where, "is empty", "name at least one domain: the distribution is recognised by it")
        for alias in distribution["aliases"]:
            if alias in taken:
                yield Problem(where, f"`{alias}` is also an alias of {taken[alias]}", "CloudFront allows it once")
            taken.setdefault(alias, name)
            if zone_of(alias, declaration) is None:
                yield Problem(where, f"`{alias}` lies in no declared zone", "declare its zone in aws_dns_zones")
            covering = certificates.get(distribution["certificate"])
            if covering and not _covers(covering, alias):
                fix = f"add it to aws_cdn_certificates.{distribution['certificate']}.alternative_names"
                yield Problem(where, f"`{alias}` is not covered by certificate {distribution['certificate']}", fix)


def records(declaration: Declaration) -> Iterator[Problem]:
    """Records lie in their zone, are unique by name and type, and have one kind of value."""
    for zone in declaration.entries("aws_dns_zones"):
        if zone != dotless(zone):
            yield Problem(f"aws_dns_zones.{zone}", "is not how Route 53 writes it", f"write `{dotless(zone)}`")
    seen: dict[tuple[str, str], str] = {}
    for name, distribution in declaration.entries("aws_cdn_distributions").items():
        for alias in distribution["aliases"]:
            for kind in ("A", "AAAA"):
                seen[(alias, kind)] = f"distribution {name}"
    hosts = declaration.entries("aws_compute_instances")
    for key, record in declaration.entries("aws_dns_records").items():
        where = f"aws_dns_records.{key}"
        name = dotless(record.get("name", key))
        if name != record["zone"] and not name.endswith(f".{record['zone']}"):
            fix = f"write a name that ends in {record['zone']}, or name its own zone"
            yield Problem(f"{where}.zone", f"`{name}` lies outside zone {record['zone']}", fix)
        other = seen.get((name, record["type"]))
        if other:
            yield Problem(where, f"{name} {record['type']} is declared by {other} too", "keep one of them")
        seen[(name, record["type"])] = f"aws_dns_records.{key}"
        if bool(record.get("host")) == bool(record.get("values")):
            yield Problem(where, "needs either `host` or `values`", "give exactly one of them")
        host = record.get("host")
        if host and record["type"] != "A":
            yield Problem(f"{where}.host", f"gives an IPv4 address, the type is {record['type']}", "write `type: A`")
        if host in hosts and not hosts[host].get("elastic_ip"):
            fix = f"add `elastic_ip: auto` to aws_compute_instances.{host}"
            yield Problem(f"{where}.host", f"{host} has no elastic IP, its address would change", fix)


_CHECKS: tuple[Callable[[Declaration], Iterator[Problem]], ...] = (
    references,
    network,
    security,
    compute,
    roles_and_functions,
    storage,
    cdn,
    records,
)


def validate(declaration: Declaration) -> list[Problem]:
    """Every problem that the declaration shows by itself."""
    return [problem for check in _CHECKS for problem in check(declaration)]


def against_account(declaration: Declaration, observation: Mapping[str, Any]) -> list[Problem]:
    """Problems that only the account shows: an instance type that its zone does not offer, an image that is missing."""
    offered = {(item["InstanceType"], item["Location"]) for item in observation["offerings"]}
    types = {kind for kind, _ in offered}
    ranges = {vpc["cidr"] for vpc in declaration.entries("aws_network_vpcs").values()}
    vpcs = {raw["VpcId"] for raw in observation["vpcs"] if raw["CidrBlock"] in ranges}
    zones = {raw["CidrBlock"]: raw["AvailabilityZone"] for raw in observation["subnets"] if raw["VpcId"] in vpcs}
    alive = {_name(raw) for raw in observation["instances"] if raw["State"]["Name"] != "terminated"}
    subnets = declaration.entries("aws_network_subnets")
    problems: list[Problem] = []
    for name, instance in declaration.entries("aws_compute_instances").items():
        where = f"aws_compute_instances.{name}"
        subnet = subnets[instance["subnet"]]
        # Where the subnet exists, its zone is what the account says.
        zone = zones.get(subnet["cidr"], subnet["zone"])
        if (instance["type"], zone) not in offered:
            others = sorted(where for kind, where in offered if kind == instance["type"])
            fix = f"choose a subnet in {', '.join(others)}" if others else "choose a type that AWS offers"
            what = f"{instance['type']} is not offered in {zone}"
            problems.append(Problem(f"{where}.{'subnet' if instance['type'] in types else 'type'}", what, fix))
        parameter = declaration.value("aws_compute_images", {}).get(instance["architecture"])
        if name not in alive and parameter not in observation["images"]:
            fix = f"correct aws_compute_images.{instance['architecture']}"
            problems.append(Problem(where, f"SSM has no parameter {parameter} to launch it from", fix))
    return [*problems, *_in_the_way(declaration, observation)]


def _in_the_way(declaration: Declaration, observation: Mapping[str, Any]) -> Iterator[Problem]:
    """Live records that Route 53 keeps a declared one from: a CNAME of that name, or routing policies."""
    zones = {raw["Id"].rsplit("/", 1)[-1]: dotless(raw["Name"]) for raw in observation["zones"]}
    live = [(zones.get(zone, ""), raw) for zone, records in observation["records"].items() for raw in records]
    for want in Record().desired(declaration):
        name, kind = want.entry["name"], want.entry["type"]
        for zone, raw in live:
            if zone != want.entry["zone"] or dotless(raw["Name"]) != name:
                continue
            where = f"record {want.name}"
            if raw.get("SetIdentifier") and raw["Type"] == kind:
                fix = "delete those records in the account, or remove this one from the declaration"
                yield Problem(where, f"the zone has {kind} records of that name with a routing policy", fix)
            elif (raw["Type"] == "CNAME") != (kind == "CNAME"):
                fix = f"delete the {raw['Type']} record in the account, or remove this one from the declaration"
                yield Problem(where, f"the zone has a {raw['Type']} of that name, which Route 53 lets stand alone", fix)


def _name(raw: Mapping[str, Any]) -> str:
    return next((tag["Value"] for tag in raw.get("Tags") or [] if tag["Key"] == "Name"), "")


def wrong_account(declared: str, observed: str) -> Sequence[Problem]:
    """The account that the credentials open is the one that is declared."""
    if declared and declared != observed:
        fix = "use the credentials (AWS_PROFILE) of the declared account, or correct aws_account_id"
        return [Problem("aws_account_id", f"{declared} is declared, the credentials open {observed}", fix)]
    return []
