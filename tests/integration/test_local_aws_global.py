"""Each correction of moto's CloudFront, ACM, Route 53 and its domains has a test here that fails without it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.local_aws import LocalAws

CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
CONTACT = {
    "FirstName": "BCSD",
    "LastName": "Lab",
    "ContactType": "PERSON",
    "CountryCode": "KR",
    "City": "Cheonan",
    "AddressLine1": "x",
    "ZipCode": "31253",
    "PhoneNumber": "+82.415601114",
    "Email": "admin@example.com",
}


@pytest.fixture
def cloudfront(local_aws: LocalAws) -> Any:
    return local_aws.client("cloudfront", "us-east-1")


def refused(code: str, call: Any, **arguments: Any) -> None:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == code


def zone(aws: LocalAws, name: str) -> str:
    made = aws.client("route53", "us-east-1").create_hosted_zone(Name=name, CallerReference=str(time.time_ns()))
    return str(made["HostedZone"]["Id"])


def write(aws: LocalAws, zone_id: str, name: str, kind: str, value: str) -> None:
    record = {"Name": name, "Type": kind, "TTL": 300, "ResourceRecords": [{"Value": value}]}
    aws.client("route53", "us-east-1").change_resource_record_sets(
        HostedZoneId=zone_id, ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
    )


def certificate(aws: LocalAws, domain: str, *, issued: bool = True) -> str:
    acm = aws.client("acm", "us-east-1")
    arn = str(
        acm.request_certificate(DomainName=domain, SubjectAlternativeNames=[f"*.{domain}"], ValidationMethod="DNS")[
            "CertificateArn"
        ]
    )
    if issued:
        proof = acm.describe_certificate(CertificateArn=arn)["Certificate"]["DomainValidationOptions"][0]
        record = proof["ResourceRecord"]
        write(aws, zone(aws, domain), record["Name"], record["Type"], record["Value"])
    return arn


def control(cloudfront: Any, name: str = "koin-s3") -> str:
    config = {
        "Name": name,
        "Description": "",
        "SigningProtocol": "sigv4",
        "SigningBehavior": "always",
        "OriginAccessControlOriginType": "s3",
    }
    made = cloudfront.create_origin_access_control(OriginAccessControlConfig=config)
    return str(made["OriginAccessControl"]["Id"])


def config(certificate: str, origin_access_control: str, **changes: Any) -> dict[str, Any]:
    return {
        "CallerReference": str(time.time_ns()),
        "Aliases": {"Quantity": 1, "Items": ["static.koreatech.in"]},
        "DefaultRootObject": "index.html",
        "Origins": {
            "Quantity": 1,
            "Items": [
                {
                    "Id": "bucket",
                    "DomainName": "team-kap-koin-storage.s3.ap-northeast-2.amazonaws.com",
                    "OriginAccessControlId": origin_access_control,
                    "S3OriginConfig": {"OriginAccessIdentity": ""},
                }
            ],
        },
        "DefaultCacheBehavior": {
            "TargetOriginId": "bucket",
            "ViewerProtocolPolicy": "redirect-to-https",
            "CachePolicyId": CACHING_OPTIMIZED,
            "ResponseHeadersPolicyId": "67f7725c-6f97-4210-82d7-5512b31e9d03",
            "Compress": True,
        },
        "Comment": "static",
        "Enabled": True,
        "HttpVersion": "http2and3",
        "IsIPV6Enabled": True,
        "PriceClass": "PriceClass_200",
        "ViewerCertificate": {
            "ACMCertificateArn": certificate,
            "SSLSupportMethod": "sni-only",
            "MinimumProtocolVersion": "TLSv1.2_2021",
        },
    } | changes


def subset(wanted: Any, found: Any) -> bool:
    """Whether everything that was asked for is in the answer."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            key in found and subset(value, found[key]) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return len(wanted) == len(found) and all(map(subset, wanted, found))
    return bool(wanted == found)


