"""Mistakes in the aws_* variables: each is said once, with where it stands, what is valid, and what to write.

A row breaks the declaration in one place. Nothing else may be said: neither of what follows from the mistake, nor of
each entry that takes it from the defaults.
"""

# ruff: noqa: RUF001 - characters that look like others are what some of this is about
from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from ansible.module_utils.platform.engine.errors import DeclarationError, Problem
from ansible.module_utils.platform.engine.workflow import declaration_of
from ansible.module_utils.platform.kinds import KINDS
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from rehearsal import REPOSITORY
from tests.support.edits import Change, put, rename
from tests.support.platform import declared, fixture, specs

HOSTS, SUBNETS, GROUPS = "aws_compute_instances", "aws_network_subnets", "aws_security_groups"
ALARM = ("aws_monitoring_instance_alarms", "disk")
DEFAULTS, PROD = "aws_compute_instance_defaults", (HOSTS, "KOIN_PROD")
RULE = (GROUPS, "Web", "ingress", "x")
BUCKET = ("aws_storage_buckets", "kap-test")
KEY = ("aws_compute_key_pairs", "koin", "public_key")
RECORD = ("aws_dns_records", "x.koreatech.in")
ACL = ("aws_network_acls", "BCSDLab-open", "ingress")
WORLD = ["0.0.0.0/0"]
TCP = {"protocol": "tcp", "port": 8081, "cidrs": WORLD}
PRIVATE_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----"
RSA_1024 = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ" + "C7" * 64 + "w== old"


def record(kind: str, *values: str, name: str = "x.koreatech.in", zone: str = "koreatech.in", **more: Any) -> Change:
    """A record of literal values."""
    return put("aws_dns_records", name, value={"zone": zone, "type": kind, "values": list(values), **more})


def rule(**changed: Any) -> Change:
    """One more inbound rule of group Web."""
    return put(*RULE, value={key: value for key, value in (TCP | changed).items() if value is not None})


def cors(**changed: Any) -> Change:
    """A CORS rule."""
    return put(*BUCKET, "cors", "upload", value={"methods": ["GET"], "origins": ["https://koreatech.in"]} | changed)


def group(name: str) -> Change:
    """One more security group."""
    return put(GROUPS, name, value={"vpc": "BCSDLab", "description": "x", "ingress": {}, "egress": {}})


def both(*changes: Change) -> Change:
    """What is one mistake, and takes two edits."""

    def change(raw: dict[str, Any]) -> None:
        for one in changes:
            one(raw)

    return change


def admins(*cidrs: str) -> Change:
    """Administrators from other ranges; the group SSH follows them."""
    rules = {"ssh": {"protocol": "tcp", "port": 22222, "cidrs": list(cidrs)}}
    return both(put("aws_security_admin_cidrs", value=list(cidrs)), put(GROUPS, "SSH", "ingress", value=rules))


def subnet(name: str, cidr: str, vpc: str = "BCSDLab") -> Change:
    """One more subnet."""
    return put(SUBNETS, name, value={"vpc": vpc, "cidr": cidr, "zone": "ap-northeast-2a", "map_public_ip": True})


def typed(kind: str) -> Change:
    """KOIN_PROD of a type that has no CPU credits."""
    return both(put(*PROD, "type", value=kind), put(*PROD, "cpu_credits", value=None))


OTHER_VPC = both(
    put("aws_network_vpcs", "Other", value={"cidr": "10.9.0.0/16"}), subnet("other", "10.9.0.0/20", vpc="Other")
)

