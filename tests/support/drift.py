"""Changes made behind the platform's back, one for each field that is declared. Plain boto3, plain literals."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .local_aws import LocalAws

Ids = Mapping[str, Mapping[str, Mapping[str, str]]]


@dataclass(frozen=True)
class Account:
    """A built account: clients, and the ids of what is declared."""

    aws: LocalAws
    ids: Ids

    def id(self, kind: str, name: str, attribute: str = "id") -> str:
        """An attribute of a declared resource."""
        return self.ids[kind][name][attribute]

    @property
    def ec2(self) -> Any:
        """The EC2 client."""
        return self.aws.client("ec2")


@dataclass(frozen=True)
class Drift:
    """One change: of which resource, which field the plan has to name, and how it is made."""

    kind: str
    name: str
    field: str
    make: Callable[[Account], object]

    def __str__(self) -> str:
        return f"{self.kind}-{self.name}-{self.field}".replace(" ", "_")


VPC, IGW, SUBNET, TABLE, ACL = "BCSDLab", "BCSDLab", "BCSDLab-b", "BCSDLab-public", "BCSDLab-open"
HOST, BUCKET, SITE, ROLE, ALARM = "KOIN_STAGE", "kap-test", "static", "koin-prod", "KOIN_DB cpu-credits"


def _tags(kind: str, name: str, *keys: str) -> list[Drift]:
    def set_to_other(account: Account, key: str) -> None:
        account.ec2.create_tags(Resources=[account.id(kind, name)], Tags=[{"Key": key, "Value": "changed by hand"}])

    return [Drift(kind, name, f"tags.{key}", lambda a, key=key: set_to_other(a, key)) for key in keys]  # type: ignore[misc]


def _vpc_attribute(attribute: str) -> Callable[[Account], object]:
    return lambda a: a.ec2.modify_vpc_attribute(VpcId=a.id("vpc", VPC), **{attribute: {"Value": False}})


def _detach_gateway(a: Account) -> None:
    a.ec2.detach_internet_gateway(InternetGatewayId=a.id("internet_gateway", IGW), VpcId=a.id("vpc", VPC))


def _leave_route_table(a: Account) -> None:
    table = a.ec2.describe_route_tables(RouteTableIds=[a.id("route_table", TABLE)])["RouteTables"][0]
    subnet = a.id("subnet", SUBNET)
    ids = [item["RouteTableAssociationId"] for item in table["Associations"] if item.get("SubnetId") == subnet]
    a.ec2.disassociate_route_table(AssociationId=ids[0])


def _acl_entry(a: Account, egress: bool) -> None:
    a.ec2.create_network_acl_entry(
        NetworkAclId=a.id("network_acl", ACL),
        RuleNumber=50,
        Protocol="-1",
        RuleAction="deny",
        Egress=egress,
        CidrBlock="198.51.100.0/24",
    )


def _leave_acl(a: Account) -> None:
    acls = a.ec2.describe_network_acls()["NetworkAcls"]
    default = next(item for item in acls if item["IsDefault"] and item["VpcId"] == a.id("vpc", VPC))
    ours = next(item for item in acls if item["NetworkAclId"] == a.id("network_acl", ACL))
    subnet = a.id("subnet", SUBNET)
    association = next(item for item in ours["Associations"] if item["SubnetId"] == subnet)
    a.ec2.replace_network_acl_association(
        AssociationId=association["NetworkAclAssociationId"], NetworkAclId=default["NetworkAclId"]
    )


NETWORK = [
    Drift("vpc", VPC, "dns_support", _vpc_attribute("EnableDnsSupport")),
    Drift("vpc", VPC, "dns_hostnames", _vpc_attribute("EnableDnsHostnames")),
    *_tags("vpc", VPC, "Name", "Platform"),
    Drift("internet_gateway", IGW, "vpc", _detach_gateway),
    *_tags("internet_gateway", IGW, "Platform"),
    Drift(
        "subnet",
        SUBNET,
        "map_public_ip",
        lambda a: a.ec2.modify_subnet_attribute(SubnetId=a.id("subnet", SUBNET), MapPublicIpOnLaunch={"Value": False}),
    ),
    *_tags("subnet", SUBNET, "Name", "Platform"),
    Drift(
        "route_table",
        TABLE,
        "routes.0.0.0.0/0",
        lambda a: a.ec2.delete_route(RouteTableId=a.id("route_table", TABLE), DestinationCidrBlock="0.0.0.0/0"),
    ),
    Drift("route_table", TABLE, "subnets", _leave_route_table),
    *_tags("route_table", TABLE, "Platform"),
    Drift("network_acl", ACL, "ingress", lambda a: _acl_entry(a, egress=False)),
    Drift("network_acl", ACL, "egress", lambda a: _acl_entry(a, egress=True)),
    Drift("network_acl", ACL, "subnets", _leave_acl),
    *_tags("network_acl", ACL, "Platform"),
]


def _everywhere(port: int) -> list[dict[str, Any]]:
    return [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]


def _close_overlay(a: Account) -> None:
    group = a.id("security_group", "DockerSwarm")
    pair = [{"GroupId": group}]
    rule = {"IpProtocol": "udp", "FromPort": 4789, "ToPort": 4789, "UserIdGroupPairs": pair}
    a.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule])


SECURITY = [
    Drift("security_group", "DockerSwarm", "ingress", _close_overlay),
    Drift(
        "security_group",
        "DB",
        "ingress",
        lambda a: a.ec2.authorize_security_group_ingress(
            GroupId=a.id("security_group", "DB"), IpPermissions=_everywhere(3306)
        ),
    ),
    Drift(
        "security_group",
        "Web",
        "egress",
        lambda a: a.ec2.revoke_security_group_egress(
            GroupId=a.id("security_group", "Web"),
            IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
        ),
    ),
    *_tags("security_group", "SSH", "Name", "Platform"),
]


def _record(a: Account, zone: str, action: str, record: dict[str, Any]) -> None:
    a.aws.client("route53").change_resource_record_sets(
        HostedZoneId=a.id("zone", zone), ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": record}]}
    )


def _plain(name: str, ttl: int, value: str) -> dict[str, Any]:
    return {"Name": name, "Type": "A", "TTL": ttl, "ResourceRecords": [{"Value": value}]}


def _alias(name: str, kind: str, target: str) -> dict[str, Any]:
    zone = "Z2FDTNDATAQYW2"
    target_record = {"HostedZoneId": zone, "DNSName": target, "EvaluateTargetHealth": False}
    return {"Name": name, "Type": kind, "AliasTarget": target_record}


def _unpublish_validation(a: Account) -> None:
    zone = a.id("zone", "koreatech.in")
    records = a.aws.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    proof = next(item for item in records if item["Type"] == "CNAME")
    _record(a, "koreatech.in", "DELETE", proof)


DNS = [
    Drift(
        "certificate_validation",
        "koreatech.in",
        "records",
        _unpublish_validation,
    ),
    Drift(
        "record",
        "api.koreatech.in A",
        "ttl",
        lambda a: _record(
            a,
            "koreatech.in",
            "UPSERT",
            _plain("api.koreatech.in", 17, a.id("elastic_ip", "KOIN_PROD", "public_ip")),
        ),
    ),
    Drift(
        "record",
        "stage.koreatech.in A",
        "values",
        lambda a: _record(a, "koreatech.in", "UPSERT", _plain("stage.koreatech.in", 300, "198.51.100.7")),
    ),
    Drift(
        "record",
        "image.bcsdlab.com AAAA",
        "alias",
        lambda a: _record(
            a, "bcsdlab.com", "UPSERT", _alias("image.bcsdlab.com", "AAAA", "d111111abcdef8.cloudfront.net.")
        ),
    ),
]


def _distribution(change: Callable[[dict[str, Any]], object]) -> Callable[[Account], None]:
    def make(a: Account) -> None:
        client, site = a.aws.client("cloudfront"), a.id("distribution", SITE)
        answer = client.get_distribution_config(Id=site)
        change(answer["DistributionConfig"])
        client.update_distribution(Id=site, IfMatch=answer["ETag"], DistributionConfig=answer["DistributionConfig"])

    return make


def _set(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(config: dict[str, Any]) -> None:
        inner: Any = config
        for step in path[:-1]:
            inner = inner[int(step)] if step.isdigit() else inner[step]
        inner[path[-1]] = value

    return change


def _other_certificate(a: Account) -> None:
    # Validated by the record that is published already: a wildcard shares the one of its apex.
    acm = a.aws.client("acm", "us-east-1")
    other = acm.request_certificate(DomainName="*.koreatech.in", ValidationMethod="DNS")["CertificateArn"]
    _distribution(_set("ViewerCertificate", "ACMCertificateArn", value=other))(a)


CDN = [
    Drift("distribution", SITE, "enabled", _distribution(_set("Enabled", value=False))),
    Drift("distribution", SITE, "ipv6", _distribution(_set("IsIPV6Enabled", value=False))),
    Drift("distribution", SITE, "http_version", _distribution(_set("HttpVersion", value="http2"))),
    Drift(
        "distribution",
        SITE,
        "minimum_tls",
        _distribution(_set("ViewerCertificate", "MinimumProtocolVersion", value="TLSv1.1_2016")),
    ),
    Drift("distribution", SITE, "price_class", _distribution(_set("PriceClass", value="PriceClass_100"))),
    Drift("distribution", SITE, "default_root_object", _distribution(_set("DefaultRootObject", value="old.html"))),
    Drift(
        "distribution",
        SITE,
        "viewer_protocol",
        _distribution(_set("DefaultCacheBehavior", "ViewerProtocolPolicy", value="allow-all")),
    ),
    Drift("distribution", SITE, "compress", _distribution(_set("DefaultCacheBehavior", "Compress", value=False))),
    Drift(
        "distribution",
        SITE,
        "cache_policy",
        # Managed-CachingDisabled
        _distribution(_set("DefaultCacheBehavior", "CachePolicyId", value="4135ea2d-6df8-44a3-9df3-4b5a84be39ad")),
    ),
    Drift(
        "distribution",
        SITE,
        "aliases",
        _distribution(
            _set("Aliases", value={"Quantity": 2, "Items": ["static.koreatech.in", "old-static.koreatech.in"]})
        ),
    ),
    Drift(
        "distribution",
        SITE,
        "origin_domain",
        _distribution(_set("Origins", "Items", "0", "DomainName", value="kap-test.s3.ap-northeast-2.amazonaws.com")),
    ),
    Drift(
        "distribution",
        SITE,
        "origin_access_control",
        _distribution(_set("Origins", "Items", "0", "OriginAccessControlId", value="")),
    ),
    Drift("distribution", SITE, "certificate", _other_certificate),
]


def _s3(operation: str, **arguments: Any) -> Callable[[Account], object]:
    return lambda a: getattr(a.aws.client("s3"), operation)(Bucket=BUCKET, **arguments)


def _shorter_rules(a: Account) -> None:
    client = a.aws.client("s3")
    rules = client.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    for rule in rules:
        if "NoncurrentVersionExpiration" in rule:
            rule["NoncurrentVersionExpiration"]["NoncurrentDays"] = 3
    client.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": rules})


def _without_upload_rule(a: Account) -> None:
    client = a.aws.client("s3")
    rules = client.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    kept = [rule for rule in rules if rule["ID"] != "abort-uploads"]
    client.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": kept})


def _empty_folder(a: Account) -> None:
    client = a.aws.client("s3")
    for version in client.list_object_versions(Bucket="bcsdlab-storage").get("Versions", []):
        client.delete_object(Bucket="bcsdlab-storage", Key=version["Key"], VersionId=version["VersionId"])


_OPEN = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
    ],
}

STORAGE = [
    Drift("bucket", BUCKET, "policy", _s3("put_bucket_policy", Policy=json.dumps(_OPEN))),
    Drift(
        "bucket", BUCKET, "versioning", _s3("put_bucket_versioning", VersioningConfiguration={"Status": "Suspended"})
    ),
    Drift("bucket", BUCKET, "encryption", _s3("delete_bucket_encryption")),
    Drift(
        "bucket",
        BUCKET,
        "block_public_access",
        _s3(
            "put_public_access_block",
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": False,
                "RestrictPublicBuckets": True,
            },
        ),
    ),
    Drift(
        "bucket",
        BUCKET,
        "ownership",
        _s3("put_bucket_ownership_controls", OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}),
    ),
    Drift(
        "bucket",
        BUCKET,
        "cors",
        _s3(
            "put_bucket_cors",
            CORSConfiguration={"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]},
        ),
    ),
    Drift("bucket", BUCKET, "lifecycle.expire-old-versions", _shorter_rules),
    Drift("bucket", BUCKET, "lifecycle.abort-uploads", _without_upload_rule),
    Drift(
        "bucket",
        BUCKET,
        "tags.Platform",
        _s3("put_bucket_tagging", Tagging={"TagSet": [{"Key": "Owner", "Value": "kim"}]}),
    ),
    Drift("bucket", "bcsdlab-storage", "prefixes.images/", _empty_folder),
]


def _lose_profile(a: Account) -> None:
    a.aws.client("iam").remove_role_from_instance_profile(InstanceProfileName=ROLE, RoleName=ROLE)


_TRUST_ANYBODY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
}
_ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}

IAM = [
    Drift(
        "iam_role",
        ROLE,
        "description",
        lambda a: a.aws.client("iam").update_role(RoleName=ROLE, Description="changed by hand"),
    ),
    Drift(
        "iam_role",
        ROLE,
        "trust",
        lambda a: a.aws.client("iam").update_assume_role_policy(
            RoleName=ROLE, PolicyDocument=json.dumps(_TRUST_ANYBODY)
        ),
    ),
    Drift(
        "iam_role",
        ROLE,
        "policy",
        lambda a: a.aws.client("iam").put_role_policy(
            RoleName=ROLE, PolicyName="platform", PolicyDocument=json.dumps(_ALLOW_ALL)
        ),
    ),
    Drift("iam_role", ROLE, "instance_profile", _lose_profile),
]


def _other_type(a: Account) -> None:
    host = a.id("instance", HOST)
    a.ec2.stop_instances(InstanceIds=[host])
    a.ec2.modify_instance_attribute(InstanceId=host, InstanceType={"Value": "t3a.medium"})
    a.ec2.start_instances(InstanceIds=[host])


def _lose_host_profile(a: Account) -> None:
    found = a.ec2.describe_iam_instance_profile_associations(
        Filters=[{"Name": "instance-id", "Values": [a.id("instance", HOST)]}]
    )
    association = found["IamInstanceProfileAssociations"][0]["AssociationId"]
    a.ec2.disassociate_iam_instance_profile(AssociationId=association)


def _metadata(**options: Any) -> Callable[[Account], object]:
    return lambda a: a.ec2.modify_instance_metadata_options(InstanceId=a.id("instance", HOST), **options)


def _volume(**options: Any) -> Callable[[Account], object]:
    return lambda a: a.ec2.modify_volume(VolumeId=a.id("instance", HOST, "root_volume"), **options)


def _disassociate(a: Account) -> None:
    address = a.ec2.describe_addresses(AllocationIds=[a.id("elastic_ip", "KOIN_DB")])["Addresses"][0]
    a.ec2.disassociate_address(AssociationId=address["AssociationId"])


COMPUTE = [
    *_tags("key_pair", "koin", "Platform"),
    Drift("instance", HOST, "type", _other_type),
    Drift(
        "instance",
        HOST,
        "security_groups",
        lambda a: a.ec2.modify_instance_attribute(
            InstanceId=a.id("instance", HOST), Groups=[a.id("security_group", "Web")]
        ),
    ),
    Drift("instance", HOST, "profile", _lose_host_profile),
    Drift(
        "instance",
        HOST,
        "cpu_credits",
        lambda a: a.ec2.modify_instance_credit_specification(
            InstanceCreditSpecifications=[{"InstanceId": a.id("instance", HOST), "CpuCredits": "standard"}]
        ),
    ),
    Drift("instance", HOST, "metadata.http_tokens", _metadata(HttpTokens="optional")),
    Drift("instance", HOST, "metadata.hop_limit", _metadata(HttpPutResponseHopLimit=1)),
    Drift("instance", HOST, "metadata.http_endpoint", _metadata(HttpEndpoint="disabled")),
    Drift("instance", HOST, "root_volume.type", _volume(VolumeType="gp2")),
    # AWS cannot shrink a volume; a smaller one stands for a declaration that has grown.
    Drift("instance", HOST, "root_volume.size", _volume(Size=8)),
    *_tags("instance", HOST, "Role", "Platform"),
    Drift(
        "instance",
        "KOIN_DB",
        "termination_protection",
        lambda a: a.ec2.modify_instance_attribute(
            InstanceId=a.id("instance", "KOIN_DB"), DisableApiTermination={"Value": False}
        ),
    ),
    Drift(
        "instance", "KOIN_PROD", "state", lambda a: a.ec2.stop_instances(InstanceIds=[a.id("instance", "KOIN_PROD")])
    ),
    Drift("elastic_ip", "KOIN_DB", "instance", _disassociate),
    *_tags("elastic_ip", "BCSD_Build", "Name", "Platform"),
]


#: what an alarm is made of, of what describing one answers
ALARM_SETTINGS = (
    "AlarmName",
    "AlarmDescription",
    "Namespace",
    "MetricName",
    "Dimensions",
    "Statistic",
    "ComparisonOperator",
    "Threshold",
    "Period",
    "EvaluationPeriods",
    "TreatMissingData",
    "AlarmActions",
    "OKActions",
)


def _alarm(**changed: Any) -> Callable[[Account], None]:
    def make(a: Account) -> None:
        client = a.aws.client("cloudwatch")
        alarm = client.describe_alarms(AlarmNames=[ALARM])["MetricAlarms"][0]
        client.put_metric_alarm(**{key: alarm[key] for key in ALARM_SETTINGS if key in alarm} | changed)

    return make


MONITORING = [
    Drift(
        "topic",
        "koin-alarms",
        "emails",
        lambda a: a.aws.client("sns").subscribe(
            TopicArn=a.id("topic", "koin-alarms"), Protocol="email", Endpoint="kim@example.com"
        ),
    ),
    Drift("alarm", ALARM, "description", _alarm(AlarmDescription="changed by hand")),
    Drift("alarm", ALARM, "namespace", _alarm(Namespace="Other")),
    Drift("alarm", ALARM, "metric", _alarm(MetricName="other")),
    Drift("alarm", ALARM, "dimensions", _alarm(Dimensions=[{"Name": "path", "Value": "/"}])),
    Drift("alarm", ALARM, "statistic", _alarm(Statistic="Average")),
    Drift("alarm", ALARM, "comparison", _alarm(ComparisonOperator="GreaterThanThreshold")),
    Drift("alarm", ALARM, "threshold", _alarm(Threshold=99.0)),
    Drift("alarm", ALARM, "period", _alarm(Period=60)),
    Drift("alarm", ALARM, "evaluation_periods", _alarm(EvaluationPeriods=9)),
    Drift("alarm", ALARM, "missing_data", _alarm(TreatMissingData="ignore")),
    Drift("alarm", ALARM, "alarm_actions", _alarm(AlarmActions=[])),
    Drift("alarm", ALARM, "ok_actions", _alarm(OKActions=[])),
    Drift(
        "alarm",
        ALARM,
        "actions_enabled",
        lambda a: a.aws.client("cloudwatch").disable_alarm_actions(AlarmNames=[ALARM]),
    ),
]

#: by role, so that one provisioning repairs a group
DRIFTS: dict[str, list[Drift]] = {
    "network": NETWORK,
    "security": SECURITY,
    "dns": DNS,
    "cdn": CDN,
    "storage": STORAGE,
    "iam": IAM,
    "compute": COMPUTE,
    "monitoring": MONITORING,
}


def _delete_subnet(a: Account) -> None:
    a.ec2.delete_subnet(SubnetId=a.id("subnet", "BCSDLab-d"))


def _delete_acl(a: Account) -> None:
    acls = a.ec2.describe_network_acls()["NetworkAcls"]
    default = next(item for item in acls if item["IsDefault"] and item["VpcId"] == a.id("vpc", VPC))
    ours = next(item for item in acls if item["NetworkAclId"] == a.id("network_acl", ACL))
    for association in ours["Associations"]:
        a.ec2.replace_network_acl_association(
            AssociationId=association["NetworkAclAssociationId"], NetworkAclId=default["NetworkAclId"]
        )
    a.ec2.delete_network_acl(NetworkAclId=ours["NetworkAclId"])


def _delete_gateway(a: Account) -> None:
    a.ec2.delete_route(RouteTableId=a.id("route_table", TABLE), DestinationCidrBlock="0.0.0.0/0")
    _detach_gateway(a)
    a.ec2.delete_internet_gateway(InternetGatewayId=a.id("internet_gateway", IGW))


def _delete_group(a: Account) -> None:
    a.ec2.modify_instance_attribute(InstanceId=a.id("instance", "KOIN_DB"), Groups=[a.id("security_group", "SSH")])
    a.ec2.delete_security_group(GroupId=a.id("security_group", "DB"))


def _delete_zone(a: Account) -> None:
    client, zone = a.aws.client("route53"), a.id("zone", "jjbaksa.com")
    for record in client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]:
        if record["Type"] not in ("NS", "SOA"):
            _record(a, "jjbaksa.com", "DELETE", record)
    client.delete_hosted_zone(Id=zone)


def _delete_record(a: Account) -> None:
    zone = a.id("zone", "koreatech.in")
    records = a.aws.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    owner = next(item for item in records if item["Name"] == "owner.koreatech.in.")
    _record(a, "koreatech.in", "DELETE", owner)


def _delete_distribution(a: Account) -> None:
    client, site = a.aws.client("cloudfront"), a.id("distribution", "image")
    answer = client.get_distribution_config(Id=site)
    config = answer["DistributionConfig"] | {"Enabled": False}
    tag = client.update_distribution(Id=site, IfMatch=answer["ETag"], DistributionConfig=config)["ETag"]
    client.delete_distribution(Id=site, IfMatch=tag)


def _delete_access_control(a: Account) -> None:
    client = a.aws.client("cloudfront")
    site = a.id("origin_access_control", "image")
    client.delete_origin_access_control(Id=site, IfMatch=client.get_origin_access_control(Id=site)["ETag"])


def _delete_bucket(a: Account) -> None:
    a.aws.client("s3").delete_bucket(Bucket="team-kap-koin-storage")


def _delete_role(a: Account) -> None:
    client, name = a.aws.client("iam"), "koin-build"
    client.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=name)
    client.delete_instance_profile(InstanceProfileName=name)
    client.delete_role_policy(RoleName=name, PolicyName="platform")
    client.delete_role(RoleName=name)


#: kind and name -> how to delete it
DELETIONS: dict[tuple[str, str], Callable[[Account], object]] = {
    ("internet_gateway", IGW): _delete_gateway,
    ("subnet", "BCSDLab-d"): _delete_subnet,
    ("network_acl", ACL): _delete_acl,
    ("security_group", "DB"): _delete_group,
    ("zone", "jjbaksa.com"): _delete_zone,
    # In this order: AWS keeps an access control that a distribution uses.
    ("distribution", "image"): _delete_distribution,
    ("origin_access_control", "image"): _delete_access_control,
    ("bucket", "team-kap-koin-storage"): _delete_bucket,
    ("iam_role", "koin-build"): _delete_role,
    ("key_pair", "koin"): lambda a: a.ec2.delete_key_pair(KeyName="koin"),
    ("instance", "BCSD_Build"): lambda a: a.ec2.terminate_instances(InstanceIds=[a.id("instance", "BCSD_Build")]),
    ("elastic_ip", "KOIN_STAGE"): lambda a: (
        a.ec2.disassociate_address(PublicIp=a.id("elastic_ip", "KOIN_STAGE", "public_ip")),
        a.ec2.release_address(AllocationId=a.id("elastic_ip", "KOIN_STAGE")),
    ),
    ("record", "owner.koreatech.in A"): _delete_record,
    ("topic", "koin-alarms"): lambda a: a.aws.client("sns").delete_topic(TopicArn=a.id("topic", "koin-alarms")),
    ("alarm", ALARM): lambda a: a.aws.client("cloudwatch").delete_alarms(AlarmNames=[ALARM]),
}
