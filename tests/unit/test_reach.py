"""Who reaches whom, on a small network: what is observed, what is declared, what is shown and told."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible.module_utils.platform.engine.errors import PlatformError
from ansible.module_utils.platform.engine.plan import plan_in
from ansible.module_utils.platform.kinds import KINDS
from ansible.module_utils.platform.reach import ask, ports, show
from ansible.module_utils.platform.reach.declared import declared
from ansible.module_utils.platform.reach.listening import findings, open_ports, seen_findings
from ansible.module_utils.platform.reach.matrix import Matrix, as_data
from ansible.module_utils.platform.reach.model import block
from ansible.module_utils.platform.reach.observed import KINDS as NETWORK
from ansible.module_utils.platform.reach.policy import Facts, policy_problems, shape_problems
from ansible.module_utils.platform.reviewing import Reviewer

from tests.support.reach_networks import allow, context_of, entry, network, small

ANYWHERE = "0.0.0.0/0"


def matrix(account: dict[str, Any]) -> Matrix:
    """The matrix of an account."""
    return Matrix(network(account))


def after(account: dict[str, Any], **declared_: Any) -> Matrix:
    """The matrix of an account once a declaration has been applied to it."""
    vpcs = {"vpc": {"cidr": "10.0.0.0/16"}}
    return Matrix(declared(context_of(account, aws_network_vpcs=vpcs, **declared_)))


def group(account: dict[str, Any], name: str) -> dict[str, Any]:
    """One of its security groups."""
    found: dict[str, Any] = next(item for item in account["security_groups"] if item["GroupName"] == name)
    return found


# --- Sets of ports ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "both", "without", "union"),
    [
        (ports.ALL, ((22, 22),), ((22, 22),), ((0, 21), (23, 65535)), ports.ALL),
        (((80, 90),), ((85, 100),), ((85, 90),), ((80, 84),), ((80, 100),)),
        (((1, 2), (5, 9)), ((2, 6),), ((2, 2), (5, 6)), ((1, 1), (7, 9)), ((1, 9),)),
        (((1, 2),), ((3, 4),), (), ((1, 2),), ((1, 4),)),
        ((), ports.ALL, (), (), ports.ALL),
    ],
)
def test_sets_of_ports(one: ports.Ports, other: ports.Ports, both: object, without: object, union: object) -> None:
    assert ports.both(one, other) == both
    assert ports.without(one, other) == without
    assert ports.union(one, other) == union


def test_ranges_are_shown_as_they_are_written() -> None:
    assert [str(block(text)) for text in ("10.0.0.0/16", "8.8.8.8", "::/0")] == ["10.0.0.0/16", "8.8.8.8/32", "::/0"]


# --- What is shown ---------------------------------------------------------------------------------------------------


def test_the_table_has_a_block_for_each_target() -> None:
    assert show.table(matrix(small())) == [
        "→ db",
        "    web  tcp/3306",
        "",
        "→ web",
        "    internet  tcp/443",
        "",
        "→ internet",
        "    db, web  everything",
    ]


def test_a_source_that_lacks_what_the_internet_reaches_is_told() -> None:
    account = small()
    group(account, "db")["IpPermissionsEgress"] = []
    assert "    db        not tcp/443" in show.table(matrix(account))


def test_some_addresses_and_missing_answers_are_told() -> None:
    account = small()
    group(account, "db")["IpPermissions"] += [allow("tcp", 9000, "198.51.100.0/24"), allow("udp", 53, "8.8.8.8/32")]
    text = show.cell_text(matrix(account), "internet", "db")
    assert text == "tcp/9000 (from some addresses); udp/53 (from some addresses)"
    account["network_acls"][0]["Entries"][1] |= entry(100, "allow", ports=(1, 1023))
    assert show.cell_text(matrix(account), "internet", "web") == "tcp/443 (arrives, no answer)"


def test_addresses_that_are_denied_do_not_close_a_door() -> None:
    account = small()
    account["network_acls"][0]["Entries"].append({**entry(50, "deny", "45.0.0.0/12"), "Egress": False})
    assert matrix(account).cell("internet", "web").passes == ((443, 443),)
    account["network_acls"][0]["Entries"].append({**entry(60, "deny", "64.0.0.0/4"), "Egress": False})
    cell = matrix(account).cell("internet", "web")
    assert (cell.passes, cell.some) == ((), ((443, 443),))


def test_a_change_is_told_with_its_paths() -> None:
    before, account = matrix(small()), small()
    group(account, "db")["IpPermissions"] = [allow("tcp", 3306, ANYWHERE)]
    assert show.changes(before, matrix(account)) == [
        "opens: internet → db tcp/3306",
    ]
    assert show.changes(matrix(account), before) == ["closes: internet → db tcp/3306"]
    assert show.changes(before, before) == []


def test_the_data_is_json_and_says_why() -> None:
    data = json.loads(json.dumps(as_data(network(small()))))
    assert data["hosts"]["db"] == {
        "private": ["10.0.1.10"],
        "public": "52.78.0.2",
        "subnet": "b (subnet-b)",
        "vpc": "vpc-1",
        "groups": ["db"],
    }
    (cell,) = [cell for cell in data["cells"] if cell["targets"] == ["db"]]
    assert (cell["sources"], cell["protocol"], cell["passes"]) == (["web"], "tcp", [[3306, 3306]])
    assert {"step": "security groups, ingress", "passes": True, "rule": "security group db: tcp 3306 from group sg-web",
            "where": ""} in cell["why"]  # fmt: skip


# --- Prefix lists ----------------------------------------------------------------------------------------------------


def listed(**ranges: Any) -> dict[str, Any]:
    """An account whose database takes what comes from two prefix lists. ranges: what could be read of them."""
    account = small()
    lists = [{"PrefixListId": "pl-1"}, {"PrefixListId": "pl-2"}]
    group(account, "db")["IpPermissions"] += [{**allow("tcp", 5432), "PrefixListIds": lists}]
    return account | {"prefix_list_ranges": ranges}


def test_a_prefix_list_stands_for_its_ranges() -> None:
    account = listed(**{"pl-1": ["198.51.100.0/24", "10.0.0.0/24"], "pl-2": []})
    assert _asked("198.51.100.9", "db", 5432, account=account).verdict == ask.PASSES
    assert _asked("web", "db", 5432, account=account).verdict == ask.PASSES
    assert _asked("198.51.101.9", "db", 5432, account=account).verdict == ask.CLOSED
    assert show.unknown(network(account)) == []
    assert "security group db: tcp 5432 from pl-1" in [
        hop.rule for hop in _asked("web", "db", 5432, account=account).hops
    ]


def test_a_prefix_list_that_cannot_be_read_is_told_and_not_guessed() -> None:
    # Of pl-2 it was answered that it is not there.
    account = listed(**{"pl-1": ["198.51.100.0/24"], "pl-2": None})
    assert show.unknown(network(account)) == ["prefix list pl-2 cannot be read: its rules count as closed (db)"]
    assert _asked("203.0.113.9", "db", 5432, account=account).verdict == ask.CLOSED
    plan = plan_in(context_of(account), KINDS.only(NETWORK))
    warnings = Reviewer({}, {})(context_of(account), plan).warnings
    assert "prefix list pl-2 cannot be read: its rules count as closed (db)" in warnings
    account["instances"] = account["instances"][:1]
    # No host is in that group.
    assert show.unknown(network(account)) == []


# --- What is declared ------------------------------------------------------------------------------------------------


def test_what_nobody_declares_stays() -> None:
    assert set(after(small()).network.groups) == {"sg-web", "sg-db"}
    assert after(small()).cell("web", "db").passes == ((3306, 3306),)


def test_declared_rules_are_all_the_rules_of_a_direction() -> None:
    rule = {"protocol": "tcp", "port": 5432, "cidrs": ["10.0.0.0/24"]}
    found = after(small(), aws_security_groups={"db": {"vpc": "vpc", "ingress": {"sql": rule}}})
    assert found.cell("web", "db").passes == ((5432, 5432),)
    assert found.cell("db", "internet").passes == ports.ALL
    source, target = found.ends("web", 4)[0][0], found.ends("db", 4)[0][0]
    (hop,) = [hop for hop in found.paths.explain(source, target, "tcp", 5432) if hop.name == "security groups, ingress"]
    assert hop.where == "aws_security_groups.db.ingress.sql.cidrs.0"


def test_a_subnet_goes_to_the_table_and_the_acl_that_name_it() -> None:
    table = {"vpc": "vpc", "routes": {}, "subnets": ["a"]}
    subnet = {"vpc": "vpc", "cidr": "10.0.0.0/24", "zone": "ap-northeast-2a"}
    acl = {"vpc": "vpc", "subnets": ["a"], "ingress": {}, "egress": {}}
    account, one = small(), {"aws_network_subnets": {"a": subnet}}
    assert after(account, **one).cell("internet", "web").passes
    # The main one has a name, so that it is not taken for the declared one.
    account["route_tables"][0]["Tags"] = [{"Key": "Name", "Value": "main"}]
    tables = {"main": {"vpc": "vpc"}, "private": table}
    lost = after(account, **one, aws_network_route_tables=tables).cell("internet", "web")
    # Without a route nothing answers.
    assert (lost.arrives, lost.passes) == (((443, 443),), ())
    assert not after(account, **one, aws_network_acls={"closed": acl}).cell("internet", "web").arrives


@pytest.mark.parametrize(("name", "holds"), [("web", False), ("db-old", True)])
def test_an_address_goes_to_the_host_that_declares_it_unless_a_former_one_serves(name: str, holds: bool) -> None:
    account = small()
    account["instances"] = account["instances"][:1]
    account["instances"][0]["Tags"] = [{"Key": "Name", "Value": name}]
    account["addresses"] = [
        {"AllocationId": "eipalloc-1", "PublicIp": "52.78.0.1", "InstanceId": "i-web", "PrivateIpAddress": "10.0.0.10"}
    ]
    subnet = {"vpc": "vpc", "cidr": "10.0.1.0/24", "zone": "ap-northeast-2a"}
    host = {
        "subnet": "b",
        "role": "DB",
        "functions": [],
        "type": "t3a.small",
        "architecture": "x86_64",
        "elastic_ip": "52.78.0.1",
    }
    found = after(account, aws_network_subnets={"b": subnet}, aws_compute_instances={"db": host})
    public = {host: one.public for host, one in found.network.hosts.items()}
    assert public == {name: "52.78.0.1" if holds else "", "db": "auto" if holds else "52.78.0.1"}


# --- Listeners -------------------------------------------------------------------------------------------------------


def test_what_is_open_listens_and_the_other_way_round() -> None:
    assert findings(FACTS, matrix(small())) == []
    account = small()
    group(account, "web")["IpPermissions"] += [allow("tcp", 80, ANYWHERE)]
    group(account, "db")["IpPermissions"] = [allow("udp", 53, "10.0.0.0/24")]
    assert findings(FACTS, matrix(account)) == [
        "open, but nothing listens: internet → web tcp/80",
        "open, but nothing listens: web → db udp/53",
        "listens, but nobody else reaches it: db tcp/3306",
    ]


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ({"tcp 443": "nginx"}, []),
        ({}, ["open, but nothing listens: tcp/443"]),
        ({"udp 443": "nginx"}, ["open, but nothing listens: tcp/443",
                                "listens, but nobody else reaches it: udp/443 (nginx)"]),
        ({"tcp 443": "nginx", "tcp 9100": "exporter"}, ["listens, but nobody else reaches it: tcp/9100 (exporter)"]),
        # A service's port, which the packet filter keeps for the host.
        ({"tcp 443": "nginx", "tcp 8080": "dockerd"}, []),
        ({"tcp 443": "nginx", "udp 68": "systemd-network"}, []),
    ],
)  # fmt: skip
def test_what_is_open_is_compared_with_what_was_seen(seen: dict[str, str], told: list[str]) -> None:
    # As the inventory of the checks has it.
    open_ = json.loads(json.dumps(open_ports(matrix(small()))))
    assert open_ == {"web": {"tcp": [[443, 443]], "udp": []}, "db": {"tcp": [[3306, 3306]], "udp": []}}
    assert list(seen_findings(open_["web"], seen, ["tcp 8080"], ["udp 68"])) == told


def test_an_open_port_that_the_host_guards_is_told() -> None:
    account = small()
    group(account, "db")["IpPermissions"] += [allow("tcp", 9100, "sg-db")]
    # The host itself is nobody else.
    assert open_ports(matrix(account))["db"]["tcp"] == ((3306, 3306),)
    group(account, "web")["IpPermissions"] += [allow("tcp", 8080, ANYWHERE), allow("udp", 4789, ANYWHERE)]
    open_ = open_ports(matrix(account))["web"]
    assert list(seen_findings(open_, {"tcp 443": "nginx", "tcp 8080": "dockerd"}, ["tcp 8080"], ["udp 4789"])) == [
        "open, but the host's packet filter lets nobody in: tcp/8080 (dockerd)",
    ]


# --- Questions -------------------------------------------------------------------------------------------------------


def _asked(source: str, target: str, port: int | None = 443, protocol: str = "tcp", **more: Any) -> ask.Answer:
    (answer,) = ask.answers(matrix(more.get("account") or small()), source, target, protocol, port)
    return answer


def test_a_question_is_answered_hop_by_hop() -> None:
    answer = _asked("WEB", "db", 3306)
    assert answer.verdict == ask.PASSES
    assert [hop.name for hop in answer.hops] == [
        "security groups, egress",
        "network ACL, egress",
        "route",
        "network ACL, ingress",
        "security groups, ingress",
        "network ACL, egress of answers",
        "route back",
        "network ACL, ingress of answers",
    ]
    lines = _asked("internet", "db", 3306).lines(lambda where: (where, "file.yml:1"))
    assert lines[0].startswith("internet → db tcp/3306: does not pass")
    assert lines[-1] == "  DENY  security groups, ingress: no rule of db allows it"


def test_addresses_and_ranges_can_be_asked_for() -> None:
    assert _asked("8.8.8.8", "web").verdict == ask.PASSES
    assert _asked("203.0.113.0/24", "web").verdict == ask.PASSES
    assert _asked("10.0.0.10", "db", 3306).question == "10.0.0.10 → db tcp/3306"
    assert _asked("10.0.0.10", "db", 3306).verdict == ask.PASSES
    # A neighbour in the VPC is no member of the group.
    assert _asked("10.0.0.99", "db", 3306).verdict == ask.CLOSED
    account = small()
    group(account, "db")["IpPermissions"] = [allow("tcp", 3306, "198.51.100.0/24")]
    assert _asked("internet", "db", 3306, account=account).verdict == ask.SOME
    assert _asked("198.51.100.0/24", "db", 3306, account=account).verdict == ask.PASSES


def test_an_echo_has_no_port() -> None:
    account = small()
    assert _asked("web", "db", None, "icmp", account=account).verdict == ask.CLOSED
    group(account, "db")["IpPermissions"].append({"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1} | {
        "IpRanges": [{"CidrIp": "10.0.0.0/16"}]})  # fmt: skip
    assert _asked("web", "db", None, "icmp", account=account).verdict == ask.PASSES


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("internt", "db", "tcp", 443), "write `internet`"),
        (("web", "db", "tcp", None), "add -e port=443"),
        (("web", "db", "tpc", 443), "write one of tcp, udp, esp, icmp"),
        (("internet", "8.8.8.8", "tcp", 443), "no addresses between which anything is decided"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(arguments: tuple[str, str, str, int | None], told: str) -> None:
    with pytest.raises(PlatformError, match=told):
        ask.answers(matrix(small()), *arguments)


# --- The policy ------------------------------------------------------------------------------------------------------

HOSTS: dict[str, dict[str, Any]] = {"web": {"role": "W", "functions": ["edge"]}, "db": {"functions": ["database"]}}
OFFERS = {
    "https": {"function": "edge", "port": 443, "groups": ["web"], "clients": "internet"},
    "sql": {"function": "database", "port": 3306, "groups": ["db"], "clients": ["web"]},
}
FACTS = Facts(HOSTS, OFFERS)


@pytest.mark.parametrize(
    ("policy", "where", "what"),
    [
        ([], "platform_reach", "is not a mapping"),
        ({"mustnt": {}}, "platform_reach.mustnt", "neither must nor must_not"),
        ({"must": {"x": {"from": ["web"], "ports": ["tcp 1"]}}}, "platform_reach.must.x", "`to` is missing"),
        ({"must": {"x": {"from": "web", "to": ["db"], "ports": ["tcp 1"]}}}, "platform_reach.must.x.from", "a list"),
        (
            {"must": {"x": {"from": ["wbe"], "to": ["db"], "ports": ["tcp 1"]}}},
            "platform_reach.must.x.from.0",
            "`wbe` is not known",
        ),
        ({"must": {"x": {"from": ["web"], "to": ["db"]}}}, "platform_reach.must.x", "neither `offers` nor `ports`"),
        (
            {"must_not": {"x": {"from": ["clients"], "to": ["db"], "ports": ["tcp 1"]}}},
            "platform_reach.must_not.x",
            "`clients` are those of offers",
        ),
        (
            {"must": {"x": {"from": ["web"], "to": ["db"], "ports": ["tcp 90-80"]}}},
            "platform_reach.must.x.ports.0",
            "`tcp 90-80` is not a protocol with ports",
        ),
        (
            {"must": {"x": {"from": ["web"], "to": ["db"], "offers": ["mysql"]}}},
            "platform_reach.must.x.offers.0",
            "`mysql` is not known",
        ),
    ],
)
def test_the_policy_is_checked_as_it_is_written(policy: Any, where: str, what: str) -> None:
    problems = list(shape_problems(policy, FACTS, ["edge", "database"]))
    assert [problem for problem in problems if problem.where == where and what in problem.what], problems


def test_offers_reach_their_clients_and_nobody_else() -> None:
    policy = {
        "must": {"offered": {"from": ["clients"], "to": ["platform"], "offers": ["all"]}},
        "must_not": {"else": {"from": ["anybody"], "except": ["clients"], "to": ["platform"], "offers": ["sql"]}},
    }
    assert policy_problems(policy, FACTS, matrix(small())) == []
    account = small()
    group(account, "db")["IpPermissions"] = [allow("tcp", 3306, "10.0.1.0/24", "198.51.100.7/32")]
    must, must_not = policy_problems(policy, FACTS, matrix(account))
    assert must.what == (
        "web → db tcp/3306 must pass (platform_reach.must.offered (offer sql)) and ends at security groups, ingress: "
        "no rule of db allows it"
    )
    assert must_not.what == (
        "internet → db tcp/3306 must not pass (platform_reach.must_not.else (offer sql)) and does, by security group "
        "db: tcp 3306 from 198.51.100.7/32"
    )


def test_ipv6_is_no_way_around_the_policy() -> None:
    account = small()
    account["vpcs"][0]["Ipv6CidrBlockAssociationSet"] = [{"Ipv6CidrBlock": "2406:da12:0:100::/56"}]
    account["subnets"][1]["Ipv6CidrBlockAssociationSet"] = [{"Ipv6CidrBlock": "2406:da12:0:100::/64"}]
    account["instances"][1]["NetworkInterfaces"][0]["Ipv6Addresses"] = [{"Ipv6Address": "2406:da12:0:100::10"}]
    group(account, "db")["IpPermissions"] += [allow("tcp", 3306, "::/0")]
    account["network_acls"][0]["Entries"] += [
        {"RuleNumber": 101, "RuleAction": "allow", "Ipv6CidrBlock": "::/0", "Protocol": "-1", "Egress": False}
    ]
    policy = {"must_not": {"db": {"from": ["internet"], "to": ["database"], "ports": ["all"]}}}
    (problem,) = policy_problems(policy, FACTS, matrix(account))
    # Even without a route for the answers.
    assert problem.what == (
        "internet → db tcp/3306 over IPv6 must not pass (platform_reach.must_not.db) and does, by security group db: "
        "tcp 3306 from ::/0"
    )


ELSE = {"else": {"from": ["anybody"], "except": ["clients"], "to": ["platform"], "offers": ["sql"]}}


def test_a_host_that_nobody_declares_is_told_and_refuses_no_plan() -> None:
    """The former host of a replacement, say, which still has its groups."""
    account = small()
    old = copy.deepcopy(account["instances"][0])
    old |= {"InstanceId": "i-old", "Tags": [{"Key": "Name", "Value": "web-old"}], "PrivateIpAddress": "10.0.0.11"}
    interface = old["NetworkInterfaces"][0]
    interface |= {"PrivateIpAddress": "10.0.0.11", "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.0.11"}]}
    account["instances"].append(old)
    offered = {"offered": {"from": ["clients"], "to": ["platform"], "offers": ["all"]}}
    policy = {"must": offered, "must_not": ELSE}
    assert policy_problems(policy, FACTS, matrix(account)) == []
    (told,) = policy_problems(policy, FACTS, matrix(account), strangers=True)
    assert told.what.startswith("web-old → db tcp/3306 must not pass")
    # It is nobody's client: that it reaches nothing breaks nothing.
    interface["Groups"] = [{"GroupId": "sg-db"}]
    assert policy_problems(policy, FACTS, matrix(account)) == []


def test_every_interface_of_a_host_is_looked_at() -> None:
    account = small()
    group(account, "web")["IpPermissions"] += [allow("tcp", 22, "0.0.0.0/0")]
    second = copy.deepcopy(account["instances"][1]["NetworkInterfaces"][0])
    second |= {"NetworkInterfaceId": "eni-2", "Groups": [{"GroupId": "sg-web"}], "PrivateIpAddress": "10.0.1.11"}
    second |= {"PrivateIpAddresses": [{"PrivateIpAddress": "10.0.1.11"}], "Attachment": {"DeviceIndex": 1}}
    second |= {"Association": {"PublicIp": "52.78.0.9"}}
    account["instances"][1]["NetworkInterfaces"].append(second)
    policy = {"must_not": {"db": {"from": ["internet"], "to": ["database"], "ports": ["all"]}}}
    # Nobody declares it, so no plan is refused for it, nor for what does not reach it.
    offered = {"offered": {"from": ["clients"], "to": ["platform"], "offers": ["all"]}}
    assert policy_problems(policy | {"must": offered}, FACTS, matrix(account)) == []
    problems = policy_problems(policy, FACTS, matrix(account), strangers=True)
    assert {problem.what.partition(" must")[0] for problem in problems} == {
        "internet → db (interface 1) tcp/22",
        "internet → db (interface 1) tcp/443",
    }


def test_a_host_that_is_stopped_counts_as_if_it_ran() -> None:
    account = small()
    stopped = account["instances"][0]
    del stopped["PublicIpAddress"], stopped["NetworkInterfaces"][0]["Association"]
    policy = {"must": {"updates": {"from": ["platform"], "to": ["internet"], "ports": ["tcp 443"]}}}
    assert len(policy_problems(policy, FACTS, matrix(account))) == 1
    stopped["State"] = {"Name": "stopped"}
    assert policy_problems(policy, FACTS, matrix(account)) == []
