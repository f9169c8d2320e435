"""EC2 accounts that people made by hand, as snapshots: what the plan shows, warns about and refuses."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.platform.engine.declaration import Declaration
from ansible.module_utils.platform.engine.model import Plan
from ansible.module_utils.platform.engine.plan import plan
from ansible.module_utils.platform.engine.render import render
from ansible.module_utils.platform.kinds import KINDS

OWNER = "123456789012"
ANYWHERE = "0.0.0.0/0"
DECLARED: dict[str, Any] = {
    "aws_region": "ap-northeast-2",
    "aws_network_vpcs": {"koin": {"cidr": "10.0.0.0/16"}},
    "aws_network_internet_gateways": {"koin": {"vpc": "koin"}},
    "aws_network_subnets": {
        name: {"vpc": "koin", "cidr": f"10.0.{number}.0/24", "zone": "ap-northeast-2a", "map_public_ip": True}
        for number, name in enumerate("ab")
    },
}


def named(name: str) -> list[dict[str, str]]:
    return [{"Key": "Name", "Value": name}]


VPC = {"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16", "Tags": named("koin")}
GATEWAY = {"InternetGatewayId": "igw-1", "Attachments": [{"VpcId": "vpc-1"}], "Tags": named("koin")}


def subnet(name: str, number: int, **more: Any) -> dict[str, Any]:
    return {
        "SubnetId": f"subnet-{name}",
        "VpcId": "vpc-1",
        "CidrBlock": f"10.0.{number}.0/24",
        "AvailabilityZone": "ap-northeast-2a",
        "MapPublicIpOnLaunch": True,
        "Tags": named(name),
        **more,
    }


NETWORK: dict[str, Any] = {
    "vpcs": [VPC],
    "internet_gateways": [GATEWAY],
    "subnets": [subnet("a", 0), subnet("b", 1), subnet("hand", 9)],
}


def declaration(declared: dict[str, Any]) -> Declaration:
    return Declaration({**DECLARED, **declared}, account=OWNER)


def planned(declared: dict[str, Any], **observed: Any) -> Plan:
    return plan(declaration(declared), KINDS.empty() | NETWORK | observed, KINDS)


def problems(declared: dict[str, Any], **observed: Any) -> list[str]:
    found = KINDS.check_account(declaration(declared), KINDS.empty() | NETWORK | observed)
    return [f"{problem.where}: {problem.what}" for problem in found]


def shown(declared: dict[str, Any], **observed: Any) -> str:
    return render(planned(declared, **observed))


# --- Route tables

TABLE = {"aws_network_route_tables": {"public": {"vpc": "koin", "subnets": ["a", "b"]}}}
INTERNET = {"routes": {ANYWHERE: {"internet_gateway": "koin"}}}


def table(table_id: str, *routes: dict[str, Any], subnets: tuple[str, ...] = (), main: bool = False) -> dict[str, Any]:
    associations = [{"SubnetId": f"subnet-{name}", "RouteTableId": table_id} for name in subnets]
    local = {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local"}
    return {
        "RouteTableId": table_id,
        "VpcId": "vpc-1",
        "Routes": [local, *routes],
        "Associations": [*associations, *([{"Main": True, "RouteTableId": table_id}] if main else [])],
    }


ROUTES: list[tuple[dict[str, Any], str]] = [
    ({"DestinationCidrBlock": "10.9.0.0/16", "VpcPeeringConnectionId": "pcx-1"}, "10.9.0.0/16 -> VPC peering pcx-1"),
    ({"DestinationCidrBlock": ANYWHERE, "NatGatewayId": "nat-1"}, "0.0.0.0/0 -> NAT gateway nat-1"),
    ({"DestinationCidrBlock": "10.8.0.0/16", "TransitGatewayId": "tgw-1"}, "10.8.0.0/16 -> transit gateway tgw-1"),
    ({"DestinationCidrBlock": "10.7.0.0/16", "GatewayId": "vgw-1"}, "10.7.0.0/16 -> VPN gateway vgw-1"),
    ({"DestinationPrefixListId": "pl-1", "GatewayId": "vpce-1"}, "pl-1 -> VPC endpoint vpce-1"),
    (
        {"DestinationIpv6CidrBlock": "::/0", "EgressOnlyInternetGatewayId": "eigw-1"},
        "::/0 -> egress-only internet gateway eigw-1",
    ),
    (
        {"DestinationCidrBlock": "10.6.0.0/16", "InstanceId": "i-1", "NetworkInterfaceId": "eni-1"},
        "10.6.0.0/16 -> instance i-1 on network interface eni-1",
    ),
    (
        {"DestinationCidrBlock": "10.5.0.0/16", "NetworkInterfaceId": "eni-1", "State": "blackhole"},
        "10.5.0.0/16 -> network interface eni-1 (blackhole)",
    ),
    # A network appliance in the way between subnets.
    (
        {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": None, "NetworkInterfaceId": "eni-1"},
        "10.0.0.0/16 -> network interface eni-1",
    ),
    ({"DestinationCidrBlock": "10.4.0.0/16", "GatewayId": "vpce-9"}, "10.4.0.0/16 -> VPC endpoint vpce-9"),
    (
        {"DestinationCidrBlock": "10.3.0.0/16", "CoreNetworkArn": "arn:aws:networkmanager::1:core-network/c"},
        "10.3.0.0/16 -> core network arn:aws:networkmanager::1:core-network/c",
    ),
    (
        {"DestinationCidrBlock": "10.2.0.0/16", "GatewayId": "vgw-1", "Origin": "EnableVgwRoutePropagation"},
        "10.2.0.0/16 -> VPN gateway vgw-1 (propagated)",
    ),
    ({"DestinationIpv6CidrBlock": "::/0", "GatewayId": "igw-1"}, "::/0 -> internet_gateway koin"),
]


@pytest.mark.parametrize(("route", "text"), ROUTES, ids=[text for _, text in ROUTES])
@pytest.mark.parametrize("main", [False, True])
def test_a_subnet_that_moves_is_named_with_the_routes_it_loses(route: dict[str, Any], text: str, main: bool) -> None:
    own = table("rtb-old", route, subnets=() if main else ("b",), main=main)
    # Without one of its Name, the table that all declared subnets use is taken for the declared one.
    others = [table("rtb-new") | {"Tags": named("public")} if main else table("rtb-main", main=True)]
    lines = planned(TABLE, route_tables=[own, *others]).warnings
    who = "subnet a (subnet-a), b (subnet-b)" if main else "subnet b (subnet-b)"
    which = "the main route table" if main else "route table"
    assert f"route table public: takes {who} from {which} rtb-old; lost: {text}" in lines
    assert not any("hand" in line for line in lines)


def test_routes_that_a_vpn_gateway_would_propagate_are_lost_with_the_table() -> None:
    old = table("rtb-old", subnets=("b",)) | {"PropagatingVgws": [{"GatewayId": "vgw-1"}]}
    lines = planned(TABLE, route_tables=[old, table("rtb-main", main=True)]).warnings
    assert any(line.endswith("rtb-old; lost: propagated routes -> VPN gateway vgw-1") for line in lines)


def _variable(kind: str) -> str:
    return f"aws_network_{kind.removeprefix('network_')}s"


def _two_tables(kind: str) -> dict[str, Any]:
    rules = {"ingress": {"100": RULE}, "egress": {"100": RULE}} if kind == "network_acl" else {}
    entries = {name: {"vpc": "koin", "subnets": [name], **rules} for name in "ab"}
    return {_variable(kind): entries}


@pytest.mark.parametrize(
    ("names", "subnets", "created", "found"),
    [
        # Both would be the main table, and would change it in turn.
        ([""], [("a", "b")], ["a", "b"], {}),
        (["other"], [("a", "b")], ["a", "b"], {}),
        # One has its Name, and what the other subnet uses today is not the other's.
        (["a"], [("a", "b")], ["b"], {"a": "0"}),
        (["a"], [("b",)], ["b"], {"a": "0"}),
        (["a", ""], [(), ("b",)], [], {"a": "0", "b": "1"}),
        (["", ""], [("a",), ("b",)], [], {"a": "0", "b": "1"}),
        # The subnets of one that has its own already are no hindrance.
        (["a", ""], [(), ("a", "b")], [], {"a": "0", "b": "1"}),
    ],
)
@pytest.mark.parametrize("kind", ["route_table", "network_acl"])
def test_no_two_entries_are_the_same_table(
    kind: str, names: list[str], subnets: list[tuple[str, ...]], created: list[str], found: dict[str, str]
) -> None:
    if kind == "route_table":
        live = [table(str(n), subnets=own, main=not own) for n, own in enumerate(subnets)]
    else:
        live = [acl(str(n), *BOTH, subnets=own) for n, own in enumerate(subnets)]
    live = [item | {"Tags": named(name) if name else []} for item, name in zip(live, names, strict=True)]
    result = planned(_two_tables(kind), **{f"{kind}s": live})
    assert [action.name for action in result.of("create") if action.kind == kind] == created
    assert {name: value["id"] for name, value in result.registry.get(kind, {}).items()} == found


@pytest.mark.parametrize("kind", ["route_table", "network_acl"])
def test_a_subnet_that_no_entry_names_stays_where_it_is(kind: str) -> None:
    declared = _two_tables(kind)
    del declared[_variable(kind)]["b"]
    live = table("0", subnets=("a", "b")) if kind == "route_table" else acl("0", *BOTH, subnets=("a", "b"))
    assert planned(declared, **{f"{kind}s": [live | {"Tags": named("a")}]}).writes == []


def test_a_route_that_the_new_table_has_is_not_lost() -> None:
    internet = {"DestinationCidrBlock": ANYWHERE, "GatewayId": "igw-1"}
    declared = {"aws_network_route_tables": {"public": TABLE["aws_network_route_tables"]["public"] | INTERNET}}
    new = table("rtb-new") | {"Tags": named("public")}
    (line,) = planned(declared, route_tables=[table("rtb-main", internet, main=True), new]).warnings
    assert line.endswith("; no route is lost")


@pytest.mark.parametrize(("route", "text"), [pair for pair in ROUTES if "0.0.0.0/0" in pair[1]])
def test_a_route_that_an_undeclared_subnet_uses_too(route: dict[str, Any], text: str) -> None:
    live = table("rtb-1", route, subnets=("a", "b", "hand"))
    declared = {"aws_network_route_tables": {"public": TABLE["aws_network_route_tables"]["public"] | INTERNET}}
    found = shown(declared, route_tables=[live])
    assert "routes.0.0.0.0/0: NAT gateway nat-1 -> internet_gateway koin" in found
    assert "also for subnet hand (subnet-hand), not declared, traffic to 0.0.0.0/0 goes to internet_gateway" in found


# --- Network ACLs


def entry(number: int, action: str, protocol: str, egress: bool = False, **more: Any) -> dict[str, Any]:
    source = {} if "Ipv6CidrBlock" in more else {"CidrBlock": ANYWHERE}
    return {"RuleNumber": number, "RuleAction": action, "Protocol": protocol, "Egress": egress, **source, **more}


def acl(acl_id: str, *entries: dict[str, Any], subnets: tuple[str, ...] = (), name: str = "") -> dict[str, Any]:
    return {
        "NetworkAclId": acl_id,
        "VpcId": "vpc-1",
        "IsDefault": False,
        "Entries": [*entries, entry(32767, "deny", "-1"), entry(32767, "deny", "-1", egress=True)],
        "Associations": [{"SubnetId": f"subnet-{item}", "NetworkAclId": acl_id} for item in subnets],
        "Tags": named(name) if name else [],
    }


RULE = {"protocol": "all", "action": "allow", "cidr": ANYWHERE}
OPEN = {"vpc": "koin", "subnets": ["a", "b"], "ingress": {"100": RULE}, "egress": {"100": RULE}}
BOTH = (entry(100, "allow", "-1"), entry(100, "allow", "-1", egress=True))


def test_a_subnet_that_moves_to_another_acl_loses_its_denies() -> None:
    deny = entry(90, "deny", "6", PortRange={"From": 22, "To": 22}, CidrBlock="198.51.100.0/24")
    old = acl("acl-old", deny, *BOTH, subnets=("b",))
    lines = planned({"aws_network_acls": {"open": OPEN}}, network_acls=[old]).warnings
    expected = "takes subnet b (subnet-b) from network ACL acl-old; lost: ingress 90 deny tcp 22-22 198.51.100.0/24"
    assert f"network ACL open: {expected}" in lines


@pytest.mark.parametrize(
    ("after", "lost"),
    [
        ({"90": ("deny", "tcp", 22), "100": ("allow", "all", 0)}, ""),
        # It decides no more.
        ({"100": ("allow", "all", 0), "110": ("deny", "tcp", 22)}, "90 deny tcp 22-22 0.0.0.0/0 (after 100 allow all"),
        (
            {"80": ("allow", "tcp", 20), "90": ("deny", "tcp", 22), "100": ("allow", "all", 0)},
            "(after 80 allow tcp 20",
        ),
        ({"80": ("allow", "tcp", 80), "90": ("deny", "tcp", 22), "100": ("allow", "all", 0)}, ""),
        ({"80": ("allow", "udp", 22), "90": ("deny", "tcp", 22), "100": ("allow", "all", 0)}, ""),
    ],
)
def test_a_rule_that_comes_too_late_is_lost(after: dict[str, tuple[str, str, int]], lost: str) -> None:
    def rule(action: str, protocol: str, port: int) -> dict[str, Any]:
        ports = {"from_port": port, "to_port": port + 10 if port == 20 else port} if port else {}
        return {"protocol": protocol, "action": action, "cidr": ANYWHERE, **ports}

    deny = entry(90, "deny", "6", PortRange={"From": 22, "To": 22})
    declared = OPEN | {"ingress": {number: rule(*parts) for number, parts in after.items()}}
    old = acl("acl-old", deny, *BOTH, subnets=("b",))
    (line,) = planned({"aws_network_acls": {"open": declared}}, network_acls=[old]).warnings
    assert lost in line and ("no rule is lost" in line) is (not lost)


ENTRIES: list[tuple[dict[str, Any], str]] = [
    (entry(90, "allow", "1", IcmpTypeCode={"Type": 8, "Code": -1}), "90 allow icmp type 8 0.0.0.0/0"),
    (entry(90, "allow", "1", IcmpTypeCode={"Type": 3, "Code": 4}), "90 allow icmp type 3 code 4 0.0.0.0/0"),
    (entry(90, "allow", "58", Ipv6CidrBlock="::/0", IcmpTypeCode={"Type": -1, "Code": -1}), "90 allow icmpv6 ::/0"),
    (entry(90, "deny", "50"), "90 deny 50 0.0.0.0/0"),
    (entry(90, "deny", "17", PortRange={"From": 53, "To": 60}), "90 deny udp 53-60 0.0.0.0/0"),
    (entry(90, "deny", "6", PortRange={"From": 0, "To": 65535}), "90 deny tcp 0.0.0.0/0"),
]


@pytest.mark.parametrize(("live", "text"), ENTRIES, ids=[text for _, text in ENTRIES])
def test_an_acl_entry_that_goes_can_be_put_back_from_the_plan(live: dict[str, Any], text: str) -> None:
    found = shown({"aws_network_acls": {"open": OPEN}}, network_acls=[acl("acl-1", live, *BOTH, subnets=("a", "b"))])
    assert f"        - {text}" in found


@pytest.mark.parametrize(
    ("declared", "live", "same"),
    [
        ({}, {}, True),
        ({"icmp_type": 8}, {"IcmpTypeCode": {"Type": 8, "Code": -1}}, True),
        ({"icmp_type": 8, "icmp_code": -1}, {"IcmpTypeCode": {"Type": 8, "Code": -1}}, True),
        ({}, {"IcmpTypeCode": {"Type": 8, "Code": -1}}, False),
        ({"icmp_type": 3, "icmp_code": 4}, {"IcmpTypeCode": {"Type": 3, "Code": 3}}, False),
    ],
)
def test_icmp_types_are_part_of_an_acl_entry(declared: dict[str, Any], live: dict[str, Any], same: bool) -> None:
    everything = {"IcmpTypeCode": {"Type": -1, "Code": -1}}
    observed = acl("acl-1", entry(90, "allow", "1", **(live or everything)), *BOTH, subnets=("a", "b"), name="open")
    rules = {"90": {"protocol": "icmp", "action": "allow", "cidr": ANYWHERE, **declared}, "100": RULE}
    assert (not planned({"aws_network_acls": {"open": OPEN | {"ingress": rules}}}, network_acls=[observed]).writes) is (
        same
    )


def test_an_undeclared_subnet_of_the_acl_is_named() -> None:
    deny = entry(90, "deny", "-1", CidrBlock="198.51.100.0/24")
    live = acl("acl-1", deny, *BOTH, subnets=("a", "b", "hand"), name="open")
    (line,) = planned({"aws_network_acls": {"open": OPEN}}, network_acls=[live]).warnings
    assert "also changes subnet hand (subnet-hand), not declared; lost: ingress 90 deny all 198.51.100.0/24" in line


# --- Security groups


def group(*permissions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "GroupId": "sg-1",
        "GroupName": "Web",
        "OwnerId": OWNER,
        "VpcId": "vpc-1",
        "Description": "by hand",
        "IpPermissions": list(permissions),
        "IpPermissionsEgress": [],
        "Tags": named("Web"),
        **more,
    }


def allow(protocol: str, first: int | None = None, last: int | None = None, **source: Any) -> dict[str, Any]:
    ports = {} if first is None else {"FromPort": first, "ToPort": first if last is None else last}
    return {"IpProtocol": protocol, **ports, **(source or {"IpRanges": [{"CidrIp": ANYWHERE}]})}


def declared_group(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"aws_security_groups": {"Web": {"vpc": "koin", "ingress": {str(n): rule for n, rule in enumerate(rules)}}}}


PERMISSIONS: list[tuple[dict[str, Any], str]] = [
    (allow("icmp", 8, -1), "icmp type 8 from 0.0.0.0/0"),
    (allow("icmp", 3, 4), "icmp type 3 code 4 from 0.0.0.0/0"),
    (allow("1", -1, -1), "icmp from 0.0.0.0/0"),
    (allow("58", -1, -1, Ipv6Ranges=[{"CidrIpv6": "::/0", "Description": "ping6"}]), 'icmpv6 from ::/0 "ping6"'),
    (allow("tcp", 0, 65535), "tcp 0-65535 from 0.0.0.0/0"),
    (allow("6", 22, 22), "tcp 22 from 0.0.0.0/0"),
    (allow("51"), "51 from 0.0.0.0/0"),
    (
        allow("tcp", 22, IpRanges=[{"CidrIp": "198.51.100.7/32", "Description": "Kim's home"}]),
        'tcp 22 from 198.51.100.7/32 "Kim\'s home"',
    ),
    (allow("tcp", 22, PrefixListIds=[{"PrefixListId": "pl-1", "Description": "office"}]), 'tcp 22 from pl-1 "office"'),
    (
        allow("-1", UserIdGroupPairs=[{"GroupId": "sg-1", "UserId": OWNER, "Description": "us"}]),
        'all from group Web "us"',
    ),
    (
        allow("tcp", 22, UserIdGroupPairs=[{"GroupId": "sg-9", "UserId": "999999999999"}]),
        "tcp 22 from group sg-9 of account 999999999999",
    ),
    (
        allow(
            "tcp",
            22,
            UserIdGroupPairs=[
                {"GroupId": "sg-9", "UserId": OWNER, "VpcId": "vpc-9", "VpcPeeringConnectionId": "pcx-1"}
            ],
        ),
        "tcp 22 from group sg-9 in vpc-9 over pcx-1",
    ),
]


@pytest.mark.parametrize(("permission", "text"), PERMISSIONS, ids=[text for _, text in PERMISSIONS])
def test_a_rule_that_goes_can_be_put_back_from_the_plan(permission: dict[str, Any], text: str) -> None:
    found = shown(declared_group(), security_groups=[group(permission)])
    assert f"        - {text}\n" in found
    assert f"what uses {text} today is cut off" in found


@pytest.mark.parametrize(
    ("declared", "live", "same"),
    [
        ({"protocol": "icmp"}, [allow("icmp", -1, -1)], True),
        ({"protocol": "icmp", "icmp_type": -1, "icmp_code": -1}, [allow("icmp", -1, -1)], True),
        ({"protocol": "icmp"}, [allow("icmp", 8, -1)], False),
        ({"protocol": "icmp"}, [allow("icmp", 8, -1), allow("icmp", 0, -1)], False),
        ({"protocol": "icmp", "icmp_type": 8}, [allow("icmp", 8, -1)], True),
        ({"protocol": "icmp", "icmp_type": 8}, [allow("icmp", 8, 0)], False),
        ({"protocol": "tcp", "port": 80}, [allow("tcp", 80, 80)], True),
        ({"protocol": "tcp", "port": 80}, [allow("tcp", 80, 81)], False),
        ({"protocol": "all"}, [allow("-1")], True),
        ({"protocol": "all"}, [allow("-1", -1, -1)], True),
        ({"protocol": "esp"}, [allow("50")], True),
        # A description makes no difference: the rule stays, and keeps it.
        (
            {"protocol": "tcp", "port": 80},
            [allow("tcp", 80, IpRanges=[{"CidrIp": ANYWHERE, "Description": "web"}])],
            True,
        ),
    ],
)
def test_rules_are_compared_as_finely_as_aws_does(
    declared: dict[str, Any], live: list[dict[str, Any]], same: bool
) -> None:
    found = planned(declared_group(declared | {"cidrs": [ANYWHERE]}), security_groups=[group(*live)])
    assert (not found.writes) is same
    if not same:
        assert "        - " in render(found)


def test_hosts_that_a_rule_is_taken_from_are_named() -> None:
    host = {"InstanceId": "i-9", "State": {"Name": "running"}, "SecurityGroups": [{"GroupId": "sg-1"}]}
    host |= {"InstanceType": "t3a.small", "Architecture": "x86_64", "Tags": named("legacy")}
    (line,) = planned(declared_group(), security_groups=[group(allow("tcp", 22))], instances=[host]).warnings
    assert line == "security group Web: what uses tcp 22 from 0.0.0.0/0 today is cut off, on legacy"


def test_interfaces_that_a_rule_is_taken_from_are_named() -> None:
    second = {"Attachment": {"DeviceIndex": 1}, "Groups": [{"GroupId": "sg-1"}], "NetworkInterfaceId": "eni-2"}
    host = instance("i-9", "two-legged", NetworkInterfaces=[second])
    database = {"NetworkInterfaceId": "eni-3", "Description": "RDSNetworkInterface", "Groups": [{"GroupId": "sg-1"}]}
    other = database | {"NetworkInterfaceId": "eni-4", "Groups": [{"GroupId": "sg-7"}]}
    (line,) = planned(
        declared_group(),
        security_groups=[group(allow("tcp", 22))],
        instances=[host],
        group_interfaces={"services": [database, other]},
    ).warnings
    assert line.endswith("is cut off, on two-legged, network interface eni-3 (RDSNetworkInterface)")


@pytest.mark.parametrize(
    ("permissions", "asked"),
    [([allow("tcp", 22)], ["sg-1"]), ([allow("tcp", 80)], []), ([], [])],
)
def test_interfaces_are_asked_for_only_where_a_rule_goes(permissions: list[dict[str, Any]], asked: list[str]) -> None:
    declared = declared_group({"protocol": "tcp", "port": 80, "cidrs": [ANYWHERE]})
    answer = {"SecurityGroups": [group(*permissions)]}
    (detail,) = (item for read in KINDS.reads() for item in read.then if item.into == "group_interfaces")
    found = list(detail.each(declaration(declared), answer))
    assert [arguments["Filters"][0]["Values"] for _, arguments in found] == ([asked] if asked else [])
    host = {"NetworkInterfaceId": "eni-1", "Attachment": {"InstanceId": "i-1"}}
    service = {"NetworkInterfaceId": "eni-2", "Attachment": {"InstanceOwnerId": "amazon-elb"}}
    assert detail.value({"NetworkInterfaces": [host, service, {"NetworkInterfaceId": "eni-3"}]}) == [
        service,
        {"NetworkInterfaceId": "eni-3"},
    ]


def test_a_group_whose_name_differs_in_case_is_refused() -> None:
    (problem,) = problems(declared_group(), security_groups=[group(GroupName="WEB")])
    assert problem.startswith("aws_security_groups.Web: the VPC has the group WEB")
    assert problems(declared_group(), security_groups=[group(GroupName="WEB", VpcId="vpc-2")]) == []
    assert problems(declared_group(), security_groups=[group(), group(GroupName="web2", GroupId="sg-2")]) == []


def test_a_group_of_that_name_in_another_vpc_is_another_group() -> None:
    found = planned(declared_group(), security_groups=[group(VpcId="vpc-2")])
    assert [(action.kind, action.name) for action in found.of("create")] == [("security_group", "Web")]


# --- Instances and addresses

HOST = {"role": "PROD", "type": "t3a.small", "architecture": "x86_64", "subnet": "a"}


def hosts(**more: Any) -> dict[str, Any]:
    return {"aws_compute_instances": {"KOIN": HOST | more}}


def instance(live_id: str = "i-1", name: str = "KOIN", **more: Any) -> dict[str, Any]:
    return {
        "InstanceId": live_id,
        "State": {"Name": "running"},
        "InstanceType": "t3a.small",
        "Architecture": "x86_64",
        "SubnetId": "subnet-a",
        "VpcId": "vpc-1",
        "PrivateIpAddress": "10.0.0.10",
        "SecurityGroups": [],
        "Tags": [*named(name), {"Key": "Role", "Value": "PROD"}],
        **more,
    }


def address(public: str, allocation: str, **more: Any) -> dict[str, Any]:
    return {"PublicIp": public, "AllocationId": allocation, **more}


FREE = address("5.5.5.5", "eipalloc-5")


def _warnings(declared: dict[str, Any], **observed: Any) -> str:
    return "\n".join(planned(declared, **observed).warnings)


def test_the_address_that_a_host_had_is_named() -> None:
    held = address("3.3.3.3", "eipalloc-3", InstanceId="i-1", AssociationId="x", PrivateIpAddress="10.0.0.10")
    found = _warnings(hosts(elastic_ip="5.5.5.5"), instances=[instance()], addresses=[FREE, held])
    assert found == "elastic IP KOIN: 3.3.3.3 is taken off instance KOIN; it stays allocated, and is billed"


def test_the_address_of_a_second_private_address_stays() -> None:
    held = address("3.3.3.3", "eipalloc-3", InstanceId="i-1", AssociationId="x", PrivateIpAddress="10.0.0.11")
    assert _warnings(hosts(elastic_ip="5.5.5.5"), instances=[instance()], addresses=[FREE, held]) == ""


@pytest.mark.parametrize(("wanted", "addresses"), [("5.5.5.5", [FREE]), ("auto", []), ("6.6.6.6", [])])
def test_a_public_address_without_allocation_is_lost_for_good(wanted: str, addresses: list[dict[str, Any]]) -> None:
    live = instance(PublicIpAddress="4.4.4.4")
    found = _warnings(hosts(elastic_ip=wanted), instances=[live], addresses=addresses)
    assert found == "elastic IP KOIN: instance KOIN loses its public address 4.4.4.4 for good"


def test_an_address_that_stays_is_not_warned_about() -> None:
    held = address("5.5.5.5", "eipalloc-5", InstanceId="i-1", AssociationId="x")
    live = instance(PublicIpAddress="5.5.5.5")
    assert _warnings(hosts(elastic_ip="5.5.5.5"), instances=[live], addresses=[held]) == ""


@pytest.mark.parametrize(
    ("holder", "interfaces", "text"),
    [
        ({"InstanceId": "i-2", "NetworkInterfaceId": "eni-2"}, [], "instance legacy (i-2)"),
        (
            {"NetworkInterfaceId": "eni-7"},
            [
                {
                    "NetworkInterfaceId": "eni-7",
                    "InterfaceType": "nat_gateway",
                    "Description": "Interface for NAT Gateway nat-1",
                }
            ],
            "network interface eni-7 (Interface for NAT Gateway nat-1), whose subnets lose the internet",
        ),
        (
            {"NetworkInterfaceId": "eni-7"},
            [{"NetworkInterfaceId": "eni-7", "Description": "ELB net/front"}],
            "network interface eni-7 (ELB net/front)",
        ),
        ({"NetworkInterfaceId": "eni-7"}, [], "eni-7"),
    ],
)
@pytest.mark.parametrize("there", [True, False])
def test_who_an_address_is_taken_from(
    holder: dict[str, Any], interfaces: list[dict[str, Any]], text: str, there: bool
) -> None:
    live = [instance("i-2", "legacy"), *([instance()] if there else [])]
    held = address("5.5.5.5", "eipalloc-5", AssociationId="x", **holder)
    found = _warnings(
        hosts(elastic_ip="5.5.5.5"), instances=live, addresses=[held], address_holders={"public": interfaces}
    )
    assert found == f"elastic IP KOIN: 5.5.5.5 is taken from {text}"


NAT = {"InterfaceType": "nat_gateway", "Description": "Interface for NAT Gateway nat-1"}


@pytest.mark.parametrize(
    ("interface", "text"),
    [
        (NAT, "(Interface for NAT Gateway nat-1), whose subnets use the internet through it: AWS does not let it go"),
        ({"RequesterManaged": True, "Description": "ELB net/front/1"}, "(ELB net/front/1): AWS does not let it go"),
        ({"RequesterManaged": False, "Description": "by hand"}, ""),
    ],
)
def test_an_address_that_a_service_keeps_is_refused(interface: dict[str, Any], text: str) -> None:
    held = address("5.5.5.5", "eipalloc-5", AssociationId="x", NetworkInterfaceId="eni-7")
    public = [{"NetworkInterfaceId": "eni-7", **interface}]
    found = problems(hosts(elastic_ip="5.5.5.5"), addresses=[held], address_holders={"public": public})
    refused = [problem for problem in found if "elastic_ip" in problem]
    assert len(refused) == bool(text) and all(text in problem for problem in refused)


@pytest.mark.parametrize(
    ("declared", "observed", "refused"),
    [
        ({}, {}, False),
        ({"aws_network_internet_gateways": {}}, {}, False),
        ({"aws_network_internet_gateways": {}}, {"internet_gateways": []}, True),
        # It is made in the same run.
        ({}, {"internet_gateways": []}, False),
        ({}, {"internet_gateways": [], "vpcs": [], "subnets": []}, False),
        # The host is in another VPC, which has one, or has none.
        ({}, {"instances": [instance(VpcId="vpc-2")]}, True),
        # There are two: which of them is the host is another question, and asked elsewhere.
        ({}, {"instances": [instance(VpcId="vpc-2"), instance(InstanceId="i-2", VpcId="vpc-2")]}, False),
        (
            {},
            {
                "instances": [instance(VpcId="vpc-2")],
                "internet_gateways": [{"InternetGatewayId": "igw-2", "Attachments": [{"VpcId": "vpc-2"}]}],
            },
            False,
        ),
    ],
)
def test_an_address_without_an_internet_gateway_is_refused(
    declared: dict[str, Any], observed: dict[str, Any], refused: bool
) -> None:
    found = problems(hosts(elastic_ip="auto") | declared, **observed)
    assert any("has no internet gateway" in problem for problem in found) is refused


@pytest.mark.parametrize(("tenancy", "warned"), [("dedicated", True), ("default", False)])
def test_a_vpc_that_launches_on_dedicated_hardware_is_said(tenancy: str, warned: bool) -> None:
    found = planned(hosts(), vpcs=[VPC | {"InstanceTenancy": tenancy}]).warnings
    assert any("vpc-1 launches on dedicated hardware" in line for line in found) is warned


def _two_hosts(first: str, second: str) -> dict[str, Any]:
    return {"aws_compute_instances": {"KOIN": HOST | {"elastic_ip": first}, "DB": HOST | {"elastic_ip": second}}}


def _at(public: str, host: str, private: str = "10.0.0.10") -> dict[str, Any]:
    return address(public, f"eipalloc-{public}", InstanceId=host, AssociationId="x", PrivateIpAddress=private)


PAIR = [instance(), instance("i-2", "DB")]


@pytest.mark.parametrize(
    ("declared", "addresses", "found", "created"),
    [
        # The address of DB goes to KOIN, so that DB needs another.
        (_two_hosts("2.2.2.2", "auto"), [_at("2.2.2.2", "i-2")], {"KOIN": "2.2.2.2"}, ["DB"]),
        (
            _two_hosts("2.2.2.2", "1.1.1.1"),
            [_at("1.1.1.1", "i-1"), _at("2.2.2.2", "i-2")],
            {"KOIN": "2.2.2.2", "DB": "1.1.1.1"},
            [],
        ),
        # Of a host with two interfaces, that of the first.
        (
            hosts(elastic_ip="auto"),
            [_at("2.2.2.2", "i-1", "10.0.0.99"), _at("1.1.1.1", "i-1")],
            {"KOIN": "1.1.1.1"},
            [],
        ),
        # A Name that is another host's by now.
        (
            _two_hosts("auto", "2.2.2.2"),
            [_at("1.1.1.1", "i-1"), _at("2.2.2.2", "i-2") | {"Tags": named("KOIN")}],
            {"KOIN": "1.1.1.1", "DB": "2.2.2.2"},
            [],
        ),
    ],
)
def test_whose_address_it_is(
    declared: dict[str, Any], addresses: list[dict[str, Any]], found: dict[str, str], created: list[str]
) -> None:
    result = planned(declared, instances=PAIR, addresses=addresses)
    assert {name: value["public_ip"] for name, value in result.registry["elastic_ip"].items()} == found
    assert [action.name for action in result.of("create") if action.kind == "elastic_ip"] == created
    assert not any("it stays allocated" in line or "for good" in line for line in result.warnings)
    quotas = {"L-0263D0A3": float(len(addresses))}
    refused = problems(declared, instances=PAIR, addresses=addresses, quotas=quotas)
    assert len([problem for problem in refused if "elastic IPs" in problem]) == len(created)


def test_an_address_on_an_interface_is_shown_with_it() -> None:
    held = address("5.5.5.5", "eipalloc-5", AssociationId="x", NetworkInterfaceId="eni-7")
    found = shown(hosts(elastic_ip="5.5.5.5"), instances=[instance()], addresses=[held])
    assert "      instance: network interface eni-7 -> KOIN\n" in found


@pytest.mark.parametrize(
    ("role", "text"),
    [
        ("EC2-S3-full", "its programs get the rights of koin and lose those of web (role EC2-S3-full)"),
        ("web", "its programs get the rights of koin and lose those of web"),
        ("", "its programs get the rights of koin and lose those of web"),
        # Another profile of the same role.
        ("koin", ""),
    ],
)
def test_the_rights_of_a_profile_are_those_of_its_role(role: str, text: str) -> None:
    declared = hosts(profile="koin") | {"aws_iam_roles": {"koin": {"description": ""}}}
    live = instance(IamInstanceProfile={"Arn": f"arn:aws:iam::{OWNER}:instance-profile/by-hand/web"})
    roles = [{"RoleName": role, "InstanceProfileList": [{"InstanceProfileName": "web"}]}] if role else []
    lines = [line for line in planned(declared, instances=[live], roles=roles).warnings if "rights" in line]
    assert lines == ([f"instance KOIN: {text}"] if text else [])


@pytest.mark.parametrize(
    ("wanted", "volume", "text"),
    [
        ("gp3", {"VolumeType": "io2", "Iops": 16000}, "root_volume.type: io2 (16000 IOPS) -> gp3"),
        ("gp2", {"VolumeType": "gp3", "Iops": 6000, "Throughput": 250}, "type: gp3 (6000 IOPS, 250 MiB/s) -> gp2"),
        ("gp3", {"VolumeType": "standard"}, "root_volume.type: standard -> gp3"),
        ("gp3", {"VolumeType": "gp3", "Iops": 16000, "Throughput": 1000}, ""),
    ],
)
def test_a_volume_is_shown_with_what_it_may_lose(wanted: str, volume: dict[str, Any], text: str) -> None:
    declared = hosts(root_volume={"type": wanted})
    found = shown(declared, instances=[instance(**DISK)], volumes=[{"VolumeId": "vol-1", **volume}])
    assert text in found and ("root_volume" in found) is bool(text)


def test_addresses_that_are_no_elastic_ips_of_a_vpc_are_left_out() -> None:
    (read,) = (read for read in KINDS.reads() if read.into == "addresses")
    carrier = {"AllocationId": "eipalloc-1", "CarrierIp": "155.146.1.1"}
    assert read.value({"Addresses": [FREE, carrier, {"PublicIp": "4.4.4.4", "Domain": "standard"}]}) == [FREE]


def test_what_a_host_loses_with_its_security_groups() -> None:
    declared = hosts(security_groups=["Web"]) | declared_group({"protocol": "tcp", "port": 80, "cidrs": [ANYWHERE]})
    old = group(allow("tcp", 22, PrefixListIds=[{"PrefixListId": "pl-1"}]), GroupId="sg-2", GroupName="legacy")
    live = instance(SecurityGroups=[{"GroupId": "sg-2"}])
    found = _warnings(declared, security_groups=[group(allow("tcp", 80)), old], instances=[live])
    assert found == "instance KOIN: it leaves security group legacy (sg-2): tcp 22 from pl-1"


def _member(group_id: str) -> dict[str, Any]:
    return {"UserIdGroupPairs": [{"GroupId": group_id, "UserId": OWNER}]}


@pytest.mark.parametrize(
    ("permissions", "text"),
    [
        ([allow("tcp", 3306, **_member("sg-2"))], "tcp 3306 from members of legacy"),
        ([allow("-1", **_member("sg-2"))], "all from members of legacy"),
        # It still may, as a member of the group that it joins.
        ([allow("tcp", 3306, UserIdGroupPairs=[{"GroupId": "sg-1"}, {"GroupId": "sg-2"}])], ""),
        ([allow("tcp", 3306, **_member("sg-5"))], ""),
    ],
)
def test_what_other_groups_allow_to_members_is_lost_with_the_group(
    permissions: list[dict[str, Any]], text: str
) -> None:
    declared = hosts(security_groups=["Web"]) | declared_group()
    old = group(GroupId="sg-2", GroupName="legacy")
    database = group(*permissions, GroupId="sg-9", GroupName="db")
    live = instance(SecurityGroups=[{"GroupId": "sg-2"}])
    found = planned(declared, security_groups=[group(), old, database], instances=[live]).warnings
    expected = f"instance KOIN: it loses what security group db (sg-9) allows: {text}"
    assert found[1:] == ((expected,) if text else ())


def test_a_host_in_another_vpc_is_promised_nothing_that_needs_its_own() -> None:
    declared = hosts(security_groups=["Web"]) | declared_group()
    live = instance(VpcId="vpc-2", SubnetId="subnet-z", SecurityGroups=[{"GroupId": "sg-7"}])
    found = planned(declared, security_groups=[group()], instances=[live])
    fields = {(action.action, change.field) for action in found.of("change", "replace") for change in action.changes}
    assert fields == {("replace", "vpc"), ("replace", "subnet"), ("replace", "security_groups")}
    assert found.warnings == ()


def test_a_host_in_another_subnet_of_the_vpc_changes_its_groups() -> None:
    declared = hosts(security_groups=["Web"]) | declared_group()
    live = instance(SubnetId="subnet-b", SecurityGroups=[{"GroupId": "sg-7"}])
    found = planned(declared, security_groups=[group()], instances=[live])
    fields = {(action.action, change.field) for action in found.of("change", "replace") for change in action.changes}
    assert fields == {("replace", "subnet"), ("change", "security_groups")}


@pytest.mark.parametrize(
    ("live", "text"),
    [
        ({"PublicKey": "ssh-ed25519 AAAA someone"}, ""),
        ({"PublicKey": "ssh-ed25519 BBBB someone"}, "public_key: ssh-ed25519 BBBB -> ssh-ed25519 AAAA"),
        ({"PublicKey": "ssh-rsa AAAA", "KeyType": "rsa"}, "public_key: ssh-rsa AAAA -> ssh-ed25519 AAAA"),
        ({"KeyFingerprint": "1f:51"}, "public_key: a key with fingerprint 1f:51 -> ssh-ed25519 AAAA"),
    ],
)
def test_a_key_pair_is_compared_by_its_key(live: dict[str, Any], text: str) -> None:
    pair = {"KeyPairId": "key-1", "KeyName": "koin", **live}
    declared = {"aws_compute_key_pairs": {"koin": {"public_key": "ssh-ed25519 AAAA laptop"}}}
    found = shown(declared, key_pairs=[pair])
    assert text in found
    assert bool(text) is ("public_key" in found)


@pytest.mark.parametrize(
    ("declared", "live", "texts"),
    [
        ({"state": "stopped"}, {}, ["it is stopped, and all that runs on it", "it loses its public address 4.4.4.4"]),
        ({"type": "t3a.medium"}, {}, ["stops and starts it", "it loses its public address 4.4.4.4 for good"]),
        (
            {"state": "stopped"},
            {"InstanceType": "m5d.large"},
            [
                "changing its type",
                "it is stopped",
                "it loses its public address",
                "on its instance store (m5d.large) is lost",
            ],
        ),
        (
            {"metadata": {"http_endpoint": "disabled"}},
            {"MetadataOptions": {"HttpEndpoint": "enabled"}},
            ["programs on it lose the credentials"],
        ),
        (
            {"metadata": {"hop_limit": 1}},
            {"MetadataOptions": {"HttpPutResponseHopLimit": 2}},
            ["containers on a bridge network may lose"],
        ),
    ],
)
def test_what_a_host_loses(declared: dict[str, Any], live: dict[str, Any], texts: list[str]) -> None:
    lines = planned(hosts(**declared), instances=[instance(PublicIpAddress="4.4.4.4", **live)]).warnings
    assert len(lines) == len(texts)
    assert all(text in line for text, line in zip(texts, lines, strict=True))


def test_what_a_vpc_and_a_subnet_lose() -> None:
    off = {"koin": {"cidr": "10.0.0.0/16", "dns_support": False, "dns_hostnames": False}}
    subnets = {"a": DECLARED["aws_network_subnets"]["a"] | {"map_public_ip": False}}
    on = {"vpc-1": {"dns_support": True, "dns_hostnames": True}}
    lines = planned({"aws_network_vpcs": off, "aws_network_subnets": subnets}, vpc_attributes=on).warnings
    assert [line.partition(":")[0] for line in lines] == ["VPC koin (vpc-1)", "VPC koin (vpc-1)", "subnet a"]


def test_a_flow_log_that_delivers_nothing_is_named() -> None:
    log = {"FlowLogId": "fl-1", "ResourceId": "vpc-1", "LogDestination": "arn:aws:s3:::logs", "Tags": named("koin")}
    log |= {"DeliverLogsStatus": "FAILED", "DeliverLogsErrorMessage": "Access error"}
    (line,) = planned({"aws_account_flow_logs": {"koin": {"vpc": "koin", "bucket": "logs"}}}, flow_logs=[log]).warnings
    assert line == "flow log koin (fl-1): its logs are not delivered (Access error)"


# --- What a plan cannot do

DISK: dict[str, Any] = {
    "RootDeviceName": "/dev/xvda",
    "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeId": "vol-1"}}],
}
PROTECTED = {"stop_protection": {"i-1": True}}
UNDER_WAY = {"volume_modifications": [{"VolumeId": "vol-1", "TargetSize": 20, "TargetVolumeType": "gp2"}]}


@pytest.mark.parametrize(
    ("declared", "live", "more", "text"),
    [
        (
            {"type": "t3a.medium"},
            {},
            PROTECTED,
            "type: the host would have to stop, and is pro",
        ),
        (
            {"state": "stopped"},
            {},
            PROTECTED,
            "state: the host would have to stop, and is pro",
        ),
        ({}, {}, PROTECTED, ""),
        (
            {"type": "t3a.medium"},
            {"Tags": [*named("KOIN"), {"Key": "aws:autoscaling:groupName", "Value": "web"}]},
            {},
            "Auto Scaling group web terminates hosts that do",
        ),
        ({}, {"Tags": [*named("KOIN"), {"Key": "aws:autoscaling:groupName", "Value": "web"}]}, {}, ""),
        ({"type": "t3a.medium"}, {"InstanceLifecycle": "spot"}, {}, "a Spot instance, whose type EC2 does not change"),
        ({"termination_protection": True}, {"InstanceLifecycle": "spot"}, {}, "a Spot instance, which has none"),
        ({}, {"InstanceLifecycle": "spot"}, {}, ""),
        (
            {"type": "t3a.medium"},
            {"State": {"Name": "stopped"}, "HibernationOptions": {"Configured": True}},
            {},
            "",
        ),
        ({"state": "running"}, {"State": {"Name": "stopping"}}, {}, "the host is stopping now"),
        ({"state": "running"}, {"State": {"Name": "stopped"}}, {}, ""),
        (
            {"root_volume": {"size": 30}},
            {"State": {"Name": "stopped"}, "BlockDeviceMappings": []},
            {},
            "no EBS volume as its root device",
        ),
        ({"root_volume": {"size": 30}}, {"RootDeviceType": "instance-store"}, {}, "no EBS volume as its root device"),
        ({"root_volume": {"size": 30}}, {"State": {"Name": "pending"}, "BlockDeviceMappings": []}, {}, ""),
        (
            {"root_volume": {"size": 30}},
            DISK,
            UNDER_WAY,
            "vol-1 is being modified (to gp2, 20",
        ),
        ({"root_volume": {"type": "gp3"}}, DISK, UNDER_WAY, "is being modified"),
        ({"root_volume": {"size": 20, "type": "gp2"}}, DISK, UNDER_WAY, ""),
        # A smaller size is only reported.
        ({"root_volume": {"size": 10}}, DISK, UNDER_WAY, ""),
    ],
)
def test_what_ec2_does_not_do_with_a_host_is_refused(
    declared: dict[str, Any], live: dict[str, Any], more: dict[str, Any], text: str
) -> None:
    offered = [{"InstanceType": f"t3a.{size}", "Location": "ap-northeast-2a"} for size in ("small", "medium")]
    found = problems(hosts(**declared), instances=[instance(**live)], offerings=offered, **more)
    assert len(found) == bool(text), found
    assert all(text in problem for problem in found)


def test_stop_protection_is_read_of_hosts_that_would_stop() -> None:
    (detail,) = (item for read in KINDS.reads() for item in read.then if item.into == "stop_protection")

    def asked(declared: dict[str, Any], **live: Any) -> list[str]:
        answer = {"Reservations": [{"Instances": [instance(**live)]}]}
        return [arguments["InstanceId"] for _, arguments in detail.each(declaration(hosts(**declared)), answer)]

    assert asked({"type": "t3a.medium"}) == ["i-1"]
    assert asked({"state": "stopped"}) == ["i-1"]
    assert asked({}) == asked({"type": "t3a.medium"}, State={"Name": "stopped"}) == []
    # One of another architecture is only reported.
    assert asked({"type": "t4g.small", "architecture": "arm64"}) == []


def test_a_vpc_that_is_declared_by_its_id_has_to_exist() -> None:
    declared = {"koin": {"cidr": "10.0.0.0/16", "id": "vpc-9"}}
    (problem,) = problems({"aws_network_vpcs": declared, "aws_network_subnets": {}})
    assert problem == "aws_network_vpcs.koin.id: vpc-9 is not in ap-northeast-2 of this account"


def test_a_live_subnet_in_the_way_is_refused() -> None:
    wide = DECLARED["aws_network_subnets"] | {
        "wide": {"vpc": "koin", "cidr": "10.0.16.0/20", "zone": "ap-northeast-2a", "map_public_ip": True}
    }
    live = [*NETWORK["subnets"], subnet("by-hand", 17)]
    (problem,) = problems({"aws_network_subnets": wide}, subnets=live)
    assert "10.0.16.0/20 overlaps the live subnet by-hand (subnet-by-hand), 10.0.17.0/24" in problem
    elsewhere = [*NETWORK["subnets"], subnet("by-hand", 17, VpcId="vpc-2")]
    assert problems({"aws_network_subnets": wide}, subnets=elsewhere) == []


def test_a_subnet_outside_the_live_vpc_is_refused() -> None:
    declared = {
        "aws_network_vpcs": {"koin": {"cidr": "10.0.0.0/16", "id": "vpc-1"}},
        "aws_network_subnets": {
            "far": {"vpc": "koin", "cidr": "10.0.128.0/20", "zone": "ap-northeast-2a", "map_public_ip": True}
        },
    }
    small = VPC | {"CidrBlock": "10.0.0.0/20"}
    (problem,) = problems(declared, vpcs=[small])
    assert "10.0.128.0/20 is outside the live VPC vpc-1 (10.0.0.0/20)" in problem
    second = {"CidrBlock": "10.0.128.0/18", "CidrBlockState": {"State": "associated"}}
    assert problems(declared, vpcs=[small | {"CidrBlockAssociationSet": [second]}]) == []


def test_a_vpc_is_recognised_by_any_of_its_ranges() -> None:
    further = {"CidrBlock": "10.0.0.0/16", "CidrBlockState": {"State": "associated"}}
    live = VPC | {"CidrBlock": "10.1.0.0/16", "CidrBlockAssociationSet": [further]}
    assert planned({}, vpcs=[live]).writes == []
    gone = further | {"CidrBlockState": {"State": "disassociated"}}
    found = planned({}, vpcs=[live | {"CidrBlockAssociationSet": [gone]}])
    assert found.of("create")[0].kind == "vpc"
    assert found.warnings[0].startswith("VPC koin: a new one, beside koin (vpc-1) of another range")


def test_a_vpc_of_another_account_is_refused() -> None:
    assert problems({}, vpcs=[VPC | {"OwnerId": OWNER}]) == []
    (problem,) = problems({}, vpcs=[VPC | {"OwnerId": "999999999999"}])
    assert "vpc-1 belongs to account 999999999999, which shares it" in problem


def _launch(**more: Any) -> dict[str, Any]:
    return hosts(**more) | {"aws_compute_images": {"x86_64": "/image"}}


OFFERED = {
    "images": {"/image": "ami-1"},
    "offerings": [{"InstanceType": "t3a.small", "Location": "ap-northeast-2a"}],
    "launch_types": {"t3a.small": 2},
}


def test_a_private_address_that_something_else_has_is_refused() -> None:
    def interface(vpc: str = "vpc-1", **more: Any) -> dict[str, Any]:
        return {"NetworkInterfaceId": "eni-7", "VpcId": vpc, "PrivateIpAddress": "10.0.0.20", **more}

    declared = _launch(private_ip="10.0.0.20")

    def found(*interfaces: dict[str, Any]) -> list[str]:
        live = [instance("i-2", "legacy")]
        return problems(declared, instances=live, address_holders={"private": list(interfaces)}, **OFFERED)

    (problem,) = found(interface(Attachment={"InstanceId": "i-2"}))
    assert problem.endswith("private_ip: 10.0.0.20 is used by legacy (i-2)")
    (problem,) = found(interface(Description="Interface for NAT Gateway nat-1"))
    assert problem.endswith("is used by network interface eni-7 (Interface for NAT Gateway nat-1)")
    assert found(interface("vpc-2")) == []
    assert found(interface() | {"PrivateIpAddress": "10.0.0.21"}) == []


def test_quotas_are_counted_with_what_there_is() -> None:
    several = {"aws_compute_instances": {name: HOST | {"elastic_ip": "auto"} for name in ("A", "B")}}
    declared = several | {"aws_compute_images": {"x86_64": "/image"}}
    four = [address(f"3.3.3.{n}", f"eipalloc-{n}") for n in range(4)]
    quotas = {"L-0263D0A3": 5.0, "L-1216C47A": 5.0}
    big = instance("i-9", "big", CpuOptions={"CoreCount": 1, "ThreadsPerCore": 2})
    found = problems(declared, addresses=four, instances=[big], quotas=quotas, **OFFERED)
    assert any("6 elastic IPs would exist, and the account's quota is 5" in problem for problem in found)
    assert [problem for problem in found if "vCPU" in problem] == [
        "aws_compute_instances.B: 6 vCPUs of standard on-demand instances would exist, and the account's quota is 5"
    ]
    # What cannot be read stops nothing.
    assert problems(declared, addresses=four, instances=[big], quotas={"L-0263D0A3": None}, **OFFERED) == []


def test_old_and_new_rules_exist_side_by_side_for_a_moment() -> None:
    live = group(*(allow("tcp", port) for port in range(1, 41)))
    declared = declared_group(*({"protocol": "tcp", "port": 100 + n, "cidrs": [ANYWHERE]} for n in range(30)))
    (problem,) = problems(declared, security_groups=[live], quotas={"L-0EA8095F": 60.0})
    assert "70 rules, old and new ones together, would exist, and the account's quota is 60" in problem
    same = declared_group(*({"protocol": "tcp", "port": n, "cidrs": [ANYWHERE]} for n in range(1, 41)))
    assert problems(same, security_groups=[live], quotas={"L-0EA8095F": 60.0}) == []


LISTS = [
    ({"PrefixListName": "com.amazonaws.global.cloudfront.origin-facing"}, 55),
    ({"PrefixListName": "com.amazonaws.ap-northeast-2.s3"}, 1),
    ({"PrefixListName": "office", "MaxEntries": 20}, 20),
]


@pytest.mark.parametrize(("raw", "weight"), LISTS)
def test_a_prefix_list_counts_as_many_rules(raw: dict[str, Any], weight: int) -> None:
    (detail,) = (item for read in KINDS.reads() for item in read.then if item.into == "prefix_lists")
    live = group(allow("tcp", 443, PrefixListIds=[{"PrefixListId": "pl-1"}]), allow("tcp", 80))
    answer = {"SecurityGroups": [live, group(GroupName="other")]}
    declared = declared_group({"protocol": "tcp", "port": 80, "cidrs": [ANYWHERE]})
    assert list(detail.each(declaration(declared), answer)) == [((), {"PrefixListIds": ["pl-1"]})]
    weights = detail.value({"PrefixLists": [{"PrefixListId": "pl-1", **raw}]})
    assert weights == {"pl-1": weight}
    quota = {"L-0EA8095F": float(weight)}
    (problem,) = problems(declared, security_groups=[live], prefix_lists=weights, quotas=quota)
    assert f"{weight + 1} rules, old and new ones together" in problem
    assert problems(declared, security_groups=[live], prefix_lists=weights, quotas={"L-0EA8095F": weight + 1.0}) == []
    many = declared_group(*({"protocol": "tcp", "port": port, "cidrs": [ANYWHERE]} for port in range(1, 9)))
    assert _asked(many, "security_groups", answer) == {"L-0EA8095F"}
    assert _asked(many, "security_groups", {"SecurityGroups": [group()]}) == set()


def test_ranges_of_every_prefix_list_in_a_rule_are_read() -> None:
    (detail,) = (item for read in KINDS.reads() for item in read.then if item.into == "prefix_list_ranges")
    strange = group(allow("tcp", 80, PrefixListIds=[{"PrefixListId": "pl-2"}]), GroupName="nobody's")
    live = group(allow("tcp", 443, PrefixListIds=[{"PrefixListId": "pl-1"}, {"PrefixListId": "pl-2"}]))
    assert list(detail.each(declaration({}), {"SecurityGroups": [live, strange]})) == [
        (("pl-1",), {"PrefixListId": "pl-1"}),
        (("pl-2",), {"PrefixListId": "pl-2"}),
    ]
    assert detail.value({"Entries": [{"Cidr": "198.51.100.0/24", "Description": "office"}]}) == ["198.51.100.0/24"]
    assert detail.value({"Entries": []}) == []
    # One that is shared no more.
    assert detail.value({}) is None


def _asked(declared: dict[str, Any], into: str, answer: dict[str, Any]) -> set[str]:
    """The quotas that would be read after an answer."""
    details = [detail for read in KINDS.reads() if read.into == into for detail in read.then if detail.into == "quotas"]
    return {path[0] for detail in details for path, _ in detail.each(declaration(declared), answer)}


def test_quotas_are_read_only_when_they_could_be_reached() -> None:
    several = {"aws_compute_instances": {name: HOST | {"elastic_ip": "auto"} for name in ("A", "B")}}
    four = [address(f"3.3.3.{n}", f"eipalloc-{n}") for n in range(4)]
    assert _asked(several, "addresses", {"Addresses": four}) == {"L-0263D0A3"}
    assert _asked(several, "addresses", {"Addresses": []}) == set()
    owned = [*four, address("1.1.1.1", "eipalloc-a", Tags=named("A")), address("2.2.2.2", "e-b", Tags=named("B"))]
    assert _asked(several, "addresses", {"Addresses": owned}) == set()
    assert _asked(
        {}, "vpcs", {"Vpcs": [VPC, *({"VpcId": f"vpc-{n}", "CidrBlock": "10.9.0.0/16"} for n in range(8))]}
    ) == (set())
    others = [{"VpcId": f"vpc-{n}", "CidrBlock": "10.9.0.0/16"} for n in range(5)]
    assert _asked({}, "vpcs", {"Vpcs": others}) == {"L-F678F1CE"}
    assert _asked(hosts(), "instances", {"Reservations": [{"Instances": [instance()]}]}) == set()
    assert _asked(hosts(), "instances", {"Reservations": []}) == {"L-1216C47A"}
    assert _asked(declared_group(), "security_groups", {"SecurityGroups": [group()]}) == set()


def test_every_subject_that_is_read_is_a_subject_of_the_snapshot() -> None:
    """A name that is written twice, differently, would never be found."""
    into = {call.into for call in KINDS.calls() if call.operation == "describe_network_interfaces"}
    assert into == {"address_holders", "group_interfaces"}
    assert into <= set(KINDS.empty())