# (what the row is about, change, where the problem is said to be, parts of the answer)
ROWS: list[tuple[str, Change, str, list[str]]] = [
    # --- Types
    ("port-range-as-text", rule(port="80-90"), "aws_security_groups.Web.ingress.x.port",
     ["`80-90` is not a whole number", "write `port: 80` and `to_port: 90`", "Port; for tcp and udp only"]),
    ("unit", put(DEFAULTS, "root_volume", "size", value="20GB"), f"{DEFAULTS}.root_volume.size",
     ["`20GB` is not a whole number", "write 20", "Size in GiB"]),
    ("choice-in-defaults", put(DEFAULTS, "state", value="maybe"), f"{DEFAULTS}.state",
     ["not one of running, stopped", "Whether the instance runs"]),
    ("choice-in-capitals", put(*PROD, "state", value="Running"), "aws_compute_instances.KOIN_PROD.state",
     ["write `running`"]),
    ("truth-as-text", put(*PROD, "termination_protection", value="maybe"),
     "aws_compute_instances.KOIN_PROD.termination_protection", ["not true or false", "refuses to terminate"]),
    ("list-as-text", put(*PROD, "security_groups", value="SSH, DB"),
     "aws_compute_instances.KOIN_PROD.security_groups", ["`SSH, DB` is not a list", "write [SSH, DB]"]),
    ("one-name-for-a-list", put(*PROD, "functions", value="edge"),
     "aws_compute_instances.KOIN_PROD.functions", ["write [edge]"]),
    ("list-for-a-mapping", put(*PROD, "metadata", value=["http_tokens: required"]),
     "aws_compute_instances.KOIN_PROD.metadata", ["a list is not a mapping", "write {http_tokens: required}"]),
    ("list-for-text", put(*PROD, "role", value=["PROD"]), "aws_compute_instances.KOIN_PROD.role",
     ["a list is not text"]),
    ("truth-for-text", put(*PROD, "profile", value=True), "aws_compute_instances.KOIN_PROD.profile", ["not text"]),
    ("nothing-for-a-name", put(*PROD, "subnet", value=None), "aws_compute_instances.KOIN_PROD",
     ["`subnet` is missing", "Declared subnet"]),
    ("mapping-for-a-list", put(*PROD, "security_groups", value={"SSH": {}}),
     "aws_compute_instances.KOIN_PROD.security_groups", ["a mapping is not a list"]),
    ("float-threshold", put(*ALARM, "threshold", value=float("nan")), "aws_monitoring_instance_alarms.disk.threshold",
     ["not a finite number"]),
    # --- Names of other things
    ("group", put(*PROD, "security_groups", value=["Web", "SHS"]), "aws_compute_instances.KOIN_PROD.security_groups",
     ["`SHS` is not declared", "declared: DB, DockerSwarm, SSH, Web", "write `SSH`"]),
    ("group-in-lower-case", put(*PROD, "security_groups", value=["web", "SSH"]),
     "aws_compute_instances.KOIN_PROD.security_groups", ["write `Web`"]),
    ("key-pair-of-the-defaults", put(DEFAULTS, "key_pair", value="kion"), f"{DEFAULTS}.key_pair", ["write `koin`"]),
    ("profile", put(*PROD, "profile", value="nobody"), "aws_compute_instances.KOIN_PROD.profile",
     ["declared: koin-build, koin-db, koin-internal, koin-prod, koin-stage"]),
    ("topic", put(*ALARM, "topic", value="koin-alarm"), "aws_monitoring_instance_alarms.disk.topic",
     ["write `koin-alarms`"]),
    ("distribution", put("aws_iam_roles", "koin-prod", "invalidates", value=["statik"]),
     "aws_iam_roles.koin-prod.invalidates", ["declared: image, static"]),
    ("lookalike", put(*PROD, "subnet", value="BCSDLаb-a"), "aws_compute_instances.KOIN_PROD.subnet",
     ["declared: BCSDLab-a, BCSDLab-b"]),
    ("role", put(*PROD, "role", value="PRDO"), "aws_compute_instances.KOIN_PROD.role",
     ["`PRDO` is not a declared role", "declared: BCSD_Build, INTERNAL, STAGE, PROD, DB", "write `PROD`"]),
    ("type-of-the-defaults", put(DEFAULTS, "type", value="t3aa.small"), f"{DEFAULTS}.type",
     ["`t3aa.small` is not an instance type", "write `t3a.small`", "t4g"]),
    ("type-size", put(*PROD, "type", value="t3a.smal"), "aws_compute_instances.KOIN_PROD.type", ["write `t3a.small`"]),
    ("type-in-capitals", put(*PROD, "type", value="T3A.SMALL"), "aws_compute_instances.KOIN_PROD.type",
     ["write `t3a.small`"]),
    ("type-without-size", put(*PROD, "type", value="t3a"), "aws_compute_instances.KOIN_PROD.type",
     ["write `t3a.small`"]),
    ("type-of-another-cloud", put(*PROD, "type", value="e2-small"), "aws_compute_instances.KOIN_PROD.type",
     ["is not an instance type"]),
    ("region-by-city", put("aws_region", value="seoul"), "aws_region", ["write ap-northeast-2 (Seoul)"]),
    ("region-slip", put("aws_region", value="ap-notheast-2"), "aws_region", ["write ap-northeast-2"]),
    ("zone-as-region", put("aws_region", value="ap-northeast-2a"), "aws_region", ["write ap-northeast-2 (Seoul)"]),
    ("another-region", put("aws_region", value="ap-northeast-1"), "aws_region",
     ["the zones of all subnets are in ap-northeast-2"]),
    ("zone-letter-only", put(SUBNETS, "BCSDLab-b", "zone", value="2b"), "aws_network_subnets.BCSDLab-b.zone",
     ["e.g. ap-northeast-2b"]),
    ("architecture", put(*PROD, "architecture", value="amd64"), "aws_compute_instances.KOIN_PROD.architecture",
     ["not one of x86_64, arm64"]),
    ("image-of-another-architecture", rename("aws_compute_images", "arm64", to="arm"), "aws_compute_images.arm",
     ["`arm` is not an architecture", "write `arm64`"]),
    ("right", put("aws_iam_roles", "koin-prod", "buckets", value={"kap-test": "rw"}),
     "aws_iam_roles.koin-prod.buckets.kap-test", ["known are read, read_write"]),
    ("bucket-that-two-name", rename(*BUCKET, to="Kap-Test"), "aws_storage_buckets.Kap-Test", ["write `kap-test`"]),
    ("key-pair-in-korean", rename("aws_compute_key_pairs", "koin", to="코인"), "aws_compute_key_pairs.코인",
     ["HANGUL"]),
    ("period-with-unit", put(*ALARM, "period", value="5m"), "aws_monitoring_instance_alarms.disk.period",
     ["write 300, without the unit"]),
    ("vpc-that-all-name", rename("aws_network_vpcs", "BCSDLab", to="BCSDLAB"), "aws_network_vpcs.BCSDLAB",
     ["nothing uses this name", "`BCSDLab`, which 11 entries use", "write `BCSDLab`"]),
    ("group-of-another-vpc-that-is-none", put(GROUPS, "SSH", "vpc", value="BCSDLb"), "aws_security_groups.SSH.vpc",
     ["write `BCSDLab`"]),
    # --- Names that AWS, DNS or the inventory takes
    ("host-in-korean", rename(HOSTS, "KOIN_DB", to="코인_DB"), "aws_compute_instances.코인_DB",
     ["`코` (HANGUL SYLLABLE KO)", "not ASCII"]),
    ("host-that-looks-right", rename(HOSTS, "KOIN_DB", to="KОIN_DB"), "aws_compute_instances.KОIN_DB",
     ["CYRILLIC CAPITAL LETTER O"]),
    ("host-with-a-space", rename(HOSTS, "KOIN_DB", to="KOIN DB"), "aws_compute_instances.KOIN DB",
     ["is not a name for a host"]),
    ("host-with-a-space-at-its-end", rename(HOSTS, "KOIN_DB", to="KOIN_DB "), "aws_compute_instances.KOIN_DB ",
     ["begins or ends with a space"]),
    ("host-with-emoji", rename(HOSTS, "KOIN_DB", to="KOIN_🐬"), "aws_compute_instances.KOIN_🐬", ["DOLPHIN"]),
    ("host-with-a-dot", rename(HOSTS, "KOIN_DB", to="koin.db"), "aws_compute_instances.koin.db",
     ["is not a name for a host"]),
    ("host-too-long", rename(HOSTS, "KOIN_DB", to="K" * 64), f"aws_compute_instances.{'K' * 64}",
     ["more than 63 characters"]),
    ("host-twice", put(HOSTS, "koin-prod", value={"role": "PROD", "subnet": "BCSDLab-a", "security_groups": ["SSH"]}),
     "aws_compute_instances.koin-prod", ["`koin-prod` and `KOIN_PROD` become the same host, koin-prod"]),
    ("host-in-another-case", put(HOSTS, "koin_prod", value=fixture()[HOSTS]["BCSD_Build"] | {"elastic_ip": "auto",
     "private_ip": None}), "aws_compute_instances.koin_prod", ["`koin_prod` and `KOIN_PROD` differ only in case"]),
    ("role-in-another-case", put("aws_iam_roles", "KOIN-prod", value={}), "aws_iam_roles.KOIN-prod",
     ["differ only in case"]),
    ("host-called-like-a-group", rename(HOSTS, "KOIN_DB", to="database"), "aws_compute_instances.database",
     ["which is the name of a group"]),
    ("role-that-is-no-group", put("aws_compute_roles", value=["BCSD_Build", "INTERNAL", "STAGE", "PROD", "DB", "A B"]),
     "aws_compute_roles.5", ["not the name of a group"]),
    ("security-group-in-korean", group("웹"), "aws_security_groups.웹", ["HANGUL"]),
    ("security-group-like-an-id", group("sg-web"), "aws_security_groups.sg-web", ["not the name of a security group"]),
    ("security-group-too-long", group("x" * 256), f"aws_security_groups.{'x' * 256}",
     ["256 characters", "at most 255"]),
    ("description-in-korean", put(GROUPS, "Web", "description", value="웹 서버"),
     "aws_security_groups.Web.description", ["not ASCII", "write it in English"]),
    ("iam-name", put("aws_iam_roles", "코인", value={"description": "x"}), "aws_iam_roles.코인", ["HANGUL"]),
    ("iam-name-too-long", put("aws_iam_roles", "x" * 65, value={}), f"aws_iam_roles.{'x' * 65}", ["at most 64"]),
    ("iam-description", put("aws_iam_roles", "koin-prod", "description", value="운영"),
     "aws_iam_roles.koin-prod.description", ["write it in English"]),
    ("boundary-name", put("aws_iam_role_defaults", value={"boundary": "코인"}), "aws_iam_role_defaults.boundary",
     ["HANGUL"]),
    ("topic-name", put("aws_monitoring_topics", "koin alarms", value={}), "aws_monitoring_topics.koin alarms",
     ["not the name of a topic"]),
    ("alarm-name", put("aws_monitoring_instance_alarms", "디스크", value=fixture()[ALARM[0]]["disk"]),
     "aws_monitoring_instance_alarms.디스크", ["HANGUL"]),
    ("distribution-name", put("aws_cdn_distributions", "a.b",
     value={"aliases": ["a.koreatech.in"], "bucket": "kap-test", "certificate": "koreatech.in"}),
     "aws_cdn_distributions.a.b", ["not the name of a distribution"]),
    ("bucket-with-a-dot", put("aws_storage_buckets", "kap.test", value={}), "aws_storage_buckets.kap.test",
     ["tls_only", "write `kap-test`"]),
    ("bucket-in-capitals", put("aws_storage_buckets", "KAP_new", value={}), "aws_storage_buckets.KAP_new",
     ["write `kap-new`"]),
    ("bucket-reserved", put("aws_storage_buckets", "kap-s3alias", value={}), "aws_storage_buckets.kap-s3alias",
     ["AWS reserves"]),
    ("bucket-in-korean", put("aws_storage_buckets", "버킷", value={}), "aws_storage_buckets.버킷", ["HANGUL"]),
    ("zone-in-korean", put("aws_dns_zones", "코인.kr", value={}), "aws_dns_zones.코인.kr", ["write `xn--"]),
    ("zone-with-scheme", put("aws_dns_zones", "https://bcsd.kr", value={}), "aws_dns_zones.https://bcsd.kr",
     ["write `bcsd.kr`"]),
    ("zone-without-domain", put("aws_dns_zones", "koin", value={}), "aws_dns_zones.koin", ["it has no domain"]),
    ("tag-of-aws", put("aws_tags", "aws:x", value="y"), "aws_tags.aws:x", ["AWS reserves"]),
    ("tag-name", put(*PROD, "tags", value={"Name": "X"}), "aws_compute_instances.KOIN_PROD.tags.Name",
     ["follows from the entry"]),
    ("tag-of-a-list", put(*PROD, "tags", value={"team": ["a"]}), "aws_compute_instances.KOIN_PROD.tags.team",
     ["not a tag value"]),
    # --- The network
    ("cidr-of-33", admins("172.31.0.0/33"), "aws_security_admin_cidrs.0",
     ["not an IPv4 range"]),
    ("vpc-too-large-with-host-bits", put("aws_network_vpcs", "BCSDLab", "cidr", value="172.31.0.0/15"),
     "aws_network_vpcs.BCSDLab.cidr", ["/15 is not a size that AWS allows: /16 to /28"]),
    ("vpc-too-large", put("aws_network_vpcs", "BCSDLab", "cidr", value="172.30.0.0/15"),
     "aws_network_vpcs.BCSDLab.cidr", ["/15 is not a size that AWS allows: /16 to /28"]),
    ("vpc-of-the-internet", put("aws_network_vpcs", "X", value={"cidr": "8.8.0.0/16"}), "aws_network_vpcs.X.cidr",
     ["is not private"]),
    ("vpc-overlap", put("aws_network_vpcs", "X", value={"cidr": "172.31.0.0/20"}), "aws_network_vpcs.X.cidr",
     ["overlaps VPC BCSDLab"]),
    ("vpc-id", put("aws_network_vpcs", "BCSDLab", "id", value="vpc-XYZ"), "aws_network_vpcs.BCSDLab.id",
     ["not the id of a VPC"]),
    ("subnet-too-small", subnet("x", "172.31.64.0/29"), "aws_network_subnets.x.cidr", ["/29 is not a size"]),
    ("host-bits", subnet("x", "172.31.64.1/24"), "aws_network_subnets.x.cidr", ["write 172.31.64.0/24"]),
    ("second-gateway", put("aws_network_internet_gateways", "x", value={"vpc": "BCSDLab"}),
     "aws_network_internet_gateways.x.vpc", ["a VPC has one internet gateway"]),
    ("subnet-of-two-tables", put("aws_network_route_tables", "x", value={"vpc": "BCSDLab", "subnets": ["BCSDLab-a"]}),
     "aws_network_route_tables.x.subnets", ["also named by BCSDLab-public"]),
    ("table-of-another-vpc", both(OTHER_VPC,
     put("aws_network_route_tables", "x", value={"vpc": "BCSDLab", "subnets": ["other"]})),
     "aws_network_route_tables.x.subnets", ["`other` is in VPC Other"]),
    ("port-0", rule(port=0), "aws_security_groups.Web.ingress.x.port", ["0 is not a port"]),
    ("ssh-port", put("aws_security_ssh_port", value=70000), "aws_security_ssh_port", ["70000 is not a port"]),
    ("icmp-with-ports", rule(protocol="icmp"), "aws_security_groups.Web.ingress.x.port", ["has no ports"]),
    ("protocol-number", rule(protocol="6"), "aws_security_groups.Web.ingress.x.protocol",
     ["`6` is not one of all, tcp, udp, icmp, esp"]),
    ("protocol-in-capitals", rule(protocol="TCP"), "aws_security_groups.Web.ingress.x.protocol", ["write `tcp`"]),
    ("same-rule", rule(port=80), "aws_security_groups.Web.ingress.x", ["`tcp 80 with 0.0.0.0/0`, as http does"]),
    ("group-of-another-vpc", both(OTHER_VPC,
     put(GROUPS, "x", value={"vpc": "Other", "ingress": {"a": TCP | {"cidrs": [], "groups": ["Web"]}}})),
     "aws_security_groups.x.ingress.a.groups", ["`Web` is in VPC BCSDLab"]),
    ("admins-everywhere", admins(*WORLD), "aws_security_admin_cidrs.0",
     ["most of the internet"]),
    ("admins-by-ipv6", admins("::/0"), "aws_security_admin_cidrs.0",
     ["not an IPv4 range"]),
    ("admins-of-a-wide-range", admins("128.0.0.0/1"), "aws_security_admin_cidrs.0",
     ["most of the internet"]),
    ("admin-without-length", admins("52.78.46.60"), "aws_security_admin_cidrs.0",
     ["write 52.78.46.60/32"]),
    ("nobody-can-log-in", put(HOSTS, "KOIN_DB", "security_groups", value=["DB"]),
     "aws_compute_instances.KOIN_DB.security_groups", ["none of DB allows tcp 22222 from", "add SSH"]),
    ("no-group-at-all", put(HOSTS, "KOIN_DB", "security_groups", value=[]),
     "aws_compute_instances.KOIN_DB.security_groups", ["no security group allows tcp 22222 from"]),
    ("acl-number-with-zero", put(*ACL, "0100", value={"protocol": "tcp", "action": "deny", "cidr": "10.0.0.0/8",
     "from_port": 1}), "aws_network_acls.BCSDLab-open.ingress.0100", ["not a rule number"]),
    ("acl-ports-as-text", put(*ACL, "90", value={"protocol": "tcp", "action": "deny", "cidr": "10.0.0.0/8",
     "from_port": "80-90"}), "aws_network_acls.BCSDLab-open.ingress.90.from_port",
     ["write `from_port: 80` and `to_port: 90`"]),
    ("acl-same", put(*ACL, "200", value={"protocol": "all", "action": "deny", "cidr": "0.0.0.0/0"}),
     "aws_network_acls.BCSDLab-open.ingress.200", ["the same packets as rule 100"]),
    # --- Hosts
    ("key-garbage", put(*KEY, value="ssh-ed25519 AAAA"), "aws_compute_key_pairs.koin.public_key",
     ["not a whole ssh-ed25519 key"]),
    ("key-of-another-type", put(*KEY, value=fixture()[KEY[0]]["koin"]["public_key"].replace("ssh-ed25519", "ssh-rsa")),
     "aws_compute_key_pairs.koin.public_key", ["says ssh-rsa, but holds another type"]),
    ("key-too-short", put(*KEY, value=RSA_1024), "aws_compute_key_pairs.koin.public_key", ["ssh-rsa"]),
    ("key-in-front-of-which-something-stands", put(*KEY, value=f"koin {fixture()[KEY[0]]['koin']['public_key']}"),
     "aws_compute_key_pairs.koin.public_key", ["begins with `koin`"]),
    ("private-key", put(*KEY, value=PRIVATE_KEY), "aws_compute_key_pairs.koin.public_key", ["is a PRIVATE key"]),
    ("no-key", put(*KEY, value=""), "aws_compute_key_pairs.koin.public_key", ["set aws_compute_public_key"]),
    ("elastic-ip-private", put(*PROD, "elastic_ip", value="172.31.0.20"), "aws_compute_instances.KOIN_PROD.elastic_ip",
     ["not a public address"]),
    ("elastic-ip-loopback", put(*PROD, "elastic_ip", value="127.0.0.1"), "aws_compute_instances.KOIN_PROD.elastic_ip",
     ["not a public address"]),
    ("elastic-ip-with-length", put(*PROD, "elastic_ip", value="52.78.46.60/32"),
     "aws_compute_instances.KOIN_PROD.elastic_ip", ["not an IPv4 address"]),
    ("volume-of-nothing", put(*PROD, "root_volume", value={"size": 0}),
     "aws_compute_instances.KOIN_PROD.root_volume.size", ["from 1 to 16384"]),
    ("volume-type", put(DEFAULTS, "root_volume", "type", value="gp4"), f"{DEFAULTS}.root_volume.type",
     ["not one of gp2, gp3"]),
    ("volume-device", put(*PROD, "root_volume", value={"device": "xvda"}),
     "aws_compute_instances.KOIN_PROD.root_volume.device", ["write /dev/xvda"]),
    ("hops", put(DEFAULTS, "metadata", "hop_limit", value=0), f"{DEFAULTS}.metadata.hop_limit", ["from 1 to 64"]),
    ("user-data", put(*PROD, "user_data", value="runcmd: []"), "aws_compute_instances.KOIN_PROD.user_data",
     ["`#cloud-config`"]),
    ("group-twice", put(*PROD, "security_groups", value=["SSH", "SSH"]),
     "aws_compute_instances.KOIN_PROD.security_groups", ["`SSH` is listed twice"]),
    # --- Account
    ("short-passwords", put("aws_account_settings", "password_policy", "min_length", value=4),
     "aws_account_settings.password_policy.min_length", ["from 6 to 128"]),
    ("passwords-that-never-age", put("aws_account_settings", "password_policy", "max_age", value=0),
     "aws_account_settings.password_policy.max_age", ["from 1 to 1095"]),
    ("password-unit", put("aws_account_settings", "password_policy", "max_age", value="90d"),
     "aws_account_settings.password_policy.max_age", ["write 90"]),
    ("unknown-account-setting", put("aws_account_settings", "ebs_encrypt", value=True),
     "aws_account_settings", ["`ebs_encrypt` is not a known key", "ebs_encryption"]),
    ("trail-name", put("aws_account_trails", "감사", value={"bucket": "kap-test"}), "aws_account_trails.감사",
     ["3 to 128 letters"]),
    ("trail-bucket", put("aws_account_trails", "koin", value={"bucket": "kap-tset"}), "aws_account_trails.koin.bucket",
     ["write `kap-test`"]),
    ("flow-log-vpc", put("aws_account_flow_logs", "net", value={"vpc": "BCSD", "bucket": "kap-test"}),
     "aws_account_flow_logs.net.vpc", ["declared: BCSDLab"]),
    ("flow-log-interval",
     put("aws_account_flow_logs", "net", value={"vpc": "BCSDLab", "bucket": "kap-test", "interval": 300}),
     "aws_account_flow_logs.net.interval", ["not one of 60, 600"]),
    ("hsts", put("aws_cdn_headers_policies", "uploads", value={"hsts_max_age": -1}),
     "aws_cdn_headers_policies.uploads.hsts_max_age", ["from 0 to"]),
    ("no-header", put("aws_cdn_headers_policies", "uploads", value={}), "aws_cdn_headers_policies.uploads",
     ["sets no header"]),
    ("headers-policy", put("aws_cdn_distributions", "static", "headers_policy", value="upload"),
     "aws_cdn_distributions.static.headers_policy", ["`upload` is not declared in aws_cdn_headers_policies"]),
    # --- DNS
    ("a-of-a-name", record("A", "example.com"), f"{'.'.join(RECORD)}.values.0",
     ["`example.com` is not an IPv4 address", "`type: CNAME`"]),
    ("a-of-ipv6", record("A", "2001:db8::1"), f"{'.'.join(RECORD)}.values.0", ["write `type: AAAA`"]),
    ("aaaa-of-ipv4", record("AAAA", "52.78.46.60"), f"{'.'.join(RECORD)}.values.0", ["write `type: A`"]),
    ("a-short", record("A", "52.78.46"), f"{'.'.join(RECORD)}.values.0", ["not an IPv4 address"]),
    ("cname-at-the-top", record("CNAME", "a.example.com", name="bcsdlab.com", zone="bcsdlab.com"),
     "aws_dns_records.bcsdlab.com.type", ["the top of its zone"]),
    ("cname-of-an-address", record("CNAME", "52.78.46.60"), f"{'.'.join(RECORD)}.values.0", ["write `type: A`"]),
    ("cname-of-two", record("CNAME", "a.example.com", "b.example.com"), f"{'.'.join(RECORD)}.values",
     ["points to one name"]),
    ("cname-of-itself", record("CNAME", "x.koreatech.in."), f"{'.'.join(RECORD)}.values.0", ["points to itself"]),
    ("cname-beside-another", both(record("A", "52.78.46.60"),
     put("aws_dns_records", "twin", value={"zone": "koreatech.in", "name": "x.koreatech.in", "type": "CNAME",
     "values": ["a.example.com"]})), "aws_dns_records.twin", ["which DNS does not allow"]),
    ("mx-without-priority", record("MX", "mail.koreatech.in"), f"{'.'.join(RECORD)}.values.0",
     ["write both, e.g. `10 mail.koreatech.in`"]),
    ("mx-of-an-address", record("MX", "10 52.78.46.60"), f"{'.'.join(RECORD)}.values.0", ["is an IP address"]),
    ("txt-unquoted", record("TXT", "v=spf1 -all"), f"{'.'.join(RECORD)}.values.0", ["write '\"v=spf1 -all\"'"]),
    ("txt-too-long", record("TXT", f'"{"x" * 256}"'), f"{'.'.join(RECORD)}.values.0", ["255 each"]),
    ("ns-of-the-zone", record("NS", "ns.example.com", name="bcsdlab.com", zone="bcsdlab.com"),
     "aws_dns_records.bcsdlab.com.type", ["would cut the zone off"]),
    ("soa", record("SOA", "x"), "aws_dns_records.x.koreatech.in.type", ["`SOA` is not one of"]),
    ("srv", record("SRV", "10 5060 sip.koreatech.in"), f"{'.'.join(RECORD)}.values.0", ["priority, weight, port"]),
    ("caa", record("CAA", "letsencrypt.org"), f"{'.'.join(RECORD)}.values.0", ["0 issue"]),
    ("ttl", record("A", "52.78.46.60", ttl=-1), f"{'.'.join(RECORD)}.ttl", ["from 0 to 2147483647"]),
    ("ttl-of-all", put("aws_dns_records_ttl", value=3000000000), "aws_dns_records_ttl", ["from 0 to 2147483647"]),
    ("ttl-with-unit", put("aws_dns_records_ttl", value="5m"), "aws_dns_records_ttl", ["not a whole number"]),
    ("record-label-too-long", record("A", "52.78.46.60", name=f"{'x' * 64}.koreatech.in"),
     f"aws_dns_records.{'x' * 64}.koreatech.in", ["64 characters, a label at most 63"]),
    ("record-too-long", record("A", "52.78.46.60", name=f"{'a.' * 125}koreatech.in"),
     f"aws_dns_records.{'a.' * 125}koreatech.in", ["a DNS name at most 253"]),
    ("record-with-underscore", record("A", "52.78.46.60", name="my_host.koreatech.in"),
     "aws_dns_records.my_host.koreatech.in", ["`my_host` is not a label"]),
    ("record-in-korean", record("A", "52.78.46.60", name="코인.koreatech.in"), "aws_dns_records.코인.koreatech.in",
     ["write `xn--"]),
    ("record-wildcard", record("A", "52.78.46.60", name="a.*.koreatech.in"), "aws_dns_records.a.*.koreatech.in",
     ["leftmost"]),
    ("record-of-another-zone", both(put("aws_dns_zones", "stage.koreatech.in", value={}),
     record("A", "52.78.46.60", name="a.stage.koreatech.in")), "aws_dns_records.a.stage.koreatech.in.zone",
     ["write `stage.koreatech.in`"]),
    ("record-twice-the-value", record("A", "52.78.46.60", "52.78.46.60"), f"{'.'.join(RECORD)}.values",
     ["is listed twice"]),
    # --- Certificates and distributions
    ("certificate-wildcard", put("aws_cdn_certificates", "koreatech.in", "alternative_names",
     value=["*.koreatech.in", "a.*.koreatech.in"]), "aws_cdn_certificates.koreatech.in.alternative_names.1",
     ["leftmost"]),
    ("certificate-scheme", put("aws_cdn_certificates", "x", value={"domain": "https://koreatech.in"}),
     "aws_cdn_certificates.x.domain", ["write `koreatech.in`"]),
    ("certificate-of-many", put("aws_cdn_certificates", "x", value={"domain": "koreatech.in",
     "alternative_names": [f"a{number}.koreatech.in" for number in range(10)]}),
     "aws_cdn_certificates.x.alternative_names", ["has 11 names, ACM allows 10"]),
    ("alias-with-underscore", put("aws_cdn_distributions", "static", "aliases", value=["my_static.koreatech.in"]),
     "aws_cdn_distributions.static.aliases.0", ["not a label"]),
    ("alias-in-capitals", put("aws_cdn_distributions", "static", "aliases", value=["Static.koreatech.in"]),
     "aws_cdn_distributions.static.aliases.0", ["write `static.koreatech.in`"]),
    ("distribution-id", put("aws_cdn_distributions", "static", "id", value="e1qroab9pho2z"),
     "aws_cdn_distributions.static.id", ["not the id of a distribution"]),
    ("distribution-id-twice", put("aws_cdn_distributions", "image", "id", value="E1QROAB9PHO2Z"),
     "aws_cdn_distributions.image.id", ["already used by static"]),
    ("root-object", put("aws_cdn_distribution_defaults", "default_root_object", value="/index.html"),
     "aws_cdn_distribution_defaults.default_root_object", ["e.g. index.html"]),
    ("cache-policy", put("aws_cdn_distribution_defaults", "cache_policy", value="CachingOptimized"),
     "aws_cdn_distribution_defaults.cache_policy", ["658327ea-f89d-4fab-a63d-7e88639e58f6"]),
    ("price-class", put("aws_cdn_distribution_defaults", "price_class", value="PriceClass_300"),
     "aws_cdn_distribution_defaults.price_class", ["PriceClass_100, PriceClass_200, PriceClass_All"]),
    ("minimum-tls", put("aws_cdn_distribution_defaults", "minimum_tls", value="TLSv1.2"),
     "aws_cdn_distribution_defaults.minimum_tls", ["TLSv1.2_2021"]),
    # --- Buckets
    ("origin-with-path", put("aws_storage_web_origins", value=["https://koreatech.in/"]), "aws_storage_web_origins.0",
     ["it has a path", "write `https://koreatech.in`"]),
    ("origin-without-scheme", cors(origins=["koreatech.in"]), "aws_storage_buckets.kap-test.cors.upload.origins.0",
     ["write `https://koreatech.in`"]),
    ("cors-without-origin", cors(origins=[]), "aws_storage_buckets.kap-test.cors.upload.origins", ["is empty"]),
    ("cors-method", cors(methods=["get"]), "aws_storage_buckets.kap-test.cors.upload.methods.0", ["write `GET`"]),
    ("cors-method-of-http", cors(methods=["OPTIONS"]), "aws_storage_buckets.kap-test.cors.upload.methods.0",
     ["GET, HEAD, PUT, POST, DELETE"]),
    ("cors-expose", cors(expose=["*"]), "aws_storage_buckets.kap-test.cors.upload.expose.0", ["not allowed here"]),
    ("cors-max-age", cors(max_age=-1), "aws_storage_buckets.kap-test.cors.upload.max_age", ["from 0 to"]),
    ("lifecycle-days", put(*BUCKET, "lifecycle", "x", value={"prefix": "tmp/", "expire_days": 0}),
     "aws_storage_buckets.kap-test.lifecycle.x.expire_days", ["write 1 or more"]),
    ("lifecycle-twice", put(*BUCKET, "lifecycle", "x", value={"noncurrent_days": 60}),
     "aws_storage_buckets.kap-test.lifecycle.x.noncurrent_days", ["same objects as expire-old-versions"]),
    # --- Roles, mail, alarms
    ("append-without-versions", both(
        put(*BUCKET, "versioning", value=False),
        put("aws_iam_roles", "koin-prod", "buckets", value={"kap-test": "append"}),
    ), "aws_iam_roles.koin-prod.buckets.kap-test", ["keeps no old versions", "`versioning: true`"]),
    ("parameters", put("aws_iam_roles", "koin-prod", "parameters", value="/koin/prod"),
     "aws_iam_roles.koin-prod.parameters", ["write /koin/prod/"]),
    ("parameters-of-aws", put("aws_iam_roles", "koin-prod", "parameters", value="/aws/koin/"),
     "aws_iam_roles.koin-prod.parameters", ["like /koin/prod/"]),
    ("mail", put("aws_monitoring_topics", "koin-alarms", "emails", value=["koin.at.bcsd"]),
     "aws_monitoring_topics.koin-alarms.emails.0", ["`koin.at.bcsd` is not a mail address"]),
    ("mail-without-domain", put("aws_monitoring_topics", "koin-alarms", "emails", value=["koin@bcsd"]),
     "aws_monitoring_topics.koin-alarms.emails.0", ["not a mail address"]),
    ("period", put(*ALARM, "period", value=45), "aws_monitoring_instance_alarms.disk.period", ["multiple of 60"]),
    ("long-alarm", put(*ALARM, "evaluation_periods", value=300),
     "aws_monitoring_instance_alarms.disk.evaluation_periods", ["at most 288 periods of 300 seconds"]),
    ("statistic", put(*ALARM, "statistic", value="p99"), "aws_monitoring_instance_alarms.disk.statistic",
     ["Average, Maximum, Minimum, SampleCount, Sum"]),
    ("missing-data", put(*ALARM, "missing_data", value="notbreaching"),
     "aws_monitoring_instance_alarms.disk.missing_data", ["write `notBreaching`"]),
    ("comparison", put(*ALARM, "comparison", value=">"), "aws_monitoring_instance_alarms.disk.comparison",
     ["GreaterThanThreshold"]),
    # --- The account
    ("account-short", put("aws_account_id", value="1234"), "aws_account_id", ["12 digits in quotes"]),
    ("account-with-hyphens", put("aws_account_id", value="1234-5678-9012"), "aws_account_id",
     ['write "123456789012"']),
    ("account-without-its-zeros", put("aws_account_id", value=12345678901), "aws_account_id", ["lost without quotes"]),
    ("account-empty", put("aws_account_id", value=""), "aws_account_id",
     ["whatever account the credentials are for", 'aws_account_id: "123456789012"',
      "inventories/production/hosts.yml"]),
]  # fmt: skip


