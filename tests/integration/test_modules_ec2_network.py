"""ec2_security_group_rules, ec2_network_acl and ec2_route_table against the local AWS: nothing common is ever lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.local_aws import LocalAws
from tests.support.run_module import ModuleError, aws_error, intercepted, run_module, written

ANYWHERE = "0.0.0.0/0"


def cidr(port: int, source: str = ANYWHERE, **more: Any) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": source, **more}]}


def run(aws: LocalAws, module: str, check: bool = False, **args: Any) -> dict[str, Any]:
    aws.mark()
    return run_module(module, args, environ=aws.environ, check=check)


def refuse(operation: str, code: str = "UnauthorizedOperation") -> Callable[..., Any]:
    def answer(send: Callable[[], Any], parameters: dict[str, Any]) -> Any:
        raise aws_error(code, operation, 403)

    return answer


@pytest.fixture
def ec2(local_aws: LocalAws) -> Any:
    return local_aws.client("ec2")


# --- Security groups


@pytest.fixture
def group(ec2: Any) -> str:
    """A group with two rules, one of them described."""
    group_id = ec2.create_security_group(GroupName="SSH", Description="x")["GroupId"]
    rules = [cidr(22, Description="office"), cidr(80)]
    ec2.authorize_security_group_ingress(GroupId=group_id, IpPermissions=rules)
    return str(group_id)


def rules(ec2: Any, group_id: str, egress: bool = False) -> dict[tuple[str, int, str], tuple[str, str]]:
    found = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group_id]}])
    return {
        (rule["IpProtocol"], rule["FromPort"], rule.get("CidrIpv4") or rule.get("PrefixListId") or "group"): (
            rule["SecurityGroupRuleId"],
            rule.get("Description", ""),
        )
        for rule in found["SecurityGroupRules"]
        if rule["IsEgress"] is egress
    }


@pytest.mark.parametrize("check", [True, False])
def test_rules_that_stay_are_not_touched(local_aws: LocalAws, ec2: Any, group: str, check: bool) -> None:
    before = rules(ec2, group)
    result = run(local_aws, "ec2_security_group_rules", check, group_id=group, ingress=[cidr(22), cidr(443)])
    assert result["changed"]
    calls = ["AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"]
    assert written(local_aws) == ([] if check else calls)
    after = rules(ec2, group)
    kept, new, gone = ("tcp", 22, ANYWHERE), ("tcp", 443, ANYWHERE), ("tcp", 80, ANYWHERE)
    assert after[kept] == before[kept]
    assert after[kept][1] == "office"
    assert (new in after, gone in after) == ((False, True) if check else (True, False))
    # Egress was not given.
    assert ("-1", -1, ANYWHERE) in rules(ec2, group, egress=True)


def test_the_same_rules_are_written_once(local_aws: LocalAws, ec2: Any, group: str) -> None:
    wanted = [cidr(22), {"IpProtocol": "50", "UserIdGroupPairs": [{"GroupId": group}]}]
    wanted.append({"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "IpRanges": [{"CidrIp": ANYWHERE}]})
    assert run(local_aws, "ec2_security_group_rules", group_id=group, ingress=wanted, egress=[])["changed"]
    assert not run(local_aws, "ec2_security_group_rules", group_id=group, ingress=wanted, egress=[])["changed"]
    assert written(local_aws) == []
    assert rules(ec2, group, egress=True) == {}


@pytest.mark.parametrize(
    "operation",
    [
        "AuthorizeSecurityGroupIngress",
        "AuthorizeSecurityGroupEgress",
        "RevokeSecurityGroupIngress",
        "RevokeSecurityGroupEgress",
    ],
)
def test_whatever_call_is_denied_no_rule_that_stays_is_lost(
    local_aws: LocalAws, ec2: Any, group: str, operation: str
) -> None:
    wanted = [cidr(22), cidr(443)]
    with intercepted(operation, refuse(operation)), pytest.raises(ModuleError, match="UnauthorizedOperation"):
        run(local_aws, "ec2_security_group_rules", group_id=group, ingress=wanted, egress=[cidr(443)])
    assert ("tcp", 22, ANYWHERE) in rules(ec2, group)
    if operation.startswith("Authorize"):
        assert ("tcp", 80, ANYWHERE) in rules(ec2, group)
        assert ("-1", -1, ANYWHERE) in rules(ec2, group, egress=True)
    # The next run does the rest.
    run(local_aws, "ec2_security_group_rules", group_id=group, ingress=wanted, egress=[cidr(443)])
    assert {key[1] for key in rules(ec2, group)} == {22, 443}
    assert {key[1] for key in rules(ec2, group, egress=True)} == {443}


def test_an_authorization_whose_answer_was_lost_is_not_a_failure(local_aws: LocalAws, ec2: Any, group: str) -> None:
    def repeated(send: Callable[[], Any], parameters: dict[str, Any]) -> Any:
        send()
        return send()

    with intercepted("AuthorizeSecurityGroupIngress", repeated):
        run(local_aws, "ec2_security_group_rules", group_id=group, ingress=[cidr(22), cidr(443)])
    assert {key[1] for key in rules(ec2, group)} == {22, 443}


def test_one_rule_that_is_there_already_is_in_nobody_s_way(
    local_aws: LocalAws, ec2: Any, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first answers come from a moment before the rules existed, as AWS's may."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    late = 3

    def stale(send: Callable[[], Any], parameters: dict[str, Any]) -> Any:
        nonlocal late
        late -= 1
        return {"SecurityGroupRules": []} if late >= 0 else send()

    with intercepted("DescribeSecurityGroupRules", stale):
        run(local_aws, "ec2_security_group_rules", group_id=group, ingress=[cidr(22), cidr(443)])
    assert {key[1] for key in rules(ec2, group)} == {22, 443}
    assert rules(ec2, group)["tcp", 22, ANYWHERE][1] == "office"


# --- Network ACLs


@pytest.fixture
def vpc(ec2: Any) -> str:
    return str(ec2.describe_vpcs()["Vpcs"][0]["VpcId"])


@pytest.fixture
def subnet(ec2: Any, vpc: str) -> str:
    filters = [{"Name": "vpc-id", "Values": [vpc]}]
    return str(ec2.describe_subnets(Filters=filters)["Subnets"][0]["SubnetId"])


def entry(number: int, action: str = "allow", source: str = ANYWHERE, **more: Any) -> dict[str, Any]:
    return {"RuleNumber": number, "Protocol": "-1", "RuleAction": action, "CidrBlock": source, **more}


def entries(ec2: Any, acl: str, egress: bool = False) -> dict[int, str]:
    found = ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"][0]["Entries"]
    return {item["RuleNumber"]: item["RuleAction"] for item in found if item["Egress"] is egress}


def acl_of(ec2: Any, subnet: str) -> str:
    filters = [{"Name": "association.subnet-id", "Values": [subnet]}]
    (found,) = ec2.describe_network_acls(Filters=filters)["NetworkAcls"]
    return str(found["NetworkAclId"])


def test_a_subnet_comes_to_a_new_acl_when_its_entries_are_there(
    local_aws: LocalAws, ec2: Any, vpc: str, subnet: str
) -> None:
    result = run(
        local_aws,
        "ec2_network_acl",
        vpc_id=vpc,
        ingress=[entry(100)],
        egress=[entry(100)],
        subnets=[subnet],
        tags={"Name": "x"},
    )
    order = ["CreateNetworkAcl", *["CreateNetworkAclEntry"] * 2, "ReplaceNetworkAclAssociation"]
    assert written(local_aws) == order
    assert acl_of(ec2, subnet) == result["network_acl_id"]
    assert result["moved"] == [subnet]


def test_an_entry_is_replaced_in_one_call_after_what_it_allowed_is_there(
    local_aws: LocalAws, ec2: Any, vpc: str
) -> None:
    acl = run(local_aws, "ec2_network_acl", vpc_id=vpc, ingress=[entry(100)])["network_acl_id"]
    wanted = [entry(100, "deny", "198.51.100.0/24"), entry(200)]
    result = run(local_aws, "ec2_network_acl", vpc_id=vpc, network_acl_id=acl, ingress=wanted)
    assert written(local_aws) == ["CreateNetworkAclEntry", "ReplaceNetworkAclEntry"]
    assert result["steps"] == ["create ingress 200", "replace ingress 100"]
    assert entries(ec2, acl) == {100: "deny", 200: "allow", 32767: "deny"}
    assert not run(local_aws, "ec2_network_acl", vpc_id=vpc, network_acl_id=acl, ingress=wanted)["changed"]


@pytest.mark.parametrize("operation", ["CreateNetworkAclEntry", "ReplaceNetworkAclEntry", "DeleteNetworkAclEntry"])
def test_whatever_call_is_denied_the_acl_stays_open(local_aws: LocalAws, ec2: Any, vpc: str, operation: str) -> None:
    before = [entry(100), entry(110, "deny", "198.51.100.0/24")]
    acl = run(local_aws, "ec2_network_acl", vpc_id=vpc, ingress=before)["network_acl_id"]
    wanted = [entry(100, "deny", "198.51.100.0/24"), entry(200)]
    with intercepted(operation, refuse(operation)), pytest.raises(ModuleError, match=f"{operation} of {acl} failed"):
        run(local_aws, "ec2_network_acl", vpc_id=vpc, network_acl_id=acl, ingress=wanted)
    assert "allow" in entries(ec2, acl).values()
    run(local_aws, "ec2_network_acl", vpc_id=vpc, network_acl_id=acl, ingress=wanted)
    assert entries(ec2, acl) == {100: "deny", 200: "allow", 32767: "deny"}


# --- Route tables


def table_of(ec2: Any, subnet: str) -> str:
    filters = [{"Name": "association.subnet-id", "Values": [subnet]}]
    found = ec2.describe_route_tables(Filters=filters)["RouteTables"]
    return str(found[0]["RouteTableId"]) if found else ""


@pytest.fixture
def gateway(ec2: Any) -> str:
    return str(ec2.describe_internet_gateways()["InternetGateways"][0]["InternetGatewayId"])


def test_a_subnet_comes_to_a_new_table_in_one_call_after_the_routes(
    local_aws: LocalAws, ec2: Any, vpc: str, subnet: str, gateway: str
) -> None:
    other = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=other, SubnetId=subnet)
    result = run(local_aws, "ec2_route_table", vpc_id=vpc, routes={ANYWHERE: gateway}, subnets=[subnet])
    assert written(local_aws) == ["CreateRouteTable", "CreateRoute", "ReplaceRouteTableAssociation"]
    assert table_of(ec2, subnet) == result["route_table_id"]
    again = {"route_table_id": result["route_table_id"], "routes": {ANYWHERE: gateway}, "subnets": [subnet]}
    assert not run(local_aws, "ec2_route_table", vpc_id=vpc, **again)["changed"]


def test_a_subnet_of_the_main_table_needs_no_association_with_it(
    local_aws: LocalAws, ec2: Any, vpc: str, subnet: str
) -> None:
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "association.main", "Values": ["true"]}]
    main = ec2.describe_route_tables(Filters=filters)["RouteTables"][0]["RouteTableId"]
    assert not run(local_aws, "ec2_route_table", vpc_id=vpc, route_table_id=main, subnets=[subnet])["changed"]
    assert table_of(ec2, subnet) == ""
    new = run(local_aws, "ec2_route_table", vpc_id=vpc, subnets=[subnet])["route_table_id"]
    assert written(local_aws) == ["CreateRouteTable", "AssociateRouteTable"]
    assert table_of(ec2, subnet) == new


def test_a_route_is_replaced_in_one_call(local_aws: LocalAws, ec2: Any, vpc: str, subnet: str, gateway: str) -> None:
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    interface = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE, NetworkInterfaceId=interface)
    run(local_aws, "ec2_route_table", vpc_id=vpc, route_table_id=table, routes={ANYWHERE: gateway})
    assert written(local_aws) == ["ReplaceRoute"]


# --- Instance profiles


@pytest.fixture
def host(local_aws: LocalAws, ec2: Any) -> str:
    """An instance with the profile `old`; `new` exists."""
    iam = local_aws.client("iam")
    for name in ("old", "new"):
        iam.create_instance_profile(InstanceProfileName=name)
    image = ec2.describe_images(Filters=[{"Name": "architecture", "Values": ["x86_64"]}])["Images"][0]["ImageId"]
    launch = {"ImageId": image, "InstanceType": "t3a.small", "MinCount": 1, "MaxCount": 1}
    answer = ec2.run_instances(**launch, IamInstanceProfile={"Name": "old"})
    return str(answer["Instances"][0]["InstanceId"])


def profile(ec2: Any, instance: str) -> str:
    found = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    return str(found["IamInstanceProfile"]["Arn"].rsplit("/", 1)[-1])


def set_profile(aws: LocalAws, instance: str, **more: Any) -> dict[str, Any]:
    return run(aws, "ec2_instance_profile", instance_id=instance, instance_profile="new", **more)


@pytest.mark.parametrize(
    ("state", "calls"),
    [
        ("running", ["ReplaceIamInstanceProfileAssociation"]),
        # As AWS wants it; see the correction in rehearsal/aws/patches/instances.py.
        ("stopped", ["DisassociateIamInstanceProfile", "AssociateIamInstanceProfile"]),
    ],
)
def test_the_profile_of_a_host_is_changed_as_its_state_allows(
    local_aws: LocalAws, ec2: Any, host: str, state: str, calls: list[str]
) -> None:
    if state == "stopped":
        ec2.stop_instances(InstanceIds=[host])
    assert set_profile(local_aws, host)["changed"]
    assert written(local_aws) == calls
    assert profile(ec2, host) == "new"
    assert not set_profile(local_aws, host)["changed"]


def test_a_profile_that_ec2_does_not_know_yet_is_waited_for(
    local_aws: LocalAws, ec2: Any, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    late = 6
    operation = "ReplaceIamInstanceProfileAssociation"

    def known_late(send: Callable[[], Any], parameters: dict[str, Any]) -> Any:
        nonlocal late
        late -= 1
        if late:
            error = aws_error("InvalidParameterValue", operation)
            error.response["Error"]["Message"] = "Value (new) for parameter iamInstanceProfile.name is invalid."
            raise error
        return send()

    with intercepted(operation, known_late) as calls:
        set_profile(local_aws, host)
    assert len(calls) == 6
    assert profile(ec2, host) == "new"


def test_a_denial_is_reported_at_once(local_aws: LocalAws, host: str) -> None:
    operation = "ReplaceIamInstanceProfileAssociation"
    with intercepted(operation, refuse(operation)) as calls, pytest.raises(ModuleError, match="UnauthorizedOperation"):
        set_profile(local_aws, host)
    assert len(calls) == 1
