"""Each correction of moto's EC2 has a test here that fails without it."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.local_aws import LocalAws

DEBIAN = {"x86_64": "ami-0deb13a000000a64", "arm64": "ami-0deb13a000000b64"}


@pytest.fixture
def ec2(local_aws: LocalAws) -> Any:
    return local_aws.client("ec2")


def subnet(ec2: Any, cidr: str) -> str:
    (found,) = ec2.describe_subnets(Filters=[{"Name": "cidr-block", "Values": [cidr]}])["Subnets"]
    return str(found["SubnetId"])


def launch(ec2: Any, **changes: Any) -> str:
    arguments: dict[str, Any] = {
        "ImageId": DEBIAN["x86_64"],
        "InstanceType": "t3a.small",
        "MinCount": 1,
        "MaxCount": 1,
        "SubnetId": subnet(ec2, "172.31.0.0/20"),
    }
    return str(ec2.run_instances(**(arguments | changes))["Instances"][0]["InstanceId"])


def look(ec2: Any, instance: str) -> dict[str, Any]:
    found: dict[str, Any] = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    return found


def refused(code: str, call: Any, **arguments: Any) -> None:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == code


def test_what_is_asked_for_at_launch_is_kept(ec2: Any) -> None:
    group = ec2.create_security_group(GroupName="Web", Description="x")["GroupId"]
    instance = launch(
        ec2,
        ImageId=DEBIAN["arm64"],
        InstanceType="t4g.small",
        SubnetId=subnet(ec2, "172.31.16.0/20"),
        PrivateIpAddress="172.31.16.10",
        SecurityGroupIds=[group],
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 2, "HttpEndpoint": "enabled"},
        CreditSpecification={"CpuCredits": "standard"},
        DisableApiTermination=True,
        BlockDeviceMappings=[
            {
                "DeviceName": "/dev/xvda",
                "Ebs": {"VolumeSize": 20, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True},
            }
        ],
    )
    found = look(ec2, instance)
    assert (found["Architecture"], found["RootDeviceName"], found["PrivateIpAddress"]) == (
        "arm64",
        "/dev/xvda",
        "172.31.16.10",
    )
    assert (found["MetadataOptions"]["HttpTokens"], found["MetadataOptions"]["HttpPutResponseHopLimit"]) == (
        "required",
        2,
    )
    assert [item["GroupName"] for item in found["SecurityGroups"]] == ["Web"]
    (volume,) = ec2.describe_volumes()["Volumes"]
    assert (volume["VolumeType"], volume["Size"], volume["Encrypted"]) == ("gp3", 20, True)
    assert volume["Attachments"][0]["DeleteOnTermination"] is True
    assert credit(ec2, instance) == "standard"
    attribute = ec2.describe_instance_attribute(InstanceId=instance, Attribute="disableApiTermination")
    assert attribute["DisableApiTermination"] == {"Value": True}
    refused("OperationNotPermitted", ec2.terminate_instances, InstanceIds=[instance])


def test_groups_of_an_interface_are_groups_of_the_instance(ec2: Any) -> None:
    group = ec2.create_security_group(GroupName="Web", Description="x")["GroupId"]
    nic = {"DeviceIndex": 0, "SubnetId": subnet(ec2, "172.31.0.0/20"), "Groups": [group]}
    arguments = {"ImageId": DEBIAN["x86_64"], "InstanceType": "t3a.small", "MinCount": 1, "MaxCount": 1}
    made = ec2.run_instances(**arguments, NetworkInterfaces=[nic])["Instances"][0]["InstanceId"]
    assert look(ec2, made)["SecurityGroups"] == [{"GroupId": group, "GroupName": "Web"}]


def credit(ec2: Any, instance: str) -> str:
    (answer,) = ec2.describe_instance_credit_specifications(InstanceIds=[instance])["InstanceCreditSpecifications"]
    return str(answer["CpuCredits"])


def test_credits_are_unlimited_until_changed(ec2: Any) -> None:
    instance = launch(ec2)
    assert credit(ec2, instance) == "unlimited"
    answer = ec2.modify_instance_credit_specification(
        InstanceCreditSpecifications=[{"InstanceId": instance, "CpuCredits": "standard"}]
    )
    assert answer["SuccessfulInstanceCreditSpecifications"] == [{"InstanceId": instance}]
    assert credit(ec2, instance) == "standard"


def test_a_change_of_one_metadata_option_keeps_the_others(ec2: Any) -> None:
    instance = launch(ec2, MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 1})
    ec2.modify_instance_metadata_options(InstanceId=instance, HttpPutResponseHopLimit=2)
    options = look(ec2, instance)["MetadataOptions"]
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"], options["HttpEndpoint"]) == (
        "required",
        2,
        "enabled",
    )


def test_the_type_changes_only_while_stopped(ec2: Any) -> None:
    instance = launch(ec2)
    change = {"InstanceId": instance, "InstanceType": {"Value": "t3a.medium"}}
    refused("IncorrectInstanceState", ec2.modify_instance_attribute, **change)
    ec2.stop_instances(InstanceIds=[instance])
    ec2.modify_instance_attribute(**change)
    ec2.start_instances(InstanceIds=[instance])
    assert (look(ec2, instance)["InstanceType"], look(ec2, instance)["State"]["Name"]) == ("t3a.medium", "running")


def test_a_volume_grows_and_changes_its_type(ec2: Any) -> None:
    launch(ec2)
    (volume,) = ec2.describe_volumes()["Volumes"]
    # Without a mapping the root volume is the image's: moto puts it on /dev/sda1, whatever the image says.
    assert volume["Attachments"][0]["Device"] == "/dev/xvda"
    ec2.modify_volume(VolumeId=volume["VolumeId"], Size=20, VolumeType="gp3")
    (volume,) = ec2.describe_volumes()["Volumes"]
    assert (volume["Size"], volume["VolumeType"]) == (20, "gp3")


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("InvalidParameterValue", {"InstanceType": "t4g.small"}),
        ("InvalidIPAddress.InUse", {"PrivateIpAddress": "172.31.0.10"}),
    ],
    ids=["x86_64 image on an arm64 type", "address in use"],
)
def test_impossible_launches_are_refused(ec2: Any, code: str, changes: dict[str, Any]) -> None:
    launch(ec2, PrivateIpAddress="172.31.0.10")
    refused(code, launch, ec2=ec2, **changes)


def test_a_zone_without_the_type_is_refused(ec2: Any) -> None:
    refused("Unsupported", launch, ec2=ec2, SubnetId=subnet(ec2, "172.31.16.0/20"))


def test_a_repeated_request_launches_no_twin(ec2: Any) -> None:
    assert launch(ec2, ClientToken="once") == launch(ec2, ClientToken="once")
    assert launch(ec2, ClientToken="twice") != launch(ec2, ClientToken="once")


def test_termination_gives_the_addresses_back(ec2: Any) -> None:
    instance = launch(ec2, PrivateIpAddress="172.31.0.10")
    allocation = ec2.allocate_address(Domain="vpc", Address="52.78.46.60")["AllocationId"]
    ec2.associate_address(AllocationId=allocation, InstanceId=instance)
    ec2.terminate_instances(InstanceIds=[instance])
    (address,) = ec2.describe_addresses()["Addresses"]
    assert not address.get("AssociationId")
    assert not address.get("InstanceId")
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []
    assert ec2.describe_volumes()["Volumes"] == []
    again = launch(ec2, PrivateIpAddress="172.31.0.10")
    ec2.associate_address(AllocationId=allocation, InstanceId=again)
    assert look(ec2, again)["PublicIpAddress"] == "52.78.46.60"


def test_profiles_are_associated_and_replaced(local_aws: LocalAws, ec2: Any) -> None:
    iam = local_aws.client("iam")
    arns = {}
    for name in ("koin-stage", "koin-prod"):
        arns[name] = iam.create_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Arn"]
    instance = launch(ec2, IamInstanceProfile={"Name": "koin-stage"})
    (association,) = ec2.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"]
    ec2.replace_iam_instance_profile_association(
        AssociationId=association["AssociationId"], IamInstanceProfile={"Name": "koin-prod"}
    )
    assert look(ec2, instance)["IamInstanceProfile"]["Arn"] == arns["koin-prod"]
    (association,) = ec2.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"]
    assert association["IamInstanceProfile"]["Arn"] == arns["koin-prod"]
    ec2.disassociate_iam_instance_profile(AssociationId=association["AssociationId"])
    assert "IamInstanceProfile" not in look(ec2, instance)


def test_an_address_is_held_once(ec2: Any) -> None:
    assert ec2.allocate_address(Domain="vpc", Address="52.78.46.60")["PublicIp"] == "52.78.46.60"
    refused("InvalidAddress.InUse", ec2.allocate_address, Domain="vpc", Address="52.78.46.60")


def test_a_rule_without_ports_can_be_made_and_revoked(ec2: Any) -> None:
    group = ec2.create_security_group(GroupName="DockerSwarm", Description="x")["GroupId"]
    rule = {"IpProtocol": "50", "UserIdGroupPairs": [{"GroupId": group}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    (found,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    assert found["IpProtocol"] == "50"
    assert "FromPort" not in found
    refused("InvalidPermission.Duplicate", ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[rule])
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule])
    assert ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"] == []


def test_a_new_acl_denies_all_at_its_end(ec2: Any) -> None:
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]
    assert sorted((item["Egress"], item["RuleNumber"], item["RuleAction"]) for item in acl["Entries"]) == [
        (False, 32767, "deny"),
        (True, 32767, "deny"),
    ]


def test_an_acl_entry_is_replaced(ec2: Any) -> None:
    acl = ec2.describe_network_acls()["NetworkAcls"][0]["NetworkAclId"]
    entry = {"NetworkAclId": acl, "RuleNumber": 100, "Egress": False, "Protocol": "-1", "RuleAction": "deny"}
    ec2.replace_network_acl_entry(**entry, CidrBlock="10.0.0.0/8")
    entries = ec2.describe_network_acls()["NetworkAcls"][0]["Entries"]
    found = [item for item in entries if item["RuleNumber"] == 100 and not item["Egress"]]
    assert [(item["RuleAction"], item["CidrBlock"]) for item in found] == [("deny", "10.0.0.0/8")]


def test_a_key_pair_tells_its_public_half(local_aws: LocalAws, ec2: Any) -> None:
    public = (local_aws.directory / "ssh" / "id_ed25519.pub").read_bytes()
    ec2.import_key_pair(KeyName="koin", PublicKeyMaterial=public)
    (found,) = ec2.describe_key_pairs(IncludePublicKey=True)["KeyPairs"]
    assert found["PublicKey"].split()[:2] == public.decode().split()[:2]


def test_the_default_vpc_can_be_named(ec2: Any) -> None:
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": "BCSDLab"}])
    (found,) = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["BCSDLab"]}])["Vpcs"]
    assert (found["VpcId"], found["IsDefault"]) == (vpc, True)


def test_a_subnet_has_one_route_table(ec2: Any) -> None:
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    first, second = (ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"] for _ in range(2))
    target = subnet(ec2, "172.31.0.0/20")
    ec2.associate_route_table(RouteTableId=first, SubnetId=target)
    refused("Resource.AlreadyAssociated", ec2.associate_route_table, RouteTableId=second, SubnetId=target)


def test_an_acl_entry_keeps_its_icmp_type(ec2: Any) -> None:
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    icmp = {"Type": 8, "Code": -1}
    rule = {"RuleNumber": 90, "Protocol": "1", "RuleAction": "deny", "Egress": False, "CidrBlock": "0.0.0.0/0"}
    ec2.create_network_acl_entry(NetworkAclId=acl, IcmpTypeCode=icmp, **rule)
    found = ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"][0]["Entries"]
    assert next(item for item in found if item["RuleNumber"] == 90)["IcmpTypeCode"] == icmp


def test_descriptions_of_rules_are_kept_and_make_no_other_rule(ec2: Any) -> None:
    group = ec2.create_security_group(GroupName="Web", Description="x")["GroupId"]
    lists = ec2.create_managed_prefix_list(PrefixListName="p", MaxEntries=1, AddressFamily="IPv4")["PrefixList"]

    def rule(**source: Any) -> list[dict[str, Any]]:
        return [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, **source}]

    by_group = rule(UserIdGroupPairs=[{"GroupId": group, "Description": "us"}])
    by_list = rule(PrefixListIds=[{"PrefixListId": lists["PrefixListId"], "Description": "office"}])
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[*by_group, *by_list])
    (found,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    assert found["PrefixListIds"][0]["Description"] == "office"
    filters = [{"Name": "group-id", "Values": [group]}]
    rules = ec2.describe_security_group_rules(Filters=filters)["SecurityGroupRules"]
    assert {item.get("Description") for item in rules if not item["IsEgress"]} == {"us", "office"}
    again = rule(UserIdGroupPairs=[{"GroupId": group, "Description": "other"}])
    refused("InvalidPermission.Duplicate", ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=again)
    update = ec2.update_security_group_rule_descriptions_ingress
    assert update(GroupId=group, IpPermissions=rule(IpRanges=[{"CidrIp": "0.0.0.0/0"}]))["Return"] is True


def test_a_host_has_one_address_for_each_private_one(ec2: Any) -> None:
    instance = launch(ec2)
    first, second = (ec2.allocate_address(Domain="vpc") for _ in range(2))
    ec2.associate_address(AllocationId=first["AllocationId"], InstanceId=instance)
    ec2.associate_address(AllocationId=second["AllocationId"], InstanceId=instance)
    found = {item["PublicIp"]: item.get("InstanceId") or "" for item in ec2.describe_addresses()["Addresses"]}
    assert found == {first["PublicIp"]: "", second["PublicIp"]: instance}


def test_groups_of_several_interfaces_are_changed_one_by_one(ec2: Any) -> None:
    instance, target = launch(ec2), subnet(ec2, "172.31.0.0/20")
    ours, other = (ec2.create_security_group(GroupName=name, Description="x")["GroupId"] for name in ("a", "b"))
    second = ec2.create_network_interface(SubnetId=target, Groups=[other])["NetworkInterface"]["NetworkInterfaceId"]
    ec2.attach_network_interface(NetworkInterfaceId=second, InstanceId=instance, DeviceIndex=1)
    refused("InvalidInstanceID", ec2.modify_instance_attribute, InstanceId=instance, Groups=[ours])
    interfaces = {item["Attachment"]["DeviceIndex"]: item for item in look(ec2, instance)["NetworkInterfaces"]}
    ec2.modify_network_interface_attribute(NetworkInterfaceId=interfaces[0]["NetworkInterfaceId"], Groups=[ours])
    found = look(ec2, instance)
    assert [item["GroupId"] for item in found["SecurityGroups"]] == [ours]
    groups = {item["Attachment"]["DeviceIndex"]: item["Groups"] for item in found["NetworkInterfaces"]}
    assert [[item["GroupId"] for item in groups[index]] for index in (0, 1)] == [[ours], [other]]


def test_profiles_are_replaced_while_the_host_runs(local_aws: LocalAws, ec2: Any) -> None:
    for name in ("old", "new"):
        local_aws.client("iam").create_instance_profile(InstanceProfileName=name)
    instance = launch(ec2, IamInstanceProfile={"Name": "old"})
    filters = [{"Name": "instance-id", "Values": [instance]}]
    (found,) = ec2.describe_iam_instance_profile_associations(Filters=filters)["IamInstanceProfileAssociations"]
    ec2.stop_instances(InstanceIds=[instance])
    replace = ec2.replace_iam_instance_profile_association
    wanted = {"Name": "new"}
    refused("IncorrectState", replace, AssociationId=found["AssociationId"], IamInstanceProfile=wanted)
    ec2.disassociate_iam_instance_profile(AssociationId=found["AssociationId"])
    ec2.associate_iam_instance_profile(InstanceId=instance, IamInstanceProfile=wanted)
    ec2.terminate_instances(InstanceIds=[instance])
    associate = ec2.associate_iam_instance_profile
    refused("IncorrectInstanceState", associate, InstanceId=instance, IamInstanceProfile=wanted)


def test_a_live_subnet_is_in_the_way_of_another(ec2: Any) -> None:
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    refused("InvalidSubnet.Conflict", ec2.create_subnet, VpcId=vpc, CidrBlock="172.31.0.0/24")


@pytest.mark.parametrize(("service", "code"), [("ec2", "L-0263D0A3"), ("ec2", "L-1216C47A"), ("vpc", "L-F678F1CE")])
def test_quotas_can_be_read(local_aws: LocalAws, service: str, code: str) -> None:
    quota = local_aws.client("service-quotas").get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]
    assert quota["Value"] >= 5