def test_a_distribution_is_kept_as_given(local_aws: LocalAws, cloudfront: Any) -> None:
    wanted = config(certificate(local_aws, "koreatech.in"), control(cloudfront))
    made = cloudfront.create_distribution(DistributionConfig=wanted)
    distribution = made["Distribution"]["Id"]
    got = cloudfront.get_distribution_config(Id=distribution)
    assert subset(wanted, got["DistributionConfig"])
    assert "ForwardedValues" not in got["DistributionConfig"]["DefaultCacheBehavior"]
    (listed,) = cloudfront.list_distributions()["DistributionList"]["Items"]
    for key in ("Aliases", "Origins", "DefaultCacheBehavior", "ViewerCertificate", "HttpVersion", "IsIPV6Enabled"):
        assert subset(wanted[key], listed[key]), key

    # What was read can be written back, and a second writer with an old version is refused.
    changed = got["DistributionConfig"] | {"PriceClass": "PriceClass_All", "DefaultRootObject": ""}
    updated = cloudfront.update_distribution(Id=distribution, IfMatch=got["ETag"], DistributionConfig=changed)
    assert updated["Distribution"]["DistributionConfig"] == changed
    assert updated["ETag"] != got["ETag"]
    refused(
        "PreconditionFailed",
        cloudfront.update_distribution,
        Id=distribution,
        IfMatch=got["ETag"],
        DistributionConfig=changed,
    )
    assert cloudfront.get_distribution_config(Id=distribution)["DistributionConfig"] == changed


def test_a_legacy_distribution_is_kept_as_given(cloudfront: Any) -> None:
    legacy = config("", "", Aliases={"Quantity": 0}, ViewerCertificate={"CloudFrontDefaultCertificate": True})
    legacy["Origins"]["Items"][0]["S3OriginConfig"] = {"OriginAccessIdentity": "origin-access-identity/cloudfront/E2"}
    legacy["DefaultCacheBehavior"] = {
        "TargetOriginId": "bucket",
        "ViewerProtocolPolicy": "allow-all",
        "ForwardedValues": {"QueryString": False, "Cookies": {"Forward": "none"}},
        "MinTTL": 0,
    }
    made = cloudfront.create_distribution(DistributionConfig=legacy)["Distribution"]["DistributionConfig"]
    assert subset(legacy, made)
    assert "CachePolicyId" not in made["DefaultCacheBehavior"]


def test_one_alias_has_one_distribution(local_aws: LocalAws, cloudfront: Any) -> None:
    arn = certificate(local_aws, "koreatech.in")
    cloudfront.create_distribution(DistributionConfig=config(arn, control(cloudfront)))
    refused("CNAMEAlreadyExists", cloudfront.create_distribution, DistributionConfig=config(arn, ""))


def test_a_distribution_needs_an_issued_certificate_that_covers_it(local_aws: LocalAws, cloudfront: Any) -> None:
    pending = certificate(local_aws, "bcsdlab.com", issued=False)
    image = {"Quantity": 1, "Items": ["image.bcsdlab.com"]}
    create = cloudfront.create_distribution
    refused("InvalidViewerCertificate", create, DistributionConfig=config(pending, "", Aliases=image))
    other = certificate(local_aws, "koreatech.in")
    refused("InvalidViewerCertificate", create, DistributionConfig=config(other, "", Aliases=image))
    deeper = {"Quantity": 1, "Items": ["a.b.koreatech.in"]}
    refused("InvalidViewerCertificate", create, DistributionConfig=config(other, "", Aliases=deeper))


def test_a_distribution_is_disabled_before_it_goes(local_aws: LocalAws, cloudfront: Any) -> None:
    arn = certificate(local_aws, "koreatech.in")
    made = cloudfront.create_distribution(DistributionConfig=config(arn, control(cloudfront)))
    name, etag = made["Distribution"]["Id"], made["ETag"]
    refused("DistributionNotDisabled", cloudfront.delete_distribution, Id=name, IfMatch=etag)
    disabled = made["Distribution"]["DistributionConfig"] | {"Enabled": False}
    etag = cloudfront.update_distribution(Id=name, IfMatch=etag, DistributionConfig=disabled)["ETag"]
    cloudfront.delete_distribution(Id=name, IfMatch=etag)
    assert cloudfront.list_distributions()["DistributionList"]["Quantity"] == 0


def test_a_distribution_is_deployed_when_looked_at_again(local_aws: LocalAws, cloudfront: Any) -> None:
    arn = certificate(local_aws, "koreatech.in")
    made = cloudfront.create_distribution(DistributionConfig=config(arn, control(cloudfront)))
    assert made["Distribution"]["Status"] == "InProgress"
    assert cloudfront.get_distribution(Id=made["Distribution"]["Id"])["Distribution"]["Status"] == "Deployed"


