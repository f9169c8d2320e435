"""The account that adoption is tested with is what the seed describes."""

from __future__ import annotations

from tests.support import live_account
from tests.support.local_aws import LocalAws


def test_it_is_the_account_of_the_seed(local_aws: LocalAws) -> None:
    account = live_account.build(local_aws)
    ec2 = local_aws.client("ec2")
    instances = {
        {tag["Key"]: tag["Value"] for tag in instance["Tags"]}["Name"]: instance
        for reservation in ec2.describe_instances()["Reservations"]
        for instance in reservation["Instances"]
    }
    assert {name: item.get("PublicIpAddress") for name, item in instances.items() if name != "test-kim"} == {
        "BCSD_Build": "13.209.141.183",
        "BCSDLAB_INTERNAL": "43.202.254.112",
        "KOIN_STAGE": "43.200.206.36",
        "KOIN_PROD": "52.78.46.60",
        "KOIN_DB": "54.180.57.106",
    }
    assert {name: item["InstanceType"] for name, item in instances.items()} == {
        "BCSD_Build": "t3a.small",
        "BCSDLAB_INTERNAL": "t4g.small",
        "KOIN_STAGE": "t3a.small",
        "KOIN_PROD": "t3a.small",
        "KOIN_DB": "t3a.small",
        "test-kim": "t3a.small",
    }
    assert instances["BCSDLAB_INTERNAL"]["Architecture"] == "arm64"
    assert {item["MetadataOptions"]["HttpTokens"] for item in instances.values()} == {"optional"}
    assert all([tag["Key"] for tag in item["Tags"]] == ["Name"] for item in instances.values())
    volumes = ec2.describe_volumes()["Volumes"]
    assert {(item["VolumeType"], item["Size"], item["Encrypted"]) for item in volumes} == {("gp2", 8, False)}
    assert len(volumes) == 6

    assert account.distributions == {alias: entry[0] for alias, entry in live_account.DISTRIBUTIONS.items()}
    cloudfront = local_aws.client("cloudfront", "us-east-1")
    listed = cloudfront.list_distributions()["DistributionList"]["Items"]
    assert {item["Status"] for item in listed} == {"Deployed"}
    assert {item["ViewerCertificate"]["MinimumProtocolVersion"] for item in listed} == {"TLSv1"}
    route53 = local_aws.client("route53", "us-east-1")
    zones = {item["Name"]: item["Id"] for item in route53.list_hosted_zones()["HostedZones"]}
    assert zones == {f"{name}.": f"/hostedzone/{zone}" for name, zone in account.zones.items()}
    domains = local_aws.client("route53domains", "us-east-1")
    assert {item["DomainName"] for item in domains.list_domains()["Domains"]} == {"koreatech.in", "bcsdlab.com"}
    for name in ("koreatech.in", "bcsdlab.com"):
        servers = {item["Name"] for item in domains.get_domain_detail(DomainName=name)["Nameservers"]}
        assert servers == set(route53.get_hosted_zone(Id=account.zones[name])["DelegationSet"]["NameServers"])


def test_nothing_of_it_is_tagged_but_with_names(local_aws: LocalAws) -> None:
    live_account.build(local_aws)
    assert {tag["Key"] for tag in local_aws.client("ec2").describe_tags()["Tags"]} == {"Name"}


def test_the_strays_are_there(local_aws: LocalAws) -> None:
    account = live_account.build(local_aws)
    ec2 = local_aws.client("ec2")
    free = [item["PublicIp"] for item in ec2.describe_addresses()["Addresses"] if not item.get("AssociationId")]
    assert tuple(free) == account.strays["elastic_ip"]
    names = {item["GroupName"] for item in ec2.describe_security_groups()["SecurityGroups"]}
    assert names == {"default", "Web", "SSH", "DockerSwarm", *account.strays["security_group"]}
    assert {item["KeyName"] for item in ec2.describe_key_pairs()["KeyPairs"]} == set(account.strays["key_pair"])
    buckets = {item["Name"] for item in local_aws.client("s3").list_buckets()["Buckets"]}
    assert buckets == {"bcsdlab-storage", "kap-test", "team-kap-koin-storage", *account.strays["bucket"]}
    assert account.strays["instance"][0] in account.instances
    # The request log begins after the account.
    assert local_aws.writes() == []
