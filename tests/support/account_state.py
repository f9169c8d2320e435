"""Everything that describing, listing and getting answers about an account, as flat values that can be compared."""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import botocore.exceptions
from ansible.module_utils.platform.records import PREFIX

from .local_aws import LocalAws

#: what differs from answer to answer, or is given anew whenever something is associated again
_NOISE = frozenset(
    {
        "ResponseMetadata",
        "ETag",
        "AssociationId",
        "RouteTableAssociationId",
        "NetworkAclAssociationId",
        "StateReason",
        "StateReasonData",
        "StateTransitionReason",
        "StateValue",
        "InProgressInvalidationBatches",
        "ResourceRecordSetCount",
        "ClientToken",
        "LatestDeliveryTime",
        "SecurityGroupRuleId",
        "SecurityGroupRuleArn",
        # They are listed rule by rule.
        "IpPermissions",
        "IpPermissionsEgress",
    }
)
#: by which of its fields an item of a list is told from the others
_IDENTITY = (
    *("NetworkAclId", "RouteTableId", "InternetGatewayId", "NetworkInterfaceId", "InstanceId", "VolumeId"),
    *("AllocationId", "FlowLogId", "SubnetId", "GroupId", "VpcId", "Key", "KeyName", "RoleName"),
    *("InstanceProfileName", "PolicyName", "TopicArn", "AlarmName", "ID", "Id", "Sid", "RuleNumber"),
    *("DestinationCidrBlock", "Arn"),
)

State = dict[str, str]


def _client(aws: LocalAws, service: str) -> Any:
    region = "us-east-1" if service in ("acm", "cloudfront", "iam", "route53") else "ap-northeast-2"
    return aws.client(service, region)


def _ask(client: Any, operation: str, **arguments: Any) -> Any:
    """The whole answer, all pages; None for what does not exist."""
    try:
        if client.can_paginate(operation):
            return client.get_paginator(operation).paginate(**arguments).build_full_result()
        return getattr(client, operation)(**arguments)
    except botocore.exceptions.ClientError as error:
        code = error.response["Error"]["Code"]
        if any(word in code for word in ("NoSuch", "NotFound", "NotImplemented", "Unknown")):
            return None
        raise


def _ec2(aws: LocalAws) -> Iterator[tuple[str, Any]]:
    ec2 = _client(aws, "ec2")
    for operation in (
        "describe_vpcs",
        "describe_dhcp_options",
        "describe_internet_gateways",
        "describe_subnets",
        "describe_route_tables",
        "describe_network_acls",
        "describe_security_groups",
        "describe_key_pairs",
        "describe_network_interfaces",
        "describe_volumes",
        "describe_addresses",
        "describe_flow_logs",
        "describe_iam_instance_profile_associations",
        "get_ebs_encryption_by_default",
        "get_ebs_default_kms_key_id",
    ):
        yield operation, _ask(ec2, operation)
    for rule in _ask(ec2, "describe_security_group_rules")["SecurityGroupRules"]:
        peers = ("CidrIpv4", "CidrIpv6", "PrefixListId", "ReferencedGroupInfo")
        peer = next((rule[key] for key in peers if key in rule), "")
        ports = f"{rule['IpProtocol']} {rule['FromPort']}-{rule['ToPort']}"
        yield f"{rule['GroupId']} {'egress' if rule['IsEgress'] else 'ingress'} {ports} {peer}", rule
    for vpc in ec2.describe_vpcs()["Vpcs"]:
        for attribute in ("enableDnsSupport", "enableDnsHostnames", "enableNetworkAddressUsageMetrics"):
            answer = _ask(ec2, "describe_vpc_attribute", VpcId=vpc["VpcId"], Attribute=attribute)
            yield f"{vpc['VpcId']} {attribute}", answer
    running = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
    for group in ec2.describe_instances(Filters=running)["Reservations"]:
        for raw in group["Instances"]:
            found = raw["InstanceId"]
            yield found, raw
            for attribute in ("disableApiTermination", "instanceInitiatedShutdownBehavior", "userData"):
                answer = _ask(ec2, "describe_instance_attribute", InstanceId=found, Attribute=attribute)
                yield f"{found} {attribute}", answer
            yield f"{found} credits", _ask(ec2, "describe_instance_credit_specifications", InstanceIds=[found])


def _s3(aws: LocalAws) -> Iterator[tuple[str, Any]]:
    s3 = _client(aws, "s3")
    for raw in s3.list_buckets()["Buckets"]:
        bucket = raw["Name"]
        for operation in (
            "get_bucket_location",
            "get_bucket_acl",
            "get_bucket_policy",
            "get_bucket_versioning",
            "get_bucket_encryption",
            "get_bucket_ownership_controls",
            "get_public_access_block",
            "get_bucket_cors",
            "get_bucket_lifecycle_configuration",
            "get_bucket_tagging",
            "get_bucket_logging",
            "get_bucket_website",
            "get_bucket_notification_configuration",
            "get_bucket_accelerate_configuration",
            "get_bucket_replication",
            "get_bucket_request_payment",
            "list_bucket_inventory_configurations",
            "get_object_lock_configuration",
        ):
            yield f"{bucket} {operation}", _ask(s3, operation, Bucket=bucket)
        listed = _ask(s3, "list_objects_v2", Bucket=bucket) or {}
        yield (
            f"{bucket} objects",
            [
                # Every run leaves a record.
                item["Key"]
                for item in listed.get("Contents", [])
                if not item["Key"].startswith(PREFIX)
            ],
        )