def test_a_test_may_choose_the_id(local_aws: LocalAws, cloudfront: Any) -> None:
    arn = certificate(local_aws, "koreatech.in")
    wanted = config(arn, control(cloudfront), CallerReference="E1QROAB9PHO2Z")
    items = [{"Key": "Platform", "Value": "koin"}]
    made = cloudfront.create_distribution_with_tags(
        DistributionConfigWithTags={"DistributionConfig": wanted, "Tags": {"Items": items}}
    )["Distribution"]
    assert made["Id"] == "E1QROAB9PHO2Z"
    assert made["ARN"].endswith(":distribution/E1QROAB9PHO2Z")
    assert cloudfront.list_tags_for_resource(Resource=made["ARN"])["Tags"]["Items"] == items


def test_origin_access_controls_are_whole(local_aws: LocalAws, cloudfront: Any) -> None:
    name = control(cloudfront)
    (listed,) = cloudfront.list_origin_access_controls()["OriginAccessControlList"]["Items"]
    assert (listed["Id"], listed["OriginAccessControlOriginType"]) == (name, "s3")
    got = cloudfront.get_origin_access_control(Id=name)["OriginAccessControl"]["OriginAccessControlConfig"]
    assert got["OriginAccessControlOriginType"] == "s3"
    refused("OriginAccessControlAlreadyExists", control, cloudfront=cloudfront)
    arn = certificate(local_aws, "koreatech.in")
    cloudfront.create_distribution(DistributionConfig=config(arn, name))
    refused("OriginAccessControlInUse", cloudfront.delete_origin_access_control, Id=name, IfMatch="x")
    refused(
        "InvalidOriginAccessControl",
        cloudfront.create_distribution,
        DistributionConfig=config(arn, "E0", Aliases={"Quantity": 0}),
    )


def test_origin_access_controls_come_in_pages(cloudfront: Any) -> None:
    names = {control(cloudfront, f"koin-{index}") for index in range(3)}
    first = cloudfront.list_origin_access_controls(MaxItems="2")["OriginAccessControlList"]
    rest = cloudfront.list_origin_access_controls(Marker=first["NextMarker"])["OriginAccessControlList"]
    assert (first["IsTruncated"], rest["IsTruncated"]) == (True, False)
    assert {item["Id"] for item in first["Items"] + rest["Items"]} == names


def test_response_headers_policies_are_whole(local_aws: LocalAws, cloudfront: Any) -> None:
    policy = {
        "Name": "uploads",
        "Comment": "what visitors upload",
        "SecurityHeadersConfig": {
            "ContentTypeOptions": {"Override": True},
            "StrictTransportSecurity": {"Override": True, "AccessControlMaxAgeSec": 63072000},
        },
        "CustomHeadersConfig": {"Quantity": 1, "Items": [{"Header": "X-By", "Value": "koin", "Override": False}]},
    }
    made = cloudfront.create_response_headers_policy(ResponseHeadersPolicyConfig=policy)
    own, version = made["ResponseHeadersPolicy"]["Id"], made["ETag"]
    refused(
        "ResponseHeadersPolicyAlreadyExists",
        cloudfront.create_response_headers_policy,
        ResponseHeadersPolicyConfig=policy,
    )
    (listed,) = cloudfront.list_response_headers_policies(Type="custom")["ResponseHeadersPolicyList"]["Items"]
    assert listed["Type"] == "custom"
    assert listed["ResponseHeadersPolicy"]["ResponseHeadersPolicyConfig"] == policy
    change = {"Id": own, "ResponseHeadersPolicyConfig": policy | {"Comment": "changed"}}
    refused("InvalidIfMatchVersion", cloudfront.update_response_headers_policy, **change)
    newer = cloudfront.update_response_headers_policy(**change, IfMatch=version)["ETag"]
    refused("PreconditionFailed", cloudfront.update_response_headers_policy, **change, IfMatch=version)
    got = cloudfront.get_response_headers_policy(Id=own)
    assert got["ResponseHeadersPolicy"]["ResponseHeadersPolicyConfig"]["Comment"] == "changed"
    site = config(certificate(local_aws, "koreatech.in"), control(cloudfront))
    site["DefaultCacheBehavior"]["ResponseHeadersPolicyId"] = own
    cloudfront.create_distribution(DistributionConfig=site)
    refused("ResponseHeadersPolicyInUse", cloudfront.delete_response_headers_policy, Id=own, IfMatch=newer)
    refused("NoSuchResponseHeadersPolicy", cloudfront.get_response_headers_policy, Id="nothing")