def said(change: Change) -> list[Problem]:
    """What the check says of a declaration with one change."""
    raw = fixture()
    change(raw)
    try:
        declaration_of(raw, specs(), KINDS)
    except DeclarationError as error:
        return error.problems
    return []


@pytest.mark.parametrize(("change", "where", "parts"), [pytest.param(*row[1:], id=row[0]) for row in ROWS])
def test_a_mistake_is_said_once_with_what_to_write(change: Change, where: str, parts: list[str]) -> None:
    problems = said(change)
    assert [problem.where for problem in problems] == [where], problems
    assert all(part in str(problems[0]) for part in parts), problems
    assert "ansible-doc" not in str(problems[0])


def test_a_private_key_is_never_repeated() -> None:
    assert "b3BlbnNzaC1" not in "".join(map(str, said(put(*KEY, value=PRIVATE_KEY))))
    assert "b3BlbnNzaC1" not in "".join(map(str, said(put("aws_compute_public_key", value=PRIVATE_KEY))))


#: what somebody may write anywhere
WEIRD: list[Any] = [None, [], {}, "x y", -1, True, 1.5, [[]], [{}], {"a": []}, {"a": None}, ["a", 1, None], "", "."]


def _places(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every key."""
    for key, inner in value.items() if isinstance(value, dict) else ():
        yield (*path, key)
        yield from _places(inner, (*path, key))


@pytest.mark.parametrize("variable", sorted(fixture()))
def test_no_value_makes_the_check_itself_fail(variable: str) -> None:
    content = fixture()[variable]
    if isinstance(content, dict):  # One entry stands for all.
        content = dict(list(content.items())[:1])
    places = [(variable,), *((variable, *place) for place in _places(content))]
    for place in places:
        for weird in WEIRD:
            assert isinstance(said(put(*place, value=weird)), list)


def test_mistakes_of_every_sort_are_said_at_once() -> None:
    """Those of types and those of formats; whether parts fit each other is asked when these are right."""
    changes = both(put(*PROD, "state", value="maybe"), record("A", "52.78.46.60", ttl=-1), rule(port=70000))
    places = {problem.where for problem in said(changes)}
    assert {"aws_compute_instances.KOIN_PROD.state", "aws_dns_records.x.koreatech.in.ttl"} <= places


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(put(*ACL, "90", value={"protocol": "tcp", "action": "deny", "cidr": "10.0.0.0/8", "from_port": 1}),
                     id="acl-rule"),
        pytest.param(record("TXT", '"v=spf1 include:_spf.google.com ~all"'), id="txt"),
        pytest.param(record("TXT", '"v=DKIM1" "p=abc"', name="k1._domainkey.koreatech.in"), id="txt-of-two"),
        pytest.param(record("CNAME", "_x.acm-validations.aws.", name="_y.koreatech.in"), id="cname"),
        pytest.param(record("CNAME", "ghs.example.com", name="*.old.koreatech.in"), id="wildcard"),
        pytest.param(record("MX", "1 aspmx.l.google.com.", "5 alt1.aspmx.l.google.com."), id="mx"),
        pytest.param(record("NS", "ns1.example.com", name="sub.koreatech.in"), id="delegation"),
        pytest.param(record("SRV", "10 5 5060 sip.koreatech.in", name="_sip._tcp.koreatech.in"), id="srv"),
        pytest.param(record("CAA", '0 issue "letsencrypt.org"'), id="caa"),
        pytest.param(record("AAAA", "2001:db8::1"), id="aaaa"),
        pytest.param(record("A", "52.78.46.60", ttl=0), id="ttl"),
        pytest.param(cors(origins=["https://*.koreatech.in", "http://localhost:3000", "*"]), id="origins"),
        pytest.param(typed("m7i-flex.large"), id="type-flex"),
        pytest.param(typed("c7i.metal-24xl"), id="metal"),
        pytest.param(put(*PROD, "private_ip", value="172.31.0.4"), id="first-address"),
        pytest.param(put("aws_monitoring_topics", "koin-alarms", "emails", value=["a.b+c@koreatech.ac.kr"]), id="mail"),
        pytest.param(admins("52.0.0.0/8", "210.94.1.2/32"), id="admins"),
        pytest.param(put(*ALARM, "period", value=3600), id="hours"),
        pytest.param(put("aws_account_id", value="012345678901"), id="zero"),
        pytest.param(both(put("aws_account_id", value=""),
                          put("aws_environment", value={"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})), id="rehearsal"),
    ],
)  # fmt: skip
def test_what_is_right_passes(change: Change) -> None:
    assert said(change) == []


@pytest.mark.parametrize(
    ("answer", "again"),
    [
        ("(UnauthorizedOperation) when calling the RunInstances operation: You are not authorized", False),
        ("(InstanceLimitExceeded) when calling the RunInstances operation: You have requested more", False),
        ("Value (koin-prod) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name", True),
        ("Value (koin-prod) for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN", True),
    ],
)
def test_only_what_passes_is_launched_again(answer: str, again: bool) -> None:
    tasks = yaml.safe_load((REPOSITORY / "roles/aws_compute/tasks/launch.yml").read_text())
    until = next(task["until"] for task in tasks if task["name"] == "Launch | Launch the instances")
    result = {"failed": True, "msg": f"create instance KOIN_PROD: An error occurred {answer}"}
    templar = Templar(DataLoader(), variables={"__aws_compute_launch": result})
    assert templar.evaluate_conditional(trust_as_template(until)) is not again


def test_the_declarations_of_both_inventories_are_good() -> None:
    declaration_of(declared(), specs(), KINDS)
    production = declared("production")
    filled = {name: declared()[name] for name in ("aws_account_id", "aws_security_admin_cidrs", "aws_security_groups")}
    declaration_of(production | filled, specs(), KINDS)


def test_what_an_operator_has_to_fill_in_for_production_is_all_that_is_wrong_there() -> None:
    raw = declared("production") | {"aws_compute_key_pairs": {"koin": {"public_key": ""}}}
    with pytest.raises(DeclarationError) as raised:
        declaration_of(json.loads(json.dumps(raw)), specs(), KINDS)
    assert {problem.where for problem in raised.value.problems} == {
        "aws_account_id",
        "aws_compute_key_pairs.koin.public_key",
        "aws_security_groups.SSH.ingress.ssh",
    }