def _edge(aws: LocalAws) -> Iterator[tuple[str, Any]]:
    cloudfront, acm, route53 = _client(aws, "cloudfront"), _client(aws, "acm"), _client(aws, "route53")
    for item in cloudfront.list_distributions()["DistributionList"].get("Items", []):
        yield f"distribution {item['Id']}", cloudfront.get_distribution_config(Id=item["Id"])["DistributionConfig"]
        yield f"distribution {item['Id']} tags", _ask(cloudfront, "list_tags_for_resource", Resource=item["ARN"])
    yield "access controls", _ask(cloudfront, "list_origin_access_controls")
    yield "headers policies", _ask(cloudfront, "list_response_headers_policies", Type="custom")
    for item in acm.list_certificates()["CertificateSummaryList"]:
        yield item["CertificateArn"], _ask(acm, "describe_certificate", CertificateArn=item["CertificateArn"])
    for zone in route53.list_hosted_zones()["HostedZones"]:
        name = f"{zone['Name']} {zone['Id'].rpartition('/')[2]}"
        yield name, _ask(route53, "get_hosted_zone", Id=zone["Id"])
        yield (
            f"{name} tags",
            _ask(
                route53, "list_tags_for_resource", ResourceType="hostedzone", ResourceId=zone["Id"].rpartition("/")[2]
            ),
        )
        records = _ask(route53, "list_resource_record_sets", HostedZoneId=zone["Id"])["ResourceRecordSets"]
        for record in records:
            yield f"{record['Name']} {record['Type']} {record.get('SetIdentifier', '')}".strip(), record


def _iam(aws: LocalAws) -> Iterator[tuple[str, Any]]:
    iam = _client(aws, "iam")
    account = _ask(iam, "get_account_authorization_details")
    for item in account["Policies"]:
        # Every change is one more version, under another number.
        del item["DefaultVersionId"]
        versions = item.pop("PolicyVersionList")
        item["Document"] = next(version["Document"] for version in versions if version["IsDefaultVersion"])
    yield "account", account
    yield "password policy", _ask(iam, "get_account_password_policy")
    for profile in iam.list_instance_profiles()["InstanceProfiles"]:
        name = profile["InstanceProfileName"]
        yield f"profile {name}", _ask(iam, "get_instance_profile", InstanceProfileName=name)


def _rest(aws: LocalAws) -> Iterator[tuple[str, Any]]:
    sns, cloudwatch, cloudtrail = (_client(aws, name) for name in ("sns", "cloudwatch", "cloudtrail"))
    for topic in sns.list_topics()["Topics"]:
        arn = topic["TopicArn"]
        attributes = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
        yield arn, {key: value for key, value in attributes.items() if not key.startswith("Subscriptions")}
        yield f"{arn} tags", _ask(sns, "list_tags_for_resource", ResourceArn=arn)
        for item in sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]:
            name = f"{arn} {item['Protocol']} {item['Endpoint']}"
            answer = _ask(sns, "get_subscription_attributes", SubscriptionArn=item["SubscriptionArn"]) or item
            yield name, {key: value for key, value in answer.get("Attributes", {}).items() if "Arn" not in key}
    alarms = _ask(cloudwatch, "describe_alarms")
    yield "alarms", alarms
    for alarm in alarms["MetricAlarms"]:
        yield f"{alarm['AlarmName']} tags", _ask(cloudwatch, "list_tags_for_resource", ResourceARN=alarm["AlarmArn"])
    for trail in cloudtrail.describe_trails()["trailList"]:
        yield f"trail {trail['Name']}", trail
        yield f"trail {trail['Name']} logs", cloudtrail.get_trail_status(Name=trail["Name"])["IsLogging"]
        yield f"trail {trail['Name']} selectors", _ask(cloudtrail, "get_event_selectors", TrailName=trail["Name"])
        yield f"trail {trail['Name']} tags", _ask(cloudtrail, "list_tags", ResourceIdList=[trail["TrailARN"]])
    account = _client(aws, "sts").get_caller_identity()["Account"]
    yield "public access", _ask(_client(aws, "s3control"), "get_public_access_block", AccountId=account)


def _plain(value: Any) -> Any:
    """Without what tells nothing; lists in an order of their own."""
    if isinstance(value, Mapping):
        kept = {key: _plain(item) for key, item in value.items() if key not in _NOISE}
        return {key: item for key, item in kept.items() if not isinstance(item, datetime.datetime)}
    if isinstance(value, list):
        return sorted((_plain(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True, default=str))
    return value


def _flat(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(f"{path}.{key}", item)
    elif isinstance(value, list) and value:
        taken: Counter[str] = Counter()
        for item in value:
            names = (str(item[key]) for key in _IDENTITY if isinstance(item, Mapping) and key in item)
            name = next(names, "")
            taken[name] += 1
            yield from _flat(f"{path}[{name}{f' {taken[name]}' if taken[name] > 1 or not name else ''}]", item)
    else:
        yield path, json.dumps(value, sort_keys=True, default=str)


def state(aws: LocalAws) -> State:
    """Path -> value of everything in the account."""
    found: State = {}
    for service in (_ec2, _s3, _edge, _iam, _rest):
        for what, answer in service(aws):
            found.update(_flat(what, _plain(answer)))
    return found


def disturbed(before: State, drifted: State, repaired: State) -> list[str]:
    """What a repair has written that was not its business: values that the drift had left as they were."""
    found = []
    for path in sorted(drifted.keys() | repaired.keys()):
        was, now = drifted.get(path, "absent"), repaired.get(path, "absent")
        resource = path.partition(".")[0]
        new = path not in before and any(other.startswith(resource) for other in before)
        if was != now and (before.get(path) == was if path in before else new and path not in drifted):
            found.append(f"{path}: {was} -> {now}")
    return found