def test_a_certificate_is_issued_by_its_record(local_aws: LocalAws) -> None:
    acm = local_aws.client("acm", "us-east-1")
    arn = certificate(local_aws, "koreatech.in", issued=False)
    described = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    assert described["Status"] == "PENDING_VALIDATION"
    assert described["SubjectAlternativeNames"] == ["koreatech.in", "*.koreatech.in"]
    assert "IssuedAt" not in described
    options = described["DomainValidationOptions"]
    assert [item["DomainName"] for item in options] == ["koreatech.in", "*.koreatech.in"]
    records = [item["ResourceRecord"] for item in options]
    assert records[0] == records[1], "a wildcard and its apex are proven by one record"
    assert {item["ValidationStatus"] for item in options} == {"PENDING_VALIDATION"}
    (summary,) = acm.list_certificates()["CertificateSummaryList"]
    assert summary["SubjectAlternativeNameSummaries"] == ["koreatech.in", "*.koreatech.in"]
    assert (summary["Status"], acm.list_certificates(CertificateStatuses=["ISSUED"])["CertificateSummaryList"]) == (
        "PENDING_VALIDATION",
        [],
    )

    zone_id = zone(local_aws, "koreatech.in")
    write(local_aws, zone_id, records[0]["Name"], "CNAME", "elsewhere.example.com.")
    assert acm.describe_certificate(CertificateArn=arn)["Certificate"]["Status"] == "PENDING_VALIDATION"
    write(local_aws, zone_id, records[0]["Name"], "CNAME", records[0]["Value"])
    described = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    assert described["Status"] == "ISSUED"
    assert {item["ValidationStatus"] for item in described["DomainValidationOptions"]} == {"SUCCESS"}
    assert acm.list_certificates()["CertificateSummaryList"][0]["Status"] == "ISSUED"


def test_every_domain_has_a_record_of_its_own(local_aws: LocalAws) -> None:
    acm = local_aws.client("acm", "us-east-1")
    names = set()
    for domain in ("koreatech.in", "bcsdlab.com", "koreatech.in"):
        arn = certificate(local_aws, domain, issued=False)
        for option in acm.describe_certificate(CertificateArn=arn)["Certificate"]["DomainValidationOptions"]:
            names.add((option["ResourceRecord"]["Name"].partition(".")[0], option["ResourceRecord"]["Value"]))
    assert len(names) == 2


def test_a_certificate_in_use_stays(local_aws: LocalAws, cloudfront: Any) -> None:
    acm = local_aws.client("acm", "us-east-1")
    arn = certificate(local_aws, "koreatech.in")
    made = cloudfront.create_distribution(DistributionConfig=config(arn, control(cloudfront)))["Distribution"]
    assert acm.describe_certificate(CertificateArn=arn)["Certificate"]["InUseBy"] == [made["ARN"]]
    refused("ResourceInUseException", acm.delete_certificate, CertificateArn=arn)


def test_every_zone_has_name_servers_of_its_own(local_aws: LocalAws) -> None:
    route53 = local_aws.client("route53", "us-east-1")
    seen = []
    for name in ("koreatech.in", "jjbaksa.com"):
        zone_id = zone(local_aws, name)
        servers = route53.get_hosted_zone(Id=zone_id)["DelegationSet"]["NameServers"]
        records = {
            item["Type"]: [value["Value"] for value in item["ResourceRecords"]]
            for item in route53.list_resource_record_sets(HostedZoneId=zone_id)["ResourceRecordSets"]
        }
        assert records["NS"] == [f"{server}." for server in servers]
        assert records["SOA"][0].startswith(f"{servers[0]}. ")
        seen += servers
    assert len(set(seen)) == 8


def test_domains_are_registered_for_a_year(local_aws: LocalAws) -> None:
    domains = local_aws.client("route53domains", "us-east-1")
    for name in ("koreatech.in", "bcsdlab.com"):
        domains.register_domain(
            DomainName=name, DurationInYears=1, AdminContact=CONTACT, RegistrantContact=CONTACT, TechContact=CONTACT
        )
        for server in ("ns-1.awsdns-01.org", "ns-2.awsdns-02.com"):
            domains.update_domain_nameservers(DomainName=name, Nameservers=[{"Name": server}])
        assert domains.get_domain_detail(DomainName=name)["Nameservers"] == [{"Name": "ns-2.awsdns-02.com"}]
    assert [item["DomainName"] for item in domains.list_domains()["Domains"]] == ["koreatech.in", "bcsdlab.com"]
    zones = local_aws.client("route53", "us-east-1").list_hosted_zones()["HostedZones"]
    assert {item["Name"] for item in zones} == {"koreatech.in.", "bcsdlab.com."}
    with pytest.raises(ClientError):
        domains.get_domain_detail(DomainName="jjbaksa.com")
