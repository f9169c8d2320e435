"""The policy of KOIN holds; a declaration that breaks it is refused with variable, file and line, path and rule."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.reach_policy import Edit, edited, refused

SECURITY, NETWORK, COMPUTE, OFFERS, REACH = (
    f"group_vars/all/{name}.yml" for name in ("aws_security", "aws_network", "aws_compute", "offers", "reach")
)
#: every block of rules for what leaves
OUT = "egress:\n      all: {protocol: all, cidrs: [0.0.0.0/0]}"


class Bad(NamedTuple):
    """A declaration that is refused: edits; where, and a part of the line that is named; path and rule, a pattern."""

    edits: list[Edit]
    where: str
    line: str
    told: str


def rule(group: str, name: str, content: str) -> Edit:
    """A rule that is written by hand into a group whose others follow from the offers."""
    before = f"offered_rules('{group}', aws_security_admin_cidrs) }}}}"
    after = f"offered_rules('{group}', aws_security_admin_cidrs) | combine({{'{name}': {content}}}) }}}}"
    return Edit(SECURITY, before, after)


def acl(direction: str, lines: str) -> Edit:
    """Other entries for a direction of the network ACL."""
    open_ = f'    {direction}:\n      "100":\n        protocol: all\n        action: allow\n        cidr: 0.0.0.0/0\n'
    return Edit(NETWORK, open_, f"    {direction}:\n{lines}")


def groups(host: str, before: str, after: str) -> Edit:
    """Other groups for a host, which are written in one line."""
    text = Path(COMPUTE).read_text().partition(f"  {host}:\n")[2]
    rest = text.partition(f"security_groups: {before}\n")[0]
    return Edit(
        COMPUTE, f"  {host}:\n{rest}security_groups: {before}\n", f"  {host}:\n{rest}security_groups: {after}\n"
    )


ANY = "{protocol: all, action: allow, cidr: 0.0.0.0/0}"
MUST, NEVER = r"must pass \(platform_reach\.must\.", r"must not pass \(platform_reach\.must_not\."

BAD: dict[str, Bad] = {
    "the database offered to the internet": Bad(
        [Edit(OFFERS, "port: 3306, groups: [DB], clients: *swarms", "port: 3307, groups: [DB], clients: internet")],
        "platform_offers.mysql",
        "mysql: {",
        rf"internet → KOIN_DB tcp/3307 {NEVER}database-from-internet\) and does, by security group DB: tcp 3307 from 0",
    ),
    "the database open to a range of the internet": Bad(
        [rule("DB", "partner", "{'protocol': 'tcp', 'port': 3000, 'to_port': 4000, 'cidrs': ['198.51.100.0/24']}")],
        "aws_security_groups.DB.ingress.partner.cidrs.0",
        "offered_rules('DB'",
        rf"internet → KOIN_DB tcp/3000-4000 {NEVER}database-from-internet\) .* tcp 3000-4000 from 198.51.100.0/24",
    ),
    "every protocol of the database's host open to one address": Bad(
        [rule("DB", "partner", "{'protocol': 'all', 'cidrs': ['8.8.8.8/32']}")],
        "aws_security_groups.DB.ingress.partner.cidrs.0",
        "offered_rules('DB'",
        rf"internet → KOIN_DB esp.* {NEVER}database-from-internet\) and does, by .* DB: all from 8.8.8.8/32",
    ),
    "the database's host in the group of the web": Bad(
        [groups("KOIN_DB", "[SSH, DB]", "[SSH, DB, Web]")],
        "platform_offers.http",
        "http: {",
        rf"internet → KOIN_DB tcp/80 {NEVER}database-from-internet\) and does, by security group Web: tcp 80 from 0",
    ),
    "SSH from a twentieth of the internet": Bad(
        [rule("SSH", "home", "{'protocol': 'tcp', 'port': aws_security_ssh_port, 'cidrs': ['52.0.0.0/8']}")],
        "aws_security_groups.SSH.ingress.home.cidrs.0",
        "offered_rules('SSH'",
        rf"internet → every host tcp/22222 {NEVER}ssh-from-others .*\) and does, by .* SSH: tcp 22222 from 52.0.0.0/8",
    ),
    "SSH in a range of ports": Bad(
        [rule("Web", "dev", "{'protocol': 'tcp', 'port': 20000, 'to_port': 30000, 'cidrs': ['198.51.100.0/25']}")],
        "aws_security_groups.Web.ingress.dev.cidrs.0",
        "offered_rules('Web'",
        rf"internet → .* tcp/22222 {NEVER}ssh-from-others .* Web: tcp 20000-30000 from 198.51.100.0/25",
    ),
    "SSH between the hosts": Bad(
        [rule("SSH", "inside", "{'protocol': 'tcp', 'port': aws_security_ssh_port, 'groups': ['Web']}")],
        "aws_security_groups.SSH.ingress.inside.groups.0",
        "offered_rules('SSH'",
        rf"KOIN_PROD, .* → KOIN_DB tcp/22222 {NEVER}ssh-from-others .*\) .* SSH: tcp 22222 from group Web",
    ),
    "SSH from the whole VPC": Bad(
        [rule("SSH", "vpc", "{'protocol': 'tcp', 'port': aws_security_ssh_port, 'cidrs': ['172.31.0.0/18']}")],
        "aws_security_groups.SSH.ingress.vpc.cidrs.0",
        "offered_rules('SSH'",
        rf"every host → every host tcp/22222 {NEVER}ssh-from-others .* SSH: tcp 22222 from 172.31.0.0/18",
    ),
    "4789 from a range": Bad(
        [rule("StageSwarm", "vxlan", "{'protocol': 'udp', 'port': 4789, 'cidrs': ['172.31.0.0/16']}")],
        "aws_security_groups.StageSwarm.ingress.vxlan.cidrs.0",
        "offered_rules('StageSwarm'",
        rf"KOIN_DB → BCSDLAB_INTERNAL, KOIN_STAGE udp/4789 {NEVER}swarm-from-others .* udp 4789 from 172.31.0.0/16",
    ),
    "4789 offered to the internet": Bad(
        [Edit(OFFERS, "protocol: udp, port: 4789, groups: *swarms, clients: members",
              "protocol: udp, port: 4789, groups: *swarms, clients: internet")],
        "platform_offers.overlay",
        "overlay:",
        rf"^internet, .* udp/4789 {NEVER}swarm-from-others \(offer overlay\)\) .* udp 4789 from 0.0.0.0/0",
    ),
    "ESP from a range": Bad(
        [rule("DockerSwarm", "ipsec", "{'protocol': 'esp', 'cidrs': ['172.31.0.0/20']}")],
        "aws_security_groups.DockerSwarm.ingress.ipsec.cidrs.0",
        "offered_rules('DockerSwarm'",
        rf"BCSD_Build → KOIN_PROD esp {NEVER}swarm-from-others \(offer overlay-encrypted\)\) .* esp from 172.31.0.0/20",
    ),
    "the Swarm's management for administrators": Bad(
        [rule("DockerSwarm", "ui", "{'protocol': 'tcp', 'port': 2377, 'cidrs': aws_security_admin_cidrs}")],
        "aws_security_groups.DockerSwarm.ingress.ui.cidrs.0",
        "offered_rules('DockerSwarm'",
        rf"administrators → KOIN_PROD tcp/2377 {NEVER}swarm-from-others \(offer management\)\) and does, by",
    ),
    "stage in production's Swarm": Bad(
        [groups("KOIN_STAGE", "[Web, SSH, StageSwarm]", "[Web, SSH, StageSwarm, DockerSwarm]")],
        "platform_offers.management",
        "management: {",
        rf"KOIN_PROD, KOIN_STAGE → KOIN_STAGE, KOIN_PROD tcp/2377 {NEVER}swarm-from-others .* from group DockerSwarm",
    ),
    "the registry's host in stage's Swarm": Bad(
        [groups("BCSD_Build", "[Web, SSH, Registry]", "[Web, SSH, Registry, StageSwarm]")],
        "platform_offers.overlay",
        "overlay:",
        rf"BCSD_Build → .*KOIN_STAGE udp/4789.* {NEVER}swarm-from-others .* udp 4789 from group StageSwarm",
    ),
    "nothing leaves the database's host": Bad(
        [Edit(SECURITY, f"'SSH', aws_security_admin_cidrs) }}}}\"\n    {OUT}",
              "'SSH', aws_security_admin_cidrs) }}\"\n    egress: {}"),
         Edit(SECURITY, f"'DB', aws_security_admin_cidrs) }}}}\"\n    {OUT}",
              "'DB', aws_security_admin_cidrs) }}\"\n    egress: {}")],
        "aws_compute_instances.KOIN_DB.security_groups",
        "security_groups: [SSH, DB]",
        rf"KOIN_DB → internet tcp/80, 443 {MUST}updates\) and ends at .*: no rule of DB, SSH",
    ),
    "only the VPC can be reached from the database's host": Bad(
        [Edit(SECURITY, f"'SSH', aws_security_admin_cidrs) }}}}\"\n    {OUT}",
              "'SSH', aws_security_admin_cidrs) }}\"\n    egress:\n      vpc: {protocol: all, cidrs: [172.31.0.0/16]}"),
         Edit(SECURITY, f"'DB', aws_security_admin_cidrs) }}}}\"\n    {OUT}",
              "'DB', aws_security_admin_cidrs) }}\"\n    egress: {}")],
        "aws_compute_instances.KOIN_DB.security_groups",
        "security_groups: [SSH, DB]",
        rf"KOIN_DB → internet tcp/80.* {MUST}updates\) and ends at .*, egress: no rule of DB, SSH allows it",
    ),
    "the web group taken from production": Bad(
        [groups("KOIN_PROD", "[Web, SSH, DockerSwarm]", "[SSH, DockerSwarm]")],
        "aws_compute_instances.KOIN_PROD.security_groups",
        "security_groups: [SSH, DockerSwarm]",
        rf"internet → KOIN_PROD tcp/80.* {MUST}offered \(offer http.*\)\) and ends at .*: no rule of DockerSwarm, SSH",
    ),
    "an ACL that lets no answers out to visitors": Bad(
        [acl("egress", '      "100": {protocol: tcp, action: allow, cidr: 0.0.0.0/0, from_port: 1, to_port: 1023}\n')],
        "aws_network_acls.BCSDLab-open.egress",
        "egress:",
        rf"internet → .* tcp/80.* {MUST}offered .*: no rule allows answers to ports 1024-65535",
    ),
    "an ACL that lets no answers in": Bad(
        [acl("ingress", '      "100": {protocol: tcp, action: allow, cidr: 0.0.0.0/0, from_port: 1, to_port: 23000}\n'
                        f'      "110": {ANY.replace("0.0.0.0/0", "172.31.0.0/16")}\n')],
        "aws_network_acls.BCSDLab-open.ingress",
        "ingress:",
        rf"→ internet tcp/80.* {MUST}updates\) and ends at network ACL, ingress of answers: .* to ports 32768-60999",
    ),
    "an ACL that lets half of the answers in": Bad(
        [acl("ingress", '      "90": {protocol: tcp, action: deny, cidr: 0.0.0.0/0, from_port: 40000, to_port: 50000}\n'
                        f'      "100": {ANY}\n')],
        "aws_network_acls.BCSDLab-open.ingress.90",
        '"90": {protocol: tcp, action: deny',
        rf"→ internet tcp/80.* {MUST}updates\) .*: network ACL BCSDLab-open: 90 deny tcp 40000-50000 0.0.0.0/0",
    ),
    "a deny before the allow": Bad(
        [acl("ingress", '      "90": {protocol: tcp, action: deny, cidr: 0.0.0.0/0, from_port: 443, to_port: 443}\n'
                        f'      "100": {ANY}\n')],
        "aws_network_acls.BCSDLab-open.ingress.90",
        '"90": {protocol: tcp, action: deny',
        rf"internet → .* tcp/443.* {MUST}offered \(offer https\)\) .*: network ACL BCSDLab-open: 90 deny tcp 443-443",
    ),
    "half of the internet denied": Bad(
        [acl("ingress", '      "90": {protocol: all, action: deny, cidr: 128.0.0.0/1}\n' f'      "100": {ANY}\n')],
        "aws_network_acls.BCSDLab-open.ingress.90",
        '"90": {protocol: all, action: deny',
        rf"internet → .* tcp/80.* {MUST}offered .*: network ACL BCSDLab-open: 90 deny all 128.0.0.0/1",
    ),
    "the database's subnet closed to the monitoring": Bad(
        [acl("ingress", '      "50": {protocol: tcp, action: deny, cidr: 172.31.16.0/20, from_port: 3000, '
                        f'to_port: 4000}}\n      "100": {ANY}\n')],
        "aws_network_acls.BCSDLab-open.ingress.50",
        '"50": {protocol: tcp',
        rf"BCSDLAB_INTERNAL → KOIN_DB tcp/3306 {MUST}offered .*: 50 deny tcp 3000-4000 172.31.16.0/20",
    ),
    "no route": Bad(
        [Edit(NETWORK, "routes:\n      0.0.0.0/0:\n        internet_gateway: BCSDLab\n", "routes: {}\n")],
        "aws_network_route_tables.BCSDLab-public.routes",
        "routes: {}",
        rf"→ internet tcp/80.* {MUST}updates\) and ends at route: route table BCSDLab-public: no route to",
    ),
    "a route for half of the internet": Bad(
        [Edit(NETWORK, "      0.0.0.0/0:\n        internet_gateway", "      0.0.0.0/1:\n        internet_gateway")],
        "aws_network_route_tables.BCSDLab-public.routes",
        "routes:",
        rf"internet → .* tcp/80.* {MUST}offered .*\) and ends at route back: route table BCSDLab-public: no route to",
    ),
    "a subnet without its route table": Bad(
        [Edit(NETWORK, "        internet_gateway: BCSDLab\n    subnets: [BCSDLab-a, BCSDLab-b, BCSDLab-c, BCSDLab-d]",
              "        internet_gateway: BCSDLab\n    subnets: [BCSDLab-a, BCSDLab-b, BCSDLab-d]")],
        "aws_network_subnets.BCSDLab-c",
        "BCSDLab-c:",
        rf"KOIN_DB → internet tcp/80.* {MUST}updates\) and ends at route: route table main of BCSDLab: no route",
    ),
    "a host without a public address": Bad(
        [Edit(COMPUTE, "    elastic_ip: 54.180.57.106\n", ""),
         Edit(NETWORK, "2c\n    map_public_ip: true", "2c\n    map_public_ip: false")],
        "aws_compute_instances.KOIN_DB.elastic_ip",
        "KOIN_DB:",
        rf"KOIN_DB → internet tcp/80, 443 {MUST}updates\) and ends at internet gateway: KOIN_DB has no public address",
    ),
    # The check of the declaration by itself is first.
    "SSH open to the world in two halves": Bad(
        [rule("SSH", "home", "{'protocol': 'tcp', 'port': 22222, 'cidrs': ['0.0.0.0/1', '128.0.0.0/1']}")],
        "aws_security_groups.SSH.ingress.home.cidrs",
        "offered_rules('SSH'",
        r"opens SSH \(22222\) of group SSH to the whole internet",
    ),
    "the database open over IPv6": Bad(
        [rule("DB", "six", "{'protocol': 'tcp', 'port': 3306, 'cidrs': ['::/0']}")],
        "aws_security_groups.DB.ingress.six.cidrs",
        "offered_rules('DB'",
        r"::/0",
    ),
}  # fmt: skip


def test_the_declaration_keeps_the_policy(tmp_path: Path) -> None:
    assert refused(edited(tmp_path / "top", [])) == []


@pytest.mark.parametrize("what", BAD)
def test_a_bad_declaration_is_refused(what: str, tmp_path: Path) -> None:
    bad = BAD[what]
    problems = refused(edited(tmp_path / "top", bad.edits))
    texts = "\n".join(map(str, problems))
    found = [problem for problem in problems if problem.where == bad.where and re.search(bad.told, problem.what)]
    assert found, texts
    file, _, line = found[0].source.partition(":")
    assert bad.line in (tmp_path / "top" / file).read_text().splitlines()[int(line) - 1], texts
