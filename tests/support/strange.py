"""Every field that the declaration knows nothing of gets a value other than AWS's default.

For an account that is built as declared. What a module resets that nobody asked it to change shows on it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .drift import Account
from .drift.monitoring import ALARM, ALARM_SETTINGS

HOST, BUCKET, SITE, ROLE, TOPIC, TRAIL, ZONE = (
    "KOIN_STAGE",
    "kap-test",
    "static",
    "koin-prod",
    "koin-alarms",
    "koin",
    "koreatech.in",
)
_TAGS = [{"Key": "Owner", "Value": "kim"}]


def _network(a: Account) -> None:
    ec2, vpc = a.ec2, a.id("vpc", "BCSDLab")
    subnet, other = a.id("subnet", "BCSDLab-a"), a.id("subnet", "BCSDLab-b")
    ec2.create_tags(
        Resources=[
            vpc,
            subnet,
            a.id("internet_gateway", "BCSDLab"),
            a.id("route_table", "BCSDLab-public"),
            a.id("network_acl", "BCSDLab-open"),
            a.id("security_group", "Web"),
            a.id("key_pair", "koin"),
            a.id("instance", HOST),
            a.id("elastic_ip", HOST),
        ],
        Tags=_TAGS,
    )
    options = ec2.create_dhcp_options(DhcpConfigurations=[{"Key": "domain-name", "Values": ["bcsdlab.internal"]}])
    ec2.associate_dhcp_options(DhcpOptionsId=options["DhcpOptions"]["DhcpOptionsId"], VpcId=vpc)
    ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="10.77.0.0/16")
    ec2.modify_vpc_attribute(VpcId=vpc, EnableNetworkAddressUsageMetrics={"Value": True})
    # A route and a subnet of somebody else's in the declared table and behind the declared ACL.
    extra = ec2.create_subnet(VpcId=vpc, CidrBlock="10.77.1.0/24")["Subnet"]["SubnetId"]
    peer = ec2.create_vpc(CidrBlock="10.78.0.0/16")["Vpc"]["VpcId"]
    peering = ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=peer)["VpcPeeringConnection"]
    connection = peering["VpcPeeringConnectionId"]
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=connection)
    table = a.id("route_table", "BCSDLab-public")
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="10.78.0.0/16", VpcPeeringConnectionId=connection)
    ec2.associate_route_table(RouteTableId=table, SubnetId=extra)
    for acl in ec2.describe_network_acls()["NetworkAcls"]:
        for item in acl["Associations"]:
            if item["SubnetId"] == extra:
                ec2.replace_network_acl_association(
                    AssociationId=item["NetworkAclAssociationId"], NetworkAclId=a.id("network_acl", "BCSDLab-open")
                )
    for target in (subnet, other):
        ec2.modify_subnet_attribute(SubnetId=target, PrivateDnsHostnameTypeOnLaunch="resource-name")
        ec2.modify_subnet_attribute(SubnetId=target, EnableResourceNameDnsARecordOnLaunch={"Value": True})


def _groups(a: Account) -> None:
    """A description for each rule."""
    for raw in a.ec2.describe_security_groups()["SecurityGroups"]:
        for direction, suffix in (("IpPermissions", "ingress"), ("IpPermissionsEgress", "egress")):
            for permission in raw[direction]:
                ranges = permission.get("IpRanges", []) + permission.get("UserIdGroupPairs", [])
                for item in ranges:
                    item["Description"] = "because of kim"
                change = getattr(a.ec2, f"update_security_group_rule_descriptions_{suffix}")
                change(GroupId=raw["GroupId"], IpPermissions=[permission])


def _hosts(a: Account) -> None:
    ec2, host = a.ec2, a.id("instance", HOST)
    ec2.modify_instance_attribute(InstanceId=host, SourceDestCheck={"Value": False})
    ec2.modify_instance_attribute(InstanceId=host, Attribute="instanceInitiatedShutdownBehavior", Value="terminate")
    ec2.modify_instance_metadata_options(InstanceId=host, InstanceMetadataTags="enabled", HttpProtocolIpv6="enabled")
    raw = ec2.describe_instances(InstanceIds=[host])["Reservations"][0]["Instances"][0]
    zone = raw["Placement"]["AvailabilityZone"]
    volume = ec2.create_volume(AvailabilityZone=zone, Size=5, VolumeType="gp3")["VolumeId"]
    ec2.attach_volume(VolumeId=volume, InstanceId=host, Device="/dev/sdf")
    ec2.create_tags(Resources=[volume, a.id("instance", HOST, "root_volume")], Tags=_TAGS)
    interface = ec2.create_network_interface(SubnetId=raw["SubnetId"], Description="monitoring")["NetworkInterface"]
    ec2.attach_network_interface(NetworkInterfaceId=interface["NetworkInterfaceId"], InstanceId=host, DeviceIndex=1)
    ec2.create_tags(Resources=[a.id("flow_log", "BCSDLab")], Tags=_TAGS)


def _bucket(a: Account) -> None:
    s3 = a.aws.client("s3")
    tags = s3.get_bucket_tagging(Bucket=BUCKET)["TagSet"]
    s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": tags + _TAGS})
    s3.put_bucket_website(Bucket=BUCKET, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    s3.put_bucket_accelerate_configuration(Bucket=BUCKET, AccelerateConfiguration={"Status": "Enabled"})
    topic = a.id("topic", TOPIC, "arn")
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET,
        NotificationConfiguration={"TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]},
    )
    s3.put_bucket_inventory_configuration(
        Bucket=BUCKET,
        Id="weekly",
        InventoryConfiguration={
            "Destination": {"S3BucketDestination": {"Bucket": "arn:aws:s3:::bcsdlab-storage", "Format": "CSV"}},
            "IsEnabled": True,
            "Id": "weekly",
            "IncludedObjectVersions": "All",
            "Schedule": {"Frequency": "Weekly"},
        },
    )
    rules = s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    foreign = {
        "ID": "archive",
        "Status": "Enabled",
        "Filter": {"And": {"Prefix": "old/", "Tags": [{"Key": "archive", "Value": "yes"}]}},
        "Transitions": [{"Days": 30, "StorageClass": "GLACIER"}],
        "NoncurrentVersionTransitions": [{"NoncurrentDays": 10, "StorageClass": "GLACIER"}],
    }
    s3.put_bucket_lifecycle_configuration(
        Bucket=BUCKET,
        LifecycleConfiguration={"Rules": [*rules, foreign]},
        TransitionDefaultMinimumObjectSize="varies_by_storage_class",
    )


def _change_distribution(a: Account, change: Callable[[dict[str, Any]], None]) -> None:
    client, site = a.aws.client("cloudfront", "us-east-1"), a.id("distribution", SITE)
    answer = client.get_distribution_config(Id=site)
    change(answer["DistributionConfig"])
    client.update_distribution(Id=site, IfMatch=answer["ETag"], DistributionConfig=answer["DistributionConfig"])


def _edit_distribution(config: dict[str, Any]) -> None:
    config["Comment"] = "asked for by kim"
    config["WebACLId"] = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/kim/1"
    config["Restrictions"] = {"GeoRestriction": {"RestrictionType": "blacklist", "Quantity": 1, "Items": ["KP"]}}
    page = {"ErrorCode": 404, "ResponsePagePath": "/404.html", "ResponseCode": "404", "ErrorCachingMinTTL": 7}
    config["CustomErrorResponses"] = {"Quantity": 1, "Items": [page]}
    config["Logging"] = {
        "Enabled": True,
        "IncludeCookies": True,
        "Bucket": "bcsdlab-storage.s3.amazonaws.com",
        "Prefix": "logs/",
    }
    origin = config["Origins"]["Items"][0]
    origin |= {"ConnectionAttempts": 2, "ConnectionTimeout": 7, "OriginPath": "/live"}
    origin["CustomHeaders"] = {"Quantity": 1, "Items": [{"HeaderName": "X-Kim", "HeaderValue": "1"}]}
    origin["OriginShield"] = {"Enabled": True, "OriginShieldRegion": "ap-northeast-2"}
    behavior = config["DefaultCacheBehavior"]
    behavior["AllowedMethods"] = {
        "Quantity": 3,
        "Items": ["GET", "HEAD", "OPTIONS"],
        "CachedMethods": {"Quantity": 2, "Items": ["GET", "HEAD"]},
    }
    behavior["OriginRequestPolicyId"] = "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf"
    behavior["SmoothStreaming"] = True
    function = "arn:aws:cloudfront::123456789012:function/kim"
    behavior["FunctionAssociations"] = {
        "Quantity": 1,
        "Items": [{"FunctionARN": function, "EventType": "viewer-request"}],
    }
    second = json.loads(json.dumps({**behavior, "PathPattern": "/api/*"}))
    config["CacheBehaviors"] = {"Quantity": 1, "Items": [second]}


def _edge(a: Account) -> None:
    cloudfront = a.aws.client("cloudfront", "us-east-1")
    _change_distribution(a, _edit_distribution)
    cloudfront.tag_resource(Resource=a.id("distribution", SITE, "arn"), Tags={"Items": _TAGS})
    policies = a.ids.get("headers_policy", {})
    for name in policies:
        found = a.id("headers_policy", name)
        answer = cloudfront.get_response_headers_policy(Id=found)
        config = answer["ResponseHeadersPolicy"]["ResponseHeadersPolicyConfig"]
        custom = {"Header": "X-Kim", "Value": "1", "Override": False}
        config["CustomHeadersConfig"] = {"Quantity": 1, "Items": [custom]}
        cloudfront.update_response_headers_policy(Id=found, IfMatch=answer["ETag"], ResponseHeadersPolicyConfig=config)
    route53, zone = a.aws.client("route53", "us-east-1"), a.id("zone", ZONE)
    route53.update_hosted_zone_comment(Id=zone, Comment="bought in 2016")
    route53.change_tags_for_resource(ResourceType="hostedzone", ResourceId=zone, AddTags=_TAGS)


def _role(a: Account) -> None:
    iam = a.aws.client("iam", "us-east-1")
    # With its description, which moto would drop.
    description = iam.get_role(RoleName=ROLE)["Role"]["Description"]
    iam.update_role(RoleName=ROLE, Description=description, MaxSessionDuration=7200)
    iam.tag_role(RoleName=ROLE, Tags=_TAGS)
    iam.tag_instance_profile(InstanceProfileName=ROLE, Tags=_TAGS)
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}],
    }
    iam.put_role_policy(RoleName=ROLE, PolicyName="by-hand", PolicyDocument=json.dumps(document))
    managed = iam.create_policy(PolicyName="managed-by-hand", PolicyDocument=json.dumps(document))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=managed)


def _alarms(a: Account) -> None:
    sns, cloudwatch = a.aws.client("sns"), a.aws.client("cloudwatch")
    topic = a.id("topic", TOPIC, "arn")
    for name, value in (("DisplayName", "KOIN"), ("KmsMasterKeyId", "alias/aws/sns")):
        sns.set_topic_attributes(TopicArn=topic, AttributeName=name, AttributeValue=value)
    delivery = {"http": {"defaultHealthyRetryPolicy": {"numRetries": 5, "minDelayTarget": 1, "maxDelayTarget": 2}}}
    sns.set_topic_attributes(TopicArn=topic, AttributeName="DeliveryPolicy", AttributeValue=json.dumps(delivery))
    policy = {
        "Version": "2008-10-17",
        "Id": "by-hand",
        "Statement": [{"Sid": "kim", "Effect": "Allow", "Principal": "*", "Action": "SNS:Publish", "Resource": topic}],
    }
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(policy))
    sns.tag_resource(ResourceArn=topic, Tags=_TAGS)
    hook = sns.subscribe(TopicArn=topic, Protocol="https", Endpoint="https://hooks.example.com/chat")
    sns.set_subscription_attributes(
        SubscriptionArn=hook["SubscriptionArn"],
        AttributeName="FilterPolicy",
        AttributeValue=json.dumps({"level": ["high"]}),
    )
    raw = cloudwatch.describe_alarms(AlarmNames=[ALARM])["MetricAlarms"][0]
    kept = {key: raw[key] for key in ALARM_SETTINGS if key in raw}
    cloudwatch.put_metric_alarm(**kept | {"InsufficientDataActions": [topic], "DatapointsToAlarm": 1, "Unit": "Count"})
    cloudwatch.tag_resource(ResourceARN=raw["AlarmArn"], Tags=_TAGS)


def _logs(a: Account) -> None:
    cloudtrail = a.aws.client("cloudtrail")
    selector = {"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True, "DataResources": []}
    cloudtrail.put_event_selectors(TrailName=TRAIL, EventSelectors=[selector])
    (trail,) = cloudtrail.describe_trails(trailNameList=[TRAIL])["trailList"]
    cloudtrail.add_tags(ResourceId=trail["TrailARN"], TagsList=_TAGS)


#: by area, so that a failure names it
STRANGE: dict[str, Callable[[Account], None]] = {
    "network": _network,
    "groups": _groups,
    "hosts": _hosts,
    "bucket": _bucket,
    "edge": _edge,
    "role": _role,
    "alarms": _alarms,
    "logs": _logs,
}
