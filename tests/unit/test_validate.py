"""Bad input: each row breaks the declaration in one place and gives where, and what of the answer."""

from __future__ import annotations

import pytest
from ansible.module_utils.platform.engine.errors import DeclarationError
from ansible.module_utils.platform.engine.workflow import declaration_of
from ansible.module_utils.platform.kinds import KINDS

from tests.support.edits import Change, drop, put
from tests.support.platform import declared, fixture, specs

RULE = ("aws_security_groups", "Web", "ingress", "x")
WORLD = ["0.0.0.0/0"]
PROD = ("aws_compute_instances", "KOIN_PROD")

# (what the row is about, change, where the problem is said to be, a part of the answer)
ROWS: list[tuple[str, Change, str, str]] = [
    (
        "overlap",
        put("aws_network_subnets", "BCSDLab-b", "cidr", value="172.31.8.0/21"),
        "aws_network_subnets.BCSDLab-b.cidr",
        "172.31.8.0/21 overlaps subnet BCSDLab-a (172.31.0.0/20)",
    ),
    (
        "outside",
        put("aws_network_subnets", "BCSDLab-d", "cidr", value="10.0.0.0/20"),
        "aws_network_subnets.BCSDLab-d.cidr",
        "is outside the VPC BCSDLab (172.31.0.0/16)",
    ),
    (
        "host-bits",
        put("aws_network_subnets", "BCSDLab-d", "cidr", value="172.31.48.1/20"),
        "aws_network_subnets.BCSDLab-d.cidr",
        "write 172.31.48.0/20",
    ),
    (
        "zone",
        put("aws_network_subnets", "BCSDLab-a", "zone", value="ap-northeast-1a"),
        "aws_network_subnets.BCSDLab-a.zone",
        "write a zone of ap-northeast-2",
    ),
    (
        "unknown-vpc",
        put("aws_network_subnets", "BCSDLab-a", "vpc", value="BCSDLAB"),
        "aws_network_subnets.BCSDLab-a.vpc",
        "`BCSDLAB` is not declared in aws_network_vpcs",
    ),
    (
        "unknown-gateway",
        put("aws_network_route_tables", "BCSDLab-public", "routes", "0.0.0.0/0", "internet_gateway", value="igw"),
        "aws_network_route_tables.BCSDLab-public.routes.0.0.0.0/0.internet_gateway",
        "not declared in aws_network_internet_gateways",
    ),
    (
        "unknown-group-in-rule",
        put(*RULE, value={"protocol": "tcp", "port": 81, "groups": ["DockerSwam"]}),
        "aws_security_groups.Web.ingress.x.groups",
        "write `DockerSwarm`",
    ),
    (
        "port-range",
        put(*RULE, value={"protocol": "tcp", "port": 70000, "cidrs": WORLD}),
        "aws_security_groups.Web.ingress.x.port",
        "70000 is not a port",
    ),
    (
        "port-missing",
        put(*RULE, value={"protocol": "udp", "cidrs": WORLD}),
        "aws_security_groups.Web.ingress.x",
        "add `port`",
    ),
    (
        "port-of-esp",
        put(*RULE, value={"protocol": "esp", "port": 50, "groups": ["Web"]}),
        "aws_security_groups.Web.ingress.x.port",
        "protocol esp has no ports",
    ),
    (
        "ports-reversed",
        put(*RULE, value={"protocol": "tcp", "port": 90, "to_port": 80, "cidrs": WORLD}),
        "aws_security_groups.Web.ingress.x.to_port",
        "80 comes before 90",
    ),
    (
        "protocol",
        put(*RULE, value={"protocol": "sctp", "port": 1, "cidrs": WORLD}),
        "aws_security_groups.Web.ingress.x.protocol",
        "`sctp` is not one of",
    ),
    (
        "ssh-to-world",
        put("aws_security_groups", "SSH", "ingress", "ssh", "cidrs", value=WORLD),
        "aws_security_groups.SSH.ingress.ssh.cidrs",
        "opens SSH (22222)",
    ),
    (
        "old-ssh-to-world",
        put(*RULE, value={"protocol": "tcp", "port": 22, "cidrs": WORLD}),
        "aws_security_groups.Web.ingress.x.cidrs",
        "opens SSH (22)",
    ),
    (
        "ssh-inside-a-range-to-world",
        put(*RULE, value={"protocol": "tcp", "port": 1, "to_port": 65535, "cidrs": WORLD}),
        "aws_security_groups.Web.ingress.x.cidrs",
        "opens MySQL (3306)",
    ),
    (
        "db-to-world",
        put("aws_security_groups", "DB", "ingress", "mysql", value={"protocol": "tcp", "port": 3306, "cidrs": WORLD}),
        "aws_security_groups.DB.ingress.mysql.cidrs",
        "opens MySQL (3306)",
    ),
    (
        "everything-to-world",
        put(*RULE, value={"protocol": "all", "cidrs": WORLD}),
        "aws_security_groups.Web.ingress.x.cidrs",
        "opens every port",
    ),
    (
        "no-admins",
        put("aws_security_groups", "SSH", "ingress", "ssh", "cidrs", value=[]),
        "aws_security_groups.SSH.ingress.ssh",
        "set aws_security_admin_cidrs",
    ),
    (
        "architecture",
        put(*PROD, "type", value="t4g.small"),
        "aws_compute_instances.KOIN_PROD.architecture",
        "type t4g.small is arm64",
    ),
    (
        "architecture-of-x86",
        put("aws_compute_instances", "BCSDLAB_INTERNAL", "type", value="t3a.small"),
        "aws_compute_instances.BCSDLAB_INTERNAL.architecture",
        "type t3a.small is x86_64",
    ),
    (
        "duplicate-elastic-ip",
        put(*PROD, "elastic_ip", value="54.180.57.106"),
        "aws_compute_instances.KOIN_DB.elastic_ip",
        "54.180.57.106 is already used by KOIN_PROD",
    ),
    (
        "duplicate-private-ip",
        put(*PROD, "private_ip", value="172.31.0.10"),
        "aws_compute_instances.KOIN_PROD.private_ip",
        "172.31.0.10 is already used by BCSD_Build",
    ),
    (
        "private-ip-of-another-subnet",
        put(*PROD, "private_ip", value="172.31.16.77"),
        "aws_compute_instances.KOIN_PROD.private_ip",
        "choose one from 172.31.0.4 to 172.31.15.254",
    ),
    (
        "private-ip-that-aws-keeps",
        put(*PROD, "private_ip", value="172.31.0.2"),
        "aws_compute_instances.KOIN_PROD.private_ip",
        "is not free for use",
    ),
    (
        "elastic-ip",
        put(*PROD, "elastic_ip", value="52.78.46"),
        "aws_compute_instances.KOIN_PROD.elastic_ip",
        "write an address, or `auto`",
    ),
    (
        "public-key",
        put("aws_compute_key_pairs", "koin", "public_key", value="~/.ssh/id_ed25519.pub"),
        "aws_compute_key_pairs.koin.public_key",
        "the line of an OpenSSH .pub file",
    ),
    (
        "duplicate-alias",
        put("aws_cdn_distributions", "image", "aliases", value=["static.koreatech.in"]),
        "aws_cdn_distributions.image.aliases",
        "`static.koreatech.in` is also an alias of static",
    ),
    (
        "alias-outside-certificate",
        put("aws_cdn_distributions", "static", "aliases", value=["a.static.koreatech.in"]),
        "aws_cdn_distributions.static.aliases",
        "add it to aws_cdn_certificates.koreatech.in.alternative_names",
    ),
    (
        "alias-outside-zones",
        put("aws_cdn_distributions", "static", "aliases", value=["static.example.com"]),
        "aws_cdn_distributions.static.aliases",
        "is in no declared zone",
    ),
    (
        "certificate-outside-zones",
        put("aws_cdn_certificates", "x", value={"domain": "example.com"}),
        "aws_cdn_certificates.x",
        "declare its zone in aws_dns_zones",
    ),
    (
        "record-outside-zone",
        put("aws_dns_records", "api.bcsdlab.com", "zone", value="koreatech.in"),
        "aws_dns_records.api.bcsdlab.com.zone",
        "`api.bcsdlab.com` is outside zone koreatech.in",
    ),
    (
        "record-that-only-looks-inside",
        put("aws_dns_records", "notkoreatech.in", value={"zone": "koreatech.in", "type": "A", "host": "KOIN_PROD"}),
        "aws_dns_records.notkoreatech.in.zone",
        "is outside zone koreatech.in",
    ),
    (
        "duplicate-record",
        put(
            "aws_dns_records",
            "twin",
            value={"zone": "koreatech.in", "name": "API.koreatech.in.", "type": "A", "host": "KOIN_PROD"},
        ),
        "aws_dns_records.twin",
        "api.koreatech.in A is also declared by aws_dns_records.api.koreatech.in",
    ),
    (
        "record-of-a-distribution",
        put("aws_dns_records", "static.koreatech.in", value={"zone": "koreatech.in", "type": "A", "host": "KOIN_PROD"}),
        "aws_dns_records.static.koreatech.in",
        "is also declared by distribution static",
    ),
    (
        "record-without-value",
        drop("aws_dns_records", "api.koreatech.in", "host"),
        "aws_dns_records.api.koreatech.in",
        "needs either `host` or `values`",
    ),
    (
        "record-of-host-without-elastic-ip",
        drop(*PROD, "elastic_ip"),
        "aws_dns_records.koreatech.in.host",
        "add `elastic_ip: auto`",
    ),
    (
        "bucket-name",
        put("aws_storage_buckets", "Team_KAP", value={}),
        "aws_storage_buckets.Team_KAP",
        "is not a bucket name",
    ),
    (
        "bucket-name-like-an-address",
        put("aws_storage_buckets", "192.168.0.1", value={}),
        "aws_storage_buckets.192.168.0.1",
        "is not a bucket name",
    ),
    (
        "folder",
        put("aws_storage_buckets", "kap-test", "prefixes", value=["images"]),
        "aws_storage_buckets.kap-test.prefixes",
        "write `images/`",
    ),
    (
        "lifecycle-rule-without-effect",
        put("aws_storage_buckets", "kap-test", "lifecycle", "x", value={}),
        "aws_storage_buckets.kap-test.lifecycle.x",
        "does nothing",
    ),
    (
        "unknown-bucket",
        put("aws_cdn_distributions", "static", "bucket", value="kap-tset"),
        "aws_cdn_distributions.static.bucket",
        "write `kap-test`",
    ),
    (
        "right",
        put("aws_iam_roles", "koin-prod", "buckets", "kap-test", value="write"),
        "aws_iam_roles.koin-prod.buckets.kap-test",
        "`write` is not a right",
    ),
    (
        "parameter-path",
        put("aws_iam_roles", "koin-prod", "parameters", value="koin/prod"),
        "aws_iam_roles.koin-prod.parameters",
        "slashes at both ends",
    ),
    (
        "acl-rule-number",
        put(
            "aws_network_acls",
            "BCSDLab-open",
            "ingress",
            "40000",
            value={"protocol": "all", "action": "deny", "cidr": "0.0.0.0/0"},
        ),
        "aws_network_acls.BCSDLab-open.ingress.40000",
        "choose one from 1 to 32766",
    ),
    ("misspelt-variable", put("aws_netwrok_subnets", value={}), "aws_netwrok_subnets", "write `aws_network_subnets`"),
    (
        "misspelt-key",
        put(*PROD, "elastic_up", value="1.2.3.4"),
        "aws_compute_instances.KOIN_PROD",
        "write `elastic_ip`",
    ),
    (
        "misspelt-key-inside",
        put(*PROD, "metadata", "http_token", value="required"),
        "aws_compute_instances.KOIN_PROD.metadata",
        "write `http_tokens`",
    ),
    (
        "misspelt-key-of-a-rule",
        put("aws_security_groups", "Web", "ingress", "http", "cidr", value=WORLD),
        "aws_security_groups.Web.ingress.http",
        "write `cidrs`",
    ),
    (
        "misspelt-default",
        put("aws_storage_bucket_defaults", "versoning", value=True),
        "aws_storage_bucket_defaults",
        "write `versioning`",
    ),
    (
        "missing-key",
        drop("aws_network_subnets", "BCSDLab-a", "cidr"),
        "aws_network_subnets.BCSDLab-a",
        "`cidr` is missing",
    ),
    (
        "type",
        put("aws_monitoring_instance_alarms", "status-check", "threshold", value="much"),
        "aws_monitoring_instance_alarms.status-check.threshold",
        "`much` is not a number",
    ),
    (
        "list-for-entries",
        put("aws_iam_roles", value=["koin-prod"]),
        "aws_iam_roles",
        "is a list, not a mapping keyed by name",
    ),
    (
        "text-for-an-entry",
        put("aws_dns_zones", "koreatech.in", value="yes"),
        "aws_dns_zones.koreatech.in",
        "is not a mapping",
    ),
]


@pytest.mark.parametrize(("change", "where", "answer"), [pytest.param(*row[1:], id=row[0]) for row in ROWS])
def test_bad_input_is_named_with_its_place_and_a_fix(change: Change, where: str, answer: str) -> None:
    raw = fixture()
    change(raw)
    with pytest.raises(DeclarationError) as raised:
        declaration_of(raw, specs(), KINDS)
    mine = [problem for problem in raised.value.problems if problem.where == where]
    assert mine, raised.value
    assert any(answer in str(problem) for problem in mine), raised.value
    assert all(problem.fix for problem in raised.value.problems)


def test_the_declaration_of_the_repository_is_good() -> None:
    declaration_of(declared(), specs(), KINDS)


def test_numbers_may_come_as_text_from_a_template() -> None:
    raw = fixture()
    raw["aws_security_groups"]["SSH"]["ingress"]["ssh"]["port"] = "22222"
    group = declaration_of(raw, specs(), KINDS).entries("aws_security_groups")["SSH"]
    assert group["ingress"]["ssh"]["port"] == 22222
