"""KOIN's account as it is today: made by hand in the console, tagged with names at most, with things left over.

Built with plain boto3 calls from the literals below, which come from the seed and not from the declaration:
adopting this account is the main path of the platform.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from .local_aws import LocalAws

REGION = "ap-northeast-2"
VPC_NAME = "BCSDLab"
UBUNTU = {"x86_64": "ami-0b22044000000a64", "arm64": "ami-0b22044000000b64"}

# name: (type, architecture, subnet, private address, elastic address, security groups)
INSTANCES = {
    "BCSD_Build": (
        "t3a.small",
        "x86_64",
        "172.31.0.0/20",
        "172.31.5.17",
        "13.209.141.183",
        ("Web", "SSH", "DockerSwarm"),
    ),
    "BCSDLAB_INTERNAL": (
        "t4g.small",
        "arm64",
        "172.31.16.0/20",
        "172.31.23.141",
        "43.202.254.112",
        ("Web", "SSH", "DockerSwarm"),
    ),
    "KOIN_STAGE": (
        "t3a.small",
        "x86_64",
        "172.31.32.0/20",
        "172.31.44.8",
        "43.200.206.36",
        ("Web", "SSH", "DockerSwarm"),
    ),
    "KOIN_PROD": (
        "t3a.small",
        "x86_64",
        "172.31.0.0/20",
        "172.31.11.203",
        "52.78.46.60",
        ("Web", "SSH", "DockerSwarm"),
    ),
    "KOIN_DB": (
        "t3a.small",
        "x86_64",
        "172.31.32.0/20",
        "172.31.38.92",
        "54.180.57.106",
        ("SSH", "launch-wizard-1"),
    ),
}

# name: (protocol, from port, to port, source)
SECURITY_GROUPS: dict[str, tuple[tuple[str, int, int, str], ...]] = {
    "Web": (("tcp", 80, 80, "0.0.0.0/0"), ("tcp", 443, 443, "0.0.0.0/0")),
    # Port 22 is left over from before sshd moved.
    "SSH": (("tcp", 22222, 22222, "0.0.0.0/0"), ("tcp", 22, 22, "0.0.0.0/0")),
    "DockerSwarm": (
        ("tcp", 2377, 2377, "172.31.0.0/16"),
        ("tcp", 7946, 7946, "172.31.0.0/16"),
        ("udp", 7946, 7946, "172.31.0.0/16"),
        ("udp", 4789, 4789, "172.31.0.0/16"),
    ),
    "launch-wizard-1": (("tcp", 3306, 3306, "0.0.0.0/0"),),
    "launch-wizard-2": (("tcp", 8080, 8080, "0.0.0.0/0"),),
}

OBJECTS = {
    "bcsdlab-storage": ("images/logo.png", "images/2023/mt.jpg"),
    "kap-test": ("upload/test.png",),
    "team-kap-koin-storage": ("assets/img/facebook_icon.png", "upload/menu.jpg", "dining/today.jpg"),
    "bcsdlab-backup-2019": ("koin.sql.gz",),
}
PUBLIC_BUCKET = "team-kap-koin-storage"

# alias: (id, bucket, zone)
DISTRIBUTIONS = {
    "static.koreatech.in": ("E1QROAB9PHO2Z", "team-kap-koin-storage", "koreatech.in"),
    "stage-static.koreatech.in": ("EI7PAG7MZZBP1", "kap-test", "koreatech.in"),
    "image.bcsdlab.com": ("E2VEMNBL5U83LM", "bcsdlab-storage", "bcsdlab.com"),
}

# zone: host name: address
RECORDS = {
    "koreatech.in": {
        "koreatech.in": "52.78.46.60",
        "api.koreatech.in": "52.78.46.60",
        "owner.koreatech.in": "52.78.46.60",
        "order.koreatech.in": "52.78.46.60",
        "stage.koreatech.in": "43.200.206.36",
        "api.stage.koreatech.in": "43.200.206.36",
        "admin.stage.koreatech.in": "43.200.206.36",
        "old.koreatech.in": "13.125.7.44",
    },
    "bcsdlab.com": {
        "bcsdlab.com": "43.202.254.112",
        "api.bcsdlab.com": "43.202.254.112",
        "internal.bcsdlab.com": "43.202.254.112",
        "build.bcsdlab.com": "13.209.141.183",
    },
    "jjbaksa.com": {"jjbaksa.com": "52.78.46.60", "stage.jjbaksa.com": "43.200.206.36"},
}
REGISTERED = ("koreatech.in", "bcsdlab.com")

UNATTACHED_ADDRESS = "3.35.27.61"

# What belongs to nobody's declaration: the plan reports it as unmanaged and leaves it alone.
STRAYS: dict[str, tuple[str, ...]] = {
    "instance": ("test-kim",),
    "elastic_ip": (UNATTACHED_ADDRESS,),
    "security_group": ("launch-wizard-1", "launch-wizard-2"),
    "key_pair": ("kim-laptop", "koin-old"),
    "bucket": ("bcsdlab-backup-2019",),
    "record": ("old.koreatech.in",),
    "certificate": tuple(DISTRIBUTIONS),
}

_PUBLIC_KEY = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEqXnlP0Vb3pVb0q8mQ6mQbQ4o2w3k2l5c6c7d8e9f0g %s"
_CONTACT = {
    "FirstName": "BCSD",
    "LastName": "Lab",
    "ContactType": "PERSON",
    "CountryCode": "KR",
    "City": "Cheonan",
    "AddressLine1": "1600 Chungjeol-ro",
    "ZipCode": "31253",
    "PhoneNumber": "+82.415601114",
    "Email": "admin@example.com",
}


@dataclass
class LiveAccount:
    """The ids of what was built, by name."""

    vpc: str = ""
    internet_gateway: str = ""
    route_table: str = ""
    network_acl: str = ""
    subnets: dict[str, str] = field(default_factory=dict)
    security_groups: dict[str, str] = field(default_factory=dict)
    instances: dict[str, str] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    certificates: dict[str, str] = field(default_factory=dict)
    distributions: dict[str, str] = field(default_factory=dict)
    zones: dict[str, str] = field(default_factory=dict)
    strays: dict[str, tuple[str, ...]] = field(default_factory=lambda: dict(STRAYS))


def build(aws: LocalAws) -> LiveAccount:
    """Build it in a new account; the request log begins after it."""
    account = LiveAccount()
    _network(aws.client("ec2"), account)
    _instances(aws.client("ec2"), account)
    _buckets(aws.client("s3"))
    _zones(aws, account)
    _distributions(aws, account)
    aws.mark()
    return account


def _only(items: list[Any]) -> Any:
    (item,) = items
    return item


def _network(ec2: Any, account: LiveAccount) -> None:
    account.vpc = _only(ec2.describe_vpcs()["Vpcs"])["VpcId"]
    ec2.create_tags(Resources=[account.vpc], Tags=[{"Key": "Name", "Value": VPC_NAME}])
    inside = [{"Name": "vpc-id", "Values": [account.vpc]}]
    account.subnets = {
        subnet["CidrBlock"]: subnet["SubnetId"] for subnet in ec2.describe_subnets(Filters=inside)["Subnets"]
    }
    account.internet_gateway = _only(ec2.describe_internet_gateways()["InternetGateways"])["InternetGatewayId"]
    account.route_table = _only(ec2.describe_route_tables(Filters=inside)["RouteTables"])["RouteTableId"]
    account.network_acl = _only(ec2.describe_network_acls(Filters=inside)["NetworkAcls"])["NetworkAclId"]
    for name, rules in SECURITY_GROUPS.items():
        group = ec2.create_security_group(GroupName=name, Description=name, VpcId=account.vpc)["GroupId"]
        account.security_groups[name] = group
        ec2.authorize_security_group_ingress(
            GroupId=group,
            IpPermissions=[
                {"IpProtocol": protocol, "FromPort": first, "ToPort": last, "IpRanges": [{"CidrIp": source}]}
                for protocol, first, last, source in rules
            ],
        )


def _instances(ec2: Any, account: LiveAccount) -> None:
    for key in STRAYS["key_pair"]:
        ec2.import_key_pair(KeyName=key, PublicKeyMaterial=_PUBLIC_KEY % key.encode())
    for name, (kind, architecture, subnet, private, public, groups) in INSTANCES.items():
        account.instances[name] = _launch(ec2, account, name, kind, architecture, subnet, private, groups)
        address = ec2.allocate_address(Domain="vpc", Address=public)
        account.addresses[public] = address["AllocationId"]
        ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=account.instances[name])
    stray = STRAYS["instance"][0]
    account.instances[stray] = _launch(
        ec2, account, stray, "t3a.small", "x86_64", "172.31.0.0/20", "172.31.9.99", ("launch-wizard-2",)
    )
    account.addresses[UNATTACHED_ADDRESS] = ec2.allocate_address(Domain="vpc", Address=UNATTACHED_ADDRESS)[
        "AllocationId"
    ]


def _launch(
    ec2: Any,
    account: LiveAccount,
    name: str,
    kind: str,
    architecture: str,
    subnet: str,
    private: str,
    groups: tuple[str, ...],
) -> str:
    launched = ec2.run_instances(
        ImageId=UBUNTU[architecture],
        InstanceType=kind,
        MinCount=1,
        MaxCount=1,
        KeyName="koin-old",
        SubnetId=account.subnets[subnet],
        PrivateIpAddress=private,
        SecurityGroupIds=[account.security_groups[group] for group in groups],
        MetadataOptions={"HttpTokens": "optional", "HttpEndpoint": "enabled", "HttpPutResponseHopLimit": 1},
        BlockDeviceMappings=[
            {
                "DeviceName": "/dev/sda1",
                "Ebs": {"VolumeSize": 8, "VolumeType": "gp2", "Encrypted": False, "DeleteOnTermination": True},
            }
        ],
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}],
    )
    return str(_only(launched["Instances"])["InstanceId"])


def _buckets(s3: Any) -> None:
    for bucket, keys in OBJECTS.items():
        s3.create_bucket(
            Bucket=bucket,
            CreateBucketConfiguration={"LocationConstraint": REGION},
            # What a bucket had that was made before April 2023.
            ObjectOwnership="ObjectWriter",
        )
        for key in keys:
            s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    statement = {
        "Sid": "PublicRead",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{PUBLIC_BUCKET}/*",
    }
    s3.put_bucket_policy(Bucket=PUBLIC_BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def _zones(aws: LocalAws, account: LiveAccount) -> None:
    route53 = aws.client("route53", "us-east-1")
    domains = aws.client("route53domains", "us-east-1")
    for zone in RECORDS:
        if zone in REGISTERED:
            # Registering makes the zone as well.
            domains.register_domain(
                DomainName=zone,
                DurationInYears=1,
                AdminContact=_CONTACT,
                RegistrantContact=_CONTACT,
                TechContact=_CONTACT,
            )
            listed = route53.list_hosted_zones_by_name(DNSName=zone)["HostedZones"]
            account.zones[zone] = next(item["Id"] for item in listed if item["Name"] == f"{zone}.")
        else:
            account.zones[zone] = route53.create_hosted_zone(Name=zone, CallerReference=zone)["HostedZone"]["Id"]
        account.zones[zone] = account.zones[zone].removeprefix("/hostedzone/")
        if zone in REGISTERED:
            servers = route53.get_hosted_zone(Id=account.zones[zone])["DelegationSet"]["NameServers"]
            domains.update_domain_nameservers(DomainName=zone, Nameservers=[{"Name": server} for server in servers])
        records = [_record(name, "A", address) for name, address in RECORDS[zone].items()]
        records.append(_record(zone, "MX", "1 aspmx.l.google.com.", "5 alt1.aspmx.l.google.com."))
        records.append(_record(zone, "TXT", '"v=spf1 include:_spf.google.com ~all"'))
        _write(route53, account.zones[zone], records)


def _record(name: str, kind: str, *values: str) -> dict[str, Any]:
    return {"Name": name, "Type": kind, "TTL": 300, "ResourceRecords": [{"Value": value} for value in values]}


def _write(route53: Any, zone: str, records: list[dict[str, Any]]) -> None:
    changes = [{"Action": "UPSERT", "ResourceRecordSet": record} for record in records]
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})


def _distributions(aws: LocalAws, account: LiveAccount) -> None:
    acm = aws.client("acm", "us-east-1")
    cloudfront = aws.client("cloudfront", "us-east-1")
    route53 = aws.client("route53", "us-east-1")
    for alias, (distribution, bucket, zone) in DISTRIBUTIONS.items():
        arn = acm.request_certificate(DomainName=alias, ValidationMethod="DNS")["CertificateArn"]
        account.certificates[alias] = arn
        option = _only(acm.describe_certificate(CertificateArn=arn)["Certificate"]["DomainValidationOptions"])
        proof = option["ResourceRecord"]
        _write(route53, account.zones[zone], [_record(proof["Name"], proof["Type"], proof["Value"])])
        # The local AWS takes a caller reference in this form for the id.
        made = cloudfront.create_distribution(DistributionConfig=_legacy_config(distribution, alias, bucket, arn))
        account.distributions[alias] = made["Distribution"]["Id"]
        target = {
            "HostedZoneId": "Z2FDTNDATAQYW2",
            "DNSName": made["Distribution"]["DomainName"],
            "EvaluateTargetHealth": False,
        }
        _write(route53, account.zones[zone], [{"Name": alias, "Type": "A", "AliasTarget": target}])
        cloudfront.get_waiter("distribution_deployed").wait(
            Id=account.distributions[alias], WaiterConfig={"Delay": 0, "MaxAttempts": 5}
        )


def _legacy_config(reference: str, alias: str, bucket: str, certificate: str) -> dict[str, Any]:
    origin = {
        "Id": f"S3-{bucket}",
        "DomainName": f"{bucket}.s3.{REGION}.amazonaws.com",
        "S3OriginConfig": {"OriginAccessIdentity": f"origin-access-identity/cloudfront/{reference[::-1]}"},
    }
    return {
        "CallerReference": reference,
        "Aliases": {"Quantity": 1, "Items": [alias]},
        "DefaultRootObject": "",
        "Origins": {"Quantity": 1, "Items": [origin]},
        "DefaultCacheBehavior": {
            "TargetOriginId": origin["Id"],
            "ViewerProtocolPolicy": "allow-all",
            "Compress": False,
            "ForwardedValues": {"QueryString": False, "Cookies": {"Forward": "none"}},
            "MinTTL": 0,
        },
        "Comment": "",
        "Enabled": True,
        "HttpVersion": "http1.1",
        "IsIPV6Enabled": False,
        "PriceClass": "PriceClass_All",
        "ViewerCertificate": {
            "ACMCertificateArn": certificate,
            "SSLSupportMethod": "sni-only",
            "MinimumProtocolVersion": "TLSv1",
        },
    }
